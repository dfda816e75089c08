/* SPDX-License-Identifier: Apache-2.0 */
#include "housekeeping.h"

#include "base/clock.h"
#include "base/log.h"
#include "scheduler/workers.h"
#include "store/traces.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ROUND_USEC (3600 * USEC_PER_SEC)
#define ACCURACY_USEC (60 * USEC_PER_SEC)
#define DAY_USEC (24 * 3600 * USEC_PER_SEC)

struct housekeeping {
        struct housekeeping_settings settings;
        atomic_uint trace_retention_days;
        struct worker_task task;
        sd_event_source *timer;
};

static enum worker_verdict round_of(struct worker_task *task)
{
        const struct housekeeping *housekeeping = task->data;
        uint64_t kept = atomic_load(&housekeeping->trace_retention_days) * DAY_USEC;
        uint64_t now = clock_wall_usec(), n = 0;
        struct error error = { 0 };

        if (kept == 0 || now < kept)
                return WORKER_DONE;
        if (traces_expire(housekeeping->settings.store, now - kept, &n, &error) < 0)
                log_warning("old traces of answers are not removed, trying again in an hour: %s",
                            error_text(&error));
        else if (n > 0)
                log_info("%" PRIu64 " traces of answers removed (security.trace_retention_days)",
                         n);
        return WORKER_DONE;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        struct housekeeping *housekeeping = data;

        (void) usec;
        workers_post(housekeeping->settings.workers, &housekeeping->task);
        return sd_event_source_set_time_relative(source, ROUND_USEC);
}

int housekeeping_new(const struct housekeeping_settings *settings, sd_event *loop,
                     struct housekeeping **ret, struct error *reterr)
{
        struct housekeeping *housekeeping = calloc(1, sizeof *housekeeping);
        int r;

        if (!housekeeping)
                return error_oom(reterr);
        housekeeping->settings = *settings;
        atomic_init(&housekeeping->trace_retention_days, settings->trace_retention_days);
        housekeeping->task = (struct worker_task){ .run = round_of, .data = housekeeping };
        r = sd_event_add_time_relative(loop, &housekeeping->timer, CLOCK_MONOTONIC, 0,
                                       ACCURACY_USEC, on_timer, housekeeping);
        if (r >= 0)
                r = sd_event_source_set_enabled(housekeeping->timer, SD_EVENT_ON);
        if (r < 0) {
                (void) housekeeping_free(housekeeping);
                return error_set_errno(reterr, r, "cannot set up the hourly timer");
        }
        *ret = housekeeping;
        return 0;
}

void housekeeping_keep_traces(struct housekeeping *housekeeping, uint32_t days)
{
        atomic_store(&housekeeping->trace_retention_days, days);
}

struct housekeeping *housekeeping_free(struct housekeeping *housekeeping)
{
        if (!housekeeping)
                return NULL;
        (void) sd_event_source_disable_unref(housekeeping->timer);
        workers_cancel(housekeeping->settings.workers, &housekeeping->task);
        free(housekeeping);
        return NULL;
}
