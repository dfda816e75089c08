/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/screen.h"

#include "base/cleanup.h"
#include "ctl/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_width_counts_columns_not_bytes(void **state)
{
        static const struct {
                const char *text;
                size_t width;
        } cases[] = {
                { "", 0 },         { "abc", 3 },   { "größe", 5 },          { "長江", 4 },
                { "e\xcc\x81", 1 }, { "🙂", 2 },    { "한국", 4 },            { "\xff", 1 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                if (screen_width(cases[i].text, strlen(cases[i].text)) != cases[i].width)
                        fail_msg("%s", cases[i].text);
}

static void test_text_is_cut_between_characters(void **state)
{
        (void) state;
        assert_int_equal(screen_fit("長江", 6, 3), 3);
        assert_int_equal(screen_fit("長江", 6, 4), 6);
        assert_int_equal(screen_fit("größe", 7, 3), 4);
        assert_int_equal(screen_fit("abc", 3, 0), 0);
}

static char *written(const char *text, bool lines)
{
        char *memory = NULL;
        size_t size;
        FILE *file = open_memstream(&memory, &size);

        screen_write(file, text, strlen(text), lines);
        (void) fclose(file);
        return memory;
}

static void test_a_document_cannot_steer_the_terminal(void **state)
{
        cleanup_free_ char *escape = written("a\x1b]0;title\x07z", false);
        cleanup_free_ char *c1 = written("a\xc2\x9b""31mz", false);
        cleanup_free_ char *turned = written("a\xe2\x80\xaez", false);
        cleanup_free_ char *invalid = written("a\xffz", false);
        cleanup_free_ char *one = written("a\nb", false);
        cleanup_free_ char *two = written("a\nb\r", true);

        (void) state;
        assert_string_equal(escape, "a ]0;title z");
        assert_string_equal(c1, "a 31mz");
        assert_string_equal(turned, "a z");
        assert_string_equal(invalid, "a\xef\xbf\xbdz");
        assert_string_equal(one, "a b");
        assert_string_equal(two, "a\nb ");
}

static void test_columns_are_aligned(void **state)
{
        static const char *const headers[] = { "NAME", ">N", "TITLE", NULL };
        struct table table;
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        (void) state;
        table_init(&table, headers);
        table_add(&table, "長江");
        table_add_u64(&table, 7);
        table_add(&table, "river");
        table_add(&table, "x");
        table_add_u64(&table, 12345);
        table_add(&table, NULL);
        table_print(&table, file, "", "", 0);
        (void) fclose(file);
        table_done(&table);
        assert_string_equal(text, "NAME      N  TITLE\n"
                                  "長江      7  river\n"
                                  "x     12345  -\n");
        free(text);
}

static void test_the_last_column_ends_at_the_terminals_edge(void **state)
{
        static const char *const headers[] = { "A", "B", NULL };
        struct table table;
        char *text = NULL;
        size_t size;
        FILE *file = open_memstream(&text, &size);

        (void) state;
        table_init(&table, headers);
        table_add(&table, "1234");
        table_add(&table, "a very long title indeed");
        table_print(&table, file, "", "", 20);
        (void) fclose(file);
        table_done(&table);
        assert_string_equal(text, "A     B\n1234  a very long t…\n");
        free(text);
}

static void test_numbers_are_told_in_units(void **state)
{
        char text[SCREEN_NUMBER_SIZE];

        (void) state;
        assert_string_equal(screen_bytes(0, text), "0 B");
        assert_string_equal(screen_bytes(1023, text), "1023 B");
        assert_string_equal(screen_bytes(1536, text), "1.5 KiB");
        assert_string_equal(screen_bytes(5e9, text), "4.7 GiB");
        assert_string_equal(screen_duration(0.25, text), "250 ms");
        assert_string_equal(screen_duration(12, text), "12.0 s");
        assert_string_equal(screen_duration(3700, text), "1 h 1 min");
        assert_string_equal(screen_duration(400000, text), "4 days 15 h");
        assert_string_equal(screen_dollars(0, text), "$0.00");
        assert_string_equal(screen_dollars(3, text), "$0.000003");
        assert_string_equal(screen_dollars(12345, text), "$0.0123");
        assert_string_equal(screen_dollars(1e6, text), "$1.00");
        assert_string_equal(screen_dollars(1234567890, text), "$1234.57");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_width_counts_columns_not_bytes),
                cmocka_unit_test(test_text_is_cut_between_characters),
                cmocka_unit_test(test_a_document_cannot_steer_the_terminal),
                cmocka_unit_test(test_columns_are_aligned),
                cmocka_unit_test(test_the_last_column_ends_at_the_terminals_edge),
                cmocka_unit_test(test_numbers_are_told_in_units),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
