/* SPDX-License-Identifier: Apache-2.0 */
/* Back to a release that was stable: as a new release, without gates and windows. */
#include "release/steps.h"

#include "base/crash.h"
#include "config/effective.h"
#include "config/load.h"
#include "gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- At the door: which one, and what it takes -------------------------------------------- */

/* The newest target that does not serve. */
static int newest_target(struct releases *releases, uint32_t serving, uint32_t *ret,
                         struct error *reterr)
{
        struct release_info *infos = NULL;
        size_t n = 0, damaged;
        int r = release_list(releases->state_dirfd, &infos, &n, &damaged, reterr);

        if (r < 0)
                return r;
        *ret = 0;
        for (size_t i = n; i-- > 0 && *ret == 0;)
                if (infos[i].number != serving && release_state_is_target(infos[i].state))
                        *ret = infos[i].number;
        release_infos_free(infos, n);
        return *ret ? 0 : error_set(reterr, -ENOENT, "no other release was ever stable");
}

static int check_target(struct releases *releases, uint32_t target, uint32_t serving,
                        struct error *reterr)
{
        struct release_info info = { 0 };
        int r = release_read(releases->state_dirfd, target, &info, reterr);

        if (r < 0)
                return r;
        if (target == serving)
                r = error_set(reterr, -EALREADY, "release %u serves already", target);
        else if (!release_state_is_target(info.state))
                r = error_set(reterr, -EPERM,
                              "release %u is %s: only one that was stable can be rolled back to",
                              target, release_state_name(info.state));
        release_info_done(&info);
        return r == 0 ? release_verify(releases->state_dirfd, target, reterr) : r;
}

static bool same_embedding(const struct generation_spec *a, const struct generation_spec *b)
{
        char of_a[192], of_b[192];

        return strcmp(generation_describe(a, of_a), generation_describe(b, of_b)) == 0 &&
               strcmp(a->fingerprint.model ? a->fingerprint.model : "",
                      b->fingerprint.model ? b->fingerprint.model : "") == 0 &&
               strcmp(a->fingerprint.query_prefix ? a->fingerprint.query_prefix : "",
                      b->fingerprint.query_prefix ? b->fingerprint.query_prefix : "") == 0 &&
               strcmp(a->fingerprint.document_prefix ? a->fingerprint.document_prefix : "",
                      b->fingerprint.document_prefix ? b->fingerprint.document_prefix : "") == 0;
}

/* The target's values, on the generations that serve now. */
static int keep_data(struct config **config, const struct snapshot *serving, struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        struct config *checked = NULL;
        struct generation_spec spec;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        int r = release_wants(*config, &spec, identity, NULL, reterr);

        if (r < 0)
                return r;
        if (!same_embedding(&spec, &serving->spec))
                return error_set(reterr, -ESTALE, "its embedding is another one: config and data "
                                                  "can only be rolled back together");
        if (overlay_config(*config, serving->config, overlay_data) < 0)
                return error_oom(reterr);
        config_write_effective(*config, &text);
        r = config_load_memory("rollback", buf_text(&text), text.len, NULL, &checked, &diagnostics,
                               reterr);
        if (r < 0)
                return r;
        (void) config_free(*config);
        *config = checked;
        return 0;
}

static struct json_object *cost_json(const struct ingest_forecast *forecast,
                                     const struct provider_config *embedder)
{
        struct json_object *object = json_object_new_object();
        uint64_t microusd;

        json_add_u64(object, "collections", forecast->collections);
        json_add_u64(object, "documents", forecast->documents);
        json_add_u64(object, "chunks", forecast->chunks);
        json_add_u64(object, "tokens", forecast->tokens);
        json_add_u64(object, "copied", forecast->copied);
        json_add_u64(object, "bytes", forecast->bytes);
        json_add_u64(object, "usec", forecast->usec);
        json_add_string(object, "embedder", embedder->name);
        json_add(object, "cost_microusd",
                 gateway_price(embedder, forecast->tokens, 0, &microusd) == 0
                         ? json_object_new_uint64(microusd)
                         : NULL);
        return object;
}

int forecast_json(struct releases *releases, const struct config *config,
                  struct ingest_forecast *ret_forecast, struct json_object **ret,
                  struct error *reterr)
{
        const struct provider_config *embedder = NULL;
        struct snapshot *serving;
        struct generation_spec spec;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        int r = release_wants(config, &spec, identity, &embedder, reterr);
        bool remote, same;

        if (r < 0)
                return r;
        *ret_forecast = (struct ingest_forecast){ 0 };
        serving = releases_serving(releases);
        same = memcmp(identity, serving->identity, sizeof identity) == 0;
        snapshot_unref(serving);
        remote = embedder->kind != PROVIDER_KIND_HASHING && embedder->kind != PROVIDER_KIND_MOCK &&
                 embedder->kind != PROVIDER_KIND_CLIENT;
        if (!same) /* what serves is there */
                r = ingest_forecast_release(releases->settings.ingest, &spec, remote, ret_forecast,
                                            reterr);
        if (r < 0)
                return r;
        *ret = cost_json(ret_forecast, embedder);
        return *ret ? 0 : error_oom(reterr);
}

/* 1: generations have to be caught up; 0: they are those that serve. */
static int weigh(struct releases *releases, const struct config *config,
                 const struct snapshot *serving, bool accept_cost, struct json_object **ret_cost,
                 struct error *reterr)
{
        cleanup_json_ struct json_object *cost = NULL;
        struct ingest_forecast forecast;
        struct generation_spec spec;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        int r = release_wants(config, &spec, identity, NULL, reterr);

        if (r < 0)
                return r;
        if (memcmp(identity, serving->identity, sizeof identity) == 0)
                return 0;
        r = forecast_json(releases, config, &forecast, &cost, reterr);
        if (r < 0)
                return r;
        if (forecast.documents == 0 && forecast.chunks == 0 && forecast.copied == 0)
                return 1;
        if (!accept_cost)
                r = error_set(reterr, -ECANCELED,
                              "its generations have stopped: %llu documents (%llu tokens) have to "
                              "be caught up first; accept the cost to begin",
                              (unsigned long long) forecast.documents,
                              (unsigned long long) forecast.tokens);
        if (r < 0 && ret_cost)
                *ret_cost = take_ptr(cost);
        return r < 0 ? r : 1;
}

/* The target as a plan without an id: written like any other release. */
static int plan_return(struct releases *releases, uint32_t target, struct config *takes_config,
                       struct plan **ret, struct error *reterr)
{
        cleanup_(plan_free_cleanup) struct plan *plan = calloc(1, sizeof *plan);
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        char name[64];

        if (!plan) {
                (void) config_free(takes_config);
                return error_oom(reterr);
        }
        plan->config = takes_config;
        (void) snprintf(name, sizeof name, "release %u", target);
        config_write_effective(plan->config, &text);
        plan->profile = strdup(name);
        plan->sources[0] = (struct plan_source){ .name = strdup("effective.toml"),
                                                 .len = text.len,
                                                 .text = buf_take(&text) };
        plan->n_sources = 1;
        if (!plan->profile || !plan->sources[0].name || !plan->sources[0].text)
                return error_oom(reterr);
        (void) releases;
        *ret = take_ptr(plan);
        return 0;
}

/* With the write slot taken. */
static int begin(struct releases *releases, const struct release_request *request, uint32_t target,
                 bool config_only, bool accept_cost, struct json_object **ret_cost,
                 uint32_t *ret_operation, struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *config = NULL, *former = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        cleanup_json_ struct json_object *impact = NULL, *pending_restart = NULL;
        struct snapshot *serving = releases_serving(releases);
        struct operation_record record = { .kind = OPERATION_ROLLBACK, .base = serving->release };
        int work = 0, r = 0;

        if (target == 0)
                r = newest_target(releases, serving->release, &target, reterr);
        if (r == 0)
                r = check_target(releases, target, serving->release, reterr);
        if (r == 0)
                r = recorded_config(releases, target, &config, reterr);
        if (r == 0)
                r = recorded_config(releases, 0, &former, reterr);
        if (r == 0 && config_only)
                r = keep_data(&config, serving, reterr);
        if (r == 0)
                r = work = weigh(releases, config, serving, accept_cost, ret_cost, reterr);
        if (r >= 0)
                r = pending_restart_json(serving->config, config, &pending_restart, reterr);
        if (r == 0 && config_diff(former, config, &diff) < 0)
                r = error_oom(reterr);
        if (r == 0) {
                impact = impact_json(&diff);
                r = plan_return(releases, target, take_ptr(config), &plan, reterr);
        }
        snapshot_unref(serving);
        if (r == 0)
                r = plan_write(releases, plan, request, target, &record.release, reterr);
        if (r < 0)
                return r;
        if (request->request_id)
                (void) snprintf(record.request_id, sizeof record.request_id, "%s",
                                request->request_id);
        return operation_hand_over(releases, &record, impact, pending_restart, work > 0,
                                   ret_operation, reterr);
}

/* Where a deploy is open and its base is meant, rolling back is cancelling it. */
static bool is_cancel(struct releases *releases, uint32_t target)
{
        const struct operation *operation;
        bool cancel;

        (void) pthread_mutex_lock(&releases->lock);
        operation = releases->operation;
        cancel = operation && !operation->finished &&
                 operation->record.kind == OPERATION_DEPLOY &&
                 (target == 0 || target == operation->record.base);
        (void) pthread_mutex_unlock(&releases->lock);
        return cancel;
}

int releases_rollback(struct releases *releases, const struct release_request *request,
                      uint32_t target, bool config_only, bool accept_cost,
                      struct json_object **ret_cost, uint32_t *ret_operation, struct error *reterr)
{
        int r = release_check_reason(request->reason, reterr);

        if (r < 0)
                return r;
        if (is_cancel(releases, target)) {
                r = releases_cancel(releases, NULL, &request->author, ret_operation, reterr);
                if (r != -ENOENT && r != -EALREADY) /* else it has just ended */
                        return r;
        }
        r = operation_reserve(releases, request, ret_operation, reterr);
        if (r == -EALREADY)
                return 0;
        if (r < 0)
                return r;
        r = begin(releases, request, target, config_only, accept_cost, ret_cost, ret_operation,
                  reterr);
        if (r < 0)
                operation_give_up(releases);
        return r;
}

/* ---- On the engine's thread --------------------------------------------------------------- */

/* The intent log is the journal here: a start before `active` was written runs this again, one
 * after it only ends it. */
int rollback_run(struct releases *releases, struct operation *operation)
{
        struct change change = { 0 };
        struct change_rooms rooms = { 0 };
        struct error error = { 0 };
        int r = 0;

        if (!operation->base)
                operation->base = releases_serving(releases);
        crash_point("rollback.recorded");
        if (!operation->switched) {
                r = operation_set_phase(releases, operation, PHASE_BUILD, &error);
                if (r == 0 && (operation->needs_build || operation->resumed))
                        r = build_run(releases, operation, &error);
                else if (r == 0)
                        r = snapshot_open(releases, operation->record.release,
                                          &operation->candidate, &error);
                if (r == -ESHUTDOWN)
                        return r;
                if (r == 0)
                        r = operation_set_phase(releases, operation, PHASE_SWITCH, &error);
                change.next = operation->candidate;
                if (r == 0)
                        r = change_run(releases, &change, &rooms, &error);
                if (r == -ECANCELED) {
                        (void) step_cancelled(releases, operation);
                        return 0;
                }
                if (r < 0) {
                        (void) step_failed(releases, operation, &error);
                        return 0;
                }
                (void) pthread_mutex_lock(&releases->lock);
                operation->switched = true;
                (void) pthread_mutex_unlock(&releases->lock);
        }
        crash_point("rollback.switched");
        if (operation->state == RELEASE_PLANNED)
                r = operation_set_state(releases, operation, RELEASE_READY, NULL, &error);
        operation_tell(releases, operation, step_exit(operation), NULL);
        change_retire(releases, &rooms);
        if (r == 0)
                r = conclude_run(releases, operation, &error);
        operation_finish(releases, operation, r < 0 ? RELEASE_DEGRADED : step_exit(operation),
                         r < 0 ? error_text(&error) : NULL);
        return 0;
}
