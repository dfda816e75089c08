/* SPDX-License-Identifier: Apache-2.0 */
/* What the traffic of a release was like, as canary and bake want to know it.
 *
 * Requests are told with their arm.  Figures are kept per arm in rings of windows, from a second
 * for a minute to four hours for a week, so that sums since any moment can be read: to the second
 * for the last minute, to ten for the last ten minutes, and coarser the longer ago it is.  Never
 * more than 600 KiB.  Any thread; atomic additions, and a lock where a window begins. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct observations;

enum release_arm {
        RELEASE_ARM_REST,     /* not compared */
        RELEASE_ARM_BASELINE, /* of the base, as large as the canary */
        RELEASE_ARM_CANARY,   /* of the candidate */
        RELEASE_ARM_MAX,
};

/* One search or answer that ended. */
struct observation {
        enum release_arm arm;
        bool answer;          /* else a search */
        bool error;           /* it failed, and by our fault or the profile's: not a bad request */
        bool provider_fault;  /* failed because a provider is away: inconclusive, not an error */
        bool empty;           /* nothing was found */
        bool grounded;        /* answers: at least one citation, and every one valid */
        bool degraded;
        uint64_t first_usec;  /* to the first piece of text, or to the response */
        uint64_t took_usec;
        uint64_t cost_microusd;
};

struct observations *observations_new(void); /* NULL: no memory */
void observations_free(struct observations *observations);
void observe(struct observations *observations, const struct observation *observation,
             uint64_t now_usec);

/* Sums over what was observed since (monotonic), from the first whole window on; within the last
 * minute, from the second that `since_usec` lies in.  Latency is that of requests without a
 * provider's fault; empty, answers and grounded count those that ended well. */
struct observed {
        uint64_t requests, errors, provider_faults, empty, answers, grounded, degraded;
        uint64_t provider_faults_in_a_row; /* at the end */
        uint64_t sum_usec;                 /* of took */
        uint64_t p50_usec, p95_usec, p99_usec; /* took; upper bounds of their buckets (+ 19 %) */
        uint64_t first_p95_usec;
        uint64_t cost_microusd;
};
void observations_read(struct observations *observations, enum release_arm arm,
                       uint64_t since_usec, struct observed *ret);
/* Requests that say something of the release: without those that a provider spoiled. */
uint64_t observed_samples(const struct observed *observed);
/* {requests, errors, error_rate, provider_faults, empty, empty_rate, answers, grounded, degraded,
 * avg_usec, p50_usec, p95_usec, p99_usec, first_p95_usec, cost_microusd}; rates and times are null
 * where there are no requests.  A new reference; NULL: no memory. */
struct json_object *observed_json(const struct observed *observed);
