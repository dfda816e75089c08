/* SPDX-License-Identifier: Apache-2.0 */
#include "index/hnsw.h"

#include <fcntl.h>

static int hnsw_open(struct index *index, int dirfd, char **ret_damage, struct error *reterr)
{
        struct hnsw *hnsw = calloc(1, sizeof *hnsw);

        if (!hnsw)
                return error_oom(reterr);
        index->state = hnsw;
        walkers_init(&hnsw->walkers);
        hnsw->dirfd = dirfd < 0 ? -1 : fcntl(dirfd, F_DUPFD_CLOEXEC, 3);
        if (dirfd >= 0 && hnsw->dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot keep the index's folder open");
        return hnsw_file_open(index, ret_damage, reterr);
}

static void hnsw_done(struct index *index)
{
        struct hnsw *hnsw = index->state;

        if (!hnsw)
                return;
        mend_free(hnsw->mend);
        graph_free(atomic_load(&hnsw->graph));
        hnsw_file_done(hnsw);
        walkers_done(&hnsw->walkers);
        if (hnsw->dirfd >= 0)
                (void) close(hnsw->dirfd);
        free(hnsw);
}

static void hnsw_status(struct index *index, const struct index_source *source,
                        const roaring_bitmap_t *live, struct index_status *ret)
{
        struct hnsw *hnsw = index->state;
        struct walker *walker = walkers_take(&hnsw->walkers); /* the graph stays meanwhile */
        struct graph *graph = walker ? atomic_load(&hnsw->graph) : NULL;
        uint64_t all = live ? roaring_bitmap_get_cardinality(live) : source->committed;
        uint64_t linked = 0;

        if (graph && !graph_is_empty(graph)) {
                uint32_t slot = atomic_load(&graph->linked_slot);

                linked = slot == 0 ? 0 : live ? roaring_bitmap_rank(live, slot - 1) : slot;
                ret->serving_graph = true;
                ret->nodes = graph_used_nodes(graph);
                ret->hot_bytes = graph_hot_bytes(graph);
                ret->dead = ret->nodes > linked ? ret->nodes - linked : 0;
        }
        ret->unindexed = all - linked;
        ret->at_limit = hnsw->at_limit;
        ret->file_number = atomic_load(&hnsw->file_number);
        ret->file_bytes = atomic_load(&hnsw->file_bytes);
        if (walker)
                walkers_give(&hnsw->walkers, walker);
}

const struct index_ops hnsw_ops = {
        .name = "hnsw",
        .open = hnsw_open,
        .maintain = hnsw_maintain,
        .search = hnsw_search,
        .save = hnsw_save,
        .status = hnsw_status,
        .done = hnsw_done,
};
