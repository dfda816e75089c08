/* SPDX-License-Identifier: Apache-2.0 */
#include "store/generation_transaction.h"

#include "store/live.h"

static int insert_chunk(struct write *write, const struct generation_chunk *chunk,
                        struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(write->db, "INSERT INTO chunk VALUES(?,?,?,?,?,?,?)", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, write->facts.committed);
        db_bind_u64(statement, 2, chunk->docver);
        db_bind_u64(statement, 3, chunk->ordinal);
        db_bind_u64(statement, 4, chunk->start);
        db_bind_u64(statement, 5, chunk->end);
        db_bind_u64(statement, 6, chunk->tokens);
        (void) sqlite3_bind_text64(statement, 7, chunk->text_len ? chunk->text : "",
                                   chunk->text_len, SQLITE_STATIC, SQLITE_UTF8);
        return db_step(write->db, statement, reterr);
}

static int count_chunk(struct write *write, const struct generation_chunk *chunk,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(write->db,
                           "INSERT INTO version(docver, doc_no, first_slot, count, state, title)"
                           " SELECT ?1, ?2, ?3, 1, 0, ?4 WHERE ?5 = 0"
                           " OR EXISTS(SELECT 1 FROM version WHERE docver = ?1)"
                           " ON CONFLICT(docver) DO UPDATE SET count = count + 1"
                           " WHERE state = 0 AND count = ?5 AND first_slot + count = ?3",
                           &statement, reterr);

        if (r < 0)
                return r;
        if (chunk->docver < write->facts.last_docver)
                return error_set(reterr, -EINVAL, "version %u is staged behind version %u",
                                 chunk->docver, write->facts.last_docver);
        db_bind_u64(statement, 1, chunk->docver);
        db_bind_u64(statement, 2, chunk->doc_no);
        db_bind_u64(statement, 3, write->facts.committed);
        db_bind_text(statement, 4, chunk->title);
        db_bind_u64(statement, 5, chunk->ordinal);
        r = db_step(write->db, statement, reterr);
        if (r == 0 && sqlite3_changes(db_connection(write->db)) != 1)
                return error_set(reterr, -ESTALE,
                                 "chunk %u of version %u does not follow what is staged",
                                 chunk->ordinal, chunk->docver);
        return r;
}

int write_append(struct write *write, const struct generation_chunk *chunks, size_t n,
                 struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++) {
                r = count_chunk(write, &chunks[i], reterr);
                if (r == 0)
                        r = insert_chunk(write, &chunks[i], reterr);
                write->facts.committed++;
                write->facts.last_docver = chunks[i].docver;
        }
        return r;
}

static int flush_change(struct write *write, struct error *reterr)
{
        int r = 0;

        if (write->change.count > 0 && !write->facts.unsaved) {
                if (write->facts.changes < LIVE_CHANGES_MAX) /* else all is written at the end */
                        r = live_change(write->db, write->change.first, write->change.count,
                                        write->change.alive, reterr);
                write->facts.changes++;
        }
        write->change.count = 0;
        return r;
}

/* The slots are live or dead from here on. */
static int change_live(struct write *write, uint32_t first, uint32_t count, bool alive,
                       struct error *reterr)
{
        uint64_t end = (uint64_t) first + count;
        int r = 0;

        if (count == 0)
                return 0;
        if (alive)
                roaring_bitmap_add_range(write->facts.live, first, end);
        else
                roaring_bitmap_remove_range(write->facts.live, first, end);
        if (write->change.count > 0 && write->change.alive == alive &&
            write->change.first + write->change.count == first) {
                write->change.count += count;
                return 0;
        }
        r = flush_change(write, reterr);
        write->change.first = first;
        write->change.count = count;
        write->change.alive = alive;
        return r;
}

int write_kill(struct write *write, uint32_t doc_no, bool staged, bool *ret_any,
               struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *select = NULL, *update = NULL;
        int r = db_prepare(write->db, "SELECT first_slot, count, state FROM version"
                                      " WHERE doc_no = ?1 AND (state = 1 OR (?2 AND state = 0))",
                           &select, reterr);

        *ret_any = false;
        if (r == 0)
                r = db_prepare(write->db, "UPDATE version SET state = 2 WHERE doc_no = ?1"
                                          " AND (state = 1 OR (?2 AND state = 0))",
                               &update, reterr);
        if (r < 0)
                return r;
        db_bind_u64(select, 1, doc_no);
        db_bind_u64(select, 2, staged);
        while ((r = db_step(write->db, select, reterr)) > 0) {
                *ret_any = true;
                if (db_column_u64(select, 2) != VERSION_LIVE)
                        continue;
                write->facts.documents--;
                r = change_live(write, db_column_u32(select, 0), db_column_u32(select, 1), false,
                                reterr);
                if (r < 0)
                        return r;
        }
        if (r < 0 || !*ret_any)
                return r;
        (void) sqlite3_reset(select);
        db_bind_u64(update, 1, doc_no);
        db_bind_u64(update, 2, staged);
        return db_step(write->db, update, reterr);
}

/* A version without chunks has a row as well: its document is there, and finds nothing. */
static int revive(struct write *write, const struct generation_change *change,
                  struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(write->db,
                           "INSERT INTO version(docver, doc_no, first_slot, count, state)"
                           " VALUES(?1, ?2, ?3, 0, 1) ON CONFLICT(docver) DO UPDATE SET state = 1"
                           " RETURNING first_slot, count", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, change->docver);
        db_bind_u64(statement, 2, change->doc_no);
        db_bind_u64(statement, 3, write->facts.committed);
        r = db_step(write->db, statement, reterr);
        if (r < 0)
                return r;
        write->facts.documents++;
        return change_live(write, db_column_u32(statement, 0), db_column_u32(statement, 1), true,
                           reterr);
}

static int apply_change(struct write *write, struct db *docs,
                        const struct generation_change *change, struct error *reterr)
{
        bool any;
        int r;

        if (change->doc_seq > write->facts.applied_seq)
                write->facts.applied_seq = change->doc_seq;
        if (change->docver == 0)
                return change->keep_old
                               ? 0
                               : write_kill(write, change->doc_no, false, &any, reterr);
        r = docs_is_current(docs, change->doc_no, change->docver, reterr);
        if (r <= 0)
                return r;
        r = write_kill(write, change->doc_no, false, &any, reterr);
        return r < 0 ? r : revive(write, change, reterr);
}

int write_apply(struct write *write, const struct generation_change *changes, size_t n,
                struct error *reterr)
{
        cleanup_reader_ struct db_reader docs = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r;

        if (n == 0)
                return 0;
        r = db_pool_take(write->generation->collection->docs_readers, &docs, reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = apply_change(write, docs.db, &changes[i], reterr);
        if (r == 0)
                r = db_prepare(write->db, "UPDATE version SET state = 2"
                                          " WHERE state = 0 AND docver <= ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, write->facts.applied_seq);
        return db_step(write->db, statement, reterr);
}

int write_live(struct write *write, struct error *reterr)
{
        int r = flush_change(write, reterr);

        if (r < 0 || (!write->facts.unsaved && write->facts.changes < LIVE_CHANGES_MAX))
                return r;
        write->facts.unsaved = false;
        write->facts.changes = 0;
        return live_save(write->db, write->facts.live, reterr);
}
