/* SPDX-License-Identifier: Apache-2.0 */
#include "control/handlers.h"

#include "store/collection.h"

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

bool open_collection(struct call *call, const char *name, struct collection **ret)
{
        const struct control_services *services = call_services(call);
        struct error error = { 0 };
        int r = collection_open(services->store, services->tenant,
                                call_string(call, name, "default"), ret, &error);

        if (r < 0)
                call_fail(call, r, &error);
        return r >= 0;
}
