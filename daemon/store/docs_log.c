/* SPDX-License-Identifier: Apache-2.0 */
/* The change log and what is counted over it. */
#include "store/docs.h"

#include "store/collection_inside.h"

#include <limits.h>
#include <stdlib.h>

uint64_t docs_last_seq(struct collection *collection)
{
        return atomic_load(&collection->last_seq);
}

int docs_changes(struct collection *collection, uint64_t after_seq, size_t limit,
                 struct docs_change **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct docs_change *changes = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               "SELECT l.doc_seq, l.doc_no, l.deleted, l.job, d.docver FROM log l"
                               " LEFT JOIN document d ON d.doc_no = l.doc_no"
                               " WHERE l.doc_seq > ? ORDER BY l.doc_seq LIMIT ?", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, after_seq);
        db_bind_u64(statement, 2, limit > INT_MAX ? INT_MAX : limit);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                struct docs_change *change;
                bool deleted = sqlite3_column_int(statement, 2) != 0;

                if (n == size) {
                        struct docs_change *grown =
                                reallocarray(changes, size ? size * 2 : 64, sizeof *grown);

                        if (!grown)
                                return error_oom(reterr);
                        changes = grown;
                        size = size ? size * 2 : 64;
                }
                change = &changes[n++];
                *change = (struct docs_change){
                        .doc_seq = db_column_u64(statement, 0),
                        .doc_no = db_column_u32(statement, 1),
                        .docver = deleted ? 0 : db_column_u32(statement, 0),
                        .superseded = !deleted && (sqlite3_column_type(statement, 4) ==
                                                           SQLITE_NULL ||
                                                   db_column_u64(statement, 4) !=
                                                           db_column_u64(statement, 0)),
                };
                r = db_column_bytes(reader.db, statement, 3, change->job.id.bytes, ID_BYTES,
                                    reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return r;
        *ret = take_ptr(changes);
        *ret_n = n;
        return 0;
}

int docs_deletes(struct collection *collection, uint64_t after_seq, uint32_t **ret_doc_nos,
                 size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ uint32_t *doc_nos = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT doc_no FROM log WHERE deleted = 1"
                                          " AND doc_seq > ? ORDER BY doc_seq", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, after_seq);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        uint32_t *grown = reallocarray(doc_nos, size ? size * 2 : 64,
                                                       sizeof *grown);

                        if (!grown)
                                return error_oom(reterr);
                        doc_nos = grown;
                        size = size ? size * 2 : 64;
                }
                doc_nos[n++] = db_column_u32(statement, 0);
        }
        if (r < 0)
                return r;
        *ret_doc_nos = take_ptr(doc_nos);
        *ret_n = n;
        return 0;
}

int docs_is_current(struct db *db, uint32_t doc_no, uint32_t docver, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT docver FROM document WHERE doc_no = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, doc_no);
        r = db_step(db, statement, reterr);
        return r <= 0 ? r : db_column_u64(statement, 0) == docver;
}

int docs_count_pending(struct collection *collection, uint64_t applied_seq, uint64_t *ret,
                       struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT count(*) FROM version WHERE docver > ?"
                                          " AND superseded IS NULL AND failed = 0", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, applied_seq);
        r = db_step(reader.db, statement, reterr);
        if (r > 0)
                *ret = db_column_u64(statement, 0);
        return r < 0 ? r : 0;
}

int docs_count(struct collection *collection, struct docs_counts *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct generation *serving = collection_serving(collection);
        uint64_t applied = serving ? generation_applied_seq(serving) : 0;
        struct docs_counts counts = { 0 };
        int r;

        (void) generation_unref(serving);
        r = docs_count_pending(collection, applied, &counts.pending, reterr);
        if (r == 0)
                r = db_pool_take(collection->docs_readers, &reader, reterr);
        if (r == 0)
                r = db_prepare(reader.db, "SELECT documents, bytes, failed FROM totals", &statement,
                               reterr);
        if (r == 0)
                r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -EBADMSG, "%s is damaged: it has no totals",
                                 db_path(reader.db));
        if (r < 0)
                return r;
        counts.documents = db_column_u64(statement, 0);
        counts.bytes = db_column_u64(statement, 1);
        counts.failed = db_column_u64(statement, 2);
        *ret = counts;
        return 0;
}

int docs_job_extent(struct collection *collection, struct job_id job, uint64_t *ret_total,
                    uint64_t *ret_last_seq, uint64_t *ret_failed, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(collection->docs_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               "SELECT count(*), max(l.doc_seq), count(v.docver) FROM log l"
                               " LEFT JOIN version v ON v.docver = l.doc_seq AND v.failed = 1"
                               " WHERE l.job = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, job.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r <= 0)
                return r < 0 ? r : error_set(reterr, -EBADMSG, "%s is damaged", db_path(reader.db));
        *ret_total = db_column_u64(statement, 0);
        *ret_last_seq = db_column_u64(statement, 1);
        *ret_failed = db_column_u64(statement, 2);
        return 0;
}
