/* SPDX-License-Identifier: Apache-2.0 */
/* A release that serves and is not STABLE yet: the confirm window, and the bake. */
#include "release/steps.h"

#include "base/clock.h"
#include "base/crash.h"
#include "gateway/gateway.h"
#include "release/observe.h"

#include <stdio.h>

int step_exit(const struct operation *operation)
{
        return operation->pending_restart && json_object_array_length(operation->pending_restart)
                       ? RELEASE_RESTART_PENDING
                       : RELEASE_OK;
}

/* ---- Serving, and watched ----------------------------------------------------------------- */

#define SHORT_RUN_USEC (60 * USEC_PER_SEC)
#define LONG_RUN_USEC (600 * USEC_PER_SEC)

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

static bool breaches(const struct operation *operation, uint64_t now_usec, char why[static 256])
{
        struct snapshot *candidate = operation->candidate;
        struct observed short_run = { 0 }, long_run = { 0 };
        struct gateway_figures figures = { 0 };
        uint64_t since = operation->served_usec;

        observations_read(candidate->observations, RELEASE_ARM_REST,
                          later(since, now_usec - SHORT_RUN_USEC), &short_run);
        observations_read(candidate->observations, RELEASE_ARM_REST,
                          later(since, now_usec - LONG_RUN_USEC), &long_run);
        gateway_get_figures(candidate->gateway, &figures);
        return gate_look(&candidate->config->promotion, &short_run, &long_run,
                         figures.spent_month_microusd, why) == GATE_FAIL;
}

/* Until somebody confirms (*ret_confirmed) or the time is over; else it was reverted or is left. */
static enum step watch(struct releases *releases, struct operation *operation,
                       const uint64_t *until_usec, bool *ret_confirmed)
{
        uint64_t next_look_usec = 0;

        for (;;) {
                uint64_t now_usec = clock_monotonic_usec(), until, wait_usec;
                enum wish wish = operation_wish(releases, operation);
                char why[256];

                (void) pthread_mutex_lock(&releases->lock);
                until = *until_usec; /* may have been extended */
                (void) pthread_mutex_unlock(&releases->lock);
                if (wish == WISH_STOP)
                        return STEP_LEAVE;
                if (wish == WISH_CANCEL) {
                        (void) snprintf(why, sizeof why, "cancelled by %s", operation->by);
                        revert_run(releases, operation, why, false);
                        return STEP_ENDED;
                }
                *ret_confirmed = wish == WISH_CONFIRM;
                if (wish == WISH_CONFIRM || now_usec >= until)
                        return STEP_ON;
                if (now_usec >= next_look_usec) {
                        next_look_usec = now_usec + LOOK_USEC;
                        if (breaches(operation, now_usec, why)) {
                                revert_run(releases, operation, why, true);
                                return STEP_ENDED;
                        }
                }
                wait_usec = until - now_usec < POLL_USEC ? until - now_usec : POLL_USEC;
                operation_wait(releases, wait_usec);
        }
}

enum step step_confirm(struct releases *releases, struct operation *operation)
{
        struct error error = { 0 };
        bool confirmed = true;

        if (operation->record.confirm_seconds > 0) {
                enum step step = watch(releases, operation, &operation->until_usec, &confirmed);

                if (step != STEP_ON)
                        return step;
        }
        if (!confirmed) {
                revert_run(releases, operation, "it was not confirmed in time", true);
                return STEP_ENDED;
        }
        if (pending_remove(releases->state_dirfd, &error) < 0) {
                revert_run(releases, operation, error_text(&error), true);
                return STEP_ENDED;
        }
        crash_point("confirm.removed");
        (void) pthread_mutex_lock(&releases->lock);
        operation->pending[0] = '\0';
        operation->deadline_usec = operation->until_usec = 0;
        (void) pthread_mutex_unlock(&releases->lock);
        return STEP_ON;
}

enum step step_bake(struct releases *releases, struct operation *operation)
{
        uint64_t end_wall = operation->record.phase_usec +
                            operation->record.bake_seconds * USEC_PER_SEC;
        uint64_t now_wall = clock_wall_usec();
        uint64_t until_usec = clock_monotonic_usec() +
                              (end_wall > now_wall ? end_wall - now_wall : 0);
        struct error error = { 0 };
        enum step step = STEP_ON;
        bool confirmed;

        crash_point("bake.begun");
        operation_tell(releases, operation, step_exit(operation), NULL);
        if (operation->base) /* else there is nothing to go back to */
                step = watch(releases, operation, &until_usec, &confirmed);
        if (step != STEP_ON)
                return step;
        if (conclude_run(releases, operation, &error) < 0)
                operation_finish(releases, operation, RELEASE_DEGRADED, error_text(&error));
        else
                operation_finish(releases, operation, step_exit(operation), NULL);
        return STEP_ENDED;
}
