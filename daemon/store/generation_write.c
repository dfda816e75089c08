/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a generation: vectors first and durable, then one transaction of gen.db, then the
 * view.  A failure leaves memory as it was, which is what is committed. */
#include "store/generation_inside.h"
#include "store/live.h"

#include <stdlib.h>
#include <string.h>

/* One write under way. */
struct write {
        struct generation *generation;
        struct db *db;
        struct generation_facts facts; /* as they will be; `live` is a copy that is changed */
        struct {
                uint32_t first, count;
                bool alive;
        } change; /* of `live`, the last one: not written yet, it may grow */
        bool began;
};

void generation_lock(struct generation *generation)
{
        (void) pthread_mutex_lock(&generation->lock);
}

void generation_unlock(struct generation *generation)
{
        (void) pthread_mutex_unlock(&generation->lock);
}

/* After a failed fsync nobody knows what is on the disk: go back to what gen.db says. */
int generation_recover(struct generation *generation, struct error *reterr)
{
        struct generation_facts facts = { 0 };
        int r;

        if (!generation->poisoned && !db_poisoned(generation->db))
                return 0;
        generation->poisoned = true; /* until all of it has been done */
        segments_recover(generation->segments);
        r = db_reopen(generation->db, reterr);
        if (r == 0)
                r = generation_read_facts(generation, &facts, reterr);
        if (r == 0)
                r = view_publish(generation, &facts, reterr);
        if (r < 0)
                generation_facts_done(&facts);
        else
                generation->poisoned = false;
        return r;
}

/* Records of the chunks, in the form in which they are compared. */
static int write_vectors(struct generation *generation, const struct generation_chunk *chunks,
                         size_t n, struct error *reterr)
{
        uint32_t dimensions = generation->spec.fingerprint.dimensions;
        cleanup_free_ struct segment_record *records = calloc(n, sizeof *records);
        cleanup_free_ float *vectors = calloc(n * dimensions, sizeof *vectors);
        int r;

        if (!records || !vectors)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                float *vector = vectors + i * dimensions;

                r = vector_check(generation->metric, chunks[i].vector, dimensions, dimensions,
                                 reterr);
                if (r < 0)
                        return r;
                memcpy(vector, chunks[i].vector, dimensions * sizeof *vector);
                vector_prepare(generation->metric, vector, dimensions);
                records[i] = (struct segment_record){ vector, chunks[i].docver, chunks[i].ordinal };
        }
        r = segments_append(generation->segments, generation->facts.committed, records, n, reterr);
        if (r < 0 && r != -ENOSPC && r != -EDQUOT && r != -ENOMEM)
                generation->poisoned = true;
        return r == -EDQUOT ? -ENOSPC : r; /* the disk's quota; -EDQUOT is max_elements' */
}

/* ---- Steps of the transaction ----------------------------------------------------------- */

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

static int append_chunks(struct write *write, const struct generation_chunk *chunks, size_t n,
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

/* After everything else of the transaction: a statement that may have to be undone by itself
 * makes FTS5 write out what it gathered, and these are many. */
static int index_chunks(struct write *write, const struct generation_chunk *chunks, size_t n,
                        uint32_t first_slot, struct error *reterr)
{
        struct bm25 *bm25 = NULL;
        int r = n > 0 ? generation_scorer(write->generation, write->db, &bm25, reterr) : 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = bm25_add(bm25, first_slot + (uint32_t) i, chunks[i].title,
                             chunks[i].title ? strlen(chunks[i].title) : 0, chunks[i].text,
                             chunks[i].text_len, reterr);
        return r;
}

static int write_change(struct write *write, struct error *reterr)
{
        int r = 0;

        if (write->change.count > 0 && !write->facts.unsaved) {
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
        r = write_change(write, reterr);
        write->change.first = first;
        write->change.count = count;
        write->change.alive = alive;
        return r;
}

/* What the document is found by now is dead from here on; `staged` too where asked. */
static int kill_document(struct write *write, uint32_t doc_no, bool staged, bool *ret_any,
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
                               : kill_document(write, change->doc_no, false, &any, reterr);
        r = docs_is_current(docs, change->doc_no, change->docver, reterr);
        if (r <= 0)
                return r;
        r = kill_document(write, change->doc_no, false, &any, reterr);
        return r < 0 ? r : revive(write, change, reterr);
}

static int apply_changes(struct write *write, const struct generation_change *changes, size_t n,
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

/* ---- Beginning and ending --------------------------------------------------------------- */

static int begin_write(struct generation *generation, struct write *write, struct error *reterr)
{
        int r;

        *write = (struct write){ .generation = generation,
                                 .db = generation->db,
                                 .facts = generation->facts };
        write->facts.live = roaring_bitmap_copy(generation->facts.live);
        if (!write->facts.live)
                return error_oom(reterr);
        r = db_begin(write->db, reterr);
        write->began = r == 0;
        return r;
}

/* What changed of `live`, or all of it where that is not there, or is long behind. */
static int write_live(struct write *write, struct error *reterr)
{
        int r = write_change(write, reterr);

        if (r < 0 || (!write->facts.unsaved && write->facts.changes < LIVE_CHANGES_MAX))
                return r;
        write->facts.unsaved = false;
        write->facts.changes = 0;
        return live_save(write->db, write->facts.live, reterr);
}

static int end_write(struct write *write, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = write_live(write, reterr);

        if (r == 0)
                r = generation_read_settled(write->db, &write->facts, reterr);
        if (r == 0)
                r = db_prepare(write->db, "UPDATE state SET applied_seq = ?, forgotten_seq = ?,"
                                          " committed = ?, last_docver = ?, documents = ?,"
                                          " chunks = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, write->facts.applied_seq);
        db_bind_u64(statement, 2, write->facts.forgotten_seq);
        db_bind_u64(statement, 3, write->facts.committed);
        db_bind_u64(statement, 4, write->facts.last_docver);
        db_bind_u64(statement, 5, write->facts.documents);
        db_bind_u64(statement, 6, roaring_bitmap_get_cardinality(write->facts.live));
        r = db_step(write->db, statement, reterr);
        return r < 0 ? r : db_commit(write->db, reterr);
}

/* Shows what was committed.  Where there is no memory for a view, what is on the disk is ahead
 * of what is shown; recovery reads it again. */
static int show(struct write *write, struct error *reterr)
{
        struct generation *generation = write->generation;
        int r = view_publish(generation, &write->facts, reterr);

        write->began = false;
        if (r < 0) {
                generation->poisoned = true;
                return r;
        }
        write->facts.live = NULL;
        return 0;
}

static void write_done(struct write *write)
{
        if (write->began)
                db_rollback(write->db);
        generation_facts_done(&write->facts);
}

/* ---- The calls -------------------------------------------------------------------------- */

int generation_staged(struct generation *generation, uint32_t docver, uint32_t *ret_count,
                      struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(generation->readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT count FROM version WHERE docver = ?", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, docver);
        r = db_step(reader.db, statement, reterr);
        if (r < 0)
                return r;
        *ret_count = r > 0 ? db_column_u32(statement, 0) : 0;
        return 0;
}

static int publish_locked(struct generation *generation, const struct generation_chunk *chunks,
                          size_t n_chunks, const struct generation_change *changes,
                          size_t n_changes, struct error *reterr)
{
        cleanup_(write_done) struct write write = { 0 };
        int r = generation_recover(generation, reterr);

        if (r == 0 && n_chunks > UINT32_MAX - generation->facts.committed)
                return error_set(reterr, -EOVERFLOW, "%s has 2^32 slots, its limit: rebuild it",
                                 generation->path);
        if (r == 0 && n_chunks > 0)
                r = generation_check_chunks(generation, chunks, n_chunks, reterr);
        if (r == 0 && n_chunks > 0)
                r = write_vectors(generation, chunks, n_chunks, reterr);
        if (r == 0)
                r = begin_write(generation, &write, reterr);
        if (r == 0)
                r = append_chunks(&write, chunks, n_chunks, reterr);
        if (r == 0)
                r = apply_changes(&write, changes, n_changes, reterr);
        if (r == 0)
                r = index_chunks(&write, chunks, n_chunks, generation->facts.committed, reterr);
        if (r == 0)
                r = end_write(&write, reterr);
        return r == 0 ? show(&write, reterr) : r;
}

int generation_stage(struct generation *generation, const struct generation_chunk *chunks,
                     size_t n, struct error *reterr)
{
        return generation_publish(generation, chunks, n, NULL, 0, reterr);
}

int generation_publish(struct generation *generation, const struct generation_chunk *chunks,
                       size_t n_chunks, const struct generation_change *changes, size_t n_changes,
                       struct error *reterr)
{
        int r;

        if (n_chunks == 0 && n_changes == 0)
                return 0;
        generation_lock(generation);
        r = publish_locked(generation, chunks, n_chunks, changes, n_changes, reterr);
        generation_unlock(generation);
        return r;
}

int generation_forget_all(struct generation *generation, const uint32_t *doc_nos, size_t n,
                          uint64_t forgotten_seq, struct error *reterr)
{
        cleanup_(write_done) struct write write = { 0 };
        bool changed = false;
        int r = generation_recover(generation, reterr);

        if (r == 0)
                r = begin_write(generation, &write, reterr);
        for (size_t i = 0; r == 0 && i < n; i++) {
                bool any;

                r = kill_document(&write, doc_nos[i], true, &any, reterr);
                changed |= any;
        }
        if (forgotten_seq > write.facts.forgotten_seq) {
                write.facts.forgotten_seq = forgotten_seq;
                changed = true;
        }
        if (r < 0 || !changed)
                return r;
        r = end_write(&write, reterr);
        return r == 0 ? show(&write, reterr) : r;
}

static int save_live_locked(struct generation *generation, struct error *reterr)
{
        cleanup_(write_done) struct write write = { 0 };
        int r = generation_recover(generation, reterr);

        if (r < 0 || !generation->facts.unsaved)
                return r;
        r = begin_write(generation, &write, reterr);
        if (r == 0)
                r = end_write(&write, reterr);
        return r == 0 ? show(&write, reterr) : r;
}

int generation_save_live(struct generation *generation, struct error *reterr)
{
        int r;

        generation_lock(generation);
        r = save_live_locked(generation, reterr);
        generation_unlock(generation);
        return r;
}

int generation_forget(struct generation *generation, uint32_t doc_no, struct error *reterr)
{
        int r;

        generation_lock(generation);
        r = generation_forget_all(generation, &doc_no, 1, 0, reterr);
        generation_unlock(generation);
        return r;
}
