/* SPDX-License-Identifier: Apache-2.0 */
/* What gen.db says of its generation as of the last commit, read without touching a row per
 * version. */
#include "store/generation_inside.h"
#include "store/live.h"

#include <string.h>

void generation_facts_done(struct generation_facts *facts)
{
        if (facts->live)
                roaring_bitmap_free(facts->live);
        facts->live = NULL;
}

/* From the truth, which takes a row per version. */
static int rebuild_live(struct db *db, struct generation_facts *facts, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT first_slot, count FROM version WHERE state = 1", &statement,
                           reterr);

        if (r < 0)
                return r;
        facts->live = roaring_bitmap_create();
        if (!facts->live)
                return error_oom(reterr);
        facts->documents = 0;
        facts->unsaved = true;
        while ((r = db_step(db, statement, reterr)) > 0) {
                uint64_t first = db_column_u64(statement, 0), count = db_column_u64(statement, 1);

                if (first > facts->committed || count > facts->committed - first)
                        return error_set(reterr, -EBADMSG,
                                         "%s is damaged: a version has slots that do not exist",
                                         db_path(db));
                roaring_bitmap_add_range(facts->live, first, first + count);
                facts->documents++;
        }
        if (r == 0)
                (void) roaring_bitmap_run_optimize(facts->live);
        return r;
}

/* The first slot that may yet become live: before it, what is not live is dead for ever. */
int generation_read_settled(struct db *db, struct generation_facts *facts, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT first_slot FROM version WHERE state = 0"
                               " ORDER BY docver LIMIT 1", &statement, reterr);

        if (r == 0)
                r = db_step(db, statement, reterr);
        if (r < 0)
                return r;
        facts->settled = r > 0 ? db_column_u32(statement, 0) : facts->committed;
        if (facts->settled > facts->committed)
                return error_set(reterr, -EBADMSG, "%s is damaged: a version has slots that do "
                                                   "not exist", db_path(db));
        return 0;
}

/* In constant time, where the bitmap is there and can be relied upon. */
static int read_live(struct generation *generation, uint64_t chunks,
                     struct generation_facts *facts, struct error *reterr)
{
        struct db *db = generation->db;
        struct error why = { 0 };
        int r = live_read(db, facts->committed, &facts->live, &facts->changes, &why);

        if (r == 0 && roaring_bitmap_get_cardinality(facts->live) != chunks)
                r = error_set(&why, -EBADMSG, "%s: %llu live slots are counted, the bitmap has "
                                              "another number", db_path(db),
                              (unsigned long long) chunks);
        if (r == -EBADMSG)
                generation_note_damage(generation, strdup(error_text(&why)));
        else if (r < 0 && r != -ENOENT && reterr)
                *reterr = why;
        if (r != -EBADMSG && r != -ENOENT)
                return r;
        generation_facts_done(facts);
        return rebuild_live(db, facts, reterr);
}

int generation_read_facts(struct generation *generation, struct generation_facts *ret,
                          struct error *reterr)
{
        struct db *db = generation->db;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_(generation_facts_done) struct generation_facts facts = { 0 };
        int r = db_prepare(db, "SELECT applied_seq, forgotten_seq, committed, last_docver,"
                               " documents, chunks FROM state", &statement, reterr);

        if (r == 0)
                r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -EBADMSG, "%s is damaged: it has no state", db_path(db));
        if (r < 0)
                return r;
        facts.applied_seq = db_column_u64(statement, 0);
        facts.forgotten_seq = db_column_u64(statement, 1);
        facts.committed = db_column_u32(statement, 2);
        facts.last_docver = db_column_u32(statement, 3);
        facts.documents = db_column_u64(statement, 4);
        r = read_live(generation, db_column_u64(statement, 5), &facts, reterr);
        if (r == 0)
                r = generation_read_settled(db, &facts, reterr);
        if (r < 0)
                return r;
        *ret = facts;
        facts.live = NULL;
        return 0;
}
