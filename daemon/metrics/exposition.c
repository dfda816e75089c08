/* SPDX-License-Identifier: Apache-2.0 */
/* The text: Prometheus text format 0.0.4. */
#include "metrics/inside.h"

#include <math.h>
#include <stdio.h>

static const char *const label_names[METRIC_LABEL_MAX] = {
        [METRIC_LABEL_ROUTE] = "route",
        [METRIC_LABEL_STATUS] = "status",
        [METRIC_LABEL_RESULT] = "result",
        [METRIC_LABEL_PHASE] = "phase",
        [METRIC_LABEL_PROVIDER] = "provider",
        [METRIC_LABEL_OUTCOME] = "outcome",
        [METRIC_LABEL_COLLECTION] = "collection",
        [METRIC_LABEL_TENANT] = "tenant",
};

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
                                    metrics_value_of(metrics, metric->labels[i], at[i]));
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
                count += metrics_sum_of(metrics, slot + i);
                if (i < metric->n_buckets)
                        (void) snprintf(bound, sizeof bound, "%g", metric->buckets[i]);
                write_series_start(metrics, out, metric, "_bucket", series);
                write_label(out, "le", i < metric->n_buckets ? bound : "+Inf");
                write_number(out, (double) count);
        }
        write_series_start(metrics, out, metric, "_sum", series);
        write_number(out, (double) metrics_sum_of(metrics, slot + metric->n_buckets + 1) *
                                  metric->unit);
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

static void write_listed(const struct metric_list *list, const char *label, const char *second,
                         double value)
{
        buf_append_format(list->out, "%s{stage=\"", list->metric->name);
        write_label_value(list->out, list->metrics->stage);
        buf_append_char(list->out, '"');
        write_label(list->out, label_names[list->metric->labels[0]], label);
        if (second)
                write_label(list->out, label_names[list->metric->labels[1]], second);
        write_number(list->out, value);
}

void metric_list_add(struct metric_list *list, const char *label, const char *second_label_or_null,
                     double value)
{
        if (list->n++ < METRIC_SERIES_MAX)
                write_listed(list, label, second_label_or_null, value);
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
                write_listed(&list, METRIC_OTHERS,
                             metric->labels[1] == METRIC_LABEL_NONE ? NULL : METRIC_OTHERS,
                             list.others);
}

/* Series per route and per outcome are written once they have been used: most never are.  So are
 * those of all other providers; a provider's own are there from its first use on. */
static bool is_unused(const struct metrics *metrics, const struct metric *metric, size_t series,
                      size_t slot)
{
        size_t counts = metric->type == METRIC_HISTOGRAM ? metric->n_buckets + 1 : 1;
        size_t first = series / metrics->n_values[metric->labels[1]];
        bool others = metric->labels[0] == METRIC_LABEL_PROVIDER && first == METRIC_PROVIDERS_MAX;

        if (!metrics_value_of(metrics, metric->labels[0], first))
                return true;
        if (metric->labels[0] != METRIC_LABEL_ROUTE && metric->labels[1] != METRIC_LABEL_OUTCOME &&
            !others)
                return false;
        for (size_t i = 0; i < counts; i++)
                if (metrics_sum_of(metrics, slot + i) != 0)
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
        for (size_t series = 0; series < metrics_series_of(metrics, metric); series++) {
                size_t slot = metrics->first_slot[id] + series * metrics_slots_per_series(metric);

                if (is_unused(metrics, metric, series, slot))
                        continue;
                if (metric->type == METRIC_HISTOGRAM) {
                        write_histogram(metrics, out, metric, slot, series);
                        continue;
                }
                write_series_start(metrics, out, metric, "", series);
                write_number(out, (double) metrics_sum_of(metrics, slot) * metric->unit);
        }
}

void metrics_write(const struct metrics *metrics, struct buf *out)
{
        for (size_t i = 0; i < METRIC_MAX; i++)
                write_metric(metrics, out, (enum metric_id) i);
}
