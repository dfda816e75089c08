/* SPDX-License-Identifier: Apache-2.0 */
#include "index/kernel.h"
#include "index/quantizer.h"
#include "index/vector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ROWS 12
#define WIDTH VECTOR_DIMENSIONS_MAX

static const uint32_t widths[] = { 1, 2, 63, 64, 65, 128, 129, 384, 4096 };

/* Rows of noise around an offset, and their codes.  Static: too large for a stack. */
struct sample {
        struct quantizer quantizer;
        float rows[ROWS][WIDTH];
        uint8_t codes[ROWS][WIDTH] __attribute__((aligned(64)));
        struct code_factors factors[ROWS];
        float errors[ROWS];
        int8_t query_codes[WIDTH] __attribute__((aligned(64)));
        struct code_query query;
        float query_error;
};

static struct sample sample;

static float noise(unsigned int *seed)
{
        float sum = 0.0F;

        for (int i = 0; i < 4; i++)
                sum += (float) rand_r(seed) / (float) RAND_MAX - 0.5F;
        return sum;
}

static void setup(enum index_metric metric, uint32_t width, float size)
{
        const float *rows[ROWS];
        unsigned int seed = width;

        for (int r = 0; r < ROWS; r++) {
                for (uint32_t i = 0; i < width; i++)
                        sample.rows[r][i] = size * (noise(&seed) + 0.3F * (float) (i % 5));
                vector_prepare(metric, sample.rows[r], width);
                rows[r] = sample.rows[r];
        }
        assert_int_equal(quantizer_train(metric, width, rows, ROWS, &sample.quantizer, NULL), 0);
        for (int r = 0; r < ROWS; r++)
                quantizer_encode(&sample.quantizer, rows[r], sample.codes[r], &sample.factors[r],
                                 &sample.errors[r]);
        sample.query.codes = sample.query_codes;
        quantizer_query(&sample.quantizer, rows[0], &sample.query, &sample.query_error);
}

static void teardown(void)
{
        quantizer_done(&sample.quantizer);
}

/* By the layout that the header gives. */
static int nibble(const uint8_t *plane, uint32_t i)
{
        uint8_t byte = plane[i / 128 * 64 + i % 64];

        return i % 128 < 64 ? byte & 15 : byte >> 4;
}

static int code_at(const uint8_t *code, uint32_t i)
{
        return 16 * nibble(code, i) + nibble(code + sample.quantizer.plane_bytes, i);
}

/* What row r is read as, less the mean: at 8 bits or at 4. */
static double read8(int r, uint32_t i)
{
        return (double) sample.factors[r].scale * (code_at(sample.codes[r], i) - 128);
}

static double read4(int r, uint32_t i)
{
        return (double) sample.factors[r].scale * (16 * nibble(sample.codes[r], i) + 7.5 - 128);
}

static double centred(int r, uint32_t i)
{
        return (double) sample.rows[r][i] - (double) sample.quantizer.mean[i];
}

static double length(int r)
{
        double sum = 0.0;

        for (uint32_t i = 0; i < sample.quantizer.dimensions; i++)
                sum += centred(r, i) * centred(r, i);
        return sqrt(sum);
}

static double distance(int r, double (*read)(int, uint32_t))
{
        double sum = 0.0;

        for (uint32_t i = 0; i < sample.quantizer.dimensions; i++)
                sum += (centred(r, i) - read(r, i)) * (centred(r, i) - read(r, i));
        return sqrt(sum);
}

static void assert_close(double got, double wanted, double tolerance, const char *what)
{
        if (!(fabs(got - wanted) <= tolerance))
                fail_msg("%s at %u dimensions: %.9g instead of %.9g, which is not within %g", what,
                         sample.quantizer.dimensions, got, wanted, tolerance);
}

static void test_codes_use_the_whole_range_and_lie_within_one_step(void **state)
{
        (void) state;
        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                const struct quantizer *quantizer = &sample.quantizer;

                setup(INDEX_EUCLIDEAN, widths[w], 1.0F);
                assert_int_equal(quantizer->plane_bytes, (widths[w] + 127) / 128 * 64);
                assert_int_equal(quantizer->code_bytes, 2 * quantizer->plane_bytes);
                for (int r = 0; r < ROWS; r++) {
                        double step = (double) sample.factors[r].scale;
                        int largest = 0;

                        for (uint32_t i = 0; i < quantizer->code_bytes; i++) {
                                int code = code_at(sample.codes[r], i);

                                if (abs(code - 128) > largest)
                                        largest = abs(code - 128);
                                assert_in_range(code, 1, 255);
                                if (i >= widths[w])
                                        assert_int_equal(code, 128);
                                else
                                        assert_close(read8(r, i), centred(r, i), 1.0001 * step,
                                                     "component");
                        }
                        assert_int_equal(largest, step > 0.0 ? 127 : 0);
                }
                teardown();
        }
}

static void test_the_error_is_the_length_of_what_is_left_out(void **state)
{
        (void) state;
        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                setup(INDEX_EUCLIDEAN, widths[w], 1.0F);
                for (int r = 0; r < ROWS; r++)
                        assert_close((double) sample.errors[r], distance(r, read8),
                                     1e-4 * distance(r, read8) + 1e-6 * length(r), "error");
                assert_true((double) sample.query_error <= distance(0, read8) + 1e-6 * length(0));
                teardown();
        }
}

/* Rounding to the nearest leaves a third of a step, 1 / sqrt(12), in each component. */
static void test_8_bits_lose_hardly_more_than_the_nearest_codes_would(void **state)
{
        (void) state;
        setup(INDEX_COSINE, 384, 1.0F);
        for (int r = 0; r < ROWS; r++) {
                double nearest = (double) sample.factors[r].scale * sqrt(384.0 / 12.0);

                assert_true((double) sample.errors[r] < 1.3 * nearest);
                assert_true((double) sample.errors[r] < 0.02 * length(r));
        }
        teardown();
}

static void test_4_bits_have_no_error_along_the_vector_itself(void **state)
{
        static const uint32_t wide[] = { 384, 4096 };

        (void) state;
        for (size_t w = 0; w < ELEMENTSOF(wide); w++) {
                double left = 0.0, nearest = 0.0;

                setup(INDEX_COSINE, wide[w], 1.0F);
                for (int r = 0; r < ROWS; r++) {
                        double scale = (double) sample.factors[r].scale, with = 0.0, without = 0.0;

                        for (uint32_t i = 0; i < wide[w]; i++) {
                                double x = centred(r, i), code = floor(x / scale + 128.5);

                                with += x * (x - read4(r, i));
                                without += x * (x - scale * (16 * floor(code / 16) - 120.5));
                        }
                        left += fabs(with);
                        nearest += fabs(without);
                }
                if (!(left < 0.25 * nearest))
                        fail_msg("%u dimensions: %g is left of %g", wide[w], left, nearest);
                teardown();
        }
}

/* What ranks the rows: higher is nearer. */
static double score(enum index_metric metric, int query, int row)
{
        double dot = 0.0, squares = 0.0;

        for (uint32_t i = 0; i < sample.quantizer.dimensions; i++) {
                double q = (double) sample.rows[query][i], x = (double) sample.rows[row][i];

                dot += q * x;
                squares += (q - x) * (q - x);
        }
        return metric == INDEX_INNER_PRODUCT ? dot : squares / -2.0;
}

/* Keys differ as scores do, but for what the codes leave out (Cauchy-Schwarz); so they rank
 * alike wherever the scores differ by more. */
static void check_keys(const struct kernel_ops *kernel, enum index_metric metric)
{
        double shift8 = 0.0, shift4 = 0.0, tolerance8 = 0.0, tolerance4 = 0.0;
        double query_length = length(0), query_error = (double) sample.query_error;

        for (int r = 0; r < ROWS; r++) {
                const uint8_t *codes[KERNEL_BATCH] = { sample.codes[r], sample.codes[r],
                                                       sample.codes[r], sample.codes[r] };
                int32_t dot4[KERNEL_BATCH], dot8[KERNEL_BATCH];
                double wanted = score(metric, 0, r), shared = query_error * length(r);
                double float_error = 1e-5 * (length(r) * length(r) + fabs(wanted));
                double bound8 = shared + (query_length + query_error) * distance(r, read8);
                double bound4 = shared + (query_length + query_error) * distance(r, read4);
                double key4, key8;

                kernel->dot4_batch(sample.query_codes, codes, sample.quantizer.plane_bytes, dot4);
                kernel->dot8_batch(sample.query_codes, codes, sample.quantizer.plane_bytes, dot8);
                key4 = (double) quantizer_key4(&sample.query, &sample.factors[r], dot4[0]);
                key8 = (double) quantizer_key8(&sample.query, &sample.factors[r], dot8[0]);
                bound8 += float_error;
                bound4 += float_error;
                if (r > 0) {
                        assert_close(key8 - wanted, shift8, bound8 + tolerance8, "8 bits");
                        assert_close(key4 - wanted, shift4, bound4 + tolerance4, "4 bits");
                }
                shift8 = key8 - wanted;
                shift4 = key4 - wanted;
                tolerance8 = bound8;
                tolerance4 = bound4;
        }
}

static void test_keys_rank_as_every_metric_does(void **state)
{
        const struct kernel_ops *kernel;
        int runs;

        (void) state;
        for (enum index_metric metric = 0; metric < INDEX_METRIC_MAX; metric++)
                for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                        setup(metric, widths[w], 3.0F);
                        for (size_t k = 0; (kernel = kernel_at(k, &runs)); k++)
                                if (runs)
                                        check_keys(kernel, metric);
                        teardown();
                }
}

static void test_a_stored_row_asks_as_the_vector_that_it_stands_for(void **state)
{
        static float decoded[WIDTH];
        static int8_t other_codes[WIDTH] __attribute__((aligned(64)));

        (void) state;
        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                setup(INDEX_COSINE, widths[w], 1.0F);
                for (int r = 0; r < ROWS; r++) {
                        struct code_query other = { .codes = other_codes };
                        float scale = sample.factors[r].scale;
                        int32_t sum = 0;

                        for (uint32_t i = 0; i < widths[w]; i++)
                                decoded[i] = sample.quantizer.mean[i] + (float) read8(r, i);
                        quantizer_query(&sample.quantizer, decoded, &other, NULL);
                        quantizer_query_from_code(&sample.quantizer, sample.codes[r], scale,
                                                  &sample.query);
                        for (uint32_t i = 0; i < sample.quantizer.code_bytes; i++) {
                                assert_int_equal(sample.query_codes[i],
                                                 code_at(sample.codes[r], i) - 128);
                                sum += sample.query_codes[i];
                        }
                        assert_memory_equal(sample.query_codes, other_codes,
                                            sample.quantizer.code_bytes);
                        assert_int_equal(sample.query.sum, sum);
                        assert_int_equal(other.sum, sum);
                        assert_true(sample.query.scale == scale);
                        assert_close((double) other.scale, (double) scale, 1e-5 * (double) scale,
                                     "scale");
                }
                teardown();
        }
}

static void test_a_stored_mean_gives_the_same_codes(void **state)
{
        static uint8_t code[WIDTH] __attribute__((aligned(64)));

        (void) state;
        for (size_t w = 0; w < ELEMENTSOF(widths); w++) {
                struct quantizer loaded;
                struct code_factors factors;

                setup(INDEX_INNER_PRODUCT, widths[w], 1.0F);
                assert_int_equal(quantizer_load(INDEX_INNER_PRODUCT, widths[w],
                                                sample.quantizer.mean, &loaded, NULL),
                                 0);
                assert_int_equal(loaded.code_bytes, sample.quantizer.code_bytes);
                for (int r = 0; r < ROWS; r++) {
                        quantizer_encode(&loaded, sample.rows[r], code, &factors, NULL);
                        assert_memory_equal(code, sample.codes[r], loaded.code_bytes);
                        assert_true(factors.scale == sample.factors[r].scale &&
                                    factors.bias == sample.factors[r].bias);
                }
                quantizer_done(&loaded);
                teardown();
        }
}

static void test_the_mean_is_that_of_the_rows_and_0_without_any(void **state)
{
        const float a[3] = { 1, -2, 1e15F }, b[3] = { 2, -4, 1e15F };
        const float *rows[] = { a, b };
        struct quantizer quantizer;

        (void) state;
        assert_int_equal(quantizer_train(INDEX_EUCLIDEAN, 3, rows, 2, &quantizer, NULL), 0);
        assert_true(quantizer.mean[0] == 1.5F && quantizer.mean[1] == -3.0F);
        assert_true(quantizer.mean[2] == 1e15F && quantizer.mean[3] == 0.0F);
        quantizer_done(&quantizer);
        assert_int_equal(quantizer_train(INDEX_EUCLIDEAN, 3, NULL, 0, &quantizer, NULL), 0);
        for (uint32_t i = 0; i < quantizer.code_bytes; i++)
                assert_true(quantizer.mean[i] == 0.0F);
        quantizer_done(&quantizer);
        quantizer_done(&quantizer);
}

static void test_extreme_vectors_give_finite_codes(void **state)
{
        static const float sizes[] = { 0.0F,    FLT_TRUE_MIN, FLT_MIN, 1e-37F, 1e-36F,
                                       1e-30F,  1e-20F,       1.0F,    1e15F,  -1e15F,
                                       -1e-37F, 1e-42F };
        static float vector[WIDTH], mean[WIDTH];

        (void) state;
        for (enum index_metric metric = 0; metric < INDEX_METRIC_MAX; metric++)
                for (size_t s = 0; s < ELEMENTSOF(sizes); s++)
                        for (int shape = 0; shape < 3; shape++) {
                                struct code_factors *factors = &sample.factors[0];
                                double wanted, got;

                                for (uint32_t i = 0; i < WIDTH; i++) {
                                        /* far from the mean; one of many; equal to the mean */
                                        vector[i] = shape == 1 && i != 77 ? 0.0F : sizes[s];
                                        mean[i] = shape == 2 ? sizes[s] : -vector[i];
                                }
                                memcpy(sample.rows[0], vector, sizeof vector);
                                assert_int_equal(quantizer_load(metric, WIDTH, mean,
                                                                &sample.quantizer, NULL),
                                                 0);
                                quantizer_encode(&sample.quantizer, vector, sample.codes[0],
                                                 factors, &sample.errors[0]);
                                sample.query.codes = sample.query_codes;
                                quantizer_query(&sample.quantizer, vector, &sample.query,
                                                &sample.query_error);
                                assert_true(factors->scale >= 0.0F && isfinite(factors->scale));
                                assert_true(isfinite(factors->bias) && isfinite(sample.errors[0]));
                                assert_true(factors->scale == sample.query.scale);
                                assert_true(isfinite(sample.query_error));
                                got = (double) factors->scale * (code_at(sample.codes[0], 77) - 128);
                                wanted = centred(0, 77);
                                assert_close(got, wanted, 1e-6 * fabs(wanted) + 2e-34, "component");
                                if (shape == 2)
                                        assert_true(factors->scale == 0.0F);
                                teardown();
                        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codes_use_the_whole_range_and_lie_within_one_step),
                cmocka_unit_test(test_the_error_is_the_length_of_what_is_left_out),
                cmocka_unit_test(test_8_bits_lose_hardly_more_than_the_nearest_codes_would),
                cmocka_unit_test(test_4_bits_have_no_error_along_the_vector_itself),
                cmocka_unit_test(test_keys_rank_as_every_metric_does),
                cmocka_unit_test(test_a_stored_row_asks_as_the_vector_that_it_stands_for),
                cmocka_unit_test(test_a_stored_mean_gives_the_same_codes),
                cmocka_unit_test(test_the_mean_is_that_of_the_rows_and_0_without_any),
                cmocka_unit_test(test_extreme_vectors_give_finite_codes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
