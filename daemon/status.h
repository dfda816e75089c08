/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says about itself: the status line of the service manager, `ragctl status`,
 * and /readyz.  Everything is borrowed; set once before the doors open. */
#pragma once
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct http;
struct index_budget;
struct ingest;
struct releases;
struct store;

#define STATUS_LINE_SIZE 256

struct status {
        struct store *store;
        struct ingest *ingest;
        struct releases *releases;
        const struct index_budget *budget;
        const char *state; /* the folder */
        uint64_t started_usec; /* wall */
        const struct http *http; /* NULL until the HTTP door is open */
        sd_event_source *timer;
        char told[STATUS_LINE_SIZE];
};

void status_listening(struct status *status, const struct http *http);

/* "release 3 development, everything ingested is visible", or what goes on; returns `line`. */
const char *status_line(const struct status *status, char line[static STATUS_LINE_SIZE]);

/* Tells the service manager whenever the line has changed.  Ended by status_stop(). */
int status_keep_telling(struct status *status, sd_event *loop);
void status_stop(struct status *status);

/* Callbacks of the doors; `data` is the status.  Any thread. */
bool status_ready(void *data, struct json_object *detail);
void status_describe(void *data, struct json_object *object);
