/* SPDX-License-Identifier: Apache-2.0 */
/* The upkeep of a graph, in steps. */
#include "index/hnsw.h"

#include "index/link.h"

#include <string.h>

#define TRAIN_ROWS 4096U
#define STEP_SLOTS 8192U /* linked in one step, at most */
#define DEAD_SHARE 32U   /* of the nodes */
#define DEAD_MIN 256U

static uint64_t count_live(const struct index_source *source, const roaring_bitmap_t *live)
{
        return live ? roaring_bitmap_get_cardinality(live) : source->committed;
}

/* ---- Live slots, one after the other ---------------------------------------------------- */

/* Ascending, without those that have no row. */
static size_t next_slots(const struct index_source *source, const roaring_bitmap_t *live,
                         uint32_t from, uint32_t to, uint32_t *ret, size_t room)
{
        roaring_uint32_iterator_t at;
        size_t n = 0;

        if (!live) {
                for (; from < to && n < room; from++) {
                        ret[n] = from;
                        n += flat_row(source, from) != NULL;
                }
                return n;
        }
        roaring_init_iterator(live, &at);
        (void) roaring_move_uint32_iterator_equalorlarger(&at, from);
        for (; n < room && at.has_value && at.current_value < to;
             (void) roaring_advance_uint32_iterator(&at)) {
                ret[n] = at.current_value;
                n += flat_row(source, at.current_value) != NULL;
        }
        return n;
}

/* ---- The first of it -------------------------------------------------------------------- */

/* A sample from the whole range. */
static int train(const struct index *index, const struct index_source *source,
                 const roaring_bitmap_t *live, struct quantizer *ret, struct error *reterr)
{
        cleanup_free_ const float **rows = calloc(TRAIN_ROWS, sizeof *rows);
        uint32_t stride = source->committed / TRAIN_ROWS, slot = 0;
        size_t n = 0;

        if (!rows)
                return error_oom(reterr);
        stride = stride > 0 ? stride : 1;
        while (n < TRAIN_ROWS) {
                uint32_t next;

                if (slot >= source->committed ||
                    next_slots(source, live, slot, source->committed, &next, 1) == 0)
                        break;
                rows[n++] = flat_row(source, next);
                slot = next + stride;
        }
        return quantizer_train(index->params.metric, index->params.dimensions, rows, n, ret,
                               reterr);
}

static int begin_graph(struct index *index, const struct index_source *source,
                       const roaring_bitmap_t *live, struct error *reterr)
{
        bool coded = index->params.quantization == INDEX_QUANTIZATION_INT8;
        struct hnsw *hnsw = index->state;
        struct quantizer quantizer = { .mean = NULL };
        struct graph *graph = NULL;
        int r = coded ? train(index, source, live, &quantizer, reterr) : 0;

        if (r == 0)
                r = graph_new(&index->params, index->kernels, coded ? &quantizer : NULL, 0, &graph,
                              reterr);
        quantizer_done(&quantizer);
        if (r == 0)
                atomic_store(&hnsw->graph, graph);
        return r;
}

/* ---- Linking ---------------------------------------------------------------------------- */

/* Small while the graph is: a batch sees the graph as it was before.  0: there is no room. */
static size_t batch_size(const struct index *index, const struct graph *graph)
{
        size_t nodes = graph_count(graph, 0), most = index->params.batch;
        size_t limit = index->params.max_elements, room = graph->n_free;

        most = most < LINK_BATCH_MAX ? most : LINK_BATCH_MAX;
        if (nodes / 16 + 16 < most)
                most = nodes / 16 + 16;
        room += limit > nodes ? limit - nodes : 0;
        return limit > 0 && room < most ? room : most;
}

static int link_step(struct index *index, struct graph *graph, const struct index_source *source,
                     const roaring_bitmap_t *live, const struct index_check *check,
                     struct error *reterr)
{
        cleanup_(crew_free_cleanup) struct crew *crew = NULL;
        uint32_t to = source->committed - source->unsettled, slots[LINK_BATCH_MAX];
        uint32_t from = atomic_load(&graph->linked_slot);
        struct hnsw *hnsw = index->state;
        struct linkers linkers;
        size_t done = 0, n, most;
        int r = crew_new(index->params.threads, &crew, reterr);

        if (r == 0)
                r = linkers_init(&linkers, graph, source, live, crew, reterr);
        if (r < 0)
                return r;
        while (r == 0 && done < STEP_SLOTS) {
                most = batch_size(index, graph);
                n = next_slots(source, live, from, to, slots, most > 0 ? most : 1);
                r = n > most ? -EDQUOT
                    : n > 0  ? link_batch(&linkers, slots, n, reterr)
                             : graph_reserve(graph, graph_count(graph, 0), graph_count(graph, 1),
                                             to, reterr);
                if (r < 0)
                        break;
                from = n > 0 ? slots[n - 1] + 1 : to;
                hnsw->unsaved += n;
                atomic_store_explicit(&graph->linked_slot, from, memory_order_release);
                done += n;
                if (n == 0)
                        break;
                if (check && check->check)
                        r = check->check(check->userdata);
        }
        linkers_done(&linkers);
        /* What does not fit is scanned, until there is room. */
        hnsw->at_limit = r == -EDQUOT || r == -EOVERFLOW;
        return hnsw->at_limit ? INDEX_LATER : r < 0 ? r : INDEX_AGAIN;
}

/* ---- Mending ---------------------------------------------------------------------------- */

/* So many dead nodes are unlinked at once; fewer when there is nothing else to do. */
static bool mend_is_due(const struct hnsw *hnsw, const struct graph *graph,
                        const roaring_bitmap_t *live, bool idle)
{
        uint64_t dead = hnsw->mend ? 0 : mend_count_dead(graph, live);

        return hnsw->mend || dead > DEAD_MIN + graph_used_nodes(graph) / DEAD_SHARE ||
               (idle && dead > DEAD_MIN);
}

static int mend_slice(struct index *index, struct graph *graph, const struct index_source *source,
                      const roaring_bitmap_t *live, const struct index_check *check,
                      struct error *reterr)
{
        cleanup_(crew_free_cleanup) struct crew *crew = NULL;
        struct hnsw *hnsw = index->state;
        uint32_t unlinked = atomic_load(&graph->n_unlinked);
        int r = crew_new(index->params.threads, &crew, reterr);

        if (r == 0 && !hnsw->mend)
                r = mend_new(graph, live, &hnsw->mend, reterr);
        if (r == 0)
                r = mend_step(hnsw->mend, &hnsw->walkers, source, live, crew, check, reterr);
        hnsw->unsaved += atomic_load(&graph->n_unlinked) - unlinked;
        if (r == MEND_DONE) {
                mend_free(hnsw->mend);
                hnsw->mend = NULL;
        }
        return r < 0 ? r : r == MEND_WAIT ? INDEX_LATER : INDEX_AGAIN;
}

/* Linking and mending. */
static int change(struct index *index, const struct index_source *source,
                  const roaring_bitmap_t *live, const struct index_check *check,
                  struct error *reterr)
{
        struct hnsw *hnsw = index->state;
        struct graph *graph = atomic_load(&hnsw->graph);
        bool fresh;
        int r;

        if (!graph) {
                if (count_live(source, live) < HNSW_ROWS_MIN)
                        return INDEX_REST;
                r = begin_graph(index, source, live, reterr);
                return r < 0 ? r : INDEX_AGAIN;
        }
        fresh = atomic_load(&graph->linked_slot) < source->committed - source->unsettled;
        hnsw->mend_next = !hnsw->mend_next;
        if ((!fresh || hnsw->mend_next) &&
            mend_is_due(hnsw, graph, live, !fresh || hnsw->at_limit)) {
                r = mend_slice(index, graph, source, live, check, reterr);
                return r == INDEX_LATER && fresh ? INDEX_AGAIN : r;
        }
        return fresh ? link_step(index, graph, source, live, check, reterr) : INDEX_REST;
}

int hnsw_maintain(struct index *index, const struct index_source *source,
                  const roaring_bitmap_t *live, const struct index_check *check,
                  struct error *reterr)
{
        int r = hnsw_file_step(index, source, check, reterr);

        if (r != INDEX_REST)
                return r;
        r = change(index, source, live, check, reterr);
        return r < 0 ? r : hnsw_checkpoint(index, source, (enum index_step) r, check, reterr);
}
