/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/retry.h"

#include "provider/provider.h"

#include <math.h>

void retry_budget_init(struct retry_budget *budget, double ratio)
{
        *budget = (struct retry_budget){ .left = RETRY_BUDGET_BEGIN };
        retry_budget_configure(budget, ratio);
}

void retry_budget_configure(struct retry_budget *budget, double ratio)
{
        budget->per_attempt = (uint32_t) lround(ratio * (double) RETRY_WHOLE);
}

void retry_budget_attempt(struct retry_budget *budget)
{
        budget->left += budget->per_attempt;
        if (budget->left > RETRY_BUDGET_MAX)
                budget->left = RETRY_BUDGET_MAX;
}

uint64_t retry_backoff(const struct retry_policy *policy, uint32_t number, uint64_t random)
{
        uint64_t most = policy->base_usec;

        for (uint32_t i = 1; i < number && most < policy->cap_usec; i++)
                most *= 2;
        if (most > policy->cap_usec)
                most = policy->cap_usec;
        /* scaled by the upper half of the product: no modulo, no bias worth the name */
        return (uint64_t) (((unsigned __int128) random * (most + 1)) >> 64U);
}

enum retry_verdict retry_decide(const struct retry_policy *policy, struct retry_budget *budget,
                                const struct fault *fault, uint32_t number, uint64_t now_usec,
                                uint64_t deadline_usec, uint64_t random, uint64_t *ret_wait_usec)
{
        uint64_t wait = retry_backoff(policy, number, random);

        if (!fault_class_traits(fault->class)->retry)
                return RETRY_NEVER;
        if (number > policy->max_retries)
                return RETRY_ENOUGH;
        if (wait < fault->wait_usec)
                wait = fault->wait_usec;
        if (wait > RETRY_PATIENCE_USEC || now_usec >= deadline_usec ||
            wait >= deadline_usec - now_usec)
                return RETRY_TOO_LATE;
        if (budget->left < RETRY_WHOLE)
                return RETRY_SPENT;
        budget->left -= RETRY_WHOLE;
        *ret_wait_usec = wait;
        return RETRY_YES;
}
