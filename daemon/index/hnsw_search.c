/* SPDX-License-Identifier: Apache-2.0 */
/* A search: which plan, the walk, the second and the exact look.
 *
 * The walk compares by codes of 4 or 8 bits; the best of what it found are looked at again with
 * 8 bits, the best of those with the floats, which give the scores.  Slots that the graph does
 * not have yet are scanned.
 *
 * A filter is a set of slots.  Where it is small its slots are compared one by one; where it is
 * large the graph is walked until enough of them are found, but never longer than comparing all
 * of them would take: then that is done. */
#include "index/hnsw.h"

#include <string.h>

/* What a comparison costs, in units of a code read from memory: measured (make bench-index). */
#define WALK_PER_EF 12U     /* codes compared for each candidate that is kept */
#define SCAN_COST_PICKED 1U /* a code at a known place */
#define SCAN_SPEED_ALL 4U   /* codes one after the other come so much faster */

#define MET_LEAST 0.5        /* of the wanted ones that a walk should meet */
#define EXACT_ROWS_MAX 1024U /* so few are compared by their floats at once */
#define EXACT_EXTRA 4U       /* beyond k, at least: rows whose floats are looked at */
#define AGAIN_MIN 64U        /* candidates of 4 bits that are looked at again with 8 */
#define AGAIN_SHARE 64U      /* of those scanned by codes, looked at again by floats: where the
                                filter cuts through a crowd so many are alike to the codes */
#define COARSE_EXTRA 5U      /* kept beyond ef on a walk by 4 bits, so that it loses nothing */
#define FILTER_EXTRA 4U      /* the same under a filter, whose walk expands one at a time */

/* One search on its way. */
struct search {
        const struct index *index;
        const struct graph *graph;
        const struct index_source *source;
        const struct index_query *query;
        const roaring_bitmap_t *wanted; /* what may be returned; NULL: everything */
        uint64_t matches;               /* wanted slots that the graph has */
        uint32_t linked;                /* slots from here on are scanned */
        struct walk walk;
        struct best *best;
        struct index_stats *stats;
};

/* ---- Choosing --------------------------------------------------------------------------- */

static enum index_precision precision_of(const struct search *search)
{
        enum index_precision asked = search->query->precision;

        return asked != INDEX_PRECISION_AUTO && search->graph->coded
                       ? asked
                       : walk_precision(search->graph);
}

static uint32_t pool_of(const struct search *search)
{
        uint32_t ef = search->query->ef > search->query->k ? search->query->ef : search->query->k;

        if (search->query->filter)
                ef += FILTER_EXTRA;
        return precision_of(search) == INDEX_PRECISION_4BIT ? ef + COARSE_EXTRA : ef;
}

static uint64_t walk_cost(const struct search *search)
{
        uint64_t nodes = graph_count(search->graph, 0);
        uint64_t cost = (uint64_t) pool_of(search) * WALK_PER_EF;

        return search->query->filter && search->matches > 0 ? cost * nodes / search->matches
                                                            : cost;
}

static uint64_t scan_cost(const struct search *search)
{
        return search->query->filter ? search->matches * SCAN_COST_PICKED
                                     : search->matches / SCAN_SPEED_ALL;
}

/* ---- Looking again ---------------------------------------------------------------------- */

static void prepare_query(struct search *search, enum index_precision precision)
{
        struct walk *walk = &search->walk;

        walk->precision = precision;
        if (precision == INDEX_PRECISION_FLOAT) {
                walk->vector = search->query->vector;
                return;
        }
        quantizer_query(&search->graph->quantizer, search->query->vector, &walk->walker->query,
                        NULL);
        walk->query = &walk->walker->query;
}

/* Keeps those that may be returned at the pool's beginning, at most `most`. */
static size_t keep_wanted(const struct search *search, size_t n, size_t most)
{
        struct candidate *pool = search->walk.walker->pool;
        size_t kept = 0;

        for (size_t i = 0; i < n && kept < most; i++) {
                uint32_t slot = search->graph->slots[pool[i].id];

                if (slot < search->linked &&
                    (!search->wanted || roaring_bitmap_contains(search->wanted, slot)))
                        pool[kept++] = pool[i];
        }
        return kept;
}

/* A file that is not verified yet may give a slot to two nodes, or one that is not wanted. */
static bool is_believed(const struct search *search, uint32_t node, uint32_t slot)
{
        const struct graph *graph = search->graph;

        return !atomic_load_explicit(&graph->unverified, memory_order_relaxed) ||
               (slot < search->linked &&
                atomic_load_explicit(&graph->nodes[slot], memory_order_relaxed) == node &&
                (!search->wanted || roaring_bitmap_contains(search->wanted, slot)));
}

/* So many of the best by codes have the k best by floats among them. */
static size_t exact_depth(const struct search *search)
{
        uint32_t k = search->query->k;

        return k + (k / 2 > EXACT_EXTRA ? k / 2 : EXACT_EXTRA);
}

static void offer_exactly(struct search *search, size_t n)
{
        const struct candidate *pool = search->walk.walker->pool;
        uint32_t slots[WALK_AT_ONCE];

        for (size_t done = 0; done < n;) {
                size_t count = 0;

                for (; done < n && count < WALK_AT_ONCE; done++) {
                        slots[count] = search->graph->slots[pool[done].id];
                        count += is_believed(search, pool[done].id, slots[count]);
                }
                flat_offer(search->index, search->source, search->query->vector, slots, count,
                           search->best);
        }
        search->stats->candidates += n;
}

/* ---- The plans -------------------------------------------------------------------------- */

/* Compares slots by their nodes' codes.  Those that have none, since they died after this view
 * was made, are compared by their floats. */
static void scan_slots(struct search *search, const uint32_t *slots, uint32_t count,
                       struct best *near)
{
        const struct graph *graph = search->graph;
        bool unverified = atomic_load_explicit(&graph->unverified, memory_order_relaxed);
        uint32_t n_nodes = graph_count(graph, 0), n = 0, n_others = 0;
        uint32_t nodes[WALK_AT_ONCE + 3], others[WALK_AT_ONCE];
        float keys[WALK_AT_ONCE + 3];

        for (uint32_t i = 0; i < count; i++) {
                uint32_t node = atomic_load_explicit(&graph->nodes[slots[i]],
                                                     memory_order_relaxed);

                if (node < n_nodes && (!unverified || graph->slots[node] == slots[i]))
                        walk_prefetch(&search->walk, nodes[n++] = node);
                else
                        others[n_others++] = slots[i];
        }
        if (n > 0)
                walk_keys(&search->walk, nodes, n, keys);
        for (uint32_t i = 0; i < n; i++)
                best_offer(near, (struct index_hit){ nodes[i], keys[i] });
        flat_offer(search->index, search->source, search->query->vector, others, n_others,
                   search->best);
}

/* Each wanted slot of the graph, by the codes of 8 bits, then the best by their floats. */
static int scan_codes(struct search *search, struct error *reterr)
{
        size_t most = (size_t) search->query->k * 2 + AGAIN_MIN + search->matches / AGAIN_SHARE;
        cleanup_free_ struct index_hit *hits = malloc(most * sizeof *hits);
        struct best near = { .hits = hits, .room = most };
        const struct index_check *check = &search->query->check;
        uint32_t slots[WALK_AT_ONCE], got;
        roaring_uint32_iterator_t at;

        if (!hits || walker_prepare(search->walk.walker, 0, most,
                                    search->graph->quantizer.code_bytes) < 0)
                return error_oom(reterr);
        prepare_query(search, INDEX_PRECISION_8BIT);
        roaring_init_iterator(search->wanted, &at);
        while ((got = roaring_read_uint32_iterator(&at, slots, WALK_AT_ONCE)) > 0) {
                int r = check->check ? check->check(check->userdata) : 0;

                if (r < 0)
                        return error_set(reterr, r, "the search was ended early");
                while (got > 0 && slots[got - 1] >= search->linked)
                        got--;
                if (got == 0)
                        break;
                scan_slots(search, slots, got, &near);
        }
        best_sort(&near);
        for (size_t i = 0; i < near.count; i++)
                search->walk.walker->pool[i] = (struct candidate){ near.hits[i].score,
                                                                   near.hits[i].slot };
        offer_exactly(search, near.count);
        search->stats->exhausted = true;
        return 0;
}

static int scan_graph(struct search *search, struct error *reterr)
{
        if (search->graph->coded && search->wanted && search->matches > EXACT_ROWS_MAX)
                return scan_codes(search, reterr);
        search->stats->exact = search->stats->exhausted = true;
        return 0; /* with the tail, from slot 0 on */
}

/* Under the inner product hardly a link leads to what is shorter than its surroundings, so that
 * a walk for short ones does not find the nearest of them.  It shows in that it meets fewer that
 * are wanted than there are. */
static bool is_astray(const struct search *search)
{
        const struct walk *walk = &search->walk;
        double share = (double) search->matches / graph_count(search->graph, 0);

        return search->index->params.metric == INDEX_INNER_PRODUCT &&
               (double) walk->met_wanted < share * MET_LEAST * (double) walk->met;
}

/* The whole of one walk: 1 where it found enough. */
static int walk_graph(struct search *search, bool matching)
{
        const struct graph *graph = search->graph;
        enum index_precision precision = precision_of(search);
        struct walk *walk = &search->walk;
        uint32_t ef = pool_of(search), start;
        size_t again = search->query->k * 3 > AGAIN_MIN ? search->query->k * 3 : AGAIN_MIN, kept;
        bool gave_up = false;
        size_t ids = graph_count(graph, 0);
        int n;

        if (graph_count(graph, 1) > ids)
                ids = graph_count(graph, 1);
        if (walker_prepare(walk->walker, ids, ef, graph->quantizer.code_bytes) < 0)
                return -ENOMEM;
        prepare_query(search, precision);
        start = walk_descend(walk, 0);
        n = matching ? walk_matching(walk, 0, start, ef, search->wanted, scan_cost(search),
                                     &search->query->check, &gave_up)
                     : walk_layer(walk, 0, start, ef, &search->query->check);
        if (n < 0)
                return n;
        kept = keep_wanted(search, (size_t) n, precision == INDEX_PRECISION_4BIT ? again : (size_t) n);
        if (gave_up || is_astray(search) || kept < search->query->k ||
            (!matching && kept < (size_t) n / 2 && kept < again))
                return 0;
        if (precision == INDEX_PRECISION_4BIT) {
                walk->precision = INDEX_PRECISION_8BIT;
                walk_rescore(walk, 0, walk->walker->pool, kept);
        }
        offer_exactly(search, kept < exact_depth(search) ? kept : exact_depth(search));
        return 1;
}

static int search_graph(struct search *search, uint32_t *ret_scan_from, struct error *reterr)
{
        bool filtered = search->query->filter != NULL;
        int r = 0;

        *ret_scan_from = search->linked;
        if (scan_cost(search) > walk_cost(search) &&
            (!filtered || search->matches > EXACT_ROWS_MAX)) {
                search->stats->plan = INDEX_PLAN_GRAPH;
                r = walk_graph(search, filtered);
                if (r == 0 && !filtered && search->wanted) /* what is dead lies in the way */
                        r = walk_graph(search, true);
                if (r < 0)
                        return error_set(reterr, r, r == -ENOMEM ? "out of memory"
                                                                 : "the search was ended early");
                if (r > 0)
                        return 0;
                search->stats->plan = INDEX_PLAN_GRAPH_SCAN;
        }
        r = scan_graph(search, reterr);
        if (r == 0 && search->stats->exact)
                *ret_scan_from = 0;
        return r;
}

/* ---- The call --------------------------------------------------------------------------- */

static int search_with(struct search *search, struct error *reterr)
{
        uint32_t from;
        int r = search_graph(search, &from, reterr);

        search->stats->candidates += search->walk.compared;
        if (r == 0 && from < search->source->committed)
                r = flat_scan(search->index, search->source, from, search->wanted, search->query,
                              search->best, &search->stats->candidates, reterr);
        return r;
}

int hnsw_search(struct index *index, const struct index_source *source,
                const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                struct index_stats *ret_stats, struct error *reterr)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *both = NULL;
        struct hnsw *hnsw = index->state;
        struct walker *walker = walkers_take(&hnsw->walkers);
        struct best best = { .hits = ret_hits, .room = query->k };
        struct index_stats stats = { .plan = INDEX_PLAN_SCAN };
        struct search search = { .index = index, .source = source, .query = query,
                                 .wanted = query->filter ? query->filter : query->live,
                                 .best = &best, .stats = &stats };
        int r;

        if (!walker)
                return error_oom(reterr);
        search.graph = atomic_load(&hnsw->graph);
        if (!search.graph || graph_is_empty(search.graph)) {
                walkers_give(&hnsw->walkers, walker);
                return flat_search(index, source, query, ret_hits, ret_count, ret_stats, reterr);
        }
        if (query->filter && query->live)
                search.wanted = both = roaring_bitmap_and(query->filter, query->live);
        search.linked = atomic_load_explicit(&search.graph->linked_slot, memory_order_acquire);
        search.linked = search.linked < source->committed ? search.linked : source->committed;
        search.matches = search.wanted && search.linked > 0
                                 ? roaring_bitmap_rank(search.wanted, search.linked - 1)
                                 : search.linked;
        search.walk = (struct walk){ .graph = search.graph, .source = source, .walker = walker };
        r = query->filter && query->live && !both ? error_oom(reterr)
                                                  : search_with(&search, reterr);
        walkers_give(&hnsw->walkers, walker);
        if (r < 0)
                return r;
        flat_finish(index, &best);
        *ret_count = best.count;
        *ret_stats = stats;
        return 0;
}
