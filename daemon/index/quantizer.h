/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar quantisation: a vector as one byte a component, read at 4 or at 8 bits.
 *
 * A vector is centred on the mean of the training sample and scaled by a factor of its own, as
 * in locally-adaptive vector quantisation (Aguerrebere et al., VLDB 2023, arXiv 2304.04759):
 *
 *     x = mean + scale * (code - 128),   code in 1 to 255
 *
 * Codes are the nearest ones, but for a few that are moved by one step so that the vector read
 * at 4 bits has no error along itself.
 *
 * A code's two nibbles lie in two planes, the high ones first.  A search walks over the high
 * plane alone, half the bytes, and looks at both only for the candidates that it keeps.  Within
 * a plane, byte 64 * b + j holds component 128 * b + j in its low and component
 * 128 * b + 64 + j in its high nibble; what is beyond the dimensions is 128, that is 0.
 *
 * For every metric, ranking is by one key that is higher for the nearer:
 *
 *     key(q, x) = scale_q * scale_x * <code_q, code_x> + bias_x
 *
 * with bias_x = -|x'|^2 / 2 for cosine and euclidean (x' is x centred), and <mean, x'> for the
 * inner product; what depends on the query alone is left out.  A key is an estimate: scores that
 * leave the index are computed from the floats.
 *
 * A quantizer is immutable once trained; any thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/index.h"

#include <stddef.h>
#include <stdint.h>

struct quantizer {
        enum index_metric metric;
        uint32_t dimensions;
        uint32_t plane_bytes; /* of one plane: a multiple of 64 */
        uint32_t code_bytes;  /* both: 2 * plane_bytes */
        float *mean;          /* [2 * plane_bytes], 0 beyond the dimensions; owned */
};

/* What belongs to a code beside its bytes. */
struct code_factors {
        float scale; /* 0 for a row that equals the mean */
        float bias;
};

/* One side of a comparison: a query, or a row that stands in for one.  The memory is the
 * caller's: `codes` has room for code_bytes and is aligned to 64. */
struct code_query {
        int8_t *codes; /* code - 128 */
        float scale;
        int32_t sum; /* of codes: what the 128 of the other side adds */
};

/* Takes the mean of up to `rows` rows; `rows` 0 gives mean 0.  Rows with components that are NaN or
 * beyond VECTOR_COMPONENT_MAX are left out.  -ENOMEM. */
int quantizer_train(enum index_metric metric, uint32_t dimensions, const float *const *vectors,
                    size_t rows, struct quantizer *ret, struct error *reterr);
/* From a stored mean of `dimensions` floats, which is copied. */
int quantizer_load(enum index_metric metric, uint32_t dimensions, const float *mean,
                   struct quantizer *ret, struct error *reterr);
void quantizer_done(struct quantizer *quantizer);

/* `code` has room for code_bytes.  *ret_error, where wanted, is the length of what the code
 * leaves out: |x' - scale * (code - 128)|.  A row that has rotted is farther than any other. */
void quantizer_encode(const struct quantizer *quantizer, const float *vector, uint8_t *code,
                      struct code_factors *ret_factors, float *ret_error);

/* Likewise for the asking side; bias is left out. */
void quantizer_query(const struct quantizer *quantizer, const float *vector,
                     struct code_query *query, float *ret_error);

/* A stored row as the asking side, from its code alone. */
void quantizer_query_from_code(const struct quantizer *quantizer, const uint8_t *code,
                               float scale, struct code_query *query);

/* From what kernel_ops.dot8_batch or dot4_batch gave.  The nibble that dot4 does not see counts
 * as its middle, 7.5. */
static inline float quantizer_key8(const struct code_query *query, const struct code_factors *to,
                                   int32_t dot)
{
        return query->scale * to->scale * (float) (dot - 128 * query->sum) + to->bias;
}

static inline float quantizer_key4(const struct code_query *query, const struct code_factors *to,
                                   int32_t dot)
{
        return query->scale * to->scale * ((float) (16 * dot) - 120.5F * (float) query->sum) +
               to->bias;
}
