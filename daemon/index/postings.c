/* SPDX-License-Identifier: Apache-2.0 */
/* The list of segments: opening, adding, snapshots. */
#include "index/postings_inside.h"

#include "index/postings_build.h"
#include "index/postings_merge.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Snapshots -------------------------------------------------------------------------- */

static struct postings_view *new_view(struct postings *postings, size_t room)
{
        struct postings_view *view =
                calloc(1, sizeof *view + room * sizeof(struct postings_segment *));

        if (view) {
                atomic_init(&view->refs, 1);
                view->postings = postings;
        }
        return view;
}

struct postings_view *postings_ref(struct postings *postings)
{
        struct postings_view *view;

        (void) pthread_mutex_lock(&postings->view_lock);
        view = postings->view;
        (void) atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
        (void) pthread_mutex_unlock(&postings->view_lock);
        return view;
}

struct postings_view *postings_unref(struct postings_view *view)
{
        if (view && atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) == 1) {
                for (size_t i = 0; i < view->n; i++)
                        (void) postings_segment_unref(view->segments[i]);
                free(view);
        }
        return NULL;
}

struct postings_view *postings_edit(struct postings *postings, size_t room)
{
        const struct postings_view *from = postings->view;
        struct postings_view *view = new_view(postings, from->n + room);

        if (!view)
                return NULL;
        for (; view->n < from->n; view->n++)
                view->segments[view->n] = postings_segment_ref(from->segments[view->n]);
        return view;
}

void postings_replace(struct postings_view *view, size_t at, size_t n,
                      struct postings_segment *segment)
{
        struct postings_segment **to = view->segments + at;

        for (size_t i = 0; i < n; i++)
                (void) postings_segment_unref(to[i]);
        memmove(to + 1, to + n, (view->n - at - n) * sizeof(struct postings_segment *));
        *to = segment;
        view->n += 1 - n;
}

void postings_show(struct postings *postings, struct postings_view *view)
{
        struct postings_view *before;

        view->documents = view->length_sum = 0;
        for (size_t i = 0; i < view->n; i++) {
                view->documents += view->segments[i]->header.documents;
                view->length_sum += view->segments[i]->header.length_sum;
        }
        (void) pthread_mutex_lock(&postings->view_lock);
        before = postings->view;
        postings->view = view;
        (void) pthread_mutex_unlock(&postings->view_lock);
        (void) postings_unref(before);
}

size_t postings_index(const struct postings_view *view, const struct postings_segment *segment)
{
        size_t i = 0;

        while (i < view->n && view->segments[i] != segment)
                i++;
        return i;
}

bool postings_adjoins(const struct postings *postings, const struct postings_view *view, size_t at)
{
        uint32_t next;

        if (at + 1 >= view->n)
                return false;
        next = view->segments[at + 1]->header.first_slot;
        return next == view->segments[at]->header.end_slot || next <= postings->end;
}

/* ---- Opening ---------------------------------------------------------------------------- */

/* Over what is there already. */
static void move_end(struct postings *postings)
{
        for (size_t i = 0; i < postings->view->n; i++) {
                const struct postings_header *header = &postings->view->segments[i]->header;

                if (header->first_slot <= postings->end && header->end_slot > postings->end)
                        postings->end = header->end_slot;
        }
}

static int open_files(struct postings *postings, char **ret_damage, struct error *reterr)
{
        struct postings_segment **segments = NULL;
        struct postings_view *view;
        size_t n = 0;
        int r = postings_files_open(postings, &segments, &n, ret_damage, reterr);

        if (r < 0)
                return r;
        view = postings_edit(postings, n);
        for (size_t i = 0; i < n; i++)
                if (view)
                        postings_replace(view, i, 0, segments[i]);
                else
                        (void) postings_segment_unref(segments[i]);
        free(segments);
        if (!view)
                return error_oom(reterr);
        postings_show(postings, view);
        move_end(postings);
        return 0;
}

int postings_open(int dirfd, const char *language, struct postings **ret, char **ret_damage,
                  struct error *reterr)
{
        cleanup_(postings_free_cleanup) struct postings *postings = calloc(1, sizeof *postings);
        char *damage = NULL;
        size_t len;
        int r;

        if (!postings)
                return error_oom(reterr);
        postings->dirfd = postings->task.fd = -1;
        postings->next_number = 1;
        (void) pthread_mutex_init(&postings->view_lock, NULL);
        (void) pthread_mutex_init(&postings->lock, NULL);
        if (!language)
                language = "none";
        len = strlen(language);
        if (len >= sizeof postings->language)
                return error_set(reterr, -EINVAL, "no stemmer for language \"%s\"", language);
        memcpy(postings->language, language, len);
        r = text_analyzer_new(language, &postings->analyzer, reterr);
        if (r < 0)
                return r;
        postings->view = new_view(postings, 0);
        if (!postings->view)
                return error_oom(reterr);
        if (dirfd >= 0) {
                postings->dirfd = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
                if (postings->dirfd < 0)
                        return error_set_errno(reterr, -errno, "cannot open the postings' folder");
                r = open_files(postings, &damage, reterr);
                if (r < 0)
                        return r;
        }
        *ret = take_ptr(postings);
        if (ret_damage)
                *ret_damage = damage;
        else
                free(damage);
        return 0;
}

void postings_free(struct postings *postings)
{
        if (!postings)
                return;
        postings_task_end(postings);
        (void) postings_unref(postings->view);
        text_analyzer_free(postings->analyzer);
        for (size_t i = 0; i < ANALYZERS_KEPT; i++)
                text_analyzer_free(atomic_load(&postings->analyzers[i]));
        if (postings->dirfd >= 0)
                (void) close(postings->dirfd);
        (void) pthread_mutex_destroy(&postings->view_lock);
        (void) pthread_mutex_destroy(&postings->lock);
        free(postings);
}

/* ---- Analyzers -------------------------------------------------------------------------- */

int postings_take_analyzer(struct postings *postings, struct text_analyzer **ret,
                           struct error *reterr)
{
        for (size_t i = 0; i < ANALYZERS_KEPT; i++) {
                struct text_analyzer *analyzer = atomic_exchange(&postings->analyzers[i], NULL);

                if (analyzer) {
                        *ret = analyzer;
                        return 0;
                }
        }
        return text_analyzer_new(postings->language, ret, reterr);
}

void postings_return_analyzer(struct postings *postings, struct text_analyzer *analyzer)
{
        for (size_t i = 0; i < ANALYZERS_KEPT; i++) {
                struct text_analyzer *none = NULL;

                if (atomic_compare_exchange_strong(&postings->analyzers[i], &none, analyzer))
                        return;
        }
        text_analyzer_free(analyzer);
}

/* ---- Adding ----------------------------------------------------------------------------- */

/* The number of segments that begin at or before the slot. */
static size_t count_before(const struct postings_view *view, uint32_t slot)
{
        size_t n = 0;

        while (n < view->n && view->segments[n]->header.first_slot <= slot)
                n++;
        return n;
}

static bool holds(const struct postings_view *view, uint32_t slot)
{
        size_t n = count_before(view, slot);

        return n > 0 && slot < view->segments[n - 1]->header.end_slot;
}

/* Makes a segment of the first texts, as many as fit before the next one.  It begins where the
 * one before it ends, unless something is missing in between. */
static int add_run(struct postings *postings, struct postings_view *view, uint32_t first,
                   const struct postings_text *texts, size_t n, size_t *ret_run,
                   struct error *reterr)
{
        size_t at = count_before(view, texts[0].slot), run = 0;
        uint64_t limit = at < view->n ? view->segments[at]->header.first_slot : UINT64_MAX;
        uint32_t begin = at > 0 ? view->segments[at - 1]->header.end_slot : 0;
        struct postings_segment *segment;
        int r;

        if (first > postings->end && first > begin)
                begin = first;
        while (run < n && run < POSTINGS_TAIL && texts[run].slot < limit)
                run++;
        r = postings_build(postings->analyzer, postings->language, begin, texts[run - 1].slot + 1,
                           texts, run, &segment, reterr);
        if (r < 0)
                return r;
        postings_replace(view, at, 0, segment);
        *ret_run = run;
        return 0;
}

static bool fresh(const struct postings_segment *segment)
{
        return segment->number == 0 && !segment->busy;
}

/* Merges segments in memory that are not twice as large as what follows them, so that there are
 * never many; what a file is due for is left to postings_maintain().  Where it fails, there are
 * more of them. */
static void compact(struct postings *postings, struct postings_view *view)
{
        for (size_t end = view->n; end > 1; end--) {
                uint64_t documents = view->segments[end - 1]->header.documents;
                size_t begin = end - 1;
                struct postings_segment *merged;

                while (begin > 0 && fresh(view->segments[begin]) &&
                       fresh(view->segments[begin - 1]) &&
                       postings_adjoins(postings, view, begin - 1) &&
                       view->segments[begin - 1]->header.documents < 2 * documents &&
                       view->segments[begin - 1]->header.documents + documents <= POSTINGS_TAIL)
                        documents += view->segments[--begin]->header.documents;
                if (end - begin > 1 &&
                    postings_merge_in_memory(view->segments + begin, end - begin,
                                             postings->language, &merged, NULL) == 0) {
                        postings_replace(view, begin, end - begin, merged);
                        end = begin + 1;
                }
        }
}

static int add_locked(struct postings *postings, uint32_t first, uint32_t end,
                      const struct postings_text *texts, size_t n, struct error *reterr)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view =
                postings_edit(postings, postings->view->n + n / POSTINGS_TAIL + 1);

        if (!view)
                return error_oom(reterr);
        for (size_t run; n > 0; texts += run, n -= run) {
                run = 1;
                if (!holds(view, texts[0].slot)) {
                        int r = add_run(postings, view, first, texts, n, &run, reterr);

                        if (r < 0)
                                return r;
                }
        }
        compact(postings, view);
        postings_show(postings, take_ptr(view));
        if (first <= postings->end && end > postings->end)
                postings->end = end;
        move_end(postings);
        return 0;
}

int postings_add(struct postings *postings, uint32_t first, uint32_t end,
                 const struct postings_text *texts, size_t n, struct error *reterr)
{
        int r;

        for (size_t i = 0; i < n; i++)
                if (texts[i].slot < first || texts[i].slot >= end ||
                    (i > 0 && texts[i].slot <= texts[i - 1].slot))
                        return error_set(reterr, -EINVAL, "texts are added by rising slot");
        (void) pthread_mutex_lock(&postings->lock);
        r = add_locked(postings, first, end, texts, n, reterr);
        (void) pthread_mutex_unlock(&postings->lock);
        return r;
}

uint32_t postings_end(struct postings *postings)
{
        return atomic_load(&postings->end);
}
