/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through a graph.
 *
 * The time goes into memory that is not in any cache: a step first finds out which neighbours
 * were not seen yet and asks for the lines of all their codes, and compares only then; what
 * enters the pool has its links asked for, since it will be expanded soon. */
#include "index/walk_inside.h"

#include <math.h>

/* ---- Keys ------------------------------------------------------------------------------- */

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
                /* walk_keys() wrote as many keys as there are ids */
                /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
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
                if (++steps % WALK_CHECK_EVERY == 0) {
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
