/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for 64-bit ARM, whose baseline has NEON. */
#include "index/kernel_table.h"

#include <arm_neon.h>
#include <string.h>

#define KERNEL_OPS kernel_neon
#define KERNEL_NAME "neon"
#define VEC_LANES ((size_t) 4)

typedef float32x4_t vec;

#define vec_zero() vdupq_n_f32(0.0F)
#define vec_load(p) vld1q_f32(p)
#define vec_add(a, b) vaddq_f32((a), (b))
#define vec_sub(a, b) vsubq_f32((a), (b))
#define vec_fma(a, b, c) vfmaq_f32((c), (a), (b))
#define vec_sum(v) vaddvq_f32(v)

static inline vec vec_load_part(const float *p, size_t n)
{
        float lanes[4] = { 0 };

        memcpy(lanes, p, n * sizeof *p);
        return vld1q_f32(lanes);
}

#include "index/kernel.inc.c"
