/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for x86-64 with AVX-512 (F and BW). */
#include "index/kernel_avx512.h"

#define KERNEL_OPS kernel_avx512
#define KERNEL_NAME "avx512"

/* Four products, each at most 15 * 127, fit the 16 bits they are added up in. */
static inline ivec ivec_dot(ivec sum, ivec low, ivec q, ivec high, ivec r)
{
        ivec pairs = _mm512_add_epi16(_mm512_maddubs_epi16(low, q), _mm512_maddubs_epi16(high, r));

        return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "index/kernel.inc.c"
