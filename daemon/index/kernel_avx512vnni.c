/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for x86-64 with AVX-512 (F, BW and VNNI). */
#include "index/kernel_avx512.h"

#define KERNEL_OPS kernel_avx512vnni
#define KERNEL_NAME "avx512vnni"

static inline ivec ivec_dot(ivec sum, ivec low, ivec q, ivec high, ivec r)
{
        return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, low, q), high, r);
}

#include "index/kernel.inc.c"
