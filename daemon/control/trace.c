/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: how answers came about. */
#include "store/traces.h"

#include "control/handlers.h"

#include <string.h>

#define LIST_USUAL 20
#define LIST_MAX 10000

static void list_traces(struct call *call)
{
        const struct control_services *services = call_services(call);
        cleanup_free_ struct trace_info *infos = NULL;
        struct json_object *array;
        struct tenant_id tenant;
        struct error error = { 0 };
        uint64_t limit;
        size_t n = 0;
        int r;

        if (!read_number(call, "limit", 1, LIST_MAX, LIST_USUAL, &limit) ||
            !read_tenant(call, &tenant))
                return;
        r = traces_list(services->store, tenant, limit, &infos, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++) {
                struct json_object *object = json_object_new_object();
                char id[ID_TEXT_SIZE];

                json_add_string(object, "id", id_format(infos[i].id.id, id));
                json_add_time(object, "at", infos[i].wall_usec);
                json_add(array, NULL, object);
        }
        reply_with(call, "traces", array);
}

static int get_trace(struct call *call, const char *text, struct json_object **ret,
                     struct error *reterr)
{
        cleanup_free_ char *json = NULL;
        struct tenant_id tenant;
        struct trace_id id;
        size_t len;
        int r = id_parse(text, &id.id);

        if (r < 0) {
                error_set(reterr, -EINVAL, "\"%s\" is no id of a trace", text);
                error_set_origin(reterr, NULL, "id", 0, 0);
                return -EINVAL;
        }
        r = call_tenant(call, &tenant, reterr);
        if (r == 0)
                r = traces_get(call_services(call)->store, tenant, id, &json, &len, reterr);
        if (r == 0)
                r = json_parse(json, len, ret, reterr);
        return r;
}

void on_trace(struct call *call)
{
        const char *id = call_string(call, "id", NULL);
        struct json_object *trace = NULL;
        struct error error = { 0 };
        int r;

        if (!id) {
                list_traces(call);
                return;
        }
        r = get_trace(call, id, &trace, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "trace", trace);
}
