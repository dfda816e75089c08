/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about indexes: what each is at, and which ef_search a collection needs. */
#include "index/index.h"

#include "answer/tune.h"
#include "base/clock.h"
#include "control/handlers.h"
#include "release/snapshot.h"
#include "store/collection.h"

#include <string.h>

#define LIST_MAX 1000
#define RECALL_WANTED 0.95
#define K_USUAL 10
#define RECALL_MIN 0.01
#define PROGRESS_USEC (UINT64_C(100) * USEC_PER_MSEC)

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

/* ---- Status --------------------------------------------------------------------------------- */

static struct json_object *words_json(const struct postings_status *words)
{
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "documents", words->documents);
        json_add_u64(object, "dead", words->dead);
        json_add_u64(object, "segments", words->segments);
        json_add_u64(object, "memory_bytes", words->memory_bytes);
        json_add_u64(object, "file_bytes", words->file_bytes);
        return object;
}

static struct json_object *index_json(const char *collection, const struct generation_info *info)
{
        const struct index_status *index = &info->index;
        uint64_t all = index->nodes - index->dead + index->unindexed;
        struct json_object *object = json_object_new_object();

        json_add_string(object, "collection", collection);
        json_add_u64(object, "generation", info->number);
        json_add_string(object, "state", generation_state_name(info->state));
        json_add_string(object, "engine", index->engine);
        json_add_bool(object, "serving_graph", index->serving_graph);
        json_add_u64(object, "nodes", index->nodes);
        json_add_u64(object, "unindexed", index->unindexed);
        json_add_u64(object, "dead", index->dead);
        json_add_double(object, "built",
                        all > 0 ? (double) (index->nodes - index->dead) / (double) all : 1);
        json_add_u64(object, "hot_bytes", index->hot_bytes);
        json_add_u64(object, "file_bytes", index->file_bytes);
        json_add_u64(object, "file_number", index->file_number);
        json_add_bool(object, "at_limit", index->at_limit);
        json_add_u64(object, "damages", info->damages);
        json_add(object, "words", words_json(&info->words));
        return object;
}

/* Takes the reference. */
static int add_generation(const struct collection *collection, struct generation *takes_generation,
                          struct json_object *array, struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *generation = takes_generation;
        struct generation_info info;
        int r;

        r = generation_get_info(generation, &info, reterr);
        if (r < 0)
                return r;
        json_add(array, NULL, index_json(collection_get(collection)->name, &info));
        return 0;
}

/* Those that are followed; one that rests has no index open. */
static int add_collection(struct collection *collection, struct json_object *array,
                          struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        int r = 0;

        for (size_t i = 0; i < n; i++)
                if (r == 0 && generation_get_state(all[i]) != GENERATION_RESTING)
                        r = add_generation(collection, all[i], array, reterr);
                else
                        (void) generation_unref(all[i]);
        return r;
}

static int add_all(struct store *store, struct tenant_id tenant, struct json_object *array,
                   struct error *reterr)
{
        struct collection_info *infos = NULL;
        size_t n = 0;
        int r = collection_list(store, tenant, NULL, LIST_MAX, &infos, &n, reterr);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_(collection_unref_cleanup) struct collection *collection = NULL;

                r = collection_open_by_id(store, tenant, infos[i].id, &collection, reterr);
                if (r >= 0)
                        r = add_collection(collection, array, reterr);
                if (r == -ENOENT) /* it was deleted meanwhile */
                        r = 0;
        }
        (void) collection_infos_free(infos, n);
        return r;
}

void on_index_status(struct call *call)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_json_ struct json_object *array = json_object_new_array();
        struct tenant_id tenant;
        struct error error = { 0 };
        int r;

        if (call_string(call, "collection", NULL)) {
                if (!open_collection(call, "collection", &collection))
                        return;
                r = add_collection(collection, array, &error);
        } else {
                r = call_tenant(call, &tenant, &error);
                if (r >= 0)
                        r = add_all(call_services(call)->store, tenant, array, &error);
        }
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "indexes", take_ptr(array));
}

/* ---- Tune ----------------------------------------------------------------------------------- */

struct measuring {
        struct call *call;
        uint64_t told_usec;
};

static int check_client(void *data)
{
        const struct measuring *measuring = data;

        return call_gone(measuring->call) ? -ECANCELED : 0;
}

static void on_measured(void *data, const char *what, size_t done, size_t total)
{
        struct measuring *measuring = data;
        uint64_t now_usec = clock_monotonic_usec();
        struct json_object *progress;

        if (now_usec - measuring->told_usec < PROGRESS_USEC)
                return;
        measuring->told_usec = now_usec;
        progress = json_object_new_object();
        json_add_string(progress, "what", what);
        json_add_u64(progress, "done", done);
        json_add_u64(progress, "total", total);
        (void) call_notify(measuring->call, progress);
}

static struct json_object *rung_json(const struct tune_rung *rung)
{
        struct json_object *object = json_object_new_object();

        if (rung->ef_search > 0)
                json_add_u64(object, "ef_search", rung->ef_search);
        json_add_double(object, "recall", rung->recall);
        json_add_double(object, "p50_usec", rung->p50_usec);
        json_add_double(object, "p99_usec", rung->p99_usec);
        return object;
}

static struct json_object *report_json(const struct tune_request *request,
                                       const struct tune_report *report)
{
        struct json_object *object = json_object_new_object();
        struct json_object *rungs = json_object_new_array();

        for (size_t i = 0; i < report->n_rungs; i++)
                json_add(rungs, NULL, rung_json(&report->rungs[i]));
        json_add_string(object, "collection", request->collection);
        json_add_double(object, "recall", request->recall);
        json_add_u64(object, "k", request->k);
        json_add_u64(object, "samples", report->samples);
        json_add_u64(object, "vectors", report->vectors);
        json_add_u64(object, "unindexed", report->unindexed);
        json_add(object, "exact", rung_json(&report->exact));
        json_add(object, "rungs", rungs);
        json_add_u64(object, "present", report->present);
        if (report->proposed > 0)
                json_add_u64(object, "proposed", report->proposed);
        return object;
}

void on_index_tune(struct call *call)
{
        struct measuring measuring = { .call = call, .told_usec = clock_monotonic_usec() };
        struct tune_request request = {
                .collection = call_string(call, "collection", "default"),
                .recall = RECALL_WANTED,
                .check = { check_client, &measuring },
                .progress = on_measured,
                .data = &measuring,
        };
        struct tune_report report;
        struct tenant_id tenant;
        struct error error = { 0 };
        uint64_t k, samples;
        int r;

        if (!read_number(call, "k", 1, TUNE_K_MAX, K_USUAL, &k) ||
            !read_number(call, "samples", 1, TUNE_SAMPLES_MAX, TUNE_SAMPLES, &samples) ||
            !read_tenant(call, &tenant))
                return;
        request.k = (uint32_t) k;
        request.samples = (uint32_t) samples;
        r = json_get_double(call_parameters(call), "recall", RECALL_MIN, 1, &request.recall,
                            &error);
        if (r >= 0)
                r = tune_run(call_release(call)->answer, tenant, &request, &report, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "report", report_json(&request, &report));
}
