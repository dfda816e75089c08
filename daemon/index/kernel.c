/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "index/kernel_table.h"

#ifdef KERNELS_X86
static int has_avx2(void)
{
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_avx512(void)
{
        return has_avx2() && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw");
}

static int has_avx512vnni(void)
{
        return has_avx512() && __builtin_cpu_supports("avx512vnni");
}
#endif

static int always(void)
{
        return 1;
}

/* Slowest first. */
static const struct {
        const struct kernel_ops *ops;
        int (*runs)(void);
} kernels[] = {
        { &kernel_generic, always },
#ifdef KERNELS_X86
        { &kernel_avx2, has_avx2 },
        { &kernel_avx512, has_avx512 },
        { &kernel_avx512vnni, has_avx512vnni },
#endif
#ifdef KERNELS_NEON
        { &kernel_neon, always },
#endif
};

#define KERNELS (sizeof kernels / sizeof kernels[0])

const struct kernel_ops *kernel_at(size_t i, int *ret_runs)
{
        if (i >= KERNELS)
                return NULL;
        *ret_runs = kernels[i].runs();
        return kernels[i].ops;
}

const struct kernel_ops *kernel_best(void)
{
        size_t i = KERNELS - 1;

        while (!kernels[i].runs())
                i--;
        return kernels[i].ops;
}
