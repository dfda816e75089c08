/* SPDX-License-Identifier: Apache-2.0 */
#include "tenancy_inside.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/values.h"
#include "ingest/ingest.h"
#include "store/embedding_cache.h"
#include "store/store.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define BACKUPS "/var/backups/ragd"

/* ---- Rows: who is told when a tenant moves ------------------------------------------------ */

static int close_ingest(void *data, struct tenant_id tenant, struct error *reterr)
{
        const struct tenancy *tenancy = data;

        return ingest_close_tenant(tenancy->ingest, tenant, reterr);
}

static void open_ingest(void *data, struct tenant_id tenant)
{
        const struct tenancy *tenancy = data;

        ingest_open_tenant(tenancy->ingest, tenant);
}

/* The file is looked at also where no release that runs has it open. */
static int erase_vectors(void *data, struct tenant_id tenant, const char *name,
                         struct error *reterr)
{
        const struct tenancy *tenancy = data;

        (void) tenant;
        return embedding_cache_erase(tenancy->embedding_cache, name, reterr);
}

static int erase_answers(void *data, struct tenant_id tenant, const char *name,
                         struct error *reterr)
{
        const struct tenancy *tenancy = data;

        return releases_erase_tenant(tenancy->releases, tenant, name, reterr);
}

/* ---- The release in force ----------------------------------------------------------------- */

static int open_audit(struct tenancy *tenancy, const struct config *config, struct error *reterr)
{
        const char *path = config->security.audit_log_path;
        char usual[PATH_MAX];
        const struct audit_settings settings = {
                .path = path ? path : usual,
                .stage = stage_name(config->stage),
                .journal = tenancy_to_journal,
                .data = tenancy,
        };
        int r;

        (void) snprintf(usual, sizeof usual, "%.*s/audit", PATH_MAX - 16,
                        store_path(tenancy->store));
        r = tenancy->opened ? 0 : audit_open(&settings, &tenancy->opened, reterr);
        return r < 0 ? error_prefix(reterr, r, "the audit log") : 0;
}

static void apply(struct tenancy *tenancy, const struct config *config)
{
        const struct security_config *security = &config->security;
        const struct multi_tenant_settings_config *settings = &config->multi_tenant_settings;

        tenants_configure(tenancy->tenants, config->multi_tenant, settings, security);
        if (tenancy->lifecycle)
                lifecycle_configure(tenancy->lifecycle, settings->auto_cleanup,
                                    settings->tenant_ttl_hours,
                                    security->purge_deleted_after_days);
        atomic_store(&tenancy->audit_days, security->audit_retention_days);
        atomic_store(&tenancy->audit, security->enable_audit_logging ? tenancy->opened : NULL);
}

/* A log that cannot be opened stops the release, not what runs. */
static int prepare(void *data, const struct snapshot *now, const struct snapshot *next,
                   void **ret_prepared, struct error *reterr)
{
        (void) now;
        *ret_prepared = NULL;
        return next->config->security.enable_audit_logging ? open_audit(data, next->config, reterr)
                                                           : 0;
}

static void commit(void *data, void *prepared, const struct snapshot *next)
{
        (void) prepared;
        apply(data, next->config);
}

struct release_room tenancy_room(struct tenancy *tenancy)
{
        return (struct release_room){ .name = "tenants", .prepare = prepare, .commit = commit,
                                      .data = tenancy };
}

/* ---- Beginning and ending ----------------------------------------------------------------- */

int tenancy_new(const struct tenancy_settings *settings, const struct config *config,
                struct tenancy **ret, struct error *reterr)
{
        cleanup_(tenancy_free_cleanup) struct tenancy *tenancy = calloc(1, sizeof *tenancy);
        const struct keyring_settings keyring = { .store = settings->store,
                                                  .stage = config->stage };
        const struct tenants_settings tenants = { .store = settings->store };
        int r;

        if (!tenancy)
                return error_oom(reterr);
        tenancy->store = settings->store;
        tenancy->embedding_cache =
                settings->embedding_cache ? strdup(settings->embedding_cache) : NULL;
        if (settings->embedding_cache && !tenancy->embedding_cache)
                return error_oom(reterr);
        r = keyring_new(&keyring, &tenancy->keyring, reterr);
        if (r == 0)
                r = tenants_new(&tenants, &tenancy->tenants, reterr);
        if (r == 0 && config->security.enable_audit_logging)
                r = open_audit(tenancy, config, reterr);
        if (r < 0)
                return r;
        apply(tenancy, config);
        *ret = take_ptr(tenancy);
        return 0;
}

/* Bottom floor first. */
static int build_lifecycle(struct tenancy *tenancy, const char *backup_path, struct error *reterr)
{
        const struct tenant_room rooms[] = {
                { .name = "the embedding cache", .erase = erase_vectors, .data = tenancy },
                { .name = "ingest", .close = close_ingest, .open = open_ingest, .data = tenancy },
                { .name = "answers", .erase = erase_answers, .data = tenancy },
        };
        const struct lifecycle_settings settings = {
                .store = tenancy->store,
                .tenants = tenancy->tenants,
                .keyring = tenancy->keyring,
                .wanted = tenancy_on_wanted,
                .rooms = rooms,
                .n_rooms = ELEMENTSOF(rooms),
                .backup_path = backup_path ? backup_path : BACKUPS,
                .news = tenancy_on_news,
                .data = tenancy,
        };

        return lifecycle_new(&settings, &tenancy->lifecycle, reterr);
}

/* As after a restore, which leaves secrets out. */
static void warn_of_pepper(struct tenancy *tenancy)
{
        uint64_t n = 0;

        if (keyring_count_foreign(tenancy->keyring, clock_wall_usec(), &n, NULL) == 0 && n > 0)
                log_warning("%ju keys were made under another pepper and are refused: put the "
                            "former secrets/keys.pepper back (or the credential keys.pepper), or "
                            "make new keys (ragctl key create)", (uintmax_t) n);
}

int tenancy_start(struct tenancy *tenancy, sd_event *loop, struct ingest *ingest,
                  struct releases *releases, struct error *reterr)
{
        struct snapshot *running = releases_pin(releases, NULL).snapshot;
        int r;

        warn_of_pepper(tenancy);
        tenancy->ingest = ingest;
        tenancy->releases = releases;
        r = build_lifecycle(tenancy, running->config->backup.backup_path, reterr);
        if (r == 0) {
                apply(tenancy, running->config);
                r = lifecycle_resume(tenancy->lifecycle, reterr);
        }
        (void) snapshot_unref(running);
        return r < 0 ? r : tenancy_tasks_start(tenancy, loop, reterr);
}

void tenancy_stop(struct tenancy *tenancy)
{
        if (!tenancy)
                return;
        tenancy_tasks_stop(tenancy);
        tenancy->lifecycle = lifecycle_free(tenancy->lifecycle);
}

struct tenancy *tenancy_free(struct tenancy *tenancy)
{
        if (!tenancy)
                return NULL;
        tenancy_stop(tenancy);
        atomic_store(&tenancy->audit, NULL);
        tenancy->tenants = tenants_free(tenancy->tenants);
        tenancy->keyring = keyring_free(tenancy->keyring);
        tenancy->opened = audit_close(tenancy->opened);
        free(tenancy->embedding_cache);
        free(tenancy);
        return NULL;
}

struct keyring *tenancy_keyring(const struct tenancy *tenancy)
{
        return tenancy->keyring;
}

struct tenants *tenancy_tenants(const struct tenancy *tenancy)
{
        return tenancy->tenants;
}

struct lifecycle *tenancy_lifecycle(const struct tenancy *tenancy)
{
        return tenancy->lifecycle;
}

struct audit *tenancy_audit(const struct tenancy *tenancy)
{
        return atomic_load(&tenancy->audit);
}
