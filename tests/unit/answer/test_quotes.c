/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/quotes.h"
#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

static void choose(const char *question, const char *const texts[], const struct quotes_rule *rule,
                   struct quotes *ret)
{
        static const struct quotes_rule usual = { .max_tokens = 1000 };
        struct text_analyzer *analyzer = NULL;
        struct passage passages[8];
        struct query_terms terms;
        size_t n = 0;

        for (; texts[n]; n++)
                passages[n] = (struct passage){ texts[n], strlen(texts[n]) };
        assert_int_equal(text_analyzer_new("english", &analyzer, NULL), 0);
        assert_int_equal(query_terms_read(analyzer, question, strlen(question), &terms, NULL), 0);
        assert_int_equal(quotes_choose(analyzer, &terms, passages, n, rule ? rule : &usual, ret,
                                       NULL), 0);
        text_analyzer_free(analyzer);
}

static void test_the_sentence_that_covers_the_question_is_quoted(void **state)
{
        static const char *const texts[] = {
                "Tea comes from China. Green tea is brewed at eighty degrees. It is green.",
                "Black tea wants boiling water. Coffee is another drink.",
                NULL,
        };
        struct quotes quotes;

        (void) state;
        choose("How hot should green tea be brewed?", texts, NULL, &quotes);
        assert_true(quotes.n >= 1);
        assert_int_equal(quotes.items[0].passage, 0);
        assert_string_equal(quotes.items[0].text, "Green tea is brewed at eighty degrees.");
        quotes_done(&quotes);
}

static void test_two_sentences_that_cover_it_together_are_both_quoted(void **state)
{
        static const char *const texts[] = {
                "Backups are compressed before they are stored. The office closes at five.",
                "A restore drill runs every week. The garden has three apple trees.",
                NULL,
        };
        struct quotes quotes;

        (void) state;
        choose("When are backups compressed and how often does a restore drill run?", texts, NULL,
               &quotes);
        assert_int_equal(quotes.n, 2);
        assert_int_not_equal(quotes.items[0].passage, quotes.items[1].passage);
        quotes_done(&quotes);
}

static void test_neighbours_become_one_quote(void **state)
{
        static const char *const texts[] = {
                "The weather was fine. To roll back, run the rollback command. A rollback names "
                "the release to which it returns. Birds sang all day.",
                NULL,
        };
        struct quotes quotes;

        (void) state;
        choose("How do I roll back to a release with a rollback command?", texts, NULL, &quotes);
        assert_int_equal(quotes.n, 1);
        assert_string_equal(quotes.items[0].text,
                            "To roll back, run the rollback command. A rollback names the release "
                            "to which it returns.");
        quotes_done(&quotes);
}

static void test_no_term_no_answer_unless_the_rank_is_trusted(void **state)
{
        static const char *const texts[] = { "The Nile flows north through eleven countries.",
                                             "# Rivers\n\nThe Rhine rises in the Alps.", NULL };
        const struct quotes_rule trusting = { .max_tokens = 100, .trust_rank = true };
        struct quotes quotes;

        (void) state;
        choose("What does a violin cost?", texts, NULL, &quotes);
        assert_int_equal(quotes.n, 0);
        choose("What does a violin cost?", texts, &trusting, &quotes);
        assert_int_equal(quotes.n, 2);
        assert_string_equal(quotes.items[1].text, "The Rhine rises in the Alps.");
        quotes_done(&quotes);
}

static void test_markdown_is_not_quoted(void **state)
{
        static const char *const texts[] = {
                "# Rollback of a release\n"
                "\n"
                "```sh\n"
                "ragctl rollback release\n"
                "```\n"
                "\n"
                "| rollback | release |\n"
                "|---|---|\n"
                "\n"
                "- The **rollback** of a release\n"
                "  takes [one command](https://example.org/rollback).\n"
                "- Another item.\n",
                NULL,
        };
        struct quotes quotes;

        (void) state;
        choose("rollback of a release", texts, NULL, &quotes);
        assert_int_equal(quotes.n, 1);
        assert_string_equal(quotes.items[0].text,
                            "The rollback of a release takes one command.");
        quotes_done(&quotes);
}

static void test_manual_pages_are_read_as_prose(void **state)
{
        static const char *const texts[] = {
                "RAGCTL(1)                    General Commands Manual                   RAGCTL(1)\n"
                "\n"
                "RELEASE COMMANDS\n"
                "     rollback [--to N]\n"
                "             Returns to the release before, or to release N, and says what\n"
                "             it would cost first.\n",
                NULL,
        };
        struct quotes quotes;

        (void) state;
        choose("How do I return to the release before?", texts, NULL, &quotes);
        assert_true(quotes.n >= 1);
        assert_non_null(strstr(quotes.items[0].text,
                               "Returns to the release before, or to release N, and says what it "
                               "would cost first."));
        assert_null(strstr(quotes.items[0].text, "General Commands"));
        quotes_done(&quotes);
}

static void test_the_limit_on_tokens_holds(void **state)
{
        static const char *const texts[] = {
                "Rivers carry water to the sea through many lands and many towns and many fields. "
                "Rivers carry water.",
                NULL,
        };
        const struct quotes_rule small = { .max_tokens = 5 };
        struct quotes quotes;

        (void) state;
        choose("What do rivers carry?", texts, &small, &quotes);
        assert_int_equal(quotes.n, 1);
        assert_string_equal(quotes.items[0].text, "Rivers carry water.");
        quotes_done(&quotes);
}

static void test_the_same_sentence_is_quoted_once(void **state)
{
        static const char *const texts[] = { "Overlapping chunks repeat their sentences.",
                                             "Overlapping chunks repeat their sentences.", NULL };
        struct quotes quotes;

        (void) state;
        choose("Do overlapping chunks repeat sentences?", texts, NULL, &quotes);
        assert_int_equal(quotes.n, 1);
        quotes_done(&quotes);
}

static void test_chinese_sentences_are_quoted(void **state)
{
        static const char *const texts[] = { "长江是中国最长的河流。黄河是第二长的河流。", NULL };
        struct quotes quotes;

        (void) state;
        choose("长江", texts, NULL, &quotes);
        assert_true(quotes.n == 1);
        assert_int_equal(strncmp(quotes.items[0].text, "长江是中国最长的河流。",
                                 strlen("长江是中国最长的河流。")), 0);
        quotes_done(&quotes);
}

/* Whatever the bytes: nothing is read beyond them, and what is quoted is valid UTF-8. */
static void test_any_bytes_are_survived(void **state)
{
        (void) state;
        srandom(5);
        for (int round = 0; round < 300; round++) {
                static const char alphabet[] = "ab #*_[]()|-`~.\n\n  1.\xE2\x80\xA2";
                size_t len = (size_t) random() % 120;
                char *text = malloc(len + 1);
                const char *texts[] = { text, NULL };
                struct quotes quotes;

                for (size_t i = 0; i < len; i++)
                        text[i] = alphabet[(size_t) random() % (sizeof alphabet - 1)];
                text[len] = '\0';
                choose("a b ab", texts, NULL, &quotes);
                quotes_done(&quotes);
                free(text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_sentence_that_covers_the_question_is_quoted),
                cmocka_unit_test(test_two_sentences_that_cover_it_together_are_both_quoted),
                cmocka_unit_test(test_neighbours_become_one_quote),
                cmocka_unit_test(test_no_term_no_answer_unless_the_rank_is_trusted),
                cmocka_unit_test(test_markdown_is_not_quoted),
                cmocka_unit_test(test_manual_pages_are_read_as_prose),
                cmocka_unit_test(test_the_limit_on_tokens_holds),
                cmocka_unit_test(test_the_same_sentence_is_quoted_once),
                cmocka_unit_test(test_chinese_sentences_are_quoted),
                cmocka_unit_test(test_any_bytes_are_survived),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
