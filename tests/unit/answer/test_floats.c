/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/floats.h"
#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

#define ROUNDS 1000000

static uint64_t random_state = 0x9E3779B97F4A7C15;

static uint64_t draw(void)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state;
}

static float draw_float(void)
{
        uint32_t bits = (uint32_t) draw();
        float value;

        memcpy(&value, &bits, sizeof value);
        return isfinite(value) ? value : 1.5F;
}

/* Texts as programs print them, texts near the middle of two floats, and long ones. */
static void draw_text(uint64_t kind, char *text, size_t size)
{
        float value = draw_float();

        if (kind == 0)
                (void) snprintf(text, size, "%.*g", (int) (draw() % 20) + 1, (double) value);
        else if (kind == 1)
                (void) snprintf(text, size, "%.17g", (double) draw() / 1e20);
        else if (kind == 2)
                (void) snprintf(text, size, "%.9g", (double) value);
        else if (kind == 3)
                (void) snprintf(text, size, "%.*e", (int) (draw() % 25) + 5,
                                ((double) value + (double) nextafterf(value, INFINITY)) / 2);
        else if (kind == 4)
                (void) snprintf(text, size, "%u.%llu%llu", (unsigned int) draw() % 1000,
                                (unsigned long long) draw(), (unsigned long long) draw());
        else
                (void) snprintf(text, size, "-0.000%llu%llue%d", (unsigned long long) draw(),
                                (unsigned long long) draw(), (int) (draw() % 100) - 60);
}

static void test_a_million_texts_are_read_as_strtof_reads_them(void **state)
{
        (void) state;
        for (uint64_t i = 0; i < ROUNDS; i++) {
                char text[128];
                const char *end;
                float got, wanted;

                draw_text(i % 6, text, sizeof text);
                if (strstr(text, "inf"))
                        continue;
                wanted = strtof(text, NULL);
                end = float_parse(text, text + strlen(text), &got);
                if (!end || *end || memcmp(&got, &wanted, sizeof got) != 0)
                        fail_msg("\"%s\": %a, not %a", text, (double) got, (double) wanted);
        }
}

static void test_numbers_at_the_edges(void **state)
{
        static const char *const texts[] = {
                "0", "-0", "0.0", "0e5", "1", "16777217", "16777217.0000000000000000000001",
                "3.4028235e38", "3.4028236e38", "1e39", "-1e400", "1.17549435e-38", "1e-45",
                "7.0064923216240853e-46", "7.0064923216240854e-46", "1e-400", "1e-99999999999",
                "0.1", "123456789012345678901234567890", "0.00000000000000000000000000000001",
                "9007199254740993", "1.00000017881393432617187499", "1E+2", "5e-1",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                float got = 0, wanted = strtof(texts[i], NULL);
                const char *end = float_parse(texts[i], texts[i] + strlen(texts[i]), &got);

                assert_non_null(end);
                if (*end || memcmp(&got, &wanted, sizeof got) != 0)
                        fail_msg("\"%s\": %a, not %a", texts[i], (double) got, (double) wanted);
        }
}

static void test_what_is_no_json_number_is_refused(void **state)
{
        static const char *const texts[] = { "", "-", "+1", ".5", "1.", "01", "-01", "1e", "1e+",
                                             "NaN", "Infinity", "0x10", "a", "--1", "1.e5" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                float got;
                const char *end = float_parse(texts[i], texts[i] + strlen(texts[i]), &got);

                if (end && (*end == '\0'))
                        fail_msg("\"%s\" was read", texts[i]);
        }
}

static void test_arrays_are_read_to_their_end_and_no_further(void **state)
{
        static const struct {
                const char *text;
                int code;
                size_t n, used;
        } cases[] = {
                { "[]", 0, 0, 2 },          { "[ ]x", 0, 0, 3 },
                { "[1,2,3],", 0, 3, 7 },    { "[ 1 ,\n2\t]", 0, 2, 9 },
                { "[1,]", -EINVAL, 0, 0 },  { "[,1]", -EINVAL, 0, 0 },
                { "[1 2]", -EINVAL, 0, 0 }, { "[1", -EINVAL, 0, 0 },
                { "1]", -EINVAL, 0, 0 },    { "[\"1\"]", -EINVAL, 0, 0 },
                { "[[1]]", -EINVAL, 0, 0 }, { "[null]", -EINVAL, 0, 0 },
                { "", -EINVAL, 0, 0 },      { "[1,2,3,4,5]", -E2BIG, 0, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                float values[4];
                size_t n = 0, used = 0;
                int r = floats_parse(cases[i].text, strlen(cases[i].text), values, 4, &n, &used);

                if (r != cases[i].code || n != cases[i].n || used != cases[i].used)
                        fail_msg("\"%s\": %d, %zu numbers, %zu bytes", cases[i].text, r, n, used);
        }
}

static void test_base64_is_little_endian_float32(void **state)
{
        static const struct {
                const char *text;
                int code;
                size_t n;
        } cases[] = {
                { "", 0, 0 },
                { "AACAPw==", 0, 1 },
                { "AACAPw", 0, 1 },
                { "AACAPwAAAEA=", 0, 2 },
                { "AACAPx==", -EINVAL, 0 }, /* bits left over */
                { "AACA", -EINVAL, 0 },     /* three bytes */
                { "AACAP", -EINVAL, 0 },
                { "AACA Pw==", -EINVAL, 0 },
                { "AACA-w==", -EINVAL, 0 },
                { "AACAPwAAAEAAAEBA", -E2BIG, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                float values[2] = { 0 };
                size_t n = 0;
                int r = floats_decode(cases[i].text, strlen(cases[i].text), values, 2, &n);

                if (r != cases[i].code || n != cases[i].n)
                        fail_msg("\"%s\": %d, %zu", cases[i].text, r, n);
                if (n > 0)
                        assert_true(values[0] >= 1.0F && values[0] <= 1.0F);
                if (n > 1)
                        assert_true(values[1] >= 2.0F && values[1] <= 2.0F);
        }
}

static void test_written_floats_read_back_and_are_short(void **state)
{
        static const struct {
                float value;
                const char *text;
        } cases[] = { { 0.0F, "0.0" },   { 1.0F, "1.0" },     { 0.1F, "0.1" },
                      { -2.5F, "-2.5" }, { 0.87F, "0.87" },   { 12345.678F, "12345.678" },
                      { NAN, "null" },   { INFINITY, "null" } };
        char text[FLOAT_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                assert_int_equal(float_format(cases[i].value, text), strlen(cases[i].text));
                assert_string_equal(text, cases[i].text);
        }
        for (int i = 0; i < ROUNDS; i++) {
                float value = i % 2 ? draw_float() : (float) (draw() % 1000000) / 50000.0F;
                float back;

                (void) float_format(value, text);
                back = strtof(text, NULL);
                if (memcmp(&back, &value, sizeof back) != 0)
                        fail_msg("%a became \"%s\"", (double) value, text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_million_texts_are_read_as_strtof_reads_them),
                cmocka_unit_test(test_numbers_at_the_edges),
                cmocka_unit_test(test_what_is_no_json_number_is_refused),
                cmocka_unit_test(test_arrays_are_read_to_their_end_and_no_further),
                cmocka_unit_test(test_base64_is_little_endian_float32),
                cmocka_unit_test(test_written_floats_read_back_and_are_short),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
