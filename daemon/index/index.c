/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include "base/cleanup.h"
#include "base/enum.h"
#include "index/engine.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const index_backend_names[INDEX_BACKEND_MAX] = {
        [INDEX_BACKEND_HNSW] = "hnsw",
        [INDEX_BACKEND_FLAT] = "flat",
};
DEFINE_ENUM_NAMES(index_backend, enum index_backend)

static const char *const index_quantization_names[INDEX_QUANTIZATION_MAX] = {
        [INDEX_QUANTIZATION_INT8] = "int8",
        [INDEX_QUANTIZATION_NONE] = "none",
};
DEFINE_ENUM_NAMES(index_quantization, enum index_quantization)

static const char *const index_plan_names[INDEX_PLAN_MAX] = {
        [INDEX_PLAN_SCAN] = "scan",
        [INDEX_PLAN_GRAPH] = "graph",
        [INDEX_PLAN_GRAPH_SCAN] = "graph+scan",
};

const char *index_plan_name(enum index_plan plan)
{
        return (unsigned int) plan < INDEX_PLAN_MAX ? index_plan_names[plan] : NULL;
}

static const struct index_ops *const engines[INDEX_BACKEND_MAX] = {
        [INDEX_BACKEND_HNSW] = &hnsw_ops,
        [INDEX_BACKEND_FLAT] = &flat_ops,
};

static void index_params_fill(struct index_params *params)
{
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        if (params->m < 2)
                params->m = 16;
        if (params->ef_construction == 0)
                params->ef_construction = 200;
        if (params->threads == 0)
                params->threads = processors > 0 ? (uint32_t) processors : 1;
        if (params->batch == 0)
                params->batch = 128;
        if (params->checkpoint_seconds == 0)
                params->checkpoint_seconds = 60;
}

int index_open(const struct index_params *params, int dirfd, struct index **ret,
               char **ret_damage, struct error *reterr)
{
        cleanup_(index_free_cleanup) struct index *index = NULL;
        int r = 0;

        if (ret_damage)
                *ret_damage = NULL;
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
        index_params_fill(&index->params);
        index->kernels = params->kernels ? params->kernels : kernel_best();
        if (index->ops->open)
                r = index->ops->open(index, dirfd, ret_damage, reterr);
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

void index_get_status(struct index *index, const struct index_source *source,
                      const roaring_bitmap_t *live, struct index_status *ret)
{
        *ret = (struct index_status){ .engine = index->ops->name };
        if (index->ops->status)
                index->ops->status(index, source, live, ret);
}

int index_maintain(struct index *index, const struct index_source *source,
                   const roaring_bitmap_t *live, const struct index_check *check,
                   struct error *reterr)
{
        return index->ops->maintain ? index->ops->maintain(index, source, live, check, reterr)
                                    : INDEX_REST;
}

int index_build(struct index *index, const struct index_source *source,
                const roaring_bitmap_t *live, const struct index_check *check,
                struct error *reterr)
{
        int r;

        do
                r = index_maintain(index, source, live, check, reterr);
        while (r == INDEX_AGAIN);
        return r < 0 ? r : index_save(index, reterr);
}

int index_save(struct index *index, struct error *reterr)
{
        return index->ops->save ? index->ops->save(index, reterr) : 0;
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
