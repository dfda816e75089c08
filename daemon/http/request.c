/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/enum.h"
#include "base/json.h"
#include "base/text.h"
#include "config/values.h"
#include "http/stream.h"
#include "release/snapshot.h"

#include <ctype.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Cursors are opaque: this prefix, then the last item, in base64url. */
#define CURSOR_PREFIX "1:"

static const char *const method_names[METHOD_MAX] = {
        [METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD",     [METHOD_POST] = "POST",
        [METHOD_PUT] = "PUT", [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS",
};
DEFINE_ENUM_NAMES(method, enum method)

void request_done(struct request *request)
{
        free(request->target);
        free(request->path);
        free(request->hash);
        free(request->reply.body);
        free(request->reply.location);
        (void) stream_unref(request->reply.stream);
        buf_done(&request->body);
        json_object_put(request->details);
        request->entry = tenant_leave(request->entry);
        request->principal = principal_unref(request->principal);
        request->shadow = snapshot_unref(request->shadow);
        request->snapshot = snapshot_unref(request->snapshot);
}

const struct header *request_header(const struct request *request, const char *name)
{
        size_t len = strlen(name);

        for (size_t i = 0; i < request->n_headers; i++)
                if (request->headers[i].name_len == len &&
                    strncasecmp(request->headers[i].name, name, len) == 0)
                        return &request->headers[i];
        return NULL;
}

bool request_is_type(const struct request *request, const char *mime)
{
        const struct header *type = request_header(request, "Content-Type");
        size_t len = strlen(mime);

        if (!type || type->value_len < len || strncasecmp(type->value, mime, len) != 0)
                return false;
        return type->value_len == len || strchr("; \t", type->value[len]) != NULL;
}

/* ---- Queries and pages --------------------------------------------------------------- */

static int hex_digit(char c)
{
        return c >= '0' && c <= '9' ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

int percent_decode(char *text, size_t *ret_len)
{
        char *out = text;

        for (const char *in = text; *in; in++) {
                int high, low;

                if (*in != '%') {
                        *out++ = *in;
                        continue;
                }
                high = hex_digit(in[1]);
                low = high < 0 ? -1 : hex_digit(in[2]);
                if (low < 0 || (high == 0 && low == 0))
                        return -EINVAL;
                *out++ = (char) (high * 16 + low);
                in += 2;
        }
        *out = '\0';
        *ret_len = (size_t) (out - text);
        return 0;
}

bool is_printable(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) text[i] < 0x20 || text[i] == 0x7f)
                        return false;
        return utf8_valid_prefix(text, len) == len;
}

int request_query(struct request *request, const char *name, char *text, size_t size)
{
        size_t name_len = strlen(name), len;
        const char *at = request->query;

        while (at && *at) {
                size_t whole = strcspn(at, "&");

                if (whole > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=')
                        break;
                at += whole + (at[whole] == '&');
        }
        if (!at || !*at)
                return 0;
        at += name_len + 1;
        len = strcspn(at, "&");
        if (len >= size)
                goto bad;
        memcpy(text, at, len);
        text[len] = '\0';
        for (size_t i = 0; i < len; i++)
                if (text[i] == '+')
                        text[i] = ' ';
        if (percent_decode(text, &len) < 0 || !is_printable(text, len))
                goto bad;
        return 1;
bad:
        problem_set(request, PROBLEM_BAD_REQUEST, "the query parameter \"%s\" is not valid", name);
        return -EINVAL;
}

int request_page(struct request *request, size_t *ret_limit, char *after, size_t size)
{
        const size_t prefix = strlen(CURSOR_PREFIX);
        char text[1024], decoded[1024];
        size_t len;
        int r;

        *ret_limit = REQUEST_LIMIT_DEFAULT;
        after[0] = '\0';
        r = request_query(request, "limit", text, sizeof text);
        if (r < 0)
                return r;
        if (r > 0) {
                char *end = text;
                long limit = isdigit((unsigned char) text[0]) ? strtol(text, &end, 10) : 0;

                if (*end || limit < 1 || limit > REQUEST_LIMIT_MAX) {
                        problem_set(request, PROBLEM_BAD_REQUEST,
                                    "limit must be a whole number from 1 to %d",
                                    REQUEST_LIMIT_MAX);
                        return -EINVAL;
                }
                *ret_limit = (size_t) limit;
        }
        r = request_query(request, "cursor", text, sizeof text);
        if (r <= 0)
                return r;
        if (sodium_base642bin((unsigned char *) decoded, sizeof decoded - 1, text, strlen(text),
                              NULL, &len, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
            len <= prefix || memcmp(decoded, CURSOR_PREFIX, prefix) != 0 || len - prefix >= size ||
            !is_printable(decoded, len)) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "the cursor is not one that this server gave out");
                return -EINVAL;
        }
        memcpy(after, decoded + prefix, len - prefix);
        after[len - prefix] = '\0';
        return 0;
}

static char *make_cursor(const char *last)
{
        size_t len = strlen(CURSOR_PREFIX) + strlen(last);
        size_t size = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        cleanup_free_ char *plain = malloc(len + 1);
        char *text = malloc(size);

        if (!plain || !text) {
                free(text);
                return NULL;
        }
        (void) snprintf(plain, len + 1, "%s%s", CURSOR_PREFIX, last);
        return sodium_bin2base64(text, size, (const unsigned char *) plain, len,
                                 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void request_reply_page(struct request *request, const char *member,
                        struct json_object *takes_array, const char *last)
{
        cleanup_json_ struct json_object *array = takes_array;
        cleanup_json_ struct json_object *page = json_object_new_object();
        cleanup_free_ char *cursor = last ? make_cursor(last) : NULL;

        if (!array || !page || (last && !cursor)) {
                request_reply_json(request, 200, NULL);
                return;
        }
        json_add(page, member, take_ptr(array));
        json_add_string(page, "next_cursor", cursor);
        request_reply_json(request, 200, take_ptr(page));
}

/* ---- Bodies and replies ---------------------------------------------------------------- */

int request_json(struct request *request, struct json_object **ret)
{
        cleanup_json_ struct json_object *object = NULL;
        struct error error = { 0 };
        int r = json_parse(buf_text(&request->body), request->body.len, &object, &error);

        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return r;
        }
        if (!json_object_is_type(object, json_type_object)) {
                problem_set(request, PROBLEM_INVALID, "the body must be a JSON object");
                return -EINVAL;
        }
        *ret = take_ptr(object);
        return 0;
}

int request_check_time(void *data)
{
        const struct request *request = data;
        uint64_t patience = request_config(request)->server.request_timeout_seconds * USEC_PER_SEC;

        return clock_monotonic_usec() - request->started_usec > patience ? -ETIME : 0;
}

uint64_t request_deadline(const struct request *request)
{
        uint64_t patience = request_config(request)->server.request_timeout_seconds * USEC_PER_SEC;

        return request->started_usec + patience - patience / 16;
}

bool request_later(struct request *request, void (*resume)(struct request *request, int why),
                   void *data)
{
        if (!request->later.wake)
                return false;
        request->later.resume = resume;
        request->later.data = data;
        return true;
}

void request_wake(struct request *request)
{
        request->later.wake(request->later.wake_data);
}

void request_reply_text(struct request *request, int status, const char *content_type,
                        char *takes_body, size_t len)
{
        if (!takes_body) {
                struct error error = { 0 };

                (void) error_oom(&error);
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        free(request->reply.body);
        request->reply.body = takes_body;
        request->reply.body_len = len;
        request->reply.content_type = content_type;
        request->reply.status = status;
}

void request_reply_json(struct request *request, int status, struct json_object *takes_object)
{
        cleanup_json_ struct json_object *object = takes_object;
        size_t len = 0;
        const char *text = object ? json_text(object, &len) : NULL;
        char *copy = text ? malloc(len + 1) : NULL;

        if (copy)
                memcpy(copy, text, len + 1);
        request_reply_text(request, status, "application/json", copy, len);
}

void request_reply_empty(struct request *request, int status)
{
        request->reply.status = status;
}

void request_set_location(struct request *request, const char *format, ...)
{
        va_list arguments;

        free(request->reply.location);
        va_start(arguments, format);
        if (vasprintf(&request->reply.location, format, arguments) < 0)
                request->reply.location = NULL;
        va_end(arguments);
}
