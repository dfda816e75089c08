/* SPDX-License-Identifier: Apache-2.0 */
/* What operators ask of one provider: a try, one question, prices; and what is forgotten. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "config/values.h"
#include "gateway/ask.h"
#include "gateway/caches.h"
#include "gateway/inside.h"
#include "gateway/price.h"

#include <stdio.h>
#include <string.h>

#define TRIAL_TOKENS 16

static int find_open(struct gateway *gateway, const char *name, struct lane **ret,
                     struct error *reterr)
{
        struct lane *lane = gateway_find_lane(gateway, name);

        if (!lane)
                return error_set(reterr, -ENOENT, "there is no provider %s", name);
        if (!lane->provider)
                return error_set(reterr, lane->open_error.code, "provider %s: %s", name,
                                 lane->open_error.message);
        *ret = lane;
        return 0;
}

/* ---- A try ----------------------------------------------------------------------------------- */

static uint32_t timeout_of(const struct gateway *gateway, const struct lane *lane)
{
        return lane->roles & LANE_GENERATES && gateway->settings.generation
                       ? gateway->settings.generation->timeout_seconds
                       : gateway->settings.embedding->timeout_seconds;
}

static int try_one(struct gateway *gateway, struct tenant_id tenant, struct lane *lane,
                   const struct call_request *request, uint64_t input_tokens,
                   struct ask_end *ret, struct error *reterr)
{
        uint64_t now = clock_monotonic_usec();
        const struct call_settings settings = {
                .tenant = tenant,
                .request = request,
                .lanes = &lane,
                .n_lanes = 1,
                .begin_usec = now,
                .deadline_usec = now + GATEWAY_PATIENCE_USEC,
                .timeout_seconds = timeout_of(gateway, lane),
                .input_tokens = input_tokens,
                .output_tokens = request->kind == CALL_CHAT ? TRIAL_TOKENS : 0,
                .direct = true,
        };

        return ask_and_wait(gateway, &settings, NULL, NULL, ret, reterr);
}

/* What it is used for: the dearest first, since that is what people wonder about. */
static bool trial_request(const struct lane *lane, struct call_request *ret)
{
        static const struct chat_message message = { CHAT_USER, "Say: ok" };
        static const struct embed_text texts[] = { { "ok", 2 } };
        const struct provider *provider = lane->provider;
        unsigned roles = lane->roles;

        if (provider_can(provider, CALL_CHAT) && (roles & LANE_GENERATES || roles == 0)) {
                *ret = (struct call_request){ .kind = CALL_CHAT,
                                              .chat = { .messages = &message, .n_messages = 1,
                                                        .temperature = 0.0, .top_p = 1.0,
                                                        .max_tokens = TRIAL_TOKENS } };
                return true;
        }
        if (provider_can(provider, CALL_EMBED) && roles & LANE_EMBEDS) {
                *ret = (struct call_request){ .kind = CALL_EMBED,
                                              .embed = { EMBED_QUERY, texts, 1 } };
                return true;
        }
        if (provider_can(provider, CALL_RERANK) && (roles & LANE_RERANKS || roles == 0)) {
                *ret = (struct call_request){ .kind = CALL_RERANK,
                                              .rerank = { "ok", texts, 1, 1 } };
                return true;
        }
        return false;
}

static void take_trial(const struct lane *lane, const struct call_request *request,
                       const struct ask_end *end, struct gateway_trial *trial)
{
        const char *text = buf_text(&end->result.text);
        size_t len = utf8_cut(text, end->result.text.len, sizeof trial->text - 1);

        trial->call_usec = end->attempt.took_usec;
        trial->input_tokens = end->attempt.input_tokens;
        trial->output_tokens = end->attempt.output_tokens;
        trial->cost_microusd = end->attempt.cost_microusd;
        (void) snprintf(trial->model, sizeof trial->model, "%s", end->result.model);
        memcpy(trial->text, text, len);
        trial->text[len] = '\0';
        if (request->kind == CALL_EMBED)
                trial->width = lane->provider->dimensions;
}

static int try_lane(struct gateway *gateway, struct tenant_id tenant, struct lane *lane,
                    bool probe_only, struct gateway_trial *ret, struct error *reterr)
{
        const struct call_request probe = { .kind = CALL_PROBE };
        struct gateway_trial trial = { .model_listed = PROBE_MODEL_UNKNOWN };
        struct call_request request;
        struct ask_end end = { 0 };
        int r = 0;

        if (provider_can(lane->provider, CALL_PROBE)) {
                r = try_one(gateway, tenant, lane, &probe, 0, &end, reterr);
                trial.model_listed = end.result.probe_model;
                trial.probe_usec = end.attempt.took_usec;
                call_result_done(&end.result);
        }
        if (r == 0 && !probe_only && trial_request(lane, &request)) {
                r = try_one(gateway, tenant, lane, &request, TRIAL_TOKENS, &end, reterr);
                if (r == 0)
                        take_trial(lane, &request, &end, &trial);
                call_result_done(&end.result);
        }
        if (r == 0)
                *ret = trial;
        return r;
}

int gateway_try(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                bool probe_only, struct gateway_trial *ret, struct error *reterr)
{
        struct lane *lane;
        int r = find_open(gateway, provider, &lane, reterr);

        if (r == 0)
                r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        r = try_lane(gateway, tenant, lane, probe_only, ret, reterr);
        gateway_leave(gateway);
        return r;
}

/* ---- One question ---------------------------------------------------------------------------- */

static int ask_lane(struct gateway *gateway, struct tenant_id tenant, struct lane *lane,
                    const struct chat_request *request, const struct gateway_terms *terms,
                    struct gateway_attempt *ret_attempt, char **ret_text, struct error *reterr)
{
        const struct generation_config *generation = gateway->settings.generation;
        struct call_request subject = { .kind = CALL_CHAT, .chat = *request };
        uint64_t now = clock_monotonic_usec();
        struct ask_end end = { 0 };
        const struct call_settings settings = {
                .tenant = tenant,
                .request = &subject,
                .lanes = &lane,
                .n_lanes = 1,
                .user = gateway_user(terms),
                .begin_usec = now,
                .deadline_usec = gateway_deadline(terms, now),
                .timeout_seconds = timeout_of(gateway, lane),
                .max_retries = generation ? generation->max_retries : 0,
                .input_tokens = price_estimate_chat(request),
                .output_tokens = request->max_tokens,
                .low_priority = terms && terms->low_priority,
                .attempt = terms ? terms->attempt : NULL,
                .attempt_data = terms ? terms->data : NULL,
        };
        char *text = NULL;
        int r;

        r = ask_and_wait(gateway, &settings, NULL, NULL, &end, reterr);
        if (r == 0) {
                text = strdup(buf_text(&end.result.text));
                r = text ? 0 : error_oom(reterr);
        }
        if (r == 0) {
                *ret_attempt = end.attempt;
                *ret_text = text;
        }
        call_result_done(&end.result);
        return r;
}

int gateway_ask(struct gateway *gateway, struct tenant_id tenant, const char *provider,
                const struct chat_request *request, const struct gateway_terms *terms,
                struct gateway_attempt *ret_attempt, char **ret_text, struct error *reterr)
{
        struct lane *lane;
        int r = find_open(gateway, provider, &lane, reterr);

        if (r == 0 && !provider_can(lane->provider, CALL_CHAT))
                r = error_set(reterr, -EOPNOTSUPP, "provider %s: kind %s answers no questions",
                              provider, lane->provider->ops->kind);
        if (r == 0)
                r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        r = ask_lane(gateway, tenant, lane, request, terms, ret_attempt, ret_text, reterr);
        gateway_leave(gateway);
        return r;
}

/* ---- Prices, and what is forgotten ----------------------------------------------------------- */

int gateway_price_embedding(const struct gateway *gateway, uint64_t input_tokens,
                            uint64_t *ret_microusd)
{
        return gateway_price(gateway->settings.embedder, input_tokens, 0, ret_microusd);
}

int gateway_forget(struct gateway *gateway, struct tenant_id tenant, const char *name_or_null,
                   struct error *reterr)
{
        char name[GATEWAY_TENANT_NAME_SIZE];

        commons_forget_answers(gateway->commons, tenant);
        gateway_name_tenant(gateway, tenant, name);
        if (name_or_null && !gateway->settings.shared_embeddings)
                (void) snprintf(name, sizeof name, "%s", name_or_null);
        return caches_forget(gateway->commons->caches, name, reterr);
}
