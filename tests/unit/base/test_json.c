/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct json_object **ret, struct error *reterr)
{
        return json_parse(text, strlen(text), ret, reterr);
}

static void test_every_kind_of_value_may_stand_alone(void **state)
{
        static const char *const texts[] = { "7", " -1.5e3 ", "\"a\"", "true", "null", "[]", "{}\n",
                                             "{\"a\":[1,2,{\"b\":\"\\u00e4\"}]}" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                cleanup_json_ struct json_object *object = NULL;
                struct error error = { 0 };

                if (parse(texts[i], &object, &error) < 0)
                        fail_msg("%s: %s", texts[i], error.message);
        }
}

static void test_a_fault_is_told_with_line_and_column(void **state)
{
        static const struct {
                const char *text;
                unsigned line, column;
        } cases[] = {
                { "", 1, 1 },           { "{\"a\":1,}", 1, 8 }, { "{\n  \"a\" 1}", 2, 7 },
                { "[1,2", 1, 5 },       { "1 2", 1, 3 },        { "{} x", 1, 4 },
                { "\"\xff\"", 1, 2 },   { "[NaN]", 1, 2 },      { "{'a':1}", 1, 2 },
                { "[Infinity]", 1, 2 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct json_object *object = NULL;
                struct error error = { 0 };

                if (parse(cases[i].text, &object, &error) != -EBADMSG)
                        fail_msg("%s was read", cases[i].text);
                assert_null(object);
                if (error.origin.line != cases[i].line)
                        fail_msg("%s: line %u", cases[i].text, error.origin.line);
                if (error.origin.column != cases[i].column)
                        fail_msg("%s: column %u", cases[i].text, error.origin.column);
        }
}

static void test_nesting_is_bounded(void **state)
{
        struct json_object *object = NULL;
        char text[2 * JSON_DEPTH_MAX + 3];

        (void) state;
        memset(text, '[', sizeof text);
        assert_int_equal(json_parse(text, sizeof text, &object, NULL), -EBADMSG);
}

static void test_members_are_typed_and_errors_name_them(void **state)
{
        cleanup_json_ struct json_object *object = NULL;
        struct error error = { 0 };
        const char *text = NULL;
        uint64_t number = 99;
        double ratio = 0;
        bool flag = false;

        (void) state;
        assert_int_equal(parse("{\"s\":\"x\",\"n\":5,\"f\":true,\"r\":0.5,\"z\":null,\"u\":\"a\\u0000b\"}",
                               &object, NULL), 0);
        assert_int_equal(json_get_string(object, "s", &text, NULL), 1);
        assert_string_equal(text, "x");
        assert_int_equal(json_get_u64(object, "n", 1, 10, &number, NULL), 1);
        assert_int_equal(number, 5);
        assert_int_equal(json_get_bool(object, "f", &flag, NULL), 1);
        assert_true(flag);
        assert_int_equal(json_get_double(object, "r", 0, 1, &ratio, NULL), 1);
        assert_int_equal(json_get_string(object, "z", &text, NULL), 0);
        assert_int_equal(json_get_string(object, "absent", &text, NULL), 0);

        assert_int_equal(json_get_u64(object, "n", 6, 10, &number, &error), -EINVAL);
        assert_string_equal(error.origin.key, "n");
        assert_int_equal(json_get_u64(object, "s", 0, 10, &number, &error), -EINVAL);
        assert_int_equal(json_get_bool(object, "n", &flag, &error), -EINVAL);
        assert_int_equal(json_get_double(object, "r", 0, 0.25, &ratio, &error), -EINVAL);
        assert_int_equal(json_get_string(object, "u", &text, &error), -EINVAL);
}

static void test_unknown_members_are_refused_with_the_nearest_name(void **state)
{
        static const char *const known[] = { "query", "limit", NULL };
        cleanup_json_ struct json_object *object = NULL;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(parse("{\"limit\":1,\"qeury\":\"x\"}", &object, NULL), 0);
        assert_int_equal(json_refuse_unknown(object, known, &error), -EINVAL);
        assert_non_null(strstr(error.message, "did you mean \"query\""));
}

static void test_numbers_are_written_as_short_as_they_read_back(void **state)
{
        static const struct {
                float value;
                const char *text;
        } cases[] = { { 0.1F, "{\"x\":0.1}" }, { 1.0F, "{\"x\":1.0}" }, { 0.333333343F, "{\"x\":0.33333334}" },
                      { 1e-10F, "{\"x\":1e-10}" }, { NAN, "{\"x\":null}" }, { INFINITY, "{\"x\":null}" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *object = json_object_new_object();

                json_add_float(object, "x", cases[i].value);
                assert_string_equal(json_text(object, NULL), cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kind_of_value_may_stand_alone),
                cmocka_unit_test(test_a_fault_is_told_with_line_and_column),
                cmocka_unit_test(test_nesting_is_bounded),
                cmocka_unit_test(test_members_are_typed_and_errors_name_them),
                cmocka_unit_test(test_unknown_members_are_refused_with_the_nearest_name),
                cmocka_unit_test(test_numbers_are_written_as_short_as_they_read_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
