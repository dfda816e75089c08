/* SPDX-License-Identifier: Apache-2.0 */
/* What a change is, what it costs, and whether it may be: a plan; and the deploy of one. */
#include "release/inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "config/load.h"
#include "release/vectors.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The id ------------------------------------------------------------------------------- */

static void add_part(crypto_auth_hmacsha256_state *state, const void *bytes, size_t len)
{
        const uint64_t size = len; /* so that no two lists of parts are the same bytes */

        (void) crypto_auth_hmacsha256_update(state, (const unsigned char *) &size, sizeof size);
        (void) crypto_auth_hmacsha256_update(state, bytes, len);
}

/* A keyed hash: a plain one of a profile would be an oracle for what it refers to. */
static int make_id(struct releases *releases, struct plan *plan, struct error *reterr)
{
        unsigned char mac[crypto_auth_hmacsha256_BYTES];
        char effective[RELEASE_DIGEST_SIZE], hex[2 * sizeof mac + 1];
        crypto_auth_hmacsha256_state state;
        int r = release_digest(plan->config, effective, reterr);

        if (r < 0)
                return r;
        (void) crypto_auth_hmacsha256_init(&state, releases->plan_key, sizeof releases->plan_key);
        add_part(&state, &plan->base, sizeof plan->base);
        add_part(&state, effective, strlen(effective));
        for (size_t i = 0; i < plan->n_sources; i++) {
                add_part(&state, plan->sources[i].name, strlen(plan->sources[i].name));
                add_part(&state, plan->sources[i].text, plan->sources[i].len);
        }
        (void) crypto_auth_hmacsha256_final(&state, mac);
        (void) sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
        (void) snprintf(plan->id, sizeof plan->id, "p-%.32s", hex);
        return 0;
}

/* ---- The JSON ----------------------------------------------------------------------------- */

static int add_changes(struct plan *plan, const struct config *former, struct error *reterr)
{
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;

        if (config_diff(former, plan->config, &diff) < 0)
                return error_oom(reterr);
        json_add(plan->json, "changes", config_diff_json(&diff));
        json_add(plan->json, "impact", impact_json(&diff));
        return 0;
}

static int add_identity(struct plan *plan, const struct snapshot *serving, struct error *reterr)
{
        struct generation_spec spec;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        char hex[2 * GENERATION_IDENTITY_BYTES + 1];
        int r = release_wants(plan->config, &spec, identity, NULL, reterr);

        if (r < 0)
                return r;
        json_add_string(plan->json, "identity",
                        sodium_bin2hex(hex, sizeof hex, identity, sizeof identity));
        json_add_bool(plan->json, "same_generations",
                      memcmp(identity, serving->identity, sizeof identity) == 0);
        return 0;
}

int plan_finish(struct releases *releases, struct plan *plan,
                const struct config_diagnostics *diagnostics, const struct refusal *extra_or_null,
                struct error *reterr)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        cleanup_(config_free_cleanup) struct config *former = NULL;
        struct json_object *cost = NULL, *pending = NULL, *refusals = NULL;
        struct ingest_forecast forecast;
        int r = recorded_config(releases, serving->release, &former, reterr);

        plan->base = serving->release;
        plan->json = json_object_new_object();
        if (!plan->json)
                return error_oom(reterr);
        if (r == 0)
                r = make_id(releases, plan, reterr);
        json_add_string(plan->json, "plan_id", plan->id);
        json_add_u64(plan->json, "base", plan->base);
        if (r == 0)
                r = add_changes(plan, former, reterr);
        if (r == 0)
                r = forecast_json(releases, plan->config, &forecast, &cost, reterr);
        json_add(plan->json, "cost", cost);
        if (r == 0)
                r = pending_restart_json(serving->config, plan->config, &pending, reterr);
        json_add(plan->json, "pending_restart", pending);
        if (r == 0)
                r = add_identity(plan, serving, reterr);
        if (r == 0)
                r = plan_refusals(releases, former, plan->config, extra_or_null, &refusals, reterr);
        json_add(plan->json, "refusals", refusals);
        if (diagnostics)
                json_add(plan->json, "diagnostics", config_diagnostics_json(diagnostics));
        return r;
}

/* ---- Those that are kept ------------------------------------------------------------------ */

/* Without `lock`: a bundle's folder may have to be removed. */
static void free_all(struct plan *first)
{
        while (first) {
                struct plan *next = first->next;

                plan_free(first);
                first = next;
        }
}

static void move_plan(struct plan **from, struct plan **to)
{
        struct plan *plan = *from;

        *from = plan->next;
        plan->next = *to;
        *to = plan;
}

void plan_keep(struct releases *releases, struct plan *takes_plan)
{
        struct plan *gone = NULL, **at;
        size_t n = 1;

        (void) pthread_mutex_lock(&releases->lock);
        takes_plan->next = releases->plans;
        releases->plans = takes_plan;
        for (at = &takes_plan->next; *at;) {
                const struct plan *plan = *at;

                if (strcmp(plan->id, takes_plan->id) != 0 && plan->base == takes_plan->base &&
                    ++n <= PLANS_MAX)
                        at = &(*at)->next;
                else
                        move_plan(at, &gone);
        }
        (void) pthread_mutex_unlock(&releases->lock);
        free_all(gone);
}

void plan_drop_stale(struct releases *releases)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        struct plan *gone = NULL, **at;

        (void) pthread_mutex_lock(&releases->lock);
        for (at = &releases->plans; *at;)
                if ((*at)->base == serving->release)
                        at = &(*at)->next;
                else
                        move_plan(at, &gone);
        (void) pthread_mutex_unlock(&releases->lock);
        free_all(gone);
}

int plan_take(struct releases *releases, const char *id, struct plan **ret, struct error *reterr)
{
        struct plan *plan = NULL;

        (void) pthread_mutex_lock(&releases->lock);
        for (struct plan **at = &releases->plans; *at && !plan; at = &(*at)->next)
                if (strcmp((*at)->id, id) == 0) {
                        plan = *at;
                        *at = plan->next;
                        plan->next = NULL;
                        break;
                }
        (void) pthread_mutex_unlock(&releases->lock);
        if (!plan)
                return error_set(reterr, -ESTALE,
                                 "there is no plan %.40s (any more): run `ragctl plan` again", id);
        *ret = plan;
        return 0;
}

int releases_plan(struct releases *releases, const struct release_profile *profile,
                  struct config_diagnostics *diagnostics, struct json_object **ret,
                  struct error *reterr)
{
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        struct json_object *json = NULL;
        int r = plan_load(releases, profile, diagnostics, &plan, reterr);

        if (r == 0)
                r = plan_finish(releases, plan, diagnostics, NULL, reterr);
        if (r == 0 && json_object_deep_copy(plan->json, &json, NULL) < 0)
                r = error_oom(reterr);
        if (r < 0)
                return r;
        plan_keep(releases, take_ptr(plan));
        *ret = json;
        return 0;
}

/* ---- Deploying one ------------------------------------------------------------------------ */

static int check_canary(const struct deploy_request *request, struct operation_record *record,
                        struct error *reterr)
{
        if (request->n_canary > CANARY_STEPS_MAX)
                return error_set(reterr, -EINVAL, "a canary has at most %d steps",
                                 CANARY_STEPS_MAX);
        for (size_t i = 0; i < request->n_canary; i++) {
                if (request->canary[i] < 1 || request->canary[i] > 100 ||
                    (i > 0 && request->canary[i] <= request->canary[i - 1]))
                        return error_set(reterr, -EINVAL,
                                         "canary steps are percents from 1 to 100 that rise");
                record->canary[i] = request->canary[i];
        }
        return 0;
}

static int check_base(struct releases *releases, const struct plan *plan, struct error *reterr)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);

        if (plan->base != serving->release)
                return error_set(reterr, -ESTALE,
                                 "the plan was made on release %" PRIu32 ", and %" PRIu32
                                 " serves: run `ragctl plan` again",
                                 plan->base, serving->release);
        return plan_check_sources(plan, reterr);
}

static struct json_object *member(const struct plan *plan, const char *key)
{
        struct json_object *value = NULL;

        (void) json_object_object_get_ex(plan->json, key, &value);
        return value;
}

/* With the write slot taken. */
static int begin(struct releases *releases, const struct deploy_request *request,
                 const struct plan *plan, struct operation_record *record, uint32_t *ret_operation,
                 struct error *reterr)
{
        const struct release_config *config = &plan->config->release;
        const struct config_numbers *steps = &plan->config->canary.steps;
        struct error error = { 0 };
        int r = check_base(releases, plan, reterr);

        if (r == 0)
                r = plan_check_refusals(releases, plan, reterr);
        if (r == 0)
                r = plan_write(releases, plan, &request->request, 0, &record->release, reterr);
        if (r < 0)
                return r;
        if (request->canary && request->n_canary == 0)
                for (size_t i = 0; i < steps->count && i < CANARY_STEPS_MAX; i++)
                        record->canary[i] = steps->items[i];
        record->kind = OPERATION_DEPLOY;
        record->base = plan->base;
        record->confirm_seconds = request->confirm_given ? request->confirm_seconds
                                                         : config->confirm_minutes * 60;
        record->bake_seconds = config->bake_minutes * 60;
        if (request->request.request_id)
                (void) snprintf(record->request_id, sizeof record->request_id, "%s",
                                request->request.request_id);
        if (plan->bundle.vectors)
                r = vectors_move(releases, &plan->bundle, record->release, &error);
        if (r < 0) {
                operation_unbegun(releases, record, &error);
                if (reterr)
                        *reterr = error;
                return r;
        }
        r = operation_hand_over(releases, record, member(plan, "impact"),
                                member(plan, "pending_restart"), false, ret_operation, reterr);
        if (r < 0 && plan->bundle.vectors)
                vectors_move_back(releases, &plan->bundle, record->release);
        return r;
}

int releases_deploy(struct releases *releases, const struct deploy_request *request,
                    uint32_t *ret_operation, struct error *reterr)
{
        struct operation_record record = { 0 };
        struct plan *plan = NULL;
        int r = release_check_reason(request->request.reason, reterr);

        if (r == 0)
                r = check_canary(request, &record, reterr);
        if (r == 0)
                r = operation_reserve(releases, &request->request, ret_operation, reterr);
        if (r == -EALREADY)
                return 0;
        if (r < 0)
                return r;
        r = plan_take(releases, request->plan_id, &plan, reterr);
        if (r == 0)
                r = begin(releases, request, plan, &record, ret_operation, reterr);
        if (r < 0)
                operation_give_up(releases);
        if (r < 0 && r != -ESTALE && plan)
                plan_keep(releases, plan); /* it may be tried again */
        else
                plan_free(plan);
        return r;
}
