/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as rows of registry.db: name, state, limits of their own, requests counted by day.
 *
 * Nothing here opens a tenant's data.  A tenant that is deleted gives its name back: its row stays
 * until it is purged, under "<name>.<id>", which no tenant can be called. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What each state means for its data: */
enum tenant_state {
        TENANT_ACTIVE,    /* in its folder, served */
        TENANT_SUSPENDED, /* in its folder, every request is refused */
        TENANT_OFFLOADED, /* in its archive alone; the next request brings it back */
        TENANT_DELETED,   /* in its archive alone, until that is purged; its keys are gone */
        TENANT_STATE_MAX,
        TENANT_STATE_INVALID = -EINVAL,
};
const char *tenant_state_name(enum tenant_state state);
enum tenant_state tenant_state_from_name(const char *name);
/* The table of allowed moves. */
bool tenant_state_may_become(enum tenant_state from, enum tenant_state to);

/* What a tenant may use: one row for each in tenant_limits[]. */
enum tenant_limit {
        TENANT_DOCUMENTS,           /* current ones */
        TENANT_BYTES,               /* of their bodies */
        TENANT_VECTORS,             /* of their chunks, as they were cut when they were put */
        TENANT_COLLECTIONS,
        TENANT_REQUESTS_PER_MINUTE, /* rates are GCRA, see tenant/rate.h */
        TENANT_INGEST_BYTES_PER_MINUTE,
        TENANT_CONCURRENT,          /* requests carried out at the same time */
        TENANT_REQUESTS_PER_DAY,    /* days of UTC */
        TENANT_TOKENS_PER_DAY,      /* of all calls to providers, both directions */
        TENANT_MICROUSD_PER_DAY,
        TENANT_LIMIT_MAX,
        TENANT_LIMIT_INVALID = -EINVAL,
};
struct tenant_limit_row {
        const char *name; /* as people write it: "documents", "tokens_per_day", "usd_per_day" */
        const char *doc;
};
extern const struct tenant_limit_row tenant_limits[TENANT_LIMIT_MAX];
enum tenant_limit tenant_limit_from_name(const char *name);

#define TENANT_UNLIMITED UINT64_MAX
struct tenant_quota {
        uint32_t set; /* bit i: limit[i] is the tenant's own; else the profile's holds */
        uint64_t limit[TENANT_LIMIT_MAX]; /* TENANT_UNLIMITED: none; 0: nothing at all */
};

struct tenant_info {
        struct tenant_id id;
        char name[STORE_NAME_MAX + 1]; /* of one that is deleted: the one it had */
        enum tenant_state state;
        uint64_t created_usec, state_usec; /* wall */
        uint64_t used_usec; /* wall; the last request, to within an hour; 0: never */
        char *archive; /* heap: path below the state folder of its archive, or NULL */
        struct tenant_quota quota;
};
void tenant_info_done(struct tenant_info *info);
struct tenant_info *tenant_infos_free(struct tenant_info *infos, size_t n);

/* Durable.  -EEXIST: the name is taken; -EINVAL: it is no name. */
int tenant_insert(struct store *store, const char *name, struct tenant_info *ret,
                  struct error *reterr);
int tenant_get(struct store *store, struct tenant_id tenant, struct tenant_info *ret,
               struct error *reterr); /* -ENOENT */
/* By name; with `deleted`, the one of this name that was deleted last, or the one of this id. */
int tenant_get_by_name(struct store *store, const char *name, bool deleted,
                       struct tenant_info *ret, struct error *reterr);
/* By name, ascending, after `after` (NULL: from the start); deleted ones apart, in the order of
 * "<name>.<id>", which `after` may be, too. */
int tenant_list(struct store *store, bool deleted, const char *after, size_t limit,
                struct tenant_info **ret, size_t *ret_n, struct error *reterr);
/* Those that are ACTIVE, not the default one, and were not used since `before_usec`. */
int tenant_list_idle(struct store *store, uint64_t before_usec, size_t limit,
                     struct tenant_info **ret, size_t *ret_n, struct error *reterr);

/* Durable, in one transaction: the move (checked against the table: -EPROTO), the archive's path
 * (NULL: there is none), and `garbage` (a path below the state folder, or NULL) which the registry
 * then owes to remove, also after a crash: see tenant_sweep().  A move to DELETED frees the name
 * and removes its keys.  -ENOENT; -EPERM: the default tenant. */
int tenant_move(struct store *store, struct tenant_id tenant, enum tenant_state state,
                const char *archive, const char *garbage, struct error *reterr);
/* Removes files that are garbage of tenants and their entries.  Must have succeeded before a file
 * is made anew where garbage may lie. */
int tenant_sweep(struct store *store, struct error *reterr);
/* Every row of a tenant that is DELETED (else -EPROTO), in every table, with its own; the file is
 * compacted (VACUUM, its log cut), so that no byte of them is left in it.  What failed on its way
 * (-EBUSY: a reader stood still) is done again by another call.  `ret_rows`: how many went. */
int tenant_erase(struct store *store, struct tenant_id tenant, uint64_t *ret_rows,
                 struct error *reterr);

/* Durable; the limits named in `set` of `quota` are replaced, those in `unset` become the
 * profile's again.  -ENOENT. */
int tenant_set_quota(struct store *store, struct tenant_id tenant, const struct tenant_quota *quota,
                     uint32_t unset, struct error *reterr);

/* Requests of a day, and when it was last used.  In one transaction for many. */
struct tenant_day {
        struct tenant_id tenant;
        uint32_t day; /* as ledger_day() */
        uint64_t requests; /* what the row is set to: never less than it was, */
        bool exact;        /* but where this is all that was counted */
        uint64_t used_usec;
};
int tenant_set_days(struct store *store, const struct tenant_day *days, size_t n,
                    struct error *reterr);
int tenant_get_requests(struct store *store, struct tenant_id tenant, uint32_t day, uint64_t *ret,
                        struct error *reterr); /* no row: 0 */

/* What its documents take, read from the docs.db of each of its collections without opening them;
 * those that are open are asked.  -ENOENT; -ENODATA: they lie in its archive. */
struct tenant_usage {
        uint64_t collections, documents, bytes, vectors;
};
int tenant_get_usage(struct store *store, struct tenant_id tenant, struct tenant_usage *ret,
                     struct error *reterr);
