/* SPDX-License-Identifier: Apache-2.0 */
#include "release/spec.h"

#include "base/text.h"
#include "config/providers.h"
#include "config/values.h"
#include "provider/provider.h"

void release_spec(const struct config *config, const struct provider_config *embedder,
                  const struct provider_ops *ops, struct generation_spec *ret)
{
        const struct vector_storage_config *vectors = &config->vector_storage;
        const struct chunking_config *chunking = &config->chunking;

        *ret = (struct generation_spec){
                .fingerprint = {
                        .provider = provider_kind_name(embedder->kind),
                        .model = embedder->model,
                        .query_prefix = config->embedding.query_prefix,
                        .document_prefix = config->embedding.document_prefix,
                        .dimensions = vectors->dimensions,
                        .normalize = config->embedding.normalize,
                        .version = ops->algorithm,
                },
                .chunking = {
                        .strategy = chunking_strategy_name(chunking->strategy),
                        .chunk_size = chunking->chunk_size,
                        .overlap = chunking->overlap,
                        .max_chunk_size = chunking->max_chunk_size,
                        .min_chunk_size = chunking->min_chunk_size,
                },
                .index = {
                        .backend = vector_backend_name(vectors->backend),
                        .metric = vector_metric_name(vectors->hnsw.metric),
                        .quantization = quantization_name(vectors->quantization),
                        .m = vectors->hnsw.m,
                        .ef_construction = vectors->hnsw.ef_construction,
                },
                .text_rule = TEXT_RULE_VERSION,
        };
}

int release_wants(const struct config *config, struct generation_spec *ret,
                  uint8_t ret_identity[static GENERATION_IDENTITY_BYTES],
                  const struct provider_config **ret_embedder, struct error *reterr)
{
        const struct provider_config *embedder = NULL;
        const struct provider_ops *ops;
        int r = config_embedder(config, &embedder, reterr);

        if (r < 0)
                return r;
        ops = provider_ops_find(provider_kind_name(embedder->kind));
        if (!ops)
                return error_set(reterr, -EOPNOTSUPP, "no provider of kind %s can embed",
                                 provider_kind_name(embedder->kind));
        release_spec(config, embedder, ops, ret);
        generation_identity(ret, ret_identity);
        if (ret_embedder)
                *ret_embedder = embedder;
        return 0;
}

void release_index(const struct config *config, struct index_budget *budget,
                   struct index_params *ret)
{
        const struct hnsw_config *hnsw = &config->vector_storage.hnsw;

        *ret = (struct index_params){
                .max_layers = hnsw->nb_layers,
                .seed = hnsw->has_seed ? hnsw->seed : 0,
                .threads = hnsw->num_threads,
                .batch = hnsw->parallel_batch_size,
                .max_elements = (uint32_t) hnsw->max_elements, /* its row stays below 2^32 */
                .keep_deleted = !hnsw->allow_replace_deleted,
                .map_files = hnsw->enable_mmap,
                .checkpoint_seconds = hnsw->mmap_sync_interval,
                .budget = budget,
        };
}

uint64_t release_index_bytes(const struct config *config)
{
        return (uint64_t) config->vector_storage.max_memory_mb << 20U;
}
