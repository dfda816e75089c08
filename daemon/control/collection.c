/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about collections. */
#include "store/collection.h"

#include "answer/recall.h"
#include "control/handlers.h"
#include "ingest/ingest.h"
#include "release/snapshot.h"

#include <string.h>

#define LIST_MAX 1000

void on_collection_create(struct call *call)
{
        const struct control_services *services = call_services(call);
        cleanup_(collection_info_done) struct collection_info info = { 0 };
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_create_collection(services->ingest, tenant,
                                             call_string(call, "name", NULL),
                                             call_string(call, "language", NULL),
                                             call_string(call, "description", NULL), &info,
                                             &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "collection", ingest_collection_json(&info));
}

void on_collection_list(struct call *call)
{
        const struct control_services *services = call_services(call);
        struct json_object *array;
        struct collection_info *infos;
        struct tenant_id tenant;
        struct error error = { 0 };
        uint64_t limit;
        size_t n;
        int r;

        if (!read_number(call, "limit", 1, LIST_MAX, LIST_MAX, &limit) ||
            !read_tenant(call, &tenant))
                return;
        r = collection_list(services->store, tenant, call_string(call, "after", NULL),
                            limit, &infos, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, ingest_collection_json(&infos[i]));
        (void) collection_infos_free(infos, n);
        reply_with(call, "collections", array);
}

/* What the audit of recall found since the start. */
static struct json_object *recall_json(const struct recall_figures *figures)
{
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "searches", figures->searches);
        json_add_u64(object, "expected", figures->expected);
        json_add_u64(object, "found", figures->found);
        if (figures->expected > 0)
                json_add_double(object, "recall",
                                (double) figures->found / (double) figures->expected);
        return object;
}

static void add_recall(struct answer *answer, struct json_object *detail)
{
        struct recall_figures figures;
        struct json_object *id = NULL;
        struct collection_id collection;

        if (json_object_object_get_ex(detail, "id", &id) &&
            id_parse(json_object_get_string(id), &collection.id) == 0 &&
            answer_find_recall(answer, collection, &figures))
                json_add(detail, "recall_audit", recall_json(&figures));
}

void on_collection_show(struct call *call)
{
        const struct control_services *services = call_services(call);
        struct json_object *detail = NULL;
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = ingest_collection_detail(services->ingest, tenant,
                                             call_string(call, "name", NULL), &detail, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        add_recall(call_release(call)->answer, detail);
        reply_with(call, "collection", detail);
}

void on_collection_delete(struct call *call)
{
        const struct control_services *services = call_services(call);
        const char *name = call_string(call, "name", "");
        struct tenant_id tenant;
        struct error error = { 0 };
        int r;

        if (strcmp(name, call_string(call, "yes", "")) != 0) {
                r = error_set(&error, -EINVAL,
                              "deleting the collection %s wants its name once more", name);
                error_set_origin(&error, NULL, "yes", 0, 0);
        } else {
                r = call_tenant(call, &tenant, &error);
                if (r >= 0)
                        r = ingest_delete_collection(services->ingest, tenant, name, &error);
        }
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_done(call);
}
