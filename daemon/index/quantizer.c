/* SPDX-License-Identifier: Apache-2.0 */
#include "index/quantizer.h"

#include "index/vector.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define BLOCK 128 /* components whose nibbles share 64 bytes of a plane */
#define LEVELS 127.0F
#define SCALE_MIN (8 * FLT_MIN) /* below, 1 / scale would not be finite */

/* Sums of floats run in lanes side by side, which the compiler may not arrange by itself. */
#define LANES 4
typedef float lanes __attribute__((vector_size(16)));
typedef int32_t int_lanes __attribute__((vector_size(16)));

static lanes lanes_load(const float *p)
{
        lanes v;

        memcpy(&v, p, sizeof v);
        return v;
}

static float lanes_sum(lanes v)
{
        return (v[0] + v[2]) + (v[1] + v[3]);
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

int quantizer_train(enum index_metric metric, uint32_t dimensions, const float *const *vectors,
                    size_t rows, struct quantizer *ret, struct error *reterr)
{
        cleanup_free_ double *sums = calloc(dimensions, sizeof *sums);
        int r;

        if (!sums)
                return error_oom(reterr);
        r = quantizer_new(metric, dimensions, ret, reterr);
        if (r < 0)
                return r;
        for (size_t row = 0; row < rows; row++)
                for (uint32_t i = 0; i < dimensions; i++)
                        sums[i] += (double) vectors[row][i];
        for (uint32_t i = 0; rows > 0 && i < dimensions; i++)
                ret->mean[i] = (float) (sums[i] / (double) rows);
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

/* A vector while it becomes a code. */
struct fitting {
        size_t n;     /* components with the padding */
        float scale;  /* 0: all are 0, or as good as */
        float length_squared;
        float along_mean; /* <mean, x'> */
        float centred[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
        uint8_t codes[VECTOR_DIMENSIONS_MAX] __attribute__((aligned(64)));
};

static void centre(const struct quantizer *quantizer, const float *vector, struct fitting *f)
{
        const float *mean = quantizer->mean;
        lanes length = { 0 }, along = { 0 };
        int_lanes peak = { 0 };

        f->n = quantizer->code_bytes;
        for (uint32_t i = 0; i < quantizer->dimensions; i++)
                f->centred[i] = vector[i] - mean[i];
        for (size_t i = quantizer->dimensions; i < f->n; i++)
                f->centred[i] = 0.0F;
        for (size_t i = 0; i < f->n; i += LANES) {
                lanes x = lanes_load(f->centred + i);
                /* Floats without their sign are ordered as the integers of the same bits. */
                int_lanes size = (int_lanes) x & INT32_MAX, higher = size > peak;

                peak = (size & higher) | (peak & ~higher);
                length += x * x;
                along += x * lanes_load(mean + i);
        }
        f->scale = 0.0F;
        for (int i = 0; i < LANES; i++)
                f->scale = fmaxf(f->scale, ((lanes) peak)[i]);
        f->scale /= LEVELS;
        if (f->scale < SCALE_MIN)
                f->scale = 0.0F;
        f->length_squared = lanes_sum(length);
        f->along_mean = lanes_sum(along);
}

/* Rounds to the nearest code; returns the length of what is left out. */
static float round_codes(struct fitting *f)
{
        /* Added to a float of less than 2^22, this leaves the nearest integer in the low bits. */
        const float shift = 0x1.8p23F;
        const float per_scale = f->scale > 0.0F ? 1.0F / f->scale : 0.0F;
        lanes left_out = { 0 };

        for (size_t i = 0; i < f->n; i += LANES) {
                lanes x = lanes_load(f->centred + i) * per_scale, rounded = x + shift;
                lanes rest = x - (rounded - shift);
                int_lanes code = (int_lanes) rounded + 128;

                for (int j = 0; j < LANES; j++)
                        f->codes[i + (size_t) j] = (uint8_t) code[j];
                left_out += rest * rest;
        }
        return f->scale > 0.0F ? f->scale * sqrtf(lanes_sum(left_out)) : sqrtf(f->length_squared);
}

void quantizer_encode(const struct quantizer *quantizer, const float *vector, uint8_t *code,
                      struct code_factors *ret_factors, float *ret_error)
{
        uint8_t *high = code, *low = code + quantizer->plane_bytes;
        struct fitting f;
        float error;

        centre(quantizer, vector, &f);
        error = round_codes(&f);
        for (size_t at = 0; at < quantizer->plane_bytes; at += BLOCK / 2) {
                const uint8_t *a = f.codes + 2 * at, *b = a + BLOCK / 2;

                for (size_t j = 0; j < BLOCK / 2; j++) {
                        high[at + j] = (uint8_t) (a[j] >> 4 | (b[j] & 0xF0));
                        low[at + j] = (uint8_t) ((a[j] & 0x0F) | b[j] << 4);
                }
        }
        ret_factors->scale = f.scale;
        ret_factors->bias = quantizer->metric == INDEX_INNER_PRODUCT ? f.along_mean
                                                                     : f.length_squared / -2.0F;
        if (ret_error)
                *ret_error = error;
}

static void query_set(struct code_query *query, const uint8_t *codes, size_t n, float scale)
{
        int32_t sum = 0;

        for (size_t i = 0; i < n; i++) {
                query->codes[i] = (int8_t) (codes[i] - 128);
                sum += query->codes[i];
        }
        query->scale = scale;
        query->sum = sum;
}

void quantizer_query(const struct quantizer *quantizer, const float *vector,
                     struct code_query *query, float *ret_error)
{
        struct fitting f;
        float error;

        centre(quantizer, vector, &f);
        error = round_codes(&f);
        query_set(query, f.codes, f.n, f.scale);
        if (ret_error)
                *ret_error = error;
}

void quantizer_query_from_code(const struct quantizer *quantizer, const uint8_t *code, float scale,
                               struct code_query *query)
{
        const uint8_t *high = code, *low = code + quantizer->plane_bytes;
        uint8_t codes[VECTOR_DIMENSIONS_MAX];

        for (size_t at = 0; at < quantizer->plane_bytes; at += BLOCK / 2) {
                uint8_t *a = codes + 2 * at, *b = a + BLOCK / 2;

                for (size_t j = 0; j < BLOCK / 2; j++) {
                        a[j] = (uint8_t) (high[at + j] << 4 | (low[at + j] & 0x0F));
                        b[j] = (uint8_t) ((high[at + j] & 0xF0) | low[at + j] >> 4);
                }
        }
        query_set(query, codes, quantizer->code_bytes, scale);
}
