/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/request.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DAY_USEC (UINT64_C(86400) * USEC_PER_SEC)
/* Registered by draft-ietf-httpapi-ratelimit-headers-10, section 8. */
#define TYPE_QUOTA_EXCEEDED "https://iana.org/assignments/http-problem-types#quota-exceeded"

#define ROW(status_, code_, title_, ...) \
        { .status = (status_), .code = (code_), .title = (title_), __VA_ARGS__ }

#define DENIED(...) ROW(__VA_ARGS__, .denied = true)

static const struct problem_row rows[PROBLEM_MAX] = {
        [PROBLEM_BAD_REQUEST] = ROW(400, "invalid-request", "The request is not valid"),
        [PROBLEM_REFUSED_HEAD] =
                DENIED(400, "malformed-request",
                    "The request's head is malformed or ambiguous"),
        [PROBLEM_MALFORMED_JSON] = ROW(400, "malformed-json", "The body is not valid JSON"),
        [PROBLEM_INVALID_ENCODING] = ROW(400, "invalid-encoding", "The text is not valid UTF-8"),
        [PROBLEM_MISSING_KEY] = DENIED(401, "missing-key", "A key is needed"),
        [PROBLEM_INVALID_KEY] = DENIED(401, "invalid-key", "The key is not valid"),
        [PROBLEM_EXPIRED_KEY] = DENIED(401, "expired-key", "The key has expired"),
        [PROBLEM_WRONG_STAGE] = DENIED(401, "wrong-stage", "The key belongs to another stage"),
        [PROBLEM_ORIGIN] = DENIED(403, "origin-refused", "This web origin may not do that"),
        [PROBLEM_FORBIDDEN] = DENIED(403, "forbidden", "Not allowed"),
        [PROBLEM_MISSING_SCOPE] = DENIED(403, "missing-scope", "The key may not do this"),
        [PROBLEM_OTHER_COLLECTIONS] =
                DENIED(403, "collection-refused", "The key is for other collections"),
        [PROBLEM_SUSPENDED] = DENIED(403, "tenant-suspended", "The tenant is suspended"),
        [PROBLEM_QUOTA] = DENIED(403, "quota-exceeded", "The tenant's quota does not hold that"),
        [PROBLEM_NOT_FOUND] = ROW(404, "not-found", "There is no such thing"),
        [PROBLEM_NO_ROUTE] = ROW(404, "unknown-path", "No such path in this API"),
        [PROBLEM_METHOD] = ROW(405, "method-not-allowed", "This path does not take that method"),
        [PROBLEM_EXISTS] = ROW(409, "already-exists", "It exists already"),
        [PROBLEM_CONFLICT] = ROW(409, "conflict", "Its present state does not allow that"),
        [PROBLEM_MISMATCH] =
                ROW(409, "fingerprint-mismatch",
                    "The collection was built under another configuration"),
        [PROBLEM_IN_PROGRESS] =
                ROW(409, "in-progress",
                    "A request with this Idempotency-Key is being carried out",
                    .retry_after_seconds = 1),
        [PROBLEM_TOO_LARGE] = ROW(413, "too-large", "The request is too large"),
        [PROBLEM_MEDIA_TYPE] = ROW(415, "unsupported-media-type", "That media type is not read"),
        [PROBLEM_EXPECTATION] = ROW(417, "expectation-failed", "Only 100-continue can be expected"),
        [PROBLEM_INVALID] = ROW(422, "invalid-value", "The body says something that can't be"),
        [PROBLEM_KEY_REUSED] =
                ROW(422, "idempotency-key-reused",
                    "The Idempotency-Key was used with another request"),
        [PROBLEM_TOO_MANY_HEADERS] =
                DENIED(431, "too-many-headers",
                    "The request has too many headers"),
        [PROBLEM_TOO_MANY] =
                DENIED(429, "too-many-requests",
                    "Too many requests at once", .retry_after_seconds = 1),
        [PROBLEM_RATE] =
                DENIED(429, "rate-limited",
                    "Too many requests in too short a time", .type = TYPE_QUOTA_EXCEEDED),
        [PROBLEM_OPERATIONS] =
                DENIED(429, "too-many-operations",
                    "Too many requests of the tenant at once", .retry_after_seconds = 1),
        [PROBLEM_DAY] =
                DENIED(429, "day-quota-exceeded",
                    "What the tenant may use in a day is used up", .type = TYPE_QUOTA_EXCEEDED),
        [PROBLEM_BUDGET] =
                DENIED(429, "budget-spent",
                    "The budget for calls to providers is spent", .retry_after_seconds = 3600),
        [PROBLEM_INTERNAL] =
                ROW(500, "internal-error",
                    "Something went wrong in the server", .secret = true),
        [PROBLEM_TRANSFER_ENCODING] =
                ROW(501, "unsupported-transfer-encoding",
                    "Only the transfer encoding chunked is read"),
        [PROBLEM_UNAVAILABLE] =
                ROW(503, "unavailable",
                    "Not possible at the moment", .secret = true, .retry_after_seconds = 5),
        [PROBLEM_WAKING] =
                ROW(503, "tenant-waking",
                    "The tenant is being brought back", .retry_after_seconds = 1),
        [PROBLEM_AUDIT] =
                ROW(503, "audit-unavailable",
                    "Nothing is changed that can't be recorded", .secret = true,
                    .retry_after_seconds = 5),
        [PROBLEM_PROVIDER] =
                ROW(503, "provider-unavailable",
                    "No provider can answer at the moment", .retry_after_seconds = 5),
        [PROBLEM_STORAGE] =
                ROW(503, "storage-failed",
                    "The storage does not answer as it should", .secret = true,
                    .retry_after_seconds = 10),
        [PROBLEM_DAMAGED] =
                ROW(503, "damaged",
                    "Stored data is damaged and was taken out of service", .secret = true,
                    .retry_after_seconds = 60),
        [PROBLEM_DEADLINE] =
                ROW(503, "deadline-exceeded",
                    "It takes longer than server.request_timeout_seconds",
                    .retry_after_seconds = 1),
        [PROBLEM_DRAINING] =
                ROW(503, "shutting-down",
                    "The server is shutting down", .retry_after_seconds = 5),
        [PROBLEM_FULL] =
                ROW(507, "storage-full",
                    "There is no room left for more data", .secret = true),
        [PROBLEM_AUDIT_FULL] =
                ROW(507, "audit-full",
                    "There is no room left to record changes", .secret = true),
};

static const struct {
        int code;
        enum problem problem;
} errnos[] = {
        { -EINVAL, PROBLEM_BAD_REQUEST },  { -ERANGE, PROBLEM_BAD_REQUEST },
        { -EILSEQ, PROBLEM_INVALID_ENCODING }, { -ENOENT, PROBLEM_NOT_FOUND },
        { -EEXIST, PROBLEM_EXISTS },       { -EALREADY, PROBLEM_CONFLICT },
        { -EBUSY, PROBLEM_CONFLICT },      { -EPERM, PROBLEM_CONFLICT },
        { -ESTALE, PROBLEM_MISMATCH },     { -EINPROGRESS, PROBLEM_IN_PROGRESS },
        { -EACCES, PROBLEM_FORBIDDEN },    { -E2BIG, PROBLEM_TOO_LARGE },
        { -EFBIG, PROBLEM_TOO_LARGE },     { -EMEDIUMTYPE, PROBLEM_MEDIA_TYPE },
        { -EAGAIN, PROBLEM_TOO_MANY },     { -ENOSPC, PROBLEM_FULL },
        { -EDQUOT, PROBLEM_FULL },         { -EBADMSG, PROBLEM_DAMAGED },
        { -EIO, PROBLEM_STORAGE },         { -EROFS, PROBLEM_STORAGE },
        { -ENOMEM, PROBLEM_UNAVAILABLE },  { -EMFILE, PROBLEM_UNAVAILABLE },
        { -ENFILE, PROBLEM_UNAVAILABLE },  { -ETIMEDOUT, PROBLEM_UNAVAILABLE },
        { -ECONNREFUSED, PROBLEM_UNAVAILABLE }, { -EHOSTUNREACH, PROBLEM_PROVIDER },
        { -ECONNRESET, PROBLEM_PROVIDER }, { -EREMOTEIO, PROBLEM_PROVIDER },
        { -EPROTO, PROBLEM_PROVIDER },     { -EKEYREJECTED, PROBLEM_PROVIDER },
        { -ENXIO, PROBLEM_PROVIDER },
        { -ETIME, PROBLEM_DEADLINE },      { -ESHUTDOWN, PROBLEM_DRAINING },
        { -ECANCELED, PROBLEM_DRAINING },
};

const struct problem_row *problem_row(enum problem problem)
{
        return &rows[problem];
}

enum problem problem_from_error(int code, bool has_pointer, enum problem_origin origin)
{
        if (code == -EDQUOT && origin == PROBLEM_FROM_ANSWER)
                return PROBLEM_BUDGET;
        if (code == -ETIMEDOUT && origin == PROBLEM_FROM_ANSWER)
                return PROBLEM_PROVIDER;
        if (code == -EBADMSG && origin == PROBLEM_FROM_BODY)
                return PROBLEM_MALFORMED_JSON;
        if ((code == -EINVAL || code == -ERANGE) && has_pointer)
                return PROBLEM_INVALID;
        for (size_t i = 0; i < ELEMENTSOF(errnos); i++)
                if (errnos[i].code == code)
                        return errnos[i].problem;
        return PROBLEM_INTERNAL;
}

static void add_member(struct buf *out, const char *name, const char *value)
{
        buf_append_format(out, ",\"%s\":", name);
        buf_append_json_string(out, value, strlen(value));
}

/* Members of the registered type, and the wait as exactly as it is known. */
static void add_limit(struct buf *out, const struct reply *reply)
{
        if (!reply->violated)
                return;
        buf_append_format(out, ",\"violated-policies\":[\"%s\"]", reply->violated);
        if (reply->wait_usec != UINT64_MAX)
                buf_append_format(out, ",\"retry_after_ms\":%" PRIu64,
                                  (reply->wait_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC);
}

char *problem_text(const struct request *request, enum problem problem, const char *detail,
                   const char *pointer, size_t *ret_len)
{
        const struct problem_row *row = &rows[problem];
        struct buf out = BUF_EMPTY;

        if (row->type)
                buf_append_format(&out, "{\"type\":\"%s\"", row->type);
        else
                buf_append_format(&out, "{\"type\":\"urn:ragd:problem:%s\"", row->code);
        add_member(&out, "title", row->title);
        buf_append_format(&out, ",\"status\":%d", row->status);
        add_member(&out, "detail", detail);
        if (request->target)
                add_member(&out, "instance", request->target);
        add_member(&out, "code", row->code);
        buf_append_text(&out, ",\"errors\":[");
        if (pointer) {
                struct buf full = BUF_EMPTY;

                buf_append_text(&full, pointer[0] == '/' ? "" : "/");
                buf_append_text(&full, pointer);
                buf_append_text(&out, "{\"pointer\":");
                buf_append_json_string(&out, buf_text(&full), full.len);
                add_member(&out, "detail", detail);
                buf_append_char(&out, '}');
                buf_done(&full);
        }
        buf_append_char(&out, ']');
        add_limit(&out, &request->reply);
        add_member(&out, "request_id", request->id);
        buf_append_char(&out, '}');
        *ret_len = out.len;
        return buf_take(&out);
}

static void settle(struct request *request, enum problem problem, const char *detail,
                   const char *pointer)
{
        const struct problem_row *row = &rows[problem];
        size_t len = 0;
        char *text = problem_text(request, problem, detail, pointer, &len);

        free(request->reply.body);
        request->reply.body = text; /* without memory: the status alone */
        request->reply.body_len = text ? len : 0;
        request->reply.content_type = "application/problem+json";
        request->reply.status = row->status;
        request->reply.code = row->code;
        request->reply.denied = row->denied;
        request->reply.retry_after_seconds = row->retry_after_seconds;
}

void problem_set(struct request *request, enum problem problem, const char *detail, ...)
{
        char text[ERROR_MESSAGE_MAX];
        va_list arguments;

        va_start(arguments, detail);
        (void) vsnprintf(text, sizeof text, detail, arguments);
        va_end(arguments);
        settle(request, problem, text, NULL);
}

void problem_set_limit(struct request *request, enum problem problem, const char *policy,
                       uint64_t wait_usec, const char *detail, ...)
{
        char text[ERROR_MESSAGE_MAX];
        va_list arguments;

        va_start(arguments, detail);
        (void) vsnprintf(text, sizeof text, detail, arguments);
        va_end(arguments);
        request->reply.violated = policy;
        request->reply.wait_usec = wait_usec;
        settle(request, problem, text, NULL);
        if (wait_usec != UINT64_MAX) {
                uint64_t seconds = (wait_usec + USEC_PER_SEC - 1) / USEC_PER_SEC;

                request->reply.retry_after_seconds = seconds ? (uint32_t) seconds : 1;
        }
}

/* A limit of the tenant's own: its name stands in the error's origin (tenant/tenants.h).  Amounts
 * of data do not come back by waiting; those of a day do, at midnight (UTC). */
static bool set_quota(struct request *request, const struct error *error)
{
        enum tenant_limit limit = error->code == -EDQUOT && error->origin.key[0] != '\0'
                                          ? tenant_limit_from_name(error->origin.key)
                                          : TENANT_LIMIT_INVALID;

        if (limit < 0)
                return false;
        if (limit == TENANT_TOKENS_PER_DAY || limit == TENANT_MICROUSD_PER_DAY)
                problem_set_limit(request, PROBLEM_DAY,
                                  limit == TENANT_TOKENS_PER_DAY ? "tokens" : "usd",
                                  DAY_USEC - clock_wall_usec() % DAY_USEC, "%s",
                                  error_text(error));
        else
                problem_set_limit(request, PROBLEM_QUOTA, tenant_limits[limit].name, UINT64_MAX,
                                  "%s", error_text(error));
        return true;
}

void problem_set_error(struct request *request, const struct error *error,
                       enum problem_origin origin)
{
        const char *pointer = error->origin.key[0] != '\0' ? error->origin.key : NULL;
        enum problem problem = problem_from_error(error->code, pointer != NULL, origin);
        const struct problem_row *row = &rows[problem];
        int path_len = (int) strcspn(request->target, "?"); /* what is asked is not logged */

        if (set_quota(request, error))
                return;
        if (!row->secret) {
                settle(request, problem, error_text(error), pointer);
                return;
        }
        log_error("%s %.*s: %s [request %s]", request->method_text, path_len, request->target,
                  error_text(error), request->id);
        settle(request, problem, "The log of the server says more under this request_id.", NULL);
}
