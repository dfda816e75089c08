/* SPDX-License-Identifier: Apache-2.0 */
#include "status.h"

#include "base/clock.h"
#include "base/json.h"
#include "http/http.h"
#include "index/index.h"
#include "ingest/ingest.h"
#include "release/release.h"
#include "store/store.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define TELL_EVERY_USEC (5 * USEC_PER_SEC)

void status_listening(struct status *status, const struct http *http)
{
        status->http = http;
}

const char *status_line(const struct status *status, char line[static STATUS_LINE_SIZE])
{
        struct ingest_figures figures;
        size_t used;

        ingest_get_figures(status->ingest, &figures);
        releases_line(status->releases, line, STATUS_LINE_SIZE);
        used = strlen(line);
        if (figures.collections_behind > 0)
                (void) snprintf(line + used, STATUS_LINE_SIZE - used,
                                ", ingesting into %u collection%s", figures.collections_behind,
                                figures.collections_behind > 1 ? "s" : "");
        else
                (void) snprintf(line + used, STATUS_LINE_SIZE - used,
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
        const char *const *addresses = status->http ? http_addresses(status->http) : NULL;
        char line[STATUS_LINE_SIZE];
        uint64_t free_bytes = 0;

        for (size_t i = 0; listen && addresses && addresses[i]; i++)
                json_add_string(listen, NULL, addresses[i]);
        json_add(object, "listen", listen);
        json_add_string(object, "line", status_line(status, line));
        json_add_string(object, "state", status->state);
        json_add_time(object, "started_at", status->started_usec);
        if (store_free_bytes(status->store, &free_bytes) == 0)
                json_add_u64(object, "free_bytes", free_bytes);
        json_add_u64(object, "index_bytes", index_budget_used(status->budget));
        json_add_u64(object, "index_limit_bytes", index_budget_max(status->budget));
        ingest_get_figures(status->ingest, &figures);
        json_add_u64(object, "documents_put", figures.documents_put);
        json_add_u64(object, "documents_applied", figures.documents_applied);
        json_add_u64(object, "documents_failed", figures.documents_failed);
        json_add_u64(object, "collections_behind", figures.collections_behind);
}
