/* SPDX-License-Identifier: Apache-2.0 */
#include "index/graph.h"

#include <math.h>
#include <string.h>

#define DEFAULT_RESERVE (UINT32_C(1) << 24) /* nodes, where nothing limits them */

size_t graph_element_bytes(const struct graph *graph, enum graph_array array)
{
        switch (array) {
        case GRAPH_CODES:
                return graph->coded ? graph->quantizer.code_bytes : 0;
        case GRAPH_FACTORS:
                return graph->coded ? sizeof(struct code_factors) : 0;
        case GRAPH_LINKS:
                return graph->m0 * sizeof(graph_link);
        case GRAPH_ENTRIES:
                return (ENTRY_HEAD + graph->m) * sizeof(graph_link);
        default:
                return sizeof(uint32_t);
        }
}

/* Slots outnumber nodes where many were deleted, entries are a part of the nodes. */
static size_t elements_of(uint32_t nodes, enum graph_array array)
{
        return array == GRAPH_NODES ? (size_t) UINT32_MAX : nodes;
}

static int reserve_arrays(struct graph *graph, uint32_t at_least, struct error *reterr)
{
        uint32_t limit = graph->params->max_elements;
        uint32_t nodes = limit == 0 ? DEFAULT_RESERVE
                                    : limit < GRAPH_NODES_MAX - 1024 ? limit + 1024
                                                                     : GRAPH_NODES_MAX;

        if (nodes < at_least)
                nodes = at_least < GRAPH_NODES_MAX - 1024 ? at_least + 1024 : GRAPH_NODES_MAX;
        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++) {
                size_t bytes = elements_of(nodes, i) * graph_element_bytes(graph, i);
                int r = region_reserve(&graph->arrays[i], bytes, graph->params->budget, reterr);

                if (r < 0)
                        return r;
        }
        graph->codes = graph->arrays[GRAPH_CODES].base;
        graph->factors = (struct code_factors *) (void *) graph->arrays[GRAPH_FACTORS].base;
        graph->slots = (uint32_t *) (void *) graph->arrays[GRAPH_SLOTS].base;
        graph->links = (graph_link *) (void *) graph->arrays[GRAPH_LINKS].base;
        graph->nodes = (graph_link *) (void *) graph->arrays[GRAPH_NODES].base;
        graph->entries = (graph_link *) (void *) graph->arrays[GRAPH_ENTRIES].base;
        return 0;
}

int graph_new(const struct index_params *params, const struct kernel_ops *kernels,
              struct quantizer *quantizer, uint32_t nodes, struct graph **ret,
              struct error *reterr)
{
        cleanup_(graph_free_cleanup) struct graph *graph = calloc(1, sizeof *graph);
        int r;

        if (!graph)
                return error_oom(reterr);
        graph->params = params;
        graph->kernels = kernels;
        graph->seed = params->seed;
        graph->max_layers = params->max_layers;
        graph->m = params->m;
        graph->m0 = 2 * params->m;
        graph->coded = quantizer != NULL;
        if (quantizer)
                graph->quantizer = *quantizer;
        atomic_init(&graph->top, GRAPH_EMPTY);
        memset(graph->witnesses, 0xFF, sizeof graph->witnesses);
        r = reserve_arrays(graph, nodes, reterr);
        if (r < 0) {
                graph->quantizer = (struct quantizer){ .mean = NULL }; /* stays the caller's */
                return r;
        }
        if (quantizer)
                *quantizer = (struct quantizer){ .mean = NULL };
        *ret = take_ptr(graph);
        return 0;
}

void graph_free(struct graph *graph)
{
        if (!graph)
                return;
        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++)
                region_done(&graph->arrays[i]);
        quantizer_done(&graph->quantizer);
        free(graph->free_nodes);
        free(graph->free_entries);
        free(graph);
}

int graph_reserve(struct graph *graph, uint32_t nodes, uint32_t entries, uint32_t slots,
                  struct error *reterr)
{
        struct region *map = &graph->arrays[GRAPH_NODES];
        size_t known = map->usable;
        int r = 0;

        for (unsigned int i = 0; r == 0 && i < GRAPH_ARRAYS; i++) {
                size_t n = i == GRAPH_NODES ? slots : i == GRAPH_ENTRIES ? entries : nodes;

                r = region_grow(&graph->arrays[i], n * graph_element_bytes(graph, i), reterr);
        }
        if (map->usable > known)
                memset(map->base + known, 0xFF, map->usable - known);
        return r;
}

/* A hash of seed and slot (the finalizer of splitmix64), read as a number in (0, 1]. */
static double chance(uint64_t seed, uint32_t slot)
{
        uint64_t x = seed + UINT64_C(0x9E3779B97F4A7C15) * ((uint64_t) slot + 1);

        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
        x ^= x >> 31;
        return (double) ((x >> 11) + 1) * 0x1p-53;
}

uint32_t graph_layers_of(const struct graph *graph, uint32_t slot)
{
        double layers = floor(-log(chance(graph->seed, slot)) / log(graph->m));
        uint32_t most = graph->max_layers && graph->max_layers < GRAPH_LAYERS_MAX
                                ? graph->max_layers
                                : GRAPH_LAYERS_MAX;

        return layers < (double) most ? (uint32_t) layers : most;
}

uint64_t graph_hot_bytes(const struct graph *graph)
{
        uint64_t bytes = 0;

        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++)
                bytes += region_hot_bytes(&graph->arrays[i]);
        return bytes;
}
