/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a tenant: created, suspended, offloaded and woken, deleted, purged.
 *
 * Whoever holds something of a tenant above this floor (followers, caches, opened collections,
 * remembered answers) is told through rows that daemon.c hands in, bottom floor first.  A tenant is
 * closed before it moves (tenants_close()), and an archive is written, synced and read back whole
 * before its folder goes; each step can be killed and is then undone or finished at the next start
 * (lifecycle_resume()).
 *
 *     offloaded/<id>.tar.gz            a tenant that is cold       (store/tenant_archive.h)
 *     deleted/<name>-<time>-<id>.tar.gz  one that was deleted, until it is purged
 *     receipts/<time>-<id>.json        what a purge removed, and who may still hold copies
 *
 * Any thread; all but lifecycle_configure() waits for disks.  One move of a tenant at a time. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "store/tenants.h"

#include <stdbool.h>
#include <stdint.h>

struct json_object;
struct keyring;
struct lifecycle;
struct store;
struct tenants;

/* A floor that holds something of tenants.  Each may be NULL. */
struct tenant_room {
        const char *name;
        /* Lets go of every collection of the tenant: nothing is written afterwards. */
        int (*close)(void *data, struct tenant_id tenant, struct error *reterr);
        /* Goes on: its collections are followed again. */
        void (*open)(void *data, struct tenant_id tenant);
        /* Erases what it remembers of the tenant, in memory and in files that are shared. */
        int (*erase)(void *data, struct tenant_id tenant, const char *tenant_name,
                     struct error *reterr);
        void *data;
};

struct lifecycle_settings {
        struct store *store;
        struct tenants *tenants;
        struct keyring *keyring;
        /* A tenant is wanted that is offloaded: lifecycle_wake() is to be called soon, on a thread
         * that may wait for a disk.  Any thread; must not wait. */
        void (*wanted)(void *data);
        const struct tenant_room *rooms;
        size_t n_rooms;
        const char *backup_path; /* where other copies may lie, for receipts; NULL: nowhere */
        /* What happened by itself: "offloaded", "woken", "purged"; for log and audit. */
        void (*news)(void *data, struct tenant_id tenant, const char *name, const char *what,
                     const struct error *error_or_null);
        void *data;
};
int lifecycle_new(const struct lifecycle_settings *settings, struct lifecycle **ret,
                  struct error *reterr);
struct lifecycle *lifecycle_free(struct lifecycle *lifecycle);
DEFINE_CLEANUP(struct lifecycle *, lifecycle_free)

/* What a crash left half done.  At start, before anybody is let in.  A room that does not erase now
 * (a cache that cannot be read) is no reason not to start: lifecycle_tend() asks it again. */
int lifecycle_resume(struct lifecycle *lifecycle, struct error *reterr);
/* From the profile: idle ones are offloaded after `ttl_hours` where `auto_cleanup`; archives of
 * deleted ones are purged after `purge_days`. */
void lifecycle_configure(struct lifecycle *lifecycle, bool auto_cleanup, uint32_t ttl_hours,
                         uint32_t purge_days);
/* Brings those back that are wanted. */
int lifecycle_wake(struct lifecycle *lifecycle, struct error *reterr);
/* One round of offloading and purging, for a timer. */
int lifecycle_tend(struct lifecycle *lifecycle, uint64_t now_wall_usec, struct error *reterr);

/* All durable when they return.  -EPROTO: its state does not allow that; -EPERM: the default tenant
 * is neither suspended, offloaded nor deleted; -EBUSY: requests are under way. */
int lifecycle_create(struct lifecycle *lifecycle, const char *name, struct tenant_info *ret,
                     struct error *reterr);
int lifecycle_suspend(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr);
/* From suspended or offloaded to active. */
int lifecycle_activate(struct lifecycle *lifecycle, struct tenant_id tenant,
                       struct error *reterr);
int lifecycle_offload(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr);
/* Archive, then gone; what rooms remember of it is erased, so that whoever takes its name next,
 * which he can at once, meets nothing of it.  Where a room fails at that, the tenant is deleted all
 * the same and the room is asked again by lifecycle_tend(); the error says so. */
int lifecycle_delete(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr);

/* What a receipt says: {receipt, tenant: {id, name, created_at, deleted_at}, removed: [{what,
 * path?, bytes?, rows?}], remembered_by: [{what, why}], backups: [{path, bytes, made_at, why}],
 * purged_at, digest}: `backups` are files that may still hold it, `remembered_by` what stays by
 * design (the audit log names it), `digest` the SHA-256 of the text without it.  The caller's
 * reference; kept as a file, too.
 * Of a tenant that is DELETED: its archive, its rows, what rooms remember.  Of one that is ACTIVE,
 * SUSPENDED or the default one: the bytes of documents that it deleted (rewritten files, vacuumed
 * databases), while nobody is let in. */
int lifecycle_purge(struct lifecycle *lifecycle, struct tenant_id tenant, struct json_object **ret,
                    struct error *reterr);
