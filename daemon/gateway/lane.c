/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/lane.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/price.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whoever tells of the failure names the provider already. */
static void drop_name(const struct lane *lane, struct error *error)
{
        char name[ERROR_MESSAGE_MAX];
        int len = snprintf(name, sizeof name, "provider %s: ", lane->config->name);

        if (len > 0 && (size_t) len < sizeof name && strncmp(error->message, name, (size_t) len) == 0)
                memmove(error->message, error->message + len,
                        strlen(error->message) - (size_t) len + 1);
}

static int open_provider(struct lane *lane, uint32_t dimensions, struct error *reterr)
{
        int r = provider_open(lane->config, dimensions, &lane->provider, &lane->open_error);

        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                drop_name(lane, &lane->open_error);
        return 0;
}

/* What a provider counts its limits by: the key and the model, at one place.  Lengths keep the
 * parts apart. */
static char *identify(const struct provider_config *config)
{
        const char *const parts[] = { config->endpoint,   config->api_key,     config->model,
                                      config->deployment, config->api_version };
        struct buf text = BUF_EMPTY;

        buf_append_format(&text, "%d", (int) config->kind);
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                if (parts[i])
                        buf_append_format(&text, " %zu:%s", strlen(parts[i]), parts[i]);
                else
                        buf_append_text(&text, " -");
        }
        return buf_take(&text);
}

static uint32_t batch_of(const struct lane *lane, uint32_t wanted)
{
        uint32_t most = lane->provider ? lane->provider->ops->max_batch : 0;
        uint32_t batch = wanted > 0 ? wanted : 1;

        return most > 0 && most < batch ? most : batch;
}

int lane_open(struct lane *lane, const struct lane_settings *settings, struct error *reterr)
{
        const struct provider_config *config = settings->config;
        const struct resilience_config *resilience = settings->resilience;
        int r;

        *lane = (struct lane){ .config = config, .charged = price_is_charged(config) };
        r = open_provider(lane, settings->dimensions, reterr);
        if (r < 0)
                return r;
        lane->identity = identify(config);
        if (!lane->identity)
                return error_oom(reterr);
        lane->limits = (struct lane_limits){
                .requests_per_minute = config->requests_per_minute,
                .burst = config->burst,
                .requests_per_day = config->requests_per_day,
                .tokens_per_minute = config->tokens_per_minute,
                .max_concurrent = config->max_concurrent,
                .adaptive = config->adaptive,
                .batch_size = batch_of(lane, settings->batch_size),
                .breaker_failures = resilience->breaker_failures,
                .breaker_reset_usec = resilience->breaker_reset_seconds * USEC_PER_SEC,
                .retry_budget_ratio = resilience->retry_budget_ratio,
        };
        return 0;
}

void lane_done(struct lane *lane)
{
        (void) provider_free(lane->provider);
        free(lane->identity);
}
