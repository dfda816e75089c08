/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about generations. */
#include "store/generation.h"

#include "control/handlers.h"
#include "ingest/ingest.h"
#include "release/snapshot.h"
#include "store/collection.h"

static void collection_cleanup(struct collection **collection)
{
        if (*collection)
                (void) collection_unref(*collection);
}

void on_generation_list(struct call *call)
{
        cleanup_(collection_cleanup) struct collection *collection = NULL;
        cleanup_free_ struct generation_info *infos = NULL;
        struct json_object *array;
        struct error error = { 0 };
        size_t n;
        int r;

        if (!open_collection(call, "collection", &collection))
                return;
        r = collection_generations(collection, &infos, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, ingest_generation_json(&infos[i]));
        reply_with(call, "generations", array);
}

void on_generation_rebuild(struct call *call)
{
        const struct control_services *services = call_services(call);
        const char *name = call_string(call, "collection", "");
        cleanup_(job_done) struct job job = { 0 };
        struct job_id id;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_rebuild(services->ingest, tenant, name, &id, &error);
        if (r == -EEXIST)
                r = error_set(&error, -EBUSY, "a generation of %s is being built already", name);
        if (r >= 0)
                r = ingest_job_get(services->ingest, tenant, id, &job, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "job", ingest_job_json(&job));
}

void on_generation_estimate(struct call *call)
{
        const struct control_services *services = call_services(call);
        const char *name = call_string(call, "collection", "");
        struct ingest_estimate estimate;
        struct json_object *object;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_estimate_rebuild(services->ingest, tenant, name, &estimate, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        object = json_object_new_object();
        json_add_u64(object, "documents", estimate.changed_documents);
        json_add_u64(object, "chunks", estimate.chunks);
        json_add_u64(object, "tokens", estimate.tokens);
        add_embedding_price(object, call_release(call)->gateway, estimate.tokens);
        reply_with(call, "estimate", object);
}

void on_generation_remove(struct call *call)
{
        cleanup_(collection_cleanup) struct collection *collection = NULL;
        struct error error = { 0 };
        uint64_t number;
        int r;

        if (!read_number(call, "number", 1, UINT32_MAX, 0, &number) ||
            !open_collection(call, "collection", &collection))
                return;
        r = collection_remove_generation(collection, (uint32_t) number, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_done(call);
}
