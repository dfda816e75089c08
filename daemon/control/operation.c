/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that begin, follow and end the one operation of the release engine.  The operation is
 * the daemon's: a client that goes away detaches, and changes nothing. */
#include "control/operation.h"

#include "base/clock.h"
#include "control/handlers.h"
#include "control/source.h"

#include <stdio.h>
#include <string.h>

#define HEARTBEAT_USEC (UINT64_C(5) * USEC_PER_SEC)
#define LOOK_FIRST_USEC (UINT64_C(5) * USEC_PER_MSEC)
#define LOOK_LAST_USEC (UINT64_C(160) * USEC_PER_MSEC)
#define SECONDS_MAX UINT64_C(604800) /* a week */
#define CANARY_MAX 8
#define PATIENCE_USEC (UINT64_C(45) * USEC_PER_SEC) /* for what was asked to take effect */

static struct releases *releases_of(const struct call *call)
{
        return call_services(call)->releases;
}

/* ---- As replies ----------------------------------------------------------------------------- */

uint32_t operation_number(const char *text)
{
        const char *digits = strncmp(text, "o-", 2) == 0 ? text + 2 : text;
        size_t len = strlen(digits);

        if (len == 0 || len > 9 || strspn(digits, "0123456789") != len)
                return 0;
        return (uint32_t) strtoul(digits, NULL, 10);
}

static bool is_true(struct json_object *object, const char *key)
{
        bool value = false;

        (void) json_get_bool(object, key, &value, NULL);
        return value;
}

bool operation_is_finished(struct json_object *operation)
{
        return is_true(operation, "finished");
}

struct json_object *operation_reply(struct json_object *operation, bool result)
{
        static const char *const told[] = { "op",      "phase", "done",    "total", "what", "release",
                                            "base", "serving", "state", "confirm", "held",  "why", NULL };
        struct json_object *reply = json_object_new_object();

        for (size_t i = 0; reply && told[i]; i++) {
                struct json_object *value = NULL;

                (void) json_object_object_get_ex(operation, told[i], &value);
                json_add(reply, told[i], json_object_get(value));
        }
        if (result)
                json_add(reply, "result", json_object_get(operation));
        return reply;
}

/* ---- Following ------------------------------------------------------------------------------ */

struct following {
        uint32_t number;
        uint64_t told_change, told_usec;
        uint64_t look_usec; /* how long to wait before looking again */
        uint64_t until_usec; /* not longer (monotonic); 0: to the end */
        char from[32];       /* only until it waits for something else than this; or "" */
        bool silent;         /* the method has one reply */
        void (*end)(struct call *call, struct json_object *operation);
};

/* What it is at, and whether it is held there. */
static void name_place(struct json_object *operation, char text[static 32])
{
        const char *phase = "";

        (void) json_get_string(operation, "phase", &phase, NULL);
        (void) snprintf(text, 32, "%.20s%s", phase, is_true(operation, "held") ? " held" : "");
}

static bool is_over(const struct following *following, struct json_object *operation)
{
        char place[32];

        if (operation_is_finished(operation) ||
            (following->until_usec && clock_monotonic_usec() > following->until_usec))
                return true;
        name_place(operation, place);
        return following->from[0] && strcmp(following->from, place) != 0;
}

/* Tells what is news, or that the daemon is alive. */
static void tell(struct call *call, struct following *following, struct json_object *operation,
                 uint64_t change)
{
        uint64_t now_usec = clock_monotonic_usec();
        bool news = following->told_usec == 0 || following->told_change != change;

        following->look_usec = news ? LOOK_FIRST_USEC : 2 * following->look_usec;
        if (following->look_usec > LOOK_LAST_USEC)
                following->look_usec = LOOK_LAST_USEC;
        if (!news && now_usec - following->told_usec < HEARTBEAT_USEC)
                return;
        following->told_change = change;
        following->told_usec = now_usec;
        if (!following->silent)
                (void) call_notify(call, operation_reply(operation, false));
}

static void look(struct call *call, struct following *following)
{
        cleanup_json_ struct json_object *operation = NULL;
        struct error error = { 0 };
        uint64_t change;
        int r = releases_operation(releases_of(call), following->number, &operation, &change,
                                   &error);

        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        if (is_over(following, operation) || call_gone(call)) {
                following->end(call, operation);
                return;
        }
        tell(call, following, operation, change);
        call_again(call, following->look_usec);
}

static void end_with_result(struct call *call, struct json_object *operation)
{
        call_reply(call, operation_reply(operation, true));
}

/* Kept with the call; NULL: it has failed. */
static struct following *new_following(struct call *call, uint32_t number,
                                       void (*end)(struct call *call,
                                                   struct json_object *operation))
{
        struct following *following = calloc(1, sizeof *following);

        if (!following) {
                call_fail(call, -ENOMEM, NULL);
                return NULL;
        }
        following->number = number;
        following->end = end;
        call_keep(call, following, free);
        return following;
}

static void follow(struct call *call, uint32_t number,
                   void (*end)(struct call *call, struct json_object *operation))
{
        struct following *following = new_following(call, number, end);

        if (following)
                look(call, following);
}

static void follow_silently(struct call *call, uint32_t number,
                            void (*end)(struct call *call, struct json_object *operation))
{
        struct following *following = new_following(call, number, end);

        if (!following)
                return;
        following->silent = true;
        look(call, following);
}

/* As it is now. */
static void reply_now(struct call *call, uint32_t number)
{
        cleanup_json_ struct json_object *operation = NULL;
        struct error error = { 0 };
        int r = releases_operation(releases_of(call), number, &operation, NULL, &error);

        if (r < 0)
                call_fail(call, r, &error);
        else
                call_reply(call, operation_reply(operation, true));
}

static void reply_begun(struct call *call, uint32_t number)
{
        if (call_wants_more(call))
                follow(call, number, end_with_result);
        else
                reply_now(call, number);
}

/* ---- Beginning ------------------------------------------------------------------------------ */

void read_request(struct call *call, struct release_request *ret)
{
        *ret = (struct release_request){ .request_id = call_string(call, "request_id", NULL),
                                         .reason = call_string(call, "reason", NULL),
                                         .author.via = "ragctl" };
        call_get_caller(call, &ret->author.uid, &ret->author.pid);
}

const struct release_profile *source_read(struct call *call, struct source *source)
{
        struct json_object *sent = NULL, *extends = NULL;

        (void) json_get_object(call_parameters(call), "source", &sent, NULL);
        if (!sent)
                return NULL;
        *source = (struct source){ 0 };
        (void) json_get_string(sent, "name", &source->profile.name, NULL);
        (void) json_get_string(sent, "text", &source->profile.text, NULL);
        source->profile.len = strlen(source->profile.text);
        (void) json_get_object(sent, "extends", &extends, NULL);
        if (extends) {
                (void) json_get_string(extends, "name", &source->extends.name, NULL);
                (void) json_get_string(extends, "text", &source->extends.text, NULL);
                source->extends.len = strlen(source->extends.text);
                source->profile.extends = &source->extends;
        }
        return &source->profile;
}

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
                look(call, following);
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
                look(call, following);
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
                look(call, following);
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
                look(call, following);
        else if (begin_reload(call, "varlink", &number))
                follow_silently(call, number, end_service_reload);
}

/* ---- Watching ------------------------------------------------------------------------------- */

void on_operation_watch(struct call *call)
{
        struct following *following = call_kept(call);
        const char *op = call_string(call, "op", NULL);
        uint32_t number = op ? operation_number(op) : 0;
        struct error error = { 0 };

        if (following) {
                look(call, following);
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
                look(call, following);
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
        following = new_following(call, number, end_with_result);
        if (!following)
                return;
        following->silent = true;
        following->until_usec = clock_monotonic_usec() + PATIENCE_USEC;
        if (!to_the_end && before)
                name_place(before, following->from);
        look(call, following);
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
                reply_now(call, 0);
}
