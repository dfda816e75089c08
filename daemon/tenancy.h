/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants, keys and the audit log, wired together: which floors are told when a tenant moves, and
 * what is done in the background.
 *
 * Made in two steps, since the floors above are made with what the first one makes and the second
 * one tells them: tenancy_new() before ingest, tenancy_start() when all stand and before the doors
 * let anybody in.
 *
 *     every hour, and at once  idle tenants are offloaded, old deleted ones purged, old segments of
 *                              the audit log removed
 *     every 30 seconds         counts of requests and last uses of keys are made durable; collections
 *                              that nobody asked for lately are closed
 *     when one is wanted       it is brought back
 *
 * What happens by itself is in the journal and in the audit log. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "release/release.h"

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct audit;
struct config;
struct ingest;
struct json_object;
struct keyring;
struct lifecycle;
struct store;
struct tenancy;
struct tenants;

struct tenancy_settings {
        struct store *store;
        const char *embedding_cache; /* its file; looked at while a tenant is erased */
};
/* Keyring, limits, and, where the profile wants one, the audit log.  `config` is borrowed for the
 * call, the settings for good. */
int tenancy_new(const struct tenancy_settings *settings, const struct config *config,
                struct tenancy **ret, struct error *reterr);
/* Finishes what a crash interrupted, then begins what is done in the background. */
int tenancy_start(struct tenancy *tenancy, sd_event *loop, struct ingest *ingest,
                  struct releases *releases, struct error *reterr);
/* Ends what is done in the background, and tells the floors above nothing any more: before they
 * are freed.  NULL is accepted. */
void tenancy_stop(struct tenancy *tenancy);
/* After everything that uses what it holds; before the store is closed. */
struct tenancy *tenancy_free(struct tenancy *tenancy);
DEFINE_CLEANUP(struct tenancy *, tenancy_free)

struct keyring *tenancy_keyring(const struct tenancy *tenancy);
struct tenants *tenancy_tenants(const struct tenancy *tenancy);
struct lifecycle *tenancy_lifecycle(const struct tenancy *tenancy); /* NULL before the start */
/* NULL: the profile wants none.  May change with a release, but never ends before tenancy_free().
 * Any thread. */
struct audit *tenancy_audit(const struct tenancy *tenancy);

/* A line in the audit log of what the daemon did by itself, where there is one.  Waits for a disk;
 * a log that does not take it is told in the journal. */
struct tenancy_event {
        const char *action, *object, *tenant; /* the last two: or NULL */
        bool failed;
        uint32_t release;            /* 0: none */
        struct json_object *details; /* borrowed, or NULL */
};
void tenancy_record(const struct tenancy *tenancy, const struct tenancy_event *event);

/* The row "tenants" for the engine: limits, times and the audit log follow the release. */
struct release_room tenancy_room(struct tenancy *tenancy);
