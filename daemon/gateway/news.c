/* SPDX-License-Identifier: Apache-2.0 */
/* What calls have in common: news, randomness, what terms mean. */
#include "base/clock.h"
#include "base/cleanup.h"
#include "gateway/inside.h"

#include <stdio.h>

void gateway_tell(struct gateway *gateway, const struct gateway_event *event)
{
        if (gateway->settings.news)
                gateway->settings.news(gateway->settings.data, event);
}

void gateway_tell_budget(struct gateway *gateway, unsigned news, struct tenant_id tenant)
{
        static const struct {
                unsigned bit;
                enum gateway_news news;
                bool monthly;
        } rows[] = {
                { BUDGET_DAY_ALERT, GATEWAY_BUDGET_ALERT, false },
                { BUDGET_DAY_SPENT, GATEWAY_BUDGET_SPENT, false },
                { BUDGET_MONTH_ALERT, GATEWAY_BUDGET_ALERT, true },
                { BUDGET_MONTH_SPENT, GATEWAY_BUDGET_SPENT, true },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const struct budget *budget = &gateway->commons->budget;
                const struct budget_span *span = rows[i].monthly ? &budget->month : &budget->day;
                const struct gateway_event event = {
                        .news = rows[i].news,
                        .tenant = tenant,
                        .spent_microusd = span->spent,
                        .limit_microusd = span->limit,
                        .monthly = rows[i].monthly,
                };

                if (news & rows[i].bit)
                        gateway_tell(gateway, &event);
        }
}

/* SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
uint64_t gateway_random(struct gateway *gateway)
{
        uint64_t z = gateway->random += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30U) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27U) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31U;
}

uint64_t gateway_deadline(const struct gateway_terms *terms, uint64_t now_usec)
{
        return terms && terms->deadline_usec > 0 ? terms->deadline_usec
                                                 : now_usec + GATEWAY_PATIENCE_USEC;
}

/* FNV-1a. */
uint64_t gateway_user(const struct gateway_terms *terms)
{
        uint64_t hash = UINT64_C(14695981039346656037);

        for (const char *at = terms && terms->user ? terms->user : ""; *at; at++)
                hash = (hash ^ (unsigned char) *at) * UINT64_C(1099511628211);
        return hash;
}

/* One that cannot be named has a key of its own, which no other stage shares. */
void gateway_name_tenant(struct gateway *gateway, struct tenant_id tenant,
                         char ret[static GATEWAY_TENANT_NAME_SIZE])
{
        struct store *store = gateway->settings.store;

        if (gateway->settings.shared_embeddings) /* which no tenant can be called */
                (void) snprintf(ret, GATEWAY_TENANT_NAME_SIZE, "*");
        else if (!store || store_get_tenant_name(store, tenant, ret, NULL) < 0)
                (void) id_format(tenant.id, ret);
}
