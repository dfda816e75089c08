/* SPDX-License-Identifier: Apache-2.0 */
/* The arithmetic of distances, once per instruction set.
 *
 * All rows of the table compute the same sums from the same source; they differ in the order
 * of additions and so in the last bits.  Vectors need no alignment beyond that of float.  Pure
 * functions; any thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define KERNEL_BATCH 4

struct kernel_ops {
        const char *name; /* "generic", "avx2", "avx512", "avx512vnni", "neon" */
        float (*dot)(const float *a, const float *b, size_t n);
        float (*l2sq)(const float *a, const float *b, size_t n);
        /* One query against KERNEL_BATCH rows: the query is read once. */
        void (*dot_batch)(const float *query, const float *const rows[KERNEL_BATCH], size_t n,
                          float ret[KERNEL_BATCH]);
        void (*l2sq_batch)(const float *query, const float *const rows[KERNEL_BATCH], size_t n,
                           float ret[KERNEL_BATCH]);
        /* The sums of query[i] * code[i] for KERNEL_BATCH codes, where a code is a number of 0
         * to 255 cut into two nibbles that lie in two planes (index/quantizer.h): dot4 reads the
         * plane of the high nibbles only and gives the sum of query[i] * high nibble[i]; dot8
         * reads both and gives 16 * that + the sum of the low ones.  `plane_bytes` is a
         * multiple of 64; query (2 * plane_bytes components of -127 to 127) and codes are
         * aligned to 64 bytes.  Exact: the same in every row of the table. */
        void (*dot4_batch)(const int8_t *query, const uint8_t *const codes[KERNEL_BATCH],
                           size_t plane_bytes, int32_t ret[KERNEL_BATCH]);
        void (*dot8_batch)(const int8_t *query, const uint8_t *const codes[KERNEL_BATCH],
                           size_t plane_bytes, int32_t ret[KERNEL_BATCH]);
};

/* The fastest that this machine can run. */
const struct kernel_ops *kernel_best(void);

/* The i-th that was built, slowest first; NULL beyond the last.  *ret_runs says whether this
 * machine can run it. */
const struct kernel_ops *kernel_at(size_t i, int *ret_runs);
