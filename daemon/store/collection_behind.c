/* SPDX-License-Identifier: Apache-2.0 */
/* The mark in the registry of a collection whose generations may be behind its log.
 *
 * A start opens only collections that have work.  Jobs that are open and generations that are
 * being built say so in rows of their own; what else can be behind (a delete, a canceled job, a
 * generation whose provider is away while another one serves) is known from the files alone.  So
 * the mark is made durable before the first change after an opening, and taken back when the
 * collection is closed and every generation that is followed has applied the whole log: one
 * transaction for all that is written in between.  After a crash those that were being written are
 * marked, and looked at. */
#include "store/generation_inside.h"
#include "store/registry.h"

int collection_read_behind(struct collection *collection, struct error *reterr)
{
        bool behind = false;
        int r = registry_is_behind(collection->store, collection->id, &behind, reterr);

        if (r == 0)
                atomic_store(&collection->behind, behind);
        return r;
}

int collection_begin_change(struct collection *collection, struct error *reterr)
{
        int r = 0;

        if (atomic_load(&collection->behind))
                return 0;
        (void) pthread_mutex_lock(&collection->behind_lock);
        if (!atomic_load(&collection->behind)) {
                r = registry_set_behind(collection->store, collection->id, reterr);
                if (r == 0)
                        atomic_store(&collection->behind, true);
        }
        (void) pthread_mutex_unlock(&collection->behind_lock);
        return r;
}

/* Current versions that failed in what served. */
static int count_failed(struct collection *collection, uint64_t *ret)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(collection->docs_readers, &reader, NULL);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT failed FROM totals", &statement, NULL);
        if (r == 0)
                r = db_step(reader.db, statement, NULL);
        if (r > 0)
                *ret = db_column_u64(statement, 0);
        return r > 0 ? 0 : -EBADMSG;
}

/* Where several are followed, one may lack documents that failed in it alone: whoever switches to
 * it has to know. */
bool collection_has_caught_up(struct collection *collection)
{
        uint64_t last = atomic_load(&collection->last_seq), documents = 0, failed = 0;
        size_t followed = 0;

        if (!atomic_load(&collection->behind) || !collection->docs_readers)
                return false;
        for (size_t i = 0; i < collection->n_generations; i++) {
                const struct generation *at = collection->generations[i];

                if (atomic_load(&at->state) == GENERATION_RESTING)
                        continue;
                if (at->facts.applied_seq < last ||
                    (followed > 0 && at->facts.documents != documents))
                        return false;
                documents = at->facts.documents;
                followed++;
        }
        if (followed < 2)
                return followed == 1;
        return count_failed(collection, &failed) == 0 && failed == 0;
}
