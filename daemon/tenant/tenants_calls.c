/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to providers: tokens and money of a day.
 *
 * What a day has used is the ledger's; it is read once, when the first call reserves, and counted
 * on from there.  What runs over midnight is the new day's. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

static int read_ledger(struct entry *entry, uint32_t day, struct error *reterr)
{
        const struct ledger_query query = { .first_day = day,
                                            .last_day = day,
                                            .tenant = &entry->id };
        cleanup_free_ struct ledger_entry *sums = NULL;
        size_t n = 0;
        int r = ledger_sum(entry->tenants->store, &query, &sums, &n, reterr);

        if (r < 0)
                return r;
        entry->tokens.used = n > 0 ? sums[0].input_tokens + sums[0].output_tokens : 0;
        entry->microusd.used = n > 0 ? sums[0].cost_microusd : 0;
        return 0;
}

int entry_begin_calls(struct entry *entry, uint64_t now_wall_usec, struct error *reterr)
{
        uint32_t today = ledger_day(now_wall_usec);
        int r = 0;

        if (!entry->calls_known) {
                r = read_ledger(entry, today, reterr);
                if (r < 0)
                        return r;
                entry->calls_known = true;
                entry->calls_day = today;
        }
        if (today > entry->calls_day) { /* a clock that is set back gives no second day */
                entry->calls_day = today;
                entry->tokens.used = entry->microusd.used = 0;
        }
        return 0;
}

static bool fits(const struct tenant_account *account, uint64_t limit, uint64_t more)
{
        uint64_t taken = account->used + account->reserved;

        return limit == TENANT_UNLIMITED || more == 0 || (taken <= limit && more <= limit - taken);
}

static int refuse(enum tenant_limit limit, struct error *reterr)
{
        error_set_origin(reterr, NULL, tenant_limits[limit].name, 0, 0);
        return -EDQUOT;
}

static int check(const struct entry *entry, uint64_t tokens, uint64_t microusd,
                 struct error *reterr)
{
        uint64_t most_tokens = entry_limit(entry, TENANT_TOKENS_PER_DAY);
        uint64_t most_microusd = entry_limit(entry, TENANT_MICROUSD_PER_DAY);

        if (!fits(&entry->tokens, most_tokens, tokens)) {
                (void) error_set(reterr, -EDQUOT,
                                 "the tenant's tokens of today are spent: limit %" PRIu64
                                 ", used %" PRIu64 ", asked for %" PRIu64 " more, until 00:00 UTC",
                                 most_tokens, entry->tokens.used + entry->tokens.reserved, tokens);
                return refuse(TENANT_TOKENS_PER_DAY, reterr);
        }
        if (!fits(&entry->microusd, most_microusd, microusd)) {
                (void) error_set(reterr, -EDQUOT,
                                 "the tenant's money of today is spent: limit %.6g USD, used %.6g, "
                                 "asked for up to %.6g more, until 00:00 UTC",
                                 (double) most_microusd / 1e6,
                                 (double) (entry->microusd.used + entry->microusd.reserved) / 1e6,
                                 (double) microusd / 1e6);
                return refuse(TENANT_MICROUSD_PER_DAY, reterr);
        }
        return 0;
}

static bool has_limits(const struct entry *entry)
{
        return entry_limit(entry, TENANT_TOKENS_PER_DAY) != TENANT_UNLIMITED ||
               entry_limit(entry, TENANT_MICROUSD_PER_DAY) != TENANT_UNLIMITED;
}

int tenant_reserve_calls(struct tenants *tenants, struct tenant_id tenant, uint64_t tokens,
                         uint64_t microusd, struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r < 0)
                return r;
        WITH_LOCK(&entry->calls_lock);
        r = entry_begin_calls(entry, clock_wall_usec(), reterr);
        if (r < 0 && has_limits(entry))
                return error_prefix(reterr, r, "what the tenant has spent today");
        r = check(entry, tokens, microusd, reterr);
        if (r < 0) {
                tenants->refused_quota++;
                return r;
        }
        entry->tokens.reserved += tokens;
        entry->microusd.reserved += microusd;
        return 0;
}

static void settle(struct tenant_account *account, uint64_t reserved, uint64_t used)
{
        account->reserved -= reserved < account->reserved ? reserved : account->reserved;
        account->used += used;
}

void tenant_settle_calls(struct tenants *tenants, struct tenant_id tenant,
                         uint64_t reserved_tokens, uint64_t reserved_microusd, uint64_t tokens,
                         uint64_t microusd)
{
        struct entry *entry = entries_get(tenants, tenant);

        if (!entry)
                return;
        (void) pthread_mutex_lock(&entry->calls_lock);
        (void) entry_begin_calls(entry, clock_wall_usec(), NULL);
        settle(&entry->tokens, reserved_tokens, tokens);
        settle(&entry->microusd, reserved_microusd, microusd);
        if (tokens > 0 || microusd > 0)
                entry->called_usec = clock_monotonic_usec();
        (void) pthread_mutex_unlock(&entry->calls_lock);
        entries_put(entry);
}

bool tenant_has_call_limits(struct tenants *tenants, struct tenant_id tenant)
{
        cleanup_(entries_release) struct entry *entry = NULL;

        return entries_hold(tenants, tenant, &entry, NULL) < 0 || has_limits(entry);
}
