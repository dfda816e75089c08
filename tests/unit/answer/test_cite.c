/* SPDX-License-Identifier: Apache-2.0 */
/* What a model cites, read from its text however that is cut. */
#include "answer/cite.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const char alps[] = "The Rhine rises in the Swiss Alps. It flows through Basel and Cologne.";
static const char nile[] = "The Nile flows north. It reaches the sea in Egypt.";
static const char danube[] = "Vienna and Budapest lie on the Danube.";
static const struct passage sources[] = { { alps, sizeof alps - 1 },
                                          { nile, sizeof nile - 1 },
                                          { danube, sizeof danube - 1 } };

struct heard {
        struct buf text, citations; /* "1@0-34 quote|" */
        size_t told;                /* of the text at the last citation */
        bool early;                 /* a citation came before its text */
        int refuse_at;              /* the event that is refused; 0: none */
        int events;
};

static int hear_text(void *data, const char *text, size_t len)
{
        struct heard *heard = data;

        buf_append(&heard->text, text, len);
        return ++heard->events == heard->refuse_at ? -EPIPE : 0;
}

static int hear_citation(void *data, const struct citation *citation)
{
        struct heard *heard = data;

        heard->early |= citation->end > heard->text.len;
        heard->told = heard->text.len;
        buf_append_format(&heard->citations, "%u@%zu-%zu %s|", citation->number, citation->start,
                          citation->end, citation->quote);
        return ++heard->events == heard->refuse_at ? -EPIPE : 0;
}

static void heard_done(struct heard *heard)
{
        buf_done(&heard->text);
        buf_done(&heard->citations);
}

/* Returns whether it is grounded. */
static bool read_cut(const char *text, size_t first, size_t step, struct heard *heard)
{
        const struct cite_events events = { hear_text, hear_citation, heard };
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_(cite_free_cleanup) struct cite *cite = NULL;
        struct error error = { 0 };
        size_t len = strlen(text), told;

        assert_int_equal(text_analyzer_new("english", &analyzer, &error), 0);
        assert_int_equal(cite_new(analyzer, sources, ELEMENTSOF(sources), &events, &cite, &error),
                         0);
        for (size_t at = 0, n = first; at < len; at += n, n = step) {
                if (n > len - at)
                        n = len - at;
                assert_int_equal(cite_feed(cite, text + at, n, &error), 0);
        }
        assert_int_equal(cite_end(cite, &error), 0);
        assert_string_equal(cite_text(cite, &told), buf_text(&heard->text));
        assert_int_equal(told, heard->text.len);
        return cite_is_grounded(cite);
}

#define ALPS_1 "The Rhine rises in the Swiss Alps."
#define ALPS_2 "It flows through Basel and Cologne."

static const struct {
        const char *text, *told, *citations;
        bool grounded;
} cases[] = {
        { "It rises in the Alps [1].", NULL, "1@0-20 " ALPS_1 "|", true },
        { "It rises in the Alps. [1]", NULL, "1@0-21 " ALPS_1 "|", true },
        { "It rises in the Alps[1].", NULL, "1@0-20 " ALPS_1 "|", true },
        { "It flows through Basel [1]. The Nile reaches the sea in Egypt [2].", NULL,
          "1@0-22 " ALPS_2 "|2@28-61 It reaches the sea in Egypt.|", true },
        { "Rivers: the Nile flows north, Budapest lies on the Danube [2][3].", NULL,
          "2@0-57 The Nile flows north.|3@0-57 Vienna and Budapest lie on the Danube.|", true },
        { "The Nile flows north, Budapest lies on the Danube [2, 3].", NULL,
          "2@0-49 The Nile flows north.|3@0-49 Vienna and Budapest lie on the Danube.|", true },
        { "It rises in the Alps. [1] It flows through Basel. [1]", NULL,
          "1@0-21 " ALPS_1 "|1@26-49 " ALPS_2 "|", true },
        { "- rises in the Alps [1]\n- flows through Basel [1]\n", NULL,
          "1@0-19 " ALPS_1 "|1@24-45 " ALPS_2 "|", true },
        { "It rises in the Alps.\n[1]", NULL, "1@0-21 " ALPS_1 "|", true },
        /* Numbers that name nothing. */
        { "It rises in the Alps [9].", "It rises in the Alps.", "", false },
        { "It rises in the Alps [0].", "It rises in the Alps.", "", false },
        { "It rises in the Alps [1, 9].", "It rises in the Alps [1].", "1@0-20 " ALPS_1 "|",
          false },
        { "It rises in the Alps [9][1].", "It rises in the Alps[1].", "1@0-20 " ALPS_1 "|",
          false },
        { "It rises in the Alps [4294967297].", NULL, "", false },
        { "It rises in the Alps [1,1].", NULL, "1@0-20 " ALPS_1 "|", true },
        /* What is no marker. */
        { "An array [a] and [ ] and [1 2] and [,1] and [1,] and [] and [1", NULL, "", false },
        { "Text with  two   blanks and [[1]] brackets", NULL, "1@0-29 " ALPS_1 "|", true },
        { "Write `a[1]` or\n```\nx[9] = y[7];\n```\nlike the Nile [2].", NULL,
          "2@37-50 The Nile flows north.|", true },
        { "A `stray backtick\nand the Nile [2].", NULL, "2@18-30 The Nile flows north.|", true },
        { "No passage says so.", NULL, "", false },
        { "[1] says so.", NULL, "1@0-0 " ALPS_1 "|", true },
        { "", NULL, "", false },
        { " \n\t ", "", "", false },
        { "\n  The Nile [2].", "The Nile [2].", "2@0-8 The Nile flows north.|", true },
        { "Z\xC3\xBCrich liegt nicht am Nil [2]. \xE9\x95\xBF\xE6\xB1\x9F[3]", NULL,
          "2@0-26 The Nile flows north.|3@32-38 Vienna and Budapest lie on the Danube.|", true },
};

static void check(size_t at, size_t first, size_t step)
{
        struct heard heard = { .refuse_at = 0 };
        bool grounded = read_cut(cases[at].text, first, step, &heard);
        const char *told = cases[at].told ? cases[at].told : cases[at].text;

        if (strcmp(buf_text(&heard.text), told) != 0 ||
            strcmp(buf_text(&heard.citations), cases[at].citations) != 0 ||
            grounded != cases[at].grounded || heard.early)
                fail_msg("\"%s\" cut at %zu, %zu: \"%s\", %s, %d", cases[at].text, first, step,
                         buf_text(&heard.text), buf_text(&heard.citations), grounded);
        heard_done(&heard);
}

static void test_markers_are_read_the_same_however_the_text_is_cut(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                for (size_t first = 1; first <= strlen(cases[i].text); first++)
                        check(i, first, SIZE_MAX);
                for (size_t step = 1; step <= 8; step++)
                        check(i, step, step);
        }
}

static void test_what_may_become_a_marker_is_held_back_and_no_more(void **state)
{
        const struct cite_events events = { hear_text, hear_citation,
                                            &(struct heard){ .refuse_at = 0 } };
        struct heard *heard = events.data;
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_(cite_free_cleanup) struct cite *cite = NULL;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(text_analyzer_new("english", &analyzer, &error), 0);
        assert_int_equal(cite_new(analyzer, sources, 3, &events, &cite, &error), 0);
        assert_int_equal(cite_feed(cite, "The Nile [", 10, &error), 0);
        assert_string_equal(buf_text(&heard->text), "The Nile");
        assert_int_equal(cite_feed(cite, "2", 1, &error), 0);
        assert_string_equal(buf_text(&heard->text), "The Nile");
        assert_int_equal(cite_feed(cite, "x", 1, &error), 0);
        assert_string_equal(buf_text(&heard->text), "The Nile [2x");
        heard_done(heard);
}

static void test_a_refused_event_ends_the_reading(void **state)
{
        (void) state;
        for (int at = 1; at <= 2; at++) {
                struct heard heard = { .refuse_at = at };
                const struct cite_events events = { hear_text, hear_citation, &heard };
                cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
                cleanup_(cite_free_cleanup) struct cite *cite = NULL;
                struct error error = { 0 };

                assert_int_equal(text_analyzer_new("english", &analyzer, &error), 0);
                assert_int_equal(cite_new(analyzer, sources, 3, &events, &cite, &error), 0);
                assert_int_equal(cite_feed(cite, "The Nile [2] flows.", 19, &error), -EPIPE);
                assert_int_equal(heard.events, at);
                heard_done(&heard);
        }
}

static void test_an_endless_bracket_is_text_and_costs_no_memory(void **state)
{
        struct heard heard = { .refuse_at = 0 };
        char text[4096];

        (void) state;
        memset(text, '1', sizeof text);
        text[0] = '[';
        text[sizeof text - 1] = '\0';
        assert_false(read_cut(text, 7, 7, &heard));
        assert_string_equal(buf_text(&heard.text), text);
        heard_done(&heard);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_markers_are_read_the_same_however_the_text_is_cut),
                cmocka_unit_test(test_what_may_become_a_marker_is_held_back_and_no_more),
                cmocka_unit_test(test_a_refused_event_ends_the_reading),
                cmocka_unit_test(test_an_endless_bracket_is_text_and_costs_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
