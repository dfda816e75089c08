/* SPDX-License-Identifier: Apache-2.0 */
/* Collections and their generations. */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/routes.h"
#include "ingest/ingest.h"
#include "store/collection.h"
#include "store/store.h"

void collections_create(struct request *request)
{
        static const char *const members[] = { "name", "language", "description", NULL };
        const struct http_services *services = &request->door->services;
        cleanup_json_ struct json_object *json = NULL;
        const char *name = NULL, *language = NULL, *description = NULL;
        struct collection_info info = { 0 };
        struct error error = { 0 };
        int r;

        if (request_json(request, &json) < 0)
                return;
        if (json_refuse_unknown(json, members, &error) < 0 ||
            json_get_string(json, "name", &name, &error) < 0 ||
            json_get_string(json, "language", &language, &error) < 0 ||
            json_get_string(json, "description", &description, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (!name) {
                (void) error_set(&error, -EINVAL, "\"name\" is missing");
                error_set_origin(&error, NULL, "name", 0, 0);
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        r = ingest_create_collection(services->ingest, services->tenant, name, language,
                                     description, &info, &error);
        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request_set_location(request, "/api/v1/collections/%s", info.name);
        request_reply_json(request, 201, ingest_collection_json(&info));
        collection_info_done(&info);
}

void collections_list(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct collection_info *infos = NULL;
        struct json_object *array;
        char after[STORE_NAME_MAX + 1];
        struct error error = { 0 };
        size_t limit, n = 0;

        if (request_page(request, &limit, after, sizeof after) < 0)
                return;
        if (collection_list(services->store, services->tenant, after[0] ? after : NULL, limit + 1,
                            &infos, &n, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; array && i < n && i < limit; i++)
                json_add(array, NULL, ingest_collection_json(&infos[i]));
        request_reply_page(request, "collections", array, n > limit ? infos[limit - 1].name : NULL);
        (void) collection_infos_free(infos, n);
}

void collections_get(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct json_object *json = NULL;
        struct error error = { 0 };

        if (ingest_collection_detail(services->ingest, services->tenant, request->parameters[0],
                                     &json, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_json(request, 200, json);
}

void collections_delete(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };

        if (ingest_delete_collection(services->ingest, services->tenant, request->parameters[0],
                                     &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_empty(request, 204);
}

void generations_list(struct request *request)
{
        const struct http_services *services = &request->door->services;
        cleanup_free_ struct generation_info *infos = NULL;
        cleanup_json_ struct json_object *json = NULL;
        struct collection *collection = NULL;
        struct json_object *array;
        struct error error = { 0 };
        size_t n = 0;
        int r;

        r = collection_open(services->store, services->tenant, request->parameters[0], &collection,
                            &error);
        if (r >= 0) {
                r = collection_generations(collection, &infos, &n, &error);
                (void) collection_unref(collection);
        }
        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        json = json_object_new_object();
        array = json_object_new_array();
        for (size_t i = 0; array && i < n; i++)
                json_add(array, NULL, ingest_generation_json(&infos[i]));
        if (json)
                json_add(json, "generations", array);
        else
                json_object_put(array);
        request_reply_json(request, 200, take_ptr(json));
}

void generations_rebuild(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct json_object *json;
        struct error error = { 0 };
        char text[ID_TEXT_SIZE];
        struct job_id job;

        if (ingest_rebuild(services->ingest, services->tenant, request->parameters[0], &job,
                           &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        json = json_object_new_object();
        if (json)
                json_add_string(json, "job_id", id_format(job.id, text));
        request_set_location(request, "/api/v1/jobs/%s", id_format(job.id, text));
        request_reply_json(request, 202, json);
}
