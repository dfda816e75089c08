/* SPDX-License-Identifier: Apache-2.0 */
#include "index/quantizer.h"

#include "index/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BLOCK 128 /* components whose nibbles share 64 bytes of a plane */
#define LEVELS 127.0F
#define SCALE_MIN (8 * FLT_MIN) /* below, 1 / scale might not be finite */
#define SCALE_MAX (2 * VECTOR_COMPONENT_MAX / LEVELS)

/* Sums run in lanes side by side, which the compiler may not arrange by itself. */
#define LANES 4
#define SUMS 4
typedef float lanes __attribute__((vector_size(16)));
typedef int32_t int_lanes __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));
typedef uint16_t pairs __attribute__((vector_size(16)));

static inline lanes lanes_load(const float *p)
{
        lanes v;

        memcpy(&v, p, sizeof v);
        return v;
}

static inline float lanes_sum(const lanes sums[SUMS])
{
        lanes v = (sums[0] + sums[2]) + (sums[1] + sums[3]);

        return (v[0] + v[2]) + (v[1] + v[3]);
}

static inline bytes bytes_load(const uint8_t *p)
{
        bytes v;

        memcpy(&v, p, sizeof v);
        return v;
}

static inline void bytes_store(void *p, bytes v)
{
        memcpy(p, &v, sizeof v);
}

static int quantizer_new(enum index_metric metric, uint32_t dimensions, struct quantizer *ret,
                         struct error *reterr)
{
        uint32_t plane_bytes = (dimensions + BLOCK - 1) / BLOCK * (BLOCK / 2);
        float *mean = calloc((size_t) plane_bytes * 2, sizeof *mean);

        if (!mean)
                return error_oom(reterr);
        *ret = (struct quantizer){
                .metric = metric,
                .dimensions = dimensions,
                .plane_bytes = plane_bytes,
                .code_bytes = 2 * plane_bytes,
                .mean = mean,
        };
        return 0;
}

static bool is_rotten(const float *vector, uint32_t dimensions)
{
        for (uint32_t i = 0; i < dimensions; i++)
                if (!(fabsf(vector[i]) <= VECTOR_COMPONENT_MAX))
                        return true;
        return false;
}

int quantizer_train(enum index_metric metric, uint32_t dimensions, const float *const *vectors,
                    size_t rows, struct quantizer *ret, struct error *reterr)
{
        cleanup_free_ double *sums = calloc(dimensions, sizeof *sums);
        size_t sound = 0;
        int r;

        if (!sums)
                return error_oom(reterr);
        r = quantizer_new(metric, dimensions, ret, reterr);
        if (r < 0)
                return r;
        for (size_t row = 0; row < rows; row++) {
                if (is_rotten(vectors[row], dimensions))
                        continue;
                sound++;
                for (uint32_t i = 0; i < dimensions; i++)
                        sums[i] += (double) vectors[row][i];
        }
        for (uint32_t i = 0; sound > 0 && i < dimensions; i++)
                ret->mean[i] = (float) (sums[i] / (double) sound);
        return 0;
}

int quantizer_load(enum index_metric metric, uint32_t dimensions, const float *mean,
                   struct quantizer *ret, struct error *reterr)
{
        int r = quantizer_new(metric, dimensions, ret, reterr);

        if (r < 0)
                return r;
        memcpy(ret->mean, mean, dimensions * sizeof *mean);
        return 0;
}

void quantizer_done(struct quantizer *quantizer)
{
        free(take_ptr(quantizer->mean));
}

/* In what follows `values` are the components of x' / scale, padded with 0 to `n`, which is a
 * multiple of BLOCK and at most VECTOR_DIMENSIONS_MAX. */

/* Of the sizes of all values; NaN where any is.  Floats without their sign are ordered as the
 * integers of the same bits. */
static float largest(const float *values, size_t n)
{
        int_lanes peaks[SUMS] = { 0 };
        int32_t peak = 0;
        float result;

        for (size_t i = 0; i < n; i += SUMS * LANES)
                for (size_t k = 0; k < SUMS; k++) {
                        int_lanes size = (int_lanes) lanes_load(values + i + k * LANES) & INT32_MAX;
                        int_lanes mask = size > peaks[k];

                        peaks[k] = (size & mask) | (peaks[k] & ~mask);
                }
        for (size_t k = 0; k < SUMS; k++)
                for (size_t j = 0; j < LANES; j++)
                        peak = peaks[k][j] > peak ? peaks[k][j] : peak;
        memcpy(&result, &peak, sizeof result);
        return result;
}

static float sum_of_products(const float *a, const float *b, size_t n)
{
        lanes sums[SUMS] = { 0 };

        for (size_t i = 0; i < n; i += SUMS * LANES)
                for (size_t k = 0; k < SUMS; k++)
                        sums[k] += lanes_load(a + i + k * LANES) * lanes_load(b + i + k * LANES);
        return lanes_sum(sums);
}

/* Returns the scale: the largest component becomes 127 or -127.  To cut it off for a finer scale
 * would cost 8 bits more than 4 bits gain.  0: all are 0, or as good as.  ROTTEN: NaN or beyond what
 * a row is stored with, so something happened to it since; all are taken for 0. */
#define ROTTEN (-1.0F)
static float fit(const struct quantizer *quantizer, const float *vector, size_t n, float *values)
{
        float scale, per_scale;

        for (uint32_t i = 0; i < quantizer->dimensions; i++)
                values[i] = vector[i] - quantizer->mean[i];
        for (size_t i = quantizer->dimensions; i < n; i++)
                values[i] = 0.0F;
        scale = largest(values, n) / LEVELS;
        if (!(scale <= SCALE_MAX)) {
                memset(values, 0, n * sizeof *values);
                return ROTTEN;
        }
        if (scale < SCALE_MIN)
                scale = 0.0F;
        per_scale = scale > 0.0F ? 1.0F / scale : 0.0F;
        for (size_t i = 0; i < n; i++)
                values[i] *= per_scale;
        return scale;
}

/* The code nearest to a component in units of the scale. */
#define NEAREST 128.5F /* added before the fraction is cut off */
static inline int_lanes nearest(lanes x)
{
        return __builtin_convertvector(x + NEAREST, int_lanes);
}

static inline lanes to_floats(int_lanes v)
{
        return __builtin_convertvector(v, lanes);
}

static void round_codes(const float *values, size_t n, uint8_t *codes)
{
        for (size_t i = 0; i < n; i++)
                codes[i] = (uint8_t) (int) (values[i] + NEAREST);
}

/* The square of the length of what rounding leaves out. */
static float rounded_off(const float *values, size_t n)
{
        lanes sums[SUMS] = { 0 };

        for (size_t i = 0; i < n; i += SUMS * LANES)
                for (size_t k = 0; k < SUMS; k++) {
                        lanes x = lanes_load(values + i + k * LANES);
                        lanes rest = x - to_floats(nearest(x) - 128);

                        sums[k] += rest * rest;
                }
        return lanes_sum(sums);
}

/* Read at 4 bits, a code stands for the middle of its 16, and what that leaves out of a vector
 * lies partly along the vector itself.  Queries near the vector all see that part alike, so it
 * moves the row's rank among them; RaBitQ (Gao and Long, SIGMOD 2024, arXiv 2405.12497) divides
 * it out with a factor of its own, here it is taken out of the codes.  Some that rounding brought
 * just across a border of 16 go one step back, so that <x', x' - what is read> comes to nothing;
 * none of them ends further than one step from its component.
 *
 * steps[i] is what moving code i takes off that product, 0 where it does not lie so; the product
 * is returned.  All in units of the scale. */
#define LAST_PLACE 15.001F /* the largest component is 127 but for its last bits */
#define MISS_SMALL 256.0F  /* not worth another code: one changes it by 16 * its component */
static float miss_along(const float *values, size_t n, float *steps)
{
        lanes sums[SUMS] = { 0 };

        for (size_t i = 0; i < n; i += SUMS * LANES)
                for (size_t k = 0; k < SUMS; k++) {
                        lanes x = lanes_load(values + i + k * LANES), x16 = 16.0F * x;
                        /* Among the 16; below 0 or above 15 where rounding crossed a border. */
                        lanes place = (x + 128.0F) - to_floats(nearest(x) & 0xF0);
                        int_lanes down = place < 0.0F, up = place > LAST_PLACE;
                        lanes step = (lanes) ((int_lanes) x16 & up) -
                                     (lanes) ((int_lanes) x16 & down);

                        memcpy(steps + i + k * LANES, &step, sizeof step);
                        sums[k] += x * (place - 7.5F);
                }
        return lanes_sum(sums);
}

/* Moves one code where that brings the miss nearer to 0; returns what it adds to the square of
 * the length of what is left out. */
static float move_code(float value, float step, uint8_t *code, float *miss)
{
        float rest = value - (float) (*code - 128);

        if (step * (2.0F * *miss - step) <= 0.0F)
                return 0.0F;
        *code = (uint8_t) (rest < 0.0F ? *code - 1 : *code + 1);
        *miss -= step;
        return 1.0F - 2.0F * fabsf(rest);
}

static float move_codes(const float *values, size_t n, uint8_t *codes)
{
        float steps[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        float miss = miss_along(values, n, steps), more = 0.0F;

        for (size_t i = 0; i < n && fabsf(miss) >= MISS_SMALL; i += 2) {
                uint64_t both; /* steps, most of which are 0 */

                memcpy(&both, steps + i, sizeof both);
                if (!both)
                        continue;
                more += move_code(values[i], steps[i], codes + i, &miss);
                more += move_code(values[i + 1], steps[i + 1], codes + i + 1, &miss);
        }
        return more;
}

static float bias(const struct quantizer *quantizer, const float *values, float scale)
{
        size_t n = quantizer->code_bytes;

        if (quantizer->metric == INDEX_INNER_PRODUCT)
                return scale * sum_of_products(values, quantizer->mean, n);
        return scale * (scale * sum_of_products(values, values, n) / -2.0F);
}

void quantizer_encode(const struct quantizer *quantizer, const float *vector, uint8_t *code,
                      struct code_factors *ret_factors, float *ret_error)
{
        uint8_t codes[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        float values[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        uint8_t *high = code, *low = code + quantizer->plane_bytes;
        size_t n = quantizer->code_bytes;
        float scale = fit(quantizer, vector, n, values), more;

        round_codes(values, n, codes);
        more = move_codes(values, n, codes);
        for (size_t at = 0; at < quantizer->plane_bytes; at += sizeof(bytes)) {
                const uint8_t *first = codes + at / (BLOCK / 2) * BLOCK + at % (BLOCK / 2);
                bytes a = bytes_load(first), b = bytes_load(first + BLOCK / 2);

                bytes_store(high + at, (a >> 4) | (b & 0xF0));
                bytes_store(low + at, (a & 0x0F) | (b << 4));
        }
        ret_factors->bias = scale < 0.0F ? -FLT_MAX : bias(quantizer, values, scale);
        scale = scale < 0.0F ? 0.0F : scale;
        ret_factors->scale = scale;
        if (ret_error)
                *ret_error = scale * sqrtf(rounded_off(values, n) + more);
}

/* Takes 128 off every code and adds them up. */
static void query_set(struct code_query *query, const uint8_t *codes, size_t n, float scale)
{
        pairs even = { 0 }, odd = { 0 };

        query->scale = scale;
        query->sum = -128 * (int32_t) n;
        for (size_t i = 0; i < n; i += sizeof(bytes)) {
                bytes code = bytes_load(codes + i);

                even += (pairs) code & 0xFF; /* of 4096 components, 65280 at most */
                odd += (pairs) code >> 8;
                bytes_store(query->codes + i, code ^ 0x80); /* the topmost bit turned over */
        }
        for (size_t j = 0; j < sizeof(pairs) / sizeof(even[0]); j++)
                query->sum += even[j] + odd[j];
}

void quantizer_query(const struct quantizer *quantizer, const float *vector,
                     struct code_query *query, float *ret_error)
{
        uint8_t codes[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        float values[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        size_t n = quantizer->code_bytes;
        float scale = fit(quantizer, vector, n, values);

        round_codes(values, n, codes);
        query_set(query, codes, n, scale);
        if (ret_error)
                *ret_error = scale * sqrtf(rounded_off(values, n));
}

void quantizer_query_from_code(const struct quantizer *quantizer, const uint8_t *code, float scale,
                               struct code_query *query)
{
        const uint8_t *high = code, *low = code + quantizer->plane_bytes;
        uint8_t codes[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));

        for (size_t at = 0; at < quantizer->plane_bytes; at += sizeof(bytes)) {
                uint8_t *first = codes + at / (BLOCK / 2) * BLOCK + at % (BLOCK / 2);
                bytes h = bytes_load(high + at), l = bytes_load(low + at);

                bytes_store(first, (h << 4) | (l & 0x0F));
                bytes_store(first + BLOCK / 2, (h & 0xF0) | (l >> 4));
        }
        query_set(query, codes, quantizer->code_bytes, scale);
}
