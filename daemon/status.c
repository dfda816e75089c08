/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "base/clock.h"
#include "base/json.h"
#include "control/control.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define TELL_EVERY_USEC (5 * USEC_PER_SEC)

void status_listening(struct status *status, const char *const *addresses)
{
        status->addresses = addresses;
}

const char *status_line(const struct status *status, char line[static STATUS_LINE_SIZE])
{
        struct ingest_figures figures;
        int used;

        ingest_get_figures(status->ingest, &figures);
        used = snprintf(line, STATUS_LINE_SIZE, "release %u %s", status->release, status->stage);
        if (figures.collections_behind > 0)
                (void) snprintf(line + used, STATUS_LINE_SIZE - (size_t) used,
                                ", ingesting into %u collection%s", figures.collections_behind,
                                figures.collections_behind > 1 ? "s" : "");
        else
                (void) snprintf(line + used, STATUS_LINE_SIZE - (size_t) used,
                                ", everything ingested is visible");
        return line;
}

static int tell(sd_event_source *source, uint64_t now_usec, void *data)
{
        struct status *status = data;
        char line[STATUS_LINE_SIZE];

        if (strcmp(status_line(status, line), status->told) != 0) {
                memcpy(status->told, line, sizeof line);
                (void) sd_notifyf(false, "STATUS=%s", line);
        }
        (void) sd_event_source_set_time(source, now_usec + TELL_EVERY_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int status_keep_telling(struct status *status, sd_event *loop)
{
        return sd_event_add_time_relative(loop, &status->timer, CLOCK_MONOTONIC, TELL_EVERY_USEC,
                                          USEC_PER_SEC, tell, status);
}

void status_stop(struct status *status)
{
        status->timer = sd_event_source_disable_unref(status->timer);
}

bool status_ready(void *data, struct json_object *detail)
{
        const struct status *status = data;
        struct ingest_figures figures;
        uint64_t free_bytes = 0;
        bool store_ok = store_free_bytes(status->store, &free_bytes) == 0;

        ingest_get_figures(status->ingest, &figures);
        json_add_string(detail, "store", store_ok ? "ok" : "the state folder cannot be read");
        json_add_u64(detail, "free_bytes", free_bytes);
        json_add_u64(detail, "collections_behind", figures.collections_behind);
        return store_ok;
}

void status_describe(void *data, struct json_object *object)
{
        const struct status *status = data;
        struct json_object *listen = json_object_new_array();
        struct ingest_figures figures;
        char line[STATUS_LINE_SIZE];
        uint64_t free_bytes = 0;

        for (size_t i = 0; listen && status->addresses && status->addresses[i]; i++)
                json_add_string(listen, NULL, status->addresses[i]);
        json_add(object, "listen", listen);
        json_add_string(object, "line", status_line(status, line));
        json_add_string(object, "state", status->state);
        json_add_time(object, "started_at", status->started_usec);
        if (store_free_bytes(status->store, &free_bytes) == 0)
                json_add_u64(object, "free_bytes", free_bytes);
        ingest_get_figures(status->ingest, &figures);
        json_add_u64(object, "documents_put", figures.documents_put);
        json_add_u64(object, "documents_applied", figures.documents_applied);
        json_add_u64(object, "documents_failed", figures.documents_failed);
        json_add_u64(object, "collections_behind", figures.collections_behind);
}

/* ---- Gauges ------------------------------------------------------------------------------ */

static struct ingest_figures figures_of(const void *data)
{
        const struct status *status = data;
        struct ingest_figures figures;

        ingest_get_figures(status->ingest, &figures);
        return figures;
}

static double documents_put(void *data)
{
        return (double) figures_of(data).documents_put;
}

static double documents_applied(void *data)
{
        return (double) figures_of(data).documents_applied;
}

static double documents_failed(void *data)
{
        return (double) figures_of(data).documents_failed;
}

static double chunks(void *data)
{
        return (double) figures_of(data).chunks;
}

static double tokens(void *data)
{
        return (double) figures_of(data).tokens;
}

static double collections_behind(void *data)
{
        return figures_of(data).collections_behind;
}

static struct control_figures doors_of(const void *data)
{
        const struct status *status = data;
        struct control_figures figures;

        control_get_figures(status->control, &figures);
        return figures;
}

static double control_calls(void *data)
{
        return (double) doors_of(data).calls;
}

static double control_denied(void *data)
{
        return (double) doors_of(data).denied;
}

static double control_malformed(void *data)
{
        return (double) doors_of(data).malformed;
}

static double control_connections(void *data)
{
        return (double) doors_of(data).connections;
}

static double release_number(void *data)
{
        const struct status *status = data;

        return status->release;
}

static double started(void *data)
{
        const struct status *status = data;

        return (double) status->started_usec / (double) USEC_PER_SEC;
}

void status_publish_metrics(struct status *status, struct metrics *metrics)
{
        static const struct {
                enum metric_id id;
                double (*read)(void *data);
        } sources[] = {
                { METRIC_RELEASE, release_number },
                { METRIC_START_TIME, started },
                { METRIC_INGEST_DOCUMENTS_PUT, documents_put },
                { METRIC_INGEST_DOCUMENTS_APPLIED, documents_applied },
                { METRIC_INGEST_DOCUMENTS_FAILED, documents_failed },
                { METRIC_INGEST_CHUNKS, chunks },
                { METRIC_INGEST_TOKENS, tokens },
                { METRIC_INGEST_BEHIND, collections_behind },
                { METRIC_CONTROL_CALLS, control_calls },
                { METRIC_CONTROL_DENIED, control_denied },
                { METRIC_CONTROL_MALFORMED, control_malformed },
                { METRIC_CONTROL_CONNECTIONS, control_connections },
        };

        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                metrics_set_source(metrics, sources[i].id, sources[i].read, status);
}
