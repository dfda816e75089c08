/* SPDX-License-Identifier: Apache-2.0 */
/* Money of all tenants together, by day and by calendar month of UTC.
 *
 * A call reserves what it may cost at most before it is sent and settles what it did cost when it
 * ends.  spent + reserved never passes a limit by a reservation; a settlement may, where a call
 * cost more than was foreseen.  State is restored from the ledger by whoever makes it.
 * Integers of micro-dollars; plain memory; the provider thread owns it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct budget_span {
        uint64_t limit; /* UINT64_MAX: none */
        uint64_t spent;
        uint32_t begin;        /* its first day, since 1970-01-01 */
        bool alerted, told;    /* once in each span */
};

struct budget {
        struct budget_span day, month;
        uint64_t reserved;
        uint32_t alert_ppm;
};

enum budget_news {
        BUDGET_DAY_ALERT = 1,
        BUDGET_DAY_SPENT = 2,
        BUDGET_MONTH_ALERT = 4,
        BUDGET_MONTH_SPENT = 8,
};

void budget_init(struct budget *budget, uint64_t day_limit, uint64_t month_limit,
                 double alert_ratio, uint32_t today);
/* Other limits from now on; what is spent and reserved stays.  What holds beyond a limit that
 * changed is told again. */
void budget_configure(struct budget *budget, uint64_t day_limit, uint64_t month_limit,
                      double alert_ratio);
/* What the books know of today and of this month, today included.  What a restart finds beyond
 * the ratio is told again. */
void budget_restore(struct budget *budget, uint64_t day_spent, uint64_t month_spent);

/* -EDQUOT: it does not fit; *ret_month tells which limit.  *ret_news: sum of BUDGET_… that begin
 * to hold with this. */
int budget_reserve(struct budget *budget, uint64_t microusd, uint32_t today, bool *reterr_month,
                   unsigned *ret_news);
/* Gives the reservation back and counts the cost.  Returns the sum of what begins to hold. */
unsigned budget_settle(struct budget *budget, uint64_t reserved, uint64_t cost, uint32_t today);
