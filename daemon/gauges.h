/* SPDX-License-Identifier: Apache-2.0 */
/* What other rooms count, made readable for metrics.  Everything is borrowed. */
#pragma once
#include "base/error.h"

#include <stdint.h>

struct control;
struct gauges;
struct index_budget;
struct ingest;
struct metrics;
struct releases;
struct store;

struct gauges_settings {
        struct store *store;
        struct ingest *ingest;
        struct releases *releases;
        const struct control *control;
        const struct index_budget *budget;
        uint64_t started_usec; /* wall */
};

/* Before the HTTP door opens; `metrics` goes before the gauges do. */
int gauges_new(const struct gauges_settings *settings, struct metrics *metrics,
               struct gauges **ret, struct error *reterr);
struct gauges *gauges_free(struct gauges *gauges);
