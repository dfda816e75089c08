/* SPDX-License-Identifier: Apache-2.0 */
/* Many documents in one body of JSON Lines, handed on while it arrives: what is held in memory
 * does not grow with the body. */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/routes.h"
#include "ingest/ingest.h"

static void batch_open(struct request *request)
{
        const struct http_services *services = &request->door->services;
        const struct header *length = request_header(request, "Content-Length");
        struct ingest_batch *batch = NULL;
        struct error error = { 0 };

        if (ingest_batch_open(services->ingest, request->tenant, request->parameters[0], &batch,
                              &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request->work = batch;
        if (batch && length &&
            ingest_batch_expect(batch, strtoull(length->value, NULL, 10), &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
}

static void batch_feed(struct request *request)
{
        struct error error = { 0 };

        if (request->body.len > 0 &&
            ingest_batch_feed(request->work, request->body.data, request->body.len, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
}

static void batch_close(struct request *request)
{
        (void) ingest_batch_free(request->work);
        request->work = NULL;
}

const struct route_lines batch_lines = {
        .open = batch_open,
        .feed = batch_feed,
        .close = batch_close,
};

void batch_finish(struct request *request)
{
        struct ingest_batch_summary summary = { 0 };
        struct json_object *json;
        struct error error = { 0 };
        char text[ID_TEXT_SIZE];

        if (ingest_batch_finish(request->work, &summary, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        json = json_object_new_object();
        if (json) {
                json_add_string(json, "job_id", id_format(summary.job.id, text));
                json_add_u64(json, "accepted", summary.accepted);
                json_add_u64(json, "unchanged", summary.unchanged);
                json_add_u64(json, "refused", summary.refused);
                json_add_u64(json, "bytes", summary.bytes);
                json_add(json, "errors", summary.errors ? json_object_get(summary.errors)
                                                        : json_object_new_array());
        }
        request_set_location(request, "/api/v1/jobs/%s", id_format(summary.job.id, text));
        request_reply_json(request, 202, json);
}
