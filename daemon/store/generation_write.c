/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a generation: vectors first and durable, then one transaction of gen.db, then the
 * view.  A failure leaves memory as it was, which is what is committed. */
#include "store/generation_transaction.h"

#include <stdlib.h>
#include <string.h>

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
        if (r < 0) {
                generation_facts_done(&facts);
                return r;
        }
        generation->poisoned = false;
        view_announce(generation);
        return 0;
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
        view_announce(generation);
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
                r = write_append(&write, chunks, n_chunks, reterr);
        if (r == 0)
                r = write_apply(&write, changes, n_changes, reterr);
        if (r == 0)
                r = end_write(&write, reterr);
        if (r != 0)
                return r;
        generation_add_words(generation, generation->facts.committed, chunks, n_chunks);
        return show(&write, reterr);
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

                r = write_kill(&write, doc_nos[i], true, &any, reterr);
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
