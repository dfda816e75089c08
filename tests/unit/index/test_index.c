/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"
#include "index/kernel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DIMENSIONS 20U
#define STRIDE 96U /* a record is wider than its vector */
#define SEGMENTS 3
#define SLOTS 3000U

/* Three segments with a gap of slots between the first two. */
struct fixture {
        unsigned int seed;
        char *memory[SEGMENTS];
        struct index_segment segments[SEGMENTS];
        struct index_source source;
};

static float noise(unsigned int *seed)
{
        return (float) (rand_r(seed) % 17 - 8) / 8.0F; /* coarse: equal scores do occur */
}

static void random_vector(unsigned int *seed, enum index_metric metric, float *ret)
{
        do
                for (uint32_t i = 0; i < DIMENSIONS; i++)
                        ret[i] = noise(seed);
        while (vector_check(metric, ret, DIMENSIONS, DIMENSIONS, NULL) < 0);
        vector_prepare(metric, ret, DIMENSIONS);
}

static void fixture_init(struct fixture *f, enum index_metric metric)
{
        static const uint32_t firsts[SEGMENTS] = { 0, 1000, 1700 }, counts[SEGMENTS] = { 900, 700, 1300 };

        *f = (struct fixture){ .seed = 11 };
        for (int s = 0; s < SEGMENTS; s++) {
                f->memory[s] = calloc(counts[s], STRIDE);
                f->segments[s] = (struct index_segment){ f->memory[s], firsts[s], counts[s], STRIDE };
                for (uint32_t i = 0; i < counts[s]; i++)
                        random_vector(&f->seed, metric,
                                      (float *) (void *) (f->memory[s] + (size_t) i * STRIDE));
        }
        f->source = (struct index_source){ f->segments, SEGMENTS, SLOTS, 0 };
}

static void fixture_done(struct fixture *f)
{
        for (int s = 0; s < SEGMENTS; s++)
                free(f->memory[s]);
}

static const float *row(const struct fixture *f, uint32_t slot)
{
        for (int s = 0; s < SEGMENTS; s++)
                if (slot >= f->segments[s].first_slot &&
                    slot < f->segments[s].first_slot + f->segments[s].count)
                        return (const float *) (const void *) (f->memory[s] +
                                                               (size_t) (slot - f->segments[s].first_slot) *
                                                                       STRIDE);
        return NULL;
}

static double true_score(enum index_metric metric, const float *a, const float *b)
{
        double dot = 0.0, l2 = 0.0;

        for (uint32_t i = 0; i < DIMENSIONS; i++) {
                double d = (double) a[i] - (double) b[i];

                dot += (double) a[i] * (double) b[i];
                l2 += d * d;
        }
        return metric == INDEX_EUCLIDEAN ? 1.0 / (1.0 + sqrt(l2)) : dot;
}

static int descending(const void *a, const void *b)
{
        double x = *(const double *) a, y = *(const double *) b;

        return (x < y) - (x > y);
}

/* Compares an answer with brute force over the same rules. */
static void check_answer(const struct fixture *f, enum index_metric metric,
                         const struct index_query *query, const struct index_hit *hits,
                         size_t count)
{
        double scores[SLOTS];
        size_t n = 0;

        for (uint32_t slot = 0; slot < f->source.committed; slot++)
                if (row(f, slot) && (!query->filter || roaring_bitmap_contains(query->filter, slot)) &&
                    (!query->live || roaring_bitmap_contains(query->live, slot)))
                        scores[n++] = true_score(metric, query->vector, row(f, slot));
        qsort(scores, n, sizeof scores[0], descending);
        assert_int_equal(count, n < query->k ? n : query->k);
        for (size_t i = 0; i < count; i++) {
                assert_true(hits[i].slot < f->source.committed && row(f, hits[i].slot));
                assert_true(!query->filter || roaring_bitmap_contains(query->filter, hits[i].slot));
                assert_true(!query->live || roaring_bitmap_contains(query->live, hits[i].slot));
                assert_true(fabs((double) hits[i].score - scores[i]) < 1e-5);
                assert_true(fabs((double) hits[i].score -
                                 true_score(metric, query->vector, row(f, hits[i].slot))) < 1e-5);
                if (i > 0)
                        assert_true(hits[i].score < hits[i - 1].score ||
                                    (hits[i].score <= hits[i - 1].score &&
                                     hits[i].slot > hits[i - 1].slot) ||
                                    metric == INDEX_EUCLIDEAN);
        }
}

static roaring_bitmap_t *random_slots(unsigned int *seed, unsigned int one_in)
{
        roaring_bitmap_t *slots = roaring_bitmap_create();

        for (uint32_t slot = 0; slot < SLOTS + 50; slot++)
                if ((unsigned int) rand_r(seed) % one_in == 0)
                        roaring_bitmap_add(slots, slot);
        return slots;
}

static void search_at_random(struct fixture *f, enum index_metric metric, struct index *index)
{
        static const unsigned int rarities[] = { 1, 2, 20, 1000, 100000 };
        static const uint32_t ks[] = { 1, 7, 300, SLOTS + 10 };
        struct index_hit *hits = calloc(SLOTS + 10, sizeof *hits);
        float vector[DIMENSIONS];
        size_t count;

        for (int turn = 0; turn < 60; turn++) {
                unsigned int filtered = (unsigned int) rand_r(&f->seed) % 6;
                unsigned int dead = (unsigned int) rand_r(&f->seed) % 3;
                roaring_bitmap_t *filter = NULL, *live = NULL;
                struct index_query query = { .vector = vector, .dimensions = DIMENSIONS,
                                             .k = ks[rand_r(&f->seed) % 4], .ef = 50 };
                struct index_stats stats;

                if (filtered < 5)
                        query.filter = filter = random_slots(&f->seed, rarities[filtered]);
                if (dead > 0)
                        query.live = live = random_slots(&f->seed, dead);
                f->source.committed = turn % 4 == 0 ? (uint32_t) rand_r(&f->seed) % SLOTS : SLOTS;
                random_vector(&f->seed, metric, vector);
                assert_int_equal(index_search(index, &f->source, &query, hits, &count, &stats, NULL),
                                 0);
                assert_true(stats.exact && stats.exhausted);
                check_answer(f, metric, &query, hits, count);
                if (filter)
                        roaring_bitmap_free(filter);
                if (live)
                        roaring_bitmap_free(live);
        }
        free(hits);
}

static void test_every_backend_metric_and_kernel_finds_what_brute_force_finds(void **state)
{
        const struct kernel_ops *kernel;
        int runs;

        (void) state;
        for (size_t k = 0; (kernel = kernel_at(k, &runs)); k++)
                for (enum index_metric metric = INDEX_COSINE; runs && metric < INDEX_METRIC_MAX;
                     metric++)
                        for (enum index_backend backend = 0; backend < INDEX_BACKEND_MAX; backend++) {
                                struct index_params params = {
                                        .backend = backend, .metric = metric,
                                        .dimensions = DIMENSIONS, .kernels = kernel };
                                struct index *index = NULL;
                                struct fixture f;

                                fixture_init(&f, metric);
                                assert_int_equal(index_open(&params, -1, &index, NULL, NULL), 0);
                                search_at_random(&f, metric, index);
                                index_free(index);
                                fixture_done(&f);
                        }
}

static struct index *small_index(enum index_metric metric)
{
        struct index_params params = { .backend = INDEX_BACKEND_FLAT, .metric = metric,
                                               .dimensions = 2, .kernels = NULL };
        struct index *index = NULL;

        assert_int_equal(index_open(&params, -1, &index, NULL, NULL), 0);
        return index;
}

static void test_equal_scores_come_in_the_order_of_slots(void **state)
{
        cleanup_(index_free_cleanup) struct index *index = small_index(INDEX_INNER_PRODUCT);
        const float rows[5][2] = { { 1, 0 }, { 2, 0 }, { 1, 0 }, { 2, 0 }, { 1, 0 } };
        const struct index_segment segment = { rows, 7, 5, sizeof rows[0] };
        const struct index_source source = { &segment, 1, 12, 0 };
        const struct index_query query = { .vector = rows[0], .dimensions = 2, .k = 4 };
        struct index_hit hits[4];
        struct index_stats stats;
        size_t count;

        (void) state;
        assert_int_equal(index_search(index, &source, &query, hits, &count, &stats, NULL), 0);
        assert_int_equal(count, 4);
        assert_int_equal(stats.candidates, 5);
        assert_int_equal(hits[0].slot, 8);
        assert_int_equal(hits[1].slot, 10);
        assert_int_equal(hits[2].slot, 7);
        assert_int_equal(hits[3].slot, 9);
}

static void test_a_row_that_rotted_to_nan_never_comes_back(void **state)
{
        cleanup_(index_free_cleanup) struct index *index = small_index(INDEX_COSINE);
        const float rows[2][2] = { { NAN, 0 }, { 0, 1 } };
        const struct index_segment segment = { rows, 0, 2, sizeof rows[0] };
        const struct index_source source = { &segment, 1, 2, 0 };
        const struct index_query query = { .vector = rows[1], .dimensions = 2, .k = 4 };
        struct index_hit hits[4];
        struct index_stats stats;
        size_t count;

        (void) state;
        assert_int_equal(index_search(index, &source, &query, hits, &count, &stats, NULL), 0);
        assert_int_equal(count, 1);
        assert_int_equal(hits[0].slot, 1);
}

static void test_bad_questions_are_refused(void **state)
{
        cleanup_(index_free_cleanup) struct index *index = small_index(INDEX_COSINE);
        const struct index_source source = { NULL, 0, 0, 0 };
        const float good[2] = { 1, 0 }, bad[2] = { NAN, 0 };
        struct index_query query = { .vector = good, .dimensions = 2, .k = 1 };
        struct index_params params = { .backend = INDEX_BACKEND_FLAT, .metric = INDEX_COSINE,
                                               .dimensions = 0, .kernels = NULL };
        struct index *none = NULL;
        struct index_stats stats;
        struct index_hit hit;
        size_t count = 9;

        (void) state;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL), 0);
        assert_int_equal(count, 0);
        query.k = 0;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL), -EINVAL);
        query.k = INDEX_K_MAX + 1;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL), -EINVAL);
        query.k = 1;
        query.dimensions = 3;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL), -EINVAL);
        query.dimensions = 2;
        query.vector = bad;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL), -EINVAL);
        assert_int_equal(index_open(&params, -1, &none, NULL, NULL), -EINVAL);
        params.dimensions = VECTOR_DIMENSIONS_MAX + 1;
        assert_int_equal(index_open(&params, -1, &none, NULL, NULL), -EINVAL);
        params = (struct index_params){ .backend = INDEX_BACKEND_INVALID, .dimensions = 2 };
        assert_int_equal(index_open(&params, -1, &none, NULL, NULL), -EINVAL);
        assert_null(none);
}

static int give_up(void *userdata)
{
        return ++*(int *) userdata >= 2 ? -ETIMEDOUT : 0;
}

static void test_a_search_ends_when_nobody_waits(void **state)
{
        cleanup_(index_free_cleanup) struct index *index = small_index(INDEX_EUCLIDEAN);
        const uint32_t n = 100000;
        float *rows = calloc(n, 2 * sizeof(float));
        const struct index_segment segment = { rows, 0, n, 2 * sizeof(float) };
        const struct index_source source = { &segment, 1, n, 0 };
        int asked = 0;
        struct index_query query = { .vector = rows, .dimensions = 2, .k = 1,
                                     .check = { give_up, &asked } };
        struct index_stats stats;
        struct index_hit hit;
        size_t count;

        (void) state;
        assert_int_equal(index_search(index, &source, &query, &hit, &count, &stats, NULL),
                         -ETIMEDOUT);
        assert_int_equal(asked, 2);
        free(rows);
}

static void test_single_slots_are_scored_like_hits(void **state)
{
        (void) state;
        for (enum index_metric metric = INDEX_COSINE; metric < INDEX_METRIC_MAX; metric++) {
                struct index_params params = { .backend = INDEX_BACKEND_FLAT, .metric = metric,
                                               .dimensions = DIMENSIONS, .kernels = NULL };
                const uint32_t slots[] = { 0, 899, 900, 999, 1000, 1699, 1700, 2999, 3000, UINT32_MAX };
                cleanup_(index_free_cleanup) struct index *index = NULL;
                float vector[DIMENSIONS], scores[10];
                struct index_query query = { .vector = vector, .dimensions = DIMENSIONS };
                struct fixture f;

                fixture_init(&f, metric);
                random_vector(&f.seed, metric, vector);
                assert_int_equal(index_open(&params, -1, &index, NULL, NULL), 0);
                assert_int_equal(index_score(index, &f.source, &query, slots, 10, scores, NULL), 0);
                for (size_t i = 0; i < 10; i++) {
                        if (row(&f, slots[i]))
                                assert_true(fabs((double) scores[i] -
                                                 true_score(metric, vector, row(&f, slots[i]))) <
                                            1e-5);
                        else
                                assert_true(isnan(scores[i]));
                }
                fixture_done(&f);
        }
}

static void test_changes_and_saving_succeed_where_an_engine_keeps_nothing(void **state)
{
        cleanup_(index_free_cleanup) struct index *index = small_index(INDEX_COSINE);
        const struct index_source source = { NULL, 0, 0, 0 };
        const struct index_check check = { NULL, NULL };

        (void) state;
        assert_string_equal(index_engine(index), "flat");
        assert_int_equal(index_get_params(index)->dimensions, 2);
        assert_int_equal(index_build(index, &source, NULL, &check, NULL), 0);
        assert_int_equal(index_maintain(index, &source, NULL, &check, NULL), INDEX_REST);
        assert_int_equal(index_save(index, NULL), 0);
}

static void test_names_of_backends_and_metrics_go_both_ways(void **state)
{
        (void) state;
        for (enum index_backend b = 0; b < INDEX_BACKEND_MAX; b++)
                assert_int_equal(index_backend_from_name(index_backend_name(b)), b);
        for (enum index_metric m = 0; m < INDEX_METRIC_MAX; m++)
                assert_int_equal(index_metric_from_name(index_metric_name(m)), m);
        assert_int_equal(index_backend_from_name("lsm"), INDEX_BACKEND_INVALID);
        assert_null(index_metric_name(INDEX_METRIC_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_backend_metric_and_kernel_finds_what_brute_force_finds),
                cmocka_unit_test(test_equal_scores_come_in_the_order_of_slots),
                cmocka_unit_test(test_a_row_that_rotted_to_nan_never_comes_back),
                cmocka_unit_test(test_bad_questions_are_refused),
                cmocka_unit_test(test_a_search_ends_when_nobody_waits),
                cmocka_unit_test(test_single_slots_are_scored_like_hits),
                cmocka_unit_test(test_changes_and_saving_succeed_where_an_engine_keeps_nothing),
                cmocka_unit_test(test_names_of_backends_and_metrics_go_both_ways),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
