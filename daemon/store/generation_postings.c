/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a generation: its postings, which are derived from the chunks in gen.db.
 *
 * A writer adds the words of its chunks between the commit and the view that shows them.  What
 * the postings lack all the same (a crash, a file that was damaged, no memory) is read from the
 * chunks and added again: a short tail at opening, the rest step by step by upkeep, while
 * searches go on with what is there. */
#include "store/generation_inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP_CHUNKS 512 /* added together */
#define OPEN_CHUNKS (2 * POSTINGS_TAIL) /* missing, that are added before the first search */

static const char *language_of(const struct generation *generation)
{
        return generation->spec.language[0] ? generation->spec.language : "none";
}

/* ---- What is missing -------------------------------------------------------------------- */

struct texts {
        struct postings_text texts[STEP_CHUNKS];
        size_t n;
};

static void texts_free(struct texts *texts)
{
        for (size_t i = 0; texts && i < texts->n; i++) {
                free((char *) (uintptr_t) texts->texts[i].text);
                free((char *) (uintptr_t) texts->texts[i].title);
        }
        free(texts);
}
DEFINE_CLEANUP(struct texts *, texts_free)

static int read_texts(struct db *db, uint32_t first, uint32_t end, struct texts *texts,
                      struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT c.slot, c.text, v.title FROM chunk c"
                               " LEFT JOIN version v ON v.docver = c.docver"
                               " WHERE c.slot >= ? AND c.slot < ? ORDER BY c.slot", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, first);
        db_bind_u64(statement, 2, end);
        while (texts->n < STEP_CHUNKS && (r = db_step(db, statement, reterr)) > 0) {
                char *text = NULL, *title = NULL;
                size_t text_len = (size_t) sqlite3_column_bytes(statement, 1);
                size_t title_len = (size_t) sqlite3_column_bytes(statement, 2);

                r = db_column_text(statement, 1, &text, reterr);
                if (r == 0)
                        r = db_column_text(statement, 2, &title, reterr);
                texts->texts[texts->n++] = (struct postings_text){ db_column_u32(statement, 0),
                                                                   title, title_len, text,
                                                                   text_len };
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

/* Adds the next chunks below `committed` that the postings lack.  1: there may be more. */
static int add_missing(struct generation *generation, struct db *db, uint32_t committed,
                       struct error *reterr)
{
        cleanup_(texts_free_cleanup) struct texts *texts = calloc(1, sizeof *texts);
        uint32_t first = postings_end(generation->postings), end;
        int r;

        if (!texts)
                return error_oom(reterr);
        if (first >= committed)
                return 0;
        end = committed - first < STEP_CHUNKS ? committed : first + STEP_CHUNKS;
        r = read_texts(db, first, end, texts, reterr);
        if (r == 0)
                r = postings_add(generation->postings, first, end, texts->texts, texts->n, reterr);
        return r < 0 ? r : 1;
}

static int add_next(struct generation *generation, uint32_t committed, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&generation->adding_lock);
        r = add_missing(generation, reader.db, committed, reterr);
        (void) pthread_mutex_unlock(&generation->adding_lock);
        return r;
}

/* ---- Opening ---------------------------------------------------------------------------- */

static int open_postings(struct generation *generation, struct error *reterr)
{
        char *damage = NULL;
        int r = postings_open(generation->dirfd, language_of(generation), &generation->postings,
                              &damage, reterr);

        generation_note_damage(generation, damage);
        return r;
}

static void remove_files(const struct generation *generation)
{
        static const char prefix[] = "postings.";
        int fd = openat(generation->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                if (fd >= 0)
                        (void) close(fd);
                return;
        }
        for (struct dirent *entry; (entry = readdir(dir));)
                if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
                        (void) unlinkat(generation->dirfd, entry->d_name, 0);
        (void) closedir(dir);
}

/* They hold slots that gen.db does not know: the folder was put together from two times, and
 * what these slots are given to next has other words. */
static int start_anew(struct generation *generation, struct error *reterr)
{
        struct error why;

        error_set(&why, -EBADMSG, "the postings of %s are of another time than its gen.db: they "
                                  "are made anew", generation->path);
        generation_note_damage(generation, strdup(error_text(&why)));
        postings_free(generation->postings);
        generation->postings = NULL;
        remove_files(generation);
        return open_postings(generation, reterr);
}

int generation_open_postings(struct generation *generation, uint32_t committed,
                             struct error *reterr)
{
        int r = open_postings(generation, reterr);

        if (r == 0 && postings_end(generation->postings) > committed)
                r = start_anew(generation, reterr);
        if (r < 0 || atomic_load(&generation->state) == GENERATION_RESTING ||
            committed - postings_end(generation->postings) > OPEN_CHUNKS)
                return r;
        do
                r = add_next(generation, committed, reterr);
        while (r > 0);
        return r;
}

/* ---- Adding ----------------------------------------------------------------------------- */

void generation_add_words(struct generation *generation, uint32_t first,
                          const struct generation_chunk *chunks, size_t n)
{
        cleanup_free_ struct postings_text *texts = n > 0 ? calloc(n, sizeof *texts) : NULL;

        if (!texts)
                return;
        for (size_t i = 0; i < n; i++)
                texts[i] = (struct postings_text){
                        .slot = first + (uint32_t) i,
                        .title = chunks[i].title,
                        .title_len = chunks[i].title ? strlen(chunks[i].title) : 0,
                        .text = chunks[i].text_len ? chunks[i].text : "",
                        .text_len = chunks[i].text_len,
                };
        (void) pthread_mutex_lock(&generation->adding_lock);
        (void) postings_add(generation->postings, first, first + (uint32_t) n, texts, n, NULL);
        (void) pthread_mutex_unlock(&generation->adding_lock);
}

/* ---- Searching -------------------------------------------------------------------------- */

int generation_bm25(const struct generation_view *view, const char *query, uint32_t k,
                    const roaring_bitmap_t *filter, const struct index_check *check,
                    struct index_hit *ret_hits, uint32_t *ret_n, struct error *reterr)
{
        const struct bm25_query request = {
                .text = query,
                .len = strlen(query),
                .k = k,
                .committed = view->committed,
                .filter = filter,
                .live = view->live,
                .check = check ? *check : (struct index_check){ 0 },
        };
        struct index_stats stats;
        size_t n = 0;
        int r = postings_search(view_postings(view), &request, ret_hits, &n, &stats, reterr);

        if (r == -EBADMSG) { /* upkeep sets it aside; a view without it finds what is left */
                atomic_store(&view->generation->words_damaged, true);
                view_announce(view->generation);
                n = 0;
                r = 0;
        }
        if (r == 0)
                *ret_n = (uint32_t) n;
        return r;
}

/* ---- Upkeep ----------------------------------------------------------------------------- */

static int maintain(struct generation *generation, const struct generation_view *view,
                    const struct index_check *check, struct error *reterr)
{
        struct error why = { 0 };
        const struct postings_keep keep = { view->live,
                                            view->committed - view->source.unsettled };
        int r = add_next(generation, view->committed, reterr);

        if (r != 0)
                return r < 0 ? r : INDEX_AGAIN;
        r = postings_maintain(generation->postings, &keep, check, &why);
        if (r == -EBADMSG) {
                generation_note_damage(generation, strdup(error_text(&why)));
                return INDEX_AGAIN;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

int generation_maintain_postings(struct generation *generation, const struct index_check *check,
                                 struct error *reterr)
{
        struct generation_view *view = generation_view_ref(generation);
        int r = maintain(generation, view, check, reterr);

        (void) generation_view_unref(view);
        if (r == INDEX_AGAIN) { /* the next searches see what was done */
                int refreshed = view_refresh(generation, reterr);

                r = refreshed < 0 ? refreshed : r;
        }
        if (r >= 0) /* a search of an older view may say so again */
                atomic_store(&generation->words_damaged, false);
        return r;
}
