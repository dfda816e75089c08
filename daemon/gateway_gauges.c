/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway_gauges.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "gateway/gateway.h"
#include "metrics/metrics.h"

#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>

#define USD 1e-6 /* of a micro-dollar */
#define SNAPSHOT_USEC (100 * USEC_PER_MSEC) /* one serves all metrics of a scrape */

static const struct row {
        enum metric_id id;
        size_t offset; /* of a uint64_t in struct gateway_figures */
        double unit;
} rows[] = {
        { METRIC_EMBEDDING_CACHE_HITS, offsetof(struct gateway_figures, embedding_hits), 1 },
        { METRIC_EMBEDDING_CACHE_DISK_HITS, offsetof(struct gateway_figures, embedding_disk_hits),
          1 },
        { METRIC_EMBEDDING_CACHE_MISSES, offsetof(struct gateway_figures, embedding_misses), 1 },
        { METRIC_EMBEDDING_CACHE_BYTES, offsetof(struct gateway_figures, embedding_bytes), 1 },
        { METRIC_RESPONSE_CACHE_HITS, offsetof(struct gateway_figures, response_hits), 1 },
        { METRIC_RESPONSE_CACHE_MISSES, offsetof(struct gateway_figures, response_misses), 1 },
        { METRIC_RESPONSE_CACHE_BYTES, offsetof(struct gateway_figures, response_bytes), 1 },
        { METRIC_GATEWAY_WAITING, offsetof(struct gateway_figures, waiting), 1 },
        { METRIC_GATEWAY_RUNNING, offsetof(struct gateway_figures, running), 1 },
        { METRIC_BUDGET_SPENT_DAY, offsetof(struct gateway_figures, spent_day_microusd), USD },
        { METRIC_BUDGET_SPENT_MONTH, offsetof(struct gateway_figures, spent_month_microusd), USD },
};

struct gauge {
        struct gateway_gauges *gauges;
        const struct row *row;
};

struct gateway_gauges {
        struct gateway_gauges_source source;
        struct gauge gauges[ELEMENTSOF(rows)];
        pthread_mutex_t lock; /* guards what follows */
        struct gateway_figures figures;
        uint64_t taken_usec; /* monotonic; 0: never */
};

static void take_figures(struct gateway_gauges *gauges, uint64_t now_usec)
{
        const struct gateway_gauges_source *source = &gauges->source;
        void *handle = NULL;
        struct gateway *gateway = source->pin(source->data, &handle);

        if (!gateway)
                return; /* those of before are the last ones known */
        gateway_get_figures(gateway, &gauges->figures);
        source->unpin(source->data, handle);
        gauges->taken_usec = now_usec;
}

/* The figures are asked of the provider thread: once for a scrape. */
static uint64_t figure_of(struct gateway_gauges *gauges, const struct row *row)
{
        uint64_t now = clock_monotonic_usec(), figure;

        (void) pthread_mutex_lock(&gauges->lock);
        if (gauges->taken_usec == 0 || now - gauges->taken_usec >= SNAPSHOT_USEC)
                take_figures(gauges, now);
        figure = *(const uint64_t *) (const void *) ((const char *) &gauges->figures +
                                                     row->offset);
        (void) pthread_mutex_unlock(&gauges->lock);
        return figure;
}

static double read_figure(void *data)
{
        const struct gauge *gauge = data;

        return (double) figure_of(gauge->gauges, gauge->row) * gauge->row->unit;
}

static void add_breaker(void *data, const char *provider, int state)
{
        metric_list_add(data, provider, NULL, state);
}

static void list_breakers(void *data, enum metric_id id, struct metric_list *list)
{
        const struct gateway_gauges *gauges = data;
        const struct gateway_gauges_source *source = &gauges->source;
        void *handle = NULL;
        struct gateway *gateway = source->pin(source->data, &handle);

        (void) id;
        if (!gateway)
                return;
        gateway_list_breakers(gateway, add_breaker, list);
        source->unpin(source->data, handle);
}

int gateway_gauges_new(const struct gateway_gauges_source *source, struct metrics *metrics,
                       struct gateway_gauges **ret, struct error *reterr)
{
        struct gateway_gauges *gauges = calloc(1, sizeof *gauges);

        if (!gauges)
                return error_oom(reterr);
        gauges->source = *source;
        (void) pthread_mutex_init(&gauges->lock, NULL);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                gauges->gauges[i] = (struct gauge){ gauges, &rows[i] };
                metrics_set_source(metrics, rows[i].id, read_figure, &gauges->gauges[i]);
        }
        metrics_set_lister(metrics, METRIC_PROVIDER_BREAKER, list_breakers, gauges);
        *ret = gauges;
        return 0;
}

struct gateway_gauges *gateway_gauges_free(struct gateway_gauges *gauges)
{
        if (!gauges)
                return NULL;
        (void) pthread_mutex_destroy(&gauges->lock);
        free(gauges);
        return NULL;
}
