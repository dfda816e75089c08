/* SPDX-License-Identifier: Apache-2.0 */
/* What commands about releases read: profiles with what they extend, times, shares of traffic. */
#include "ctl/profile.h"

#include "base/cleanup.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char scratch[] = "/tmp/ragd-profile-XXXXXX";

static int make_scratch(void **state)
{
        (void) state;
        return mkdtemp(scratch) ? 0 : -1;
}

static int remove_scratch(void **state)
{
        char command[128];

        (void) state;
        (void) snprintf(command, sizeof command, "rm -rf %s", scratch);
        return system(command);
}

static const char *write_file(const char *name, const char *text)
{
        static char path[128];
        FILE *file;

        (void) snprintf(path, sizeof path, "%s/%s", scratch, name);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        (void) fclose(file);
        return path;
}

static const char *text_of(struct json_object *object, const char *key)
{
        return json_object_get_string(json_object_object_get(object, key));
}

static void test_a_profile_is_read_with_what_it_extends(void **state)
{
        const struct ctl ctl = { 0 };
        cleanup_json_ struct json_object *source = NULL;
        struct json_object *extends;
        int exit_code;

        (void) state;
        (void) write_file("base.toml", "rag.enabled = true\n");
        source = profile_source(&ctl, write_file("own.toml", "extends = \"base\"\n"), &exit_code);
        assert_int_equal(exit_code, 0);
        assert_string_equal(text_of(source, "text"), "extends = \"base\"\n");
        assert_string_equal(strrchr(text_of(source, "name"), '/'), "/own.toml");
        extends = json_object_object_get(source, "extends");
        assert_string_equal(text_of(extends, "text"), "rag.enabled = true\n");
        assert_string_equal(strrchr(text_of(extends, "name"), '/'), "/base.toml");
}

/* The daemon tells where the fault lies. */
static void test_a_profile_with_faults_is_sent_as_it_is(void **state)
{
        static const char *const texts[] = { "extends = \"nowhere\"\n", "extends = \"../x\"\n",
                                             "extends = 5\n", "x = \n", "" };
        const struct ctl ctl = { 0 };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                cleanup_json_ struct json_object *source = NULL;
                int exit_code;

                source = profile_source(&ctl, write_file("bad.toml", texts[i]), &exit_code);
                assert_int_equal(exit_code, 0);
                assert_string_equal(text_of(source, "text"), texts[i]);
                assert_null(json_object_object_get(source, "extends"));
        }
}

static void test_a_file_that_cannot_be_read_is_told(void **state)
{
        const struct ctl ctl = { .err = { "", "", "", "", "", "", "" } };
        int exit_code = 0;

        (void) state;
        assert_null(profile_source(&ctl, "/nonexistent.toml", &exit_code));
        assert_int_equal(exit_code, EXIT_INVALID);
        assert_null(profile_source(&ctl, write_file("latin.toml", "# caf\xe9\n"), &exit_code));
        assert_int_equal(exit_code, EXIT_INVALID);
}

static void test_times_have_a_unit(void **state)
{
        static const struct {
                const char *text;
                int64_t seconds; /* -1: refused */
        } cases[] = {
                { "10m", 600 }, { "90s", 90 }, { "1h", 3600 }, { "2d", 172800 }, { "0", 0 },
                { "0m", 0 },    { "10", -1 },  { "", -1 },     { "m", -1 },      { "-5m", -1 },
                { "5m3", -1 },  { "5 m", -1 }, { "5x", -1 },   { "99999999s", -1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint64_t seconds = 0;
                int r = duration_parse(cases[i].text, &seconds);

                if ((r < 0) != (cases[i].seconds < 0) ||
                    (r == 0 && seconds != (uint64_t) cases[i].seconds))
                        fail_msg("%s: %d, %ju", cases[i].text, r, (uintmax_t) seconds);
        }
}

/* The deploy options, as the method takes them; NULL: they are refused. */
static char *options_of(const char *confirm, const char *canary)
{
        cleanup_json_ struct json_object *values = json_object_new_object();
        cleanup_json_ struct json_object *parameters = json_object_new_object();
        const struct ctl ctl = { .words = { .values = values },
                                 .err = { "", "", "", "", "", "", "" } };

        if (confirm)
                json_add_string(values, "confirm", confirm);
        if (canary)
                json_add_string(values, "canary", canary);
        if (deploy_parameters(&ctl, parameters) != EXIT_OK)
                return NULL;
        assert_int_equal(strlen(text_of(parameters, "request_id")), 26);
        json_object_object_del(parameters, "request_id");
        return strdup(json_text(parameters, NULL));
}

static void test_the_options_of_a_deploy_are_read_or_refused(void **state)
{
        static const struct {
                const char *confirm, *canary, *parameters;
        } cases[] = {
                { NULL, NULL, "{}" },
                { "10m", "10,50", "{\"confirm_sec\":600,\"canary_percent\":[10,50]}" },
                { "0", "profile", "{\"confirm_sec\":0,\"canary_percent\":[]}" },
                { "ten", NULL, NULL },
                { NULL, "", NULL },
                { NULL, "10,", NULL },
                { NULL, "10;50", NULL },
                { NULL, "101", NULL },
                { NULL, "0", NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                cleanup_free_ char *text = options_of(cases[i].confirm, cases[i].canary);

                if (!text != !cases[i].parameters || (text && strcmp(text, cases[i].parameters)))
                        fail_msg("case %zu: %s", i, text ? text : "refused");
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_profile_is_read_with_what_it_extends),
                cmocka_unit_test(test_a_profile_with_faults_is_sent_as_it_is),
                cmocka_unit_test(test_a_file_that_cannot_be_read_is_told),
                cmocka_unit_test(test_times_have_a_unit),
                cmocka_unit_test(test_the_options_of_a_deploy_are_read_or_refused),
        };

        return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
