/* SPDX-License-Identifier: Apache-2.0 */
#include "index/filter.h"

#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct attribute_value string_value(const char *text)
{
        return (struct attribute_value){ .type = ATTRIBUTE_STRING,
                                         .string = { text, strlen(text) } };
}

static struct attribute_value number_value(double number)
{
        return (struct attribute_value){ .type = ATTRIBUTE_NUMBER, .number = number };
}

static struct attribute_value bool_value(bool boolean)
{
        return (struct attribute_value){ .type = ATTRIBUTE_BOOL, .boolean = boolean };
}

static void add(struct attribute_index *index, uint32_t row, const char *key,
                struct attribute_value value)
{
        assert_int_equal(attribute_index_add(index, row, key, &value, NULL), 0);
}

static int parse(const char *text, struct filter **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return filter_parse(object, "/filter", ret, reterr);
}

/* The rows that match, between spaces. */
static const char *rows_of(const struct attribute_index *index, const roaring_bitmap_t *universe,
                           const char *text, char out[static 256])
{
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        struct error error = { 0 };
        roaring_bitmap_t *rows = NULL;
        roaring_uint32_iterator_t at;
        size_t len = 0;

        if (parse(text, &filter, &error) < 0)
                fail_msg("%s: %s", text, error.message);
        assert_int_equal(filter_evaluate(filter, index, universe, &rows, NULL), 0);
        out[0] = '\0';
        for (roaring_init_iterator(rows, &at); at.has_value; roaring_advance_uint32_iterator(&at))
                len += (size_t) snprintf(out + len, 256 - len, "%s%u", len ? " " : "",
                                         at.current_value);
        roaring_bitmap_free(rows);
        return out;
}

static void test_every_operator_means_what_the_header_says(void **state)
{
        static const struct {
                const char *filter, *rows;
        } cases[] = {
                { "{\"type\":\"eq\",\"key\":\"lang\",\"value\":\"en\"}", "0 1" },
                { "{\"type\":\"ne\",\"key\":\"lang\",\"value\":\"en\"}", "2 3 4 5" },
                { "{\"type\":\"eq\",\"key\":\"year\",\"value\":2024}", "1 2" },
                { "{\"type\":\"eq\",\"key\":\"year\",\"value\":2024.0}", "1 2" },
                { "{\"type\":\"eq\",\"key\":\"year\",\"value\":\"2024\"}", "4" }, /* a string */
                { "{\"type\":\"gt\",\"key\":\"year\",\"value\":2020}", "1 2" },
                { "{\"type\":\"gte\",\"key\":\"year\",\"value\":2020}", "0 1 2" },
                { "{\"type\":\"lt\",\"key\":\"year\",\"value\":2024}", "0 3" },
                { "{\"type\":\"lte\",\"key\":\"year\",\"value\":2024}", "0 1 2 3" },
                { "{\"type\":\"gt\",\"key\":\"lang\",\"value\":\"de\"}", "0 1 3" },
                { "{\"type\":\"lt\",\"key\":\"lang\",\"value\":\"dea\"}", "2" },
                { "{\"type\":\"in\",\"key\":\"lang\",\"value\":[\"de\",\"fr\",7]}", "2 3" },
                { "{\"type\":\"nin\",\"key\":\"lang\",\"value\":[\"de\",\"fr\"]}", "0 1 4 5" },
                { "{\"type\":\"in\",\"key\":\"lang\",\"value\":[]}", "" },
                { "{\"type\":\"nin\",\"key\":\"lang\",\"value\":[]}", "0 1 2 3 4 5" },
                { "{\"type\":\"eq\",\"key\":\"draft\",\"value\":true}", "0" },
                { "{\"type\":\"gte\",\"key\":\"draft\",\"value\":false}", "0 1" },
                { "{\"type\":\"eq\",\"key\":\"nobody\",\"value\":1}", "" },
                { "{\"type\":\"ne\",\"key\":\"nobody\",\"value\":1}", "0 1 2 3 4 5" },
                { "{\"type\":\"eq\",\"key\":\"zero\",\"value\":0}", "5" }, /* -0 was stored */
                { "{\"type\":\"eq\",\"key\":\"tag\",\"value\":\"a\"}", "4 5" },
                { "{\"type\":\"ne\",\"key\":\"tag\",\"value\":\"b\"}", "0 1 2 3 5" },
                { "{\"type\":\"and\",\"filters\":["
                  "{\"type\":\"gte\",\"key\":\"year\",\"value\":2020},"
                  "{\"type\":\"ne\",\"key\":\"lang\",\"value\":\"en\"}]}",
                  "2" },
                { "{\"type\":\"or\",\"filters\":["
                  "{\"type\":\"eq\",\"key\":\"draft\",\"value\":true},"
                  "{\"type\":\"and\",\"filters\":["
                  "{\"type\":\"eq\",\"key\":\"lang\",\"value\":\"fr\"}]}]}",
                  "0 3" },
        };
        cleanup_(attribute_index_free_cleanup) struct attribute_index *index = attribute_index_new();
        roaring_bitmap_t *universe = roaring_bitmap_from_range(0, 6, 1);
        char out[256];

        (void) state;
        add(index, 0, "lang", string_value("en"));
        add(index, 1, "lang", string_value("en"));
        add(index, 2, "lang", string_value("de"));
        add(index, 3, "lang", string_value("fr"));
        add(index, 9, "lang", string_value("en")); /* outside the universe */
        add(index, 0, "year", number_value(2020));
        add(index, 1, "year", number_value(2024));
        add(index, 2, "year", number_value(2024));
        add(index, 3, "year", number_value(1999.5));
        add(index, 4, "year", string_value("2024"));
        add(index, 0, "draft", bool_value(true));
        add(index, 1, "draft", bool_value(false));
        add(index, 4, "tag", string_value("a"));
        add(index, 4, "tag", string_value("b"));
        add(index, 4, "tag", string_value("a"));
        add(index, 5, "tag", string_value("a"));
        add(index, 5, "zero", number_value(-0.0));
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                if (strcmp(rows_of(index, universe, cases[i].filter, out), cases[i].rows) != 0)
                        fail_msg("%s gives %s", cases[i].filter, out);
        roaring_bitmap_free(universe);
}

static void test_what_is_not_of_the_grammar_is_refused_with_its_place(void **state)
{
        static const struct {
                const char *filter, *pointer, *word;
        } cases[] = {
                { "[]", "/filter", "object" },
                { "\"eq\"", "/filter", "object" },
                { "{}", "/filter", "\"type\"" },
                { "{\"type\":1}", "/filter/type", "string" },
                { "{\"type\":\"equals\",\"key\":\"a\",\"value\":1}", "/filter/type", "unknown" },
                { "{\"type\":\"nen\",\"key\":\"a\",\"value\":1}", "/filter/type", "did you mean" },
                { "{\"type\":\"eq\",\"value\":1}", "/filter", "\"key\"" },
                { "{\"type\":\"eq\",\"key\":\"\",\"value\":1}", "/filter/key", "1 to 64" },
                { "{\"type\":\"eq\",\"key\":\"a\\u0000b\",\"value\":1}", "/filter/key", "NUL" },
                { "{\"type\":\"eq\",\"key\":[],\"value\":1}", "/filter/key", "string" },
                { "{\"type\":\"eq\",\"key\":\"a\"}", "/filter", "\"value\"" },
                { "{\"type\":\"eq\",\"key\":\"a\",\"value\":null}", "/filter/value", "must be" },
                { "{\"type\":\"eq\",\"key\":\"a\",\"value\":[1]}", "/filter/value", "must be" },
                { "{\"type\":\"in\",\"key\":\"a\",\"value\":1}", "/filter/value", "array" },
                { "{\"type\":\"in\",\"key\":\"a\",\"value\":[1,{}]}", "/filter/value/1", "must be" },
                { "{\"type\":\"eq\",\"key\":\"a\",\"value\":1,\"x\":2}", "/filter/x", "only" },
                { "{\"type\":\"and\",\"filters\":[],\"key\":\"a\"}", "/filter/key", "only" },
                { "{\"type\":\"and\",\"filters\":[]}", "/filter/filters", "at least one" },
                { "{\"type\":\"and\",\"filters\":{}}", "/filter/filters", "array" },
                { "{\"type\":\"or\"}", "/filter", "\"filters\"" },
                { "{\"type\":\"or\",\"filters\":[{\"type\":\"eq\",\"key\":\"a\",\"value\":1},null]}",
                  "/filter/filters/1", "object" },
                { "{\"type\":\"or\",\"filters\":[{\"type\":\"and\",\"filters\":[{\"type\":\"no\"}]}]}",
                  "/filter/filters/0/filters/0/type", "unknown" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct filter *filter = NULL;
                struct error error = { 0 };

                assert_int_equal(parse(cases[i].filter, &filter, &error), -EINVAL);
                assert_null(filter);
                assert_string_equal(error.origin.key, cases[i].pointer);
                if (!strstr(error.message, cases[i].word))
                        fail_msg("%s: %s", cases[i].filter, error.message);
        }
}

/* {"type":"and","filters":[…]} `depth` times around a comparison. */
static int parse_nested(int depth)
{
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        char text[2048] = "";

        for (int i = 0; i < depth; i++)
                (void) strcat(text, "{\"type\":\"and\",\"filters\":[");
        (void) strcat(text, "{\"type\":\"eq\",\"key\":\"k\",\"value\":true}");
        for (int i = 0; i < depth; i++)
                (void) strcat(text, "]}");
        return parse(text, &filter, NULL);
}

static int parse_list(size_t n)
{
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        char text[4096] = "{\"type\":\"in\",\"key\":\"k\",\"value\":[1";

        for (size_t i = 1; i < n; i++)
                (void) strcat(text, ",1");
        (void) strcat(text, "]}");
        return parse(text, &filter, NULL);
}

static int parse_lengths(int key, int value, const char *unit)
{
        cleanup_(filter_free_cleanup) struct filter *filter = NULL;
        char text[4096] = "{\"type\":\"eq\",\"key\":\"";

        for (int i = 0; i < key; i++)
                (void) strcat(text, unit);
        (void) strcat(text, "\",\"value\":\"");
        for (int i = 0; i < value; i++)
                (void) strcat(text, unit);
        (void) strcat(text, "\"}");
        return parse(text, &filter, NULL);
}

static void test_limits_hold_exactly(void **state)
{
        (void) state;
        assert_int_equal(parse_nested(FILTER_DEPTH_MAX), 0);
        assert_int_equal(parse_nested(FILTER_DEPTH_MAX + 1), -EINVAL);
        assert_int_equal(parse_list(FILTER_NODES_MAX - 1), 0);
        assert_int_equal(parse_list(FILTER_NODES_MAX), -EINVAL);
        assert_int_equal(parse_lengths(FILTER_KEY_MAX, 1, "k"), 0);
        assert_int_equal(parse_lengths(FILTER_KEY_MAX, 1, "ü"), 0); /* characters, not bytes */
        assert_int_equal(parse_lengths(FILTER_KEY_MAX + 1, 1, "k"), -EINVAL);
        assert_int_equal(parse_lengths(1, FILTER_STRING_MAX, "ü"), 0);
        assert_int_equal(parse_lengths(1, FILTER_STRING_MAX + 1, "v"), -EINVAL);
}

static void test_a_string_may_hold_any_character(void **state)
{
        cleanup_(attribute_index_free_cleanup) struct attribute_index *index = attribute_index_new();
        roaring_bitmap_t *universe = roaring_bitmap_from_range(0, 3, 1);
        char out[256];

        (void) state;
        add(index, 0, "k", string_value("a"));
        add(index, 1, "k", (struct attribute_value){ .type = ATTRIBUTE_STRING, .string = { "a\0b", 3 } });
        add(index, 2, "k", string_value(""));
        assert_string_equal(rows_of(index, universe,
                                    "{\"type\":\"eq\",\"key\":\"k\",\"value\":\"a\\u0000b\"}", out),
                            "1");
        assert_string_equal(rows_of(index, universe, "{\"type\":\"eq\",\"key\":\"k\",\"value\":\"\"}", out),
                            "2");
        roaring_bitmap_free(universe);
}

static void test_nan_is_no_attribute(void **state)
{
        cleanup_(attribute_index_free_cleanup) struct attribute_index *index = attribute_index_new();
        struct attribute_value nan_value = number_value(NAN);

        (void) state;
        assert_int_equal(attribute_index_add(index, 1, "k", &nan_value, NULL), -EINVAL);
}

/* Many values in random order, against a plain array. */
static void test_ranges_over_many_values_are_those_of_a_plain_list(void **state)
{
        enum { ROWS = 20000, VALUES = 6000 };
        cleanup_(attribute_index_free_cleanup) struct attribute_index *index = attribute_index_new();
        int *values = calloc(ROWS, sizeof *values);
        unsigned int seed = 5;

        (void) state;
        for (uint32_t row = 0; row < ROWS; row++) {
                char key[16];

                values[row] = rand_r(&seed) % VALUES;
                add(index, row, "n", number_value(values[row]));
                (void) snprintf(key, sizeof key, "key %u", row % 700); /* more keys than buckets */
                add(index, row, key, bool_value(true));
        }
        for (int turn = 0; turn < 300; turn++) {
                struct attribute_value low = number_value(rand_r(&seed) % VALUES);
                struct attribute_value high = number_value(rand_r(&seed) % VALUES);
                struct attribute_range range = { .type = ATTRIBUTE_NUMBER, .low = turn % 5 ? &low : NULL,
                                                 .high = turn % 7 ? &high : NULL,
                                                 .with_low = turn % 2, .with_high = turn % 3 };
                roaring_bitmap_t *rows = roaring_bitmap_create();
                uint64_t wanted = 0;

                attribute_index_collect(index, "n", &range, rows);
                for (uint32_t row = 0; row < ROWS; row++) {
                        double v = values[row];
                        bool in = (!range.low || v > low.number || (v >= low.number && range.with_low)) &&
                                  (!range.high || v < high.number || (v <= high.number && range.with_high));

                        wanted += in;
                        if (in != roaring_bitmap_contains(rows, row))
                                fail_msg("row %u", row);
                }
                assert_int_equal(roaring_bitmap_get_cardinality(rows), wanted);
                roaring_bitmap_free(rows);
        }
        assert_true(attribute_index_bytes(index) > ROWS);
        free(values);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_operator_means_what_the_header_says),
                cmocka_unit_test(test_what_is_not_of_the_grammar_is_refused_with_its_place),
                cmocka_unit_test(test_limits_hold_exactly),
                cmocka_unit_test(test_a_string_may_hold_any_character),
                cmocka_unit_test(test_nan_is_no_attribute),
                cmocka_unit_test(test_ranges_over_many_values_are_those_of_a_plain_list),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
