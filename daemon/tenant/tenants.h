/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants at work: who may come in, how much each may use, and what each has used.
 *
 * An entry is made when a tenant is first asked for, and forgotten when nobody has asked for a
 * while: memory follows those that are active, not those that exist.  Limits are the tenant's own
 * or the profile's (tenants_configure()).
 *
 * Amounts of data are reserved before they are written and settled after, so that writers side by
 * side never pass a limit together; what is there is read from docs.db, the truth, when a tenant
 * first writes, and so is exact after a crash.  Requests of a day are counted ahead: a row says a
 * number that was not reached yet, so that a crash never gives more than the limit.  Tokens and
 * money of a day are the ledger's.  Any thread. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "store/tenants.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct multi_tenant_settings_config;
struct rates;
struct security_config;
struct store;
struct tenants;

struct tenants_settings {
        struct store *store;
        size_t max_rates; /* users, keys and tenants with a limit in memory; 0: 1 << 20 */
};
int tenants_new(const struct tenants_settings *settings, struct tenants **ret,
                struct error *reterr);
/* Writes the counts that wait. */
struct tenants *tenants_free(struct tenants *tenants);
DEFINE_CLEANUP(struct tenants *, tenants_free)

/* The profile's limits from now on; with `multi_tenant` false the default tenant has none but those
 * of requests.  Nothing is borrowed. */
void tenants_configure(struct tenants *tenants, bool multi_tenant,
                       const struct multi_tenant_settings_config *settings,
                       const struct security_config *security);

/* ---- A request ------------------------------------------------------------------------------ */

struct tenant_entry;

/* Takes part in its tenant: while one is in, the tenant is neither offloaded nor deleted.
 * -EPERM: suspended; -EAGAIN: it comes back from its archive, ask again in a second;
 * -EBUSY: as many are in as TENANT_CONCURRENT says; -ENOENT: it is deleted.
 * tenant_leave() takes NULL, too. */
int tenant_enter(struct tenants *tenants, struct tenant_id tenant, struct tenant_entry **ret,
                 struct error *reterr);
struct tenant_entry *tenant_leave(struct tenant_entry *entry);
/* The same for work that is no client's request and waits for nobody: no count, no limit. */
int tenant_enter_quietly(struct tenants *tenants, struct tenant_id tenant,
                         struct tenant_entry **ret, struct error *reterr);

/* Counts one request against the rates of its user (or, where there is none, its key), its key and
 * its tenant, and the tenant's day.  All or nothing. */
struct tenant_caller {
        const char *user;             /* or NULL */
        const uint8_t *key;           /* KEY_ID_BYTES, or NULL: no key was asked for */
        uint32_t key_per_minute;      /* the key's own; 0: none */
        uint64_t ingest_bytes;        /* Content-Length of what is put; 0 */
};
enum tenant_policy { /* names: "user", "key", "tenant", "ingest", "day" */
        TENANT_POLICY_USER,
        TENANT_POLICY_KEY,
        TENANT_POLICY_TENANT,
        TENANT_POLICY_INGEST,
        TENANT_POLICY_DAY,
        TENANT_POLICY_MAX,
};
const char *tenant_policy_name(enum tenant_policy policy);
/* What the RateLimit headers say. */
struct tenant_verdict {
        struct {
                bool held;           /* it was looked at */
                uint64_t quota;      /* q */
                uint32_t window_sec; /* w */
                uint64_t left;       /* r */
                uint64_t reset_usec; /* t */
        } policies[TENANT_POLICY_MAX];
        enum tenant_policy violated; /* where it was refused */
        uint64_t wait_usec;          /* exactly: then it passes, if nobody comes between */
};
/* 0, or -EDQUOT with *ret telling which, how long. */
int tenant_count_request(struct tenant_entry *entry, const struct tenant_caller *caller,
                         uint64_t now_usec, uint64_t now_wall_usec, struct tenant_verdict *ret);
/* Bytes of a body without a length, as they come: -EDQUOT with the wait. */
int tenant_count_ingest(struct tenant_entry *entry, uint64_t bytes, uint64_t now_usec,
                        struct tenant_verdict *ret);

/* ---- Data ----------------------------------------------------------------------------------- */

struct tenant_amounts {
        int64_t collections, documents, bytes, vectors;
};
/* Room for what may be added (negative members count nothing yet).  -EDQUOT: the message says which
 * limit, how much is used, and how much more was asked for, the error's origin.key is the limit's
 * name (as nowhere where -EDQUOT means room on a disk); nothing is reserved. */
int tenant_reserve(struct tenants *tenants, struct tenant_id tenant,
                   const struct tenant_amounts *amounts, struct error *reterr);
/* Gives the reservation back and counts what was really added (or, negative, went).  NULL: nobody
 * knows, it is read anew.  Whoever writes or deletes reserves before, be it nothing, and settles
 * afterwards. */
void tenant_settle(struct tenants *tenants, struct tenant_id tenant,
                   const struct tenant_amounts *reserved, const struct tenant_amounts *added);
/* Whether any of the limits of data is finite: else nothing needs counting beforehand. */
bool tenant_has_data_limits(struct tenants *tenants, struct tenant_id tenant);
/* What could be reserved now; INT64_MAX where there is no limit. */
int tenant_get_room(struct tenants *tenants, struct tenant_id tenant, struct tenant_amounts *ret,
                    struct error *reterr);

/* ---- Calls to providers --------------------------------------------------------------------- */

/* For the gateway, before a call: what it will at most use.  -EDQUOT: which, and until when; the
 * error's origin.key is the limit's name. */
int tenant_reserve_calls(struct tenants *tenants, struct tenant_id tenant, uint64_t tokens,
                         uint64_t microusd, struct error *reterr);
void tenant_settle_calls(struct tenants *tenants, struct tenant_id tenant,
                         uint64_t reserved_tokens, uint64_t reserved_microusd, uint64_t tokens,
                         uint64_t microusd);
/* Whether a call's end has to wait for the books, so that a crash forgets none of it. */
bool tenant_has_call_limits(struct tenants *tenants, struct tenant_id tenant);

/* ---- What it has used ----------------------------------------------------------------------- */

struct json_object;
/* {documents: {used, limit, own}, …} for every row of tenant_limits[]; `limit` null: none; `used`
 * null: not known.  Money in dollars. */
int tenant_describe_usage(struct tenants *tenants, struct tenant_id tenant,
                          struct json_object **ret, struct error *reterr);
/* Limits were changed (tenant_set_quota()), or its state was. */
void tenants_refresh(struct tenants *tenants, struct tenant_id tenant);
/* Durable counts; for a timer. */
int tenants_flush(struct tenants *tenants, struct error *reterr);

/* Called when a lease of a day's requests comes to its end, on any thread: tenants_flush() is to be
 * called soon, on a thread that may wait for a disk.  It must not wait; a lease that ends before it
 * is renewed by whoever asks next. */
void tenants_on_low(struct tenants *tenants, void (*low)(void *data), void *data);

struct tenants_figures {
        uint64_t entries, refused_rate, refused_quota, refused_concurrent;
        uint64_t rate_entries, rate_evictions;
};
void tenants_get_figures(struct tenants *tenants, struct tenants_figures *ret);

/* ---- For lifecycle.c ------------------------------------------------------------------------ */

/* Nobody enters any more (-EAGAIN), and all who are in have left; -EBUSY: not within `wait_usec`,
 * then all is as before.  Ended by tenants_open(). */
int tenants_close(struct tenants *tenants, struct tenant_id tenant, uint64_t wait_usec,
                  struct error *reterr);
void tenants_open(struct tenants *tenants, struct tenant_id tenant);
/* Called, on any thread, when somebody wants to enter a tenant that is offloaded; must not wait. */
void tenants_on_wanted(struct tenants *tenants, void (*wanted)(void *data, struct tenant_id tenant),
                       void *data);
