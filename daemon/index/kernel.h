/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of distances, once per instruction set.
 *
 * All rows of the table compute the same sums from the same source; they differ in the order
 * of additions and so in the last bits.  Vectors need no alignment beyond that of float.  Pure
 * functions; any thread. */
#pragma once
#include <stddef.h>

#define KERNEL_BATCH 4

struct kernel_ops {
        const char *name; /* "generic", "avx2", "avx512", "neon" */
        float (*dot)(const float *a, const float *b, size_t n);
        float (*l2sq)(const float *a, const float *b, size_t n);
        /* One query against KERNEL_BATCH rows: the query is read once. */
        void (*dot_batch)(const float *query, const float *const rows[KERNEL_BATCH], size_t n,
                          float ret[KERNEL_BATCH]);
        void (*l2sq_batch)(const float *query, const float *const rows[KERNEL_BATCH], size_t n,
                           float ret[KERNEL_BATCH]);
};

/* The fastest that this machine can run. */
const struct kernel_ops *kernel_best(void);

/* The i-th that was built, slowest first; NULL beyond the last.  *ret_runs says whether this
 * machine can run it. */
const struct kernel_ops *kernel_at(size_t i, int *ret_runs);
