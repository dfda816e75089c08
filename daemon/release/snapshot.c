/* SPDX-License-Identifier: Apache-2.0 */
#include "release/snapshot.h"

#include "answer/answer.h"
#include "base/clock.h"
#include "config/load.h"
#include "gateway/gateway.h"
#include "provider/provider.h"
#include "release/observe.h"
#include "release/spec.h"

#include <stdatomic.h>
#include <stdlib.h>

/* ---- Building, floor by floor ---------------------------------------------------------------- */

static void build_spec(struct snapshot *snapshot)
{
        const struct provider_config *embedder = snapshot->models.embedder;

        release_spec(snapshot->config, embedder,
                     provider_ops_find(provider_kind_name(embedder->kind)), &snapshot->spec);
        generation_identity(&snapshot->spec, snapshot->identity);
}

static int build_gateway(struct snapshot *snapshot, struct snapshot *beside, struct error *reterr)
{
        const struct snapshot_settings *shared = snapshot->settings;
        const struct config *config = snapshot->config;
        const struct gateway_settings settings = {
                .providers = snapshot->models.used,
                .n_providers = snapshot->models.n,
                .embedder = snapshot->models.embedder,
                .reranker = snapshot->models.reranker,
                .embedding = &config->embedding,
                .generation = &config->generation,
                .resilience = &config->resilience,
                .budget = &config->budget,
                .cache = &config->cache,
                .dimensions = config->vector_storage.dimensions,
                .release = snapshot->release,
                .store = shared->store,
                .cache_path = shared->cache_path,
                .recordings = shared->recordings,
                .tenants = snapshot->settings->tenants,
                .shared_embeddings = !snapshot->config->multi_tenant_settings.strict_isolation,
                .beside = beside ? beside->gateway : NULL,
                .news = shared->news,
                .data = shared->news_data,
        };

        return gateway_new(&settings, &snapshot->gateway, reterr);
}

static size_t cache_bytes(const struct cache_config *cache)
{
        return cache->document_cache_enabled ? (size_t) cache->document_cache_size_mb << 20U : 0;
}

/* From which duration on a search is worth a line in the log; 0: never. */
static uint32_t slow_query_ms(const struct config *config)
{
        return config->performance.log_slow_operations
                       ? config->performance.slow_operation_threshold_ms
                       : config->monitoring.slow_query_ms;
}

static void on_slow(void *data, const char *query, uint64_t took_usec)
{
        const struct snapshot_settings *shared = ((const struct snapshot *) data)->settings;

        if (shared->slow)
                shared->slow(shared->slow_data, query, took_usec);
}

/* What bad requests are like, and clients that leave, says nothing of a release. */
static void on_ended(void *data, const struct answer_ended *ended)
{
        struct snapshot *snapshot = data;
        const struct observation observation = {
                .arm = (enum release_arm) ended->arm,
                .answer = ended->answer,
                .error = ended->outcome == ANSWER_FAILED,
                .provider_fault = ended->outcome == ANSWER_PROVIDER,
                .empty = ended->empty,
                .grounded = ended->grounded,
                .degraded = ended->degraded,
                .first_usec = ended->first_usec,
                .took_usec = ended->took_usec,
                .cost_microusd = ended->cost_microusd,
        };

        if (ended->outcome != ANSWER_REFUSED && ended->outcome != ANSWER_LEFT)
                observe(snapshot->observations, &observation, clock_monotonic_usec());
}

static int build_answer(struct snapshot *snapshot, struct error *reterr)
{
        const struct config *config = snapshot->config;
        const struct answer_settings settings = {
                .store = snapshot->settings->store,
                .gateway = snapshot->gateway,
                .retrieval = &config->retrieval,
                .generation = &config->generation,
                .ef_search = config->vector_storage.hnsw.ef_search,
                .refuse_when_spent = config->budget.on_exceeded == BUDGET_ACTION_REFUSE,
                .cache = &config->cache,
                .cache_bytes = cache_bytes(&config->cache),
                .max_input_bytes = (size_t) config->security.max_input_size_kb * 1024,
                .spec = &snapshot->spec,
                .release = snapshot->release,
                .stage = stage_name(config->stage),
                .workers = snapshot->settings->workers,
                .recall_audit_ratio = config->monitoring.recall_audit_ratio,
                .slow_query_ms = slow_query_ms(config),
                .slow = on_slow,
                .data = snapshot,
                .ended = on_ended,
                .ended_data = snapshot,
        };

        return answer_new(&settings, &snapshot->answer, reterr);
}

static int build(struct snapshot *snapshot, struct snapshot *beside, struct error *reterr)
{
        int r;

        snapshot->observations = observations_new();
        if (!snapshot->observations)
                return error_oom(reterr);
        r = models_choose(snapshot->config, &snapshot->models, reterr);
        if (r < 0)
                return r;
        build_spec(snapshot);
        r = build_gateway(snapshot, beside, reterr);
        return r < 0 ? r : build_answer(snapshot, reterr);
}

int snapshot_new(const struct snapshot_settings *settings, struct config *takes_config,
                 uint32_t release, struct snapshot *beside, struct snapshot **ret,
                 struct error *reterr)
{
        struct snapshot *snapshot = calloc(1, sizeof *snapshot);
        int r;

        if (!snapshot) {
                (void) config_free(takes_config);
                return error_oom(reterr);
        }
        snapshot->settings = settings;
        snapshot->release = release;
        snapshot->config = takes_config;
        atomic_init(&snapshot->refs, 1);
        r = build(snapshot, beside, reterr);
        if (r < 0) {
                snapshot_free(snapshot);
                return r;
        }
        *ret = snapshot;
        return 0;
}

/* ---- Life -------------------------------------------------------------------------------------- */

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
        (void) atomic_fetch_add_explicit(&snapshot->refs, 1, memory_order_relaxed);
        return snapshot;
}

struct snapshot *snapshot_try_ref(struct snapshot *snapshot)
{
        unsigned refs = atomic_load(&snapshot->refs);

        while (refs > 0)
                if (atomic_compare_exchange_weak(&snapshot->refs, &refs, refs + 1))
                        return snapshot;
        return NULL;
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
        if (snapshot && atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) == 1)
                snapshot->settings->bury(snapshot->settings->bury_data, snapshot);
        return NULL;
}

void snapshot_free(struct snapshot *snapshot)
{
        gateway_close(snapshot->gateway);
        (void) answer_free(snapshot->answer);
        (void) gateway_free(snapshot->gateway);
        models_done(&snapshot->models);
        observations_free(snapshot->observations);
        (void) config_free(snapshot->config);
        free(snapshot);
}
