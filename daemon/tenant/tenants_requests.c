/* SPDX-License-Identifier: Apache-2.0 */
/* Requests: rates of users, keys and the tenant, and the count of a day.
 *
 * A row says a number that was not reached yet: where that many are counted, the next lease is
 * made durable before one of it is given away.  It is renewed in the background when half of it is
 * gone, so that no request waits for the disk.  Whoever forgets an entry writes what was really
 * counted; a crash loses the rest of a lease, and never gives more than the limit. */
#include "tenant/tenants_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "store/keys.h"
#include "store/ledger.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LEASE_PARTS 64U
#define LEASE_MAX 4096U
#define USED_GRAIN_USEC (3600 * USEC_PER_SEC)
#define WHO_MAX 512

const char *tenant_policy_name(enum tenant_policy policy)
{
        static const char *const names[TENANT_POLICY_MAX] = {
                [TENANT_POLICY_USER] = "user",     [TENANT_POLICY_KEY] = "key",
                [TENANT_POLICY_TENANT] = "tenant", [TENANT_POLICY_INGEST] = "ingest",
                [TENANT_POLICY_DAY] = "day",
        };

        return (unsigned) policy < TENANT_POLICY_MAX ? names[policy] : NULL;
}

/* ---- Days ----------------------------------------------------------------------------------- */

static int write_row(struct entry *entry, uint64_t requests, bool exact, struct error *reterr)
{
        const struct tenant_day row = { .tenant = entry->id,
                                        .day = entry->day,
                                        .requests = requests,
                                        .exact = exact,
                                        .used_usec = entry->used_usec };
        int r = tenant_set_days(entry->tenants->store, &row, 1, reterr);

        if (r < 0)
                return r;
        entry->leased = requests;
        entry->used_saved_usec = entry->used_usec;
        return 0;
}

static bool is_used_due(const struct entry *entry)
{
        return entry->used_usec > 0 && (entry->used_saved_usec == 0 ||
                                        entry->used_usec >= entry->used_saved_usec +
                                                                    USED_GRAIN_USEC);
}

int entry_save(struct entry *entry, struct error *reterr)
{
        bool counted = entry->day_known && entry->leased != entry->requests;

        if (!counted && !is_used_due(entry))
                return 0;
        if (!entry->day_known) {
                const struct tenant_day row = { .tenant = entry->id,
                                                .day = ledger_day(entry->used_usec),
                                                .used_usec = entry->used_usec };
                int r = tenant_set_days(entry->tenants->store, &row, 1, reterr);

                if (r == 0)
                        entry->used_saved_usec = entry->used_usec;
                return r;
        }
        return write_row(entry, entry->requests, true, reterr);
}

/* A clock that is set back gives no second day. */
int entry_begin_day(struct entry *entry, uint64_t now_wall_usec, struct error *reterr)
{
        uint32_t today = ledger_day(now_wall_usec);
        uint64_t requests = 0;
        int r;

        if (entry->day_known && today <= entry->day)
                return 0;
        if (entry->day_known) /* what yesterday's row lacks is of use to nobody but who looks */
                (void) entry_save(entry, NULL);
        r = tenant_get_requests(entry->tenants->store, entry->id, today, &requests, reterr);
        if (r < 0)
                return r;
        entry->day = today;
        entry->day_known = true;
        entry->requests = entry->leased = requests;
        return 0;
}

static uint64_t lease_of(uint64_t limit)
{
        uint64_t lease = limit / LEASE_PARTS;

        return lease < 1 ? 1 : lease > LEASE_MAX ? LEASE_MAX : lease;
}

/* What the row is to say next: counted, and a lease beyond it. */
static uint64_t next_lease(const struct entry *entry, uint64_t limit)
{
        uint64_t lease = lease_of(limit);

        return limit - entry->requests < lease ? limit : entry->requests + lease;
}

/* A lease of one is written by whoever takes it: few a day, and each of them exact. */
static bool is_low(struct entry *entry, uint64_t limit)
{
        return entry->day_known && lease_of(limit) > 1 && limit != TENANT_UNLIMITED && entry->leased < limit &&
               entry->requests <= entry->leased &&
               entry->leased - entry->requests <= lease_of(limit) / 2;
}

/* Whether one more fits the day; it is not counted yet. */
static int look_day(struct entry *entry, uint64_t now_wall_usec, struct tenant_verdict *verdict)
{
        uint64_t limit = entry_limit(entry, TENANT_REQUESTS_PER_DAY);
        uint64_t next;
        int r = entry_begin_day(entry, now_wall_usec, NULL);

        if (limit == TENANT_UNLIMITED)
                return 0;
        next = ((uint64_t) entry->day + 1) * DAY_USEC;
        verdict->policies[TENANT_POLICY_DAY].held = true;
        verdict->policies[TENANT_POLICY_DAY].quota = limit;
        verdict->policies[TENANT_POLICY_DAY].window_sec = DAY_SEC;
        verdict->policies[TENANT_POLICY_DAY].left =
                entry->requests < limit ? limit - entry->requests : 0;
        verdict->policies[TENANT_POLICY_DAY].reset_usec = next - now_wall_usec;
        if (r == 0 && entry->requests < limit && entry->requests >= entry->leased)
                r = write_row(entry, next_lease(entry, limit), false, NULL);
        if (r == 0 && entry->requests < limit)
                return 0;
        verdict->violated = TENANT_POLICY_DAY;
        /* where the row cannot be written, nothing passes until it can */
        verdict->wait_usec = r < 0 ? USEC_PER_SEC : next - now_wall_usec;
        return -EDQUOT;
}

/* True: its lease has just become low. */
static bool count_day(struct entry *entry, struct tenant_verdict *verdict)
{
        uint64_t limit = entry_limit(entry, TENANT_REQUESTS_PER_DAY);
        bool was_low = is_low(entry, limit);

        if (!entry->day_known)
                return false;
        entry->requests++;
        if (verdict->policies[TENANT_POLICY_DAY].left > 0)
                verdict->policies[TENANT_POLICY_DAY].left--;
        return !was_low && is_low(entry, limit);
}

static void tell_low(struct tenants *tenants)
{
        (void) pthread_mutex_lock(&tenants->lock);
        if (tenants->low)
                tenants->low(tenants->low_data);
        (void) pthread_mutex_unlock(&tenants->lock);
}

/* ---- Rates ---------------------------------------------------------------------------------- */

struct asking {
        struct rate_limit limits[TENANT_POLICY_MAX];
        enum tenant_policy policies[TENANT_POLICY_MAX];
        char who[TENANT_POLICY_MAX][WHO_MAX + ID_BYTES + 1];
        size_t n;
};

/* Names that are longer tell apart by their beginning: doors allow less. */
static void ask(struct asking *asking, enum tenant_policy policy, char kind,
                const struct entry *entry, const void *name, size_t len, uint64_t per_minute,
                uint64_t amount)
{
        char *who = asking->who[asking->n];

        if (len > WHO_MAX)
                len = WHO_MAX;
        who[0] = kind;
        memcpy(who + 1, entry->id.id.bytes, ID_BYTES);
        if (len > 0)
                memcpy(who + 1 + ID_BYTES, name, len);
        asking->limits[asking->n] = (struct rate_limit){ .per_minute = per_minute,
                                                         .who = who,
                                                         .who_len = 1 + ID_BYTES + len,
                                                         .amount = amount };
        asking->policies[asking->n++] = policy;
}

static void ask_tenant(struct asking *asking, const struct entry *entry, enum tenant_policy policy,
                       uint64_t amount)
{
        bool ingest = policy == TENANT_POLICY_INGEST;
        uint64_t limit = entry_limit(entry, ingest ? TENANT_INGEST_BYTES_PER_MINUTE
                                                   : TENANT_REQUESTS_PER_MINUTE);

        if (limit != TENANT_UNLIMITED)
                ask(asking, policy, ingest ? 'i' : 't', entry, NULL, 0, limit, amount);
}

static void ask_caller(struct asking *asking, const struct entry *entry,
                       const struct tenant_caller *caller)
{
        uint64_t per_user = entry->tenants->per_user;

        if (caller->user && per_user > 0)
                ask(asking, TENANT_POLICY_USER, 'u', entry, caller->user, strlen(caller->user),
                    per_user, 1);
        else if (caller->key && per_user > 0)
                ask(asking, TENANT_POLICY_USER, 'a', entry, caller->key, KEY_ID_BYTES, per_user, 1);
        if (caller->key && caller->key_per_minute > 0)
                ask(asking, TENANT_POLICY_KEY, 'k', entry, caller->key, KEY_ID_BYTES,
                    caller->key_per_minute, 1);
}

static void tell(const struct asking *asking, const struct rate_state *states,
                 struct tenant_verdict *verdict)
{
        for (size_t i = 0; i < asking->n; i++) {
                enum tenant_policy policy = asking->policies[i];

                verdict->policies[policy].held = true;
                verdict->policies[policy].quota = asking->limits[i].per_minute;
                verdict->policies[policy].window_sec = 60;
                verdict->policies[policy].left = states[i].left;
                verdict->policies[policy].reset_usec = states[i].reset_usec;
        }
}

/* A limit of nothing at all is no rate. */
static int take(struct tenants *tenants, struct asking *asking, uint64_t now_usec,
                struct tenant_verdict *verdict)
{
        struct rate_state states[TENANT_POLICY_MAX] = { 0 };
        size_t refused = 0;
        int r = 0;

        static_assert(TENANT_POLICY_MAX <= RATES_TAKE_MAX, "all are taken together");
        for (size_t i = 0; i < asking->n; i++)
                if (asking->limits[i].per_minute == 0 && asking->limits[i].amount > 0) {
                        refused = i;
                        states[i].wait_usec = UINT64_MAX;
                        r = -EAGAIN;
                }
        if (r == 0)
                r = rates_take(tenants->rates, asking->limits, asking->n, now_usec, states,
                               &refused);
        tell(asking, states, verdict);
        if (r == 0)
                return 0;
        verdict->violated = asking->policies[refused];
        verdict->wait_usec = states[refused].wait_usec;
        tenants->refused_rate++;
        return -EDQUOT;
}

int tenant_count_request(struct tenant_entry *entry, const struct tenant_caller *caller,
                         uint64_t now_usec, uint64_t now_wall_usec, struct tenant_verdict *ret)
{
        struct entry *of = entry->of;
        struct asking asking;
        bool low = false;
        int r;

        *ret = (struct tenant_verdict){ 0 };
        asking.n = 0;
        (void) pthread_mutex_lock(&of->lock);
        if (of->tenants->limits_rates) {
                ask_caller(&asking, of, caller);
                ask_tenant(&asking, of, TENANT_POLICY_TENANT, 1);
                if (caller->ingest_bytes > 0)
                        ask_tenant(&asking, of, TENANT_POLICY_INGEST, caller->ingest_bytes);
        }
        r = look_day(of, now_wall_usec, ret);
        if (r < 0)
                of->tenants->refused_quota++;
        if (r == 0 && asking.n > 0)
                r = take(of->tenants, &asking, now_usec, ret);
        if (r == 0)
                low = count_day(of, ret);
        (void) pthread_mutex_unlock(&of->lock);
        if (low)
                tell_low(of->tenants);
        return r;
}

int tenant_count_ingest(struct tenant_entry *entry, uint64_t bytes, uint64_t now_usec,
                        struct tenant_verdict *ret)
{
        struct entry *of = entry->of;
        struct asking asking;

        *ret = (struct tenant_verdict){ 0 };
        asking.n = 0;
        (void) pthread_mutex_lock(&of->lock);
        if (of->tenants->limits_rates)
                ask_tenant(&asking, of, TENANT_POLICY_INGEST, bytes);
        (void) pthread_mutex_unlock(&of->lock);
        return asking.n > 0 ? take(of->tenants, &asking, now_usec, ret) : 0;
}

uint64_t entry_look_rate(struct entry *entry, enum tenant_limit limit, uint64_t now_usec)
{
        struct rate_state state = { 0 };
        struct asking asking;
        size_t refused;

        asking.n = 0;
        ask_tenant(&asking, entry,
                   limit == TENANT_INGEST_BYTES_PER_MINUTE ? TENANT_POLICY_INGEST
                                                           : TENANT_POLICY_TENANT,
                   0);
        if (asking.n > 0 && asking.limits[0].per_minute > 0)
                (void) rates_take(entry->tenants->rates, asking.limits, 1, now_usec, &state,
                                  &refused);
        return state.left;
}

/* ---- Writing what waits --------------------------------------------------------------------- */

/* What the table holds now, each held. */
static int list_entries(struct tenants *tenants, struct entry ***ret, size_t *ret_n,
                        struct error *reterr)
{
        struct entry **list;
        size_t n = 0;

        (void) pthread_mutex_lock(&tenants->lock);
        list = calloc(tenants->n_entries + 1, sizeof(struct entry *));
        for (size_t i = 0; list && i < TENANTS_BUCKETS; i++)
                for (struct entry *entry = tenants->buckets[i]; entry; entry = entry->next) {
                        entry->refs++; /* idle ones keep their turn */
                        list[n++] = entry;
                }
        (void) pthread_mutex_unlock(&tenants->lock);
        if (!list)
                return error_oom(reterr);
        *ret = list;
        *ret_n = n;
        return 0;
}

static void give_back(struct tenants *tenants, struct entry **list, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                bool idle;

                (void) pthread_mutex_lock(&tenants->lock);
                idle = list[i]->idle;
                if (idle)
                        list[i]->refs--;
                (void) pthread_mutex_unlock(&tenants->lock);
                if (!idle)
                        entries_put(list[i]);
        }
        free(list);
}

/* Where there is no limit, what was counted; where there is, the next lease before this one ends. */
static bool is_due(struct entry *entry, struct tenant_day *ret)
{
        uint64_t limit = entry_limit(entry, TENANT_REQUESTS_PER_DAY);
        bool low = is_low(entry, limit);
        bool counted = low || (entry->day_known && entry->requests > entry->leased);
        bool used = is_used_due(entry);

        *ret = (struct tenant_day){
                .tenant = entry->id,
                .day = entry->day_known ? entry->day : ledger_day(entry->used_usec),
                .requests = low ? next_lease(entry, limit) : counted ? entry->requests : 0,
                .used_usec = counted || used ? entry->used_usec : 0,
        };
        return counted || used;
}

static void note_saved(struct entry *entry, const struct tenant_day *row)
{
        if (entry->day_known && entry->day == row->day && entry->leased < row->requests)
                entry->leased = row->requests;
        if (entry->used_saved_usec < row->used_usec)
                entry->used_saved_usec = row->used_usec;
}

int tenants_flush(struct tenants *tenants, struct error *reterr)
{
        cleanup_free_ struct tenant_day *rows = NULL;
        cleanup_free_ size_t *of = NULL;
        struct entry **list = NULL;
        size_t n = 0, n_rows = 0;
        int r = list_entries(tenants, &list, &n, reterr);

        if (r < 0)
                return r;
        rows = calloc(n + 1, sizeof *rows);
        of = calloc(n + 1, sizeof *of);
        for (size_t i = 0; rows && of && i < n; i++) {
                (void) pthread_mutex_lock(&list[i]->lock);
                if (is_due(list[i], &rows[n_rows]))
                        of[n_rows++] = i;
                (void) pthread_mutex_unlock(&list[i]->lock);
        }
        r = rows && of ? tenant_set_days(tenants->store, rows, n_rows, reterr) : error_oom(reterr);
        for (size_t i = 0; r == 0 && i < n_rows; i++) {
                (void) pthread_mutex_lock(&list[of[i]]->lock);
                note_saved(list[of[i]], &rows[i]);
                (void) pthread_mutex_unlock(&list[of[i]]->lock);
        }
        give_back(tenants, list, n);
        return r;
}
