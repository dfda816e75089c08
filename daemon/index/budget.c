/* SPDX-License-Identifier: Apache-2.0 */
#include "index/budget.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct index_budget {
        _Atomic uint64_t max_bytes;
        _Atomic uint64_t used; /* never raised above max_bytes */
};

int index_budget_new(uint64_t max_bytes, struct index_budget **ret, struct error *reterr)
{
        struct index_budget *budget = malloc(sizeof *budget);

        if (!budget)
                return error_oom(reterr);
        atomic_init(&budget->max_bytes, max_bytes);
        atomic_init(&budget->used, 0);
        *ret = budget;
        return 0;
}

void index_budget_free(struct index_budget *budget)
{
        free(budget);
}

void index_budget_set(struct index_budget *budget, uint64_t max_bytes)
{
        atomic_store_explicit(&budget->max_bytes, max_bytes, memory_order_relaxed);
}

uint64_t index_budget_max(const struct index_budget *budget)
{
        return budget ? atomic_load_explicit(&budget->max_bytes, memory_order_relaxed)
                      : UINT64_MAX;
}

uint64_t index_budget_used(const struct index_budget *budget)
{
        return budget ? atomic_load_explicit(&budget->used, memory_order_relaxed) : 0;
}

int index_budget_take(struct index_budget *budget, uint64_t bytes)
{
        uint64_t used, max;

        if (!budget)
                return 0;
        max = atomic_load_explicit(&budget->max_bytes, memory_order_relaxed);
        used = atomic_load_explicit(&budget->used, memory_order_relaxed);
        do {
                if (bytes > 0 && (used > max || bytes > max - used))
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
