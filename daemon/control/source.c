/* SPDX-License-Identifier: Apache-2.0 */
#include "control/source.h"

#include "base/json.h"

#include <string.h>

void read_request(struct call *call, struct release_request *ret)
{
        *ret = (struct release_request){ .request_id = call_string(call, "request_id", NULL),
                                         .reason = call_string(call, "reason", NULL),
                                         .author.via = "ragctl" };
        call_get_caller(call, &ret->author.uid, &ret->author.pid);
}

const struct release_profile *source_read(struct call *call, struct source *source)
{
        struct json_object *sent = NULL, *extends = NULL;

        (void) json_get_object(call_parameters(call), "source", &sent, NULL);
        if (!sent)
                return NULL;
        *source = (struct source){ 0 };
        (void) json_get_string(sent, "name", &source->profile.name, NULL);
        (void) json_get_string(sent, "text", &source->profile.text, NULL);
        source->profile.len = strlen(source->profile.text);
        (void) json_get_object(sent, "extends", &extends, NULL);
        if (extends) {
                (void) json_get_string(extends, "name", &source->extends.name, NULL);
                (void) json_get_string(extends, "text", &source->extends.text, NULL);
                source->extends.len = strlen(source->extends.text);
                source->profile.extends = &source->extends;
        }
        return &source->profile;
}
