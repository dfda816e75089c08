/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the metrics, shared by metrics.c, which counts, and exposition.c, which writes. */
#pragma once
#include "metrics/metrics.h"

#include <stdatomic.h>

#define SHARDS 8 /* a power of two; CPUs beyond it share */

struct source {
        double (*read)(void *data);
        void *data;
};

struct listing {
        metric_lister list;
        void *data;
};

/* The slots of metric `id` start at first_slot[id]: for every combination of its label values
 * one count, or n_buckets + 1 counts and a sum. */
struct metrics {
        const char *stage, *version;
        const char *const *values[METRIC_LABEL_MAX]; /* NULL: the providers' */
        size_t n_values[METRIC_LABEL_MAX];
        _Atomic(char *) providers[METRIC_PROVIDERS_MAX]; /* from the first on; none ever goes */
        size_t first_slot[METRIC_MAX];
        size_t slots_per_shard;
        _Atomic uint64_t *slots; /* SHARDS times slots_per_shard */
        struct source sources[METRIC_MAX];
        struct listing listings[METRIC_MAX];
};

size_t metrics_slots_per_series(const struct metric *metric);
/* How many there can be: a series for each combination of label values. */
size_t metrics_series_of(const struct metrics *metrics, const struct metric *metric);
/* Of one slot, over all shards. */
uint64_t metrics_sum_of(const struct metrics *metrics, size_t slot);
/* The text of a label's value; NULL: the place is free. */
const char *metrics_value_of(const struct metrics *metrics, enum metric_label label, size_t i);
