/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "tenancy.h"

#include "scheduler/workers.h"
#include "tenant/lifecycle.h"

#include <stdatomic.h>

struct tenancy {
        struct store *store;
        char *embedding_cache;
        struct keyring *keyring;
        struct tenants *tenants;
        struct audit *opened;        /* since the first release that wanted it */
        _Atomic(struct audit *) audit; /* that one while the release in force wants it; or NULL */
        atomic_uint audit_days;

        struct lifecycle *lifecycle;
        struct ingest *ingest;
        struct releases *releases;
        struct workers *workers; /* of the tasks below alone */
        struct worker_task waking, tending, flushing;
        sd_event_source *hourly, *often;
};

/* ---- tenancy_tasks.c ---------------------------------------------------------------------- */

int tenancy_tasks_start(struct tenancy *tenancy, sd_event *loop, struct error *reterr);
void tenancy_tasks_stop(struct tenancy *tenancy);
/* struct lifecycle_settings.wanted */
void tenancy_on_wanted(void *data);

/* ---- tenancy_news.c ----------------------------------------------------------------------- */

/* struct lifecycle_settings.news */
void tenancy_on_news(void *data, struct tenant_id tenant, const char *name, const char *what,
                     const struct error *error_or_null);
struct audit_event;
/* struct audit_settings.journal */
void tenancy_to_journal(void *data, const struct audit_event *event, const char *line);
