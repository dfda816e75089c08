/* SPDX-License-Identifier: Apache-2.0 */
#include "http/headers.h"

#include "config/values.h"
#include "http/limits.h"
#include "http/request.h"
#include "release/snapshot.h"

#include <microhttpd.h>
#include <stdio.h>

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
        if (value)
                (void) MHD_add_response_header(response, name, value);
}

static void add_cors(struct MHD_Response *response, const struct request *request)
{
        if (!request_header(request, "Origin"))
                return;
        add_header(response, "Vary", "Origin");
        if (!request->origin)
                return;
        add_header(response, "Access-Control-Allow-Origin", request->origin);
        if (request->preflight) {
                add_header(response, "Access-Control-Allow-Methods", "GET, POST, PUT, DELETE");
                add_header(response, "Access-Control-Allow-Headers",
                           "Authorization, Content-Type, Idempotency-Key, X-Ragd-Session, "
                           "X-Ragd-User, X-Request-Id");
                add_header(response, "Access-Control-Max-Age", "600");
        } else {
                add_header(response, "Access-Control-Expose-Headers",
                           "Location, Ragd-Release, Ragd-Stage, RateLimit, RateLimit-Policy, "
                           "Retry-After, WWW-Authenticate, X-Request-Id");
        }
}

/* RFC 6750, section 3: the error is named where a key was sent. */
static void add_challenge(struct MHD_Response *response, const struct request *request)
{
        add_header(response, "WWW-Authenticate",
                   request_header(request, "Authorization")
                           ? "Bearer realm=\"ragd\", error=\"invalid_token\""
                           : "Bearer realm=\"ragd\"");
}

static void add_limits(struct MHD_Response *response, const struct request *request)
{
        char policies[LIMITS_TEXT_SIZE], states[LIMITS_TEXT_SIZE];

        if (!limits_format(&request->verdict, policies, states))
                return;
        add_header(response, "RateLimit-Policy", policies);
        add_header(response, "RateLimit", states);
}

void headers_add(struct MHD_Response *response, const struct request *request, bool closes)
{
        const struct reply *reply = &request->reply;
        char number[16];

        add_header(response, "Server", "ragd");
        add_header(response, "X-Request-Id", request->id);
        add_header(response, "Ragd-Stage", stage_name(request_config(request)->stage));
        (void) snprintf(number, sizeof number, "%u", request->snapshot->release);
        add_header(response, "Ragd-Release", number);
        add_header(response, "X-Content-Type-Options", "nosniff");
        if (reply->body_len || reply->stream)
                add_header(response, "Content-Type", reply->content_type);
        if (reply->stream)
                add_header(response, "Cache-Control", "no-store");
        add_header(response, "Location", reply->location);
        add_header(response, "Allow", reply->status == 405 || reply->status == 204 ? reply->allow
                                                                                  : NULL);
        if (reply->replayed)
                add_header(response, "Idempotency-Replayed", "true");
        if (reply->retry_after_seconds) {
                (void) snprintf(number, sizeof number, "%u", reply->retry_after_seconds);
                add_header(response, "Retry-After", number);
        }
        if (reply->status == 401)
                add_challenge(response, request);
        add_limits(response, request);
        if (closes)
                add_header(response, "Connection", "close");
        add_cors(response, request);
}
