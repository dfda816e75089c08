/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of tenants at work, shared by tenants*.c only.
 *
 * The table's lock guards who is in it and who is idle, and is never held while a disk is waited
 * for.  An entry's locks guard what it holds, and are held while its rows are read or written:
 * others of the same tenant wait then, nobody else.  Calls have a lock of their own, and so has
 * data, since the thread that makes calls for all must not wait for a disk of one.  None of these
 * is taken under another. */
#pragma once
#include "base/cleanup.h"
#include "tenant/rate.h"
#include "tenant/tenants.h"

#include <pthread.h>
#include <stdatomic.h>

#define TENANTS_BUCKETS 4096U
#define TENANTS_IDLE_MAX 4096U /* entries that nobody has asked for lately */
#define TENANTS_KEEP_USEC UINT64_C(60000000) /* after a call: the ledger may not have it yet */
#define DAY_SEC 86400U
#define DAY_USEC (DAY_SEC * UINT64_C(1000000))

/* What is handed out: which of the two tells how its holder came in. */
struct tenant_entry {
        struct entry *of;
        bool quiet;
};

/* What is used of something, and what may be soon. */
struct tenant_account {
        uint64_t used, reserved;
};

struct entry {
        struct tenants *tenants;
        struct tenant_id id;
        struct tenant_entry door, back_door;

        /* guarded by the table's lock */
        struct entry *next; /* in its bucket */
        struct entry *older, *younger;
        unsigned refs;
        bool idle; /* in that list */

        /* As in the registry where `loaded`; written under `lock`, read without. */
        atomic_bool loaded;
        atomic_uint quota_set; /* as struct tenant_quota */
        _Atomic uint64_t quota[TENANT_LIMIT_MAX];

        pthread_mutex_t lock; /* of what follows */
        pthread_cond_t left;
        enum tenant_state state;
        unsigned inside, quiet;
        bool closing;

        /* Requests: `leased` is what the row says, and never less than `used`, where there is a
         * limit. */
        uint32_t day;
        bool day_known;
        uint64_t requests, leased;
        uint64_t used_usec, used_saved_usec;

        /* Data.  `writers` have reserved and not settled; what is known is exact as long as
         * everybody who writes is one of them. */
        pthread_mutex_t data_lock;
        bool usage_known;
        unsigned writers;
        uint64_t data[TENANT_COLLECTIONS + 1], data_reserved[TENANT_COLLECTIONS + 1];

        /* Calls of a day. */
        pthread_mutex_t calls_lock;
        uint32_t calls_day;
        bool calls_known;
        struct tenant_account tokens, microusd;
        _Atomic uint64_t called_usec; /* monotonic; 0: never */
};

struct tenants {
        struct store *store;
        struct rates *rates;

        atomic_bool limits_rates;
        _Atomic uint64_t per_user;
        _Atomic uint64_t profile[TENANT_LIMIT_MAX];

        pthread_mutex_t lock; /* the table's */
        struct entry *buckets[TENANTS_BUCKETS];
        struct entry *oldest, *youngest; /* idle ones */
        size_t n_entries, n_idle;
        void (*wanted)(void *data, struct tenant_id tenant);
        void *wanted_data;
        void (*low)(void *data);
        void *low_data;

        atomic_uint_fast64_t refused_rate, refused_quota, refused_concurrent;
};

/* ---- tenants_table.c ------------------------------------------------------------------------ */

/* NULL: there is none. */
struct entry *entries_find(struct tenants *tenants, struct tenant_id id);
/* Made where there is none; entries_put() gives it back.  NULL: no memory. */
struct entry *entries_get(struct tenants *tenants, struct tenant_id id);
void entries_put(struct entry *entry);
/* entries_get(), and its limits are known. */
int entries_hold(struct tenants *tenants, struct tenant_id id, struct entry **ret,
                 struct error *reterr);
/* For cleanup_(): gives it back; unlocks one of its locks. */
void entries_release(struct entry **entry);
static inline void entry_unlock(pthread_mutex_t **lock)
{
        if (*lock)
                (void) pthread_mutex_unlock(*lock);
}
/* Until the end of the block. */
#define WITH_LOCK(name)                                             \
        cleanup_(entry_unlock) pthread_mutex_t *locked_ = (name);  \
        (void) pthread_mutex_lock(locked_)

struct entry *entry_free(struct entry *entry);

/* The tenant's own, or the profile's.  Without a lock. */
uint64_t entry_limit(const struct entry *entry, enum tenant_limit limit);
/* With the entry's lock. */
int entry_load(struct entry *entry, struct error *reterr); /* -ENOENT */

/* ---- tenants_requests.c --------------------------------------------------------------------- */

/* With the entry's lock, as the next ones: its row says exactly what was counted. */
int entry_save(struct entry *entry, struct error *reterr);
/* What would pass of a limit per minute now. */
uint64_t entry_look_rate(struct entry *entry, enum tenant_limit limit, uint64_t now_usec);
int entry_begin_day(struct entry *entry, uint64_t now_wall_usec, struct error *reterr);

/* ---- tenants_calls.c ------------------------------------------------------------------------ */

/* With the calls' lock. */
int entry_begin_calls(struct entry *entry, uint64_t now_wall_usec, struct error *reterr);
