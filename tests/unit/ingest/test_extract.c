/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "ingest/extract.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void test_bodies_become_the_text_of_the_table(void **state)
{
        static const struct {
                const char *mime, *body, *text;
        } cases[] = {
                { "text/plain", "", "" },
                { "text/plain", "as it is\r\n\tand so on\f\n", "as it is\r\n\tand so on\f\n" },
                { "text/plain", "\xEF\xBB\xBFmarked", "marked" },
                { "text/plain", "bell\a and \x1b[1mbold\x7f", "bell  and  [1mbold " },
                { "application/json", "{\"a\": 1}", "{\"a\": 1}" },
                { "text/markdown", "", "" },
                { "text/markdown", "# Title\n\nSome *very* `plain` [text](http://x.y).\nNext line.\n",
                  "Title\n\nSome very plain text.\nNext line." },
                { "text/markdown", "Title\n=====\n\nText\n\nSub\n---\nMore\n",
                  "Title\n\nText\n\nSub\n\nMore" },
                { "text/markdown", "* one\n* two\n  * inner\n* three\n\nend",
                  "- one\n- two\n  - inner\n- three\n\nend" },
                { "text/markdown", "3. c\n4. d\n", "3. c\n4. d" },
                { "text/markdown", "* one\n\n* two\n", "- one\n\n- two" },
                { "text/markdown", "```c\nint x;\n\n\treturn;\n```\nafter", "int x;\n\n\treturn;\n\nafter" },
                { "text/markdown", "    indented\n", "indented" },
                { "text/markdown", "> quoted\n> text\n\nown", "quoted\ntext\n\nown" },
                { "text/markdown", "a\n\n---\n\nb", "a\n\nb" },
                { "text/markdown", "<div><p>kept</p></div>\n\nnext", "kept\n\nnext" },
                { "text/markdown", "x <!-- gone --> y", "x  y" },
                { "text/markdown", "<!-- gone\n> still -->\n\nb", "b" },
                { "text/markdown", "![a picture](p.png \"t\")", "a picture" },
                { "text/markdown", "a&amp;b &#7; c", "a&b   c" },
                { "text/markdown", "unclosed <b", "unclosed <b" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_free_ char *body = strdup(cases[i].body);
                struct extracted text = { 0 };

                assert_int_equal(extract_text(cases[i].mime, body, strlen(body), &text, NULL), 0);
                assert_int_equal(text.len, strlen(cases[i].text));
                assert_memory_equal(text.text, cases[i].text, text.len);
                extracted_done(&text);
        }
}

static void test_what_is_no_text_is_refused_with_the_place(void **state)
{
        static const struct {
                const char *body;
                size_t len;
                const char *phrase;
        } cases[] = {
                { "ab\xff", 3, "byte 2" },
                { "\xC3", 1, "byte 0" },
                { "\xED\xA0\x80", 3, "byte 0" },
                { "abc\0def", 7, "byte 3 is NUL" },
                { "a\0\xff", 3, "byte 1 is NUL" },
                { "a\xff\0", 3, "UTF-8 at byte 1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct extracted text = { 0 };
                struct error error = { 0 };
                char body[16];

                memcpy(body, cases[i].body, cases[i].len);
                assert_int_equal(extract_check(body, cases[i].len, &error), -EILSEQ);
                assert_non_null(strstr(error.message, cases[i].phrase));
                assert_int_equal(extract_text("text/plain", body, cases[i].len, &text, &error), -EILSEQ);
                assert_null(text.owned);
        }
}

static void test_media_types_are_read_with_their_parameters(void **state)
{
        static const struct {
                const char *given, *canonical;
        } cases[] = {
                { "text/plain", "text/plain" },
                { "Text/Markdown; charset=UTF-8", "text/markdown" },
                { "text/x-markdown;charset=\"utf-8\"", "text/markdown" },
                { "text/plain; charset=us-ascii; format=flowed", "text/plain" },
                { "application/json", "application/json" },
                { "text/plain; charset=iso-8859-1", NULL },
                { "text/plainer", NULL },
                { "text", NULL },
                { "", NULL },
                { "application/pdf", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (cases[i].canonical)
                        assert_string_equal(extract_mime(cases[i].given), cases[i].canonical);
                else
                        assert_null(extract_mime(cases[i].given));
        }
}

static void test_the_first_heading_is_the_title(void **state)
{
        static const struct {
                const char *mime, *body, *title;
        } cases[] = {
                { "text/markdown", "intro\n\n## The *second* `level`\n\n# Later", "The second level" },
                { "text/markdown", "Two\nlines\n===\n", "Two lines" },
                { "text/markdown", "no heading", NULL },
                { "text/markdown", "#\n\ntext", NULL },
                { "text/markdown", "> # quoted", NULL },
                { "text/plain", "# Title", NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_free_ char *title =
                        extract_title(cases[i].mime, cases[i].body, strlen(cases[i].body));

                if (cases[i].title)
                        assert_string_equal(title, cases[i].title);
                else
                        assert_null(title);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_bodies_become_the_text_of_the_table),
                cmocka_unit_test(test_what_is_no_text_is_refused_with_the_place),
                cmocka_unit_test(test_media_types_are_read_with_their_parameters),
                cmocka_unit_test(test_the_first_heading_is_the_title),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
