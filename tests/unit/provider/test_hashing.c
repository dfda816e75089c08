/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/hashing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#define D 384

static void embed(const char *text, float *ret)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;

        assert_int_equal(text_analyzer_new("english", &analyzer, NULL), 0);
        assert_int_equal(hashing_embed(analyzer, text, strlen(text), D, ret, NULL), 0);
}

static double dot(const float *a, const float *b)
{
        double sum = 0.0;

        for (int i = 0; i < D; i++)
                sum += (double) a[i] * (double) b[i];
        return sum;
}

static double likeness(const char *one, const char *other)
{
        float a[D], b[D];

        embed(one, a);
        embed(other, b);
        return dot(a, b);
}

static void test_every_text_has_a_vector_of_unit_length(void **state)
{
        static const char *const texts[] = { "", " ", "...", "the", "to be or not to be", "flow", "東京都",
                                             "\xFF\xFE", "one two one two one two", "😀" };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
                float v[D];

                embed(texts[i], v);
                assert_true(fabs(dot(v, v) - 1.0) < 1e-5);
        }
}

static void test_likeness_follows_words_and_spelling(void **state)
{
        (void) state;
        assert_true(likeness("boundary layer flow", "flow in the boundary layers") > 0.9);
        assert_true(likeness("rollback", "rollbacks of releases") > 0.4);
        assert_true(likeness("compressibility", "compressable") > 0.3); /* shared n-grams */
        assert_true(fabs(likeness("boundary layer flow", "quarterly revenue report")) < 0.2);
        assert_true(likeness("東京都", "東京") > 0.25);
        assert_true(likeness("", "...") > 0.999);
        assert_true(likeness("the", "the of") > 0.3); /* stop words, where nothing else is */
}

/* Vectors are stored: a change of any is a new HASHING_VERSION. */
static void test_vectors_stay_what_they_are(void **state)
{
        float v[D];
        double sum = 0.0;

        (void) state;
        embed("How do I roll back a release?", v);
        for (int i = 0; i < D; i++)
                sum += (double) v[i] * (double) (i % 17 + 1);
        assert_int_equal(HASHING_VERSION, 1);
        if (fabs(sum - 12.921835) > 1e-4)
                fail_msg("the vector changed: %.6f", sum);
}

static void test_dimensions_out_of_range_are_refused(void **state)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        float v[1];

        (void) state;
        assert_int_equal(text_analyzer_new("none", &analyzer, NULL), 0);
        assert_int_equal(hashing_embed(analyzer, "x", 1, HASHING_DIMENSIONS_MIN - 1, v, NULL), -EINVAL);
        assert_int_equal(hashing_embed(analyzer, "x", 1, HASHING_DIMENSIONS_MAX + 1, v, NULL), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_text_has_a_vector_of_unit_length),
                cmocka_unit_test(test_likeness_follows_words_and_spelling),
                cmocka_unit_test(test_vectors_stay_what_they_are),
                cmocka_unit_test(test_dimensions_out_of_range_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
