/* SPDX-License-Identifier: Apache-2.0 */
/* What is done in the background, on two threads of its own: one that offloads a large tenant does
 * not keep those waiting who are wanted. */
#include "tenancy_inside.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/store.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <inttypes.h>
#include <malloc.h>

#define THREADS 2
#define NICE 10
#define HOUR_USEC (3600 * USEC_PER_SEC)
#define HOUR_ACCURACY_USEC (60 * USEC_PER_SEC)
#define OFTEN_USEC (30 * USEC_PER_SEC)
#define OFTEN_ACCURACY_USEC (5 * USEC_PER_SEC)
#define DAY_USEC (24 * HOUR_USEC)
#define IDLE_USEC (300 * USEC_PER_SEC) /* an open collection costs 200 KiB, opening it 3 ms */
#define IDLE_MANY 16 /* closed at once: their memory is given back to the system */

static enum worker_verdict wake(struct worker_task *task)
{
        const struct tenancy *tenancy = task->data;

        (void) lifecycle_wake(tenancy->lifecycle, NULL); /* each is told in the news */
        return WORKER_DONE;
}

void tenancy_on_wanted(void *data)
{
        struct tenancy *tenancy = data;

        workers_post(tenancy->workers, &tenancy->waking);
}

static void on_low(void *data)
{
        struct tenancy *tenancy = data;

        workers_post(tenancy->workers, &tenancy->flushing);
}

static void expire_audit(struct tenancy *tenancy, uint64_t now_usec)
{
        uint64_t kept = atomic_load(&tenancy->audit_days) * DAY_USEC, n = 0;
        struct audit *audit = tenancy_audit(tenancy);
        struct error error = { 0 };

        if (!audit || kept == 0 || now_usec < kept)
                return;
        if (audit_expire(audit, now_usec - kept, &n, &error) < 0)
                log_warning("old segments of the audit log are not removed, trying again in an "
                            "hour: %s", error_text(&error));
        else if (n > 0)
                log_info("%" PRIu64 " segments of the audit log removed "
                         "(security.audit_retention_days)", n);
}

static enum worker_verdict tend(struct worker_task *task)
{
        struct tenancy *tenancy = task->data;
        uint64_t now_usec = clock_wall_usec();
        struct error error = { 0 };

        if (lifecycle_tend(tenancy->lifecycle, now_usec, &error) < 0)
                log_warning("not every tenant is tended, trying again in an hour: %s",
                            error_text(&error));
        expire_audit(tenancy, now_usec);
        return WORKER_DONE;
}

static enum worker_verdict flush(struct worker_task *task)
{
        const struct tenancy *tenancy = task->data;
        struct error error = { 0 };

        if (tenants_flush(tenancy->tenants, &error) < 0 ||
            keyring_flush(tenancy->keyring, &error) < 0)
                log_warning("counts of requests are not written, trying again: %s",
                            error_text(&error));
        if (store_close_idle(tenancy->store, IDLE_USEC) >= IDLE_MANY)
                (void) malloc_trim(0);
        return WORKER_DONE;
}

static int on_hour(sd_event_source *source, uint64_t usec, void *data)
{
        struct tenancy *tenancy = data;

        (void) usec;
        workers_post(tenancy->workers, &tenancy->tending);
        return sd_event_source_set_time_relative(source, HOUR_USEC);
}

static int on_often(sd_event_source *source, uint64_t usec, void *data)
{
        struct tenancy *tenancy = data;

        (void) usec;
        workers_post(tenancy->workers, &tenancy->flushing);
        return sd_event_source_set_time_relative(source, OFTEN_USEC);
}

static int add_timer(struct tenancy *tenancy, sd_event *loop, sd_event_source **ret,
                     uint64_t first_usec, uint64_t accuracy_usec, sd_event_time_handler_t handler)
{
        int r = sd_event_add_time_relative(loop, ret, CLOCK_MONOTONIC, first_usec, accuracy_usec,
                                           handler, tenancy);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_ON);
}

int tenancy_tasks_start(struct tenancy *tenancy, sd_event *loop, struct error *reterr)
{
        int r;

        tenancy->waking = (struct worker_task){ .run = wake, .data = tenancy };
        tenancy->tending = (struct worker_task){ .run = tend, .data = tenancy };
        tenancy->flushing = (struct worker_task){ .run = flush, .data = tenancy };
        r = workers_new("tenants", THREADS, NICE, &tenancy->workers, reterr);
        if (r < 0)
                return r;
        tenants_on_low(tenancy->tenants, on_low, tenancy);
        r = add_timer(tenancy, loop, &tenancy->hourly, 0, HOUR_ACCURACY_USEC, on_hour);
        if (r >= 0)
                r = add_timer(tenancy, loop, &tenancy->often, OFTEN_USEC, OFTEN_ACCURACY_USEC,
                              on_often);
        return r < 0 ? error_set_errno(reterr, r, "cannot set up the timers of tenants") : 0;
}

void tenancy_tasks_stop(struct tenancy *tenancy)
{
        tenancy->hourly = sd_event_source_disable_unref(tenancy->hourly);
        tenancy->often = sd_event_source_disable_unref(tenancy->often);
        if (tenancy->lifecycle) /* nobody is wanted any more */
                tenants_on_wanted(tenancy->tenants, NULL, NULL);
        tenants_on_low(tenancy->tenants, NULL, NULL);
        tenancy->workers = workers_free(tenancy->workers);
}
