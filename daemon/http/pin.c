/* SPDX-License-Identifier: Apache-2.0 */
/* The release that a request is answered by. */
#include "http/request.h"

#include "config/values.h"
#include "release/release.h"

#include <string.h>

#define KEY_SIZE 256 /* of a header that says who asks; more of it tells nobody apart */

static const char *text_of(const struct request *request, const char *name,
                           char text[static KEY_SIZE])
{
        const struct header *header = request_header(request, name);
        size_t len = header ? header->value_len : 0;

        if (len == 0)
                return NULL;
        if (len >= KEY_SIZE)
                len = KEY_SIZE - 1;
        memcpy(text, header->value, len);
        text[len] = '\0';
        return text;
}

void request_pin(struct request *request)
{
        char session[KEY_SIZE], user[KEY_SIZE];
        const struct arm_key key = {
                .session = text_of(request, "X-Ragd-Session", session),
                .user = text_of(request, "X-Ragd-User", user),
                .address = request->address[0] ? request->address : NULL,
        };
        struct release_pin pin = releases_pin(request->door->services.releases, &key);

        request->snapshot = pin.snapshot;
        request->arm = (uint32_t) pin.arm;
        request->shadow_step = pin.shadow_step;
        request->shadow = pin.shadow;
}

const struct config *request_config(const struct request *request)
{
        return request->snapshot->config;
}

bool request_needs_key(const struct request *request)
{
        const struct config *config = request_config(request);

        return config->multi_tenant || config->security.require_keys;
}

size_t request_max_body(const struct request *request)
{
        return (size_t) request_config(request)->server.max_body_kb * 1024;
}

size_t request_max_input(const struct request *request)
{
        const struct security_config *security = &request_config(request)->security;

        return security->enable_input_validation ? (size_t) security->max_input_size_kb * 1024
                                                 : SIZE_MAX;
}
