/* SPDX-License-Identifier: Apache-2.0 */
#include "index/select.h"

#include <stdlib.h>

/* Ties by id: the same set gives the same order, however it was gathered. */
static int compare(const void *left, const void *right)
{
        const struct candidate *a = left, *b = right;

        if (a->key < b->key || a->key > b->key)
                return a->key < b->key ? 1 : -1;
        return (a->id > b->id) - (a->id < b->id);
}

size_t select_sort(struct candidate *candidates, size_t n)
{
        size_t kept = 0;

        qsort(candidates, n, sizeof *candidates, compare);
        for (size_t i = 0; i < n; i++) {
                bool known = false;

                /* The same id has the same key, and so stands next to it. */
                for (size_t j = kept; j > 0 && candidates[j - 1].key <= candidates[i].key; j--)
                        known |= candidates[j - 1].id == candidates[i].id;
                if (!known)
                        candidates[kept++] = candidates[i];
        }
        return kept;
}

/* Whether the candidate is nearer to one of the kept than to the base. */
static bool is_covered(struct walk *judge, uint32_t layer, const struct candidate *kept, size_t n,
                       const struct candidate *candidate)
{
        uint32_t node = graph_node_of(judge->graph, layer, candidate->id);
        float bias;

        if (n == 0)
                return false;
        walk_ask_node(judge, node);
        bias = walk_bias(judge, node);
        for (size_t at = 0; at < n; at += KERNEL_BATCH) {
                size_t count = n - at < KERNEL_BATCH ? n - at : KERNEL_BATCH;
                uint32_t nodes[KERNEL_BATCH];
                float keys[KERNEL_BATCH];

                for (size_t i = 0; i < count; i++)
                        nodes[i] = graph_node_of(judge->graph, layer, kept[at + i].id);
                walk_keys(judge, nodes, count, keys);
                for (size_t i = 0; i < count; i++)
                        if (keys[i] + bias > candidate->key)
                                return true;
        }
        return false;
}

size_t select_neighbours(struct walk *judge, uint32_t layer, struct candidate *candidates, size_t n,
                         size_t most)
{
        return select_more(judge, layer, candidates, 0, n, most);
}

size_t select_more(struct walk *judge, uint32_t layer, struct candidate *candidates, size_t kept,
                   size_t n, size_t most)
{
        for (size_t i = kept; i < n && kept < most; i++)
                if (!is_covered(judge, layer, candidates, kept, &candidates[i]))
                        candidates[kept++] = candidates[i];
        return kept;
}
