/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/budget.h"

#include "store/ledger.h"

#include <errno.h>
#include <math.h>

void budget_init(struct budget *budget, uint64_t day_limit, uint64_t month_limit,
                 double alert_ratio, uint32_t today)
{
        *budget = (struct budget){
                .day = { .limit = day_limit, .begin = today },
                .month = { .limit = month_limit, .begin = ledger_month_begin(today) },
                .alert_ppm = (uint32_t) lround(alert_ratio * 1e6),
        };
}

static void set_limit(struct budget_span *span, uint64_t limit)
{
        if (span->limit == limit)
                return;
        span->limit = limit;
        span->alerted = span->told = false;
}

void budget_configure(struct budget *budget, uint64_t day_limit, uint64_t month_limit,
                      double alert_ratio)
{
        set_limit(&budget->day, day_limit);
        set_limit(&budget->month, month_limit);
        budget->alert_ppm = (uint32_t) lround(alert_ratio * 1e6);
}

void budget_restore(struct budget *budget, uint64_t day_spent, uint64_t month_spent)
{
        budget->day.spent = day_spent;
        budget->month.spent = month_spent;
}

/* A clock that is set back gives no second day. */
static void roll(struct budget_span *span, uint32_t begin)
{
        if (begin > span->begin)
                *span = (struct budget_span){ .limit = span->limit, .begin = begin };
}

static void roll_both(struct budget *budget, uint32_t today)
{
        roll(&budget->day, today);
        roll(&budget->month, ledger_month_begin(today));
}

static bool fits(const struct budget_span *span, uint64_t reserved, uint64_t more)
{
        return span->limit == UINT64_MAX ||
               (span->spent <= span->limit && reserved <= span->limit - span->spent &&
                more <= span->limit - span->spent - reserved);
}

/* `refused`: a call did not fit, which is what being spent means to people. */
static unsigned news_of(struct budget_span *span, uint32_t alert_ppm, bool refused, unsigned alert,
                        unsigned spent)
{
        unsigned news = 0;

        if (span->limit == UINT64_MAX || (span->spent == 0 && !refused))
                return 0;
        if (!span->alerted && (unsigned __int128) span->spent * 1000000U >=
                                      (unsigned __int128) span->limit * alert_ppm) {
                span->alerted = true;
                news |= alert;
        }
        if (!span->told && (refused || span->spent >= span->limit)) {
                span->told = true;
                news |= spent;
        }
        return news;
}

int budget_reserve(struct budget *budget, uint64_t microusd, uint32_t today, bool *reterr_month,
                   unsigned *ret_news)
{
        roll_both(budget, today);
        *ret_news = 0;
        if (microusd == 0)
                return 0;
        if (!fits(&budget->day, budget->reserved, microusd)) {
                *reterr_month = false;
                *ret_news = news_of(&budget->day, budget->alert_ppm, true, BUDGET_DAY_ALERT,
                                    BUDGET_DAY_SPENT);
                return -EDQUOT;
        }
        if (!fits(&budget->month, budget->reserved, microusd)) {
                *reterr_month = true;
                *ret_news = news_of(&budget->month, budget->alert_ppm, true, BUDGET_MONTH_ALERT,
                                    BUDGET_MONTH_SPENT);
                return -EDQUOT;
        }
        budget->reserved += microusd;
        return 0;
}

unsigned budget_settle(struct budget *budget, uint64_t reserved, uint64_t cost, uint32_t today)
{
        roll_both(budget, today);
        budget->reserved -= reserved < budget->reserved ? reserved : budget->reserved;
        budget->day.spent += cost;
        budget->month.spent += cost;
        return news_of(&budget->day, budget->alert_ppm, false, BUDGET_DAY_ALERT,
                       BUDGET_DAY_SPENT) |
               news_of(&budget->month, budget->alert_ppm, false, BUDGET_MONTH_ALERT,
                       BUDGET_MONTH_SPENT);
}
