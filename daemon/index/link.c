/* SPDX-License-Identifier: Apache-2.0 */
#include "index/link_inside.h"

#include "index/engine.h"

#include <string.h>

void link_write_row(graph_link *row, const struct candidate *candidates, size_t n, size_t room)
{
        for (size_t i = 0; i < n; i++)
                atomic_store_explicit(&row[i], candidates[i].id, memory_order_release);
        for (size_t i = n; i < room; i++)
                atomic_store_explicit(&row[i], GRAPH_NONE, memory_order_release);
}

/* ---- Making room ------------------------------------------------------------------------ */

/* Node numbers: freed ones first. */
static void number_nodes(struct graph *graph, struct batch *batch, uint32_t *ret_fresh)
{
        uint32_t next = atomic_load(&graph->n_nodes);
        size_t from_free = graph->n_free < batch->n ? graph->n_free : batch->n;

        for (size_t i = 0; i < batch->n; i++)
                batch->nodes[i] = i < from_free ? graph->free_nodes[graph->n_free - 1 - i]
                                                : next + (uint32_t) (i - from_free);
        *ret_fresh = next + (uint32_t) (batch->n - from_free);
}

static int compare_numbers(const void *left, const void *right)
{
        uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;

        return (a > b) - (a < b);
}

static int count_entries(const struct graph *graph, struct batch *batch)
{
        batch->n_entries = 0;
        for (size_t i = 0; i < batch->n; i++) {
                batch->layers[i] = graph_layers_of(graph, batch->slots[i]);
                batch->first_entry[i] = (uint32_t) batch->n_entries;
                batch->n_entries += batch->layers[i];
        }
        if (batch->n_entries <= batch->entries_room)
                return 0;
        free(batch->entries);
        batch->entries = malloc(batch->n_entries * sizeof *batch->entries);
        batch->entries_room = batch->entries ? batch->n_entries : 0;
        return batch->entries ? 0 : -ENOMEM;
}

/* Freed ones first, too. */
static uint32_t number_entries(const struct graph *graph, struct batch *batch)
{
        uint32_t next = atomic_load(&graph->n_entries);
        size_t from_free = graph->n_free_entries;

        for (size_t i = 0; i < batch->n_entries; i++)
                batch->entries[i] = from_free > 0 ? graph->free_entries[--from_free] : next++;
        for (size_t i = 0; i < batch->n; i++)
                if (batch->layers[i] > 1)
                        qsort(batch->entries + batch->first_entry[i], batch->layers[i],
                              sizeof *batch->entries, compare_numbers);
        return next;
}

static void write_entries(struct graph *graph, const struct batch *batch, size_t member)
{
        uint32_t below = batch->nodes[member];

        for (uint32_t layer = 1; layer <= batch->layers[member]; layer++) {
                uint32_t id = batch_entry(batch, member, layer);
                graph_link *entry = graph_entry(graph, id);

                atomic_store_explicit(&entry[ENTRY_NODE], batch->nodes[member],
                                      memory_order_relaxed);
                atomic_store_explicit(&entry[ENTRY_BELOW], below, memory_order_relaxed);
                link_write_row(entry + ENTRY_HEAD, NULL, 0, graph->m);
                below = id;
        }
}

static void encode(void *userdata, uint32_t thread, size_t member)
{
        struct linkers *linkers = userdata;
        struct graph *graph = linkers->graph;
        struct batch *batch = linkers->batch;
        uint32_t node = batch->nodes[member], slot = batch->slots[member];

        (void) thread;
        batch->errors[member] = 0;
        if (graph->coded)
                quantizer_encode(&graph->quantizer, flat_row(linkers->source, slot),
                                 graph_code(graph, node), &graph->factors[node],
                                 &batch->errors[member]);
        graph->slots[node] = slot;
        atomic_store_explicit(&graph->nodes[slot], node, memory_order_relaxed);
        link_write_row(graph_links(graph, node), NULL, 0, graph->m0);
        write_entries(graph, batch, member);
}

/* ---- A batch ---------------------------------------------------------------------------- */

static int make_room(struct linkers *linkers, uint32_t *ret_nodes, uint32_t *ret_entries,
                     struct error *reterr)
{
        struct graph *graph = linkers->graph;
        struct batch *batch = linkers->batch;
        size_t due;

        if (count_entries(graph, batch) < 0)
                return error_oom(reterr);
        number_nodes(graph, batch, ret_nodes);
        *ret_entries = number_entries(graph, batch);
        due = (batch->n + batch->n_entries) * graph->m;
        if (due > batch->due_room) {
                free(batch->due);
                free(batch->groups);
                batch->due = malloc(due * sizeof *batch->due);
                batch->groups = malloc((due + 1) * sizeof *batch->groups);
                batch->due_room = batch->due && batch->groups ? due : 0;
                if (batch->due_room == 0)
                        return error_oom(reterr);
        }
        for (uint32_t i = 0; i < crew_threads(linkers->crew); i++) {
                struct linker *linker = &linkers->each[i];
                size_t ids = *ret_nodes > *ret_entries ? *ret_nodes : *ret_entries;

                if (walker_prepare(&linker->walker, ids, graph->params->ef_construction,
                                   graph->quantizer.code_bytes) < 0 ||
                    walker_prepare(&linker->judge, 0, 0, graph->quantizer.code_bytes) < 0)
                        return error_oom(reterr);
        }
        return graph_reserve(graph, *ret_nodes, *ret_entries, batch->slots[batch->n - 1] + 1,
                             reterr);
}

/* The batch's highest node becomes the top where it is higher. */
static void raise_top(struct graph *graph, const struct batch *batch)
{
        struct graph_top top = batch->first ? (struct graph_top){ 0, batch->nodes[0] }
                                            : graph_top(graph);

        for (size_t i = 0; i < batch->n; i++)
                if (batch->layers[i] > top.layers)
                        top = (struct graph_top){ batch->layers[i],
                                                  batch_entry(batch, i, batch->layers[i]) };
        graph_set_top(graph, top);
}

static void take_free(struct graph *graph, const struct batch *batch)
{
        size_t nodes = graph->n_free < batch->n ? graph->n_free : batch->n;
        size_t entries = graph->n_free_entries < batch->n_entries ? graph->n_free_entries
                                                                  : batch->n_entries;

        graph->n_free -= nodes;
        graph->n_free_entries -= entries;
        atomic_fetch_sub_explicit(&graph->n_unlinked, (unsigned int) nodes, memory_order_relaxed);
}

int link_batch(struct linkers *linkers, const uint32_t *slots, size_t n, struct error *reterr)
{
        struct graph *graph = linkers->graph;
        struct batch *batch = linkers->batch;
        uint32_t nodes, entries;
        int r;

        memcpy(batch->slots, slots, n * sizeof *slots);
        batch->n = n;
        batch->first = graph_is_empty(graph);
        r = make_room(linkers, &nodes, &entries, reterr);
        if (r < 0)
                return r;
        take_free(graph, batch);
        crew_run(linkers->crew, n, encode, linkers);
        for (size_t i = 0; i < n; i++)
                if (batch->errors[i] > graph->error_max)
                        graph->error_max = batch->errors[i];
        atomic_store_explicit(&graph->n_nodes, nodes, memory_order_release);
        atomic_store_explicit(&graph->n_entries, entries, memory_order_release);
        crew_run(linkers->crew, n, link_look, linkers);
        link_collect_due(graph, batch);
        crew_run(linkers->crew, batch->n_groups, link_answer, linkers);
        raise_top(graph, batch);
        return 0;
}

/* ---- Threads ---------------------------------------------------------------------------- */

void linkers_done(struct linkers *linkers)
{
        for (uint32_t i = 0; linkers->each && i < crew_threads(linkers->crew); i++) {
                walker_done(&linkers->each[i].walker);
                walker_done(&linkers->each[i].judge);
                free(linkers->each[i].candidates);
        }
        free(linkers->each);
        if (linkers->batch) {
                free(linkers->batch->entries);
                free(linkers->batch->due);
                free(linkers->batch->groups);
        }
        free(linkers->batch);
        memset(linkers, 0, sizeof *linkers);
}

int linkers_init(struct linkers *linkers, struct graph *graph, const struct index_source *source,
                 const roaring_bitmap_t *live, struct crew *crew, struct error *reterr)
{
        size_t room = graph->params->ef_construction + LINK_BATCH_MAX + graph->m0 + 1;

        *linkers = (struct linkers){ .graph = graph, .source = source, .live = live,
                                     .crew = crew };
        linkers->each = calloc(crew_threads(crew), sizeof *linkers->each);
        linkers->batch = calloc(1, sizeof *linkers->batch);
        for (uint32_t i = 0; linkers->each && i < crew_threads(crew); i++) {
                linkers->each[i].candidates = malloc(room * sizeof(struct candidate));
                if (!linkers->each[i].candidates) {
                        linkers_done(linkers);
                        return error_oom(reterr);
                }
        }
        if (linkers->each && linkers->batch)
                return 0;
        linkers_done(linkers);
        return error_oom(reterr);
}
