/* SPDX-License-Identifier: Apache-2.0 */
/* A walk under a filter: all that it meets leads on, what is wanted is kept. */
#include "index/walk_inside.h"

#include <stdlib.h>

static int frontier_push(struct walker *walker, size_t *n, struct candidate candidate)
{
        struct candidate *heap;
        size_t at = (*n)++;

        if (*n > walker->frontier_room) {
                size_t room = walker->frontier_room ? walker->frontier_room * 2 : 1024;

                heap = reallocarray(walker->frontier, room, sizeof *heap);
                if (!heap)
                        return -ENOMEM;
                walker->frontier = heap;
                walker->frontier_room = room;
        }
        heap = walker->frontier;
        for (; at > 0 && heap[(at - 1) / 2].key < candidate.key; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        heap[at] = candidate;
        return 0;
}

static struct candidate frontier_pop(struct walker *walker, size_t *n)
{
        struct candidate *heap = walker->frontier, best = heap[0], last = heap[--*n];
        size_t at = 0;

        for (;;) {
                size_t child = 2 * at + 1;

                if (child >= *n)
                        break;
                if (child + 1 < *n && heap[child + 1].key > heap[child].key)
                        child++;
                if (heap[child].key <= last.key)
                        break;
                heap[at] = heap[child];
                at = child;
        }
        heap[at] = last;
        return best;
}

/* What a walk under a filter carries from step to step. */
struct matching {
        const roaring_bitmap_t *wanted;
        uint32_t layer;
        size_t ef, matches, frontier;
};

/* Each node that was seen stays in the frontier; those that match compete for the pool. */
static int take_in(struct walk *walk, struct matching *matching, const struct neighbours *near)
{
        struct candidate *pool = walk->walker->pool;

        for (size_t i = 0; i < near->n; i++) {
                bool full = matching->matches == matching->ef;
                int r;

                if (full && near->keys[i] <= pool[matching->ef - 1].key)
                        continue;
                r = frontier_push(walk->walker, &matching->frontier,
                                  (struct candidate){ near->keys[i], near->ids[i] });
                if (r < 0)
                        return r;
                prefetch_links(walk->graph, matching->layer, near->ids[i]);
                walk->met++;
                if (!roaring_bitmap_contains(matching->wanted, walk->graph->slots[near->nodes[i]]))
                        continue;
                walk->met_wanted++;
                (void) pool_offer(pool, &matching->matches, matching->ef, near->keys[i],
                                  near->ids[i]);
        }
        return 0;
}

int walk_matching(struct walk *walk, uint32_t layer, uint32_t start, uint32_t ef,
                  const roaring_bitmap_t *wanted, uint64_t budget, const struct index_check *check,
                  bool *ret_gave_up)
{
        struct matching matching = { .wanted = wanted, .layer = layer, .ef = ef };
        struct candidate *pool = walk->walker->pool;
        uint32_t limit = limit_of(walk, layer), steps = 0;
        uint64_t allowed = walk->compared + budget;
        struct neighbours near = { .n = 1, .ids = { start },
                                   .nodes = { graph_node_of(walk->graph, layer, start) } };
        int r;

        *ret_gave_up = false;
        walker_forget(walk->walker);
        walk->walker->seen[start] = walk->walker->mark;
        near.keys[0] = key_of(walk, layer, start);
        r = take_in(walk, &matching, &near);
        while (r == 0 && matching.frontier > 0) {
                struct candidate next = frontier_pop(walk->walker, &matching.frontier);

                if (matching.matches == ef && next.key < pool[ef - 1].key)
                        break;
                if (walk->compared > allowed) {
                        *ret_gave_up = true;
                        break;
                }
                near.n = 0;
                gather(walk, layer, next.id, limit, &near);
                if (near.n > 0)
                        walk_keys(walk, near.nodes, near.n, near.keys);
                r = take_in(walk, &matching, &near);
                if (r == 0 && ++steps % WALK_CHECK_EVERY == 0)
                        r = checked(check);
        }
        return r < 0 ? r : (int) matching.matches;
}
