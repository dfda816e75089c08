/* SPDX-License-Identifier: Apache-2.0 */
/* Reload: the profile on disk at once, where no generation depends on what changed. */
#include "release/steps.h"

#include "base/clock.h"
#include "base/crash.h"
#include "config/load.h"

#include <stdio.h>
#include <string.h>

/* ---- At the door -------------------------------------------------------------------------- */

/* -EPERM names the keys that need a deploy. */
static int check_cheap(const struct config_diff *diff, struct error *reterr)
{
        char keys[160] = "";
        size_t n = 0, len = 0;

        for (size_t i = 0; i < diff->count; i++) {
                if (!overlay_data(diff->items[i].row))
                        continue;
                n++;
                if (len + strlen(diff->items[i].key) + 3 < sizeof keys)
                        len += (size_t) snprintf(keys + len, sizeof keys - len, "%s%s",
                                                 len ? ", " : "", diff->items[i].key);
        }
        if (n == 0)
                return 0;
        return error_set(reterr, -EPERM, "a reload cannot change what generations depend on (%s): "
                                         "use `ragctl plan` and `ragctl deploy`", keys);
}

/* Nothing to do is success, too: an operation that is over when it begins. */
static int begin_nothing(struct releases *releases, const struct release_request *request,
                         uint32_t serving, struct json_object *pending_restart,
                         uint32_t *ret_operation, struct error *reterr)
{
        struct operation_record record = { .kind = OPERATION_RELOAD,
                                           .release = serving,
                                           .base = serving };

        if (request->request_id)
                (void) snprintf(record.request_id, sizeof record.request_id, "%s",
                                request->request_id);
        return operation_hand_over(releases, &record, NULL, pending_restart, false, ret_operation,
                                   reterr);
}

static int begin(struct releases *releases, const struct release_request *request,
                 struct config_diagnostics *diagnostics, uint32_t *ret_operation,
                 struct error *reterr)
{
        static const char usual_reason[] = "reload of the profile on disk";
        struct release_request reasoned = *request;
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        cleanup_(config_free_cleanup) struct config *former = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        cleanup_json_ struct json_object *impact = NULL, *pending_restart = NULL;
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        struct operation_record record = { .kind = OPERATION_RELOAD, .base = serving->release };
        int r = plan_load(releases, NULL, diagnostics, &plan, reterr);

        if (r == 0)
                r = recorded_config(releases, 0, &former, reterr);
        if (r == 0 && config_diff(former, plan->config, &diff) < 0)
                r = error_oom(reterr);
        if (r == 0)
                r = pending_restart_json(serving->config, plan->config, &pending_restart, reterr);
        if (r == 0 && diff.count == 0)
                return begin_nothing(releases, request, serving->release, pending_restart,
                                     ret_operation, reterr);
        if (r == 0)
                r = check_cheap(&diff, reterr);
        if (r == 0)
                r = plan_finish(releases, plan, diagnostics, NULL, reterr);
        if (r == 0)
                r = plan_check_refusals(releases, plan, reterr);
        if (!reasoned.reason)
                reasoned.reason = usual_reason;
        if (r == 0)
                r = plan_write(releases, plan, &reasoned, 0, &record.release, reterr);
        if (r < 0)
                return r;
        if (request->request_id)
                (void) snprintf(record.request_id, sizeof record.request_id, "%s",
                                request->request_id);
        impact = impact_json(&diff);
        return operation_hand_over(releases, &record, impact, pending_restart, false, ret_operation,
                                   reterr);
}

int releases_reload(struct releases *releases, const struct release_request *request,
                    struct config_diagnostics *diagnostics, uint32_t *ret_operation,
                    struct error *reterr)
{
        int r = request->reason ? release_check_reason(request->reason, reterr) : 0;

        if (r == 0)
                r = operation_reserve(releases, request, ret_operation, reterr);
        if (r == -EALREADY)
                return 0;
        if (r < 0)
                return r;
        r = begin(releases, request, diagnostics, ret_operation, reterr);
        if (r < 0)
                operation_give_up(releases);
        return r;
}

/* ---- On the engine's thread --------------------------------------------------------------- */

/* The journal stands from before the first side effect until success is told: a crash in between
 * brings the base back. */
static int switch_over(struct releases *releases, struct operation *operation,
                       struct change_rooms *rooms, struct error *reterr)
{
        struct pending pending = { .base = operation->record.base,
                                   .base_was_active = releases->active,
                                   .candidate = operation->record.release,
                                   .deadline_usec = clock_wall_usec() };
        const struct change change = { .next = operation->candidate, .pending = &pending };
        int r;

        (void) snprintf(pending.id, sizeof pending.id, "c%u", operation->record.number);
        r = change_run(releases, &change, rooms, reterr);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&releases->lock);
        operation->switched = true;
        (void) pthread_mutex_unlock(&releases->lock);
        operation->base_was_active = pending.base_was_active;
        r = operation_set_state(releases, operation, RELEASE_PROVISIONAL, NULL, reterr);
        if (r == 0)
                r = pending_remove(releases->state_dirfd, reterr);
        crash_point("reload.removed");
        return r;
}

int reload_run(struct releases *releases, struct operation *operation)
{
        struct change_rooms rooms = { 0 };
        struct error error = { 0 };
        int r;

        if (operation->record.release == operation->record.base) {
                operation_finish(releases, operation, step_exit(operation), "nothing has changed");
                return 0;
        }
        operation->base = releases_serving(releases);
        crash_point("reload.recorded");
        r = snapshot_open(releases, operation->record.release, &operation->candidate, &error);
        if (r == 0)
                r = operation_set_state(releases, operation, RELEASE_READY, NULL, &error);
        if (r == 0)
                r = operation_set_phase(releases, operation, PHASE_SWITCH, &error);
        if (r == 0)
                r = switch_over(releases, operation, &rooms, &error);
        if (r < 0 && operation->switched) {
                change_retire(releases, &rooms);
                revert_run(releases, operation, error_text(&error), true);
                return 0;
        }
        if (r < 0) {
                (void) step_failed(releases, operation, &error);
                return 0;
        }
        operation_tell(releases, operation, step_exit(operation), NULL);
        change_retire(releases, &rooms);
        r = conclude_run(releases, operation, &error);
        operation_finish(releases, operation, r < 0 ? RELEASE_DEGRADED : step_exit(operation),
                         r < 0 ? error_text(&error) : NULL);
        return 0;
}
