/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on the life of tenants share. */
#pragma once
#include "tenant/lifecycle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define LIFECYCLE_PATH_SIZE 256 /* of everything it writes, below the state folder */
#define LIFECYCLE_STAMP_SIZE 17 /* "20260131T120000Z" and the NUL */

/* A tenant that is being moved; each stands on the stack of whoever moves it. */
struct lifecycle_turn {
        struct lifecycle_turn *next;
        struct tenant_id tenant;
};

/* One that somebody asked for while it was offloaded, or that could not be brought back. */
struct lifecycle_wanted {
        struct tenant_id tenant;
        bool wanted;
        uint64_t until_usec; /* monotonic; not tried before; 0: at any time */
        uint64_t pause_usec; /* how long the last wait was */
};

struct lifecycle {
        struct lifecycle_settings settings; /* its strings and rows are ours */
        pthread_mutex_t lock;               /* of what follows */
        pthread_cond_t turned;              /* a turn is over */
        struct lifecycle_turn *turns;
        struct lifecycle_wanted *wanted;
        size_t n_wanted, room;
        pthread_mutex_t sweep_lock; /* one who removes garbage at a time */
        atomic_bool auto_cleanup;
        atomic_uint ttl_hours, purge_days;
};

/* ---- lifecycle.c ------------------------------------------------------------------------ */

/* Waits for whoever moves this tenant. */
void lifecycle_begin(struct lifecycle *lifecycle, struct lifecycle_turn *turn,
                     struct tenant_id tenant);
void lifecycle_end(struct lifecycle *lifecycle, struct lifecycle_turn *turn);
void lifecycle_tell(struct lifecycle *lifecycle, const struct tenant_info *info, const char *what,
                    const struct error *error_or_null);
const char *lifecycle_stamp(uint64_t wall_usec, char text[static LIFECYCLE_STAMP_SIZE]);
/* "tenants/<id>" */
const char *lifecycle_folder(struct tenant_id tenant, char text[static LIFECYCLE_PATH_SIZE]);
/* Makes a folder of the state folder, and its name durable. */
int lifecycle_make_folder(struct lifecycle *lifecycle, const char *name, struct error *reterr);
/* The id before `suffix` at the end of a file's name: "<id>.tar.gz", "acme-…-<id>.tar.gz". */
bool lifecycle_id_of(const char *name, const char *suffix, struct tenant_id *ret);
/* Calls `each` with the names in a folder of the state folder, also after one failed; absent: with
 * none.  The first failure. */
int lifecycle_each_file(struct lifecycle *lifecycle, const char *folder,
                        int (*each)(struct lifecycle *lifecycle, const char *name,
                                    struct error *reterr),
                        struct error *reterr);

/* ---- lifecycle_move.c: within a turn ----------------------------------------------------- */

int lifecycle_offload_now(struct lifecycle *lifecycle, const struct tenant_info *info,
                          uint64_t wait_usec, struct error *reterr);
/* To ACTIVE or SUSPENDED. */
int lifecycle_bring_back(struct lifecycle *lifecycle, const struct tenant_info *info,
                         enum tenant_state state, struct error *reterr);
int lifecycle_delete_now(struct lifecycle *lifecycle, const struct tenant_info *info,
                         struct error *reterr);
/* All rooms, also where one fails; the first failure. */
int lifecycle_erase_rooms(struct lifecycle *lifecycle, struct tenant_id tenant, const char *name,
                          struct error *reterr);
/* What deletions before left for later: rooms that did not erase. */
int lifecycle_finish_erasures(struct lifecycle *lifecycle, struct error *reterr);
int lifecycle_sweep(struct lifecycle *lifecycle, struct error *reterr);
/* Nobody is in it any more, and the rooms let go of it; the store may open its collections. */
int lifecycle_close_rooms(struct lifecycle *lifecycle, struct tenant_id tenant, uint64_t wait_usec,
                          struct error *reterr);
void lifecycle_open_rooms(struct lifecycle *lifecycle, struct tenant_id tenant);

/* ---- lifecycle_purge.c ------------------------------------------------------------------- */

int lifecycle_purge_deleted(struct lifecycle *lifecycle, const struct tenant_info *info,
                            struct json_object **ret, struct error *reterr);
/* Goes on with purges that a crash interrupted. */
int lifecycle_finish_purges(struct lifecycle *lifecycle, struct error *reterr);

/* ---- lifecycle_live.c: within a turn ----------------------------------------------------- */

/* What documents that were deleted left in a tenant's folder. */
int lifecycle_purge_live(struct lifecycle *lifecycle, const struct tenant_info *info,
                         struct json_object **ret, struct error *reterr);

/* ---- lifecycle_receipt.c ------------------------------------------------------------------ */

/* What is known before anything is removed: {receipt, tenant, removed, backups, archive}. */
int receipt_begin(struct lifecycle *lifecycle, const struct tenant_info *info,
                  struct json_object **ret, struct error *reterr);
/* One more that is removed; `path` and `unit` may be NULL. */
void receipt_add(struct json_object *receipt, const char *what, const char *path, const char *unit,
                 uint64_t amount);
void receipt_add_rooms(struct json_object *receipt);
/* Adds the time and the digest; written as receipts/<time>-<id>.json. */
int receipt_end(struct lifecycle *lifecycle, struct json_object *receipt, struct tenant_id tenant,
                uint64_t now_usec, struct error *reterr);

/* ---- lifecycle_tend.c --------------------------------------------------------------------- */

/* Hears from now on of tenants that are wanted. */
void lifecycle_listen(struct lifecycle *lifecycle);
