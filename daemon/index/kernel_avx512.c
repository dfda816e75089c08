/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for x86-64 with AVX-512 (F). */
#include "index/kernel_table.h"

#include <immintrin.h>

#define KERNEL_OPS kernel_avx512
#define KERNEL_NAME "avx512"
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

#include "index/kernel.inc.c"
