/* SPDX-License-Identifier: Apache-2.0 */
#include "index/link.h"

#include "index/engine.h"
#include "index/select.h"

#include <string.h>

#define THROUGH_DEAD 64U /* comparisons for each candidate that is kept */

/* A node of the batch, one of its layers: where its links lie, and who is who there. */
struct place {
        uint32_t layer;
        uint32_t id; /* a node at the bottom, else an entry */
        uint32_t node;
        uint32_t member; /* of the batch */
};

/* A link that was just made, to be answered. */
struct answer_due {
        uint32_t layer, target, source;
};

struct batch {
        uint32_t slots[LINK_BATCH_MAX], nodes[LINK_BATCH_MAX];
        uint32_t layers[LINK_BATCH_MAX], first_entry[LINK_BATCH_MAX];
        uint32_t *entries; /* of one member after the other, each from the first layer up */
        size_t n_entries, entries_room;
        float errors[LINK_BATCH_MAX];
        size_t n;
        bool first; /* the graph is empty */
        struct answer_due *due;
        size_t n_due, due_room;
        size_t *groups; /* where a target's links begin in `due` */
        size_t n_groups;
};

struct linker {
        struct walker walker, judge;
        struct candidate *candidates;
        size_t room;
};

void link_write_row(graph_link *row, const struct candidate *candidates, size_t n, size_t room)
{
        for (size_t i = 0; i < room; i++)
                atomic_store_explicit(&row[i], i < n ? candidates[i].id : GRAPH_NONE,
                                      memory_order_release);
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

/* The entry of a member in one of its layers, from 1 up. */
static uint32_t entry_of(const struct batch *batch, size_t member, uint32_t layer)
{
        return batch->entries[batch->first_entry[member] + layer - 1];
}

static void write_entries(struct graph *graph, const struct batch *batch, size_t member)
{
        uint32_t below = batch->nodes[member];

        for (uint32_t layer = 1; layer <= batch->layers[member]; layer++) {
                uint32_t id = entry_of(batch, member, layer);
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

/* ---- Looking for neighbours ------------------------------------------------------------- */

static struct walk walk_of(const struct linkers *linkers, struct walker *walker, uint32_t node)
{
        struct walk walk = { .graph = linkers->graph, .source = linkers->source,
                             .walker = walker };

        walk_ask_node(&walk, node);
        return walk;
}

static bool is_live(const struct linkers *linkers, uint32_t layer, uint32_t id)
{
        uint32_t node = graph_node_of(linkers->graph, layer, id);

        return !linkers->live ||
               roaring_bitmap_contains(linkers->live, linkers->graph->slots[node]);
}

/* What was found in the layer, with the likeness to the asking node; without what is dead. */
static size_t take_found(const struct linkers *linkers, struct linker *linker, uint32_t layer,
                         size_t found, float bias)
{
        size_t n = 0;

        for (size_t i = 0; i < found; i++) {
                struct candidate at = linker->walker.pool[i];

                if (is_live(linkers, layer, at.id))
                        linker->candidates[n++] = (struct candidate){ at.key + bias, at.id };
        }
        return n;
}

/* The others of the batch that reach this layer. */
static size_t take_batch(const struct linkers *linkers, struct linker *linker, struct walk *walk,
                         const struct place *place, size_t n, float bias)
{
        const struct batch *batch = linkers->batch;
        uint32_t nodes[WALK_AT_ONCE + 3], ids[WALK_AT_ONCE];
        float keys[WALK_AT_ONCE + 3];

        for (size_t i = 0; i < batch->n;) {
                size_t count = 0;

                for (; i < batch->n && count < WALK_AT_ONCE; i++) {
                        if (i == place->member || batch->layers[i] < place->layer)
                                continue;
                        ids[count] = place->layer ? entry_of(batch, i, place->layer)
                                                  : batch->nodes[i];
                        nodes[count++] = batch->nodes[i];
                }
                if (count == 0)
                        break;
                walk_keys(walk, nodes, count, keys);
                for (size_t j = 0; j < count; j++)
                        linker->candidates[n++] = (struct candidate){ keys[j] + bias, ids[j] };
        }
        return n;
}

static size_t choose(const struct linkers *linkers, struct linker *linker, uint32_t layer, size_t n,
                     size_t most)
{
        struct walk judge = { .graph = linkers->graph, .source = linkers->source,
                              .walker = &linker->judge };

        return select_neighbours(&judge, layer, linker->candidates, n, most);
}

static void link_place(const struct linkers *linkers, struct linker *linker, struct walk *walk,
                       const struct place *place, size_t found)
{
        float bias = walk_bias(walk, place->node);
        size_t n = take_found(linkers, linker, place->layer, found, bias);

        n = take_batch(linkers, linker, walk, place, n, bias);
        n = select_sort(linker->candidates, n);
        if (n > linkers->graph->params->ef_construction)
                n = linkers->graph->params->ef_construction;
        n = choose(linkers, linker, place->layer, n, linkers->graph->m);
        link_write_row(graph_row(linkers->graph, place->layer, place->id), linker->candidates, n,
                       graph_room(linkers->graph, place->layer));
}

/* Where most of the nearest are dead, as where a document is replaced, the walk has to go on
 * until it has found enough that are not: else the new ones were linked with each other only. */
static int find_live(const struct linkers *linkers, struct walk *walk, uint32_t layer,
                     uint32_t found)
{
        uint32_t ef = linkers->graph->params->ef_construction, live = 0;
        const struct candidate *pool = walk->walker->pool;
        bool gave_up;
        int r;

        for (uint32_t i = 0; i < found; i++)
                live += is_live(linkers, layer, pool[i].id);
        if (live >= found / 2)
                return (int) found;
        r = walk_matching(walk, layer, pool[0].id, ef, linkers->live, (uint64_t) ef * THROUGH_DEAD,
                          NULL, &gave_up);
        return r < 0 ? 0 : r;
}

/* The walk may be coarse, what it found is compared as finely as can be.  *start becomes the
 * nearest of the layer below. */
static size_t find(const struct linkers *linkers, struct walk *walk, uint32_t layer,
                   uint32_t *start)
{
        const struct graph *graph = linkers->graph;
        enum index_precision fine = walk->precision;
        int found;

        walk->precision = walk_precision(graph);
        found = walk_layer(walk, layer, *start, graph->params->ef_construction, NULL);
        *start = walk->walker->pool[0].id;
        if (layer > 0)
                *start = atomic_load_explicit(&graph_entry(graph, *start)[ENTRY_BELOW],
                                              memory_order_acquire);
        found = find_live(linkers, walk, layer, (uint32_t) found);
        if (walk->precision != fine) {
                walk->precision = fine;
                walk_rescore(walk, layer, walk->walker->pool, (size_t) found);
        }
        return (size_t) found;
}

/* Algorithm 1 from the paper, as far as it only reads what others see. */
static void look(void *userdata, uint32_t thread, size_t member)
{
        struct linkers *linkers = userdata;
        struct linker *linker = &linkers->each[thread];
        const struct graph *graph = linkers->graph;
        const struct batch *batch = linkers->batch;
        uint32_t node = batch->nodes[member], layers = batch->layers[member];
        uint32_t top = batch->first ? 0 : graph_top(graph).layers, start = 0;
        struct walk walk = walk_of(linkers, &linker->walker, node);

        if (!batch->first)
                start = walk_descend(&walk, layers < top ? layers : top);
        for (uint32_t layer = layers + 1; layer-- > 0;) {
                struct place place = { layer, layer ? entry_of(batch, member, layer) : node, node,
                                       (uint32_t) member };
                size_t found = 0;

                if (!batch->first && layer <= top)
                        found = find(linkers, &walk, layer, &start);
                link_place(linkers, linker, &walk, &place, found);
        }
}

/* ---- Answering -------------------------------------------------------------------------- */

static int compare_due(const void *left, const void *right)
{
        const struct answer_due *a = left, *b = right;

        if (a->layer != b->layer)
                return a->layer < b->layer ? -1 : 1;
        if (a->target != b->target)
                return a->target < b->target ? -1 : 1;
        return (a->source > b->source) - (a->source < b->source);
}

static void collect_row(const struct graph *graph, struct batch *batch, uint32_t layer, uint32_t id)
{
        const graph_link *row = graph_row(graph, layer, id);

        for (uint32_t i = 0; i < graph_room(graph, layer); i++) {
                uint32_t target = atomic_load_explicit(&row[i], memory_order_relaxed);

                if (target == GRAPH_NONE)
                        break;
                batch->due[batch->n_due++] = (struct answer_due){ layer, target, id };
        }
}

static void collect_due(const struct graph *graph, struct batch *batch)
{
        batch->n_due = batch->n_groups = 0;
        for (size_t i = 0; i < batch->n; i++) {
                collect_row(graph, batch, 0, batch->nodes[i]);
                for (uint32_t layer = 1; layer <= batch->layers[i]; layer++)
                        collect_row(graph, batch, layer, entry_of(batch, i, layer));
        }
        qsort(batch->due, batch->n_due, sizeof *batch->due, compare_due);
        for (size_t i = 0; i < batch->n_due; i++)
                if (i == 0 || batch->due[i].layer != batch->due[i - 1].layer ||
                    batch->due[i].target != batch->due[i - 1].target)
                        batch->groups[batch->n_groups++] = i;
        batch->groups[batch->n_groups] = batch->n_due;
}

static size_t read_row(const graph_link *row, size_t room, struct candidate *ret)
{
        size_t n = 0;

        while (n < room) {
                uint32_t id = atomic_load_explicit(&row[n], memory_order_relaxed);

                if (id == GRAPH_NONE)
                        break;
                ret[n++].id = id;
        }
        return n;
}

/* The links of a target were too few for all: the best directions are kept. */
static size_t shrink(const struct linkers *linkers, struct linker *linker, uint32_t layer,
                     uint32_t target, size_t n)
{
        const struct graph *graph = linkers->graph;
        uint32_t node = graph_node_of(graph, layer, target);
        struct walk walk = walk_of(linkers, &linker->walker, node);
        float bias = walk_bias(&walk, node);
        uint32_t nodes[WALK_AT_ONCE + 3];
        float keys[WALK_AT_ONCE + 3];

        for (size_t at = 0; at < n; at += WALK_AT_ONCE) {
                size_t count = n - at < WALK_AT_ONCE ? n - at : WALK_AT_ONCE;

                for (size_t i = 0; i < count; i++) {
                        nodes[i] = graph_node_of(graph, layer, linker->candidates[at + i].id);
                        walk_prefetch(&walk, nodes[i]);
                }
                walk_keys(&walk, nodes, count, keys);
                for (size_t i = 0; i < count; i++)
                        linker->candidates[at + i].key = keys[i] + bias;
        }
        n = select_sort(linker->candidates, n);
        return choose(linkers, linker, layer, n, graph_room(graph, layer));
}

static void answer(void *userdata, uint32_t thread, size_t group)
{
        struct linkers *linkers = userdata;
        struct linker *linker = &linkers->each[thread];
        const struct batch *batch = linkers->batch;
        const struct answer_due *due = batch->due + batch->groups[group];
        size_t count = batch->groups[group + 1] - batch->groups[group];
        uint32_t layer = due->layer, target = due->target;
        size_t room = graph_room(linkers->graph, layer);
        graph_link *row = graph_row(linkers->graph, layer, target);
        size_t known = read_row(row, room, linker->candidates), n = known;

        for (size_t i = 0; i < count; i++) {
                size_t j = 0;

                while (j < known && linker->candidates[j].id != due[i].source)
                        j++;
                if (j == known)
                        linker->candidates[n++].id = due[i].source;
        }
        if (n > room)
                n = shrink(linkers, linker, layer, target, n);
        link_write_row(row, linker->candidates, n, room);
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
                                                  entry_of(batch, i, batch->layers[i]) };
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
        crew_run(linkers->crew, n, look, linkers);
        collect_due(graph, batch);
        crew_run(linkers->crew, batch->n_groups, answer, linkers);
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
