/* SPDX-License-Identifier: Apache-2.0 */
#include "control/commands.h"
#include "control/interface.h"
#include "control/types.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct json_object *json(const char *text)
{
        struct json_object *object = NULL;

        if (strcmp(text, "null") != 0)
                assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return object;
}

/* ---- Types ---------------------------------------------------------------------------------- */

static void test_values_are_held_against_types(void **state)
{
        static const struct {
                const char *type, *value;
                bool fits;
        } cases[] = {
                { "string", "\"a\"", true },
                { "string", "\"a\\u0000b\"", false },
                { "string", "5", false },
                { "string", "null", false },
                { "?string", "null", true },
                { "?string", "5", false },
                { "int", "5", true },
                { "int", "5.0", false },
                { "int", "9223372036854775807", true },
                { "int", "9223372036854775808", false },
                { "int", "-9223372036854775808", true },
                { "int", "true", false },
                { "float", "5", true },
                { "float", "5.5", true },
                { "float", "\"5\"", false },
                { "bool", "false", true },
                { "bool", "0", false },
                { "object", "{\"a\":[1]}", true },
                { "object", "[]", false },
                { "[]string", "[]", true },
                { "[]string", "[\"a\",\"b\"]", true },
                { "[]string", "[\"a\",1]", false },
                { "[]string", "\"a\"", false },
                { "[]int", "[null]", false },
                { "[]?int", "[null]", true },
                { "?[]string", "null", true },
                { "[string]int", "{\"a\":1,\"b\":2}", true },
                { "[string]int", "{\"a\":\"b\"}", false },
                { "(error, warning)", "\"error\"", true },
                { "(error, warning)", "\"warn\"", false },
                { "(error, warning)", "5", false },
                { "(a: int, b: ?string)", "{\"a\":1}", true },
                { "(a: int, b: ?string)", "{\"b\":\"x\"}", false },
                { "(a: int, b: ?string)", "{\"a\":1,\"c\":2}", false },
                { "(a: int)", "5", false },
                { "()", "{}", true },
                { "()", "{\"a\":1}", false },
                { "[](a: [](b: int))", "[{\"a\":[{\"b\":1}]}]", true },
                { "[](a: [](b: int))", "[{\"a\":[{\"b\":\"1\"}]}]", false },
                { "LogLevel", "\"debug\"", true },
                { "?LogLevel", "\"loud\"", false },
                { "Nothing", "{}", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *value = json(cases[i].value);

                if (type_fits(cases[i].type, value, true) != cases[i].fits)
                        fail_msg("%s: %s", cases[i].type, cases[i].value);
        }
}

static void test_only_well_formed_types_are_valid(void **state)
{
        static const char *const good[] = { "int",  "?int",      "[]int", "[string](a: int)",
                                            "(a)",  "(a, b)",    "()",    "(a: int, b: []?string)",
                                            "?Job", "[][]float", "?[]Job" };
        static const char *const bad[] = { "",        "integer", "??int",   "(a: int",  "(a:)", "[]",
                                           "(a, b:)", "int ",    "[string", "(_a: int)" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (!type_is_valid(good[i]))
                        fail_msg("%s", good[i]);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (type_is_valid(bad[i]))
                        fail_msg("%s", bad[i]);
}

static void test_the_words_of_an_enum_can_be_listed(void **state)
{
        const char *word;
        size_t at = 0, len, n = 0;

        (void) state;
        while (type_enum_next("?SearchMode", &at, &word, &len)) {
                assert_true(len >= 4 && len <= 6);
                n++;
        }
        assert_int_equal(n, 3);
        at = 0;
        assert_false(type_enum_next("string", &at, &word, &len));
        assert_false(type_enum_next("(a: int)", &at, &word, &len));
}

/* ---- The table ------------------------------------------------------------------------------ */

static bool is_sentence(const char *text)
{
        size_t len = strlen(text);

        return len > 5 && isupper((unsigned char) text[0]) && text[len - 1] == '.';
}

static void check_fields(const struct command *command)
{
        for (const struct command_field *field = command->input; field->name; field++) {
                if (!type_is_valid(field->type))
                        fail_msg("%s: type of %s", command->method, field->name);
                if (!field->doc || !strchr(field->doc, '.'))
                        fail_msg("%s: no word on %s", command->usage, field->name);
                if (!command->interface)
                        assert_int_equal(field->side, COMMAND_CLIENT);
                for (const struct command_field *other = command->input; other < field; other++)
                        assert_string_not_equal(other->name, field->name);
        }
}

static void test_every_row_is_whole(void **state)
{
        (void) state;
        for (size_t i = 0; i < n_commands; i++) {
                const struct command *command = &commands[i];

                if (!command->doc || !is_sentence(command->doc))
                        fail_msg("row %zu has no sentence on what it does", i);
                check_fields(command);
                if (!command->interface) {
                        assert_non_null(command->usage);
                        continue;
                }
                assert_true(isupper((unsigned char) command->method[0]));
                if (!type_are_fields(command->output))
                        fail_msg("%s: output", command->method);
                if (command->effect == COMMAND_WRITE) {
                        assert_int_equal(command->role, CONTROL_ADMIN);
                        assert_int_equal(command->audit, COMMAND_AUDITED);
                }
        }
}

static void test_every_method_is_found_and_is_there_once(void **state)
{
        (void) state;
        for (size_t i = 0; i < n_commands; i++) {
                char name[128];

                if (!commands[i].interface)
                        continue;
                (void) snprintf(name, sizeof name, "%s.%s", commands[i].interface,
                                commands[i].method);
                assert_ptr_equal(command_find(name), &commands[i]);
        }
        assert_null(command_find("io.ragd.Control."));
        assert_null(command_find("io.ragd.Control"));
        assert_null(command_find("Status"));
        assert_null(command_find(""));
}

static void test_types_and_errors_are_whole(void **state)
{
        (void) state;
        for (size_t i = 0; i < n_command_types; i++)
                if (!type_is_valid(command_types[i].definition) || !is_sentence(command_types[i].doc))
                        fail_msg("%s", command_types[i].name);
        for (size_t i = 0; i < n_command_errors; i++)
                assert_true(is_sentence(command_errors[i].doc) && command_errors[i].exit_code > 0);
        assert_string_equal(command_error_of(-ENOENT)->name, "NotFound");
        assert_string_equal(command_error_of(-EXDEV)->name, "Failed");
        assert_int_equal(command_exit_code("io.ragd.Control.Busy"), EXIT_BUSY);
        assert_int_equal(command_exit_code("io.ragd.Control.Invalid"), EXIT_INVALID);
        assert_int_equal(command_exit_code("org.varlink.service.PermissionDenied"), EXIT_DENIED);
        assert_int_equal(command_exit_code("of.nobody"), EXIT_INTERNAL);
}

/* ---- Calls against the table ------------------------------------------------------------------ */

static void test_calls_are_checked_against_the_rows(void **state)
{
        static const struct {
                const char *call;
                enum control_role role;
                const char *error; /* its last word; NULL: fine */
                const char *about; /* a value in its parameters */
        } cases[] = {
                { "{\"method\":\"io.ragd.Control.Status\"}", CONTROL_OBSERVE, NULL, NULL },
                { "{\"method\":\"io.ragd.Control.Status\",\"parameters\":{\"surprise\":1}}",
                  CONTROL_OBSERVE, "InvalidParameter", "surprise" },
                { "{\"method\":\"io.ragd.Control.Nothing\"}", CONTROL_ADMIN, "MethodNotFound",
                  "io.ragd.Control.Nothing" },
                { "{\"method\":\"io.nobody.Here.Status\"}", CONTROL_ADMIN, "InterfaceNotFound",
                  "io.nobody.Here" },
                { "{\"method\":\"Status\"}", CONTROL_ADMIN, "InterfaceNotFound", "Status" },
                { "{\"method\":\"io.ragd.Control.Stop\"}", CONTROL_OBSERVE, "PermissionDenied", NULL },
                { "{\"method\":\"io.ragd.Control.Stop\"}", CONTROL_ADMIN, NULL, NULL },
                { "{\"method\":\"io.ragd.Control.CollectionCreate\"}", CONTROL_ADMIN,
                  "InvalidParameter", "name" },
                { "{\"method\":\"io.ragd.Control.CollectionCreate\",\"parameters\":{\"name\":5}}",
                  CONTROL_ADMIN, "InvalidParameter", "name" },
                { "{\"method\":\"io.ragd.Control.CollectionCreate\",\"parameters\":{\"name\":\"a\","
                  "\"language\":null}}", CONTROL_ADMIN, NULL, NULL },
                { "{\"method\":\"io.ragd.Control.JobWatch\",\"parameters\":{\"id\":\"a\"}}",
                  CONTROL_OBSERVE, "ExpectedMore", NULL },
                { "{\"method\":\"io.ragd.Control.JobWatch\",\"parameters\":{\"id\":\"a\"},"
                  "\"more\":true}", CONTROL_OBSERVE, NULL, NULL },
                { "{\"method\":\"io.ragd.Control.Ingest\"}", CONTROL_ADMIN, "ExpectedUpgrade", NULL },
                { "{\"method\":\"io.ragd.Control.Ingest\",\"upgrade\":true}", CONTROL_ADMIN, NULL,
                  NULL },
                { "{\"method\":\"io.ragd.Control.Ingest\",\"upgrade\":true,\"parameters\":"
                  "{\"path\":[\"ragctl's\"]}}", CONTROL_ADMIN, "InvalidParameter", "path" },
                { "{\"method\":\"io.ragd.Control.Status\",\"upgrade\":true}", CONTROL_ADMIN,
                  "InvalidParameter", "upgrade" },
                { "{\"method\":\"io.systemd.service.Ping\"}", CONTROL_OBSERVE, NULL, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct varlink_call call = { 0 };
                const struct command *command = NULL;
                cleanup_json_ struct json_object *about = NULL;
                const char *error;

                assert_int_equal(varlink_parse_call(cases[i].call, strlen(cases[i].call), &call, NULL),
                                 0);
                error = interface_check(&call, cases[i].role, &command, &about);
                if (!cases[i].error) {
                        if (error)
                                fail_msg("%s: %s", cases[i].call, error);
                        assert_non_null(command);
                } else if (!error || strcmp(strrchr(error, '.') + 1, cases[i].error) != 0) {
                        fail_msg("%s: %s", cases[i].call, error ? error : "no error");
                }
                if (cases[i].about && !strstr(json_text(about, NULL), cases[i].about))
                        fail_msg("%s: %s", cases[i].call, json_text(about, NULL));
                varlink_call_done(&call);
        }
}

static void test_the_service_describes_every_interface(void **state)
{
        static const char get_info[] = "{\"method\":\"org.varlink.service.GetInfo\"}";
        struct varlink_call call = { 0 };
        cleanup_json_ struct json_object *reply = NULL;
        const char *error;

        (void) state;
        assert_int_equal(varlink_parse_call(get_info, strlen(get_info), &call, NULL), 0);
        assert_int_equal(interface_serve(&call, "1.2", &error, &reply), 1);
        assert_null(error);
        assert_true(type_fields_fit("vendor: string, product: string, version: string, url: string,"
                                    " interfaces: []string", reply, true));
        varlink_call_done(&call);

        for (size_t i = 0; interface_names[i]; i++) {
                cleanup_(buf_done) struct buf text = BUF_EMPTY;
                char first[96];

                assert_int_equal(interface_write(interface_names[i], &text), 0);
                (void) snprintf(first, sizeof first, "\ninterface %s\n", interface_names[i]);
                assert_non_null(strstr(buf_text(&text), first));
                for (size_t j = 0; j < n_commands; j++) {
                        char method[96];

                        if (!commands[j].interface ||
                            strcmp(commands[j].interface, interface_names[i]) != 0)
                                continue;
                        (void) snprintf(method, sizeof method, "\nmethod %s(", commands[j].method);
                        assert_non_null(strstr(buf_text(&text), method));
                }
        }
}

static void test_a_description_of_nothing_is_refused(void **state)
{
        static const char *const texts[] = {
                "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
                ("{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                 "{\"interface\":\"a.b\"}}"),
                "{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{\"x\":1}}",
        };
        static const char *const errors[] = { "InvalidParameter", "InterfaceNotFound",
                                              "InvalidParameter" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct varlink_call call = { 0 };
                cleanup_json_ struct json_object *reply = NULL;
                const char *error = NULL;

                assert_int_equal(varlink_parse_call(texts[i], strlen(texts[i]), &call, NULL), 0);
                assert_int_equal(interface_serve(&call, "1", &error, &reply), 1);
                assert_non_null(error);
                assert_string_equal(strrchr(error, '.') + 1, errors[i]);
                varlink_call_done(&call);
        }
}

/* ---- What the log may have ------------------------------------------------------------------ */

#define SECRET "whatever was asked"

static bool carries_text(const struct command_field *field)
{
        static const char *const names[] = { "golden", "messages", "query",  "question",     "secret",
                                             "source", "texts",    "vector", "vector_base64" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strcmp(field->name, names[i]) == 0)
                        return true;
        return strstr(field->type, "Source") != NULL;
}

/* A value that hides the secret as deep as the types do. */
static struct json_object *secret_value(unsigned kind)
{
        static const char *const values[] = { "\"" SECRET "\"", "[\"" SECRET "\"]",
                                              "{\"text\":\"" SECRET "\"}",
                                              "[{\"text\":\"" SECRET "\"}]" };

        return json(values[kind % ELEMENTSOF(values)]);
}

static void test_no_text_of_a_call_is_logged(void **state)
{
        unsigned texts = 0;

        (void) state;
        for (size_t i = 0; i < n_commands; i++)
                for (const struct command_field *field = commands[i].input; field->name; field++) {
                        if (field->side == COMMAND_CLIENT)
                                continue;
                        if (field->text != carries_text(field))
                                fail_msg("%s: is %s a text?", commands[i].method, field->name);
                        for (unsigned kind = 0; kind < 4; kind++) {
                                cleanup_json_ struct json_object *call = json_object_new_object();
                                cleanup_json_ struct json_object *logged = NULL;
                                const char *text;

                                json_add(call, field->name, secret_value(kind));
                                logged = command_logged(&commands[i], call);
                                assert_int_equal(json_object_object_length(logged), 1);
                                text = json_text(logged, NULL);
                                if (field->text == (strstr(text, SECRET) != NULL))
                                        fail_msg("%s: %s", commands[i].method, text);
                        }
                        texts += field->text;
                }
        assert_true(texts > 10);
}

static void test_a_text_is_logged_as_its_length(void **state)
{
        const struct command *command = command_find(CONTROL_INTERFACE ".GoldenAdd");
        cleanup_json_ struct json_object *call =
                json("{\"collection\":\"c\",\"query\":\"\u00e4b\",\"set\":null,\"ids\":[\"1\"],"
                     "\"more\":\"" SECRET "\"}");
        cleanup_json_ struct json_object *logged = command_logged(command, call);
        cleanup_json_ struct json_object *nothing = command_logged(command, NULL);

        (void) state;
        assert_string_equal(json_text(logged, NULL),
                            "{\"collection\":\"c\",\"query\":\"3 bytes\",\"ids\":[\"1\"],"
                            "\"set\":null}");
        assert_string_equal(json_text(nothing, NULL), "{}");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values_are_held_against_types),
                cmocka_unit_test(test_only_well_formed_types_are_valid),
                cmocka_unit_test(test_the_words_of_an_enum_can_be_listed),
                cmocka_unit_test(test_every_row_is_whole),
                cmocka_unit_test(test_every_method_is_found_and_is_there_once),
                cmocka_unit_test(test_types_and_errors_are_whole),
                cmocka_unit_test(test_calls_are_checked_against_the_rows),
                cmocka_unit_test(test_the_service_describes_every_interface),
                cmocka_unit_test(test_a_description_of_nothing_is_refused),
                cmocka_unit_test(test_no_text_of_a_call_is_logged),
                cmocka_unit_test(test_a_text_is_logged_as_its_length),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
