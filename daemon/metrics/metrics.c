/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "metrics/metrics.h"

#include "base/cleanup.h"
#include "metrics/process.h"

#include <assert.h>
#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 8 /* a power of two; CPUs beyond it share */
#define CACHE_LINE 64

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
        const char *const *values[METRIC_LABEL_MAX];
        size_t n_values[METRIC_LABEL_MAX];
        size_t first_slot[METRIC_MAX];
        size_t slots_per_shard;
        _Atomic uint64_t *slots; /* SHARDS times slots_per_shard */
        struct source sources[METRIC_MAX];
        struct listing listings[METRIC_MAX];
};

static const char *const no_values[] = { "", NULL };
static const char *const status_values[] = { "1xx", "2xx", "3xx", "4xx", "5xx", NULL };
static const char *const result_values[] = { "ok", "error", NULL };
static const char *const phase_values[] = { "idle", "head", "body", "send", NULL };

static const char *const label_names[METRIC_LABEL_MAX] = {
        [METRIC_LABEL_ROUTE] = "route",
        [METRIC_LABEL_STATUS] = "status",
        [METRIC_LABEL_RESULT] = "result",
        [METRIC_LABEL_PHASE] = "phase",
        [METRIC_LABEL_PROVIDER] = "provider",
        [METRIC_LABEL_OUTCOME] = "outcome",
        [METRIC_LABEL_COLLECTION] = "collection",
};

static size_t slots_per_series(const struct metric *metric)
{
        return metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 2 : 1;
}

static size_t series_of(const struct metrics *metrics, const struct metric *metric)
{
        return metrics->n_values[metric->labels[0]] * metrics->n_values[metric->labels[1]];
}

struct metrics *metrics_free(struct metrics *metrics)
{
        if (!metrics)
                return NULL;
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
        metrics->values[METRIC_LABEL_PROVIDER] =
                settings->providers ? settings->providers : no_values;
        metrics->values[METRIC_LABEL_OUTCOME] = settings->outcomes ? settings->outcomes : no_values;
        metrics->values[METRIC_LABEL_STATUS] = status_values;
        metrics->values[METRIC_LABEL_RESULT] = result_values;
        metrics->values[METRIC_LABEL_PHASE] = phase_values;
        metrics->values[METRIC_LABEL_COLLECTION] = no_values;
        for (size_t i = 0; i < METRIC_LABEL_MAX; i++)
                while (metrics->values[i][metrics->n_values[i]])
                        metrics->n_values[i]++;

        for (size_t i = 0; i < METRIC_MAX; i++) {
                const struct metric *metric = metric_get((enum metric_id) i);

                metrics->first_slot[i] = metrics->slots_per_shard;
                metrics->slots_per_shard += series_of(metrics, metric) * slots_per_series(metric);
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

/* Where the series (first, second) begins inside a shard. */
static size_t series_slot(const struct metrics *metrics, enum metric_id id, size_t first,
                          size_t second)
{
        const struct metric *metric = metric_get(id);
        size_t n_second = metrics->n_values[metric->labels[1]];

        assert(first < metrics->n_values[metric->labels[0]] && second < n_second);
        return metrics->first_slot[id] + (first * n_second + second) * slots_per_series(metric);
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

static uint64_t sum_of(const struct metrics *metrics, size_t slot)
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
        size_t per_series = slots_per_series(metric);
        size_t counts = metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 1 : 1;
        uint64_t total = 0;

        for (size_t series = 0; series < series_of(metrics, metric); series++)
                for (size_t i = 0; i < counts; i++)
                        total += sum_of(metrics, metrics->first_slot[id] + series * per_series + i);
        return total;
}

/* ---- Exposition ------------------------------------------------------------------------ */

static void write_label_value(struct buf *out, const char *value)
{
        for (; *value; value++) {
                if (*value == '\\' || *value == '"')
                        buf_append_char(out, '\\');
                if (*value == '\n')
                        buf_append_text(out, "\\n");
                else
                        buf_append_char(out, *value);
        }
}

static void write_label(struct buf *out, const char *name, const char *value)
{
        buf_append_format(out, ",%s=\"", name);
        write_label_value(out, value);
        buf_append_char(out, '"');
}

/* name{stage="…",route="…" and leaves the brace open for one more label. */
static void write_series_start(const struct metrics *metrics, struct buf *out,
                               const struct metric *metric, const char *suffix, size_t series)
{
        size_t n_second = metrics->n_values[metric->labels[1]];
        size_t at[METRIC_LABELS_PER_METRIC] = { series / n_second, series % n_second };

        buf_append_format(out, "%s%s{stage=\"", metric->name, suffix);
        write_label_value(out, metrics->stage);
        buf_append_char(out, '"');
        for (size_t i = 0; i < METRIC_LABELS_PER_METRIC; i++)
                if (metric->labels[i] != METRIC_LABEL_NONE)
                        write_label(out, label_names[metric->labels[i]],
                                    metrics->values[metric->labels[i]][at[i]]);
}

static void write_number(struct buf *out, double value)
{
        if (value == floor(value) && fabs(value) < 9e15)
                buf_append_format(out, "} %.0f\n", value);
        else
                buf_append_format(out, "} %.15g\n", value);
}

static void write_histogram(const struct metrics *metrics, struct buf *out,
                            const struct metric *metric, size_t slot, size_t series)
{
        uint64_t count = 0;
        char bound[32];

        for (size_t i = 0; i <= metric->n_buckets; i++) {
                count += sum_of(metrics, slot + i);
                if (i < metric->n_buckets)
                        (void) snprintf(bound, sizeof bound, "%g", metric->buckets[i]);
                write_series_start(metrics, out, metric, "_bucket", series);
                write_label(out, "le", i < metric->n_buckets ? bound : "+Inf");
                write_number(out, (double) count);
        }
        write_series_start(metrics, out, metric, "_sum", series);
        write_number(out, (double) sum_of(metrics, slot + metric->n_buckets + 1) * metric->unit);
        write_series_start(metrics, out, metric, "_count", series);
        write_number(out, (double) count);
}

struct metric_list {
        const struct metrics *metrics;
        const struct metric *metric;
        struct buf *out;
        size_t n;
        double others;
};

static void write_listed(const struct metric_list *list, const char *label, double value)
{
        buf_append_format(list->out, "%s{stage=\"", list->metric->name);
        write_label_value(list->out, list->metrics->stage);
        buf_append_char(list->out, '"');
        write_label(list->out, label_names[list->metric->labels[0]], label);
        write_number(list->out, value);
}

void metric_list_add(struct metric_list *list, const char *label, double value)
{
        if (list->n++ < METRIC_SERIES_MAX)
                write_listed(list, label, value);
        else
                list->others += value;
}

static void write_listing(const struct metrics *metrics, struct buf *out,
                          const struct metric *metric, enum metric_id id)
{
        const struct listing *listing = &metrics->listings[id];
        struct metric_list list = { .metrics = metrics, .metric = metric, .out = out };

        listing->list(listing->data, id, &list);
        if (list.n > METRIC_SERIES_MAX)
                write_listed(&list, METRIC_OTHERS, list.others);
}

/* Series per route and per outcome are written once they have been used: most never are. */
static bool is_unused(const struct metrics *metrics, const struct metric *metric, size_t slot)
{
        size_t counts = metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 1 : 1;

        if (metric->labels[0] != METRIC_LABEL_ROUTE && metric->labels[1] != METRIC_LABEL_OUTCOME)
                return false;
        for (size_t i = 0; i < counts; i++)
                if (sum_of(metrics, slot + i) != 0)
                        return false;
        return true;
}

static void write_metric(const struct metrics *metrics, struct buf *out, enum metric_id id)
{
        static const char *const type_names[] = { [METRIC_COUNTER] = "counter",
                                                  [METRIC_GAUGE] = "gauge",
                                                  [METRIC_HISTOGRAM] = "histogram" };
        const struct metric *metric = metric_get(id);
        const struct source *source = &metrics->sources[id];

        if (metric->type == METRIC_GAUGE && !source->read && !metrics->listings[id].list &&
            id != METRIC_BUILD_INFO)
                return; /* nobody knows it here */
        if (metric->labels[0] == METRIC_LABEL_COLLECTION && !metrics->listings[id].list)
                return;
        buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
                          metric->name, type_names[metric->type]);
        if (metrics->listings[id].list) {
                write_listing(metrics, out, metric, id);
                return;
        }
        if (source->read || metric->type == METRIC_GAUGE) {
                write_series_start(metrics, out, metric, "", 0);
                if (id == METRIC_BUILD_INFO)
                        write_label(out, "version", metrics->version);
                write_number(out, source->read ? source->read(source->data) : 1);
                return;
        }
        for (size_t series = 0; series < series_of(metrics, metric); series++) {
                size_t slot = metrics->first_slot[id] + series * slots_per_series(metric);

                if (is_unused(metrics, metric, slot))
                        continue;
                if (metric->type == METRIC_HISTOGRAM) {
                        write_histogram(metrics, out, metric, slot, series);
                        continue;
                }
                write_series_start(metrics, out, metric, "", series);
                write_number(out, (double) sum_of(metrics, slot) * metric->unit);
        }
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
        for (size_t i = 0; i < METRIC_MAX; i++)
                write_metric(metrics, out, (enum metric_id) i);
}
