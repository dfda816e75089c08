/* SPDX-License-Identifier: Apache-2.0 */
/* A generation written anew without what died in it.
 *
 * Slots are never reused and segments are never changed, so what was deleted is got rid of by a
 * copy: texts and vectors of live versions in their old order, under new slots.  Words and graph
 * are made from these as they always are. */
#include "store/generation_inside.h"

#include <stdlib.h>
#include <string.h>

#define ROWS 64   /* versions looked up together */
#define PART 256  /* chunks written together */

struct row {
        uint32_t docver, doc_no, count;
        bool live; /* else it is staged */
        char *title;
};

struct rows {
        struct row at[ROWS];
        size_t n;
};

static void rows_done(struct rows *rows)
{
        for (size_t i = 0; i < rows->n; i++)
                free(rows->at[i].title);
        rows->n = 0;
}

/* Versions after `after` that are not dead, by docver. */
static int read_rows(struct generation *generation, uint32_t after, struct rows *ret,
                     struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(generation->readers, &reader, reterr);

        ret->n = 0;
        if (r == 0)
                r = db_prepare(reader.db, "SELECT docver, doc_no, count, state, title FROM version"
                                          " WHERE docver > ? AND state < 2 ORDER BY docver LIMIT ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, after);
        db_bind_u64(statement, 2, ROWS);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                struct row *row = &ret->at[ret->n];

                *row = (struct row){ .docver = db_column_u32(statement, 0),
                                     .doc_no = db_column_u32(statement, 1),
                                     .count = db_column_u32(statement, 2),
                                     .live = db_column_u32(statement, 3) == VERSION_LIVE };
                r = db_column_text(statement, 4, &row->title, reterr);
                if (r < 0)
                        return r;
                ret->n++;
        }
        return r;
}

/* 1: docs.db has it as its document's newest version. */
static int is_current(struct collection *collection, const struct row *row, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        return r < 0 ? r : docs_is_current(reader.db, row->doc_no, row->docver, reterr);
}

int generation_is_clean(struct generation *generation, struct error *reterr)
{
        struct generation_view *view = generation_view_ref(generation);
        uint64_t committed = view->committed, current = 0;
        uint32_t after = 0;
        int r = 0;

        (void) generation_view_unref(view);
        for (;;) {
                cleanup_(rows_done) struct rows rows = { .n = 0 };

                r = read_rows(generation, after, &rows, reterr);
                if (r < 0 || rows.n == 0)
                        break;
                after = rows.at[rows.n - 1].docver;
                for (size_t i = 0; r >= 0 && i < rows.n; i++) {
                        r = is_current(generation->collection, &rows.at[i], reterr);
                        current += r > 0 ? rows.at[i].count : 0;
                }
                if (r < 0)
                        break;
        }
        return r < 0 ? r : current >= committed; /* more: staged since the view was made */
}

/* ---- Copying ---------------------------------------------------------------------------- */

/* All of a version's chunks, and room for the vectors of a part of them. */
struct copied {
        struct chunk *chunks;
        size_t n;
        float *vectors;
};

static void copied_done(struct copied *copied)
{
        (void) chunks_free(copied->chunks, copied->n);
        free(copied->vectors);
}

/* The chunks from `first` on; with the last of them the version goes live. */
static int copy_part(struct generation *from, struct generation *into, const struct row *row,
                     const struct copied *copied, size_t first, struct error *reterr)
{
        const struct generation_change live = { row->docver, row->doc_no, row->docver, false };
        uint32_t n = (uint32_t) (copied->n - first < PART ? copied->n - first : PART);
        struct generation_chunk chunks[PART];
        struct generation_span spans[PART];
        int r = 0;

        for (uint32_t i = 0; i < n; i++) {
                const struct chunk *chunk = &copied->chunks[first + i];

                spans[i] = (struct generation_span){ chunk->start, chunk->end };
                chunks[i] = (struct generation_chunk){
                        .docver = row->docver,
                        .doc_no = row->doc_no,
                        .ordinal = chunk->ordinal,
                        .start = chunk->start,
                        .end = chunk->end,
                        .tokens = chunk->tokens,
                        .title = row->title,
                        .text = chunk->text,
                        .text_len = chunk->text_len,
                        .vector = copied->vectors + (size_t) i * generation_dimensions(from),
                };
        }
        if (n > 0)
                r = generation_copy_vectors(from, row->docver, row->count, (uint32_t) first, n,
                                            spans, copied->vectors, reterr);
        return r < 0 ? r : generation_publish(into, chunks, n, &live, first + n == copied->n,
                                              reterr);
}

static int copy_version(struct generation *from, struct generation *into, const struct row *row,
                        struct error *reterr)
{
        cleanup_(copied_done) struct copied copied = { 0 };
        size_t first = 0;
        int r = generation_get_chunks(from, row->docver, &copied.chunks, &copied.n, reterr);

        if (r < 0)
                return r;
        if (copied.n != row->count)
                return error_set(reterr, -EBADMSG, "%s/gen.db is damaged: version %u has %zu of %u "
                                                   "chunks", from->path, row->docver, copied.n,
                                 row->count);
        copied.vectors = malloc(PART * generation_dimensions(from) * sizeof *copied.vectors);
        if (!copied.vectors)
                return error_oom(reterr);
        do {
                r = copy_part(from, into, row, &copied, first, reterr);
                first += PART;
        } while (r == 0 && first < copied.n);
        return r;
}

static int copy_all(struct generation *from, struct generation *into, struct error *reterr)
{
        struct generation_change end = { .doc_seq = generation_applied_seq(from),
                                         .keep_old = true };
        uint32_t after = 0;

        if (generation_applied_seq(into) != 0 || into->facts.committed != 0)
                return error_set(reterr, -EBUSY, "generation %u of %s is being written by another",
                                 into->number, into->collection->info.name);
        for (;;) {
                cleanup_(rows_done) struct rows rows = { .n = 0 };
                int r = read_rows(from, after, &rows, reterr);

                if (r < 0)
                        return r;
                if (rows.n == 0)
                        break;
                after = rows.at[rows.n - 1].docver;
                for (size_t i = 0; i < rows.n; i++) {
                        if (rows.at[i].live)
                                r = is_current(from->collection, &rows.at[i], reterr);
                        if (r > 0)
                                r = copy_version(from, into, &rows.at[i], reterr);
                        if (r < 0)
                                return r;
                        r = 0;
                }
        }
        return end.doc_seq == 0 ? 0 : generation_publish(into, NULL, 0, &end, 1, reterr);
}

int generation_copy_live(struct generation *from, struct generation *into, struct error *reterr)
{
        int r;

        generation_lock(into);
        r = copy_all(from, into, reterr);
        generation_unlock(into);
        return r;
}
