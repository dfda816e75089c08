/* SPDX-License-Identifier: Apache-2.0 */
/* Registers of 512 bits (AVX-512 F and BW): what kernel_avx512.c and kernel_avx512vnni.c share.
 * What is left to them is ivec_dot(). */
#pragma once
#include "index/kernel_table.h"

#include <immintrin.h>

#define VEC_LANES ((size_t) 16)

typedef __m512 vec;

#define vec_zero() _mm512_setzero_ps()
#define vec_load(p) _mm512_loadu_ps(p)
#define vec_add(a, b) _mm512_add_ps((a), (b))
#define vec_sub(a, b) _mm512_sub_ps((a), (b))
#define vec_fma(a, b, c) _mm512_fmadd_ps((a), (b), (c))

static inline vec vec_load_part(const float *p, size_t n)
{
        return _mm512_maskz_loadu_ps((__mmask16) ((1U << n) - 1U), p);
}

/* Written out: the reduction intrinsic of some compilers warns about itself. */
static inline float vec_sum(vec v)
{
        vec folded = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0x4E));

        folded = _mm512_add_ps(folded, _mm512_shuffle_f32x4(folded, folded, 0xB1));
        folded = _mm512_add_ps(folded, _mm512_permute_ps(folded, 0x4E));
        folded = _mm512_add_ps(folded, _mm512_permute_ps(folded, 0xB1));
        return _mm512_cvtss_f32(folded);
}

#define IVEC_BYTES ((size_t) 64)

typedef __m512i ivec;

#define ivec_zero() _mm512_setzero_si512()
#define ivec_load(p) _mm512_load_si512(p)
#define ivec_low(c) _mm512_and_si512((c), _mm512_set1_epi8(15))
#define ivec_high(c) ivec_low(_mm512_srli_epi16((c), 4))
#define ivec_add(a, b) _mm512_add_epi32((a), (b))
#define ivec_by16(v) _mm512_slli_epi32((v), 4)

static inline __m128i ivec_quarter(ivec v)
{
        __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));

        return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

static inline void ivec_sums(ivec a, ivec b, ivec c, ivec d, int32_t ret[KERNEL_BATCH])
{
        __m128i ab = _mm_hadd_epi32(ivec_quarter(a), ivec_quarter(b));
        __m128i cd = _mm_hadd_epi32(ivec_quarter(c), ivec_quarter(d));

        _mm_storeu_si128((void *) ret, _mm_hadd_epi32(ab, cd));
}
