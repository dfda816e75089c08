/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for any machine: the compiler's own vectors of 16 bytes. */
#include "index/kernel_table.h"

#include <string.h>

#define KERNEL_OPS kernel_generic
#define KERNEL_NAME "generic"
#define VEC_LANES ((size_t) 4)

typedef float vec __attribute__((vector_size(16)));

static inline vec vec_zero(void)
{
        return (vec){ 0 };
}

static inline vec vec_load(const float *p)
{
        vec v;

        memcpy(&v, p, sizeof v);
        return v;
}

static inline vec vec_load_part(const float *p, size_t n)
{
        vec v = { 0 };

        memcpy(&v, p, n * sizeof *p);
        return v;
}

static inline vec vec_add(vec a, vec b)
{
        return a + b;
}

static inline vec vec_sub(vec a, vec b)
{
        return a - b;
}

static inline vec vec_fma(vec a, vec b, vec c)
{
        return a * b + c;
}

static inline float vec_sum(vec v)
{
        return (v[0] + v[2]) + (v[1] + v[3]);
}

#define IVEC_BYTES ((size_t) 16)

typedef uint8_t ivec __attribute__((vector_size(16)));
typedef int16_t lanes16 __attribute__((vector_size(16)));
typedef uint16_t unsigned_lanes16 __attribute__((vector_size(16)));
typedef int32_t lanes32 __attribute__((vector_size(16)));
typedef uint32_t unsigned_lanes32 __attribute__((vector_size(16)));

static inline ivec ivec_zero(void)
{
        return (ivec){ 0 };
}

static inline ivec ivec_load(const void *p)
{
        ivec v;

        memcpy(&v, p, sizeof v);
        return v;
}

static inline ivec ivec_low(ivec code)
{
        return code & 15;
}

static inline ivec ivec_high(ivec code)
{
        return code >> 4;
}

static inline ivec ivec_add(ivec a, ivec b)
{
        return (ivec) ((lanes32) a + (lanes32) b);
}

static inline ivec ivec_by16(ivec v)
{
        return (ivec) ((unsigned_lanes32) v << 4);
}

/* The products of each two neighbours, added up in 16 bits: at most 2 * 15 * 127. */
static inline lanes16 pairs(ivec nibbles, ivec components)
{
        unsigned_lanes16 n = (unsigned_lanes16) nibbles, c = (unsigned_lanes16) components;

        return (lanes16) (n & 255) * ((lanes16) (c << 8) >> 8) +
               (lanes16) (n >> 8) * ((lanes16) c >> 8);
}

static inline ivec ivec_dot(ivec sum, ivec low, ivec q, ivec high, ivec r)
{
        lanes32 both = (lanes32) (pairs(low, q) + pairs(high, r));
        lanes32 even = (lanes32) ((unsigned_lanes32) both << 16) >> 16;

        return ivec_add(sum, (ivec) (even + (both >> 16)));
}

static inline int32_t ivec_sum(ivec v)
{
        lanes32 lanes = (lanes32) v;

        return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

static inline void ivec_sums(ivec a, ivec b, ivec c, ivec d, int32_t ret[KERNEL_BATCH])
{
        ret[0] = ivec_sum(a);
        ret[1] = ivec_sum(b);
        ret[2] = ivec_sum(c);
        ret[3] = ivec_sum(d);
}

#include "index/kernel.inc.c"
