/* SPDX-License-Identifier: Apache-2.0 */
#include "gauges.h"

#include "answer/answer.h"
#include "answer/recall.h"
#include "base/clock.h"
#include "control/control.h"
#include "ingest/ingest.h"
#include "metrics/metrics.h"
#include "release/release.h"
#include "store/collection.h"
#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define INDEXES_MAX 1024 /* open collections that are looked at */
#define SNAPSHOT_USEC (100 * USEC_PER_MSEC) /* one serves all metrics of a scrape */

/* The index of a collection that is open. */
struct open_index {
        char collection[65], tenant[STORE_NAME_MAX + 1];
        struct index_status status;
};

struct gauges {
        struct gauges_settings settings;
        pthread_mutex_t lock; /* guards what follows */
        struct open_index indexes[INDEXES_MAX];
        struct collection *open[INDEXES_MAX];
        size_t n_indexes;
        uint64_t taken_usec; /* monotonic */
        struct recall_figures recall[RECALL_COLLECTIONS_MAX];
};

/* ---- Numbers of the process -------------------------------------------------------------- */

static struct ingest_figures figures_of(const void *data)
{
        const struct gauges *gauges = data;
        struct ingest_figures figures;

        ingest_get_figures(gauges->settings.ingest, &figures);
        return figures;
}

static double documents_put(void *data)
{
        return (double) figures_of(data).documents_put;
}

static double documents_applied(void *data)
{
        return (double) figures_of(data).documents_applied;
}

static double documents_failed(void *data)
{
        return (double) figures_of(data).documents_failed;
}

static double chunks(void *data)
{
        return (double) figures_of(data).chunks;
}

static double tokens(void *data)
{
        return (double) figures_of(data).tokens;
}

static double collections_behind(void *data)
{
        return figures_of(data).collections_behind;
}

static double damages(void *data)
{
        return (double) figures_of(data).damages;
}

static double upkeep_failures(void *data)
{
        return (double) figures_of(data).upkeep_failures;
}

static struct control_figures doors_of(const void *data)
{
        const struct gauges *gauges = data;
        struct control_figures figures;

        control_get_figures(gauges->settings.control, &figures);
        return figures;
}

static double control_calls(void *data)
{
        return (double) doors_of(data).calls;
}

static double control_denied(void *data)
{
        return (double) doors_of(data).denied;
}

static double control_malformed(void *data)
{
        return (double) doors_of(data).malformed;
}

static double control_connections(void *data)
{
        return (double) doors_of(data).connections;
}

static double release_number(void *data)
{
        const struct gauges *gauges = data;

        struct snapshot *snapshot = releases_pin(gauges->settings.releases, NULL).snapshot;
        uint32_t number = snapshot->release;

        (void) snapshot_unref(snapshot);
        return number;
}

static double started(void *data)
{
        const struct gauges *gauges = data;

        return (double) gauges->settings.started_usec / (double) USEC_PER_SEC;
}

static double memory_used(void *data)
{
        const struct gauges *gauges = data;

        return (double) index_budget_used(gauges->settings.budget);
}

static double memory_limit(void *data)
{
        const struct gauges *gauges = data;

        return (double) index_budget_max(gauges->settings.budget);
}

struct cache_figures {
        uint64_t hits, misses, bytes;
};

static struct cache_figures cache_of(const void *data)
{
        const struct gauges *gauges = data;
        struct snapshot *snapshot = releases_pin(gauges->settings.releases, NULL).snapshot;
        struct cache_figures figures;

        answer_get_cache(snapshot->answer, &figures.hits, &figures.misses, &figures.bytes);
        (void) snapshot_unref(snapshot);
        return figures;
}

static double cache_hits(void *data)
{
        return (double) cache_of(data).hits;
}

static double cache_misses(void *data)
{
        return (double) cache_of(data).misses;
}

static double cache_bytes(void *data)
{
        return (double) cache_of(data).bytes;
}

static double recall_dropped(void *data)
{
        const struct gauges *gauges = data;

        struct snapshot *snapshot = releases_pin(gauges->settings.releases, NULL).snapshot;
        uint64_t dropped = answer_recall_dropped(snapshot->answer);

        (void) snapshot_unref(snapshot);
        return (double) dropped;
}

/* ---- Indexes ----------------------------------------------------------------------------- */

/* Takes the reference. */
static void look_at(struct gauges *gauges, struct collection *collection)
{
        struct generation *generation = collection_serving(collection);
        const struct collection_info *info = collection_get(collection);

        if (generation) {
                struct generation_view *view = generation_view_ref(generation);
                struct open_index *index = &gauges->indexes[gauges->n_indexes];

                memcpy(index->collection, info->name, sizeof index->collection);
                index_get_status(view->index, &view->source, view->live, &index->status);
                (void) generation_view_unref(view);
                if (store_get_tenant_name(gauges->settings.store, info->tenant, index->tenant,
                                          NULL) == 0)
                        gauges->n_indexes++;
        }
        (void) generation_unref(generation);
        (void) collection_unref(collection);
}

/* A collection that is closed holds no memory, and is not opened to be looked at. */
static void take_snapshot(struct gauges *gauges)
{
        uint64_t now = clock_monotonic_usec();
        size_t n;

        if (gauges->taken_usec != 0 && now - gauges->taken_usec < SNAPSHOT_USEC)
                return;
        gauges->taken_usec = now;
        gauges->n_indexes = 0;
        n = collection_list_open(gauges->settings.store, gauges->open, INDEXES_MAX);
        for (size_t i = 0; i < n; i++)
                look_at(gauges, gauges->open[i]);
}

static double figure_of(const struct index_status *status, enum metric_id id)
{
        switch (id) {
        case METRIC_INDEX_VECTORS:
                return (double) status->nodes;
        case METRIC_INDEX_UNINDEXED:
                return (double) status->unindexed;
        case METRIC_INDEX_DEAD:
                return (double) status->dead;
        case METRIC_INDEX_HOT_BYTES:
                return (double) status->hot_bytes;
        case METRIC_INDEX_FILE_BYTES:
                return (double) status->file_bytes;
        case METRIC_INDEX_FILE_NUMBER:
                return status->file_number;
        case METRIC_INDEX_SERVING_GRAPH:
                return status->serving_graph;
        default:
                return status->at_limit;
        }
}

static void list_indexes(void *data, enum metric_id id, struct metric_list *list)
{
        struct gauges *gauges = data;

        (void) pthread_mutex_lock(&gauges->lock);
        take_snapshot(gauges);
        for (size_t i = 0; i < gauges->n_indexes; i++)
                metric_list_add(list, gauges->indexes[i].collection, gauges->indexes[i].tenant,
                                figure_of(&gauges->indexes[i].status, id));
        (void) pthread_mutex_unlock(&gauges->lock);
}

/* A collection that was deleted and made again is audited under both ids, and shown by the one
 * that was counted last. */
static bool is_shadowed(const struct gauges *gauges, size_t n, size_t at)
{
        for (size_t i = 0; i < n; i++)
                if (i != at && gauges->recall[i].used > gauges->recall[at].used &&
                    id_equal(gauges->recall[i].tenant.id, gauges->recall[at].tenant.id) &&
                    strcmp(gauges->recall[i].collection, gauges->recall[at].collection) == 0)
                        return true;
        return false;
}

static void list_recall(void *data, enum metric_id id, struct metric_list *list)
{
        struct gauges *gauges = data;
        struct snapshot *snapshot = releases_pin(gauges->settings.releases, NULL).snapshot;
        size_t n;

        (void) pthread_mutex_lock(&gauges->lock);
        n = answer_get_recall(snapshot->answer, gauges->recall, RECALL_COLLECTIONS_MAX);
        (void) snapshot_unref(snapshot);
        for (size_t i = 0; i < n; i++) {
                const struct recall_figures *figures = &gauges->recall[i];
                char tenant[STORE_NAME_MAX + 1];

                if (!is_shadowed(gauges, n, i) &&
                    store_get_tenant_name(gauges->settings.store, figures->tenant, tenant,
                                          NULL) == 0)
                        metric_list_add(list, figures->collection, tenant,
                                        (double) (id == METRIC_RECALL_SEARCHES ? figures->searches
                                                  : id == METRIC_RECALL_FOUND  ? figures->found
                                                                               : figures->expected));
        }
        (void) pthread_mutex_unlock(&gauges->lock);
}

/* ---- The object -------------------------------------------------------------------------- */

static const struct {
        enum metric_id id;
        double (*read)(void *data);
} sources[] = {
        { METRIC_RELEASE, release_number },
        { METRIC_START_TIME, started },
        { METRIC_INGEST_DOCUMENTS_PUT, documents_put },
        { METRIC_INGEST_DOCUMENTS_APPLIED, documents_applied },
        { METRIC_INGEST_DOCUMENTS_FAILED, documents_failed },
        { METRIC_INGEST_CHUNKS, chunks },
        { METRIC_INGEST_TOKENS, tokens },
        { METRIC_INGEST_BEHIND, collections_behind },
        { METRIC_INDEX_MEMORY_USED, memory_used },
        { METRIC_INDEX_MEMORY_LIMIT, memory_limit },
        { METRIC_INDEX_DAMAGES, damages },
        { METRIC_INDEX_UPKEEP_FAILURES, upkeep_failures },
        { METRIC_RECALL_DROPPED, recall_dropped },
        { METRIC_DOCUMENT_CACHE_HITS, cache_hits },
        { METRIC_DOCUMENT_CACHE_MISSES, cache_misses },
        { METRIC_DOCUMENT_CACHE_BYTES, cache_bytes },
        { METRIC_CONTROL_CALLS, control_calls },
        { METRIC_CONTROL_DENIED, control_denied },
        { METRIC_CONTROL_MALFORMED, control_malformed },
        { METRIC_CONTROL_CONNECTIONS, control_connections },
};

static const struct {
        enum metric_id id;
        metric_lister list;
} listers[] = {
        { METRIC_INDEX_VECTORS, list_indexes },      { METRIC_INDEX_UNINDEXED, list_indexes },
        { METRIC_INDEX_DEAD, list_indexes },         { METRIC_INDEX_HOT_BYTES, list_indexes },
        { METRIC_INDEX_FILE_BYTES, list_indexes },   { METRIC_INDEX_FILE_NUMBER, list_indexes },
        { METRIC_INDEX_SERVING_GRAPH, list_indexes }, { METRIC_INDEX_AT_LIMIT, list_indexes },
        { METRIC_RECALL_SEARCHES, list_recall },     { METRIC_RECALL_EXPECTED, list_recall },
        { METRIC_RECALL_FOUND, list_recall },
};

int gauges_new(const struct gauges_settings *settings, struct metrics *metrics,
               struct gauges **ret, struct error *reterr)
{
        struct gauges *gauges = calloc(1, sizeof *gauges);

        if (!gauges)
                return error_oom(reterr);
        gauges->settings = *settings;
        (void) pthread_mutex_init(&gauges->lock, NULL);
        for (size_t i = 0; i < ELEMENTSOF(sources); i++)
                metrics_set_source(metrics, sources[i].id, sources[i].read, gauges);
        for (size_t i = 0; i < ELEMENTSOF(listers); i++)
                metrics_set_lister(metrics, listers[i].id, listers[i].list, gauges);
        *ret = gauges;
        return 0;
}

struct gauges *gauges_free(struct gauges *gauges)
{
        if (!gauges)
                return NULL;
        (void) pthread_mutex_destroy(&gauges->lock);
        free(gauges);
        return NULL;
}
