/* SPDX-License-Identifier: Apache-2.0 */
/* What walks with and without a filter share, inlined into both (walk.c, walk_matching.c only). */
#pragma once
#include "index/engine.h"
#include "index/walker.h"

#include <string.h>

#define WALK_LINE 64U
#define WALK_CHECK_EVERY 256U /* steps between two calls of the caller's check */

/* ---- Asking for memory ------------------------------------------------------------------ */

static inline void prefetch_lines(const void *from, size_t bytes)
{
        for (size_t at = 0; at < bytes; at += WALK_LINE)
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

static inline void prefetch_row(const struct walk *walk, uint32_t node)
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

static inline void prefetch_links(const struct graph *graph, uint32_t layer, uint32_t id)
{
        prefetch_lines((const void *) graph_row(graph, layer, id),
                       graph_room(graph, layer) * sizeof(graph_link));
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
static inline uint32_t limit_of(const struct walk *walk, uint32_t layer)
{
        uint32_t n = graph_count(walk->graph, layer);

        return n < walk->walker->seen_size ? n : (uint32_t) walk->walker->seen_size;
}

/* The start has a place of its own in a step's arrays. */
static inline float key_of(struct walk *walk, uint32_t layer, uint32_t id)
{
        uint32_t nodes[KERNEL_BATCH] = { graph_node_of(walk->graph, layer, id) };
        float keys[KERNEL_BATCH];

        if (nodes[0] >= graph_count(walk->graph, 0))
                return -__FLT_MAX__;
        walk_keys(walk, nodes, 1, keys);
        return keys[0];
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

static inline int checked(const struct index_check *check)
{
        return check && check->check ? check->check(check->userdata) : 0;
}
