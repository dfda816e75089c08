/* SPDX-License-Identifier: Apache-2.0 */
/* The one write operation: its slot, what is told of it, and its end. */
#include "release/inside.h"

#include "base/clock.h"
#include "release/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct operation *operation_free(struct operation *operation)
{
        if (!operation)
                return NULL;
        snapshot_unref(operation->base);
        snapshot_unref(operation->candidate);
        json_object_put(operation->impact);
        json_object_put(operation->pending_restart);
        json_object_put(operation->diagnostics);
        json_object_put(operation->evidence);
        operation_record_done(&operation->record);
        free(operation);
        return NULL;
}

/* ---- The slot ----------------------------------------------------------------------------- */

static int find_request(struct releases *releases, const char *request_id, uint32_t *ret_operation)
{
        struct operation_record record = { 0 };

        if (!request_id || ops_find_request(releases->state_dirfd, request_id, &record, NULL) < 0)
                return 0;
        *ret_operation = record.number;
        operation_record_done(&record);
        return -EALREADY;
}

/* One that is over but for its record frees the slot in a moment.  Under `lock`. */
static void await_end(struct releases *releases)
{
        uint64_t until = clock_monotonic_usec() + USEC_PER_SEC;
        const struct timespec when = { .tv_sec = (time_t) (until / USEC_PER_SEC),
                                       .tv_nsec = (long) (until % USEC_PER_SEC) * 1000 };

        while (releases->operation && !releases->operation->finished &&
               releases->operation->record.phase == PHASE_DONE && !releases->stopping)
                if (pthread_cond_timedwait(&releases->wake, &releases->lock, &when) != 0)
                        break;
}

int operation_reserve(struct releases *releases, const struct release_request *request,
                      uint32_t *ret_operation, struct error *reterr)
{
        const struct operation *running;
        int r = 0;

        if (request->request_id && (!*request->request_id || strlen(request->request_id) >
                                                                     OPERATION_REQUEST_ID_MAX))
                return error_set(reterr, -EINVAL, "a request id has 1 to %d bytes",
                                 OPERATION_REQUEST_ID_MAX);
        (void) pthread_mutex_lock(&releases->lock);
        await_end(releases);
        running = releases->operation;
        if (running && !running->finished && request->request_id &&
            strcmp(running->record.request_id, request->request_id) == 0) {
                *ret_operation = running->record.number;
                r = -EALREADY;
        } else if (running && !running->finished) {
                r = error_set(reterr, -EBUSY, "%s is under way: %s of release %u (%s)",
                              running->id, operation_kind_name(running->record.kind),
                              running->record.release, running->what);
        } else if (releases->reserved || !releases->started) {
                r = error_set(reterr, -EBUSY, "%s", releases->started
                                                            ? "another change begins"
                                                            : "the daemon starts or stops");
        } else {
                releases->reserved = true;
        }
        (void) pthread_mutex_unlock(&releases->lock);
        if (r < 0)
                return r;
        r = find_request(releases, request->request_id, ret_operation);
        if (r < 0)
                operation_give_up(releases);
        return r;
}

void operation_give_up(struct releases *releases)
{
        (void) pthread_mutex_lock(&releases->lock);
        releases->reserved = false;
        (void) pthread_mutex_unlock(&releases->lock);
}

void operation_unbegun(struct releases *releases, const struct operation_record *record,
                       const struct error *error)
{
        if (record->release != record->base) /* else it was there before */
                (void) release_set_state(releases->state_dirfd, record->release, RELEASE_ABORTED,
                                         error_text(error), NULL);
}

/* All of it that may fail; durable with the last of it. */
static int make_operation(struct releases *releases, const struct operation_record *record,
                          struct json_object *impact, struct json_object *pending_restart,
                          struct operation **ret, struct error *reterr)
{
        cleanup_(operation_free_cleanup) struct operation *operation =
                calloc(1, sizeof *operation);
        int r;

        if (!operation)
                return error_oom(reterr);
        operation->record = *record;
        operation->record.begun_usec = operation->record.phase_usec = clock_wall_usec();
        (void) snprintf(operation->what, sizeof operation->what, "beginning");
        operation->exit = -1;
        operation->state = RELEASE_PLANNED;
        operation->evidence = json_object_new_array();
        if ((impact && json_object_deep_copy(impact, &operation->impact, NULL) < 0) ||
            (pending_restart &&
             json_object_deep_copy(pending_restart, &operation->pending_restart, NULL) < 0))
                return error_oom(reterr);
        r = ops_begin(releases->state_dirfd, &operation->record, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "the intent cannot be logged");
        (void) snprintf(operation->id, sizeof operation->id, "o-%u", operation->record.number);
        *ret = take_ptr(operation);
        return 0;
}

int operation_hand_over(struct releases *releases, const struct operation_record *record,
                        struct json_object *impact, struct json_object *pending_restart,
                        bool needs_build, uint32_t *ret_operation, struct error *reterr)
{
        struct operation *operation = NULL, *former;
        struct error error = { 0 };
        int r = make_operation(releases, record, impact, pending_restart, &operation, &error);

        if (r < 0) {
                operation_unbegun(releases, record, &error);
                if (reterr)
                        *reterr = error;
                return r;
        }
        operation->needs_build = needs_build;
        *ret_operation = operation->record.number;
        (void) pthread_mutex_lock(&releases->lock);
        former = releases->operation;
        releases->operation = operation;
        releases->reserved = false;
        (void) pthread_cond_broadcast(&releases->wake);
        (void) pthread_mutex_unlock(&releases->lock);
        operation_free(former);
        releases_changed(releases);
        return 0;
}

/* ---- Steps -------------------------------------------------------------------------------- */

void operation_run(struct releases *releases, struct operation *operation)
{
        static int (*const kinds[OPERATION_KIND_MAX])(struct releases *, struct operation *) = {
                [OPERATION_DEPLOY] = deploy_run,
                [OPERATION_RELOAD] = reload_run,
                [OPERATION_ROLLBACK] = rollback_run,
        };

        if (kinds[operation->record.kind](releases, operation) == 0) {
                ops_trim(releases->state_dirfd, OPS_KEPT);
                return;
        }
        /* Stopping: the next start goes on.  What this run holds of it goes. */
        releases_set_canary(releases, NULL, 0);
}

int operation_set_phase(struct releases *releases, struct operation *operation,
                        enum operation_phase phase, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&releases->lock);
        operation->record.phase = phase;
        operation->record.phase_usec = clock_wall_usec();
        operation->done = operation->total = 0;
        (void) snprintf(operation->what, sizeof operation->what, "%s",
                        operation_phase_name(phase));
        (void) pthread_mutex_unlock(&releases->lock);
        releases_changed(releases);
        r = ops_save(releases->state_dirfd, &operation->record, reterr);
        return r < 0 ? error_prefix(reterr, r, "the intent cannot be logged") : 0;
}

int operation_set_state(struct releases *releases, struct operation *operation,
                        enum release_state state, const char *why, struct error *reterr)
{
        int r = release_set_state(releases->state_dirfd, operation->record.release, state, why,
                                  reterr);

        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&releases->lock);
        operation->state = state;
        (void) pthread_mutex_unlock(&releases->lock);
        releases_changed(releases);
        releases_tell(releases, RELEASE_EVENT_STATE, operation->record.release,
                      operation->record.base, state, why);
        return 0;
}

void operation_progress(struct releases *releases, struct operation *operation, const char *what,
                        uint64_t done, uint64_t total)
{
        bool changed;

        (void) pthread_mutex_lock(&releases->lock);
        changed = operation->done != done || operation->total != total ||
                  strcmp(operation->what, what) != 0;
        operation->done = done;
        operation->total = total;
        if (what != operation->what)
                (void) snprintf(operation->what, sizeof operation->what, "%s", what);
        (void) pthread_mutex_unlock(&releases->lock);
        if (changed)
                releases_changed(releases);
}

void operation_tell(struct releases *releases, struct operation *operation, int exit,
                    const char *why)
{
        (void) pthread_mutex_lock(&releases->lock);
        operation->exit = exit;
        (void) snprintf(operation->why, sizeof operation->why, "%s", why ? why : "");
        (void) pthread_mutex_unlock(&releases->lock);
        releases_changed(releases);
}

void operation_hold(struct releases *releases, struct operation *operation, const char *why)
{
        (void) pthread_mutex_lock(&releases->lock);
        operation->held = true;
        (void) pthread_mutex_unlock(&releases->lock);
        operation_tell(releases, operation, RELEASE_HELD, why);
        releases_tell(releases, RELEASE_EVENT_HELD, operation->record.release,
                      operation->record.base, operation->state, why);
}

void operation_add_evidence(struct releases *releases, struct operation *operation,
                            const char *name, struct json_object *takes_value)
{
        struct json_object *row = json_object_new_object(), *copy = NULL;

        json_add_string(row, "name", name);
        if (takes_value && json_object_deep_copy(takes_value, &copy, NULL) == 0)
                json_add(row, "value", copy);
        (void) pthread_mutex_lock(&releases->lock);
        json_add(operation->evidence, NULL, row);
        (void) pthread_mutex_unlock(&releases->lock);
        /* Evidence explains; without it the verdict stands all the same. */
        (void) release_add_evidence(releases->state_dirfd, operation->record.release, name,
                                    takes_value, NULL);
}

void operation_add_incident(struct releases *releases, struct operation *operation, const char *why)
{
        struct json_object *incident = json_object_new_object();

        json_add_string(incident, "why", why);
        json_add_time(incident, "at", clock_wall_usec());
        json_add_u64(incident, "release", operation->record.release);
        json_add_u64(incident, "base", operation->record.base);
        json_add_string(incident, "phase", operation_phase_name(operation->record.phase));
        operation_add_evidence(releases, operation, "incident", incident);
}

void operation_finish(struct releases *releases, struct operation *operation, int exit,
                      const char *why)
{
        struct snapshot *base = take_ptr(operation->base);
        struct snapshot *candidate = take_ptr(operation->candidate);
        struct error error = { 0 };

        releases_set_canary(releases, NULL, 0);
        (void) pthread_mutex_lock(&releases->lock);
        operation->record.phase = PHASE_DONE;
        operation->record.phase_usec = clock_wall_usec();
        operation->exit = exit;
        operation->held = false;
        operation->pending[0] = '\0';
        operation->deadline_usec = 0;
        if (why != operation->why)
                (void) snprintf(operation->why, sizeof operation->why, "%s", why ? why : "");
        (void) snprintf(operation->what, sizeof operation->what, "%s",
                        operation_phase_name(PHASE_DONE));
        operation->record.result = operation_json(releases, operation);
        json_add_bool(operation->record.result, "finished", true); /* when it is durable */
        (void) pthread_mutex_unlock(&releases->lock);
        if (ops_save(releases->state_dirfd, &operation->record, &error) < 0)
                releases_degrade(releases, &error, "the end of an operation cannot be logged");
        snapshot_unref(base);
        snapshot_unref(candidate);
        vectors_remove(releases, operation->record.release);
        (void) pthread_mutex_lock(&releases->lock);
        operation->finished = true;
        (void) pthread_cond_broadcast(&releases->wake);
        (void) pthread_mutex_unlock(&releases->lock);
        releases_changed(releases);
}

/* ---- Waiting ------------------------------------------------------------------------------ */

enum wish operation_wish(struct releases *releases, struct operation *operation)
{
        enum wish wish = WISH_NONE;

        (void) pthread_mutex_lock(&releases->lock);
        if (operation->cancel)
                wish = WISH_CANCEL;
        else if (operation->confirm)
                wish = WISH_CONFIRM;
        else if (releases->stopping)
                wish = WISH_STOP;
        operation->confirm = false;
        if (wish == WISH_CONFIRM)
                operation->held = false;
        (void) pthread_mutex_unlock(&releases->lock);
        return wish;
}

void operation_wait(struct releases *releases, uint64_t usec)
{
        uint64_t until = clock_monotonic_usec() + usec;
        const struct timespec when = { .tv_sec = (time_t) (until / USEC_PER_SEC),
                                       .tv_nsec = (long) (until % USEC_PER_SEC) * 1000 };
        const struct operation *operation;
        bool buried;

        (void) drain_look(releases);
        (void) pthread_mutex_lock(&releases->lock);
        operation = releases->operation;
        while (!operation->confirm && !operation->cancel && !releases->stopping &&
               !releases->buried && clock_monotonic_usec() < until)
                if (pthread_cond_timedwait(&releases->wake, &releases->lock, &when) != 0)
                        break;
        buried = releases->buried;
        (void) pthread_mutex_unlock(&releases->lock);
        if (buried)
                releases_free_buried(releases);
}
