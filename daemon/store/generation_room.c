/* SPDX-License-Identifier: Apache-2.0 */
/* How many chunks a generation may hold: store_limits.index.max_elements. */
#include "store/generation_inside.h"
#include "store/registry.h"

/* Farther from the limit nobody counts what a version replaces: by so much `pending` may be too
 * high without harm, and callers check fewer chunks together. */
#define NEAR 4096

/* Of one version: what it takes, and what it gives back. */
struct demand {
        uint32_t doc_no, docver;
        uint64_t chunks; /* all of them, also those that are staged already */
        int64_t pending; /* what others, before it, will have changed */
};

static int count_slots(struct db *db, const char *sql, uint64_t of, uint64_t *ret,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, of);
        r = db_step(db, statement, reterr);
        if (r < 0)
                return r;
        *ret = r > 0 ? db_column_u64(statement, 0) : 0;
        return 0;
}

static int refuse(const struct generation *generation, int64_t held, uint64_t more,
                  struct error *reterr)
{
        uint32_t max = store_get_index(generation->collection->store).max_elements;
        const char *name = generation->collection->info.name;

        return error_set(reterr, -EDQUOT,
                         "collection %s holds %lld chunks, and %llu more are too many: "
                         "rag.vector_storage.hnsw.max_elements is %u; raise it, or delete "
                         "documents, then try again", name, (long long) held,
                         (unsigned long long) more, max);
}

/* `live` slots are live; *ret_net: by how many there are more afterwards. */
static int check_demand(const struct generation *generation, struct db *db, uint64_t live,
                        const struct demand *demand, int64_t *ret_net, struct error *reterr)
{
        uint32_t max = store_get_index(generation->collection->store).max_elements;
        uint64_t staged = 0, replaced = 0;
        int64_t held;
        int r = count_slots(db, "SELECT sum(count) FROM version WHERE state = 0 AND docver <> ?",
                            demand->docver, &staged, reterr);

        if (r == 0)
                r = count_slots(db, "SELECT sum(count) FROM version WHERE doc_no = ?"
                                    " AND state = 1", demand->doc_no, &replaced, reterr);
        if (r < 0)
                return r;
        held = (int64_t) (live + staged) - (int64_t) replaced + demand->pending;
        if (held + (int64_t) demand->chunks > (int64_t) max)
                return refuse(generation, held, demand->chunks, reterr);
        *ret_net = (int64_t) demand->chunks - (int64_t) replaced;
        return 0;
}

int generation_check_room(struct generation *generation, uint32_t doc_no, uint32_t docver,
                          uint64_t chunks, int64_t *pending, struct error *reterr)
{
        const struct demand demand = { doc_no, docver, chunks, *pending };
        uint32_t max = store_get_index(generation->collection->store).max_elements;
        struct generation_view *view = generation_view_ref(generation);
        uint64_t live = roaring_bitmap_get_cardinality(view->live);
        uint64_t most = live + view->source.unsettled + chunks + NEAR;
        cleanup_reader_ struct db_reader reader = { 0 };
        int64_t net = (int64_t) chunks;
        int r = 0;

        (void) generation_view_unref(view);
        if (max > 0 && (int64_t) most + *pending > (int64_t) max) {
                r = db_pool_take(generation->readers, &reader, reterr);
                if (r == 0)
                        r = check_demand(generation, reader.db, live, &demand, &net, reterr);
        }
        if (r == 0)
                *pending += net;
        return r;
}

int generation_check_chunks(struct generation *generation, const struct generation_chunk *chunks,
                            size_t n, struct error *reterr)
{
        const struct generation_facts *facts = &generation->facts;
        uint32_t max = store_get_index(generation->collection->store).max_elements;
        uint64_t live = roaring_bitmap_get_cardinality(facts->live);
        int64_t pending = 0;
        int r = 0;

        if (max == 0 || live + (facts->committed - facts->settled) + n <= max)
                return 0;
        for (size_t i = 0, end; r == 0 && i < n; i = end) {
                struct demand demand = { chunks[i].doc_no, chunks[i].docver, 0, pending };
                int64_t net = 0;

                for (end = i; end < n && chunks[end].docver == chunks[i].docver; end++)
                        demand.chunks = chunks[end].ordinal + UINT64_C(1);
                r = check_demand(generation, generation->db, live, &demand, &net, reterr);
                pending += net;
        }
        return r;
}
