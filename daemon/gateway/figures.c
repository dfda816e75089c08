/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on, in numbers and for people to read.  The provider thread is asked, since limits,
 * queues and breakers are its own. */
#include "base/clock.h"
#include "base/json.h"
#include "config/secret.h"
#include "config/values.h"
#include "gateway/inside.h"
#include "gateway/responses.h"
#include "gateway/thread.h"
#include "store/embedding_cache.h"

#include <string.h>

/* ---- Numbers --------------------------------------------------------------------------------- */

struct counting {
        struct gateway *gateway;
        struct gateway_figures *figures;
};

static void count(void *data)
{
        struct counting *counting = data;
        const struct commons *commons = counting->gateway->commons;

        for (const struct lane_state *at = commons->states; at; at = at->next) {
                counting->figures->waiting += queue_count(&at->queue);
                counting->figures->running += at->running;
        }
        counting->figures->spent_day_microusd = commons->budget.day.spent;
        counting->figures->spent_month_microusd = commons->budget.month.spent;
}

void gateway_get_figures(struct gateway *gateway, struct gateway_figures *ret)
{
        struct counting counting = { gateway, ret };
        struct embedding_cache_figures embeddings = { 0 };
        struct responses_figures responses = { 0 };

        if (gateway->cache)
                embedding_cache_get_figures(gateway->cache, &embeddings);
        if (gateway->responses)
                responses_get_figures(gateway->responses, &responses);
        *ret = (struct gateway_figures){
                .embedding_hits = embeddings.memory_hits,
                .embedding_disk_hits = embeddings.disk_hits,
                .embedding_misses = embeddings.misses,
                .embedding_bytes = embeddings.memory_bytes,
                .response_hits = responses.hits,
                .response_misses = responses.misses,
                .response_bytes = responses.bytes,
        };
        if (gateway_enter(gateway, NULL) < 0)
                return;
        (void) thread_run(gateway->thread, count, &counting);
        gateway_leave(gateway);
}

struct listing {
        struct gateway *gateway;
        enum breaker_state *states;
};

static void list_states(void *data)
{
        struct listing *listing = data;

        for (size_t i = 0; i < listing->gateway->n_lanes; i++)
                listing->states[i] = listing->gateway->lanes[i].state->breaker.state;
}

void gateway_list_breakers(struct gateway *gateway,
                           void (*each)(void *data, const char *provider, int state), void *data)
{
        cleanup_free_ enum breaker_state *states = calloc(gateway->n_lanes, sizeof *states);
        struct listing listing = { gateway, states };
        int r = states ? gateway_enter(gateway, NULL) : -ENOMEM;

        if (r < 0)
                return;
        r = thread_run(gateway->thread, list_states, &listing);
        gateway_leave(gateway);
        for (size_t i = 0; r == 0 && i < gateway->n_lanes; i++)
                each(data, gateway->lanes[i].config->name, (int) states[i]);
}

/* ---- For people ------------------------------------------------------------------------------ */


static struct json_object *describe_roles(const struct lane *lane)
{
        static const struct {
                unsigned role;
                const char *name;
        } rows[] = { { LANE_EMBEDS, "embedding" },
                     { LANE_GENERATES, "generation" },
                     { LANE_RERANKS, "rerank" } };
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < ELEMENTSOF(rows); i++)
                if (lane->roles & rows[i].role)
                        (void) json_object_array_add(array, json_object_new_string(rows[i].name));
        return array;
}

static struct json_object *describe_breaker(const struct lane *lane, uint64_t now_usec)
{
        const struct breaker *breaker = &lane->state->breaker;
        struct json_object *object = json_object_new_object();
        uint64_t wait;

        json_add_string(object, "state", breaker_state_name(breaker->state));
        json_add_u64(object, "failures", breaker->failures);
        json_add_string(object, "reason", breaker->reason[0] ? breaker->reason : NULL);
        if (breaker->state == BREAKER_OPEN && breaker_check(breaker, now_usec, &wait) < 0)
                json_add_double(object, "tries_again_in_seconds", (double) wait / 1e6);
        return object;
}

static void add_limit(struct json_object *object, const char *key, uint64_t limit)
{
        if (limit != UINT64_MAX && limit > 0)
                json_add_u64(object, key, limit);
        else
                json_add(object, key, NULL);
}

/* Those that are configured are in force: they may be those of a newer release. */
static struct json_object *describe_limits(struct lane *lane, uint64_t now_usec)
{
        struct lane_state *state = lane->state;
        struct json_object *object = json_object_new_object();
        uint64_t wait = lane_state_wait(state, 1, 0);

        add_limit(object, "requests_per_minute", state->limits.requests_per_minute);
        add_limit(object, "requests_per_minute_now", state->pace.current);
        add_limit(object, "requests_per_minute_learned", state->pace.learned);
        json_add_u64(object, "requests_last_minute", window_used(&state->requests, now_usec));
        add_limit(object, "burst", state->limits.burst);
        add_limit(object, "tokens_per_minute", state->tokens.limit);
        json_add_u64(object, "tokens_last_minute", window_used(&state->tokens, now_usec));
        add_limit(object, "requests_per_day", state->day.limit);
        json_add_u64(object, "requests_today", state->day.used);
        add_limit(object, "max_concurrent", state->limits.max_concurrent);
        json_add_bool(object, "adaptive", state->limits.adaptive);
        if (lane->roles & LANE_EMBEDS)
                json_add_u64(object, "batch_size_now", state->batch.current);
        json_add_u64(object, "running", state->running);
        json_add_u64(object, "waiting", queue_count(&state->queue));
        if (wait == UINT64_MAX)
                json_add(object, "next_call_in_seconds", NULL);
        else
                json_add_double(object, "next_call_in_seconds", (double) wait / 1e6);
        return object;
}

static struct json_object *describe_today(const struct lane *lane, uint32_t today)
{
        const struct lane_today none = { 0 };
        const struct lane_today *figures = lane->state->today.day == today ? &lane->state->today
                                                                           : &none;
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "requests", figures->requests);
        json_add_u64(object, "errors", figures->errors);
        json_add_u64(object, "input_tokens", figures->input_tokens);
        json_add_u64(object, "output_tokens", figures->output_tokens);
        json_add_u64(object, "cost_microusd", figures->cost_microusd);
        return object;
}

static struct json_object *describe_prices(const struct provider_config *config)
{
        struct json_object *object = json_object_new_object();

        if (config->has_price_input_usd_per_mtok)
                json_add_double(object, "input_usd_per_mtok", config->price_input_usd_per_mtok);
        else
                json_add(object, "input_usd_per_mtok", NULL);
        if (config->has_price_output_usd_per_mtok)
                json_add_double(object, "output_usd_per_mtok", config->price_output_usd_per_mtok);
        else
                json_add(object, "output_usd_per_mtok", NULL);
        return object;
}

static struct json_object *describe_lane(struct lane *lane)
{
        const struct provider_config *config = lane->config;
        struct json_object *object = json_object_new_object();
        uint64_t now = clock_monotonic_usec();

        json_add_string(object, "name", config->name);
        json_add_string(object, "kind", provider_kind_name(config->kind));
        json_add_string(object, "model", config->model ? config->model : config->deployment);
        json_add_string(object, "endpoint", config->endpoint);
        json_add_string(object, "key", config->api_key);
        if (config->api_key)
                json_add_bool(object, "key_present", config_secret_present(config->api_key));
        json_add_string(object, "unusable",
                        lane->provider ? NULL : error_text(&lane->open_error));
        json_add(object, "roles", describe_roles(lane));
        json_add(object, "breaker", describe_breaker(lane, now));
        json_add(object, "limits", describe_limits(lane, now));
        json_add(object, "today", describe_today(lane, (uint32_t) (clock_wall_usec() /
                                                                     (86400 * USEC_PER_SEC))));
        json_add(object, "prices", describe_prices(config));
        return object;
}

struct describing {
        struct gateway *gateway;
        const char *provider;
        struct json_object *object;
};

static void describe(void *data)
{
        struct describing *describing = data;
        struct gateway *gateway = describing->gateway;
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < gateway->n_lanes; i++)
                if (!describing->provider ||
                    strcmp(describing->provider, gateway->lanes[i].config->name) == 0)
                        (void) json_object_array_add(array, describe_lane(&gateway->lanes[i]));
        json_add(describing->object, "providers", array);
}

static struct json_object *describe_cache(const struct gateway *gateway)
{
        struct embedding_cache_figures figures;
        struct json_object *object = json_object_new_object();

        embedding_cache_get_figures(gateway->cache, &figures);
        json_add_u64(object, "memory_hits", figures.memory_hits);
        json_add_u64(object, "disk_hits", figures.disk_hits);
        json_add_u64(object, "misses", figures.misses);
        json_add_u64(object, "entries", figures.entries);
        json_add_string(object, "notice", embedding_cache_notice(gateway->cache));
        return object;
}

int gateway_describe(struct gateway *gateway, const char *provider_or_null,
                     struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = json_object_new_object();
        struct describing describing = { gateway, provider_or_null, object };
        int r;

        if (!object)
                return error_oom(reterr);
        if (provider_or_null && !gateway_find_lane(gateway, provider_or_null))
                return error_set(reterr, -ENOENT, "there is no provider %s", provider_or_null);
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        r = thread_run(gateway->thread, describe, &describing);
        gateway_leave(gateway);
        if (r < 0)
                return error_oom(reterr);
        if (gateway->cache && !provider_or_null)
                json_add(object, "embedding_cache", describe_cache(gateway));
        *ret = take_ptr(object);
        return 0;
}
