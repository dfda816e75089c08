/* SPDX-License-Identifier: Apache-2.0 */
#include "control/varlink.h"

#include <string.h>

int varlink_find_message(const char *data, size_t len, size_t *scanned, size_t *ret_len)
{
        size_t end = len < VARLINK_MESSAGE_MAX ? len : VARLINK_MESSAGE_MAX;
        const char *zero = *scanned < end ? memchr(data + *scanned, '\0', end - *scanned) : NULL;

        if (zero) {
                *ret_len = (size_t) (zero - data);
                *scanned = 0;
                return 1;
        }
        *scanned = end;
        return end == VARLINK_MESSAGE_MAX ? -EMSGSIZE : 0;
}

static int refuse(struct error *reterr, const char *key, const char *why)
{
        return error_set(reterr, -EBADMSG, "\"%.64s\" %s", key, why);
}

static int read_flag(struct json_object *value, const char *key, bool *ret, struct error *reterr)
{
        if (!json_object_is_type(value, json_type_boolean))
                return refuse(reterr, key, "is not true or false");
        *ret = json_object_get_boolean(value);
        return 0;
}

static int read_name(struct json_object *value, const char *key, const char **ret,
                     struct error *reterr)
{
        if (!json_object_is_type(value, json_type_string))
                return refuse(reterr, key, "is not a string");
        *ret = json_object_get_string(value);
        if (strlen(*ret) != (size_t) json_object_get_string_len(value))
                return refuse(reterr, key, "holds a NUL character");
        return 0;
}

/* null stands for no parameters, as if the key were absent. */
static int read_parameters(struct json_object *value, struct json_object **ret,
                           struct error *reterr)
{
        if (value && !json_object_is_type(value, json_type_object))
                return refuse(reterr, "parameters", "is not an object");
        *ret = value;
        return 0;
}

/* Vendors' own keys contain a dot and mean nothing here. */
static int read_other(const char *key, struct error *reterr)
{
        return strchr(key, '.') ? 0 : refuse(reterr, key, "is no key of a message");
}

static int read_message(const char *text, size_t len, struct json_object **ret,
                        struct error *reterr)
{
        cleanup_json_ struct json_object *message = NULL;
        int r = json_parse(text, len, &message, reterr);

        if (r < 0)
                return r;
        if (!json_object_is_type(message, json_type_object))
                return error_set(reterr, -EBADMSG, "the message is not an object");
        *ret = take_ptr(message);
        return 0;
}

static int read_call_member(struct varlink_call *call, const char *key, struct json_object *value,
                            struct error *reterr)
{
        if (strcmp(key, "method") == 0)
                return read_name(value, key, &call->method, reterr);
        if (strcmp(key, "parameters") == 0)
                return read_parameters(value, &call->parameters, reterr);
        if (strcmp(key, "oneway") == 0)
                return read_flag(value, key, &call->oneway, reterr);
        if (strcmp(key, "more") == 0)
                return read_flag(value, key, &call->more, reterr);
        if (strcmp(key, "upgrade") == 0)
                return read_flag(value, key, &call->upgrade, reterr);
        return read_other(key, reterr);
}

int varlink_parse_call(const char *text, size_t len, struct varlink_call *ret,
                       struct error *reterr)
{
        cleanup_(varlink_call_done) struct varlink_call call = { 0 };
        int r = read_message(text, len, &call.message, reterr);

        if (r < 0)
                return r;
        json_object_object_foreach(call.message, key, value)
        {
                r = read_call_member(&call, key, value, reterr);
                if (r < 0)
                        return r;
        }
        if (!call.method)
                return refuse(reterr, "method", "is missing");
        if (call.oneway + call.more + call.upgrade > 1)
                return error_set(reterr, -EBADMSG, "oneway, more and upgrade exclude each other");

        *ret = call;
        call.message = NULL;
        return 0;
}

void varlink_call_done(struct varlink_call *call)
{
        json_object_put(call->message);
        *call = (struct varlink_call){ 0 };
}

static int read_reply_member(struct varlink_reply *reply, const char *key,
                             struct json_object *value, struct error *reterr)
{
        if (strcmp(key, "error") == 0)
                return value ? read_name(value, key, &reply->error, reterr) : 0;
        if (strcmp(key, "parameters") == 0)
                return read_parameters(value, &reply->parameters, reterr);
        if (strcmp(key, "continues") == 0)
                return read_flag(value, key, &reply->continues, reterr);
        return read_other(key, reterr);
}

int varlink_parse_reply(const char *text, size_t len, struct varlink_reply *ret,
                        struct error *reterr)
{
        cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };
        int r = read_message(text, len, &reply.message, reterr);

        if (r < 0)
                return r;
        json_object_object_foreach(reply.message, key, value)
        {
                r = read_reply_member(&reply, key, value, reterr);
                if (r < 0)
                        return r;
        }
        if (reply.error && !strchr(reply.error, '.'))
                return refuse(reterr, "error", "is not qualified by an interface");
        if (reply.error && reply.continues)
                return error_set(reterr, -EBADMSG, "an error cannot continue");

        *ret = reply;
        reply.message = NULL;
        return 0;
}

void varlink_reply_done(struct varlink_reply *reply)
{
        json_object_put(reply->message);
        *reply = (struct varlink_reply){ 0 };
}

/* Ends the object and the message. */
static void finish(struct buf *out)
{
        buf_append(out, "}", sizeof "}");
}

static void append_parameters(struct buf *out, const char *comma, struct json_object *parameters)
{
        size_t len;
        const char *text;

        if (!parameters)
                return;
        text = json_text(parameters, &len);
        if (!text) {
                out->failed = true;
                return;
        }
        buf_append_text(out, comma);
        buf_append_text(out, "\"parameters\":");
        buf_append(out, text, len);
}

void varlink_write_call(struct buf *out, const char *method, struct json_object *parameters,
                        enum varlink_flag flag)
{
        static const char *const flags[] = {
                [VARLINK_PLAIN] = "",
                [VARLINK_ONEWAY] = ",\"oneway\":true",
                [VARLINK_MORE] = ",\"more\":true",
                [VARLINK_UPGRADE] = ",\"upgrade\":true",
        };

        buf_append_text(out, "{\"method\":");
        buf_append_json_string(out, method, strlen(method));
        append_parameters(out, ",", parameters);
        buf_append_text(out, flags[flag]);
        finish(out);
}

void varlink_write_reply_text(struct buf *out, const char *parameters, size_t len, bool continues)
{
        buf_append_text(out, "{\"parameters\":");
        buf_append(out, parameters, len);
        if (continues)
                buf_append_text(out, ",\"continues\":true");
        finish(out);
}

void varlink_write_reply(struct buf *out, struct json_object *parameters, bool continues)
{
        size_t len = 2;
        const char *text = parameters ? json_text(parameters, &len) : "{}";

        if (text)
                varlink_write_reply_text(out, text, len, continues);
        else
                out->failed = true;
}

void varlink_write_error(struct buf *out, const char *error, struct json_object *parameters)
{
        buf_append_text(out, "{\"error\":");
        buf_append_json_string(out, error, strlen(error));
        append_parameters(out, ",", parameters);
        finish(out);
}
