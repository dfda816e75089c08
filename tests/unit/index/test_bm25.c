/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings.h"
#include "tests/lib/bm25_fts5.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HITS 64

/* The postings, and beside them the reference, which must always say the same. */
struct fixture {
        struct postings *postings;
        struct bm25_fts5 *reference;
        uint32_t next;
};

static void fixture_init(struct fixture *f, const char *language)
{
        *f = (struct fixture){ 0 };
        assert_int_equal(postings_open(-1, language, &f->postings, NULL, NULL), 0);
        assert_int_equal(bm25_fts5_new(language, &f->reference, NULL), 0);
}

static void fixture_done(struct fixture *f)
{
        postings_free(f->postings);
        bm25_fts5_free(f->reference);
}

static uint32_t add(struct fixture *f, const char *title, const char *text)
{
        struct postings_text one = { f->next, title, title ? strlen(title) : 0, text,
                                     strlen(text) };

        assert_int_equal(postings_add(f->postings, f->next, f->next + 1, &one, 1, NULL), 0);
        assert_int_equal(bm25_fts5_add(f->reference, &one, NULL), 0);
        return f->next++;
}

static size_t search(struct fixture *f, const struct bm25_query *query,
                     struct index_hit ret[static HITS], struct index_stats *ret_stats)
{
        cleanup_(postings_unref_cleanup) struct postings_view *view = postings_ref(f->postings);
        struct index_hit expected[HITS];
        struct index_stats stats;
        size_t n, n_expected;

        assert_int_equal(postings_search(view, query, ret, &n, ret_stats, NULL), 0);
        assert_int_equal(bm25_fts5_search(f->reference, query, expected, &n_expected, &stats, NULL),
                         0);
        assert_int_equal(n, n_expected);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(ret[i].slot, expected[i].slot);
                assert_true(fabsf(ret[i].score - expected[i].score) <= 1e-6F * ret[i].score);
        }
        return n;
}

/* Slots of the hits, best first, between spaces. */
static const char *ask_with(struct fixture *f, const char *text, struct bm25_query query,
                            char out[static 256])
{
        struct index_hit hits[HITS];
        struct index_stats stats;
        size_t count, at = 0;

        query.text = text;
        query.len = strlen(text);
        if (query.k == 0)
                query.k = HITS;
        query.committed = query.committed ? query.committed : f->next;
        count = search(f, &query, hits, &stats);
        assert_true(stats.exact && stats.exhausted);
        out[0] = '\0';
        for (size_t i = 0; i < count; i++) {
                assert_true(hits[i].score > 0.0F);
                assert_true(i == 0 || hits[i].score <= hits[i - 1].score);
                at += (size_t) snprintf(out + at, 256 - at, "%s%u", i ? " " : "", hits[i].slot);
        }
        return out;
}

static const char *ask(struct fixture *f, const char *text, char out[static 256])
{
        return ask_with(f, text, (struct bm25_query){ 0 }, out);
}

static void test_words_are_found_in_any_form(void **state)
{
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, NULL, "Rolling back a release");
        (void) add(&f, NULL, "How backups are made");
        (void) add(&f, NULL, "Über den Wolken");
        assert_string_equal(ask(&f, "how do I roll back releases?", out), "0");
        assert_string_equal(ask(&f, "backup", out), "1");
        assert_string_equal(ask(&f, "uber", out), "2");
        assert_string_equal(ask(&f, "wolken RELEASED", out), "2 0");
        assert_string_equal(ask(&f, "nothing of it", out), "");
        fixture_done(&f);
}

static void test_one_and_two_cjk_characters_are_found(void **state)
{
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, NULL, "東京都は日本の首都です");
        (void) add(&f, NULL, "京都の寺");
        (void) add(&f, NULL, "한국어 문서를 검색");
        (void) add(&f, NULL, "愛");
        assert_string_equal(ask(&f, "東", out), "0");
        assert_string_equal(ask(&f, "都", out), "1 0");
        assert_string_equal(ask(&f, "寺", out), "1"); /* the last of its run */
        assert_string_equal(ask(&f, "日本", out), "0");
        assert_string_equal(ask(&f, "東京", out), "0");
        assert_string_equal(ask(&f, "검색", out), "2");
        assert_string_equal(ask(&f, "국", out), "2");
        assert_string_equal(ask(&f, "愛", out), "3");
        assert_string_equal(ask(&f, "東寺", out), "");
        fixture_done(&f);
}

static void test_stop_words_count_only_where_there_is_nothing_else(void **state)
{
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, NULL, "to be or not to be");
        (void) add(&f, NULL, "a question of style");
        assert_string_equal(ask(&f, "to be or not to be", out), "0");
        assert_string_equal(ask(&f, "is it a question?", out), "1");
        fixture_done(&f);
}

static void test_scores_are_those_of_the_formula(void **state)
{
        struct bm25_query query = { .text = "flow", .len = 4, .k = 4, .committed = 3 };
        struct index_hit hits[HITS];
        struct index_stats stats;
        struct fixture f;
        double idf = log1p((3 - 2 + 0.5) / (2 + 0.5)), average = (3 + 5 + 4) / 3.0;
        double first = idf * 3 * 2.5 / (3 + 1.5 * (0.25 + 0.75 * 3 / average));
        double second = idf * 1 * 2.5 / (1 + 1.5 * (0.25 + 0.75 * 5 / average));

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, "flow", "flow heat");           /* 3 terms; the title counts twice */
        (void) add(&f, "heat", "one two flow three");  /* 5 */
        (void) add(&f, NULL, "four five six seven");   /* 4 */
        assert_int_equal(search(&f, &query, hits, &stats), 2);
        assert_int_equal(hits[0].slot, 0);
        assert_true(fabs((double) hits[0].score - first) < 1e-6);
        assert_true(fabs((double) hits[1].score - second) < 1e-6);
        assert_int_equal(stats.candidates, 2);
        fixture_done(&f);
}

static void test_filter_live_and_committed_decide_before_the_best_are_chosen(void **state)
{
        roaring_bitmap_t *odd = roaring_bitmap_create(), *late = roaring_bitmap_create();
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        for (uint32_t slot = 0; slot < 20; slot++) {
                char text[64];

                (void) snprintf(text, sizeof text, "word%s%s", slot < 10 ? " word" : "",
                                slot == 19 ? " word word" : "");
                (void) add(&f, NULL, text);
                if (slot % 2)
                        roaring_bitmap_add(odd, slot);
                if (slot >= 7)
                        roaring_bitmap_add(late, slot);
        }
        assert_string_equal(ask_with(&f, "word", (struct bm25_query){ .k = 3 }, out), "19 0 1");
        assert_string_equal(ask_with(&f, "word", (struct bm25_query){ .k = 2, .filter = odd, .live = late }, out),
                            "19 7");
        assert_string_equal(ask_with(&f, "word", (struct bm25_query){ .k = 9, .filter = odd, .live = late,
                                                                      .committed = 12 }, out),
                            "7 9 11");
        roaring_bitmap_free(odd);
        roaring_bitmap_free(late);
        fixture_done(&f);
}

static void test_a_single_character_counts_all_terms_that_begin_with_it_as_one(void **state)
{
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, "水", "水水水 水道 水曜 and water");
        for (int i = 0; i < 300; i++)
                (void) add(&f, NULL, i % 3 ? "水曜日の水" : "山の火");
        (void) add(&f, NULL, "水");
        assert_string_equal(ask_with(&f, "水", (struct bm25_query){ .k = 3 }, out), "0 301 2");
        assert_string_equal(ask_with(&f, "water 水", (struct bm25_query){ .k = 2 }, out), "0 301");
        assert_string_equal(ask(&f, "空", out), "");
        fixture_done(&f);
}

static void test_an_empty_text_counts_as_a_document(void **state)
{
        struct fixture f;
        char out[256];

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, NULL, "");
        (void) add(&f, NULL, "- . !");
        (void) add(&f, NULL, "apple");
        assert_string_equal(ask(&f, "apple", out), "2");
        fixture_done(&f);
}

static void test_no_question_reaches_the_query_language(void **state)
{
        static const char *const questions[] = {
                "\"", "\"\"\"", "apple OR", "NEAR(apple pear)", "apple*", "title:apple", "text : x",
                "-apple", "^apple", "(apple", "apple)", "{title} : apple", "apple + pear", "'; DROP",
                "\xFF\xFE", "apple\"pear", "* ", "AND OR NOT", "a:b:c", "", " ", "don't",
        };
        struct fixture f;
        char out[256];
        char *many = malloc(100000);

        (void) state;
        fixture_init(&f, "english");
        (void) add(&f, NULL, "apple pie near the tree");
        for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
                (void) ask(&f, questions[i], out);
        assert_string_equal(ask(&f, "apple* OR (", out), "0");
        for (size_t i = 0; i < 99999; i++)
                many[i] = (char) (i % 5 == 4 ? ' ' : 'a' + (int) (i * 31 % 23));
        many[99999] = '\0';
        (void) ask(&f, many, out); /* more words than are looked up */
        free(many);
        fixture_done(&f);
}

static int at_once(void *userdata)
{
        (void) userdata;
        return -ECANCELED;
}

static void test_a_search_ends_when_nobody_waits_and_the_next_one_works(void **state)
{
        struct bm25_query query = { .text = "word", .len = 4, .k = 1, .committed = 40000,
                                    .check = { at_once, NULL } };
        struct postings_view *view;
        struct index_hit hit;
        struct index_stats stats;
        struct fixture f;
        size_t count;

        (void) state;
        fixture_init(&f, "english");
        for (uint32_t i = 0; i < 40000; i++) {
                struct postings_text one = { i, NULL, 0, "word", 4 };

                assert_int_equal(postings_add(f.postings, i, i + 1, &one, 1, NULL), 0);
        }
        view = postings_ref(f.postings);
        assert_int_equal(postings_search(view, &query, &hit, &count, &stats, NULL), -ECANCELED);
        query.check.check = NULL;
        assert_int_equal(postings_search(view, &query, &hit, &count, &stats, NULL), 0);
        assert_int_equal(count, 1);
        query.k = 0;
        assert_int_equal(postings_search(view, &query, &hit, &count, &stats, NULL), -EINVAL);
        query.k = INDEX_K_MAX + 1;
        assert_int_equal(postings_search(view, &query, &hit, &count, &stats, NULL), -EINVAL);
        (void) postings_unref(view);
        fixture_done(&f);
}

static void test_an_unknown_language_is_refused_and_none_stems_nothing(void **state)
{
        struct postings *postings;
        struct fixture f;
        char out[256];

        (void) state;
        assert_int_equal(postings_open(-1, "klingon", &postings, NULL, NULL), -EINVAL);
        assert_int_equal(postings_open(-1, "a language whose name is longer than any is", &postings,
                                       NULL, NULL),
                         -EINVAL);
        fixture_init(&f, "german");
        (void) add(&f, NULL, "viele Häuser");
        assert_string_equal(ask(&f, "Haus", out), "0");
        fixture_done(&f);
        fixture_init(&f, "none");
        (void) add(&f, NULL, "viele Häuser");
        assert_string_equal(ask(&f, "Haus", out), "");
        fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words_are_found_in_any_form),
                cmocka_unit_test(test_one_and_two_cjk_characters_are_found),
                cmocka_unit_test(test_stop_words_count_only_where_there_is_nothing_else),
                cmocka_unit_test(test_scores_are_those_of_the_formula),
                cmocka_unit_test(test_filter_live_and_committed_decide_before_the_best_are_chosen),
                cmocka_unit_test(test_a_single_character_counts_all_terms_that_begin_with_it_as_one),
                cmocka_unit_test(test_an_empty_text_counts_as_a_document),
                cmocka_unit_test(test_no_question_reaches_the_query_language),
                cmocka_unit_test(test_a_search_ends_when_nobody_waits_and_the_next_one_works),
                cmocka_unit_test(test_an_unknown_language_is_refused_and_none_stems_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
