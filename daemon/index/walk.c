/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through a graph.
 *
 * The time goes into memory that is not in any cache: a step first finds out which neighbours
 * were not seen yet and asks for the lines of all their codes, and compares only then; what
 * enters the pool has its links asked for, since it will be expanded soon. */
#include "index/walker.h"

#include "index/engine.h"

#include <math.h>
#include <string.h>

#define LINE 64U
#define CHECK_EVERY 256U /* steps between two calls of the caller's check */

/* ---- Keys ------------------------------------------------------------------------------- */

static inline void prefetch_lines(const void *from, size_t bytes)
{
        for (size_t at = 0; at < bytes; at += LINE)
                PREFETCH((const char *) from + at);
}

static inline size_t code_bytes_read(const struct walk *walk)
{
        return walk->precision == INDEX_PRECISION_4BIT ? walk->graph->quantizer.plane_bytes
                                                       : walk->graph->quantizer.code_bytes;
}

static inline const float *row_of(const struct walk *walk, uint32_t node)
{
        return flat_row(walk->source, walk->graph->slots[node]);
}

static void prefetch_row(const struct walk *walk, uint32_t node)
{
        const float *row = row_of(walk, node);

        if (row)
                prefetch_lines(row, walk->graph->params->dimensions * sizeof *row);
}

static inline void prefetch_node(const struct walk *walk, uint32_t node, size_t code_bytes)
{
        if (walk->precision == INDEX_PRECISION_FLOAT) {
                prefetch_row(walk, node);
                return;
        }
        prefetch_lines(graph_code(walk->graph, node), code_bytes);
        PREFETCH(&walk->graph->factors[node]);
}

void walk_prefetch(const struct walk *walk, uint32_t node)
{
        prefetch_node(walk, node, code_bytes_read(walk));
}

static inline void code_keys(struct walk *walk, const uint32_t *nodes, size_t n, float *ret_keys)
{
        const struct graph *graph = walk->graph;
        const struct kernel_ops *kernels = graph->kernels;
        bool half = walk->precision == INDEX_PRECISION_4BIT;

        for (size_t i = 0; i < n; i += KERNEL_BATCH) {
                const uint8_t *codes[KERNEL_BATCH];
                int32_t dots[KERNEL_BATCH];

                for (size_t j = 0; j < KERNEL_BATCH; j++)
                        codes[j] = graph_code(graph, nodes[i + j]);
                if (half)
                        kernels->dot4_batch(walk->query->codes, codes,
                                            graph->quantizer.plane_bytes, dots);
                else
                        kernels->dot8_batch(walk->query->codes, codes,
                                            graph->quantizer.plane_bytes, dots);
                for (size_t j = 0; j < KERNEL_BATCH; j++) {
                        const struct code_factors *to = &graph->factors[nodes[i + j]];

                        ret_keys[i + j] = half ? quantizer_key4(walk->query, to, dots[j])
                                               : quantizer_key8(walk->query, to, dots[j]);
                }
        }
}

/* A node whose row is not lent, or has rotted, is farther than any other. */
static void float_keys(const struct walk *walk, const uint32_t *nodes, size_t n, float *ret_keys)
{
        const struct graph *graph = walk->graph;
        uint32_t dimensions = graph->params->dimensions;
        bool euclidean = graph->params->metric == INDEX_EUCLIDEAN;

        for (size_t i = 0; i < n; i += KERNEL_BATCH) {
                const float *rows[KERNEL_BATCH];
                bool lent[KERNEL_BATCH];

                for (size_t j = 0; j < KERNEL_BATCH; j++) {
                        rows[j] = row_of(walk, nodes[i + j]);
                        lent[j] = rows[j] != NULL;
                        if (!lent[j])
                                rows[j] = walk->vector;
                }
                (euclidean ? graph->kernels->l2sq_batch
                           : graph->kernels->dot_batch)(walk->vector, rows, dimensions,
                                                        ret_keys + i);
                for (size_t j = 0; j < KERNEL_BATCH; j++) {
                        float key = euclidean ? -ret_keys[i + j] : ret_keys[i + j];

                        ret_keys[i + j] = lent[j] && fabsf(key) <= __FLT_MAX__ ? key : -__FLT_MAX__;
                }
        }
}

void walk_ask_node(struct walk *walk, uint32_t node)
{
        const struct graph *graph = walk->graph;

        if (graph->coded) {
                quantizer_query_from_code(&graph->quantizer, graph_code(graph, node),
                                          graph->factors[node].scale, &walk->walker->query);
                walk->query = &walk->walker->query;
                walk->precision = INDEX_PRECISION_8BIT;
        } else {
                walk->vector = row_of(walk, node);
                walk->precision = INDEX_PRECISION_FLOAT;
        }
}

void walk_keys(struct walk *walk, uint32_t *nodes, size_t n, float *ret_keys)
{
        walk->compared += n;
        /* The last group is filled up with a node that it has. */
        for (size_t i = n; i % KERNEL_BATCH != 0; i++)
                nodes[i] = nodes[n - 1];
        if (walk->precision != INDEX_PRECISION_FLOAT)
                code_keys(walk, nodes, n, ret_keys);
        else if (walk->vector)
                float_keys(walk, nodes, n, ret_keys);
        else /* a damaged file: the node that asks has no row */
                for (size_t i = 0; i < n; i++)
                        ret_keys[i] = -__FLT_MAX__;
}

/* ---- Neighbours ------------------------------------------------------------------------- */

/* What one step reads: the ids that are linked with those it expands, and the nodes they stand
 * for. */
struct neighbours {
        uint32_t ids[WALK_AT_ONCE + 3], nodes[WALK_AT_ONCE + 3];
        float keys[WALK_AT_ONCE + 3];
        size_t n;
};

/* Adds those linked with `id` that exist and that this walk has not seen, which it has from now
 * on. */
static inline void gather(const struct walk *walk, uint32_t layer, uint32_t id, uint32_t limit,
                          struct neighbours *near)
{
        const struct graph *graph = walk->graph;
        struct walker *walker = walk->walker;
        uint32_t most = graph_room(graph, layer);
        uint32_t n_nodes = layer == 0 ? limit : graph_count(graph, 0);
        const graph_link *links = graph_row(graph, layer, id);
        size_t code_bytes = code_bytes_read(walk);
        uint8_t mark = walker->mark, *seen = walker->seen;

        for (uint32_t i = 0; i < most; i++) {
                uint32_t next = atomic_load_explicit(&links[i], memory_order_acquire);
                uint32_t node;

                if (next >= limit) {
                        if (next == GRAPH_NONE)
                                break;
                        continue;
                }
                if (seen[next] == mark)
                        continue;
                seen[next] = mark;
                node = graph_node_of(graph, layer, next);
                if (node >= n_nodes)
                        continue;
                near->ids[near->n] = next;
                near->nodes[near->n++] = node;
                prefetch_node(walk, node, code_bytes);
        }
}

/* The ids below it exist and have a mark: others may have come since the marks were made. */
static uint32_t limit_of(const struct walk *walk, uint32_t layer)
{
        uint32_t n = graph_count(walk->graph, layer);

        return n < walk->walker->seen_size ? n : (uint32_t) walk->walker->seen_size;
}

/* ---- Descending ------------------------------------------------------------------------- */

/* Climbs within one layer while a neighbour is nearer. */
static uint32_t climb(struct walk *walk, uint32_t layer, uint32_t id, float *key)
{
        uint32_t limit = limit_of(walk, layer), from;
        struct neighbours near;

        do {
                from = id;
                near.n = 0;
                gather(walk, layer, from, limit, &near);
                if (near.n == 0)
                        break;
                walk_keys(walk, near.nodes, near.n, near.keys);
                for (size_t i = 0; i < near.n; i++) {
                        if (near.keys[i] > *key) {
                                *key = near.keys[i];
                                id = near.ids[i];
                        }
                }
        } while (id != from);
        return id;
}

uint32_t walk_descend(struct walk *walk, uint32_t to)
{
        const struct graph *graph = walk->graph;
        struct graph_top top = graph_top(graph);
        uint32_t n_entries = limit_of(walk, 1), n_nodes = limit_of(walk, 0);
        uint32_t at = top.at;
        float key = -__FLT_MAX__;

        for (uint32_t layer = top.layers; layer > to; layer--) {
                if (at >= n_entries)
                        return 0; /* of a damaged file */
                walker_forget(walk->walker);
                at = climb(walk, layer, at, &key);
                at = atomic_load_explicit(&graph_entry(graph, at)[ENTRY_BELOW],
                                          memory_order_acquire);
        }
        return at < (to == 0 ? n_nodes : n_entries) ? at : 0;
}

/* ---- The pool --------------------------------------------------------------------------- */

/* Where the candidate went, or `n` as it was where it did not enter.  The pool is sorted; ties
 * stand in the order of their coming. */
static inline size_t pool_offer(struct candidate *pool, size_t *n, size_t room, float key,
                                uint32_t id)
{
        size_t low = 0;

        if (*n == room && !(key > pool[room - 1].key))
                return SIZE_MAX;
        /* Halves without a branch: which way it goes is anybody's guess. */
        for (size_t left = *n; left > 0;) {
                size_t half = (left + 1) / 2;

                low += pool[low + half - 1].key < key ? 0 : half;
                left -= half;
        }
        if (*n < room)
                (*n)++;
        memmove(pool + low + 1, pool + low, (*n - 1 - low) * sizeof *pool);
        pool[low] = (struct candidate){ key, id };
        return low;
}

static inline void prefetch_links(const struct graph *graph, uint32_t layer, uint32_t id)
{
        prefetch_lines((const void *) graph_row(graph, layer, id),
                       graph_room(graph, layer) * sizeof(graph_link));
}

/* The start has a place of its own in a step's arrays. */
static float key_of(struct walk *walk, uint32_t layer, uint32_t id)
{
        uint32_t nodes[KERNEL_BATCH] = { graph_node_of(walk->graph, layer, id) };
        float keys[KERNEL_BATCH];

        if (nodes[0] >= graph_count(walk->graph, 0))
                return -__FLT_MAX__;
        walk_keys(walk, nodes, 1, keys);
        return keys[0];
}

static int checked(const struct index_check *check)
{
        return check && check->check ? check->check(check->userdata) : 0;
}

/* Where the best candidate from place `at` on stands that was not expanded; n: there is none. */
static inline size_t next_to_expand(const struct candidate *pool, size_t at, size_t n)
{
        while (at < n && pool[at].id & CANDIDATE_EXPANDED)
                at++;
        return at;
}

static inline void expand(const struct walk *walk, uint32_t layer, struct candidate *candidate,
                          uint32_t limit, struct neighbours *near)
{
        uint32_t id = candidate->id;

        candidate->id |= CANDIDATE_EXPANDED;
        gather(walk, layer, id, limit, near);
}

/* Offers what a step found to the pool; returns the best place that was taken, or `at`. */
static inline size_t offer_all(const struct walk *walk, uint32_t layer,
                               const struct neighbours *near, size_t *n, size_t room, size_t at)
{
        struct candidate *pool = walk->walker->pool;
        float worst = *n == room ? pool[room - 1].key : -INFINITY;

        for (size_t i = 0; i < near->n; i++)
                if (near->keys[i] > worst)
                        prefetch_links(walk->graph, layer, near->ids[i]);
        for (size_t i = 0; i < near->n; i++) {
                size_t place = pool_offer(pool, n, room, near->keys[i], near->ids[i]);

                at = place < at ? place : at;
        }
        return at;
}

int walk_layer(struct walk *walk, uint32_t layer, uint32_t start, uint32_t ef,
               const struct index_check *check)
{
        uint32_t limit = limit_of(walk, layer), steps = 0;
        struct candidate *pool = walk->walker->pool;
        struct neighbours near;
        size_t n = 1, at = 0;

        walker_forget(walk->walker);
        walk->walker->seen[start] = walk->walker->mark;
        pool[0] = (struct candidate){ key_of(walk, layer, start), start };
        while ((at = next_to_expand(pool, at, n)) < n) {
                size_t second = n == ef ? next_to_expand(pool, at + 1, n) : n;

                near.n = 0;
                expand(walk, layer, &pool[at], limit, &near);
                /* What a full pool holds is mostly expanded in the end: two at a time wait for
                 * memory together. */
                if (second < n)
                        expand(walk, layer, &pool[second], limit, &near);
                if (near.n > 0)
                        walk_keys(walk, near.nodes, near.n, near.keys);
                at = offer_all(walk, layer, &near, &n, ef, at + 1);
                if (++steps % CHECK_EVERY == 0) {
                        int r = checked(check);

                        if (r < 0)
                                return r;
                }
        }
        for (size_t i = 0; i < n; i++)
                pool[i].id &= ~CANDIDATE_EXPANDED;
        return (int) n;
}

static void sort_pool(struct candidate *pool, size_t n)
{
        for (size_t i = 1; i < n; i++) { /* nearly sorted already */
                struct candidate moved = pool[i];
                size_t at = i;

                for (; at > 0 && pool[at - 1].key < moved.key; at--)
                        pool[at] = pool[at - 1];
                pool[at] = moved;
        }
}

void walk_rescore(struct walk *walk, uint32_t layer, struct candidate *pool, size_t n)
{
        uint32_t nodes[WALK_AT_ONCE + 3];
        float keys[WALK_AT_ONCE + 3];

        for (size_t done = 0; done < n; done += WALK_AT_ONCE) {
                size_t count = n - done < WALK_AT_ONCE ? n - done : WALK_AT_ONCE;

                for (size_t i = 0; i < count; i++) {
                        nodes[i] = graph_node_of(walk->graph, layer, pool[done + i].id);
                        walk_prefetch(walk, nodes[i]);
                }
                walk_keys(walk, nodes, count, keys);
                for (size_t i = 0; i < count; i++)
                        pool[done + i].key = keys[i];
        }
        sort_pool(pool, n);
}

/* ---- Under a filter --------------------------------------------------------------------- */

static int frontier_push(struct walker *walker, size_t *n, struct candidate candidate)
{
        struct candidate *heap;
        size_t at = (*n)++;

        if (*n > walker->frontier_room) {
                size_t room = walker->frontier_room ? walker->frontier_room * 2 : 1024;

                heap = reallocarray(walker->frontier, room, sizeof *heap);
                if (!heap)
                        return -ENOMEM;
                walker->frontier = heap;
                walker->frontier_room = room;
        }
        heap = walker->frontier;
        for (; at > 0 && heap[(at - 1) / 2].key < candidate.key; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        heap[at] = candidate;
        return 0;
}

static struct candidate frontier_pop(struct walker *walker, size_t *n)
{
        struct candidate *heap = walker->frontier, best = heap[0], last = heap[--*n];
        size_t at = 0;

        for (;;) {
                size_t child = 2 * at + 1;

                if (child >= *n)
                        break;
                if (child + 1 < *n && heap[child + 1].key > heap[child].key)
                        child++;
                if (heap[child].key <= last.key)
                        break;
                heap[at] = heap[child];
                at = child;
        }
        heap[at] = last;
        return best;
}

/* What a walk under a filter carries from step to step. */
struct matching {
        const roaring_bitmap_t *wanted;
        uint32_t layer;
        size_t ef, matches, frontier;
};

/* Each node that was seen stays in the frontier; those that match compete for the pool. */
static int take_in(struct walk *walk, struct matching *matching, const struct neighbours *near)
{
        struct candidate *pool = walk->walker->pool;

        for (size_t i = 0; i < near->n; i++) {
                bool full = matching->matches == matching->ef;
                int r;

                if (full && near->keys[i] <= pool[matching->ef - 1].key)
                        continue;
                r = frontier_push(walk->walker, &matching->frontier,
                                  (struct candidate){ near->keys[i], near->ids[i] });
                if (r < 0)
                        return r;
                prefetch_links(walk->graph, matching->layer, near->ids[i]);
                walk->met++;
                if (!roaring_bitmap_contains(matching->wanted, walk->graph->slots[near->nodes[i]]))
                        continue;
                walk->met_wanted++;
                (void) pool_offer(pool, &matching->matches, matching->ef, near->keys[i],
                                  near->ids[i]);
        }
        return 0;
}

int walk_matching(struct walk *walk, uint32_t layer, uint32_t start, uint32_t ef,
                  const roaring_bitmap_t *wanted, uint64_t budget, const struct index_check *check,
                  bool *ret_gave_up)
{
        struct matching matching = { .wanted = wanted, .layer = layer, .ef = ef };
        struct candidate *pool = walk->walker->pool;
        uint32_t limit = limit_of(walk, layer), steps = 0;
        uint64_t allowed = walk->compared + budget;
        struct neighbours near = { .n = 1, .ids = { start },
                                   .nodes = { graph_node_of(walk->graph, layer, start) } };
        int r;

        *ret_gave_up = false;
        walker_forget(walk->walker);
        walk->walker->seen[start] = walk->walker->mark;
        near.keys[0] = key_of(walk, layer, start);
        r = take_in(walk, &matching, &near);
        while (r == 0 && matching.frontier > 0) {
                struct candidate next = frontier_pop(walk->walker, &matching.frontier);

                if (matching.matches == ef && next.key < pool[ef - 1].key)
                        break;
                if (walk->compared > allowed) {
                        *ret_gave_up = true;
                        break;
                }
                near.n = 0;
                gather(walk, layer, next.id, limit, &near);
                if (near.n > 0)
                        walk_keys(walk, near.nodes, near.n, near.keys);
                r = take_in(walk, &matching, &near);
                if (r == 0 && ++steps % CHECK_EVERY == 0)
                        r = checked(check);
        }
        return r < 0 ? r : (int) matching.matches;
}
