/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms, and their text for Prometheus.
 *
 * One table (table.c) names every metric with its type, help and labels; a figure that is not
 * in it does not exist.  Adding is a relaxed atomic addition to the shard of the CPU that runs:
 * no lock, no allocation, any thread.  Reading sums the shards, so a scrape may see one event's
 * count a moment before its duration.  Every sample carries the label `stage`.
 *
 * Exposition: Prometheus text format 0.0.4. */
#pragma once
#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct metrics;

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

enum metric_id {
        METRIC_BUILD_INFO,
        METRIC_RELEASE,
        METRIC_RELEASE_REVERTS,
        METRIC_RELEASE_HOLDS,
        METRIC_START_TIME,
        METRIC_RESIDENT_BYTES,
        METRIC_OPEN_FDS,
        METRIC_HTTP_REQUESTS,
        METRIC_HTTP_SECONDS,
        METRIC_HTTP_CONNECTIONS,
        METRIC_HTTP_ACCEPTED,
        METRIC_HTTP_IN_FLIGHT,
        METRIC_HTTP_REFUSED,
        METRIC_HTTP_UNAUTHENTICATED,
        METRIC_HTTP_FORBIDDEN,
        METRIC_HTTP_LIMITED,
        METRIC_HTTP_UNRECORDED,
        METRIC_HTTP_TIMEOUTS,
        METRIC_HTTP_RECEIVED_BYTES,
        METRIC_HTTP_SENT_BYTES,
        METRIC_HTTP_STREAMS,
        METRIC_SEARCH_SECONDS,
        METRIC_SEARCH_RESULTS,
        METRIC_SEARCH_CACHE_HITS,
        METRIC_SEARCH_CACHE_MISSES,
        METRIC_SEARCH_CACHE_BYTES,
        METRIC_ANSWER_SECONDS,
        METRIC_PROVIDER_CALLS,
        METRIC_PROVIDER_SECONDS,
        METRIC_PROVIDER_FIRST_SECONDS,
        METRIC_PROVIDER_INPUT_TOKENS,
        METRIC_PROVIDER_OUTPUT_TOKENS,
        METRIC_PROVIDER_COST,
        METRIC_PROVIDER_BREAKER,
        METRIC_GATEWAY_WAITING,
        METRIC_GATEWAY_RUNNING,
        METRIC_GATEWAY_FALLBACKS,
        METRIC_BUDGET_SPENT_DAY,
        METRIC_BUDGET_SPENT_MONTH,
        METRIC_EMBEDDING_CACHE_HITS,
        METRIC_EMBEDDING_CACHE_DISK_HITS,
        METRIC_EMBEDDING_CACHE_MISSES,
        METRIC_EMBEDDING_CACHE_BYTES,
        METRIC_RESPONSE_CACHE_HITS,
        METRIC_RESPONSE_CACHE_MISSES,
        METRIC_RESPONSE_CACHE_BYTES,
        METRIC_INGEST_DOCUMENTS_PUT,
        METRIC_INGEST_DOCUMENTS_APPLIED,
        METRIC_INGEST_DOCUMENTS_FAILED,
        METRIC_INGEST_CHUNKS,
        METRIC_INGEST_TOKENS,
        METRIC_INGEST_BEHIND,
        METRIC_INDEX_VECTORS,
        METRIC_INDEX_UNINDEXED,
        METRIC_INDEX_DEAD,
        METRIC_INDEX_HOT_BYTES,
        METRIC_INDEX_FILE_BYTES,
        METRIC_INDEX_FILE_NUMBER,
        METRIC_INDEX_SERVING_GRAPH,
        METRIC_INDEX_AT_LIMIT,
        METRIC_INDEX_MEMORY_USED,
        METRIC_INDEX_MEMORY_LIMIT,
        METRIC_INDEX_DAMAGES,
        METRIC_INDEX_UPKEEP_FAILURES,
        METRIC_RECALL_SEARCHES,
        METRIC_RECALL_EXPECTED,
        METRIC_RECALL_FOUND,
        METRIC_RECALL_DROPPED,
        METRIC_DOCUMENT_CACHE_HITS,
        METRIC_DOCUMENT_CACHE_MISSES,
        METRIC_DOCUMENT_CACHE_BYTES,
        METRIC_CONTROL_CALLS,
        METRIC_CONTROL_DENIED,
        METRIC_CONTROL_MALFORMED,
        METRIC_CONTROL_CONNECTIONS,
        METRIC_MAX,
};

/* A label whose values are known when the metrics are made, are given a place with their first use,
 * or come from a lister. */
enum metric_label {
        METRIC_LABEL_NONE,
        METRIC_LABEL_ROUTE,  /* from the door's routes table */
        METRIC_LABEL_STATUS, /* 1xx … 5xx */
        METRIC_LABEL_RESULT, /* ok, error */
        METRIC_LABEL_PHASE,  /* of a request that took too long */
        METRIC_LABEL_PROVIDER,   /* by its table's name; metrics_provider() */
        METRIC_LABEL_OUTCOME,    /* of a call to a provider: ok, or the class of its fault */
        METRIC_LABEL_COLLECTION, /* by name; listed when it is asked for */
        METRIC_LABEL_TENANT,     /* whose collection it is, by name */
        METRIC_LABEL_MAX,
};

enum metric_status { METRIC_1XX, METRIC_2XX, METRIC_3XX, METRIC_4XX, METRIC_5XX };
enum metric_result { METRIC_OK, METRIC_ERROR };
enum metric_phase { METRIC_PHASE_IDLE, METRIC_PHASE_HEAD, METRIC_PHASE_BODY, METRIC_PHASE_SEND };

/* Series of one listed metric; the others' sum is the series METRIC_OTHERS. */
#define METRIC_SERIES_MAX 256
#define METRIC_OTHERS "_others" /* no collection can have this name */
/* Providers that have series of their own; later ones are counted together as METRIC_OTHERS. */
#define METRIC_PROVIDERS_MAX 64

#define METRIC_LABELS_PER_METRIC 2
#define METRIC_BUCKETS_MAX 20

struct metric {
        const char *name;
        enum metric_type type;
        const char *help;
        enum metric_label labels[METRIC_LABELS_PER_METRIC];
        const double *buckets; /* upper bounds, ascending; histograms only */
        size_t n_buckets;
        double unit; /* what one added unit is worth in the exposition (1e-6: µs to s) */
};

/* The row of a metric; never NULL for id < METRIC_MAX. */
const struct metric *metric_get(enum metric_id id);

struct metrics_settings {
        const char *stage;
        const char *version;
        /* Values of labels, NULL-terminated; may be NULL. */
        const char *const *routes, *const *outcomes;
};
/* Strings are borrowed and must stay.  Resident memory and open descriptors have sources. */
int metrics_new(const struct metrics_settings *settings, struct metrics **ret,
                struct error *reterr);
struct metrics *metrics_free(struct metrics *metrics);

/* The place of a provider among the label's values: releases come and go, and with them providers.
 * It is given with the first use and stays; from then on its series are written.  The name is
 * copied.  Any thread; no lock. */
size_t metrics_provider(struct metrics *metrics, const char *name);

/* Adds to a counter; `first` and `second` index the values of its labels (0 where it has none). */
void metrics_add(struct metrics *metrics, enum metric_id id, size_t first, size_t second,
                 uint64_t n);
/* One observation for a histogram, in the metric's own unit (microseconds, results). */
void metrics_observe(struct metrics *metrics, enum metric_id id, size_t first, size_t second,
                     uint64_t value);

/* A gauge, or a counter that somebody else keeps, is read when it is asked for.  Set before
 * other threads scrape; `read` runs on the scraping thread.  NULL takes it away. */
void metrics_set_source(struct metrics *metrics, enum metric_id id, double (*read)(void *data),
                        void *data);

/* A counter or gauge with a label whose values come and go: `list` is called for each scrape, on
 * its thread, and adds the series there are.  Without a lister such a metric is not written. */
struct metric_list;
typedef void (*metric_lister)(void *data, enum metric_id id, struct metric_list *list);
void metrics_set_lister(struct metrics *metrics, enum metric_id id, metric_lister list,
                        void *data);
void metric_list_add(struct metric_list *list, const char *label, const char *second_label_or_null,
                     double value);

/* The sum over all labels: a counter's value, a histogram's number of observations. */
uint64_t metrics_total(const struct metrics *metrics, enum metric_id id);

/* Appends the whole exposition. */
void metrics_write(const struct metrics *metrics, struct buf *out);
