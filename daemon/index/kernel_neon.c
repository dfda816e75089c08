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

#define IVEC_BYTES ((size_t) 16)

/* Bytes and sums in 32 bits alike; the instructions see them as they need. */
typedef int32x4_t ivec;

#define ivec_zero() vdupq_n_s32(0)
#define ivec_load(p) vreinterpretq_s32_s8(vld1q_s8((const void *) (p)))
#define ivec_low(c) \
        vreinterpretq_s32_u8(vandq_u8(vreinterpretq_u8_s32(c), vdupq_n_u8(15)))
#define ivec_high(c) vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(c), 4))
#define ivec_add(a, b) vaddq_s32((a), (b))
#define ivec_by16(v) vshlq_n_s32((v), 4)

/* Four products, each at most 15 * 127, fit the 16 bits they are added up in. */
static inline ivec ivec_dot(ivec sum, ivec low, ivec q, ivec high, ivec r)
{
        int8x16_t n = vreinterpretq_s8_s32(low), m = vreinterpretq_s8_s32(high);
        int8x16_t x = vreinterpretq_s8_s32(q), y = vreinterpretq_s8_s32(r);
        int16x8_t products = vmull_s8(vget_low_s8(n), vget_low_s8(x));

        products = vmlal_high_s8(products, n, x);
        products = vmlal_s8(products, vget_low_s8(m), vget_low_s8(y));
        products = vmlal_high_s8(products, m, y);
        return vpadalq_s16(sum, products);
}

static inline void ivec_sums(ivec a, ivec b, ivec c, ivec d, int32_t ret[KERNEL_BATCH])
{
        vst1q_s32(ret, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}

#include "index/kernel.inc.c"
