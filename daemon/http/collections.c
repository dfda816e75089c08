/* SPDX-License-Identifier: Apache-2.0 */
/* Collections and their generations. */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/caller.h"
#include "http/routes.h"
#include "ingest/ingest.h"
#include "store/collection.h"
#include "store/store.h"

#include <string.h>

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
        r = ingest_create_collection(services->ingest, request->tenant, name, language,
                                     description, &info, &error);
        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request_set_location(request, "/api/v1/collections/%s", info.name);
        request_reply_json(request, 201, ingest_collection_json(&info));
        collection_info_done(&info);
}

/* A page of those that the key is for: what it is not for does not show, not even as a gap.  Adds
 * to `array` at most `limit`, the last one's name to `last`; 1: there are more. */
static int list_own(struct request *request, size_t limit, char after[static STORE_NAME_MAX + 1],
                    struct json_object *array, char last[static STORE_NAME_MAX + 1],
                    struct error *reterr)
{
        struct store *store = request->door->services.store;
        size_t taken = 0, n = limit + 1;
        int r = 0;

        while (r == 0 && n > limit) {
                struct collection_info *infos = NULL;

                r = collection_list(store, request->tenant, after[0] ? after : NULL, limit + 1,
                                    &infos, &n, reterr);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < n && r == 0; i++) {
                        (void) strcpy(after, infos[i].name);
                        if (!caller_may_use(request, infos[i].name))
                                continue;
                        r = taken == limit;
                        if (taken++ == limit)
                                break;
                        json_add(array, NULL, ingest_collection_json(&infos[i]));
                        (void) strcpy(last, infos[i].name);
                }
                (void) collection_infos_free(infos, n);
        }
        return r;
}

void collections_list(struct request *request)
{
        cleanup_json_ struct json_object *array = json_object_new_array();
        char after[STORE_NAME_MAX + 1], last[STORE_NAME_MAX + 1] = "";
        struct error error = { 0 };
        size_t limit;
        int r;

        if (request_page(request, &limit, after, sizeof after) < 0)
                return;
        r = list_own(request, limit, after, array, last, &error);
        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_page(request, "collections", take_ptr(array), r > 0 ? last : NULL);
}

void collections_get(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct json_object *json = NULL;
        struct error error = { 0 };

        if (ingest_collection_detail(services->ingest, request->tenant, request->parameters[0],
                                     &json, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_json(request, 200, json);
}

void collections_delete(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };

        if (ingest_delete_collection(services->ingest, request->tenant, request->parameters[0],
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

        r = collection_open(services->store, request->tenant, request->parameters[0], &collection,
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

        if (ingest_rebuild(services->ingest, request->tenant, request->parameters[0], &job,
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
