/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/line.h"

#include "base/clock.h"
#include "base/enum.h"
#include "base/json.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ELLIPSIS "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd"
#define DETAILS_DEPTH_MAX 16

static const char *const audit_outcome_names[AUDIT_OUTCOME_MAX] = {
        [AUDIT_OK] = "ok",
        [AUDIT_BEGUN] = "begun",
        [AUDIT_DENIED] = "denied",
        [AUDIT_FAILED] = "failed",
};
DEFINE_ENUM_NAMES(audit_outcome, enum audit_outcome)

/* ---- Strings -------------------------------------------------------------------------------- */

/* What ends a line, steers a terminal, or turns the direction of writing. */
static bool is_hidden(uint32_t c)
{
        return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || (c >= 0x200e && c <= 0x200f) ||
               (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* One character as it stands in a line; the bytes of it. */
static size_t escape_one(const char *at, size_t bytes, char ret[static 8])
{
        size_t len;
        uint32_t c;

        if (bytes == 0) {
                memcpy(ret, REPLACEMENT, 3);
                return 3;
        }
        c = utf8_character(at, bytes, &len);
        if (is_hidden(c))
                return (size_t) snprintf(ret, 8, "\\u%04" PRIx32, c);
        if (c == '"' || c == '\\') {
                ret[0] = '\\';
                ret[1] = (char) c;
                return 2;
        }
        memcpy(ret, at, bytes);
        return bytes;
}

static void escape_bytes(struct buf *buf, const char *text, size_t len, size_t max)
{
        const size_t room = max - strlen(ELLIPSIS);
        size_t used = 0, held = 0; /* `held` bytes may yet have to give way to the ellipsis */

        for (size_t at = 0, bytes; at < len; at += bytes > 0 ? bytes : 1) {
                char one[8];
                size_t n;

                bytes = utf8_character_bytes(text + at, len - at);
                n = escape_one(text + at, bytes, one);
                if (used + held + n > max) {
                        buf->len -= buf->failed ? 0 : held;
                        buf_append_text(buf, ELLIPSIS);
                        return;
                }
                buf_append(buf, one, n);
                if (held > 0 || used + n > room)
                        held += n;
                else
                        used += n;
        }
}

void line_escape(struct buf *buf, const char *text, size_t max)
{
        escape_bytes(buf, text, strlen(text), max);
}

/* ---- Details -------------------------------------------------------------------------------- */

/* As json-c would write it, with strings by the rule of this file. */
static void append_value(struct buf *buf, struct json_object *value, unsigned depth);

static void append_string(struct buf *buf, const char *text, size_t len)
{
        buf_append_char(buf, '"');
        escape_bytes(buf, text, len, LINE_BYTES_MAX);
        buf_append_char(buf, '"');
}

static void append_object(struct buf *buf, struct json_object *object, unsigned depth)
{
        const char *between = "";

        buf_append_char(buf, '{');
        json_object_object_foreach(object, key, value)
        {
                buf_append_text(buf, between);
                append_string(buf, key, strlen(key));
                buf_append_char(buf, ':');
                append_value(buf, value, depth + 1);
                between = ",";
        }
        buf_append_char(buf, '}');
}

static void append_array(struct buf *buf, struct json_object *array, unsigned depth)
{
        size_t n = json_object_array_length(array);

        buf_append_char(buf, '[');
        for (size_t i = 0; i < n && buf->len <= LINE_BYTES_MAX; i++) {
                if (i > 0)
                        buf_append_char(buf, ',');
                append_value(buf, json_object_array_get_idx(array, i), depth + 1);
        }
        buf_append_char(buf, ']');
}

static void append_value(struct buf *buf, struct json_object *value, unsigned depth)
{
        if (depth > DETAILS_DEPTH_MAX || buf->len > LINE_BYTES_MAX) {
                buf_append_text(buf, "null");
                return;
        }
        switch (json_object_get_type(value)) {
        case json_type_object:
                append_object(buf, value, depth);
                break;
        case json_type_array:
                append_array(buf, value, depth);
                break;
        case json_type_string:
                append_string(buf, json_object_get_string(value),
                              (size_t) json_object_get_string_len(value));
                break;
        case json_type_double:
                buf_append_text(buf, isfinite(json_object_get_double(value))
                                             ? json_object_get_string(value)
                                             : "null");
                break;
        default: /* null, a boolean, a number */
                buf_append_text(buf, value ? json_object_get_string(value) : "null");
        }
}

/* What stands around a body, at most: the braces, the number, the time, `prev` and `mac`. */
#define FRAME_BYTES (20 + LINE_TIME_SIZE + 2 * CHAIN_HEX_SIZE + 64)

static void append_details(struct buf *buf, struct json_object *details)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;

        append_value(&text, details, 0);
        buf_append_text(buf, ",\"details\":");
        if (!text.failed && buf->len + text.len + FRAME_BYTES <= LINE_BYTES_MAX)
                buf_append(buf, buf_text(&text), text.len);
        else
                buf_append_format(buf, "{\"cut\":%zu}", text.len);
        buf->failed |= text.failed;
}

/* ---- A line is made ------------------------------------------------------------------------- */

static void append_member(struct buf *buf, const char *name, const char *text, size_t max)
{
        if (!text)
                return;
        buf_append_format(buf, ",\"%s\":\"", name);
        line_escape(buf, text, max);
        buf_append_char(buf, '"');
}

static void append_u64(struct buf *buf, const char *name, uint64_t value)
{
        if (value > 0)
                buf_append_format(buf, ",\"%s\":%" PRIu64, name, value);
}

int line_body(const char *stage, const struct audit_event *event, struct buf *ret,
              struct error *reterr)
{
        const char *outcome = audit_outcome_name(event->outcome);

        buf_clear(ret);
        buf_append_text(ret, "\"stage\":\"");
        line_escape(ret, stage, 64);
        buf_append_text(ret, "\"");
        append_member(ret, "action", event->action ? event->action : "", LINE_ACTION_MAX);
        append_member(ret, "outcome", outcome ? outcome : "failed", 16);
        append_member(ret, "code", event->code, 128);
        append_u64(ret, "status", event->status > 0 ? (uint64_t) event->status : 0);
        append_member(ret, "object", event->object, LINE_OBJECT_MAX);
        append_member(ret, "tenant", event->tenant, LINE_TENANT_MAX);
        append_member(ret, "key", event->key, LINE_KEY_MAX);
        append_member(ret, "user", event->user, LINE_USER_MAX);
        append_member(ret, "listener", event->listener, 256);
        append_member(ret, "address", event->address, 128);
        if (event->has_peer)
                buf_append_format(ret, ",\"uid\":%ju,\"pid\":%jd", (uintmax_t) event->uid,
                                  (intmax_t) event->pid);
        append_member(ret, "request_id", event->request_id, LINE_REQUEST_ID_MAX);
        append_u64(ret, "release", event->release);
        append_u64(ret, "repeated", event->repeated);
        if (event->details)
                append_details(ret, event->details);
        return buf_failed(ret) ? error_oom(reterr) : 0;
}

static void format_time(uint64_t wall_usec, char ret[static LINE_TIME_SIZE + 8])
{
        time_t seconds = (time_t) (wall_usec / USEC_PER_SEC);
        struct tm tm = { .tm_mday = 1 };
        size_t len;

        (void) gmtime_r(&seconds, &tm);
        len = strftime(ret, LINE_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
        (void) snprintf(ret + len, LINE_TIME_SIZE + 8 - len, ".%06uZ",
                        (unsigned) (wall_usec % USEC_PER_SEC));
}

void line_append(struct buf *buf, const struct chain *chain, uint64_t wall_usec, const char *body,
                 size_t body_len)
{
        size_t begin = buf->len;
        char time[LINE_TIME_SIZE + 8], mac[CHAIN_HEX_SIZE];

        format_time(wall_usec, time);
        buf_append_format(buf, "{\"seq\":%" PRIu64 ",\"time\":\"%s\",", chain->seq + 1, time);
        buf_append(buf, body, body_len);
        buf_append_format(buf, ",\"prev\":\"%s\"", chain->digest);
        if (buf_failed(buf))
                return;
        chain_mac(chain, buf->data + begin, buf->len - begin, mac);
        buf_append_format(buf, ",\"mac\":\"%s\"}\n", mac);
}
