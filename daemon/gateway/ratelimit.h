/* SPDX-License-Identifier: Apache-2.0 */
/* Token bucket: how fast the gateway may call one provider, and how many calls at once.
 *
 * Time is an argument, never read here, so tests are exact.  The level is kept in 60,000,000ths
 * of a token: a rate of r per minute adds exactly r of them in each microsecond, so nothing is
 * ever rounded and no more is given out than was gained.  A bucket is plain memory: no
 * allocation, no lock; the provider thread owns each. */
#pragma once
#include <stdint.h>

#define RATELIMIT_TOKEN UINT64_C(60000000) /* units of the level in one token */

struct ratelimit_policy {
        uint32_t rate;  /* tokens gained per minute; 0: never refills */
        uint32_t burst; /* tokens a full bucket holds; at least 1 */
};

struct ratelimit {
        struct ratelimit_policy policy;
        uint64_t level; /* units at `at_usec`; at most burst tokens */
        uint64_t at_usec;
};

/* A full bucket. */
void ratelimit_init(struct ratelimit *limit, const struct ratelimit_policy *policy,
                    uint64_t now_usec);
/* Another rate from now on; what was gained until now stays. */
void ratelimit_set_rate(struct ratelimit *limit, uint32_t rate, uint64_t now_usec);
/* Another size: a larger bucket is filled by time alone. */
void ratelimit_set_burst(struct ratelimit *limit, uint32_t burst, uint64_t now_usec);

/* How long until `n` tokens were gained beside those that are there, taken or not: 0 is now,
 * UINT64_MAX never.  `n` may exceed the burst: then it is the time in which n are given out. */
uint64_t ratelimit_wait(const struct ratelimit *limit, uint64_t n, uint64_t now_usec);

/* Takes `n` tokens, or none.  -EAGAIN: come back in *reterr_wait_usec (UINT64_MAX: never).
 * -E2BIG: more than `burst`, no waiting helps.  Both are answers to relay, not faults to log. */
int ratelimit_take(struct ratelimit *limit, uint32_t n, uint64_t now_usec,
                   uint64_t *reterr_wait_usec);
