/* SPDX-License-Identifier: Apache-2.0 */
#include "index/mend.h"

#include "index/link.h"
#include "index/select.h"

#include <string.h>

#define BLOCK 32U         /* rows that one thread takes at a time */
#define CHUNK 1024U       /* rows between two calls of the caller's check */
#define STEP_ROWS 65536U  /* of one slice */
#define THROUGH_MAX 256U  /* dead nodes that are looked through around one row */
#define FOUND_MAX 1024U   /* candidates for one row */

enum { BOTTOM, ABOVE }; /* all layers above the bottom are alike here */

/* One thread's. */
struct mender {
        struct walker walker, judge;
        uint32_t through[THROUGH_MAX];
        struct candidate candidates[FOUND_MAX], nearest[FOUND_MAX];
};

/* A link that was made, to be answered. */
struct answer_due {
        uint32_t target, source;
};

struct mend {
        struct graph *graph;
        uint64_t *dead; /* a bit for each node there was at the beginning */
        uint32_t n_nodes, n_entries;
        uint32_t n_dead, n_dead_entries;

        uint32_t layer, at; /* rows before were looked at */
        uint64_t epoch;     /* walks of it and before may be among the dead; 0: not yet that far */

        struct mender *each;
        uint32_t threads;

        /* Of the chunk that is being done. */
        const struct index_source *source;
        const roaring_bitmap_t *live;
        uint32_t end;
        struct answer_due *due; /* room for as many as a chunk's rows hold */
        atomic_uint n_due;
};

static uint32_t layer_count(const struct mend *mend)
{
        return mend->layer == BOTTOM ? mend->n_nodes : mend->n_entries;
}

static bool node_is_dead(const struct mend *mend, uint32_t node)
{
        return node < mend->n_nodes && (mend->dead[node / 64] >> (node % 64) & 1) != 0;
}

static bool is_dead(const struct mend *mend, uint32_t layer, uint32_t id)
{
        return node_is_dead(mend, graph_node_of(mend->graph, layer, id));
}

static bool is_live(const struct mend *mend, uint32_t layer, uint32_t id)
{
        const struct graph *graph = mend->graph;
        uint32_t node = graph_node_of(graph, layer, id);

        return node < graph_count(graph, 0) &&
               (!mend->live || roaring_bitmap_contains(mend->live, graph->slots[node]));
}

/* ---- One row ---------------------------------------------------------------------------- */

/* What was found around a row: its own links that stay, then candidates; and dead neighbours. */
struct around {
        size_t kept, found, lost;
};

static bool mark(struct walker *walker, uint32_t id)
{
        bool fresh = walker->seen[id] != walker->mark;

        walker->seen[id] = walker->mark;
        return fresh;
}

/* Whether any link leads to a dead node is mostly all there is to know. */
static struct around read_own(const struct mend *mend, struct mender *mender, uint32_t id)
{
        const graph_link *row = graph_row(mend->graph, mend->layer, id);
        uint32_t most = graph_room(mend->graph, mend->layer);
        struct around around = { 0 };

        for (uint32_t i = 0; i < most; i++) {
                uint32_t to = atomic_load_explicit(&row[i], memory_order_relaxed);

                if (to >= graph_count(mend->graph, mend->layer))
                        break; /* GRAPH_NONE */
                if (is_dead(mend, mend->layer, to))
                        mender->through[around.lost++] = to;
                else
                        mender->candidates[around.kept++].id = to;
        }
        return around;
}

/* The live neighbours of the dead neighbours; where there are too few, of their dead neighbours
 * as well, and so on. */
static void look_through(const struct mend *mend, struct mender *mender, uint32_t id,
                         struct around *around)
{
        uint32_t layer = mend->layer, most = graph_room(mend->graph, layer);
        size_t n_through = around->lost, enough = around->kept + around->lost;

        walker_forget(&mender->walker);
        (void) mark(&mender->walker, id);
        for (size_t i = 0; i < around->kept; i++)
                (void) mark(&mender->walker, mender->candidates[i].id);
        for (size_t i = 0; i < around->lost; i++)
                (void) mark(&mender->walker, mender->through[i]);
        around->found = around->kept;
        for (size_t i = 0; i < n_through && (i < around->lost || around->found < enough); i++) {
                const graph_link *row = graph_row(mend->graph, layer, mender->through[i]);

                for (uint32_t j = 0; j < most; j++) {
                        uint32_t to = atomic_load_explicit(&row[j], memory_order_relaxed);

                        if (to >= graph_count(mend->graph, layer))
                                break;
                        if (!mark(&mender->walker, to))
                                continue;
                        if (is_dead(mend, layer, to)) {
                                if (n_through < THROUGH_MAX)
                                        mender->through[n_through++] = to;
                        } else if (around->found < FOUND_MAX && is_live(mend, layer, to)) {
                                mender->candidates[around->found++].id = to;
                        }
                }
        }
}

static void compare(const struct mend *mend, struct mender *mender, uint32_t id, size_t from,
                    size_t to)
{
        const struct graph *graph = mend->graph;
        uint32_t node = graph_node_of(graph, mend->layer, id);
        struct walk walk = { .graph = graph, .source = mend->source, .walker = &mender->walker };
        uint32_t nodes[WALK_AT_ONCE + 3];
        float keys[WALK_AT_ONCE + 3];

        walk_ask_node(&walk, node);
        for (size_t count; from < to; from += count) {
                count = to - from < WALK_AT_ONCE ? to - from : WALK_AT_ONCE;
                for (size_t i = 0; i < count; i++) {
                        nodes[i] = graph_node_of(graph, mend->layer,
                                                 mender->candidates[from + i].id);
                        walk_prefetch(&walk, nodes[i]);
                }
                walk_keys(&walk, nodes, count, keys);
                for (size_t i = 0; i < count; i++)
                        mender->candidates[from + i].key = keys[i] + walk_bias(&walk, node);
        }
}

/* What stays stays: a link that were dropped might be the last one to its node.  In the places of
 * what was lost come candidates in directions of their own, and if those are few the nearest of
 * the others until half of the places are taken: so a mended graph is as good as one that was
 * linked anew (make check-recall). */
static size_t fill_up(const struct mend *mend, struct mender *mender, const struct around *around)
{
        struct walk judge = { .graph = mend->graph, .source = mend->source,
                              .walker = &mender->judge };
        struct candidate *candidates = mender->candidates, *nearest = mender->nearest;
        size_t n = select_sort(candidates + around->kept, around->found - around->kept);
        size_t enough = around->kept + (around->lost + 1) / 2, chosen, all;

        memcpy(nearest, candidates + around->kept, n * sizeof *candidates);
        chosen = all = select_more(&judge, mend->layer, candidates, around->kept,
                                   around->kept + n, around->kept + around->lost);
        for (size_t i = 0; i < n && all < enough; i++) {
                bool known = false;

                for (size_t j = around->kept; j < chosen && !known; j++)
                        known = candidates[j].id == nearest[i].id;
                if (!known)
                        candidates[all++] = nearest[i];
        }
        return all;
}

static void mend_row(struct mend *mend, struct mender *mender, uint32_t id)
{
        struct around around = read_own(mend, mender, id);
        size_t n;

        if (around.lost == 0)
                return;
        look_through(mend, mender, id, &around);
        compare(mend, mender, id, around.kept, around.found);
        n = fill_up(mend, mender, &around);
        link_write_row(graph_row(mend->graph, mend->layer, id), mender->candidates, n,
                       graph_room(mend->graph, mend->layer));
        for (size_t i = around.kept; i < n; i++)
                mend->due[atomic_fetch_add_explicit(&mend->n_due, 1, memory_order_relaxed)] =
                        (struct answer_due){ mender->candidates[i].id, id };
}

/* ---- Answering -------------------------------------------------------------------------- */

static int compare_due(const void *left, const void *right)
{
        const struct answer_due *a = left, *b = right;

        if (a->target != b->target)
                return a->target < b->target ? -1 : 1;
        return (a->source > b->source) - (a->source < b->source);
}

/* A row that has room takes the link. */
static void answer(struct mend *mend, const struct answer_due *due)
{
        graph_link *row = graph_row(mend->graph, mend->layer, due->target);
        uint32_t room = graph_room(mend->graph, mend->layer);

        for (uint32_t i = 0; i < room; i++) {
                uint32_t to = atomic_load_explicit(&row[i], memory_order_relaxed);

                if (to == due->source)
                        return;
                if (to == GRAPH_NONE) {
                        atomic_store_explicit(&row[i], due->source, memory_order_release);
                        return;
                }
        }
}

/* In an order of their own, whatever thread found them. */
static void answer_all(struct mend *mend)
{
        uint32_t n = atomic_load(&mend->n_due);

        qsort(mend->due, n, sizeof *mend->due, compare_due);
        for (uint32_t i = 0; i < n; i++)
                answer(mend, &mend->due[i]);
        atomic_store(&mend->n_due, 0);
}

/* ---- A slice of rows -------------------------------------------------------------------- */

/* Rows of the dead are left as they are: walks may be among them. */
static void mend_block(void *userdata, uint32_t thread, size_t block)
{
        struct mend *mend = userdata;
        uint32_t from = mend->at + (uint32_t) block * BLOCK, to = from + BLOCK;

        to = to < mend->end ? to : mend->end;
        for (; from < to; from++)
                if (!is_dead(mend, mend->layer, from))
                        mend_row(mend, &mend->each[thread], from);
}

static int mend_rows(struct mend *mend, struct crew *crew, const struct index_check *check)
{
        uint32_t begin = mend->at, count = layer_count(mend);
        int r = 0;

        while (r == 0 && mend->at < count && mend->at - begin < STEP_ROWS) {
                mend->end = count - mend->at < CHUNK ? count : mend->at + CHUNK;
                crew_run(crew, (mend->end - mend->at + BLOCK - 1) / BLOCK, mend_block, mend);
                answer_all(mend);
                mend->at = mend->end;
                if (check && check->check)
                        r = check->check(check->userdata);
        }
        return r;
}

/* ---- When no row leads to the dead ------------------------------------------------------ */

/* The highest node that is left; of equals the one with the lowest number.  A node's entries
 * ascend with their layers. */
static struct graph_top find_top(const struct mend *mend)
{
        const struct graph *graph = mend->graph;
        uint32_t best = GRAPH_NONE, n_entries = graph_count(graph, 1);
        struct graph_top top = { 0, GRAPH_NONE };

        for (uint32_t i = 0; i < n_entries; i++) {
                uint32_t node = graph_node_of(graph, 1, i), layers;

                if (node >= graph_count(graph, 0) || node_is_dead(mend, node))
                        continue;
                layers = graph_layers_of(graph, graph->slots[node]);
                if (layers > top.layers || (layers == top.layers && node < best)) {
                        top.layers = layers;
                        best = node;
                }
                if (node == best)
                        top.at = i;
        }
        for (uint32_t node = 0; best == GRAPH_NONE && node < graph_count(graph, 0); node++)
                if (graph->slots[node] != GRAPH_NONE && !node_is_dead(mend, node))
                        top.at = best = node;
        return top;
}

static void move_top(struct mend *mend)
{
        struct graph *graph = mend->graph;
        struct graph_top top = graph_top(graph);

        if (graph_is_empty(graph) || !is_dead(mend, top.layers > 0 ? ABOVE : BOTTOM, top.at))
                return;
        top = find_top(mend);
        if (top.at == GRAPH_NONE)
                atomic_store_explicit(&graph->top, GRAPH_EMPTY, memory_order_release);
        else
                graph_set_top(graph, top);
}

static void unlink_dead(struct mend *mend, struct walkers *walkers)
{
        struct graph *graph = mend->graph;

        move_top(mend);
        for (uint32_t node = 0; node < mend->n_nodes; node++)
                if (node_is_dead(mend, node))
                        atomic_store_explicit(&graph->nodes[graph->slots[node]], GRAPH_NONE,
                                              memory_order_relaxed);
        for (uint32_t i = 0; i < mend->n_entries; i++)
                mend->n_dead_entries += is_dead(mend, ABOVE, i);
        atomic_fetch_add_explicit(&graph->n_unlinked, mend->n_dead, memory_order_relaxed);
        mend->epoch = walkers_advance(walkers);
}

static int reserve_free(uint32_t **array, size_t n, size_t *size, size_t more)
{
        uint32_t *grown;

        if (n + more <= *size)
                return 0;
        grown = reallocarray(*array, n + more, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        *array = grown;
        *size = n + more;
        return 0;
}

static void free_rows(struct mend *mend, uint32_t layer, uint32_t count, uint32_t *list, size_t *n)
{
        struct graph *graph = mend->graph;
        bool reuse = !graph->params->keep_deleted;

        for (uint32_t id = count; id-- > 0;) {
                if (!is_dead(mend, layer, id))
                        continue;
                link_write_row(graph_row(graph, layer, id), NULL, 0, graph_room(graph, layer));
                if (layer == BOTTOM)
                        graph->slots[id] = GRAPH_NONE;
                else
                        atomic_store_explicit(&graph_entry(graph, id)[ENTRY_NODE], GRAPH_NONE,
                                              memory_order_relaxed);
                if (reuse)
                        list[(*n)++] = id;
        }
}

/* Nobody sees them any more.  Entries first: they know their nodes. */
static int free_dead(struct mend *mend, struct error *reterr)
{
        struct graph *graph = mend->graph;

        if (reserve_free(&graph->free_nodes, graph->n_free, &graph->free_size, mend->n_dead) < 0 ||
            reserve_free(&graph->free_entries, graph->n_free_entries, &graph->free_entries_size,
                         mend->n_dead_entries) < 0)
                return error_oom(reterr);
        free_rows(mend, ABOVE, mend->n_entries, graph->free_entries, &graph->n_free_entries);
        free_rows(mend, BOTTOM, mend->n_nodes, graph->free_nodes, &graph->n_free);
        return MEND_DONE;
}

/* ---- A sweep ---------------------------------------------------------------------------- */

uint64_t mend_count_dead(const struct graph *graph, const roaring_bitmap_t *live)
{
        uint32_t linked = atomic_load_explicit(&graph->linked_slot, memory_order_relaxed);
        uint64_t nodes = graph_used_nodes(graph);
        uint64_t wanted = !live        ? nodes
                          : linked > 0 ? roaring_bitmap_rank(live, linked - 1)
                                       : 0;

        return nodes > wanted ? nodes - wanted : 0;
}

void mend_free(struct mend *mend)
{
        if (!mend)
                return;
        for (uint32_t i = 0; mend->each && i < mend->threads; i++) {
                walker_done(&mend->each[i].walker);
                walker_done(&mend->each[i].judge);
        }
        free(mend->each);
        free(mend->dead);
        free(mend->due);
        free(mend);
}

int mend_new(struct graph *graph, const roaring_bitmap_t *live, struct mend **ret,
             struct error *reterr)
{
        cleanup_(mend_free_cleanup) struct mend *mend = calloc(1, sizeof *mend);

        if (!mend)
                return error_oom(reterr);
        mend->graph = graph;
        mend->n_nodes = graph_count(graph, BOTTOM);
        mend->n_entries = graph_count(graph, ABOVE);
        mend->dead = calloc((size_t) mend->n_nodes / 64 + 1, sizeof *mend->dead);
        mend->due = malloc((size_t) CHUNK * graph->m0 * sizeof *mend->due);
        if (!mend->dead || !mend->due)
                return error_oom(reterr);
        for (uint32_t node = 0; live && node < mend->n_nodes; node++) {
                uint32_t slot = graph->slots[node];

                if (slot == GRAPH_NONE || roaring_bitmap_contains(live, slot))
                        continue;
                mend->dead[node / 64] |= UINT64_C(1) << (node % 64);
                mend->n_dead++;
        }
        *ret = take_ptr(mend);
        return 0;
}

/* The number of threads may be another one than last time. */
static int prepare(struct mend *mend, uint32_t threads, struct error *reterr)
{
        const struct graph *graph = mend->graph;
        uint32_t nodes = graph_count(graph, BOTTOM), entries = graph_count(graph, ABOVE);

        if (threads > mend->threads) {
                struct mender *each = reallocarray(mend->each, threads, sizeof *each);

                if (!each)
                        return error_oom(reterr);
                memset(each + mend->threads, 0, (threads - mend->threads) * sizeof *each);
                mend->each = each;
                mend->threads = threads;
        }
        for (uint32_t i = 0; i < threads; i++)
                if (walker_prepare(&mend->each[i].walker, nodes > entries ? nodes : entries, 0,
                                   graph->quantizer.code_bytes) < 0 ||
                    walker_prepare(&mend->each[i].judge, 0, 0, graph->quantizer.code_bytes) < 0)
                        return error_oom(reterr);
        return 0;
}

int mend_step(struct mend *mend, struct walkers *walkers, const struct index_source *source,
              const roaring_bitmap_t *live, struct crew *crew, const struct index_check *check,
              struct error *reterr)
{
        int r;

        if (mend->epoch > 0)
                return walkers_passed(walkers, mend->epoch) ? free_dead(mend, reterr) : MEND_WAIT;
        r = prepare(mend, crew_threads(crew), reterr);
        if (r < 0)
                return r;
        mend->source = source;
        mend->live = live;
        r = mend_rows(mend, crew, check);
        if (mend->at < layer_count(mend))
                return r < 0 ? r : MEND_MORE;
        mend->at = 0;
        if (mend->layer++ == BOTTOM)
                return r < 0 ? r : MEND_MORE;
        unlink_dead(mend, walkers);
        return r < 0 ? r : MEND_WAIT;
}
