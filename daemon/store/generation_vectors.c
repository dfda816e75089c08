/* SPDX-License-Identifier: Apache-2.0 */
/* What one generation tells another one of the same collection: vectors that need not be computed
 * again, and documents that it has and the other has not. */
#include "store/generation_inside.h"

#include <string.h>

/* Where the version begins.  1: it has just `count` chunks, 0: not. */
static int find_version(struct db *db, uint32_t docver, uint32_t count, uint32_t *ret_first_slot,
                        struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT first_slot FROM version WHERE docver = ? AND count = ?",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        db_bind_u64(statement, 2, count);
        r = db_step(db, statement, reterr);
        if (r > 0)
                *ret_first_slot = db_column_u32(statement, 0);
        return r;
}

/* 1: the chunks stand where `spans` say, 0: not. */
static int check_spans(struct db *db, uint32_t slot, uint32_t n,
                       const struct generation_span *spans, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint32_t at = 0;
        int r = db_prepare(db, "SELECT start, stop FROM chunk WHERE slot >= ? AND slot < ?"
                               " ORDER BY slot", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, slot);
        db_bind_u64(statement, 2, (uint64_t) slot + n);
        while ((r = db_step(db, statement, reterr)) > 0 && at < n &&
               db_column_u32(statement, 0) == spans[at].start &&
               db_column_u32(statement, 1) == spans[at].end)
                at++;
        return r < 0 ? r : at == n;
}

static const float *vector_of(const struct generation_view *view, uint32_t slot)
{
        for (size_t i = view->source.segment_count; i-- > 0;) {
                const struct index_segment *segment = &view->source.segments[i];

                if (slot >= segment->first_slot)
                        return (const float *) (const void *) (
                                (const char *) segment->base +
                                (size_t) (slot - segment->first_slot) * segment->stride_bytes);
        }
        return NULL;
}

static int copy(const struct generation_view *view, uint32_t slot, uint32_t n, float *ret_vectors,
                struct error *reterr)
{
        uint32_t dimensions = generation_dimensions(view->generation);

        for (uint32_t i = 0; i < n; i++) {
                int r = generation_view_check(view, slot + i, reterr);

                if (r < 0)
                        return r;
                memcpy(ret_vectors + (size_t) i * dimensions, vector_of(view, slot + i),
                       dimensions * sizeof *ret_vectors);
        }
        return 0;
}

int generation_copy_vectors(struct generation *generation, uint32_t docver, uint32_t count,
                            uint32_t first, uint32_t n, const struct generation_span *spans,
                            float *ret_vectors, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        struct generation_view *view;
        uint32_t slot = 0;
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r == 0)
                r = find_version(reader.db, docver, count, &slot, reterr);
        if (r > 0)
                r = check_spans(reader.db, slot + first, n, spans, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "version %u is not there, or cut otherwise",
                                 docver);
        if (r < 0)
                return r;
        view = generation_view_ref(generation); /* a row is there before the view that has it */
        r = (uint64_t) slot + first + n <= view->committed
                    ? copy(view, slot + first, n, ret_vectors, reterr)
                    : error_set(reterr, -ENOENT, "version %u is just being written", docver);
        (void) generation_view_unref(view);
        return r;
}

int generation_count_chunks(struct generation *generation, uint32_t docver, uint32_t *ret,
                            struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT count FROM version WHERE docver = ?"
                                          " AND state = 1", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "version %u is not there", docver);
        if (r > 0)
                *ret = db_column_u32(statement, 0);
        return r < 0 ? r : 0;
}

#define LIVE_VERSIONS "SELECT doc_no, docver FROM version WHERE state = 1 ORDER BY doc_no"

int generation_count_missing(struct generation *generation, struct generation *shown,
                             uint64_t *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader own = { 0 }, other = { 0 };
        cleanup_statement_ sqlite3_stmt *has = NULL, *wants = NULL;
        uint64_t missing = 0;
        int more = 0, r = db_pool_take(generation->readers, &own, reterr);

        if (r == 0)
                r = db_pool_take(shown->readers, &other, reterr);
        if (r == 0)
                r = db_prepare(own.db, LIVE_VERSIONS, &has, reterr);
        if (r == 0)
                r = db_prepare(other.db, LIVE_VERSIONS, &wants, reterr);
        if (r == 0)
                more = db_step(own.db, has, reterr);
        while (r == 0 && more >= 0 && (r = db_step(other.db, wants, reterr)) > 0) {
                uint32_t doc_no = db_column_u32(wants, 0);

                while (more > 0 && db_column_u32(has, 0) < doc_no)
                        more = db_step(own.db, has, reterr);
                missing += more <= 0 || db_column_u32(has, 0) != doc_no ||
                           db_column_u32(has, 1) < db_column_u32(wants, 1);
                r = 0;
        }
        if (r < 0 || more < 0)
                return r < 0 ? r : more;
        *ret = missing;
        return 0;
}
