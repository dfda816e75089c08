/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/text_analyzer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define OUT 1024

/* ---- UTF-8 ------------------------------------------------------------------------------ */

/* What a sequence of bytes means, decoded the slow way: -1 where it is no character. */
static int slow_character(const unsigned char *p, size_t len, size_t *ret_bytes)
{
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        size_t bytes = p[0] < 0x80           ? 1
                       : (p[0] & 0xE0) == 0xC0 ? 2
                       : (p[0] & 0xF0) == 0xE0 ? 3
                       : (p[0] & 0xF8) == 0xF0 ? 4
                                               : 0;
        uint32_t c;

        if (bytes == 0 || len < bytes)
                return -1;
        c = bytes == 1 ? p[0] : p[0] & (0xFFU >> (bytes + 1));
        for (size_t i = 1; i < bytes; i++) {
                if ((p[i] & 0xC0) != 0x80)
                        return -1;
                c = c << 6 | (p[i] & 0x3FU);
        }
        if (c < least[bytes] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
                return -1;
        *ret_bytes = bytes;
        return (int) c;
}

static void check_bytes(const unsigned char *p, size_t len)
{
        size_t slow_bytes = 0, fast_bytes;
        int slow = slow_character(p, len, &slow_bytes);
        uint32_t fast = utf8_character((const char *) p, len, &fast_bytes);

        if (slow < 0) {
                if (utf8_character_bytes((const char *) p, len) != 0 || fast != 0xFFFD ||
                    fast_bytes != 1)
                        fail_msg("taken as valid: %02x %02x %02x", p[0], p[1], p[2]);
        } else if (fast != (uint32_t) slow || fast_bytes != slow_bytes) {
                fail_msg("decoded wrongly: %02x %02x %02x", p[0], p[1], p[2]);
        }
}

static void test_every_sequence_of_three_bytes_is_judged_as_the_standard_says(void **state)
{
        unsigned char p[4] = { 0 };

        (void) state;
        for (uint32_t i = 0; i < 1U << 24; i++) {
                p[0] = (unsigned char) (i >> 16);
                p[1] = (unsigned char) (i >> 8);
                p[2] = (unsigned char) i;
                check_bytes(p, 3);
                if (p[2] == 0)
                        check_bytes(p, 2);
        }
}

static void test_sequences_of_four_bytes_end_at_the_last_code_point(void **state)
{
        (void) state;
        for (uint32_t i = 0; i < 1U << 20; i++) {
                unsigned char p[4] = { (unsigned char) (0xEC + (i >> 16)),
                                       (unsigned char) (i >> 8), (unsigned char) i,
                                       (unsigned char) (i * 7) };

                check_bytes(p, 4);
        }
        assert_int_equal(utf8_character_bytes("\xF4\x8F\xBF\xBF", 4), 4);
        assert_int_equal(utf8_character_bytes("\xF4\x90\x80\x80", 4), 0);
}

static void test_every_character_is_read_back_as_it_was_written(void **state)
{
        (void) state;
        for (uint32_t c = 0; c <= 0x10FFFF; c++) {
                char text[4];
                size_t bytes = utf8_write(c, text), back_bytes;
                uint32_t back = utf8_character(text, bytes, &back_bytes);
                uint32_t wanted = c >= 0xD800 && c <= 0xDFFF ? 0xFFFD : c;

                if (back != wanted || back_bytes != bytes)
                        fail_msg("U+%04X came back as U+%04X", c, back);
        }
}

static void test_valid_prefix_ends_at_the_first_bad_byte_wherever_it_is(void **state)
{
        char text[64];

        (void) state;
        for (size_t bad = 0; bad < 40; bad++) {
                memset(text, 'x', sizeof text);
                memcpy(text + 40, "\xC3\xBC", 2);
                assert_int_equal(utf8_valid_prefix(text, sizeof text), sizeof text);
                text[bad] = '\xFF';
                assert_int_equal(utf8_valid_prefix(text, sizeof text), bad);
        }
        assert_int_equal(utf8_valid_prefix("ab\xC3", 3), 2);
        assert_int_equal(utf8_valid_prefix("", 0), 0);
}

static void test_cut_never_splits_a_character(void **state)
{
        const char *text = "a\xC3\xBC\xE6\xBC\xA2\xF0\x9F\x98\x80z"; /* a ü 漢 emoji z */
        static const size_t wanted[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

        (void) state;
        for (size_t max = 0; max < sizeof wanted / sizeof wanted[0]; max++)
                assert_int_equal(utf8_cut(text, 11, max), wanted[max]);
        assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80", 5, 4), 4);
}

/* ---- Words ------------------------------------------------------------------------------ */

static struct text_analyzer *analyzer_for(const char *language)
{
        struct text_analyzer *analyzer = NULL;

        assert_int_equal(text_analyzer_new(language, &analyzer, NULL), 0);
        return analyzer;
}

/* The words between bars; symbols in brackets. */
static const char *words_of(const char *text, char out[static OUT])
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        struct text_words words;
        struct text_word word;
        size_t at = 0;
        int r;

        out[0] = '\0';
        text_words_begin(analyzer, text, strlen(text), &words);
        while ((r = text_words_next(&words, &word)) > 0)
                at += (size_t) snprintf(out + at, OUT - at, "%s%s%.*s%s", at ? "|" : "",
                                        word.kind == TEXT_SYMBOLS ? "[" : "",
                                        (int) (word.end - word.start), text + word.start,
                                        word.kind == TEXT_SYMBOLS ? "]" : "");
        assert_int_equal(r, 0);
        return out;
}

static void test_words_end_where_unicode_ends_them(void **state)
{
        static const struct {
                const char *text, *words;
        } cases[] = {
                { "", "" },
                { " \t\n ", "" },
                { "Hello, world!", "Hello|world" },
                { "two-dimensional boundary_layer", "two|dimensional|boundary_layer" },
                { "don't pay 3.50 or 1,000 (now).", "don't|pay|3.50|or|1,000|now" },
                { "naïve Straße — Ärger", "naïve|Straße|Ärger" },
                { "東京は晴れ", "東|京|は|晴|れ" },
                { "abc漢字def", "abc|漢|字|def" },
                { "한국어 문서", "한|국|어|문|서" },
                { "Привет, мир", "Привет|мир" },
                { "a ======== b", "a|[========]|b" },
                { "a ======= b", "a|b" },
                { "x========漢", "x|[========]|漢" },
        };
        char out[OUT];

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_string_equal(words_of(cases[i].text, out), cases[i].words);
}

static void test_ascii_words_are_those_of_icu(void **state)
{
        static const char alphabet[] = "ab1_2:.',;-@#/";
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        struct text_breaker icu = { 0 };
        unsigned int seed = 7;

        (void) state;
        for (int n = 0; n < 20000; n++) {
                char text[16], ours[OUT] = "", theirs[OUT] = "";
                size_t len = 1 + (size_t) rand_r(&seed) % 14, at = 0;
                struct text_words words;
                struct text_word word;

                for (size_t i = 0; i < len; i++)
                        text[i] = alphabet[(size_t) rand_r(&seed) % (sizeof alphabet - 1)];
                text_words_begin(analyzer, text, len, &words);
                while (text_words_next(&words, &word) > 0)
                        if (word.kind == TEXT_WORD)
                                at += (size_t) snprintf(ours + at, OUT - at, "%zu-%zu ",
                                                        word.start, word.end);
                icu.bound = NULL;
                assert_int_equal(text_breaker_bind(&icu, UBRK_WORD, text, len), 0);
                at = 0;
                for (size_t start = 0, end; start < len; start = end) {
                        end = text_breaker_following(&icu, start);
                        if (ubrk_getRuleStatus(icu.breaks) >= UBRK_WORD_NONE_LIMIT)
                                at += (size_t) snprintf(theirs + at, OUT - at, "%zu-%zu ", start,
                                                        end);
                }
                text[len] = '\0';
                if (strcmp(ours, theirs) != 0)
                        fail_msg("\"%s\": ours %s theirs %s", text, ours, theirs);
        }
        ubrk_close(icu.breaks);
        (void) utext_close(&icu.utext);
}

static void test_words_cover_any_bytes_in_order_and_within_limits(void **state)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        static const char *const pieces[] = { "a", "_", " ", "\n", "\xFF", "ü", "漢", "カ", "ﾞ", "ก",
                                              "เ", "1", ".", "\xCC\x88", "\xF0\x9F\x98\x80", "=====",
                                              "\xE6", "한", "\xE1\x85\xA1", "-" };
        unsigned int seed = 3;

        (void) state;
        for (int n = 0; n < 300; n++) {
                char *text = calloc(1, 8192);
                size_t len = 0, before = 0;
                struct text_words words;
                struct text_word word;
                int r, same = rand_r(&seed) % 3 == 0, piece = 0;

                while (len < 6000 - (size_t) (n * 20)) {
                        const char *p;

                        if (!same || len == 0 || rand_r(&seed) % 500 == 0)
                                piece = rand_r(&seed) % (int) (sizeof pieces / sizeof pieces[0]);
                        p = pieces[piece];
                        memcpy(text + len, p, strlen(p));
                        len += strlen(p);
                }
                text_words_begin(analyzer, text, len, &words);
                while ((r = text_words_next(&words, &word)) > 0) {
                        assert_true(word.start >= before && word.end > word.start);
                        assert_true(word.end <= len && word.end - word.start <= TEXT_WORD_MAX);
                        assert_true(word.tokens >= 1);
                        before = word.end;
                }
                assert_int_equal(r, 0);
                free(text);
        }
}

static void test_two_iterators_may_take_turns_on_one_analyzer(void **state)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        const char *first = "für alle Bäume über Höhen", *second = "été à la plage où ça";
        struct text_words a, b;
        struct text_word x, y;
        size_t n = 0;

        (void) state;
        text_words_begin(analyzer, first, strlen(first), &a);
        text_words_begin(analyzer, second, strlen(second), &b);
        while (text_words_next(&a, &x) > 0) {
                assert_int_equal(text_words_next(&b, &y), n < 6);
                n++;
        }
        assert_int_equal(n, 5);
}

static void test_tokens_count_words_characters_and_long_runs(void **state)
{
        static const struct {
                const char *text;
                size_t tokens;
        } cases[] = {
                { "", 0 },
                { "one two three", 3 },
                { "東京", 2 },
                { "abcdefgh", 1 },
                { "abcdefghijklmno", 1 },  /* 15 bytes */
                { "abcdefghijklmnop", 2 }, /* 16 */
                { "abcdefghijklmnopqrstuvwx", 3 },
                { "...!!!", 0 },
                { "!!!!!!!!", 1 },
                { "!!!!!!!!!!!!!!!!", 2 },
        };
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        char *long_run = malloc(80000);
        size_t tokens;

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                assert_int_equal(text_count_tokens(analyzer, cases[i].text, strlen(cases[i].text),
                                                   &tokens),
                                 0);
                assert_int_equal(tokens, cases[i].tokens);
        }
        memset(long_run, 'x', 80000);
        assert_int_equal(text_count_tokens(analyzer, long_run, 80000, &tokens), 0);
        assert_int_equal(tokens, 10000);
        free(long_run);
}

/* ---- Terms ------------------------------------------------------------------------------ */

/* The terms between bars; '*' behind a prefix, '-' before a stop word. */
static const char *terms_of(const char *language, enum text_terms_for use, const char *text,
                            char out[static OUT])
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer =
                analyzer_for(language);
        struct text_terms terms;
        struct text_term term;
        size_t at = 0;
        int r;

        out[0] = '\0';
        text_terms_begin(analyzer, use, text, strlen(text), &terms);
        while ((r = text_terms_next(&terms, &term)) > 0) {
                assert_true(term.len > 0 && term.len <= TEXT_TERM_MAX && term.start < term.end);
                assert_int_equal(strlen(term.text), term.len);
                at += (size_t) snprintf(out + at, OUT - at, "%s%s%s%s", at ? "|" : "",
                                        term.stop ? "-" : "", term.text, term.prefix ? "*" : "");
        }
        assert_int_equal(r, 0);
        return out;
}

static void test_terms_are_folded_stemmed_and_stripped(void **state)
{
        static const struct {
                const char *language, *text, *terms;
        } cases[] = {
                { "english", "The Flows were measured", "-the|flow|-were|measur" },
                { "english", "Releases: rolling back a release", "releas|roll|back|-a|releas" },
                { "english", "don’t DON'T", "-don't|-don't" },
                { "english", "aircraft's", "aircraft" },
                { "english", "ragd.toml snake_case e@mail.org", "ragd|toml|snake|case|e|mail|org" },
                { "english", "3.5 1,000 U.S. e.g.", "3.5|1,000|u.s|e.g" },
                { "none", "U.S Über ÜBER U\xCC\x88"
                          "ber",
                  "u.s|uber|uber|uber" },
                { "german", "Häuser Haus Straßen", "haus|haus|strass" },
                { "german", "die Bücher laufen", "die|buch|lauf" },
                { "none", "ＦＵＬＬ ﬁne", "full|fine" },
                { "none", "smørrebrød Łódź œuvre", "smorrebrod|lodz|oeuvre" },
                { "none", "ёлка йод", "елка|йод" },
                { "none", "हिन्दी", "हिन्दी" },
                { "none", "ΆΛΦΑ", "αλφα" },
        };
        char out[OUT];

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_string_equal(
                        terms_of(cases[i].language, TEXT_FOR_DOCUMENT, cases[i].text, out),
                        cases[i].terms);
}

static void test_each_cjk_character_begins_one_term_of_a_document(void **state)
{
        char out[OUT];

        (void) state;
        assert_string_equal(terms_of("english", TEXT_FOR_DOCUMENT, "東京都", out), "東京|京都|都");
        assert_string_equal(terms_of("english", TEXT_FOR_DOCUMENT, "愛", out), "愛");
        assert_string_equal(terms_of("english", TEXT_FOR_DOCUMENT, "X東 京Y", out), "x|東|京|y");
        assert_string_equal(terms_of("english", TEXT_FOR_DOCUMENT, "ガギ ｶﾞｷﾞ", out),
                            "ガギ|ギ|ガギ|ギ");
        assert_string_equal(
                terms_of("english", TEXT_FOR_DOCUMENT, "한국 \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", out),
                "한국|국|한");
}

static void test_a_question_of_one_cjk_character_is_a_prefix(void **state)
{
        char out[OUT];

        (void) state;
        assert_string_equal(terms_of("english", TEXT_FOR_QUERY, "東", out), "東*");
        assert_string_equal(terms_of("english", TEXT_FOR_QUERY, "東京", out), "東京");
        assert_string_equal(terms_of("english", TEXT_FOR_QUERY, "東京都 は?", out), "東京|京都|は*");
}

static void test_long_words_are_cut_on_a_character(void **state)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("english");
        char text[1200];
        struct text_terms terms;
        struct text_term term;
        size_t n = 0;

        (void) state;
        for (size_t i = 0; i < sizeof text; i += 2)
                memcpy(text + i, "ß", 2);
        text_terms_begin(analyzer, TEXT_FOR_DOCUMENT, text, sizeof text, &terms);
        while (text_terms_next(&terms, &term) > 0) {
                assert_int_equal(utf8_valid_prefix(term.text, term.len), term.len);
                assert_true(term.len <= TEXT_TERM_MAX);
                n++;
        }
        assert_int_equal(n, 5); /* pieces of TEXT_WORD_MAX */
}

static void test_unknown_languages_are_refused_by_name(void **state)
{
        struct text_analyzer *analyzer = NULL;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(text_analyzer_new("klingon", &analyzer, &error), -EINVAL);
        assert_non_null(strstr(error.message, "klingon"));
        assert_null(analyzer);
}

static void test_stop_words_are_in_order(void **state)
{
        static const char *const words[] = { "a", "about", "the", "your", "with", "don't", "it's",
                                             "is", "how", "do", "through" };
        static const char *const others[] = { "", "release", "zebra", "aa", "throughoutthewholeday" };

        (void) state;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                assert_true(text_is_stop_word(words[i], strlen(words[i])));
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
                assert_false(text_is_stop_word(others[i], strlen(others[i])));
}

/* ---- Sentences -------------------------------------------------------------------------- */

static void test_sentences_span_line_breaks_but_not_blank_lines(void **state)
{
        static const struct {
                const char *text, *sentences;
        } cases[] = {
                { "", "" },
                { "One. Two!  Three?", "One.|Two!|Three?" },
                { "A line\nthat goes on. Next.", "A line\nthat goes on.|Next." },
                { "A title\n\nIts text.", "A title|Its text." },
                { "A title\r\n \r\nIts text.", "A title|Its text." },
                { "これは文。次の文。", "これは文。|次の文。" },
                { "It is 3.5 m. Dr. Who", "It is 3.5 m.|Dr.|Who" },
        };
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct text_sentences sentences;
                char out[OUT] = "";
                size_t start, end, at = 0;
                int r;

                text_sentences_begin(analyzer, cases[i].text, strlen(cases[i].text), &sentences);
                while ((r = text_sentences_next(&sentences, &start, &end)) > 0)
                        at += (size_t) snprintf(out + at, OUT - at, "%s%.*s", at ? "|" : "",
                                                (int) (end - start), cases[i].text + start);
                assert_int_equal(r, 0);
                assert_string_equal(out, cases[i].sentences);
        }
}

static void test_a_paragraph_without_end_comes_in_pieces(void **state)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = analyzer_for("none");
        const size_t len = 200000;
        char *text = malloc(len);
        struct text_sentences sentences;
        size_t start, end, before = 0, n = 0;

        (void) state;
        for (size_t i = 0; i < len; i++)
                text[i] = i % 7 == 0 ? ' ' : 'x';
        text_sentences_begin(analyzer, text, len, &sentences);
        while (text_sentences_next(&sentences, &start, &end) > 0) {
                assert_true(start >= before && end > start && end <= len);
                assert_true(end - start <= 32768);
                before = end;
                n++;
        }
        assert_true(n >= 6 && n <= 8);
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_sequence_of_three_bytes_is_judged_as_the_standard_says),
                cmocka_unit_test(test_sequences_of_four_bytes_end_at_the_last_code_point),
                cmocka_unit_test(test_every_character_is_read_back_as_it_was_written),
                cmocka_unit_test(test_valid_prefix_ends_at_the_first_bad_byte_wherever_it_is),
                cmocka_unit_test(test_cut_never_splits_a_character),
                cmocka_unit_test(test_words_end_where_unicode_ends_them),
                cmocka_unit_test(test_ascii_words_are_those_of_icu),
                cmocka_unit_test(test_words_cover_any_bytes_in_order_and_within_limits),
                cmocka_unit_test(test_two_iterators_may_take_turns_on_one_analyzer),
                cmocka_unit_test(test_tokens_count_words_characters_and_long_runs),
                cmocka_unit_test(test_terms_are_folded_stemmed_and_stripped),
                cmocka_unit_test(test_each_cjk_character_begins_one_term_of_a_document),
                cmocka_unit_test(test_a_question_of_one_cjk_character_is_a_prefix),
                cmocka_unit_test(test_long_words_are_cut_on_a_character),
                cmocka_unit_test(test_unknown_languages_are_refused_by_name),
                cmocka_unit_test(test_stop_words_are_in_order),
                cmocka_unit_test(test_sentences_span_line_breaks_but_not_blank_lines),
                cmocka_unit_test(test_a_paragraph_without_end_comes_in_pieces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
