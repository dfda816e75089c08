/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of a batch: who was linked with links back. */
#include "index/link_inside.h"

#include "index/select.h"

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

void link_collect_due(const struct graph *graph, struct batch *batch)
{
        batch->n_due = batch->n_groups = 0;
        for (size_t i = 0; i < batch->n; i++) {
                collect_row(graph, batch, 0, batch->nodes[i]);
                for (uint32_t layer = 1; layer <= batch->layers[i]; layer++)
                        collect_row(graph, batch, layer, batch_entry(batch, i, layer));
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
        struct walk walk = link_walk(linkers, &linker->walker, node);
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
        return link_choose(linkers, linker, layer, n, graph_room(graph, layer));
}

void link_answer(void *userdata, uint32_t thread, size_t group)
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
