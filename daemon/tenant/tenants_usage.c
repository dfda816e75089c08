/* SPDX-License-Identifier: Apache-2.0 */
/* What a tenant has used of each of its limits, for people. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

struct usage {
        uint64_t used[TENANT_LIMIT_MAX];
        bool known[TENANT_LIMIT_MAX];
};

static void note(struct usage *usage, enum tenant_limit limit, uint64_t used)
{
        usage->used[limit] = used;
        usage->known[limit] = true;
}

/* The documents of one that is offloaded lie in its archive: nobody knows without a look. */
static int look_at_data(struct entry *entry, struct usage *usage, struct error *reterr)
{
        struct tenant_usage data = { 0 };
        int r = tenant_get_usage(entry->tenants->store, entry->id, &data, reterr);

        if (r == -ENODATA)
                return 0;
        if (r < 0)
                return r;
        note(usage, TENANT_DOCUMENTS, data.documents);
        note(usage, TENANT_BYTES, data.bytes);
        note(usage, TENANT_VECTORS, data.vectors);
        note(usage, TENANT_COLLECTIONS, data.collections);
        return 0;
}

static void look_at_rate(struct entry *entry, struct usage *usage, enum tenant_limit limit,
                         uint64_t now_usec)
{
        uint64_t q = entry_limit(entry, limit);
        uint64_t left = entry_look_rate(entry, limit, now_usec);

        if (q != TENANT_UNLIMITED && entry->tenants->limits_rates)
                note(usage, limit, q > left ? q - left : 0);
}

static int look_at_calls(struct entry *entry, struct usage *usage, uint64_t now_wall_usec,
                         struct error *reterr)
{
        WITH_LOCK(&entry->calls_lock);
        int r = entry_begin_calls(entry, now_wall_usec, reterr);

        if (r < 0)
                return r;
        note(usage, TENANT_TOKENS_PER_DAY, entry->tokens.used);
        note(usage, TENANT_MICROUSD_PER_DAY, entry->microusd.used);
        return 0;
}

static int look_at_requests(struct entry *entry, struct usage *usage, uint64_t now_wall_usec,
                            struct error *reterr)
{
        WITH_LOCK(&entry->lock);
        int r = entry_begin_day(entry, now_wall_usec, reterr);

        if (r < 0)
                return r;
        note(usage, TENANT_CONCURRENT, entry->inside);
        note(usage, TENANT_REQUESTS_PER_DAY, entry->requests);
        return 0;
}

static int look(struct entry *entry, struct usage *usage, struct error *reterr)
{
        uint64_t now_usec = clock_monotonic_usec(), now_wall_usec = clock_wall_usec();
        int r = look_at_data(entry, usage, reterr);

        if (r == 0)
                r = look_at_calls(entry, usage, now_wall_usec, reterr);
        if (r == 0)
                r = look_at_requests(entry, usage, now_wall_usec, reterr);
        if (r < 0)
                return r;
        look_at_rate(entry, usage, TENANT_REQUESTS_PER_MINUTE, now_usec);
        look_at_rate(entry, usage, TENANT_INGEST_BYTES_PER_MINUTE, now_usec);
        return 0;
}

/* Money is shown in dollars, as its limit is written. */
static void add_amount(struct json_object *object, const char *key, enum tenant_limit limit,
                       uint64_t amount, bool known)
{
        if (!known)
                json_add(object, key, NULL);
        else if (limit == TENANT_MICROUSD_PER_DAY)
                json_add_double(object, key, (double) amount / 1e6);
        else
                json_add_u64(object, key, amount);
}

static struct json_object *describe(const struct entry *entry, const struct usage *usage)
{
        struct json_object *all = json_object_new_object();

        for (size_t i = 0; all && i < TENANT_LIMIT_MAX; i++) {
                struct json_object *row = json_object_new_object();
                uint64_t limit = entry_limit(entry, (enum tenant_limit) i);

                if (!row) {
                        json_object_put(all);
                        return NULL;
                }
                add_amount(row, "used", (enum tenant_limit) i, usage->used[i], usage->known[i]);
                add_amount(row, "limit", (enum tenant_limit) i, limit, limit != TENANT_UNLIMITED);
                json_add_bool(row, "own", (entry->quota_set & 1U << i) != 0);
                json_add(all, tenant_limits[i].name, row);
        }
        return all;
}

int tenant_describe_usage(struct tenants *tenants, struct tenant_id tenant,
                          struct json_object **ret, struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        struct usage usage = { 0 };
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r == 0)
                r = look(entry, &usage, reterr);
        if (r < 0)
                return r;
        *ret = describe(entry, &usage);
        return *ret ? 0 : error_oom(reterr);
}
