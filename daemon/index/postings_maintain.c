/* SPDX-License-Identifier: Apache-2.0 */
/* What is done behind the searches, a piece at a time: damaged segments are set aside, opened
 * ones verified, fresh ones written to files, all of them merged.
 *
 * A merge reads segments that nobody changes, without the lock; they are busy, so that
 * postings_add() leaves them alone meanwhile, and are replaced in one step when it is done. */
#include "index/postings_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_POSTINGS (1U << 20)         /* merged in one step */
#define STEP_VERIFY (UINT64_C(32) << 20)  /* bytes verified in one step */
#define DEAD_SHARE 10                     /* one in so many dead slots starts a merge */

/* ---- Merging ---------------------------------------------------------------------------- */

/* Consecutive segments of the list. */
struct run {
        size_t begin, end;
};

/* Under the lock. */
static void end_task(struct postings *postings)
{
        struct postings_task *task = &postings->task;

        postings_merge_free(task->merge);
        for (size_t i = 0; i < task->n; i++) {
                task->inputs[i]->busy = false;
                (void) postings_segment_unref(task->inputs[i]);
        }
        free(task->inputs);
        if (task->fd >= 0) {
                (void) close(task->fd);
                postings_file_discard(postings, task->number);
        }
        *task = (struct postings_task){ .fd = -1 };
}

void postings_task_end(struct postings *postings)
{
        (void) pthread_mutex_lock(&postings->lock);
        end_task(postings);
        (void) pthread_mutex_unlock(&postings->lock);
}

static int prepare_task(struct postings *postings, struct run run, const struct postings_keep *keep,
                      struct error *reterr)
{
        const struct postings_view *view = postings->view;
        struct postings_task *task = &postings->task;
        int r;

        task->inputs = calloc(run.end - run.begin, sizeof(struct postings_segment *));
        if (!task->inputs)
                return error_oom(reterr);
        if (postings->dirfd >= 0) {
                task->number = postings->next_number++;
                r = postings_file_create(postings, task->number, reterr);
                if (r < 0)
                        return r;
                task->fd = r;
        }
        r = postings_merge_new(view->segments + run.begin, run.end - run.begin,
                               view->segments[run.begin]->header.first_slot,
                               view->segments[run.end - 1]->header.end_slot, keep, task->fd,
                               postings->language, &task->merge, reterr);
        if (r < 0)
                return r;
        for (size_t i = run.begin; i < run.end; i++) {
                task->inputs[task->n++] = postings_segment_ref(view->segments[i]);
                view->segments[i]->busy = true;
        }
        return 0;
}

/* Under the lock. */
static int begin_task(struct postings *postings, struct run run, const struct postings_keep *keep,
                      struct error *reterr)
{
        int r = prepare_task(postings, run, keep, reterr);

        if (r < 0)
                end_task(postings);
        return r;
}

static int make_segment(struct postings *postings, struct postings_segment **ret,
                        struct error *reterr)
{
        struct postings_task *task = &postings->task;
        uint8_t *base = NULL;
        size_t bytes = 0;
        int r = postings_merge_end(task->merge, &base, &bytes, reterr);

        if (r < 0)
                return r;
        if (task->fd >= 0)
                return postings_file_commit(postings, task->number, task->fd, ret, reterr);
        return postings_segment_new_in_memory(base, bytes, postings->language, ret, reterr);
}

/* Shows the new segment instead of those it was made of, whose files are removed. */
static int finish_task(struct postings *postings, struct error *reterr)
{
        struct postings_task *task = &postings->task;
        struct postings_view *view;
        struct postings_segment *segment;
        int r = make_segment(postings, &segment, reterr);

        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&postings->lock);
        view = postings_edit(postings, 1);
        if (view) {
                postings_replace(view, postings_index(view, task->inputs[0]), task->n, segment);
                postings_show(postings, view);
        }
        (void) pthread_mutex_unlock(&postings->lock);
        if (!view) {
                if (segment->number)
                        postings_file_remove(postings, segment->number);
                (void) postings_segment_unref(segment);
                return error_oom(reterr);
        }
        if (task->fd >= 0)
                (void) close(take_fd(task->fd));
        for (size_t i = 0; i < task->n; i++)
                if (task->inputs[i]->number)
                        postings_file_remove(postings, task->inputs[i]->number);
        return 0;
}

static int continue_task(struct postings *postings, struct error *reterr)
{
        int r = postings_merge_step(postings->task.merge, STEP_POSTINGS, reterr);

        if (r > 0)
                return INDEX_AGAIN;
        if (r == 0)
                r = finish_task(postings, reterr);
        postings_task_end(postings);
        return r < 0 ? r : INDEX_AGAIN;
}

/* ---- Choosing --------------------------------------------------------------------------- */

static bool dead_enough(const struct postings_segment *segment, const struct postings_keep *keep)
{
        const struct postings_header *header = &segment->header;
        uint64_t kept = 0, end = header->end_slot;

        if (!keep || keep->settled <= header->first_slot)
                return false;
        if (end > keep->settled) {
                kept = end - keep->settled;
                end = keep->settled;
        }
        kept += roaring_bitmap_range_cardinality(keep->live, header->first_slot, end);
        return kept < header->documents &&
               (header->documents - kept) * DEAD_SHARE > header->documents;
}

static bool fits(const struct postings_view *view, struct run run)
{
        uint64_t data = 0, names = 0;

        for (size_t i = run.begin; i < run.end; i++) {
                data += view->segments[i]->header.areas[POSTINGS_DATA].bytes;
                names += view->segments[i]->header.areas[POSTINGS_NAMES].bytes;
        }
        return data < POSTINGS_AREA_MAX && names < POSTINGS_AREA_MAX;
}

/* Takes in what stands before and is not twice as large. */
static struct run extend(const struct postings *postings, const struct postings_view *view,
                         struct run run)
{
        uint64_t documents = 0;

        for (size_t i = run.begin; i < run.end; i++)
                documents += view->segments[i]->header.documents;
        while (run.begin > 0 && postings_adjoins(postings, view, run.begin - 1) &&
               view->segments[run.begin - 1]->header.documents < 2 * documents &&
               fits(view, (struct run){ run.begin - 1, run.end }))
                documents += view->segments[--run.begin]->header.documents;
        return run;
}

/* The last segments that no file holds, where they are more than `slots`. */
static bool find_fresh(const struct postings *postings, const struct postings_view *view,
                       uint64_t slots, struct run *ret)
{
        for (size_t end = view->n; postings->dirfd >= 0 && end > 0; end--) {
                struct run run = { end, end };

                while (run.begin > 0 && view->segments[run.begin - 1]->number == 0 &&
                       (run.begin == end || postings_adjoins(postings, view, run.begin - 1)))
                        run.begin--;
                if (run.begin < end &&
                    (uint64_t) view->segments[end - 1]->header.end_slot -
                                    view->segments[run.begin]->header.first_slot > slots) {
                        *ret = run;
                        return true;
                }
        }
        return false;
}

/* Files (in memory: segments that postings_add() merges no more) of which one is not twice as
 * large as the next, or that hold too much that is dead. */
static bool find_due(const struct postings *postings, const struct postings_view *view,
                     const struct postings_keep *keep, struct run *ret)
{
        for (size_t end = view->n; end > 0; end--) {
                const struct postings_segment *segment = view->segments[end - 1];
                struct run run = { end - 1, end };
                bool large = segment->number ||
                             (postings->dirfd < 0 && segment->header.documents > POSTINGS_TAIL / 2);

                if (!large)
                        continue;
                *ret = extend(postings, view, run);
                if (end - ret->begin > 1 || dead_enough(segment, keep))
                        return true;
        }
        return false;
}

/* ---- Damage ----------------------------------------------------------------------------- */

static int set_aside(struct postings *postings, struct postings_segment *segment,
                     struct error *reterr)
{
        struct postings_view *view;
        uint32_t first = segment->header.first_slot, end = segment->header.end_slot;
        size_t at;

        (void) pthread_mutex_lock(&postings->lock);
        view = postings_edit(postings, 0);
        at = view ? postings_index(view, segment) : 0;
        if (view && at < view->n) {
                (void) postings_segment_unref(segment);
                memmove(view->segments + at, view->segments + at + 1,
                        (view->n - at - 1) * sizeof(struct postings_segment *));
                view->n--;
                if (first < postings->end)
                        postings->end = first;
        }
        if (view)
                postings_show(postings, view);
        (void) pthread_mutex_unlock(&postings->lock);
        if (!view)
                return error_oom(reterr);
        if (segment->number)
                postings_file_set_aside(postings, segment->number);
        return error_set(reterr, -EBADMSG,
                         "the postings of slots %u to %u (postings.%04u) are damaged and were set "
                         "aside", first, end, segment->number);
}

static int look_after_damage(struct postings *postings, struct error *reterr)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(postings);

        for (size_t i = 0; i < view->n; i++)
                if (atomic_load_explicit(&view->segments[i]->damaged, memory_order_relaxed)) {
                        postings_task_end(postings); /* it may read this one */
                        postings->verified_bytes = postings->verified_crc = 0;
                        return set_aside(postings, view->segments[i], reterr);
                }
        return 0;
}

/* 1: one step was made; 0: nothing is left to verify. */
static int verify(struct postings *postings, struct error *reterr)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(postings);

        for (size_t i = 0; i < view->n; i++) {
                struct postings_segment *segment = view->segments[i];
                int r;

                if (segment->verified)
                        continue;
                r = postings_segment_verify(segment, postings->verified_bytes, STEP_VERIFY,
                                   &postings->verified_crc, reterr);
                postings->verified_bytes += STEP_VERIFY;
                if (r > 0)
                        return 1;
                segment->verified = r == 0;
                postings->verified_bytes = postings->verified_crc = 0;
                return r < 0 ? look_after_damage(postings, reterr) : 1;
        }
        return 0;
}

/* ---- The calls -------------------------------------------------------------------------- */

/* 1: a merge began; 0: there is nothing to merge. */
static int begin_due(struct postings *postings, const struct postings_keep *keep,
                     struct error *reterr)
{
        const struct postings_view *view;
        struct run run;
        bool due;
        int r = 0;

        (void) pthread_mutex_lock(&postings->lock);
        view = postings->view;
        due = find_fresh(postings, view, POSTINGS_TAIL - 1, &run);
        if (due)
                run = extend(postings, view, run);
        else
                due = find_due(postings, view, keep, &run);
        if (due)
                r = begin_task(postings, run, keep, reterr);
        (void) pthread_mutex_unlock(&postings->lock);
        return r < 0 ? r : due;
}

int postings_maintain(struct postings *postings, const struct postings_keep *keep,
                      const struct index_check *check, struct error *reterr)
{
        int r = check && check->check ? check->check(check->userdata) : 0;

        if (r < 0)
                return error_set(reterr, r, "work on the postings was interrupted");
        r = look_after_damage(postings, reterr);
        if (r == 0)
                r = verify(postings, reterr);
        if (r != 0)
                return r < 0 ? r : INDEX_AGAIN;
        if (!postings->task.merge) {
                r = begin_due(postings, keep, reterr);
                if (r <= 0)
                        return r < 0 ? r : INDEX_REST;
        }
        r = continue_task(postings, reterr);
        if (r == -EBADMSG)
                (void) look_after_damage(postings, reterr);
        return r;
}

int postings_save(struct postings *postings, struct error *reterr)
{
        struct run run;
        int r = 0;

        if (postings->dirfd < 0)
                return 0;
        postings_task_end(postings);
        for (bool due = true; r >= 0 && due;) {
                (void) pthread_mutex_lock(&postings->lock);
                due = find_fresh(postings, postings->view, 0, &run);
                r = due ? begin_task(postings, run, NULL, reterr) : 0;
                (void) pthread_mutex_unlock(&postings->lock);
                while (r >= 0 && postings->task.merge)
                        r = continue_task(postings, reterr);
        }
        return r < 0 ? r : 0;
}

void postings_get_status(struct postings *postings, const roaring_bitmap_t *live,
                         struct postings_status *ret)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(postings);
        struct postings_status status = { .segments = (uint32_t) view->n,
                                          .end = postings_end(postings),
                                          .documents = view->documents };

        for (size_t i = 0; i < view->n; i++) {
                const struct postings_header *header = &view->segments[i]->header;
                uint64_t kept = header->documents;

                if (live)
                        kept = roaring_bitmap_range_cardinality(live, header->first_slot,
                                                                header->end_slot);
                if (kept < header->documents)
                        status.dead += header->documents - kept;
                status.memory_segments += view->segments[i]->number == 0;
                if (view->segments[i]->number)
                        status.file_bytes += header->bytes;
                else
                        status.memory_bytes += header->bytes;
        }
        *ret = status;
}
