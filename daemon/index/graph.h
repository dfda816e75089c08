/* SPDX-License-Identifier: Apache-2.0 */
/* The graph of an HNSW index (Malkov and Yashunin, "Efficient and robust approximate nearest
 * neighbor search using Hierarchical Navigable Small World graphs", arXiv 1603.09320): its
 * arrays, and what is true of them.
 *
 * A node is one slot that was taken in.  What belongs to it lies in arrays, one for each thing
 * that is looked at together, all indexed by node:
 *
 *     codes     code_bytes each      the quantised vector (quantizer.h); none without codes
 *     factors   struct code_factors  what belongs to the code
 *     slots     u32                  which slot it is; GRAPH_NONE: the place is free
 *     links     u32[m0]              its neighbours at the bottom, filled up with GRAPH_NONE
 *     nodes     u32 by slot          the way back: the slot's node or GRAPH_NONE
 *
 * A node that is free (mend.c) has no links, and no row leads to it.
 *
 * Each layer above the bottom holds some of the nodes of the one below; a node in a layer is an
 * entry of u32[ENTRY_HEAD + m]: its node, the entry (at the first layer: the node) below, and the
 * entries it is linked with.  A node's entries ascend with their layers; a free one has the node
 * GRAPH_NONE.  The search begins at `top`.
 *
 * Threads: one writer, which may use several threads by itself (link.c, mend.c); any number of
 * walkers (walker.h), without a lock.  A walker reads links one by one while they change: each
 * is an atomic that always names a node whose arrays were complete before, so it may see a mix
 * of old and new neighbours, never nonsense.  A file can be damaged before that is noticed: every
 * number read from links and entries is compared with `n_nodes` or `n_entries` before use. */
#pragma once
#include "index/index.h"
#include "index/kernel.h"
#include "index/quantizer.h"
#include "index/region.h"

#include <stdatomic.h>

#define GRAPH_NONE UINT32_MAX
#define GRAPH_NODES_MAX (UINT32_MAX / 2) /* a candidate marks in the highest bit */
#define GRAPH_LAYERS_MAX 64

enum { ENTRY_NODE, ENTRY_BELOW, ENTRY_HEAD }; /* then m links */

typedef _Atomic uint32_t graph_link;

/* Where a search begins: layers above the bottom, and the entry (or node, with no layers). */
struct graph_top {
        uint32_t layers, at;
};

enum graph_array {
        GRAPH_CODES,
        GRAPH_FACTORS,
        GRAPH_SLOTS,
        GRAPH_LINKS,
        GRAPH_NODES,
        GRAPH_ENTRIES,
        GRAPH_ARRAYS,
};

/* Of a row that the graph was built from: how a file is told from that of other vectors. */
struct graph_witness {
        uint32_t slot; /* GRAPH_NONE: none was taken */
        uint32_t crc;  /* CRC-32C of its floats */
};
#define GRAPH_WITNESSES 64

struct graph {
        const struct index_params *params; /* the index's: borrowed */
        const struct kernel_ops *kernels;
        uint32_t m, m0; /* links per entry, per node */
        uint64_t seed;  /* of the layers, with max_layers: what the graph was begun with */
        uint32_t max_layers;
        struct quantizer quantizer;
        bool coded;

        struct region arrays[GRAPH_ARRAYS];
        uint8_t *codes; /* the regions' bases by their types */
        struct code_factors *factors;
        uint32_t *slots;
        graph_link *links, *entries;
        graph_link *nodes; /* as far as linked_slot */

        atomic_uint n_nodes, n_entries; /* complete ones */
        _Atomic uint64_t top;           /* struct graph_top, packed; GRAPH_EMPTY: nothing linked */
        atomic_uint linked_slot; /* every live slot below is in the graph */
        atomic_bool unverified;  /* came from a file, and any number in its arrays may be wrong */
        atomic_uint n_unlinked;  /* nodes that are no part of the graph: free, or soon so */

        /* The writer's. */
        uint32_t *free_nodes, *free_entries; /* to be used again */
        size_t n_free, free_size, n_free_entries, free_entries_size;
        float error_max; /* the longest |x' - code| of all rows */
        struct graph_witness witnesses[GRAPH_WITNESSES];
};

#define GRAPH_EMPTY UINT64_MAX

static inline struct graph_top graph_top(const struct graph *graph)
{
        uint64_t packed = atomic_load_explicit(&graph->top, memory_order_acquire);

        return (struct graph_top){ (uint32_t) (packed >> 32), (uint32_t) packed };
}

static inline void graph_set_top(struct graph *graph, struct graph_top top)
{
        atomic_store_explicit(&graph->top, (uint64_t) top.layers << 32 | top.at,
                              memory_order_release);
}

static inline bool graph_is_empty(const struct graph *graph)
{
        return atomic_load_explicit(&graph->top, memory_order_acquire) == GRAPH_EMPTY;
}

static inline uint8_t *graph_code(const struct graph *graph, uint32_t node)
{
        return graph->codes + (size_t) node * graph->quantizer.code_bytes;
}

static inline graph_link *graph_links(const struct graph *graph, uint32_t node)
{
        return graph->links + (size_t) node * graph->m0;
}

static inline graph_link *graph_entry(const struct graph *graph, uint32_t entry)
{
        return graph->entries + (size_t) entry * (ENTRY_HEAD + graph->m);
}

/* Layer 0 is the bottom, where an id is a node; above it is an entry. */
static inline uint32_t graph_room(const struct graph *graph, uint32_t layer)
{
        return layer == 0 ? graph->m0 : graph->m;
}

static inline graph_link *graph_row(const struct graph *graph, uint32_t layer, uint32_t id)
{
        return layer == 0 ? graph_links(graph, id) : graph_entry(graph, id) + ENTRY_HEAD;
}

static inline uint32_t graph_node_of(const struct graph *graph, uint32_t layer, uint32_t id)
{
        return layer == 0 ? id
                          : atomic_load_explicit(&graph_entry(graph, id)[ENTRY_NODE],
                                                 memory_order_acquire);
}

/* How many ids there are. */
static inline uint32_t graph_count(const struct graph *graph, uint32_t layer)
{
        return atomic_load_explicit(layer == 0 ? &graph->n_nodes : &graph->n_entries,
                                    memory_order_acquire);
}

/* How many nodes are part of the graph, the dead ones among them. */
static inline uint32_t graph_used_nodes(const struct graph *graph)
{
        uint32_t unlinked = atomic_load_explicit(&graph->n_unlinked, memory_order_relaxed);
        uint32_t nodes = graph_count(graph, 0);

        return nodes > unlinked ? nodes - unlinked : 0;
}

/* Bytes of one element of an array. */
size_t graph_element_bytes(const struct graph *graph, enum graph_array array);

/* Reserves addresses for the nodes that params->max_elements allows, `nodes` at least.
 * `quantizer` (NULL: without codes) is taken over on success.  -ENOMEM. */
int graph_new(const struct index_params *params, const struct kernel_ops *kernels,
              struct quantizer *quantizer, uint32_t nodes, struct graph **ret,
              struct error *reterr);
void graph_free(struct graph *graph);
DEFINE_CLEANUP(struct graph *, graph_free)

/* Room for so many nodes, entries, and slots in `nodes`, which is filled with GRAPH_NONE.
 * -EDQUOT, -ENOMEM: as region_grow(); nothing is lost. */
int graph_reserve(struct graph *graph, uint32_t nodes, uint32_t entries, uint32_t slots,
                  struct error *reterr);

/* How many layers above the bottom the slot reaches: by chance, the same for the same seed. */
uint32_t graph_layers_of(const struct graph *graph, uint32_t slot);

/* What it holds in memory. */
uint64_t graph_hot_bytes(const struct graph *graph);
