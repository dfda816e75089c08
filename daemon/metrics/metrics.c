/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "metrics/metrics.h"

#include "base/cleanup.h"
#include "metrics/inside.h"
#include "metrics/process.h"

#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

static const char *const no_values[] = { "", NULL };
static const char *const status_values[] = { "1xx", "2xx", "3xx", "4xx", "5xx", NULL };
static const char *const result_values[] = { "ok", "error", NULL };
static const char *const phase_values[] = { "idle", "head", "body", "send", NULL };

size_t metrics_slots_per_series(const struct metric *metric)
{
        return metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 2 : 1;
}

size_t metrics_series_of(const struct metrics *metrics, const struct metric *metric)
{
        return metrics->n_values[metric->labels[0]] * metrics->n_values[metric->labels[1]];
}

struct metrics *metrics_free(struct metrics *metrics)
{
        if (!metrics)
                return NULL;
        for (size_t i = 0; i < METRIC_PROVIDERS_MAX; i++)
                free(atomic_load(&metrics->providers[i]));
        free(metrics->slots);
        free(metrics);
        return NULL;
}

int metrics_new(const struct metrics_settings *settings, struct metrics **ret,
                struct error *reterr)
{
        const size_t line = CACHE_LINE / sizeof(uint64_t);
        struct metrics *metrics = calloc(1, sizeof *metrics);
        size_t bytes;

        if (!metrics)
                return error_oom(reterr);
        metrics->stage = settings->stage;
        metrics->version = settings->version;
        metrics->values[METRIC_LABEL_NONE] = no_values;
        metrics->values[METRIC_LABEL_ROUTE] = settings->routes ? settings->routes : no_values;
        metrics->values[METRIC_LABEL_OUTCOME] = settings->outcomes ? settings->outcomes : no_values;
        metrics->values[METRIC_LABEL_STATUS] = status_values;
        metrics->values[METRIC_LABEL_RESULT] = result_values;
        metrics->values[METRIC_LABEL_PHASE] = phase_values;
        metrics->values[METRIC_LABEL_COLLECTION] = no_values;
        metrics->values[METRIC_LABEL_TENANT] = no_values;
        for (size_t i = 0; i < METRIC_LABEL_MAX; i++)
                while (metrics->values[i] && metrics->values[i][metrics->n_values[i]])
                        metrics->n_values[i]++;
        metrics->n_values[METRIC_LABEL_PROVIDER] = METRIC_PROVIDERS_MAX + 1; /* and the others */

        for (size_t i = 0; i < METRIC_MAX; i++) {
                const struct metric *metric = metric_get((enum metric_id) i);

                metrics->first_slot[i] = metrics->slots_per_shard;
                metrics->slots_per_shard += metrics_series_of(metrics, metric) *
                                            metrics_slots_per_series(metric);
        }
        metrics->slots_per_shard = (metrics->slots_per_shard + line - 1) / line * line;

        bytes = SHARDS * metrics->slots_per_shard * sizeof *metrics->slots;
        metrics->slots = aligned_alloc(CACHE_LINE, bytes);
        if (!metrics->slots) {
                metrics_free(metrics);
                return error_oom(reterr);
        }
        for (size_t i = 0; i < SHARDS * metrics->slots_per_shard; i++)
                atomic_init(&metrics->slots[i], 0);
        metrics_watch_process(metrics);
        *ret = metrics;
        return 0;
}

/* ---- Providers ------------------------------------------------------------------------------- */

/* Places are taken from the first on, and whoever loses the race for one looks at who has it: so
 * no name has two. */
size_t metrics_provider(struct metrics *metrics, const char *name)
{
        char *copy = NULL;
        size_t at;

        if (strcmp(name, METRIC_OTHERS) == 0)
                return METRIC_PROVIDERS_MAX;
        for (at = 0; at < METRIC_PROVIDERS_MAX; at++) {
                char *here = atomic_load_explicit(&metrics->providers[at], memory_order_acquire);

                if (!here) {
                        if (!copy)
                                copy = strdup(name);
                        if (!copy)
                                return METRIC_PROVIDERS_MAX;
                        if (atomic_compare_exchange_strong(&metrics->providers[at], &here, copy))
                                return at;
                }
                if (strcmp(here, name) == 0)
                        break;
        }
        free(copy);
        return at;
}

const char *metrics_value_of(const struct metrics *metrics, enum metric_label label, size_t i)
{
        if (label != METRIC_LABEL_PROVIDER)
                return metrics->values[label][i];
        if (i == METRIC_PROVIDERS_MAX)
                return METRIC_OTHERS;
        return atomic_load_explicit(&metrics->providers[i], memory_order_acquire);
}

/* ---- Counting -------------------------------------------------------------------------------- */

/* Where the series (first, second) begins inside a shard. */
static size_t series_slot(const struct metrics *metrics, enum metric_id id, size_t first,
                          size_t second)
{
        const struct metric *metric = metric_get(id);
        size_t n_second = metrics->n_values[metric->labels[1]];

        assert(first < metrics->n_values[metric->labels[0]] && second < n_second);
        return metrics->first_slot[id] +
               (first * n_second + second) * metrics_slots_per_series(metric);
}

static _Atomic uint64_t *my_shard(struct metrics *metrics)
{
        int cpu = sched_getcpu();
        size_t shard = cpu < 0 ? 0 : (size_t) cpu % SHARDS;

        return metrics->slots + shard * metrics->slots_per_shard;
}

static void add(_Atomic uint64_t *slot, uint64_t n)
{
        (void) atomic_fetch_add_explicit(slot, n, memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, enum metric_id id, size_t first, size_t second,
                 uint64_t n)
{
        assert(metric_get(id)->type != METRIC_HISTOGRAM);
        add(my_shard(metrics) + series_slot(metrics, id, first, second), n);
}

void metrics_observe(struct metrics *metrics, enum metric_id id, size_t first, size_t second,
                     uint64_t value)
{
        const struct metric *metric = metric_get(id);
        double scaled = (double) value * metric->unit;
        _Atomic uint64_t *slot = my_shard(metrics) + series_slot(metrics, id, first, second);
        size_t bucket = 0;

        assert(metric->type == METRIC_HISTOGRAM);
        while (bucket < metric->n_buckets && scaled > metric->buckets[bucket])
                bucket++;
        add(slot + bucket, 1);
        add(slot + metric->n_buckets + 1, value);
}

void metrics_set_source(struct metrics *metrics, enum metric_id id, double (*read)(void *data),
                        void *data)
{
        assert(metric_get(id)->type != METRIC_HISTOGRAM);
        metrics->sources[id] = (struct source){ read, data };
}

void metrics_set_lister(struct metrics *metrics, enum metric_id id, metric_lister list,
                        void *data)
{
        assert(metric_get(id)->labels[0] != METRIC_LABEL_NONE);
        metrics->listings[id] = (struct listing){ list, data };
}

uint64_t metrics_sum_of(const struct metrics *metrics, size_t slot)
{
        const _Atomic uint64_t *at = metrics->slots + slot;
        uint64_t sum = 0;

        for (size_t shard = 0; shard < SHARDS; shard++)
                sum += atomic_load_explicit(at + shard * metrics->slots_per_shard,
                                            memory_order_relaxed);
        return sum;
}

uint64_t metrics_total(const struct metrics *metrics, enum metric_id id)
{
        const struct metric *metric = metric_get(id);
        size_t slots = metrics_slots_per_series(metric);
        size_t counts = metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 1 : 1;
        uint64_t total = 0;

        for (size_t series = 0; series < metrics_series_of(metrics, metric); series++)
                for (size_t i = 0; i < counts; i++)
                        total += metrics_sum_of(metrics,
                                                metrics->first_slot[id] + series * slots + i);
        return total;
}
