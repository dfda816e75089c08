/* SPDX-License-Identifier: Apache-2.0 */
/* Whether and when a call that failed is tried again at the same provider.
 *
 * The wait is drawn evenly between 0 and min(cap, base * 2^n) ("full jitter": Brooker,
 * "Exponential Backoff and Jitter", AWS 2015); a hint of the provider is its minimum.  A budget
 * keeps a dying provider from being hammered: each first attempt adds a part of a retry, each
 * retry takes a whole one.  Pure functions; time and randomness are arguments. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct fault;

#define RETRY_PATIENCE_USEC UINT64_C(60000000) /* a longer wait means: another provider */

struct retry_budget {
        uint32_t per_attempt; /* millionths of a retry */
        uint64_t left;
};

#define RETRY_WHOLE UINT64_C(1000000)
#define RETRY_BUDGET_BEGIN (10 * RETRY_WHOLE)
#define RETRY_BUDGET_MAX (100 * RETRY_WHOLE)

void retry_budget_init(struct retry_budget *budget, double ratio);
void retry_budget_configure(struct retry_budget *budget, double ratio); /* what is left stays */
void retry_budget_attempt(struct retry_budget *budget); /* a first one was made */

struct retry_policy {
        uint32_t max_retries;
        uint64_t base_usec, cap_usec;
};

/* How many microseconds after the `number`th attempt (from 1); `random` is uniform. */
uint64_t retry_backoff(const struct retry_policy *policy, uint32_t number, uint64_t random);

enum retry_verdict {
        RETRY_YES,
        RETRY_NEVER,    /* this class is not retried */
        RETRY_ENOUGH,   /* max_retries were made */
        RETRY_TOO_LATE, /* the wait is beyond the deadline or RETRY_PATIENCE_USEC */
        RETRY_SPENT,    /* the budget of retries */
};

/* The `number`th attempt failed.  RETRY_YES takes one from the budget and writes the wait. */
enum retry_verdict retry_decide(const struct retry_policy *policy, struct retry_budget *budget,
                                const struct fault *fault, uint32_t number, uint64_t now_usec,
                                uint64_t deadline_usec, uint64_t random, uint64_t *ret_wait_usec);
