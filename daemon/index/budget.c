/* SPDX-License-Identifier: Apache-2.0 */
#include "index/budget.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct index_budget {
        uint64_t max_bytes;
        _Atomic uint64_t used; /* never above max_bytes */
};

int index_budget_new(uint64_t max_bytes, struct index_budget **ret, struct error *reterr)
{
        struct index_budget *budget = malloc(sizeof *budget);

        if (!budget)
                return error_oom(reterr);
        budget->max_bytes = max_bytes;
        atomic_init(&budget->used, 0);
        *ret = budget;
        return 0;
}

void index_budget_free(struct index_budget *budget)
{
        free(budget);
}

uint64_t index_budget_used(const struct index_budget *budget)
{
        return budget ? atomic_load_explicit(&budget->used, memory_order_relaxed) : 0;
}

int index_budget_take(struct index_budget *budget, uint64_t bytes)
{
        uint64_t used;

        if (!budget)
                return 0;
        used = atomic_load_explicit(&budget->used, memory_order_relaxed);
        do {
                if (bytes > budget->max_bytes - used)
                        return -EDQUOT;
        } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, used + bytes,
                                                        memory_order_relaxed,
                                                        memory_order_relaxed));
        return 0;
}

void index_budget_give(struct index_budget *budget, uint64_t bytes)
{
        uint64_t used;

        if (!budget)
                return;
        used = atomic_fetch_sub_explicit(&budget->used, bytes, memory_order_relaxed);
        assert(used >= bytes);
        (void) used;
}
