/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for x86-64 with AVX2 and FMA. */
#include "index/kernel_table.h"

#include <immintrin.h>
#include <stdint.h>

#define KERNEL_OPS kernel_avx2
#define KERNEL_NAME "avx2"
#define VEC_LANES ((size_t) 8)

typedef __m256 vec;

#define vec_zero() _mm256_setzero_ps()
#define vec_load(p) _mm256_loadu_ps(p)
#define vec_add(a, b) _mm256_add_ps((a), (b))
#define vec_sub(a, b) _mm256_sub_ps((a), (b))
#define vec_fma(a, b, c) _mm256_fmadd_ps((a), (b), (c))

static inline vec vec_load_part(const float *p, size_t n)
{
        const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

        return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int) n), lane));
}

static inline float vec_sum(vec v)
{
        __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

        half = _mm_add_ps(half, _mm_movehl_ps(half, half));
        half = _mm_add_ss(half, _mm_movehdup_ps(half));
        return _mm_cvtss_f32(half);
}

#define IVEC_BYTES ((size_t) 32)

typedef __m256i ivec;

#define ivec_zero() _mm256_setzero_si256()
#define ivec_load(p) _mm256_load_si256((const void *) (p))
#define ivec_low(c) _mm256_and_si256((c), _mm256_set1_epi8(15))
#define ivec_high(c) ivec_low(_mm256_srli_epi16((c), 4))
#define ivec_add(a, b) _mm256_add_epi32((a), (b))
#define ivec_by16(v) _mm256_slli_epi32((v), 4)

/* Four products, each at most 15 * 127, fit the 16 bits they are added up in. */
static inline ivec ivec_dot(ivec sum, ivec low, ivec q, ivec high, ivec r)
{
        ivec pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, q), _mm256_maddubs_epi16(high, r));

        return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

static inline void ivec_sums(ivec a, ivec b, ivec c, ivec d, int32_t ret[KERNEL_BATCH])
{
        ivec folded = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));

        _mm_storeu_si128((void *) ret, _mm_add_epi32(_mm256_castsi256_si128(folded),
                                                     _mm256_extracti128_si256(folded, 1)));
}

#include "index/kernel.inc.c"
