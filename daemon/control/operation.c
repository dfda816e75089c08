/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that begin, follow and end the one operation of the release engine.  The operation is
 * the daemon's: a client that goes away detaches, and changes nothing. */
#include "base/clock.h"
#include "control/handlers.h"
#include "control/operation.h"
#include "control/source.h"

#include <string.h>

#define SECONDS_MAX UINT64_C(604800) /* a week */
#define CANARY_MAX 8
#define PATIENCE_USEC (UINT64_C(45) * USEC_PER_SEC) /* for what was asked to take effect */

static struct releases *releases_of(const struct call *call)
{
        return call_services(call)->releases;
}

static void reply_begun(struct call *call, uint32_t number)
{
        if (call_wants_more(call))
                following_begin(call, number, following_end);
        else
                operation_reply_now(call, number);
}

/* ---- Beginning ------------------------------------------------------------------------------ */

/* What holds the write slot says which error it is. */
static void fail_busy(struct call *call, const struct error *error)
{
        cleanup_json_ struct json_object *operation = NULL;
        struct json_object *about = json_object_new_object(), *confirm = NULL;
        const char *op = NULL, *id = NULL, *deadline = NULL;

        if (releases_operation(releases_of(call), 0, &operation, NULL, NULL) == 0 &&
            !operation_is_finished(operation)) {
                (void) json_get_string(operation, "op", &op, NULL);
                (void) json_get_object(operation, "confirm", &confirm, NULL);
        }
        if (op)
                json_add_string(about, "op", op);
        if (confirm) {
                (void) json_get_string(confirm, "id", &id, NULL);
                (void) json_get_string(confirm, "deadline", &deadline, NULL);
                json_add_string(about, "id", id);
                json_add_string(about, "deadline", deadline);
        }
        call_fail_as(call, confirm ? "ConfirmPending" : "Busy", error, about);
}

/* `refused` and `stale`: the names of -EPERM and -ESTALE. */
static void fail(struct call *call, int code, const struct error *error, const char *refused,
                 const char *stale)
{
        if (code == -EBUSY)
                fail_busy(call, error);
        else if (code == -EPERM)
                call_fail_as(call, refused, error, NULL);
        else if (code == -ESTALE)
                call_fail_as(call, stale, error, NULL);
        else
                call_fail(call, code, error);
}

static int read_canary(struct call *call, uint32_t percents[static CANARY_MAX],
                       struct deploy_request *request, struct error *reterr)
{
        struct json_object *array = NULL;
        size_t n;

        (void) json_get_array(call_parameters(call), "canary_percent", &array, NULL);
        if (!array)
                return 0;
        n = json_object_array_length(array);
        if (n > CANARY_MAX)
                return error_set(reterr, -EINVAL, "a canary has at most %d steps", CANARY_MAX);
        for (size_t i = 0; i < n; i++) {
                int64_t percent = json_object_get_int64(json_object_array_get_idx(array, i));

                if (percent < 1 || percent > 100)
                        return error_set(reterr, -EINVAL, "a share of the traffic is 1 to 100 %%");
                percents[i] = (uint32_t) percent;
        }
        request->canary = percents;
        request->n_canary = n;
        return 0;
}

void on_operation_deploy(struct call *call)
{
        struct following *following = call_kept(call);
        struct deploy_request request = { .plan_id = call_string(call, "plan_id", NULL) };
        uint32_t percents[CANARY_MAX], number = 0;
        struct error error = { 0 };
        uint64_t seconds;
        int r;

        if (following) {
                following_look(call, following);
                return;
        }
        if (!read_number(call, "confirm_sec", 0, SECONDS_MAX, UINT64_MAX, &seconds))
                return;
        request.confirm_given = seconds != UINT64_MAX;
        request.confirm_seconds = (uint32_t) seconds;
        read_request(call, &request.request);
        r = request.plan_id ? read_canary(call, percents, &request, &error)
                            : error_set(&error, -EINVAL, "a plan is deployed: make one first");
        if (r == 0)
                r = releases_deploy(releases_of(call), &request, &number, &error);
        if (r < 0)
                fail(call, r, &error, "Refused", "StalePlan");
        else
                reply_begun(call, number);
}

void on_operation_rollback(struct call *call)
{
        struct following *following = call_kept(call);
        struct json_object *cost = NULL, *about;
        struct release_request request;
        struct error error = { 0 };
        uint32_t number = 0;
        uint64_t target;
        int r;

        if (following) {
                following_look(call, following);
                return;
        }
        if (!read_number(call, "release", 1, UINT32_MAX, 0, &target))
                return;
        read_request(call, &request);
        r = releases_rollback(releases_of(call), &request, (uint32_t) target,
                              call_bool(call, "config_only"), call_bool(call, "accept_cost"),
                              &cost, &number, &error);
        if (r == -ECANCELED) {
                about = json_object_new_object();
                json_add(about, "cost", cost);
                call_fail_as(call, "CostNotAccepted", &error, about);
        } else if (r < 0) {
                fail(call, r, &error, "Refused", "Mismatch");
        } else {
                reply_begun(call, number);
        }
}

/* False: the call has failed. */
static bool begin_reload(struct call *call, const char *via, uint32_t *ret_number)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct release_request request;
        struct error error = { 0 };
        int r;

        read_request(call, &request);
        request.author.via = via;
        r = releases_reload(releases_of(call), &request, &diagnostics, ret_number, &error);
        if (r == -EUCLEAN || r == -EPERM)
                fail_invalid(call, &diagnostics, &error);
        else if (r < 0)
                fail(call, r, &error, "Refused", "StalePlan");
        return r >= 0;
}

void on_operation_reload(struct call *call)
{
        struct following *following = call_kept(call);
        uint32_t number = 0;

        if (following)
                following_look(call, following);
        else if (begin_reload(call, "ragctl", &number))
                reply_begun(call, number);
}

/* The interface knows no result: what did not succeed is an error. */
static void end_service_reload(struct call *call, struct json_object *operation)
{
        uint64_t exit_code = EXIT_INTERNAL;
        const char *why = "the reload has failed";
        struct json_object *about;
        struct error error = { 0 };

        (void) json_get_u64(operation, "exit", 0, UINT8_MAX, &exit_code, NULL);
        (void) json_get_string(operation, "why", &why, NULL);
        if (exit_code == EXIT_OK || exit_code == EXIT_RESTART) {
                reply_done(call);
                return;
        }
        about = json_object_new_object();
        json_add(about, "result", json_object_get(operation));
        (void) error_set(&error, -EIO, "%s", why);
        call_fail_as(call, exit_code == EXIT_DEGRADED ? "Degraded" : "RolledBack", &error, about);
}

void on_service_reload(struct call *call)
{
        struct following *following = call_kept(call);
        uint32_t number = 0;

        if (following)
                following_look(call, following);
        else if (begin_reload(call, "varlink", &number))
                following_begin_silently(call, number, end_service_reload);
}

/* ---- Watching ------------------------------------------------------------------------------- */

void on_operation_watch(struct call *call)
{
        struct following *following = call_kept(call);
        const char *op = call_string(call, "op", NULL);
        uint32_t number = op ? operation_number(op) : 0;
        struct error error = { 0 };

        if (following) {
                following_look(call, following);
        } else if (op && number == 0) {
                (void) error_set(&error, -ENOENT, "there is no operation %.64s", op);
                call_fail(call, -ENOENT, &error);
        } else {
                reply_begun(call, number);
        }
}

/* ---- Ending --------------------------------------------------------------------------------- */

/* Answered once it is so: when it has gone on from where it waited, or (`to_the_end`) is over. */
static void end(struct call *call, bool to_the_end,
                int (*function)(struct releases *releases, const char *id,
                                const struct release_author *author, uint32_t *ret_operation,
                                struct error *reterr))
{
        cleanup_json_ struct json_object *before = NULL;
        struct following *following = call_kept(call);
        struct release_request request;
        struct error error = { 0 };
        uint32_t number = 0;
        int r;

        if (following) {
                following_look(call, following);
                return;
        }
        (void) releases_operation(releases_of(call), 0, &before, NULL, NULL);
        read_request(call, &request);
        r = function(releases_of(call), call_string(call, "id", NULL), &request.author, &number,
                     &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        following = following_new(call, number, following_end);
        if (!following)
                return;
        following->silent = true;
        following->until_usec = clock_monotonic_usec() + PATIENCE_USEC;
        if (!to_the_end && before)
                operation_place(before, following->from);
        following_look(call, following);
}

void on_operation_confirm(struct call *call)
{
        end(call, false, releases_confirm);
}

void on_operation_cancel(struct call *call)
{
        end(call, true, releases_cancel);
}

void on_operation_extend(struct call *call)
{
        struct error error = { 0 };
        uint64_t seconds;
        int r;

        if (!read_number(call, "seconds", 1, SECONDS_MAX, 0, &seconds))
                return;
        r = releases_extend(releases_of(call), call_string(call, "id", NULL), (uint32_t) seconds,
                            &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                operation_reply_now(call, 0);
}
