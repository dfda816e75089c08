/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include "base/cleanup.h"
#include "base/enum.h"
#include "index/engine.h"

#include <stdlib.h>

static const char *const index_backend_names[INDEX_BACKEND_MAX] = {
        [INDEX_BACKEND_HNSW] = "hnsw",
        [INDEX_BACKEND_FLAT] = "flat",
};
DEFINE_ENUM_NAMES(index_backend, enum index_backend)

/* Which engine serves a backend.  The exact scan serves both: it answers what a graph would,
 * and says in its statistics that it did. */
static const struct index_ops *const engines[INDEX_BACKEND_MAX] = {
        [INDEX_BACKEND_HNSW] = &flat_ops,
        [INDEX_BACKEND_FLAT] = &flat_ops,
};

int index_open(const struct index_params *params, int dirfd, struct index **ret,
               struct error *reterr)
{
        cleanup_(index_free_cleanup) struct index *index = NULL;
        int r = 0;

        if ((unsigned int) params->backend >= INDEX_BACKEND_MAX ||
            (unsigned int) params->metric >= INDEX_METRIC_MAX)
                return error_set(reterr, -EINVAL, "unknown index backend or metric");
        if (params->dimensions < 1 || params->dimensions > VECTOR_DIMENSIONS_MAX)
                return error_set(reterr, -EINVAL, "%u dimensions: an index takes 1 to %d",
                                 params->dimensions, VECTOR_DIMENSIONS_MAX);
        index = calloc(1, sizeof *index);
        if (!index)
                return error_oom(reterr);
        index->ops = engines[params->backend];
        index->params = *params;
        index->kernels = params->kernels ? params->kernels : kernel_best();
        if (dirfd >= 0 && index->ops->open)
                r = index->ops->open(index, dirfd, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(index);
        return 0;
}

void index_free(struct index *index)
{
        if (!index)
                return;
        if (index->ops->done)
                index->ops->done(index);
        free(index);
}

const char *index_engine(const struct index *index)
{
        return index->ops->name;
}

const struct index_params *index_get_params(const struct index *index)
{
        return &index->params;
}

int index_build(struct index *index, const struct index_source *source,
                const roaring_bitmap_t *live, const struct index_check *check,
                struct error *reterr)
{
        return index->ops->build ? index->ops->build(index, source, live, check, reterr) : 0;
}

int index_insert(struct index *index, const struct index_source *source, uint32_t first_slot,
                 uint32_t count, struct error *reterr)
{
        return index->ops->insert ? index->ops->insert(index, source, first_slot, count, reterr)
                                  : 0;
}

int index_remove(struct index *index, uint32_t slot, struct error *reterr)
{
        return index->ops->remove ? index->ops->remove(index, slot, reterr) : 0;
}

int index_save(struct index *index, int dirfd, struct error *reterr)
{
        return index->ops->save ? index->ops->save(index, dirfd, reterr) : 0;
}

int index_search(struct index *index, const struct index_source *source,
                 const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                 struct index_stats *ret_stats, struct error *reterr)
{
        int r;

        if (query->k < 1 || query->k > INDEX_K_MAX)
                return error_set(reterr, -EINVAL, "k is %u: 1 to %d can be asked for", query->k,
                                 INDEX_K_MAX);
        r = vector_check(index->params.metric, query->vector, query->dimensions,
                         index->params.dimensions, reterr);
        if (r < 0)
                return r;
        return (query->exact ? flat_search : index->ops->search)(
                index, source, query, ret_hits, ret_count, ret_stats, reterr);
}

int index_score(struct index *index, const struct index_source *source,
                const struct index_query *query, const uint32_t *slots, size_t count,
                float *ret_scores, struct error *reterr)
{
        int r = vector_check(index->params.metric, query->vector, query->dimensions,
                             index->params.dimensions, reterr);

        if (r < 0)
                return r;
        flat_score(index, source, query->vector, slots, count, ret_scores);
        return 0;
}
