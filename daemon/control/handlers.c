/* SPDX-License-Identifier: Apache-2.0 */
#include "control/handlers.h"

#include "store/collection.h"

#include <string.h>

#define CONTROL(usage, method, handler, ...) handler,
#define SERVICE(method, handler, ...) handler,
#define LOCAL(usage, ...) NULL,

const call_handler call_handlers[] = {
#include "control/commands.inc.h"
};

void reply_with(struct call *call, const char *key, struct json_object *takes_value)
{
        struct json_object *reply = takes_value ? json_object_new_object() : NULL;

        if (reply)
                json_add(reply, key, takes_value);
        else
                json_object_put(takes_value);
        call_reply(call, reply);
}

void reply_done(struct call *call)
{
        call_reply(call, json_object_new_object());
}

bool read_number(struct call *call, const char *name, uint64_t min, uint64_t max,
                 uint64_t otherwise, uint64_t *ret)
{
        struct error error = { 0 };
        int r;

        *ret = otherwise;
        r = json_get_u64(call_parameters(call), name, min, max, ret, &error);
        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}

int each_word(struct call *call, const char *name,
              int (*each)(void *data, const char *word, struct error *reterr), void *data,
              struct error *reterr)
{
        struct json_object *array = NULL;
        int r = 0;

        (void) json_get_array(call_parameters(call), name, &array, NULL);
        for (size_t i = 0; r >= 0 && array && i < json_object_array_length(array); i++) {
                const char *given = json_object_get_string(json_object_array_get_idx(array, i));
                cleanup_free_ char *text = strdup(given);
                char *rest = text, *word;

                if (!text)
                        return error_oom(reterr);
                while (r >= 0 && (word = strsep(&rest, ",")))
                        r = each(data, word, reterr);
        }
        if (r < 0)
                error_set_origin(reterr, NULL, name, 0, 0);
        return r;
}

bool read_tenant(struct call *call, struct tenant_id *ret)
{
        struct error error = { 0 };
        int r = call_tenant(call, ret, &error);

        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}

bool open_collection(struct call *call, const char *name, struct collection **ret)
{
        struct tenant_id tenant;
        struct error error = { 0 };
        int r = call_tenant(call, &tenant, &error);

        if (r >= 0)
                r = collection_open(call_services(call)->store, tenant,
                                    call_string(call, name, "default"), ret, &error);
        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}
