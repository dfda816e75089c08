/* SPDX-License-Identifier: Apache-2.0 */
#include "graph_check.h"

#include <stdlib.h>
#include <string.h>

static uint32_t link_at(const struct graph *graph, uint32_t layer, uint32_t id, uint32_t i)
{
        return atomic_load(&graph_row(graph, layer, id)[i]);
}

/* Unlinked, but walks may still be there. */
static bool is_waiting(const struct graph *graph, uint32_t node)
{
        uint32_t slot = graph->slots[node];

        return slot != GRAPH_NONE && atomic_load(&graph->nodes[slot]) != node;
}

static bool is_live(const struct graph *graph, const roaring_bitmap_t *live, uint32_t node)
{
        return !live || roaring_bitmap_contains(live, graph->slots[node]);
}

/* Numbers one after the other, each of a place that is used and of the same layer, none twice. */
static void check_row(const struct graph *graph, uint32_t layer, uint32_t id,
                      const uint8_t *layers_of_entries, const roaring_bitmap_t *live,
                      struct graph_found *found)
{
        uint32_t room = graph_room(graph, layer), n = 0;

        while (n < room && link_at(graph, layer, id, n) != GRAPH_NONE)
                n++;
        for (uint32_t i = n; i < room; i++)
                assert_int_equal(link_at(graph, layer, id, i), GRAPH_NONE);
        found->links += n;
        for (uint32_t i = 0; i < n; i++) {
                uint32_t to = link_at(graph, layer, id, i), node;

                assert_true(to < graph_count(graph, layer) && to != id);
                for (uint32_t j = 0; j < i; j++)
                        assert_int_not_equal(link_at(graph, layer, id, j), to);
                node = graph_node_of(graph, layer, to);
                assert_true(node < graph_count(graph, 0) && graph->slots[node] != GRAPH_NONE);
                assert_false(is_waiting(graph, node));
                if (layer > 0)
                        assert_int_equal(layers_of_entries[to], layers_of_entries[id]);
                found->to_dead += !is_live(graph, live, node);
        }
}

static void check_nodes(const struct graph *graph, const roaring_bitmap_t *live,
                        struct graph_found *found)
{
        for (uint32_t node = 0; node < graph_count(graph, 0); node++) {
                uint32_t slot = graph->slots[node];

                if (slot == GRAPH_NONE) {
                        found->free_nodes++;
                        assert_int_equal(link_at(graph, 0, node, 0), GRAPH_NONE);
                        continue;
                }
                if (is_waiting(graph, node)) {
                        found->waiting++;
                        continue;
                }
                found->nodes++;
                assert_true(slot < atomic_load(&graph->linked_slot));
                found->dead += !is_live(graph, live, node);
                check_row(graph, 0, node, NULL, live, found);
        }
}

/* A node's entries ascend with their layers, each above the one before. */
static void check_entries(const struct graph *graph, const roaring_bitmap_t *live,
                          struct graph_found *found)
{
        uint32_t n = graph_count(graph, 1), nodes = graph_count(graph, 0);
        uint8_t *layers = calloc((size_t) n + 1, 1), *reached = calloc((size_t) nodes + 1, 1);
        uint32_t *last = calloc((size_t) nodes + 1, sizeof *last);
        struct graph_top top = graph_top(graph);

        for (uint32_t id = 0; id < n; id++) {
                uint32_t node = graph_node_of(graph, 1, id);

                if (node == GRAPH_NONE) {
                        found->free_entries++;
                        assert_int_equal(link_at(graph, 1, id, 0), GRAPH_NONE);
                        continue;
                }
                found->entries++;
                assert_true(node < nodes && graph->slots[node] != GRAPH_NONE);
                assert_int_equal(atomic_load(&graph_entry(graph, id)[ENTRY_BELOW]),
                                 reached[node] == 0 ? node : last[node]);
                last[node] = id;
                layers[id] = ++reached[node];
        }
        for (uint32_t id = 0; id < n; id++)
                if (graph_node_of(graph, 1, id) != GRAPH_NONE &&
                    !is_waiting(graph, graph_node_of(graph, 1, id)))
                        check_row(graph, 1, id, layers, live, found);
        for (uint32_t node = 0; node < nodes; node++)
                assert_int_equal(reached[node],
                                 graph->slots[node] == GRAPH_NONE
                                         ? 0
                                         : graph_layers_of(graph, graph->slots[node]));
        if (!graph_is_empty(graph) && top.layers > 0)
                assert_int_equal(layers[top.at], top.layers);
        free(layers);
        free(reached);
        free(last);
}

/* At the bottom, from the top's node on; the layers above are only a shorter way. */
static uint32_t count_unreachable(const struct graph *graph, const roaring_bitmap_t *live)
{
        uint32_t n = graph_count(graph, 0), done = 0, end = 0, unreachable = 0;
        uint32_t *queue = calloc((size_t) n + 1, sizeof *queue);
        bool *seen = calloc((size_t) n + 1, sizeof *seen);
        struct graph_top top = graph_top(graph);

        if (!graph_is_empty(graph)) {
                queue[end++] = graph_node_of(graph, top.layers, top.at);
                seen[queue[0]] = true;
        }
        for (; done < end; done++)
                for (uint32_t i = 0; i < graph->m0; i++) {
                        uint32_t to = link_at(graph, 0, queue[done], i);

                        if (to == GRAPH_NONE)
                                break;
                        if (!seen[to])
                                queue[end++] = to;
                        seen[to] = true;
                }
        for (uint32_t node = 0; node < n; node++)
                unreachable += graph->slots[node] != GRAPH_NONE && !seen[node] &&
                               !is_waiting(graph, node) && is_live(graph, live, node);
        free(queue);
        free(seen);
        return unreachable;
}

struct graph_found graph_check(const struct graph *graph, const roaring_bitmap_t *live)
{
        struct graph_found found = { 0 };

        check_nodes(graph, live, &found);
        check_entries(graph, live, &found);
        assert_int_equal(graph_used_nodes(graph), found.nodes);
        if (!graph->params->keep_deleted) {
                assert_int_equal(graph->n_free, found.free_nodes);
                assert_int_equal(graph->n_free_entries, found.free_entries);
        }
        found.unreachable = count_unreachable(graph, live);
        return found;
}

void graph_check_equal(const struct graph *a, const struct graph *b)
{
        assert_int_equal(graph_count(a, 0), graph_count(b, 0));
        assert_int_equal(graph_count(a, 1), graph_count(b, 1));
        assert_int_equal(atomic_load(&a->top), atomic_load(&b->top));
        for (unsigned int i = 0; i < GRAPH_ARRAYS; i++) {
                size_t n = i == GRAPH_NODES     ? atomic_load(&a->linked_slot)
                           : i == GRAPH_ENTRIES ? graph_count(a, 1)
                                                : graph_count(a, 0);

                n *= graph_element_bytes(a, i);
                if (n > 0)
                        assert_memory_equal(a->arrays[i].base, b->arrays[i].base, n);
        }
}
