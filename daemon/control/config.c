/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about the profile in force. */
#include "base/buf.h"
#include "config/effective.h"
#include "control/handlers.h"
#include "release/snapshot.h"

void on_config_show(struct call *call)
{
        const struct control_services *services = call_services(call);
        const struct config *config = call_release(call)->config;
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        struct json_object *reply = json_object_new_object();
        bool effective = call_bool(call, "effective");

        config_show(config, effective, call_bool(call, "origin"), &text);
        if (buf_failed(&text)) {
                json_object_put(reply);
                call_fail(call, -ENOMEM, NULL);
                return;
        }
        json_add_string(reply, "profile", services->profile);
        json_add(reply, "keys", config_show_json(config, effective));
        json_add_string(reply, "text", buf_text(&text));
        call_reply(call, reply);
}
