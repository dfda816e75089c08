/* SPDX-License-Identifier: Apache-2.0 */
/* What is done once an hour: traces of answers that are older than the profile keeps are removed. */
#pragma once
#include "base/error.h"

#include <stdint.h>
#include <systemd/sd-event.h>

struct housekeeping;
struct store;
struct workers;

struct housekeeping_settings {
        struct store *store;
        struct workers *workers; /* do the work */
        uint32_t trace_retention_days; /* 0: kept for ever */
};

/* Everything is borrowed.  The first round begins at once. */
int housekeeping_new(const struct housekeeping_settings *settings, sd_event *loop,
                     struct housekeeping **ret, struct error *reterr);
/* From the next round on; any thread. */
void housekeeping_keep_traces(struct housekeeping *housekeeping, uint32_t days);
/* Waits for the round that runs.  Before the workers and the store end. */
struct housekeeping *housekeeping_free(struct housekeeping *housekeeping);
