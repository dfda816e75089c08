/* SPDX-License-Identifier: Apache-2.0 */
/* Building the gateway upward, and ending it. */
#include "gateway/gateway.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/caches.h"
#include "gateway/call.h"
#include "gateway/inside.h"
#include "gateway/latch.h"
#include "gateway/responses.h"
#include "gateway/thread.h"
#include "gateway/vectors.h"
#include "store/embedding_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EMBEDDING_MEMORY_BYTES (64U << 20U)

/* Where the settings name none: as the schema's defaults. */
static const struct resilience_config usual_resilience = {
        .breaker_failures = 3,
        .breaker_reset_seconds = 30,
        .backoff_initial_ms = 1000,
        .backoff_max_ms = 60000,
        .retry_budget_ratio = 0.2,
};

/* ---- Lanes ----------------------------------------------------------------------------------- */

struct lane *gateway_find_lane(const struct gateway *gateway, const char *name)
{
        for (size_t i = 0; i < gateway->n_lanes; i++)
                if (gateway->lanes[i].config && strcmp(gateway->lanes[i].config->name, name) == 0)
                        return &gateway->lanes[i];
        return NULL;
}

static unsigned roles_of(const struct gateway_settings *settings, const char *name)
{
        const struct config_strings *fallback = &settings->embedding->fallback;
        unsigned roles = 0;

        if (strcmp(settings->embedder->name, name) == 0)
                roles |= LANE_EMBEDS;
        for (size_t i = 0; i < fallback->count; i++)
                if (strcmp(fallback->items[i], name) == 0)
                        roles |= LANE_EMBEDS;
        for (size_t i = 0; settings->generation && i < settings->generation->providers.count; i++)
                if (strcmp(settings->generation->providers.items[i], name) == 0)
                        roles |= LANE_GENERATES;
        if (settings->generation &&
            settings->generation->routing.strategy == ROUTING_STRATEGY_CONDITIONAL &&
            ((settings->generation->routing.simple &&
              strcmp(settings->generation->routing.simple, name) == 0) ||
             (settings->generation->routing.complex &&
              strcmp(settings->generation->routing.complex, name) == 0)))
                roles |= LANE_GENERATES;
        if (settings->reranker && strcmp(settings->reranker->name, name) == 0)
                roles |= LANE_RERANKS;
        return roles;
}

static int open_lane(struct gateway *gateway, const struct provider_config *config,
                     struct error *reterr)
{
        unsigned roles = roles_of(&gateway->settings, config->name);
        const struct lane_settings lane = {
                .config = config,
                .resilience = gateway->resilience,
                .dimensions = roles & LANE_EMBEDS ? gateway->settings.dimensions : 0,
                .batch_size = gateway->settings.embedding->batch_size,
        };
        int r;

        if (gateway_find_lane(gateway, config->name))
                return 0;
        r = lane_open(&gateway->lanes[gateway->n_lanes], &lane, reterr);
        gateway->lanes[gateway->n_lanes++].roles = roles; /* a half-built one is freed, too */
        return r;
}

static int open_lanes(struct gateway *gateway, struct error *reterr)
{
        const struct gateway_settings *settings = &gateway->settings;
        size_t room = settings->n_providers + 2; /* embedder and reranker may have no table */
        int r;

        gateway->lanes = calloc(room, sizeof *gateway->lanes);
        if (!gateway->lanes)
                return error_oom(reterr);
        r = open_lane(gateway, settings->embedder, reterr);
        for (size_t i = 0; r == 0 && i < settings->n_providers; i++)
                r = open_lane(gateway, settings->providers[i], reterr);
        if (r == 0 && settings->reranker)
                r = open_lane(gateway, settings->reranker, reterr);
        if (r == 0 && !gateway->lanes[0].provider) {
                if (reterr)
                        *reterr = gateway->lanes[0].open_error;
                return error_prefix(reterr, gateway->lanes[0].open_error.code, "provider %s",
                                    settings->embedder->name);
        }
        return r;
}

static int add_lane(const struct gateway *gateway, struct lanes *lanes, const char *name,
                    struct error *reterr)
{
        struct lane *lane = gateway_find_lane(gateway, name);

        if (!lane)
                return error_set(reterr, -EINVAL, "there is no provider %s", name);
        for (size_t i = 0; i < lanes->count; i++)
                if (lanes->items[i] == lane)
                        return 0;
        lanes->items[lanes->count++] = lane;
        return 0;
}

static int list_roles(struct gateway *gateway, struct error *reterr)
{
        const struct gateway_settings *settings = &gateway->settings;
        const struct config_strings *fallback = &settings->embedding->fallback;
        int r = 0;

        gateway->embedders.items = calloc(gateway->n_lanes, sizeof(struct lane *));
        gateway->generators.items = calloc(gateway->n_lanes, sizeof(struct lane *));
        if (!gateway->embedders.items || !gateway->generators.items)
                return error_oom(reterr);
        gateway->embedders.items[gateway->embedders.count++] = &gateway->lanes[0];
        for (size_t i = 0; r == 0 && i < fallback->count; i++)
                r = add_lane(gateway, &gateway->embedders, fallback->items[i], reterr);
        for (size_t i = 0; r == 0 && settings->generation &&
                           i < settings->generation->providers.count; i++)
                r = add_lane(gateway, &gateway->generators,
                             settings->generation->providers.items[i], reterr);
        if (settings->reranker)
                gateway->reranker = gateway_find_lane(gateway, settings->reranker->name);
        return r;
}

/* ---- What is remembered ---------------------------------------------------------------------- */

/* All that a vector depends on beside its text; lengths keep the parts apart. */
static void write_fingerprint(const struct gateway *gateway, struct buf *ret)
{
        const struct embedding_config *embedding = gateway->settings.embedding;
        const char *query = embedding->query_prefix ? embedding->query_prefix : "";
        const char *document = embedding->document_prefix ? embedding->document_prefix : "";
        char identity[512];

        buf_append_format(ret, "%s\n%u %s\n%zu %s\n%zu %s",
                          provider_identity(gateway->lanes[0].provider, identity, sizeof identity),
                          gateway->settings.dimensions, embedding->normalize ? "unit" : "raw",
                          strlen(query), query, strlen(document), document);
}

static int open_caches(struct gateway *gateway, struct error *reterr)
{
        const struct embedding_config *embedding = gateway->settings.embedding;
        const struct cache_config *cache = gateway->settings.cache;
        cleanup_(buf_done) struct buf fingerprint = BUF_EMPTY;
        int r = 0;

        if (embedding->cache_enabled && gateway_embeds_remotely(gateway)) {
                struct embedding_cache_settings settings = {
                        .path = gateway->settings.cache_path,
                        .dimensions = gateway->settings.dimensions,
                        .max_entries = embedding->cache_size,
                        .ttl_usec = embedding->cache_ttl_seconds * USEC_PER_SEC,
                        .memory_bytes = EMBEDDING_MEMORY_BYTES,
                };

                write_fingerprint(gateway, &fingerprint);
                if (buf_failed(&fingerprint))
                        return error_oom(reterr);
                settings.fingerprint = buf_text(&fingerprint);
                r = caches_open(gateway->commons->caches, &settings, &gateway->cache, reterr);
        }
        if (r == 0 && cache && cache->response_cache_enabled && gateway->generators.count > 0)
                r = responses_new((size_t) cache->response_cache_size_mb << 20U,
                                  cache->response_cache_ttl_seconds * USEC_PER_SEC,
                                  &gateway->responses, reterr);
        return r;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int build(struct gateway *gateway, struct error *reterr)
{
        int r = commons_get(&gateway->settings, &gateway->commons, reterr);

        if (r < 0)
                return r;
        gateway->thread = gateway->commons->thread;
        gateway->settings.beside = NULL; /* it may go before this one does */
        r = open_lanes(gateway, reterr);
        if (r == 0)
                r = list_roles(gateway, reterr);
        if (r == 0)
                r = open_caches(gateway, reterr);
        if (r == 0)
                r = commons_join(gateway, reterr);
        return r;
}

int gateway_new(const struct gateway_settings *settings, struct gateway **ret,
                struct error *reterr)
{
        struct gateway *gateway = calloc(1, sizeof *gateway);
        struct id seed = id_random();
        int r;

        if (!gateway)
                return error_oom(reterr);
        (void) pthread_mutex_init(&gateway->door, NULL);
        (void) pthread_cond_init(&gateway->empty, NULL);
        gateway->settings = *settings;
        gateway->resilience = settings->resilience ? settings->resilience : &usual_resilience;
        memcpy(&gateway->random, seed.bytes, sizeof gateway->random);
        r = build(gateway, reterr);
        if (r < 0) {
                (void) gateway_free(gateway);
                return r;
        }
        *ret = gateway;
        return 0;
}

static void end_calls(void *data)
{
        struct gateway *gateway = data;

        gateway->ending = true;
        gateway_call_cancel_all(gateway, "the gateway ends");
}

void gateway_close(struct gateway *gateway)
{
        if (!gateway || !gateway->commons)
                return;
        (void) pthread_mutex_lock(&gateway->door);
        gateway->closing = true;
        (void) pthread_mutex_unlock(&gateway->door);
        thread_run_always(gateway->thread, end_calls, gateway);
        (void) pthread_mutex_lock(&gateway->door);
        while (gateway->visitors > 0)
                (void) pthread_cond_wait(&gateway->empty, &gateway->door);
        (void) pthread_mutex_unlock(&gateway->door);
}

struct emptying {
        struct gateway *gateway;
        struct latch latch;
};

static void watch_calls(void *data)
{
        struct emptying *emptying = data;

        if (emptying->gateway->calls)
                emptying->gateway->emptied = &emptying->latch;
        else
                latch_open(&emptying->latch);
}

/* Behind gateway_close(): some calls still wait for the books. */
static void wait_for_calls(struct gateway *gateway)
{
        struct emptying emptying = { .gateway = gateway };

        latch_init(&emptying.latch);
        thread_run_always(gateway->thread, watch_calls, &emptying);
        latch_wait(&emptying.latch);
        latch_done(&emptying.latch);
}

/* The last call's end may still be at work with a lane when its latch opens; whoever leaves does
 * so by a letter of his own, behind it. */
static void part(struct gateway *gateway)
{
        if (!gateway->commons)
                return;
        gateway_close(gateway);
        wait_for_calls(gateway);
        caches_close(gateway->commons->caches, gateway->cache);
        commons_leave(gateway);
}

struct gateway *gateway_free(struct gateway *gateway)
{
        if (!gateway)
                return NULL;
        part(gateway);
        (void) responses_free(gateway->responses);
        for (size_t i = 0; i < gateway->n_lanes; i++)
                lane_done(&gateway->lanes[i]);
        free(gateway->embedders.items);
        free(gateway->generators.items);
        free(gateway->lanes);
        (void) pthread_cond_destroy(&gateway->empty);
        (void) pthread_mutex_destroy(&gateway->door);
        free(gateway);
        return NULL;
}

int gateway_enter(struct gateway *gateway, struct error *reterr)
{
        bool closing;

        (void) pthread_mutex_lock(&gateway->door);
        closing = gateway->closing;
        if (!closing)
                gateway->visitors++;
        (void) pthread_mutex_unlock(&gateway->door);
        return closing ? error_set(reterr, -ECANCELED, "the gateway ends") : 0;
}

void gateway_leave(struct gateway *gateway)
{
        (void) pthread_mutex_lock(&gateway->door);
        if (--gateway->visitors == 0)
                (void) pthread_cond_signal(&gateway->empty);
        (void) pthread_mutex_unlock(&gateway->door);
}

const struct provider_ops *gateway_embedder(const struct gateway *gateway)
{
        return gateway->lanes[0].provider->ops;
}

uint32_t gateway_dimensions(const struct gateway *gateway)
{
        return gateway->settings.dimensions;
}

bool gateway_embeds_remotely(const struct gateway *gateway)
{
        return gateway_embedder(gateway)->wire != NULL;
}

bool gateway_reranks(const struct gateway *gateway)
{
        return gateway->reranker != NULL;
}

bool gateway_generates(const struct gateway *gateway)
{
        return gateway->generators.count > 0;
}

int gateway_admit_vector(const struct gateway *gateway, float *vector, size_t width,
                         struct error *reterr)
{
        if (width != gateway->settings.dimensions)
                return error_set(reterr, -EINVAL,
                                 "the vector has %zu components; this profile's have %u", width,
                                 gateway->settings.dimensions);
        return vector_admit(vector, width, gateway->settings.embedding->normalize, -EINVAL,
                            reterr);
}
