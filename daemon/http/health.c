/* SPDX-License-Identifier: Apache-2.0 */
/* Is it alive, may it be sent requests, what does it count, what can it do. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "http/caller.h"
#include "http/routes.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"

static struct json_object *status_alone(const char *status)
{
        struct json_object *json = json_object_new_object();

        json_add_string(json, "status", status);
        return json;
}

static struct json_object *identity(const struct request *request, const char *status)
{
        struct json_object *json = status_alone(status);

        if (!json)
                return NULL;
        json_add_string(json, "version", request->door->services.version);
        json_add_string(json, "stage", stage_name(request_config(request)->stage));
        json_add_u64(json, "release", request->snapshot->release);
        return json;
}

void health_live(struct request *request)
{
        request_reply_json(request, 200, identity(request, "ok"));
}

void health_ready(struct request *request)
{
        const struct http_services *services = &request->door->services;
        cleanup_json_ struct json_object *detail = json_object_new_object();
        bool draining = atomic_load(&request->door->draining);
        bool ready = !draining, told = caller_is_operator(request);
        struct json_object *json;
        const char *status;

        if (detail && ready && services->ready)
                ready = services->ready(services->data, detail);
        status = ready ? "ready" : draining ? "draining" : "not ready";
        json = told ? identity(request, status) : status_alone(status);
        if (json && detail && told)
                json_add(json, "detail", take_ptr(detail));
        request_reply_json(request, ready ? 200 : 503, json);
        if (!ready)
                request->reply.retry_after_seconds = 5;
}

void health_metrics(struct request *request)
{
        struct buf out = BUF_EMPTY;
        size_t len;

        metrics_write(request->door->services.metrics, &out);
        len = out.len;
        request_reply_text(request, 200, "text/plain; version=0.0.4; charset=utf-8",
                           buf_take(&out), len);
}

void health_openapi(struct request *request)
{
        size_t len = 0;
        char *text = http_openapi(request->door->services.version, &len);

        request_reply_text(request, 200, "application/json", text, len);
}
