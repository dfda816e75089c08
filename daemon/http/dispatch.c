/* SPDX-License-Identifier: Apache-2.0 */
#include "http/dispatch.h"

#include "answer/answer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "http/caller.h"
#include "http/idempotent.h"
#include "http/note.h"
#include "http/origin.h"
#include "http/reject.h"
#include "http/routes.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PIECE_BYTES ((size_t) 64 * 1024)

/* ---- The head -------------------------------------------------------------------------- */

static bool is_sane_id(const struct header *header)
{
        for (size_t i = 0; i < header->value_len; i++) {
                char c = header->value[i];

                if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                      (c && strchr("-._", c))))
                        return false;
        }
        return header->value_len >= 1 && header->value_len <= REQUEST_ID_MAX;
}

static void set_id(struct request *request)
{
        const struct header *given = request_header(request, "X-Request-Id");

        if (given && is_sane_id(given)) {
                memcpy(request->id, given->value, given->value_len);
                request->id[given->value_len] = '\0';
                return;
        }
        (void) id_format(id_random(), request->id);
}

/* Each name of the query must be one that the route knows. */
static bool check_query(struct request *request)
{
        const char *known = request->route->query;
        const char *at = request->query;

        while (at && *at) {
                size_t whole = strcspn(at, "&"), len = strcspn(at, "=&");
                const char *name = known;

                while (*name) {
                        size_t name_len = strcspn(name, ",");

                        if (name_len == len && strncmp(name, at, len) == 0)
                                break;
                        name += name_len + (name[name_len] == ',');
                }
                if (!*name) {
                        problem_set(request, PROBLEM_BAD_REQUEST,
                                    "unknown query parameter \"%.*s\"; known here: %s",
                                    (int) (len < 64 ? len : 64), at, *known ? known : "none");
                        return false;
                }
                at += whole + (at[whole] == '&');
        }
        return true;
}

static bool check_media_type(struct request *request)
{
        const struct header *type = request_header(request, "Content-Type");

        switch (request->route->body) {
        case BODY_JSON:
                if (!type || request_is_type(request, "application/json"))
                        return true;
                problem_set(request, PROBLEM_MEDIA_TYPE, "send Content-Type: application/json");
                return false;
        case BODY_LINES:
                if (!type || request_is_type(request, "application/x-ndjson") ||
                    request_is_type(request, "application/jsonl") ||
                    request_is_type(request, "application/json"))
                        return true;
                problem_set(request, PROBLEM_MEDIA_TYPE, "send Content-Type: application/x-ndjson");
                return false;
        case BODY_SEARCH:
                if (!type || request_is_type(request, "application/json") ||
                    request_is_type(request, "application/octet-stream"))
                        return true;
                problem_set(request, PROBLEM_MEDIA_TYPE,
                            "send Content-Type: application/json, or application/octet-stream "
                            "for a vector of little-endian float32");
                return false;
        case BODY_DOCUMENT: /* the handler knows what can be read */
        case BODY_NONE:
        default:
                return true;
        }
}

static bool too_large(struct request *request, uint64_t bytes)
{
        if (request->route->body == BODY_LINES || bytes <= request_max_body(request))
                return false;
        problem_set(request, PROBLEM_TOO_LARGE, "the body may have %zu bytes (server.max_body_kb)",
                    request_max_body(request));
        return true;
}

/* `r`: what route_find() said. */
static void route(struct request *request, int r)
{
        const struct header *length = request_header(request, "Content-Length");

        if (r == -ENOENT)
                problem_set(request, PROBLEM_NO_ROUTE, "see /openapi.json for what there is");
        else if (r == -ENOTSUP && request->method == METHOD_OPTIONS)
                request_reply_empty(request, 204);
        else if (r == -ENOTSUP)
                problem_set(request, PROBLEM_METHOD, "it takes %s", request->reply.allow);
        else if (r < 0)
                problem_set(request, PROBLEM_BAD_REQUEST, "the path is not valid");
        else if (atomic_load(&request->door->draining) && !(request->route->flags & ROUTE_ALWAYS))
                problem_set(request, PROBLEM_DRAINING, "it takes no new requests");
        else if (!caller_may(request) || !check_query(request) || !check_media_type(request))
                return;
        else if (length && too_large(request, strtoull(length->value, NULL, 10)))
                return;
        else if (request->route->flags & ROUTE_KEY)
                idempotent_begin(request);
}

void dispatch_head(struct request *request)
{
        int found;

        request->method = method_from_name(request->method_text);
        set_id(request);
        request_pin(request);
        if (reject_head(request)) {
                metrics_add(request->door->services.metrics, METRIC_HTTP_REFUSED, 0, 0, 1);
                return;
        }
        if (!origin_check(request) || request_settled(request))
                return;
        if (strcmp(request->target, "*") == 0) {
                request_reply_empty(request, 204);
                return;
        }
        found = route_find(request);
        if (caller_admit(request))
                route(request, found);
}

/* ---- The body -------------------------------------------------------------------------- */

void dispatch_take(struct request *request, const char *bytes, size_t len)
{
        request->body_total += len;
        if (request_settled(request))
                return;
        if (too_large(request, request->body_total) || !caller_take_bytes(request, len)) {
                buf_done(&request->body);
                return;
        }
        if (request->route->body == BODY_NONE)
                return;
        buf_append(&request->body, bytes, len);
        if (buf_failed(&request->body)) {
                buf_done(&request->body);
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
        }
}

bool dispatch_wants_piece(const struct request *request)
{
        return !request_settled(request) && request->route->lines &&
               request->body.len >= PIECE_BYTES;
}

/* Before the first thing that a request changes.  False: the problem is set. */
static bool begin_change(struct request *request)
{
        if (!(request->route->flags & ROUTE_CHANGE) || request->carried)
                return true;
        if (!note_may_change(request) ||
            ((request->route->flags & ROUTE_ADMIN) && !note_begin(request)))
                return false;
        request->carried = true;
        return true;
}

void dispatch_piece(struct request *request)
{
        if (!idempotent_claim_lines(request) || request_settled(request))
                return;
        idempotent_hash(request, request->body.data, request->body.len);
        if (!idempotent_is_replay(request)) {
                if (!request->work && begin_change(request))
                        request->route->lines->open(request);
                if (!request_settled(request))
                        request->route->lines->feed(request);
        }
        buf_clear(&request->body);
}

bool dispatch_is_inline(const struct request *request)
{
        if (request_settled(request))
                return true;
        if ((request->route->flags & ROUTE_REMOTE) && answer_waits(request->snapshot->answer))
                return false;
        return request->route->flags & ROUTE_INLINE;
}

static void end(struct request *request)
{
        if (!request_settled(request))
                problem_set(request, PROBLEM_INTERNAL, "no answer");
        idempotent_end(request);
}

void dispatch_finish(struct request *request)
{
        if (request_settled(request)) {
                idempotent_end(request);
                return;
        }
        if (request->route->lines) {
                dispatch_piece(request);
                if (!request_settled(request) && idempotent_is_replay(request))
                        idempotent_replay_lines(request);
        } else {
                idempotent_hash(request, request->body.data, request->body.len);
                (void) idempotent_claim(request);
        }
        if (!request_settled(request) && begin_change(request))
                request->route->run(request);
        if (!dispatch_is_later(request))
                end(request);
}

bool dispatch_is_later(const struct request *request)
{
        return request->later.resume && !request_settled(request);
}

void dispatch_resume(struct request *request, int why)
{
        request->later.resume(request, why);
        end(request);
}

void dispatch_done(struct request *request)
{
        idempotent_abandon(request);
        note_leave(request);
        if (request->route && request->route->lines)
                request->route->lines->close(request);
        request_done(request);
}

void dispatch_account(const struct request *request, uint64_t now_usec)
{
        struct metrics *metrics = request->door->services.metrics;
        size_t row = route_index(request->route);
        size_t status = (size_t) (request->reply.status / 100 - 1);

        metrics_add(metrics, METRIC_HTTP_REQUESTS, row, status <= METRIC_5XX ? status : METRIC_5XX,
                    1);
        metrics_observe(metrics, METRIC_HTTP_SECONDS, row, 0, now_usec - request->started_usec);
        if (request->reply.status == 401)
                metrics_add(metrics, METRIC_HTTP_UNAUTHENTICATED, 0, 0, 1);
        else if (request->reply.status == 403)
                metrics_add(metrics, METRIC_HTTP_FORBIDDEN, 0, 0, 1);
        else if (request->reply.status == 429)
                metrics_add(metrics, METRIC_HTTP_LIMITED, 0, 0, 1);
        if (request->body_total)
                metrics_add(metrics, METRIC_HTTP_RECEIVED_BYTES, 0, 0, request->body_total);
        if (request->reply.body_len)
                metrics_add(metrics, METRIC_HTTP_SENT_BYTES, 0, 0, request->reply.body_len);
}
