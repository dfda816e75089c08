/* SPDX-License-Identifier: Apache-2.0 */
/* Deleting, failing and tidying documents, and the steps that every change shares. */
#include "store/docs_write.h"

int docs_write_numbers(struct db *db, const char *sql, uint64_t first, uint64_t second,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, first);
        if (sqlite3_bind_parameter_count(statement) > 1)
                db_bind_u64(statement, 2, second);
        return db_step(db, statement, reterr);
}

int docs_write_log(struct db *db, uint32_t doc_no, bool deleted, struct job_id job,
                   uint64_t *ret_seq, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO log(doc_no, deleted, job) VALUES(?,?,?)", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, doc_no);
        db_bind_u64(statement, 2, deleted);
        db_bind_blob(statement, 3, job.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r < 0)
                return r;
        *ret_seq = (uint64_t) sqlite3_last_insert_rowid(db_connection(db));
        if (*ret_seq > UINT32_MAX)
                return error_set(reterr, -EOVERFLOW, "%s has seen 2^32 changes, its limit",
                                 db_path(db));
        return 0;
}

int docs_write_totals(struct db *db, const struct docs_delta *delta, int64_t failed,
                      struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r;

        if (delta->documents == 0 && delta->bytes == 0 && delta->vectors == 0 && failed == 0)
                return 0;
        r = db_prepare(db, "UPDATE totals SET documents = documents + ?, bytes = bytes + ?,"
                           " vectors = vectors + ?, failed = failed + ?", &statement, reterr);
        if (r < 0)
                return r;
        (void) sqlite3_bind_int64(statement, 1, delta->documents);
        (void) sqlite3_bind_int64(statement, 2, delta->bytes);
        (void) sqlite3_bind_int64(statement, 3, delta->vectors);
        (void) sqlite3_bind_int64(statement, 4, failed);
        return db_step(db, statement, reterr);
}

void docs_raise_last_seq(struct collection *collection, uint64_t seq)
{
        uint64_t known = atomic_load(&collection->last_seq);

        while (known < seq && !atomic_compare_exchange_weak(&collection->last_seq, &known, seq))
                ;
}

/* ---- Changes ---------------------------------------------------------------------------- */

struct removal {
        const char *external_id;
        uint32_t doc_no;
        uint64_t seq;
        struct docs_delta delta;
};

static int apply_delete(struct db *db, void *data, struct error *reterr)
{
        static const char *const tables[] = {
                "DELETE FROM body WHERE docver IN (SELECT docver FROM version WHERE doc_no = ?)",
                "DELETE FROM vector WHERE docver IN (SELECT docver FROM version WHERE doc_no = ?)",
                ("DELETE FROM attribute WHERE docver IN"
                 " (SELECT docver FROM version WHERE doc_no = ?)"),
                "DELETE FROM version WHERE doc_no = ?",
                "DELETE FROM document WHERE doc_no = ?",
        };
        struct removal *removal = data;
        uint64_t failed = 0;
        int r;

        {
                cleanup_statement_ sqlite3_stmt *statement = NULL;

                r = db_prepare(db, "SELECT d.doc_no, v.size, v.failed, v.chunks FROM document d"
                                   " JOIN version v ON v.docver = d.docver"
                                   " WHERE d.external_id = ?", &statement, reterr);
                if (r < 0)
                        return r;
                db_bind_text(statement, 1, removal->external_id);
                r = db_step(db, statement, reterr);
                if (r == 0)
                        return error_set(reterr, -ENOENT, "there is no such document");
                if (r < 0)
                        return r;
                removal->doc_no = db_column_u32(statement, 0);
                removal->delta = (struct docs_delta){
                        .documents = -1,
                        .bytes = -(int64_t) db_column_u64(statement, 1),
                        .vectors = -(int64_t) db_column_u64(statement, 3),
                };
                failed = db_column_u64(statement, 2);
        }
        r = docs_write_log(db, removal->doc_no, true, (struct job_id){ 0 }, &removal->seq, reterr);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(tables); i++)
                r = docs_write_numbers(db, tables[i], removal->doc_no, 0, reterr);
        return r < 0 ? r : docs_write_totals(db, &removal->delta, -(int64_t) failed, reterr);
}

int docs_delete(struct collection *collection, const char *external_id, uint32_t *ret_doc_no,
                uint64_t *ret_seq, struct docs_delta *ret_delta, struct error *reterr)
{
        struct removal removal = { .external_id = external_id };
        int r = collection_begin_change(collection, reterr);

        if (r == 0)
                r = committer_run(collection->docs, apply_delete, &removal, reterr);
        if (r < 0)
                return r;
        docs_raise_last_seq(collection, removal.seq);
        *ret_doc_no = removal.doc_no;
        *ret_seq = removal.seq;
        *ret_delta = removal.delta;
        return 0;
}

struct failures {
        const struct docs_failure *at;
        size_t n;
};

static int set_failed(struct db *db, const struct docs_failure *failure, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = docs_write_numbers(db, "UPDATE totals SET failed = failed + (SELECT count(*) FROM"
                                       " version WHERE docver = ? AND superseded IS NULL"
                                       " AND failed = 0)", failure->docver, 0, reterr);

        if (r == 0)
                r = db_prepare(db, "UPDATE version SET failed = 1, error = ?2"
                                   " WHERE docver = ?1 AND superseded IS NULL", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, failure->docver);
        db_bind_text(statement, 2, failure->why);
        return db_step(db, statement, reterr);
}

static int apply_failures(struct db *db, void *data, struct error *reterr)
{
        const struct failures *failures = data;
        int r = 0;

        for (size_t i = 0; r == 0 && i < failures->n; i++)
                r = set_failed(db, &failures->at[i], reterr);
        return r;
}

int docs_set_failed_all(struct collection *collection, const struct docs_failure *failures,
                        size_t n, struct error *reterr)
{
        struct failures all = { failures, n };

        return n == 0 ? 0 : committer_run(collection->docs, apply_failures, &all, reterr);
}

int docs_set_failed(struct collection *collection, uint32_t docver, const char *why,
                    struct error *reterr)
{
        return docs_set_failed_all(collection, &(struct docs_failure){ docver, why }, 1, reterr);
}

static int apply_tidy(struct db *db, void *data, struct error *reterr)
{
        uint64_t *bounds = data; /* up to which doc_seq; then how many rows went */
        int r = docs_write_numbers(db, "DELETE FROM attribute WHERE docver IN"
                                       " (SELECT docver FROM version WHERE superseded <= ?"
                                       " ORDER BY superseded LIMIT 256)", bounds[0], 0, reterr);

        if (r == 0)
                r = docs_write_numbers(db, "DELETE FROM version WHERE docver IN"
                                           " (SELECT docver FROM version WHERE superseded <= ?"
                                           " ORDER BY superseded LIMIT 256)", bounds[0], 0,
                                       reterr);
        bounds[1] = r == 0 ? (uint64_t) sqlite3_changes(db_connection(db)) : 0;
        return r;
}

int docs_tidy(struct collection *collection, uint64_t up_to_seq, bool *ret_more,
              struct error *reterr)
{
        uint64_t bounds[2] = { up_to_seq, 0 };
        int r = committer_run(collection->docs, apply_tidy, bounds, reterr);

        if (r == 0)
                *ret_more = bounds[1] == 256;
        return r;
}
