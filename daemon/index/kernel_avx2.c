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

#include "index/kernel.inc.c"
