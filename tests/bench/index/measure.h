/* SPDX-License-Identifier: Apache-2.0 */
/* Recall and speed of all contestants on one set: interleaved rounds within one process, so that
 * what the machine does meanwhile befalls all alike. */
#pragma once
#include "contestant.h"

#define POINTS_MAX 64
#define ROUNDS_MAX 25
#define TARGETS 2

extern const double measure_targets[TARGETS]; /* of recall: 0.95 and 0.99 */

/* At one ef.  Queries per second of the searching thread's processor time, latencies of the
 * clock: at rest the machine gives the same by both.  The arrays hold a value per round, and
 * after measure() the median in [0]. */
struct point {
        uint32_t ef;
        double recall;
        bool timed;
        double per_second[ROUNDS_MAX], p50_usec[ROUNDS_MAX], p99_usec[ROUNDS_MAX];
};

struct speeds {
        struct point points[POINTS_MAX]; /* by rising ef */
        size_t count;
        uint32_t threads_ef;    /* at which the two threads were tried */
        double threads_scaling; /* queries/s of two threads against one; 0: not known */
};

/* What a contestant reaches at a recall, interpolated between the two measured points around it
 * (the logarithm of the figure, over recall). */
struct at_recall {
        bool reached;
        bool beyond; /* already the first point is better: its figures stand */
        double per_second, p50_usec, p99_usec;
};

/* ret[i] belongs to contestants[i], which is open. */
int measure(const struct contestant *contestants, size_t count, const struct set *set,
            const struct plan *plan, struct speeds *ret, struct error *reterr);

struct at_recall measure_at(const struct speeds *speeds, double recall);

/* Recall at an ef; negative: was not measured. */
double measure_recall(const struct speeds *speeds, uint32_t ef);
