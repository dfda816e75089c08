/* SPDX-License-Identifier: Apache-2.0 */
/* Data: documents, bytes, vectors and collections, reserved before they are written.
 *
 * Everybody who writes reserves first, be it nothing, and settles afterwards.  So what is read from
 * docs.db while nobody writes stays exact: each settles what he added.  Read while somebody writes,
 * it may hold what he will settle; then it is only compared with, all reservations on top, which
 * may be too much, never too little, and is read again the next time. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"

#include <inttypes.h>

#define N_DATA (TENANT_COLLECTIONS + 1)

static void spread(const struct tenant_amounts *amounts, int64_t ret[static N_DATA])
{
        ret[TENANT_DOCUMENTS] = amounts->documents;
        ret[TENANT_BYTES] = amounts->bytes;
        ret[TENANT_VECTORS] = amounts->vectors;
        ret[TENANT_COLLECTIONS] = amounts->collections;
}

static bool has_limits(const struct entry *entry)
{
        for (size_t i = 0; i < N_DATA; i++)
                if (entry_limit(entry, (enum tenant_limit) i) != TENANT_UNLIMITED)
                        return true;
        return false;
}

static int read_usage(struct entry *entry, uint64_t ret[static N_DATA], struct error *reterr)
{
        struct tenant_usage usage = { 0 };
        int r = tenant_get_usage(entry->tenants->store, entry->id, &usage, reterr);

        if (r < 0)
                return error_prefix(reterr, r, "what the tenant stores");
        ret[TENANT_DOCUMENTS] = usage.documents;
        ret[TENANT_BYTES] = usage.bytes;
        ret[TENANT_VECTORS] = usage.vectors;
        ret[TENANT_COLLECTIONS] = usage.collections;
        return 0;
}

static int look_up(struct entry *entry, uint64_t ret[static N_DATA], struct error *reterr)
{
        int r = 0;

        if (!entry->usage_known) {
                r = read_usage(entry, ret, reterr);
                entry->usage_known = r == 0 && entry->writers == 0;
                for (size_t i = 0; entry->usage_known && i < N_DATA; i++)
                        entry->data[i] = ret[i];
                return r;
        }
        for (size_t i = 0; i < N_DATA; i++)
                ret[i] = entry->data[i];
        return 0;
}

static int check(struct entry *entry, const int64_t wanted[static N_DATA], struct error *reterr)
{
        uint64_t used[N_DATA];
        int r = look_up(entry, used, reterr);

        for (size_t i = 0; r == 0 && i < N_DATA; i++) {
                uint64_t limit = entry_limit(entry, (enum tenant_limit) i);
                uint64_t taken = used[i] + entry->data_reserved[i];

                if (wanted[i] <= 0 || limit == TENANT_UNLIMITED ||
                    (taken <= limit && (uint64_t) wanted[i] <= limit - taken))
                        continue;
                entry->tenants->refused_quota++;
                r = error_set(reterr, -EDQUOT, "limit of %s: %" PRIu64 ", used %" PRIu64
                                               ", asked for %" PRId64 " more",
                              tenant_limits[i].name, limit, taken, wanted[i]);
                error_set_origin(reterr, NULL, tenant_limits[i].name, 0, 0);
        }
        return r;
}

int tenant_reserve(struct tenants *tenants, struct tenant_id tenant,
                   const struct tenant_amounts *amounts, struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        int64_t wanted[N_DATA];
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r < 0)
                return r;
        spread(amounts, wanted);
        WITH_LOCK(&entry->data_lock);
        if (has_limits(entry))
                r = check(entry, wanted, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < N_DATA; i++)
                entry->data_reserved[i] += wanted[i] > 0 ? (uint64_t) wanted[i] : 0;
        entry->writers++;
        return 0;
}

static void add(uint64_t *to, int64_t amount)
{
        if (amount >= 0)
                *to += (uint64_t) amount;
        else
                *to -= (uint64_t) -amount < *to ? (uint64_t) -amount : *to;
}

void tenant_settle(struct tenants *tenants, struct tenant_id tenant,
                   const struct tenant_amounts *reserved, const struct tenant_amounts *added)
{
        struct entry *entry = entries_get(tenants, tenant); /* is there: somebody writes */
        int64_t back[N_DATA], more[N_DATA];

        if (!entry)
                return;
        spread(reserved, back);
        if (added)
                spread(added, more);
        (void) pthread_mutex_lock(&entry->data_lock);
        for (size_t i = 0; i < N_DATA; i++) {
                if (back[i] > 0)
                        add(&entry->data_reserved[i], -back[i]);
                if (added && entry->usage_known)
                        add(&entry->data[i], more[i]);
        }
        if (!added)
                entry->usage_known = false;
        entry->writers--;
        (void) pthread_mutex_unlock(&entry->data_lock);
        entries_put(entry);
}

int tenant_get_room(struct tenants *tenants, struct tenant_id tenant, struct tenant_amounts *ret,
                    struct error *reterr)
{
        cleanup_(entries_release) struct entry *entry = NULL;
        uint64_t used[N_DATA];
        int64_t room[N_DATA];
        int r = entries_hold(tenants, tenant, &entry, reterr);

        if (r < 0)
                return r;
        WITH_LOCK(&entry->data_lock);
        if (has_limits(entry))
                r = look_up(entry, used, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; i < N_DATA; i++) {
                uint64_t limit = entry_limit(entry, (enum tenant_limit) i);
                uint64_t taken = limit == TENANT_UNLIMITED ? 0 : used[i] + entry->data_reserved[i];
                uint64_t left = taken < limit ? limit - taken : 0;

                room[i] = left > INT64_MAX ? INT64_MAX : (int64_t) left;
        }
        *ret = (struct tenant_amounts){ .documents = room[TENANT_DOCUMENTS],
                                        .bytes = room[TENANT_BYTES],
                                        .vectors = room[TENANT_VECTORS],
                                        .collections = room[TENANT_COLLECTIONS] };
        return 0;
}

bool tenant_has_data_limits(struct tenants *tenants, struct tenant_id tenant)
{
        cleanup_(entries_release) struct entry *entry = NULL;

        return entries_hold(tenants, tenant, &entry, NULL) < 0 || has_limits(entry);
}
