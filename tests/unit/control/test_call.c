/* SPDX-License-Identifier: Apache-2.0 */
/* What one call leaves in the audit log, and whose data it works on. */
#include "base/json.h"
#include "base/log.h"
#include "config/values.h"
#include "control/call_inside.h"
#include "control/connection.h"
#include "release/release.h"
#include "release/snapshot.h"
#include "tests/lib/control_fakes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Without a loop and threads ------------------------------------------------------------- */

static struct config config;
static struct snapshot serving = { .release = 7, .config = &config };
static int pinned;

struct release_pin releases_pin(struct releases *releases, const struct arm_key *key)
{
        (void) releases;
        (void) key;
        pinned++;
        return (struct release_pin){ .snapshot = &serving };
}

struct snapshot *snapshot_unref(struct snapshot *snapshot)
{
        pinned -= snapshot ? 1 : 0;
        return NULL;
}

const struct control_services *call_services(const struct call *call)
{
        return call->control->services;
}

const struct snapshot *call_release(struct call *call)
{
        (void) call;
        return &serving;
}

const char *call_string(const struct call *call, const char *name, const char *otherwise)
{
        const char *text = otherwise;

        (void) json_get_string(call->parameters, name, &text, NULL);
        return text;
}

static struct control control;

static struct call call_of(const char *method, const char *parameters)
{
        static struct control_services services;
        struct call call = { .control = &control, .command = command_find(method),
                             .origin = { .listener = CONTROL_ADMIN, .uid = 1000, .pid = 7 } };

        assert_non_null(call.command);
        assert_int_equal(json_parse(parameters, strlen(parameters), &call.parameters, NULL), 0);
        control_fakes_reset();
        config.multi_tenant = true;
        pinned = 0;
        services = (struct control_services){ .audit = control_fakes_audit,
                                              .tenants = control_fakes_tenants(),
                                              .lifecycle = control_fakes_lifecycle() };
        control.services_copy = services;
        control.services = &control.services_copy;
        return call;
}

static void done(struct call *call)
{
        call_leave_tenant(call);
        json_object_put(call->parameters);
        assert_int_equal(control_fakes.entered, control_fakes.left);
        assert_int_equal(pinned, 0);
}

/* ---- Audit ---------------------------------------------------------------------------------- */

static void test_a_change_has_a_line_before_and_one_after(void **state)
{
        struct call call = call_of("io.ragd.Control.TenantSuspend", "{\"name\":\"acme\"}");
        char expected[512];

        (void) state;
        assert_int_equal(call_audit_begin(&call, NULL), 0);
        assert_int_equal(call_audit_begin(&call, NULL), 0); /* the next step of it */
        assert_int_equal(control_fakes.n_lines, 1);
        call_audit_end(&call, NULL, "ok");
        call_audit_end(&call, NULL, "ok");
        assert_int_equal(control_fakes.n_lines, 2);
        assert_int_equal(control_fakes.release, 7);
        assert_int_equal(strlen(call.request_id), ID_TEXT_SIZE - 1);
        for (size_t i = 0; i < 2; i++) {
                (void) snprintf(expected, sizeof expected,
                                "%s TenantSuspend tenants/acme acme - io.ragd.Control %s"
                                " {\"name\":\"acme\"}", i ? "ok" : "begun", call.request_id);
                assert_string_equal(control_fakes.lines[i], expected);
        }
        done(&call);
}

static void test_a_failure_is_told_by_its_name(void **state)
{
        static const struct {
                int code;
                const char *begins, *name;
        } cases[] = {
                { -ENOENT, "failed ", " NotFound " },
                { -EDQUOT, "denied ", " QuotaExceeded " },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct call call = call_of("io.ragd.Control.CollectionCreate",
                                           "{\"name\":\"notes\",\"request_id\":\"r-1\"}");

                assert_int_equal(call_audit_begin(&call, NULL), 0);
                call_audit_end(&call, command_error_of(cases[i].code), NULL);
                assert_int_equal(strncmp(control_fakes.lines[1], cases[i].begins, 7), 0);
                assert_non_null(strstr(control_fakes.lines[1], cases[i].name));
                assert_non_null(strstr(control_fakes.lines[1], " collections/notes default "));
                assert_non_null(strstr(control_fakes.lines[1], " r-1 "));
                done(&call);
        }
}

static void test_nothing_is_changed_that_cannot_be_recorded(void **state)
{
        struct call call = call_of("io.ragd.Control.Stop", "{}");
        struct error error = { 0 };

        (void) state;
        control_fakes.fail_at = 1;
        assert_int_equal(call_audit_begin(&call, &error), -ENOSPC);
        assert_non_null(strstr(error_text(&error), "audit log"));
        control_fakes.fail_at = 0;
        call_audit_end(&call, command_error_of(-ENOSPC), NULL); /* of what never began */
        assert_int_equal(control_fakes.n_lines, 0);
        done(&call);
}

static void test_an_outcome_that_cannot_be_written_changes_no_answer(void **state)
{
        struct call call = call_of("io.ragd.Control.Stop", "{}");

        (void) state;
        control_fakes.fail_at = 2;
        assert_int_equal(call_audit_begin(&call, NULL), 0);
        call_audit_end(&call, NULL, "ok");
        assert_int_equal(control_fakes.n_lines, 1);
        done(&call);
}

static void test_a_look_is_not_recorded_and_its_denial_is(void **state)
{
        struct call call = call_of("io.ragd.Control.Search", "{\"query\":\"who earns what\"}");

        (void) state;
        assert_int_equal(call_audit_begin(&call, NULL), 0);
        call_audit_end(&call, NULL, "ok");
        assert_int_equal(control_fakes.n_lines, 0);
        call.origin.listener = CONTROL_OBSERVE;
        call.refusal = "org.varlink.service.PermissionDenied";
        call_audit_denied(&call);
        assert_int_equal(control_fakes.n_lines, 1);
        assert_int_equal(strncmp(control_fakes.lines[0],
                                 "denied Search - default PermissionDenied io.ragd.Observe ", 57),
                         0);
        assert_null(strstr(control_fakes.lines[0], "earns")); /* questions are nobody's business */
        done(&call);
}

static void test_a_line_holds_no_key_and_no_copy_of_the_call(void **state)
{
        static const char key[] = "ragd_production_abcdefghijklmnop_"
                                  "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz_01234567";
        char parameters[16384];
        struct call call;

        (void) state;
        (void) snprintf(parameters, sizeof parameters, "{\"tenant\":\"acme\",\"key\":\"%s\"}", key);
        call = call_of("io.ragd.Control.KeyRevoke", parameters);
        assert_int_equal(call_audit_begin(&call, NULL), 0);
        assert_non_null(strstr(control_fakes.lines[0], " tenants/acme acme "));
        assert_non_null(strstr(control_fakes.lines[0], "bytes"));
        assert_null(strstr(control_fakes.lines[0], "abcdefgh"));
        done(&call);

        (void) snprintf(parameters, sizeof parameters, "{\"name\":\"%012000d\"}", 0);
        call = call_of("io.ragd.Control.CollectionCreate", parameters);
        assert_int_equal(call_audit_begin(&call, NULL), 0);
        assert_non_null(strstr(control_fakes.lines[0], "{\"omitted_bytes\":120"));
        done(&call);
}

static void test_objects_are_paths(void **state)
{
        static const struct {
                const char *method, *parameters, *object;
        } cases[] = {
                { "DocumentDelete",
                  "{\"collection\":\"c\",\"external_id\":\"a/b\",\"tenant\":\"t\"}",
                  "collections/c/documents/a/b" },
                { "GenerationRemove", "{\"collection\":\"c\",\"number\":3}",
                  "collections/c/generations/3" },
                { "KeyRevoke", "{\"tenant\":\"acme\",\"key\":\"abc\"}", "tenants/acme/keys/abc" },
                { "KeyCreate", "{\"tenant\":\"acme\",\"name\":\"web\"}", "tenants/acme" },
                { "TenantQuotaSet", "{\"name\":\"acme\",\"limits\":[\"bytes=1\"]}",
                  "tenants/acme" },
                { "JobCancel", "{\"id\":\"j\"}", "jobs/j" },
                { "Confirm", "{\"id\":\"o-1\"}", "operations/o-1" },
                { "Rollback", "{\"release\":12,\"reason\":\"r\"}", "releases/12" },
                { "ProviderTest", "{\"name\":\"openai\"}", "providers/openai" },
                { "GoldenAdd", "{\"collection\":\"c\",\"query\":\"q\",\"ids\":[]}",
                  "collections/c" },
                { "Stop", "{}", NULL },
                { "Ingest", "{}", NULL },
                { "CollectionDelete", "{\"name\":{\"a\":1},\"yes\":[]}",
                  "collections/{ \"a\": 1 }" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *parameters = NULL;
                char method[64], object[COMMAND_OBJECT_SIZE];
                const char *got;

                (void) snprintf(method, sizeof method, "io.ragd.Control.%s", cases[i].method);
                assert_int_equal(json_parse(cases[i].parameters, strlen(cases[i].parameters),
                                            &parameters, NULL), 0);
                got = command_object(command_find(method), parameters, object);
                if (!got != !cases[i].object || (got && strcmp(got, cases[i].object) != 0))
                        fail_msg("%s: %s", cases[i].method, got ? got : "-");
        }
}

/* ---- Tenants -------------------------------------------------------------------------------- */

static void test_who_names_no_tenant_works_on_the_default_one(void **state)
{
        static const char *const cases[] = { "{}", "{\"tenant\":\"default\"}" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct call call = call_of("io.ragd.Control.JobList", cases[i]);
                struct tenant_id tenant;

                config.multi_tenant = false;
                memset(control.services_copy.tenant.id.bytes, 0xde, ID_BYTES);
                assert_int_equal(call_tenant(&call, &tenant, NULL), 0);
                assert_int_equal(tenant.id.bytes[0], 0xde);
                assert_int_equal(control_fakes.looked_up, 0);
                assert_int_equal(control_fakes.entered, 1);
                assert_int_equal(call_tenant(&call, &tenant, NULL), 0); /* it is in already */
                assert_int_equal(control_fakes.entered, 1);
                done(&call);
        }
}

static void test_a_tenant_is_found_by_its_name_and_entered(void **state)
{
        struct call call = call_of("io.ragd.Control.JobCancel",
                                   "{\"id\":\"j\",\"tenant\":\"acme\"}");
        struct tenant_id tenant;

        (void) state;
        assert_int_equal(call_tenant(&call, &tenant, NULL), 0);
        assert_int_equal(tenant.id.bytes[0], 0xac);
        assert_int_equal(control_fakes.entered, 1);
        /* The next step looks by its id: the name may be somebody else's by then. */
        call_leave_tenant(&call);
        json_object_object_del(call.parameters, "tenant");
        assert_int_equal(call_tenant(&call, &tenant, NULL), 0);
        assert_int_equal(tenant.id.bytes[0], 0xac);
        assert_int_equal(control_fakes.entered, 2);
        done(&call);
}

static void test_tenants_that_are_not_there_are_named(void **state)
{
        struct call call = call_of("io.ragd.Control.JobList", "{\"tenant\":\"nobody\"}");
        struct error error = { 0 };
        struct tenant_id tenant;

        (void) state;
        assert_int_equal(call_tenant(&call, &tenant, &error), -ENOENT);
        assert_string_equal(error_text(&error), "there is no tenant nobody");
        assert_string_equal(error.origin.key, "tenant");
        config.multi_tenant = false;
        assert_int_equal(call_tenant(&call, &tenant, &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "rag.multi_tenant is false"));
        done(&call);
}

static void test_a_suspended_tenant_is_looked_at_and_not_changed(void **state)
{
        struct call call = call_of("io.ragd.Control.JobList", "{\"tenant\":\"acme\"}");
        struct error error = { 0 };
        struct tenant_id tenant;

        (void) state;
        control_fakes.state = TENANT_SUSPENDED;
        assert_int_equal(call_tenant(&call, &tenant, NULL), 0);
        done(&call);

        call = call_of("io.ragd.Control.CollectionCreate",
                       "{\"name\":\"c\",\"tenant\":\"acme\"}");
        control_fakes.state = TENANT_SUSPENDED;
        assert_int_equal(call_tenant(&call, &tenant, &error), -EPERM);
        assert_non_null(strstr(error_text(&error), "acme is suspended"));
        done(&call);
}

static void test_an_offloaded_tenant_is_brought_back_first(void **state)
{
        struct call call = call_of("io.ragd.Control.JobList", "{\"tenant\":\"acme\"}");
        struct tenant_id tenant;

        (void) state;
        control_fakes.state = TENANT_OFFLOADED;
        assert_int_equal(call_tenant(&call, &tenant, NULL), 0);
        assert_int_equal(control_fakes.activated, 1);
        assert_int_equal(control_fakes.entered, 1);
        done(&call);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_change_has_a_line_before_and_one_after),
                cmocka_unit_test(test_a_failure_is_told_by_its_name),
                cmocka_unit_test(test_nothing_is_changed_that_cannot_be_recorded),
                cmocka_unit_test(test_an_outcome_that_cannot_be_written_changes_no_answer),
                cmocka_unit_test(test_a_look_is_not_recorded_and_its_denial_is),
                cmocka_unit_test(test_a_line_holds_no_key_and_no_copy_of_the_call),
                cmocka_unit_test(test_objects_are_paths),
                cmocka_unit_test(test_who_names_no_tenant_works_on_the_default_one),
                cmocka_unit_test(test_a_tenant_is_found_by_its_name_and_entered),
                cmocka_unit_test(test_tenants_that_are_not_there_are_named),
                cmocka_unit_test(test_a_suspended_tenant_is_looked_at_and_not_changed),
                cmocka_unit_test(test_an_offloaded_tenant_is_brought_back_first),
        };

        log_set_level(LOG_LEVEL_ERROR - 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
