/* SPDX-License-Identifier: Apache-2.0 */
/* The handlers about releases, with a call and an engine that only note what they are asked. */
#include "base/json.h"
#include "control/handlers.h"
#include "control/operation.h"
#include "control/types.h"
#include "tests/lib/release_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- A call that notes -------------------------------------------------------------------- */

struct call {
        struct json_object *parameters, *reply, *about, *noticed;
        char name[32]; /* of the failure, where it was named */
        int code;
        struct error error;
        size_t n_notices;
        bool more, again, gone;
        void *state;
        void (*free_state)(void *state);
};

const struct control_services *call_services(const struct call *call)
{
        static const struct control_services services = { .version = "1" };

        (void) call;
        return &services;
}

struct json_object *call_parameters(const struct call *call)
{
        return call->parameters;
}

const char *call_string(const struct call *call, const char *name, const char *otherwise)
{
        const char *text = otherwise;

        (void) json_get_string(call->parameters, name, &text, NULL);
        return text;
}

bool call_bool(const struct call *call, const char *name)
{
        bool value = false;

        (void) json_get_bool(call->parameters, name, &value, NULL);
        return value;
}

bool call_wants_more(const struct call *call)
{
        return call->more;
}

bool call_gone(const struct call *call)
{
        return call->gone;
}

void call_get_caller(const struct call *call, uid_t *ret_uid, pid_t *ret_pid)
{
        (void) call;
        *ret_uid = 1000;
        *ret_pid = 7;
}

int call_notify(struct call *call, struct json_object *takes_parameters)
{
        json_object_put(call->noticed);
        call->noticed = takes_parameters;
        call->n_notices++;
        return 0;
}

void call_reply(struct call *call, struct json_object *takes_parameters)
{
        assert_null(call->reply);
        assert_int_equal(call->code, 0);
        call->reply = takes_parameters;
}

void reply_with(struct call *call, const char *key, struct json_object *takes_value)
{
        struct json_object *reply = json_object_new_object();

        json_add(reply, key, takes_value);
        call_reply(call, reply);
}

void reply_done(struct call *call)
{
        call_reply(call, json_object_new_object());
}

bool read_number(struct call *call, const char *name, uint64_t min, uint64_t max,
                 uint64_t otherwise, uint64_t *ret)
{
        struct error error = { 0 };
        int r;

        *ret = otherwise;
        r = json_get_u64(call->parameters, name, min, max, ret, &error);
        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}

void call_fail(struct call *call, int code, const struct error *error)
{
        assert_null(call->reply);
        call->code = code;
        call->error = *error;
        (void) snprintf(call->name, sizeof call->name, "%s", command_error_of(code)->name);
}

void call_fail_as(struct call *call, const char *name, const struct error *error,
                  struct json_object *takes_about)
{
        call_fail(call, error->code, error);
        (void) snprintf(call->name, sizeof call->name, "%s", name);
        assert_string_equal(command_error_find(name)->name, name);
        if (takes_about && command_error_find(name)->about)
                assert_true(type_fields_fit(command_error_find(name)->about, takes_about, true));
        call->about = takes_about;
}

void call_keep(struct call *call, void *takes_state, void (*free_state)(void *state))
{
        call->state = takes_state;
        call->free_state = free_state;
}

void *call_kept(const struct call *call)
{
        return call->state;
}

void call_again(struct call *call, uint64_t after_usec)
{
        assert_true(after_usec > 0);
        call->again = true;
}

/* ---- Calling -------------------------------------------------------------------------------- */

static const struct command *row_of(const char *method)
{
        char full[96];
        const struct command *command;

        (void) snprintf(full, sizeof full, "%s%s", strchr(method, '.') ? "" : CONTROL_INTERFACE ".",
                        method);
        command = command_find(full);
        assert_non_null(command);
        return command;
}

/* Runs the handler to its end; the reply is held against what the row declares. */
static struct call *call(const char *method, call_handler handler, const char *parameters, bool more)
{
        const struct command *command = row_of(method);
        struct call *made = calloc(1, sizeof *made);

        assert_non_null(made);
        assert_int_equal(json_parse(parameters, strlen(parameters), &made->parameters, NULL), 0);
        for (const struct command_field *field = command->input; field->name; field++) {
                struct json_object *value = NULL;

                (void) json_object_object_get_ex(made->parameters, field->name, &value);
                if (field->side != COMMAND_CLIENT && !type_fits(field->type, value, true))
                        fail_msg("%s: %s is no %s", method, field->name, field->type);
        }
        made->more = more;
        do {
                made->again = false;
                handler(made);
                if (made->noticed && !type_fields_fit(command->output, made->noticed, true))
                        fail_msg("%s: %s", method, json_text(made->noticed, NULL));
        } while (made->again);
        assert_true(made->reply || made->code < 0);
        if (made->reply && !type_fields_fit(command->output, made->reply, true))
                fail_msg("%s: %s", method, json_text(made->reply, NULL));
        return made;
}

static void done(struct call *made)
{
        json_object_put(made->parameters);
        json_object_put(made->reply);
        json_object_put(made->about);
        json_object_put(made->noticed);
        if (made->free_state)
                made->free_state(made->state);
        free(made);
}

static int begin(void **state)
{
        (void) state;
        release_fakes = (struct release_fakes){ 0 };
        return 0;
}

#define PLACE(phase, held, more)                                                                  \
        "{\"ok\":false,\"exit\":null,\"op\":\"o-91\",\"kind\":\"deploy\",\"phase\":\"" phase      \
        "\",\"done\":1,\"total\":9,\"what\":\"chunks\",\"release\":43,\"base\":42,\"serving\":42," \
        "\"state\":\"building\",\"why\":null,\"held\":" held more "}"
#define RUNS(phase) PLACE(phase, "false", ",\"confirm\":null,\"finished\":false")
#define HELD(phase) PLACE(phase, "true", ",\"confirm\":null,\"finished\":false")
#define WINDOW                                                                                  \
        PLACE("confirm", "false",                                                              \
              ",\"confirm\":{\"id\":\"c91\",\"deadline\":\"2026-11-21T22:00:00Z\"},"           \
              "\"finished\":false")
#define OVER(code)                                                                              \
        "{\"ok\":true,\"exit\":" code ",\"op\":\"o-91\",\"kind\":\"deploy\",\"phase\":\"done\"," \
        "\"done\":9,\"total\":9,\"what\":\"\",\"release\":43,\"base\":42,\"serving\":43,"      \
        "\"state\":\"stable\",\"why\":\"because\",\"held\":false,\"confirm\":null,"             \
        "\"finished\":true}"

static void let_run(const char *const *operations)
{
        release_fakes.operations = operations;
        release_fakes.n_looks = 0;
}

/* ---- Tests ------------------------------------------------------------------------------------ */

static void test_a_profile_comes_with_what_it_extends(void **state)
{
        struct call *made =
                call("Plan", on_release_plan,
                     "{\"source\":{\"name\":\"/me/own.toml\",\"text\":\"stage = 1\","
                     "\"extends\":{\"name\":\"/me/base.toml\",\"text\":\"[rag]\"}}}", false);

        (void) state;
        assert_string_equal(release_fakes.name, "/me/own.toml");
        assert_string_equal(release_fakes.text, "stage = 1");
        assert_string_equal(release_fakes.extends_name, "/me/base.toml");
        assert_string_equal(release_fakes.extends_text, "[rag]");
        assert_non_null(json_object_object_get(json_object_object_get(made->reply, "plan"),
                                               "plan_id"));
        done(made);
        done(call("Plan", on_release_plan, "{}", false));
        assert_false(release_fakes.has_profile);
}

static void test_faults_of_a_profile_are_told_with_their_places(void **state)
{
        struct call *made;

        (void) state;
        release_fakes.code_of_next = -EUCLEAN;
        made = call("Plan", on_release_plan, "{}", false);
        assert_string_equal(made->name, "InvalidConfig");
        assert_int_equal(command_exit_code("io.ragd.Control.InvalidConfig"), 3);
        assert_int_equal(json_object_array_length(
                                 json_object_object_get(made->about, "diagnostics")), 1);
        done(made);
        /* For validate they are the answer. */
        release_fakes.code_of_next = -EUCLEAN;
        made = call("Validate", on_release_validate, "{\"live\":true}", false);
        assert_true(release_fakes.live);
        assert_false(json_object_get_boolean(json_object_object_get(made->reply, "ok")));
        done(made);
}

static void test_a_deploy_is_followed_to_its_end(void **state)
{
        static const char *const operations[] = { RUNS("recorded"), RUNS("build"), RUNS("build"),
                                                  WINDOW, OVER("0"), NULL };
        struct call *made;

        (void) state;
        let_run(operations);
        made = call("Deploy", on_operation_deploy,
                    "{\"plan_id\":\"p1\",\"reason\":\"why not\",\"confirm_sec\":600,"
                    "\"canary_percent\":[10,50],\"request_id\":\"r1\"}", true);
        assert_string_equal(release_fakes.asked, "deploy");
        assert_string_equal(release_fakes.plan_id, "p1");
        assert_string_equal(release_fakes.reason, "why not");
        assert_string_equal(release_fakes.request_id, "r1");
        assert_int_equal(release_fakes.uid, 1000);
        assert_true(release_fakes.confirm_given);
        assert_int_equal(release_fakes.confirm_seconds, 600);
        assert_int_equal(release_fakes.n_canary, 2);
        assert_int_equal(release_fakes.canary[1], 50);
        assert_int_equal(made->n_notices, 4);
        assert_non_null(json_object_object_get(made->reply, "result"));
        done(made);
}

static void test_a_deploy_that_nobody_waits_for_answers_at_once(void **state)
{
        static const char *const operations[] = { RUNS("build"), NULL };
        struct call *made;

        (void) state;
        let_run(operations);
        made = call("Deploy", on_operation_deploy,
                    "{\"plan_id\":\"p1\",\"reason\":\"r\",\"canary_percent\":[]}", false);
        assert_string_equal(json_object_get_string(json_object_object_get(made->reply, "op")),
                            "o-91");
        assert_true(release_fakes.has_canary); /* as the profile says */
        assert_int_equal(release_fakes.n_canary, 0);
        assert_false(release_fakes.confirm_given);
        done(made);
}

static void test_each_refusal_has_its_error_and_its_exit_code(void **state)
{
        static const char *const busy[] = { RUNS("build"), NULL }, *const window[] = { WINDOW, NULL };
        static const struct {
                const char *method;
                call_handler handler;
                const char *parameters;
                int code;
                const char *const *operations;
                const char *name;
                int exit_code;
        } cases[] = {
#define DEPLOY "Deploy", on_operation_deploy, "{\"plan_id\":\"p\",\"reason\":\"r\"}"
#define ROLLBACK "Rollback", on_operation_rollback, "{\"reason\":\"r\"}"
                { DEPLOY, -ESTALE, NULL, "StalePlan", 4 },
                { DEPLOY, -EBUSY, busy, "Busy", 5 },
                { DEPLOY, -EBUSY, window, "ConfirmPending", 5 },
                { DEPLOY, -EPERM, NULL, "Refused", 12 },
                { "Deploy", on_operation_deploy, "{\"reason\":\"r\"}", 0, NULL, "Invalid", 3 },
                { "Deploy", on_operation_deploy,
                  "{\"plan_id\":\"p\",\"reason\":\"r\",\"canary_percent\":[0]}", 0, NULL, "Invalid",
                  3 },
                { ROLLBACK, -EPERM, NULL, "Refused", 12 },
                { ROLLBACK, -ESTALE, NULL, "Mismatch", 3 },
                { ROLLBACK, -ENOENT, NULL, "NotFound", 3 },
                { ROLLBACK, -ECANCELED, NULL, "CostNotAccepted", 10 },
                { "Reload", on_operation_reload, "{}", -EUCLEAN, NULL, "InvalidConfig", 3 },
                { "Reload", on_operation_reload, "{}", -EPERM, NULL, "InvalidConfig", 3 },
                { "Reload", on_operation_reload, "{}", -EBUSY, busy, "Busy", 5 },
                { "Confirm", on_operation_confirm, "{}", -ENOENT, NULL, "NotFound", 3 },
                { "Watch", on_operation_watch, "{\"op\":\"o-x\"}", 0, busy, "NotFound", 3 },
                { "Watch", on_operation_watch, "{\"op\":\"o-5\"}", 0, busy, "NotFound", 3 },
                { "Extend", on_operation_extend, "{\"seconds\":0}", 0, busy, "Invalid", 3 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct call *made;
                char full[96];

                let_run(cases[i].operations);
                release_fakes.code_of_next = cases[i].code;
                made = call(cases[i].method, cases[i].handler, cases[i].parameters, true);
                if (strcmp(made->name, cases[i].name) != 0)
                        fail_msg("case %zu: %s instead of %s", i, made->name, cases[i].name);
                (void) snprintf(full, sizeof full, CONTROL_INTERFACE ".%s", made->name);
                assert_int_equal(command_exit_code(full), cases[i].exit_code);
                done(made);
        }
}

static void test_what_a_window_waits_for_is_told_with_it(void **state)
{
        static const char *const window[] = { WINDOW, NULL };
        struct call *made;

        (void) state;
        let_run(window);
        release_fakes.code_of_next = -EBUSY;
        made = call("Deploy", on_operation_deploy, "{\"plan_id\":\"p\",\"reason\":\"r\"}", false);
        assert_string_equal(json_object_get_string(json_object_object_get(made->about, "id")),
                            "c91");
        done(made);
}

static void test_a_confirmation_is_answered_when_it_has_taken_effect(void **state)
{
        static const char *const operations[] = { WINDOW, WINDOW, WINDOW, RUNS("bake"), NULL };
        static const char *const held[] = { HELD("canary"), HELD("canary"), RUNS("canary"), NULL };
        struct call *made;

        (void) state;
        let_run(operations);
        made = call("Confirm", on_operation_confirm, "{\"id\":\"c91\"}", false);
        assert_string_equal(release_fakes.id, "c91");
        assert_string_equal(json_object_get_string(json_object_object_get(made->reply, "phase")),
                            "bake");
        done(made);
        let_run(held);
        made = call("Confirm", on_operation_confirm, "{}", false);
        assert_false(json_object_get_boolean(json_object_object_get(made->reply, "held")));
        done(made);
}

static void test_a_cancelled_operation_is_over_when_that_is_answered(void **state)
{
        static const char *const operations[] = { RUNS("build"), RUNS("build"), RUNS("build"),
                                                  OVER("8"), NULL };
        struct call *made;

        (void) state;
        let_run(operations);
        made = call("Cancel", on_operation_cancel, "{}", false);
        assert_string_equal(json_object_get_string(json_object_object_get(made->reply, "phase")),
                            "done");
        done(made);
}

static void test_the_services_reload_fails_where_the_reload_did(void **state)
{
        static const char *const good[] = { RUNS("switch"), OVER("7"), NULL };
        static const char *const bad[] = { RUNS("switch"), OVER("8"), NULL };
        static const char *const worse[] = { OVER("9"), NULL };
        struct call *made;

        (void) state;
        let_run(good);
        made = call("io.systemd.service.Reload", on_service_reload, "{}", false);
        assert_non_null(made->reply);
        done(made);
        let_run(bad);
        made = call("io.systemd.service.Reload", on_service_reload, "{}", false);
        assert_string_equal(made->name, "RolledBack");
        assert_string_equal(error_text(&made->error), "because");
        done(made);
        let_run(worse);
        made = call("io.systemd.service.Reload", on_service_reload, "{}", false);
        assert_string_equal(made->name, "Degraded");
        done(made);
}

static void test_looking_reads_what_the_engine_tells(void **state)
{
        (void) state;
        done(call("History", on_release_history, "{}", false));
        done(call("ReleaseShow", on_release_show, "{\"release\":42}", false));
        assert_int_equal(release_fakes.target, 42);
        done(call("ReleaseDiff", on_release_diff, "{\"from\":41}", false));
        assert_int_equal(release_fakes.from, 41);
        assert_int_equal(release_fakes.to, 0);
        done(call("Drift", on_release_drift, "{}", false));
        done(call("Gc", on_release_gc, "{\"dry_run\":true}", false));
        assert_true(release_fakes.dry_run);
        done(call("GateRun", on_release_gate, "{\"release\":43}", true));
        assert_int_equal(release_fakes.target, 43);
}

static void test_an_override_ends_with_its_day(void **state)
{
        static const struct {
                const char *until;
                uint64_t seconds; /* 0: refused */
        } cases[] = {
                { "2026-12-01", 1796169599 },       { "2026-12-01T08:00Z", 1796112000 },
                { "2026-12-01T08:00:05Z", 1796112005 }, { "tomorrow", 0 }, { "2026-13-01", 0 },
                { "2026-12-01 ", 0 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct call *made;
                char text[128];

                (void) snprintf(text, sizeof text,
                                "{\"code\":\"E_LADDER\",\"until\":\"%s\",\"reason\":\"r\"}",
                                cases[i].until);
                made = call("Override", on_release_override, text, false);
                assert_int_equal(made->code, cases[i].seconds ? 0 : -EINVAL);
                if (cases[i].seconds)
                        assert_int_equal(release_fakes.until_usec / 1000000, cases[i].seconds);
                else
                        assert_string_equal(made->error.origin.key, "until");
                done(made);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(test_a_profile_comes_with_what_it_extends, begin),
                cmocka_unit_test_setup(test_faults_of_a_profile_are_told_with_their_places, begin),
                cmocka_unit_test_setup(test_a_deploy_is_followed_to_its_end, begin),
                cmocka_unit_test_setup(test_a_deploy_that_nobody_waits_for_answers_at_once, begin),
                cmocka_unit_test_setup(test_each_refusal_has_its_error_and_its_exit_code, begin),
                cmocka_unit_test_setup(test_what_a_window_waits_for_is_told_with_it, begin),
                cmocka_unit_test_setup(test_a_confirmation_is_answered_when_it_has_taken_effect, begin),
                cmocka_unit_test_setup(test_a_cancelled_operation_is_over_when_that_is_answered, begin),
                cmocka_unit_test_setup(test_the_services_reload_fails_where_the_reload_did, begin),
                cmocka_unit_test_setup(test_looking_reads_what_the_engine_tells, begin),
                cmocka_unit_test_setup(test_an_override_ends_with_its_day, begin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
