/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway counts, made readable for metrics: its caches, its queue, its budget and the
 * state of each provider. */
#pragma once
#include "base/error.h"

struct gateway;
struct gateway_gauges;
struct metrics;

/* Where the gateway of the release in force is found: it is held for as long as it is asked.  On
 * the thread that scrapes. */
struct gateway_gauges_source {
        /* NULL: there is none now; else it is given back with the handle written. */
        struct gateway *(*pin)(void *data, void **ret_handle);
        void (*unpin)(void *data, void *handle);
        void *data;
};

/* The source is copied; what it points at is borrowed.  `metrics` goes before the gauges do. */
int gateway_gauges_new(const struct gateway_gauges_source *source, struct metrics *metrics,
                       struct gateway_gauges **ret, struct error *reterr);
struct gateway_gauges *gateway_gauges_free(struct gateway_gauges *gauges);
