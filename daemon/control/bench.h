/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a comparison.  Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct bench_figures {
        double avg_usec, median_usec, min_usec, max_usec;
        double stddev_usec; /* of the sample: divided by n - 1; 0 of one */
        double p95_usec;    /* the nearest rank */
};
/* `usec` is sorted in place; n is at least 1. */
void bench_figures(uint64_t *usec, size_t n, struct bench_figures *ret);
