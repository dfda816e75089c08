/* SPDX-License-Identifier: Apache-2.0 */
#include "index/kernel.h"
#include "index/vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

static float noise(unsigned int *seed)
{
        return (float) rand_r(seed) / (float) RAND_MAX * 2.0F - 1.0F;
}

static void assert_near(float got, double wanted, double scale, const char *kernel, size_t n)
{
        if (!(fabs((double) got - wanted) <= 1e-5 * (1.0 + scale)))
                fail_msg("%s at %zu dimensions: %g instead of %g", kernel, n, (double) got, wanted);
}

/* Rows end where readable memory ends, so that reading beyond them shows. */
static float *guarded(size_t floats, void **ret_map, size_t *ret_bytes)
{
        size_t page = (size_t) sysconf(_SC_PAGESIZE), bytes = floats * sizeof(float);
        size_t whole = (bytes + page - 1) / page * page;
        char *map = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                         -1, 0);

        assert_true(map != MAP_FAILED);
        assert_int_equal(mprotect(map + whole, page, PROT_NONE), 0);
        *ret_map = map;
        *ret_bytes = whole + page;
        return (float *) (void *) (map + whole - bytes);
}

static void check_kernel(const struct kernel_ops *kernel, size_t n)
{
        const float *rows[KERNEL_BATCH];
        void *row_maps[KERNEL_BATCH], *query_map;
        size_t row_bytes[KERNEL_BATCH], query_bytes;
        float *query = guarded(n, &query_map, &query_bytes), dots[KERNEL_BATCH], l2s[KERNEL_BATCH];
        unsigned int seed = (unsigned int) n;

        for (size_t i = 0; i < n; i++)
                query[i] = noise(&seed);
        for (int r = 0; r < KERNEL_BATCH; r++) {
                float *row = guarded(n, &row_maps[r], &row_bytes[r]);

                for (size_t i = 0; i < n; i++)
                        row[i] = noise(&seed);
                rows[r] = row;
        }
        kernel->dot_batch(query, rows, n, dots);
        kernel->l2sq_batch(query, rows, n, l2s);
        for (int r = 0; r < KERNEL_BATCH; r++) {
                double dot = 0.0, l2 = 0.0, size = sqrt((double) n);

                for (size_t i = 0; i < n; i++) {
                        double d = (double) query[i] - (double) rows[r][i];

                        dot += (double) query[i] * (double) rows[r][i];
                        l2 += d * d;
                }
                assert_near(kernel->dot(query, rows[r], n), dot, size, kernel->name, n);
                assert_near(kernel->l2sq(query, rows[r], n), l2, l2, kernel->name, n);
                assert_near(dots[r], dot, size, kernel->name, n);
                assert_near(l2s[r], l2, l2, kernel->name, n);
                (void) munmap(row_maps[r], row_bytes[r]);
        }
        (void) munmap(query_map, query_bytes);
}

static void test_every_kernel_agrees_with_plain_sums_and_reads_nothing_beyond(void **state)
{
        const struct kernel_ops *kernel;
        int runs;

        (void) state;
        for (size_t k = 0; (kernel = kernel_at(k, &runs)); k++) {
                if (!runs)
                        continue;
                for (size_t n = 1; n <= 140; n++)
                        check_kernel(kernel, n);
                check_kernel(kernel, 384);
                check_kernel(kernel, 769);
                check_kernel(kernel, VECTOR_DIMENSIONS_MAX);
        }
}

#define PLANE_BYTES_MAX 2048 /* of 4096 components */

/* One query and four codes, as index/quantizer.h lays them out. */
struct coded {
        int8_t query[2 * PLANE_BYTES_MAX] __attribute__((aligned(64)));
        uint8_t codes[KERNEL_BATCH][2 * PLANE_BYTES_MAX] __attribute__((aligned(64)));
};

/* By the definition, a component at a time. */
static int32_t plain_sum(const struct coded *coded, const uint8_t *plane, size_t plane_bytes)
{
        int32_t sum = 0;

        for (size_t i = 0; i < 2 * plane_bytes; i++) {
                uint8_t byte = plane[i / 128 * 64 + i % 64];

                sum += coded->query[i] * (i % 128 < 64 ? byte & 15 : byte >> 4);
        }
        return sum;
}

static void check_codes(const struct kernel_ops *kernel, const struct coded *coded,
                        size_t plane_bytes)
{
        const uint8_t *codes[KERNEL_BATCH] = { coded->codes[0], coded->codes[1], coded->codes[2],
                                               coded->codes[3] };
        int32_t dot4[KERNEL_BATCH], dot8[KERNEL_BATCH];

        kernel->dot4_batch(coded->query, codes, plane_bytes, dot4);
        kernel->dot8_batch(coded->query, codes, plane_bytes, dot8);
        for (int r = 0; r < KERNEL_BATCH; r++) {
                int32_t high = plain_sum(coded, codes[r], plane_bytes);
                int32_t low = plain_sum(coded, codes[r] + plane_bytes, plane_bytes);

                if (dot4[r] != high || dot8[r] != 16 * high + low)
                        fail_msg("%s, row %d of planes of %zu: %d and %d instead of %d and %d",
                                 kernel->name, r, plane_bytes, dot4[r], dot8[r], high,
                                 16 * high + low);
        }
}

static void fill_codes(struct coded *coded, unsigned int *seed)
{
        for (size_t i = 0; i < sizeof coded->query; i++)
                coded->query[i] = (int8_t) (rand_r(seed) % 255 - 127);
        for (int r = 0; r < KERNEL_BATCH; r++)
                for (size_t i = 0; i < sizeof coded->codes[r]; i++)
                        coded->codes[r][i] = (uint8_t) rand_r(seed);
}

static void test_every_kernel_sums_codes_exactly(void **state)
{
        static const int8_t queries[] = { 127, -127, 0 };
        static const uint8_t bytes[KERNEL_BATCH] = { 255, 0, 0x0F, 0xF0 };
        static struct coded coded;
        const struct kernel_ops *kernel;
        unsigned int seed = 1;
        int runs;

        (void) state;
        for (size_t k = 0; (kernel = kernel_at(k, &runs)); k++) {
                if (!runs)
                        continue;
                for (size_t plane = 64; plane <= PLANE_BYTES_MAX; plane += 64) {
                        fill_codes(&coded, &seed);
                        check_codes(kernel, &coded, plane);
                }
                for (int r = 0; r < KERNEL_BATCH; r++)
                        memset(coded.codes[r], bytes[r], sizeof coded.codes[r]);
                for (size_t q = 0; q < sizeof queries; q++) {
                        memset(coded.query, queries[q], sizeof coded.query);
                        check_codes(kernel, &coded, 64);
                        check_codes(kernel, &coded, PLANE_BYTES_MAX);
                }
        }
}

static void test_the_best_kernel_runs_here(void **state)
{
        const struct kernel_ops *best = kernel_best(), *kernel;
        int runs, found = 0;

        (void) state;
        for (size_t k = 0; (kernel = kernel_at(k, &runs)); k++)
                found += runs && kernel == best;
        assert_int_equal(found, 1);
}

static void test_vectors_that_cannot_be_compared_are_refused_with_their_place(void **state)
{
        static const struct {
                float values[3];
                uint32_t width;
                enum index_metric metric;
                const char *word; /* NULL: accepted */
        } cases[] = {
                { { 1, 2, 3 }, 3, INDEX_COSINE, NULL },
                { { 0, 0, 0 }, 3, INDEX_COSINE, "zero" },
                { { 0, 0, 0 }, 3, INDEX_EUCLIDEAN, NULL },
                { { 0, -0.0F, 0 }, 3, INDEX_INNER_PRODUCT, NULL },
                { { 1, NAN, 3 }, 3, INDEX_EUCLIDEAN, "component 1" },
                { { 1, 2, INFINITY }, 3, INDEX_COSINE, "component 2" },
                { { -INFINITY, 2, 1 }, 3, INDEX_COSINE, "component 0" },
                { { 1, 2e15F, 1 }, 3, INDEX_EUCLIDEAN, "component 1" },
                { { 1, 2, 3 }, 2, INDEX_COSINE, "3 dimensions where 2" },
                { { 1e-30F, 0, 0 }, 3, INDEX_COSINE, NULL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct error error = { 0 };
                int r = vector_check(cases[i].metric, cases[i].values, 3, cases[i].width, &error);

                assert_int_equal(r, cases[i].word ? -EINVAL : 0);
                if (cases[i].word)
                        assert_non_null(strstr(error.message, cases[i].word));
        }
}

static void test_prepared_vectors_have_unit_length_under_cosine_only(void **state)
{
        static const float scales[] = { 1e-30F, 1.0F, 1e15F };

        (void) state;
        for (size_t i = 0; i < 3; i++) {
                float v[2] = { 3 * scales[i] / 5, 4 * scales[i] / 5 };

                vector_prepare(INDEX_COSINE, v, 2);
                assert_true(fabsf(v[0] - 0.6F) < 1e-6F && fabsf(v[1] - 0.8F) < 1e-6F);
        }
        for (enum index_metric m = INDEX_EUCLIDEAN; m < INDEX_METRIC_MAX; m++) {
                float v[2] = { 3, 4 };

                vector_prepare(m, v, 2);
                assert_true(v[0] == 3.0F && v[1] == 4.0F);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_kernel_agrees_with_plain_sums_and_reads_nothing_beyond),
                cmocka_unit_test(test_every_kernel_sums_codes_exactly),
                cmocka_unit_test(test_the_best_kernel_runs_here),
                cmocka_unit_test(test_vectors_that_cannot_be_compared_are_refused_with_their_place),
                cmocka_unit_test(test_prepared_vectors_have_unit_length_under_cosine_only),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
