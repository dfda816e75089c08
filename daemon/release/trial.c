/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate goes through before it gets all of the traffic: gate and canary. */
#include "release/steps.h"

#include "base/clock.h"
#include "base/crash.h"
#include "release/observe.h"

#include <stdio.h>

/* Waits for a word where nothing can be decided.  STEP_ON: somebody confirmed. */
static enum step hold(struct releases *releases, struct operation *operation, const char *why)
{
        operation_hold(releases, operation, why);
        for (;;) {
                switch (operation_wish(releases, operation)) {
                case WISH_CONFIRM:
                        operation_tell(releases, operation, -1, NULL);
                        return STEP_ON;
                case WISH_CANCEL:
                        return step_cancelled(releases, operation);
                case WISH_STOP:
                        return STEP_LEAVE;
                case WISH_NONE:
                default:
                        operation_wait(releases, POLL_USEC);
                }
        }
}

/* "a gate failed: recall_at_100 is …", from the report's own words. */
static void write_why(char *ret, size_t size, const char *what, struct json_object *report)
{
        const char *why = NULL;

        (void) json_get_string(report, "why", &why, NULL);
        (void) snprintf(ret, size, "%s%s%s", what, why ? ": " : "", why ? why : "");
}

/* ---- The gate ----------------------------------------------------------------------------- */

struct asking {
        struct releases *releases;
        struct operation *operation;
};

static int on_gate(void *data, const char *what, size_t done, size_t total)
{
        const struct asking *asking = data;
        bool stop;

        operation_progress(asking->releases, asking->operation, what, done, total);
        (void) pthread_mutex_lock(&asking->releases->lock);
        stop = asking->operation->cancel || asking->releases->stopping;
        (void) pthread_mutex_unlock(&asking->releases->lock);
        return stop ? -ECANCELED : 0;
}

static enum step ended_gate(struct releases *releases, struct operation *operation,
                            enum gate_verdict verdict, const char *why)
{
        struct error error = { 0 };

        if (verdict == GATE_FAIL)
                return step_give_up(releases, operation, RELEASE_REJECTED, why);
        if (verdict == GATE_HOLD) {
                enum step step = hold(releases, operation, why);

                if (step != STEP_ON)
                        return step;
        }
        if (operation_set_state(releases, operation, RELEASE_READY, NULL, &error) < 0)
                return step_failed(releases, operation, &error);
        crash_point("deploy.gated");
        return STEP_ON;
}

enum step step_gate(struct releases *releases, struct operation *operation)
{
        struct asking asking = { releases, operation };
        const struct gate_settings settings = {
                .store = releases->settings.store,
                .promotion = &operation->candidate->config->promotion,
                .base = operation->base,
                .candidate = operation->candidate,
                .progress = on_gate,
                .data = &asking,
        };
        struct json_object *report = NULL;
        enum gate_verdict verdict = GATE_NO_DATA;
        struct error error = { 0 };
        char why[256];
        int r;

        if (operation->state != RELEASE_BUILDING && operation->state != RELEASE_PLANNED)
                return STEP_ON; /* an earlier run of the daemon saw it pass */
        r = gate_run(&settings, &report, &verdict, &error);
        if (r == -ECANCELED)
                return operation_wish(releases, operation) == WISH_STOP
                               ? STEP_LEAVE
                               : step_cancelled(releases, operation);
        if (r < 0)
                return step_give_up(releases, operation, RELEASE_REJECTED, error_text(&error));
        write_why(why, sizeof why,
                  verdict == GATE_HOLD ? "a gate is between its bands" : "a gate failed", report);
        operation_add_evidence(releases, operation, "gate", report);
        return ended_gate(releases, operation, verdict, why);
}

/* ---- The canary --------------------------------------------------------------------------- */

static enum canary_verdict look_at_canary(struct releases *releases, struct operation *operation,
                                          const struct canary *canary,
                                          struct json_object **ret_report)
{
        struct canary_shadow shadow = releases_get_shadow(releases);
        struct observed baseline = { 0 }, candidate = { 0 };
        struct canary look = *canary;

        look.shadow = canary->config->shadow ? &shadow : NULL;
        observations_read(operation->base->observations, RELEASE_ARM_BASELINE, canary->begun_usec,
                          &baseline);
        observations_read(operation->candidate->observations, RELEASE_ARM_CANARY,
                          canary->begun_usec, &candidate);
        return canary_look(&look, &baseline, &candidate, clock_monotonic_usec(), ret_report);
}

static enum step stop_canary(struct releases *releases, struct operation *operation,
                             const char *why)
{
        operation_add_incident(releases, operation, why);
        releases_tell(releases, RELEASE_EVENT_REVERTED, operation->record.release,
                      operation->record.base, RELEASE_ABORTED, why);
        return step_give_up(releases, operation, RELEASE_ABORTED, why);
}

/* What a step's verdict leads to; the report is kept as evidence. */
static enum step ended_canary(struct releases *releases, struct operation *operation,
                              uint32_t percent, enum canary_verdict verdict,
                              struct json_object *takes_report)
{
        char name[32], what[64], why[256];

        (void) snprintf(name, sizeof name, "canary-%u", percent);
        (void) snprintf(what, sizeof what, "the canary at %u%% is %s", percent,
                        verdict == CANARY_HOLD ? "inconclusive" : "worse than the base");
        write_why(why, sizeof why, what, takes_report);
        operation_add_evidence(releases, operation, name, takes_report);
        if (verdict == CANARY_GO)
                return STEP_ON;
        return verdict == CANARY_STOP ? stop_canary(releases, operation, why)
                                      : hold(releases, operation, why);
}

/* One step: looks until there is a verdict. */
static enum step canary_step(struct releases *releases, struct operation *operation,
                             uint32_t percent)
{
        const struct canary canary = {
                .config = &operation->candidate->config->canary,
                .promotion = &operation->candidate->config->promotion,
                .percent = percent,
                .begun_usec = clock_monotonic_usec(),
        };
        char what[64];

        releases_set_canary(releases, operation->candidate, percent);
        (void) snprintf(what, sizeof what, "%scanary at %u%%",
                        canary.config->shadow ? "shadow " : "", percent);
        operation_progress(releases, operation, what, 0, 0);
        for (;;) {
                struct json_object *report = NULL;
                enum canary_verdict verdict = look_at_canary(releases, operation, &canary, &report);

                if (verdict != CANARY_GO_ON)
                        return ended_canary(releases, operation, percent, verdict, report);
                json_object_put(report);
                operation_wait(releases, LOOK_USEC);
                switch (operation_wish(releases, operation)) {
                case WISH_CANCEL:
                        return step_cancelled(releases, operation);
                case WISH_STOP:
                        return STEP_LEAVE;
                default:
                        break; /* a confirmation has nothing to confirm here */
                }
        }
}

enum step step_canary(struct releases *releases, struct operation *operation)
{
        struct error error = { 0 };
        enum step step = STEP_ON;

        if (operation->record.canary[0] == 0)
                return STEP_ON;
        if (operation_set_state(releases, operation, RELEASE_CANARY, NULL, &error) < 0)
                return step_failed(releases, operation, &error);
        crash_point("deploy.canary");
        for (size_t i = 0; step == STEP_ON && i < CANARY_STEPS_MAX; i++)
                if (operation->record.canary[i])
                        step = canary_step(releases, operation, operation->record.canary[i]);
        /* Base and candidate part again; what the arms showed is written. */
        releases_set_canary(releases, NULL, 0);
        return step;
}
