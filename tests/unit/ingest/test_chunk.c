/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "ingest/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct text_analyzer *analyzer;

static int open_analyzer(void **state)
{
        (void) state;
        return text_analyzer_new("none", &analyzer, NULL);
}

static int close_analyzer(void **state)
{
        (void) state;
        text_analyzer_free(analyzer);
        return 0;
}

static size_t cut(const struct chunk_rules *rules, const char *text, struct chunk_cut **ret)
{
        size_t n = 77;

        *ret = NULL;
        assert_int_equal(chunk_cut_text(analyzer, rules, text, strlen(text), ret, &n, NULL), 0);
        assert_true((n == 0) == (*ret == NULL));
        return n;
}

/* The chunks of a case, joined by '|'. */
static void test_texts_are_cut_as_the_table_says(void **state)
{
        static const struct {
                struct chunk_rules rules;
                const char *text, *chunks;
        } cases[] = {
                { { CHUNK_SLIDING_WINDOW, 4, 0, 8, 0 }, "", "" },
                { { CHUNK_SLIDING_WINDOW, 4, 0, 8, 0 }, " \n\t ", "" },
                { { CHUNK_SLIDING_WINDOW, 4, 0, 8, 0 }, "one", "one" },
                { { CHUNK_SLIDING_WINDOW, 4, 0, 8, 4 }, "a short one", "a short one" },
                { { CHUNK_SLIDING_WINDOW, 2, 0, 2, 0 }, "a b c d e", "a b|c d|e" },
                { { CHUNK_SLIDING_WINDOW, 3, 1, 8, 0 }, "a b c d e f g", "a b c|c d e|e f g" },
                { { CHUNK_SLIDING_WINDOW, 3, 2, 8, 0 }, "a b c d e", "a b c|b c d|c d e" },
                /* a tail below the minimum joins, where the cap allows it */
                { { CHUNK_SLIDING_WINDOW, 3, 0, 5, 2 }, "a b c d", "a b c d" },
                { { CHUNK_SLIDING_WINDOW, 3, 0, 3, 2 }, "a b c d", "a b c|d" },
                { { CHUNK_SLIDING_WINDOW, 3, 1, 8, 3 }, "a b c d", "a b c d" },
                /* what is no word stays with the word before it */
                { { CHUNK_SLIDING_WINDOW, 2, 0, 2, 0 }, "(a) b, c. -- d!", "(a) b,|c. -- d!" },
                { { CHUNK_SLIDING_WINDOW, 2, 0, 2, 0 }, "...", "..." },
                /* chunk_size above the cap: the cap counts */
                { { CHUNK_SLIDING_WINDOW, 9, 0, 2, 0 }, "a b c", "a b|c" },
                /* a word that is too long is cut in the middle */
                { { CHUNK_SLIDING_WINDOW, 1, 0, 1, 0 }, "abcdefghijklmnopqrst",
                  "abcdefgh|ijklmnopqrst" },
                /* CJK characters are one token each, and not cut */
                { { CHUNK_SLIDING_WINDOW, 3, 1, 3, 0 }, "长江是中国", "长江是|是中国" },
                { { CHUNK_SENTENCE, 6, 0, 12, 0 }, "One two three. Four five. Six seven eight nine.",
                  "One two three. Four five.|Six seven eight nine." },
                { { CHUNK_SENTENCE, 6, 2, 12, 0 }, "One two three. Four five. Six seven eight nine.",
                  "One two three. Four five.|Four five. Six seven eight nine." },
                /* a sentence between size and cap stays whole, one beyond the cap is split */
                { { CHUNK_SENTENCE, 2, 0, 4, 0 }, "One two three four. Five.",
                  "One two three four.|Five." },
                { { CHUNK_SENTENCE, 2, 0, 3, 0 }, "One two three four. Five.",
                  "One two|three four.|Five." },
                { { CHUNK_SENTENCE, 6, 0, 12, 2 }, "One two three four five six. Seven.",
                  "One two three four five six. Seven." },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_(buf_done) struct buf joined = BUF_EMPTY;
                struct chunk_cut *cuts;
                size_t n = cut(&cases[i].rules, cases[i].text, &cuts);

                for (size_t j = 0; j < n; j++) {
                        if (j > 0)
                                buf_append_char(&joined, '|');
                        buf_append(&joined, cases[i].text + cuts[j].start,
                                   cuts[j].end - cuts[j].start);
                }
                assert_string_equal(buf_text(&joined), cases[i].chunks);
                free(cuts);
        }
}

/* ---- Properties over random texts ------------------------------------------------------------ */

static uint64_t random_state = 88172645463325252U;

static uint32_t draw(uint32_t below)
{
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return (uint32_t) (random_state >> 33) % below;
}

static void append_something(struct buf *text)
{
        static const char *const pieces[] = {
                "word", "a", "antidisestablishmentarianism", "3.14", "don't", "Größe", "長江", "の",
                "가나", ". ", "! ", "? ", "\n", "\n\n", "  ", "\t", ", ", "(", ")", "—", "…", "🚀",
                "e\xCC\x81", "http://example.org/a/very/long/path?with=query&and=more", "***", "'",
                "------------------------------------------------------------------------------",
                "                                                                              ",
                "\xE2\x80\xA8", "no.1", "x_y", "Dr. ",
        };
        size_t repeat = draw(40) == 0 ? 1 + draw(60) : 1;
        const char *piece = pieces[draw(ELEMENTSOF(pieces))];

        while (repeat-- > 0)
                buf_append_text(text, piece);
        if (draw(3) > 0)
                buf_append_char(text, ' ');
}

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static void check_properties(const struct chunk_rules *rules, const char *text, size_t len)
{
        cleanup_free_ struct chunk_cut *cuts = NULL;
        size_t n = 0, covered = 0;

        assert_int_equal(chunk_cut_text(analyzer, rules, text, len, &cuts, &n, NULL), 0);
        for (size_t i = 0; i < n; i++) {
                assert_true(cuts[i].start < cuts[i].end && cuts[i].end <= len);
                /* cuts lie on character boundaries, without white space around */
                assert_int_equal(utf8_valid_prefix(text + cuts[i].start, cuts[i].end - cuts[i].start),
                                 cuts[i].end - cuts[i].start);
                assert_false(is_space(text[cuts[i].start]) || is_space(text[cuts[i].end - 1]));
                assert_true(cuts[i].tokens <= rules->max_chunk_size);
                /* nothing between two chunks but white space, and each brings something new */
                for (size_t at = covered; at < cuts[i].start; at++)
                        assert_true(is_space(text[at]));
                assert_true(cuts[i].end > covered || i == 0);
                if (i > 0)
                        assert_true(cuts[i].start > cuts[i - 1].start);
                if (cuts[i].end > covered)
                        covered = cuts[i].end;
                /* what is repeated is at most the overlap */
                if (i > 0 && cuts[i].start < cuts[i - 1].end) {
                        size_t repeated = 0;

                        assert_int_equal(text_count_tokens(analyzer, text + cuts[i].start,
                                                           cuts[i - 1].end - cuts[i].start,
                                                           &repeated), 0);
                        assert_true(rules->overlap > 0);
                        /* symbols on both sides of a cut may make a token together */
                        assert_true(repeated <= rules->overlap + 2);
                }
                if (n > 1 && i + 1 == n && cuts[i].tokens < rules->min_chunk_size)
                        assert_true(cuts[i].tokens + cuts[i - 1].tokens > rules->max_chunk_size -
                                                                                   rules->overlap);
        }
        for (size_t at = covered; at < len; at++)
                assert_true(is_space(text[at]));
}

static void test_whatever_the_text_nothing_is_dropped_and_the_cap_holds(void **state)
{
        (void) state;
        for (int round = 0; round < 3000; round++) {
                cleanup_(buf_done) struct buf text = BUF_EMPTY;
                struct chunk_rules rules;

                rules.strategy = draw(2) ? CHUNK_SLIDING_WINDOW : CHUNK_SENTENCE;
                rules.chunk_size = 1 + draw(40);
                rules.overlap = draw(rules.chunk_size);
                rules.max_chunk_size = rules.chunk_size + draw(40);
                rules.min_chunk_size = draw(rules.chunk_size);
                for (uint32_t i = draw(200); i > 0; i--)
                        append_something(&text);
                check_properties(&rules, buf_text(&text), text.len);
        }
}

static void test_a_document_may_ask_for_its_own_chunks(void **state)
{
        static const struct {
                const char *json;
                int expected;
                struct chunk_rules rules;
        } cases[] = {
                { "{}", 0, { CHUNK_SLIDING_WINDOW, 100, 20, 200, 10 } },
                { "{\"max_tokens\":50}", 0, { CHUNK_SLIDING_WINDOW, 50, 20, 200, 10 } },
                { "{\"max_tokens\":10}", 0, { CHUNK_SLIDING_WINDOW, 10, 5, 200, 10 } },
                { "{\"max_tokens\":10,\"overlap\":9}", 0, { CHUNK_SLIDING_WINDOW, 10, 9, 200, 10 } },
                { "{\"strategy\":\"sentence\"}", 0, { CHUNK_SENTENCE, 100, 20, 200, 10 } },
                { "{\"strategy\":\"semantic\"}", -EINVAL, { 0 } },
                { "{\"max_tokens\":201}", -EINVAL, { 0 } },
                { "{\"max_tokens\":0}", -EINVAL, { 0 } },
                { "{\"overlap\":100}", -EINVAL, { 0 } },
                { "{\"size\":100}", -EINVAL, { 0 } },
                { "[]", -EINVAL, { 0 } },
                { "{", -EBADMSG, { 0 } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct chunk_rules rules = { CHUNK_SLIDING_WINDOW, 100, 20, 200, 10 };
                struct error error = { 0 };

                assert_int_equal(chunk_rules_override(&rules, cases[i].json, &error),
                                 cases[i].expected);
                if (cases[i].expected < 0) {
                        assert_int_not_equal(error.message[0], '\0');
                        continue;
                }
                assert_int_equal(rules.strategy, cases[i].rules.strategy);
                assert_int_equal(rules.chunk_size, cases[i].rules.chunk_size);
                assert_int_equal(rules.overlap, cases[i].rules.overlap);
                assert_int_equal(rules.max_chunk_size, cases[i].rules.max_chunk_size);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_texts_are_cut_as_the_table_says),
                cmocka_unit_test(test_whatever_the_text_nothing_is_dropped_and_the_cap_holds),
                cmocka_unit_test(test_a_document_may_ask_for_its_own_chunks),
        };

        return cmocka_run_group_tests(tests, open_analyzer, close_analyzer);
}
