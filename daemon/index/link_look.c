/* SPDX-License-Identifier: Apache-2.0 */
/* The first half of a batch: each new node looks for its neighbours. */
#include "index/link_inside.h"

#include "index/select.h"

#define THROUGH_DEAD 64U /* comparisons for each candidate that is kept */

/* A node of the batch, one of its layers: where its links lie, and who is who there. */
struct place {
        uint32_t layer;
        uint32_t id; /* a node at the bottom, else an entry */
        uint32_t node;
        uint32_t member; /* of the batch */
};

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
                        ids[count] = place->layer ? batch_entry(batch, i, place->layer)
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

size_t link_choose(const struct linkers *linkers, struct linker *linker, uint32_t layer, size_t n,
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
        n = link_choose(linkers, linker, place->layer, n, linkers->graph->m);
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
void link_look(void *userdata, uint32_t thread, size_t member)
{
        struct linkers *linkers = userdata;
        struct linker *linker = &linkers->each[thread];
        const struct graph *graph = linkers->graph;
        const struct batch *batch = linkers->batch;
        uint32_t node = batch->nodes[member], layers = batch->layers[member];
        uint32_t top = batch->first ? 0 : graph_top(graph).layers, start = 0;
        struct walk walk = link_walk(linkers, &linker->walker, node);

        if (!batch->first)
                start = walk_descend(&walk, layers < top ? layers : top);
        for (uint32_t layer = layers + 1; layer-- > 0;) {
                struct place place = { layer, layer ? batch_entry(batch, member, layer) : node, node,
                                       (uint32_t) member };
                size_t found = 0;

                if (!batch->first && layer <= top)
                        found = find(linkers, &walk, layer, &start);
                link_place(linkers, linker, &walk, &place, found);
        }
}
