/* SPDX-License-Identifier: Apache-2.0 */
/* A deploy, step by step.  Each step's phase is durable before it begins; the next start goes on
 * from there.  A step says whether the operation goes on, has ended, or is left to that start. */
#include "release/steps.h"

#include "base/clock.h"
#include "base/crash.h"
#include "release/vectors.h"

#include <stdio.h>
#include <string.h>

/* ---- Ending before anything was switched -------------------------------------------------- */

enum step step_give_up(struct releases *releases, struct operation *operation,
                         enum release_state state, const char *why)
{
        struct snapshot *serving = releases_serving(releases);
        struct error error = { 0 };
        int exit = RELEASE_FAILED;

        releases_set_canary(releases, NULL, 0);
        if (follow(releases, serving, NULL, &error) < 0)
                releases_degrade(releases, &error, "a candidate is still followed");
        snapshot_unref(serving);
        if (operation_set_state(releases, operation, state, why, &error) < 0) {
                releases_degrade(releases, &error, "the state cannot be written");
                exit = RELEASE_DEGRADED;
        }
        operation_finish(releases, operation, exit, why);
        return STEP_ENDED;
}

enum step step_cancelled(struct releases *releases, struct operation *operation)
{
        char why[128];

        (void) snprintf(why, sizeof why, "cancelled by %s", operation->by);
        return step_give_up(releases, operation, RELEASE_ABORTED, why);
}

enum step step_failed(struct releases *releases, struct operation *operation,
                        const struct error *error)
{
        return step_give_up(releases, operation, RELEASE_ABORTED, error_text(error));
}

/* ---- Building ----------------------------------------------------------------------------- */

/* 1: all is there; 0: not yet; -EBADE: it never will be. */
static int look_at_build(struct releases *releases, struct operation *operation,
                         struct error *reterr)
{
        struct ingest_progress progress = { 0 };
        int r = ingest_get_progress(releases->settings.ingest, &operation->candidate->spec,
                                    &progress, reterr);

        if (r < 0)
                return r;
        operation_progress(releases, operation, progress.why[0] ? progress.why : "building",
                           progress.documents_done, progress.documents);
        if (progress.hopeless)
                return error_set(reterr, -EBADE, "its generations cannot be built: %.200s",
                                 progress.why);
        if (progress.ready < progress.collections)
                return 0;
        if (progress.failed > 0)
                return error_set(reterr, -EBADE,
                                 "%llu documents that are visible now failed in it: %.160s",
                                 (unsigned long long) progress.failed, progress.why);
        return 1;
}

static int wait_for_build(struct releases *releases, struct operation *operation,
                          struct error *reterr)
{
        uint64_t wait_usec = USEC_PER_MSEC;

        for (;;) {
                int r = look_at_build(releases, operation, reterr);

                if (r != 0)
                        return r < 0 ? r : 0;
                switch (operation_wish(releases, operation)) {
                case WISH_CANCEL:
                        return -ECANCELED;
                case WISH_STOP:
                        return -ESHUTDOWN;
                default:
                        operation_wait(releases, wait_usec);
                }
                wait_usec = wait_usec * 2 < POLL_USEC ? wait_usec * 2 : POLL_USEC;
        }
}

int build_run(struct releases *releases, struct operation *operation, struct error *reterr)
{
        int r = 0;

        if (!operation->candidate)
                r = snapshot_open(releases, operation->record.release, &operation->candidate,
                                  reterr);
        if (r == 0 && operation->state == RELEASE_BUILDING)
                r = vectors_take(releases, operation, reterr);
        if (r == 0)
                r = follow(releases, operation->base, operation->candidate, reterr);
        if (r < 0)
                return r;
        crash_point("deploy.following");
        return wait_for_build(releases, operation, reterr);
}

static enum step build(struct releases *releases, struct operation *operation)
{
        struct error error = { 0 };
        int r = 0;

        if (operation->state == RELEASE_PLANNED)
                r = operation_set_state(releases, operation, RELEASE_BUILDING, NULL, &error);
        if (r == 0)
                r = build_run(releases, operation, &error);
        if (r == -ESHUTDOWN)
                return STEP_LEAVE;
        if (r == -ECANCELED)
                return step_cancelled(releases, operation);
        if (r < 0)
                return step_give_up(releases, operation,
                               operation->state == RELEASE_BUILDING ? RELEASE_REJECTED
                                                                    : RELEASE_ABORTED,
                               error_text(&error));
        crash_point("deploy.ready");
        return STEP_ON;
}

/* ---- The switch --------------------------------------------------------------------------- */

static enum step switch_over(struct releases *releases, struct operation *operation)
{
        struct pending pending = { .base = operation->record.base,
                                   .candidate = operation->record.release };
        const struct change change = { .next = operation->candidate,
                                       .other = operation->base,
                                       .pending = &pending };
        struct change_rooms rooms = { 0 };
        struct error error = { 0 };
        int r = wait_for_build(releases, operation, &error);

        if (r == -ESHUTDOWN)
                return STEP_LEAVE;
        if (r == -ECANCELED)
                return step_cancelled(releases, operation);
        operation->base_was_active = releases->active;
        pending.base_was_active = releases->active;
        pending.deadline_usec = clock_wall_usec() +
                                operation->record.confirm_seconds * USEC_PER_SEC;
        (void) snprintf(pending.id, sizeof pending.id, "c%u", operation->record.number);
        if (r == 0)
                r = change_run(releases, &change, &rooms, &error);
        if (r < 0)
                return step_failed(releases, operation, &error);
        (void) pthread_mutex_lock(&releases->lock);
        operation->switched = true;
        operation->served_usec = clock_monotonic_usec();
        (void) pthread_mutex_unlock(&releases->lock);
        if (operation_set_state(releases, operation, RELEASE_PROVISIONAL, NULL, &error) < 0 ||
            operation_set_phase(releases, operation, PHASE_CONFIRM, &error) < 0) {
                change_retire(releases, &rooms);
                revert_run(releases, operation, error_text(&error), true);
                return STEP_ENDED;
        }
        if (operation->record.confirm_seconds > 0) {
                (void) pthread_mutex_lock(&releases->lock);
                memcpy(operation->pending, pending.id, sizeof operation->pending);
                operation->deadline_usec = pending.deadline_usec;
                operation->until_usec = operation->served_usec +
                                        operation->record.confirm_seconds * USEC_PER_SEC;
                (void) pthread_mutex_unlock(&releases->lock);
                operation_tell(releases, operation, step_exit(operation), NULL);
        }
        change_retire(releases, &rooms);
        return STEP_ON;
}

/* ---- All of it ---------------------------------------------------------------------------- */

/* Where not even the intent can be logged. */
static enum step end(struct releases *releases, struct operation *operation,
                     const struct error *error)
{
        if (!operation->switched)
                return step_failed(releases, operation, error);
        revert_run(releases, operation, error_text(error), true);
        return STEP_ENDED;
}

int deploy_run(struct releases *releases, struct operation *operation)
{
        static const struct {
                enum operation_phase phase;
                enum step (*run)(struct releases *releases, struct operation *operation);
        } steps[] = {
                { PHASE_BUILD, build },        { PHASE_GATE, step_gate },
                { PHASE_CANARY, step_canary }, { PHASE_SWITCH, switch_over },
                { PHASE_CONFIRM, step_confirm }, { PHASE_BAKE, step_bake },
        };
        enum operation_phase begun = operation->record.phase;

        if (!operation->base && !operation->switched)
                operation->base = releases_serving(releases);
        crash_point("deploy.recorded");
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                struct error error = { 0 };
                enum step step = STEP_ON;

                /* What an earlier run of the daemon did is not done again, but that the candidate
                 * is followed. */
                if (steps[i].phase < begun &&
                    (steps[i].phase != PHASE_BUILD || begun >= PHASE_SWITCH))
                        continue;
                if (steps[i].phase > operation->record.phase &&
                    operation_set_phase(releases, operation, steps[i].phase, &error) < 0)
                        step = end(releases, operation, &error);
                if (step == STEP_ON)
                        step = steps[i].run(releases, operation);
                if (step != STEP_ON)
                        return step == STEP_LEAVE ? -ESHUTDOWN : 0;
        }
        return 0;
}
