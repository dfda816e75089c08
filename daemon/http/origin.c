/* SPDX-License-Identifier: Apache-2.0 */
#include "http/origin.h"

#include "config/values.h"
#include "http/request.h"

#include <string.h>
#include <strings.h>

static bool is_listed(const struct config_strings *origins, const char *origin)
{
        for (size_t i = 0; i < origins->count; i++)
                if (strcmp(origins->items[i], "*") == 0 ||
                    strcasecmp(origins->items[i], origin) == 0)
                        return true;
        return false;
}

/* An address that no name server can point elsewhere. */
static bool is_literal_host(const char *host, size_t len)
{
        size_t name_len = host[0] == '[' ? len : strcspn(host, ":");

        if (host[0] == '[')
                return true;
        if (name_len > len)
                name_len = len;
        return (name_len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
               strspn(host, "0123456789.") >= name_len;
}

static bool is_own(const struct request *request, const char *origin)
{
        const struct header *host = request_header(request, "Host");
        const char *authority = strstr(origin, "://");

        if (!host || !authority)
                return false;
        authority += 3;
        return strlen(authority) == host->value_len && host->value_len > 0 &&
               strncasecmp(authority, host->value, host->value_len) == 0 &&
               is_literal_host(host->value, host->value_len);
}

bool origin_check(struct request *request)
{
        const struct header *origin = request_header(request, "Origin");
        bool safe = request->method == METHOD_GET || request->method == METHOD_HEAD ||
                    request->method == METHOD_OPTIONS;

        if (!origin)
                return true;
        if (origin->value_len < sizeof request->origin_text) {
                memcpy(request->origin_text, origin->value, origin->value_len);
                request->origin_text[origin->value_len] = '\0';
                if (is_listed(&request_config(request)->server.allowed_origins,
                              request->origin_text) ||
                    is_own(request, request->origin_text))
                        request->origin = request->origin_text;
        }
        if (!request->origin && !safe) {
                problem_set(request, PROBLEM_ORIGIN,
                            "pages of that origin may not do this; see server.allowed_origins");
                return false;
        }
        if (request->origin && request->method == METHOD_OPTIONS &&
            request_header(request, "Access-Control-Request-Method")) {
                request->preflight = true;
                request_reply_empty(request, 204);
        }
        return true;
}
