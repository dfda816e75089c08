/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels for any machine: the compiler's own vectors of four floats. */
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

#include "index/kernel.inc.c"
