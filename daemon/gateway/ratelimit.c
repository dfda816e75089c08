/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/ratelimit.h"

#include <errno.h>

static uint64_t capacity_of(const struct ratelimit *limit)
{
        return limit->policy.burst * RATELIMIT_TOKEN;
}

static uint64_t level_at(const struct ratelimit *limit, uint64_t now_usec)
{
        uint64_t elapsed = now_usec > limit->at_usec ? now_usec - limit->at_usec : 0;
        uint64_t missing = capacity_of(limit) - limit->level;

        if (limit->policy.rate == 0)
                return limit->level;
        /* compared by division: the product could overflow after a long rest */
        if (elapsed > missing / limit->policy.rate)
                return capacity_of(limit);
        return limit->level + elapsed * limit->policy.rate;
}

static void advance(struct ratelimit *limit, uint64_t now_usec)
{
        limit->level = level_at(limit, now_usec);
        if (now_usec > limit->at_usec)
                limit->at_usec = now_usec;
}

void ratelimit_init(struct ratelimit *limit, const struct ratelimit_policy *policy,
                    uint64_t now_usec)
{
        *limit = (struct ratelimit){ .policy = *policy, .at_usec = now_usec };
        limit->level = capacity_of(limit);
}

void ratelimit_set_rate(struct ratelimit *limit, uint32_t rate, uint64_t now_usec)
{
        advance(limit, now_usec);
        limit->policy.rate = rate;
}

void ratelimit_set_burst(struct ratelimit *limit, uint32_t burst, uint64_t now_usec)
{
        advance(limit, now_usec);
        limit->policy.burst = burst;
        if (limit->level > capacity_of(limit))
                limit->level = capacity_of(limit);
}

uint64_t ratelimit_wait(const struct ratelimit *limit, uint64_t n, uint64_t now_usec)
{
        uint64_t level = level_at(limit, now_usec), missing;

        if (n > UINT64_MAX / RATELIMIT_TOKEN)
                return UINT64_MAX;
        if (n * RATELIMIT_TOKEN <= level)
                return 0;
        if (limit->policy.rate == 0)
                return UINT64_MAX;
        missing = n * RATELIMIT_TOKEN - level;
        return missing / limit->policy.rate + (missing % limit->policy.rate != 0);
}

int ratelimit_take(struct ratelimit *limit, uint32_t n, uint64_t now_usec,
                   uint64_t *reterr_wait_usec)
{
        uint64_t wait;

        if (n > limit->policy.burst)
                return -E2BIG;
        wait = ratelimit_wait(limit, n, now_usec);
        if (wait > 0) {
                *reterr_wait_usec = wait;
                return -EAGAIN;
        }
        advance(limit, now_usec);
        limit->level -= n * RATELIMIT_TOKEN;
        return 0;
}
