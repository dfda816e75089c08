/* SPDX-License-Identifier: Apache-2.0 */
/* What doors see of the operation, and what they ask of it: confirm, cancel, extend. */
#include "release/inside.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- As JSON ------------------------------------------------------------------------------ */

/* Objects are the operation's alone: what leaves is a copy, since counts are not shared between
 * threads. */
static void add_copy(struct json_object *object, const char *key, struct json_object *value,
                     struct json_object *(*empty)(void) )
{
        struct json_object *copy = NULL;

        if (value && json_object_deep_copy(value, &copy, NULL) < 0)
                copy = NULL;
        json_add(object, key, copy ? copy : empty());
}

static struct json_object *times_json(const struct change_times *times)
{
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "prepare_usec", times->prepare_usec);
        json_add_u64(object, "durable_usec", times->durable_usec);
        json_add_u64(object, "commit_usec", times->commit_usec);
        return object;
}

struct json_object *operation_json(const struct releases *releases,
                                   const struct operation *operation)
{
        struct json_object *object = json_object_new_object(), *confirm = NULL;
        bool serves = operation->switched;

        if (!object)
                return NULL;
        json_add_bool(object, "ok", operation->exit == RELEASE_OK ||
                                            operation->exit == RELEASE_RESTART_PENDING);
        json_add(object, "exit", operation->exit < 0 ? NULL
                                                     : json_object_new_int(operation->exit));
        json_add_string(object, "op", operation->id);
        json_add_string(object, "kind", operation_kind_name(operation->record.kind));
        json_add_string(object, "phase", operation_phase_name(operation->record.phase));
        json_add_u64(object, "done", operation->done);
        json_add_u64(object, "total", operation->total);
        json_add_string(object, "what", operation->what);
        json_add_u64(object, "release", operation->record.release);
        json_add_u64(object, "base", operation->record.base);
        json_add_u64(object, "serving", serves ? operation->record.release
                                               : operation->record.base);
        json_add_string(object, "state", release_state_name(operation->state));
        add_copy(object, "impact", operation->impact, json_object_new_object);
        add_copy(object, "pending_restart", operation->pending_restart, json_object_new_array);
        if (operation->pending[0] && (confirm = json_object_new_object())) {
                json_add_string(confirm, "id", operation->pending);
                json_add_time(confirm, "deadline", operation->deadline_usec);
        }
        json_add(object, "confirm", confirm);
        add_copy(object, "diagnostics", operation->diagnostics, json_object_new_array);
        add_copy(object, "evidence", operation->evidence, json_object_new_array);
        json_add_string(object, "why", operation->why[0] ? operation->why : NULL);
        json_add(object, "switch", serves ? times_json(&releases->times) : NULL);
        json_add_bool(object, "held", operation->held);
        json_add_bool(object, "finished", operation->finished);
        return object;
}

static int from_record(struct releases *releases, uint32_t number, struct json_object **ret,
                       struct error *reterr)
{
        struct operation_record record = { 0 };
        int r = number ? ops_read(releases->state_dirfd, number, &record, reterr)
                       : ops_newest(releases->state_dirfd, &record, reterr);

        if (r < 0)
                return r;
        *ret = json_object_get(record.result);
        if (!*ret)
                r = error_set(reterr, -ENOENT, "operation o-%u left no result", record.number);
        operation_record_done(&record);
        return r;
}

int releases_operation(struct releases *releases, uint32_t number, struct json_object **ret,
                       uint64_t *ret_change, struct error *reterr)
{
        struct json_object *object = NULL;
        bool found;

        if (ret_change)
                *ret_change = releases_change(releases);
        (void) pthread_mutex_lock(&releases->lock);
        found = releases->operation &&
                (number == 0 || releases->operation->record.number == number);
        if (found)
                object = operation_json(releases, releases->operation);
        (void) pthread_mutex_unlock(&releases->lock);
        if (!found)
                return from_record(releases, number, ret, reterr);
        if (!object)
                return error_oom(reterr);
        *ret = object;
        return 0;
}

/* ---- What doors ask for ------------------------------------------------------------------- */

static bool is_meant(const struct operation *operation, const char *id)
{
        char release[16], pending[OPERATION_ID_SIZE];

        (void) snprintf(release, sizeof release, "%u", operation->record.release);
        (void) snprintf(pending, sizeof pending, "c%u", operation->record.number);
        return !id || strcmp(id, operation->id) == 0 || strcmp(id, release) == 0 ||
               strcmp(id, pending) == 0;
}

/* The operation that `id` means, which runs.  Under `lock`. */
static int find_running(struct releases *releases, const char *id, struct operation **ret,
                        struct error *reterr)
{
        struct operation *operation = releases->operation;

        if (!operation || (operation->finished && !id))
                return error_set(reterr, -ENOENT, "no operation is under way");
        if (!is_meant(operation, id))
                return error_set(reterr, -ENOENT, "%s is not under way; %s is", id, operation->id);
        if (operation->finished)
                return error_set(reterr, -EALREADY, "%s is over: release %u is %s", operation->id,
                                 operation->record.release, release_state_name(operation->state));
        *ret = operation;
        return 0;
}

static void remember(struct operation *operation, const struct release_author *author)
{
        (void) snprintf(operation->by, sizeof operation->by, "uid %u over %s",
                        (unsigned) author->uid, author->via ? author->via : "a door");
}

int releases_confirm(struct releases *releases, const char *id, const struct release_author *author,
                     uint32_t *ret_operation, struct error *reterr)
{
        struct operation *operation = NULL;
        int r;

        (void) pthread_mutex_lock(&releases->lock);
        r = find_running(releases, id, &operation, reterr);
        if (r == 0 && !operation->held && operation->record.phase != PHASE_CONFIRM &&
            operation->record.phase != PHASE_BAKE)
                r = error_set(reterr, -ENOENT, "%s waits for nobody: %s", operation->id,
                              operation->what);
        else if (r == 0 && operation->cancel)
                r = error_set(reterr, -EALREADY, "%s was cancelled", operation->id);
        if (r == 0) {
                operation->confirm = true;
                remember(operation, author);
                *ret_operation = operation->record.number;
                (void) pthread_cond_broadcast(&releases->wake);
        }
        (void) pthread_mutex_unlock(&releases->lock);
        return r;
}

int releases_cancel(struct releases *releases, const char *id, const struct release_author *author,
                    uint32_t *ret_operation, struct error *reterr)
{
        struct operation *operation = NULL;
        int r;

        (void) pthread_mutex_lock(&releases->lock);
        r = find_running(releases, id, &operation, reterr);
        if (r == 0 && operation->record.kind != OPERATION_DEPLOY &&
            operation->record.phase >= PHASE_SWITCH)
                r = error_set(reterr, -EALREADY, "%s switches already, and has no way back but a "
                                                 "rollback", operation->id);
        if (r == 0) {
                operation->cancel = true;
                remember(operation, author);
                *ret_operation = operation->record.number;
                (void) pthread_cond_broadcast(&releases->wake);
        }
        (void) pthread_mutex_unlock(&releases->lock);
        return r;
}

int releases_extend(struct releases *releases, const char *id, uint32_t seconds,
                    struct error *reterr)
{
        struct operation *operation = NULL;
        int r;

        (void) pthread_mutex_lock(&releases->lock);
        r = find_running(releases, id, &operation, reterr);
        if (r == 0 && (operation->record.phase != PHASE_CONFIRM || !operation->deadline_usec))
                r = error_set(reterr, -ENOENT, "%s has no confirm window that is open",
                              operation->id);
        if (r == 0) {
                operation->deadline_usec += seconds * USEC_PER_SEC;
                operation->until_usec += seconds * USEC_PER_SEC;
        }
        (void) pthread_mutex_unlock(&releases->lock);
        if (r == 0)
                releases_changed(releases);
        return r;
}
