/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/fault.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "config/values.h"
#include "provider/hints.h"

#include <stdio.h>
#include <string.h>

#define BODY_MAX ((size_t) 64 * 1024)
#define TOLD_MAX 120 /* bytes of the provider's own words in an error */
#define KEY_PART 8   /* a piece of a key this long is not repeated */

/* ---- Words ----------------------------------------------------------------------------------- */

/* One line of valid UTF-8 without control characters. */
static void copy_line(const char *text, size_t len, char *ret, size_t size)
{
        size_t n = 0;

        for (size_t at = 0; at < len && n + 5 < size;) {
                size_t bytes = utf8_character_bytes(text + at, len - at);

                if (bytes == 0 || (unsigned char) text[at] <= ' ' || text[at] == 0x7F) {
                        if (n > 0 && ret[n - 1] != ' ')
                                ret[n++] = ' ';
                        at++;
                        continue;
                }
                memcpy(ret + n, text + at, bytes);
                n += bytes;
                at += bytes;
        }
        while (n > 0 && ret[n - 1] == ' ')
                n--;
        ret[n] = '\0';
}

static void copy_member(struct json_object *object, const char *key, char *ret, size_t size)
{
        struct json_object *value;

        if (ret[0] || !json_object_object_get_ex(object, key, &value) || !value)
                return;
        if (json_object_is_type(value, json_type_string) ||
            json_object_is_type(value, json_type_int))
                copy_line(json_object_get_string(value),
                          (size_t) json_object_get_string_len(value), ret, size);
        if (json_object_is_type(value, json_type_int))
                (void) snprintf(ret, size, "%lld", (long long) json_object_get_int64(value));
}

/* The members of an error object, of whichever shape. */
static void read_members(struct json_object *object, struct fault_words *ret)
{
        struct json_object *inner;

        copy_member(object, "message", ret->message, sizeof ret->message);
        copy_member(object, "msg", ret->message, sizeof ret->message);
        copy_member(object, "type", ret->type, sizeof ret->type);
        copy_member(object, "code", ret->code, sizeof ret->code);
        if (json_object_object_get_ex(object, "innererror", &inner) ||
            json_object_object_get_ex(object, "inner_error", &inner))
                copy_member(inner, "code", ret->type, sizeof ret->type);
}

static void read_value(struct json_object *value, struct fault_words *ret)
{
        if (json_object_is_type(value, json_type_array) && json_object_array_length(value) > 0)
                value = json_object_array_get_idx(value, 0);
        if (json_object_is_type(value, json_type_object))
                read_members(value, ret);
        else if (json_object_is_type(value, json_type_string))
                copy_line(json_object_get_string(value),
                          (size_t) json_object_get_string_len(value), ret->message,
                          sizeof ret->message);
}

static void read_shape(struct json_object *object, struct fault_words *ret)
{
        static const char *const places[] = { "error", "detail", "errors" };
        struct json_object *value;

        if (json_object_is_type(object, json_type_array) && json_object_array_length(object) > 0)
                object = json_object_array_get_idx(object, 0);
        for (size_t i = 0; i < ELEMENTSOF(places) && !ret->message[0] && !ret->code[0]; i++)
                if (json_object_object_get_ex(object, places[i], &value) && value)
                        read_value(value, ret);
        if (!ret->message[0] && !ret->code[0])
                read_members(object, ret);
}

void fault_read_words(const char *body, size_t len, struct fault_words *ret)
{
        cleanup_json_ struct json_object *object = NULL;

        *ret = (struct fault_words){ 0 };
        len = len < BODY_MAX ? len : BODY_MAX;
        if (json_parse(body, len, &object, NULL) == 0)
                read_shape(object, ret);
        else
                copy_line(body, len < 300 ? len : 300, ret->message, sizeof ret->message);
        if (strlen(ret->code) == 3 && strspn(ret->code, "0123456789") == 3)
                ret->status = (ret->code[0] - '0') * 100 + (ret->code[1] - '0') * 10 +
                              (ret->code[2] - '0');
        if (ret->status < 400 || ret->status > 599)
                ret->status = 0;
}

void fault_read_request_id(const struct fetch_head *head, char *ret, size_t size)
{
        static const char *const names[] = { "x-request-id", "request-id", "apim-request-id",
                                             "x-litellm-call-id" };

        ret[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(names) && !ret[0]; i++) {
                const char *text = fetch_header(head, names[i]);

                if (text)
                        copy_line(text, strlen(text), ret, size);
        }
}

/* ---- The error ------------------------------------------------------------------------------- */

/* Whether a text repeats the key or a piece of it. */
static bool tells_key(const char *text, const char *key)
{
        size_t len = key ? strlen(key) : 0;
        char part[KEY_PART + 1] = "";

        if (len > 0 && len <= KEY_PART)
                return strstr(text, key);
        for (size_t at = 0; at + KEY_PART <= len; at++) {
                memcpy(part, key + at, KEY_PART);
                if (strstr(text, part))
                        return true;
        }
        return false;
}

/* What it said, short, or nothing where that would tell the key. */
static void retell(const struct provider *provider, const struct fault_words *words, char *ret,
                   size_t size)
{
        const char *text = words->message[0] ? words->message
                           : words->code[0]  ? words->code
                                             : words->type;

        ret[0] = '\0';
        if (!tells_key(text, provider->key))
                (void) snprintf(ret, size, "%.*s", (int) utf8_cut(text, strlen(text), TOLD_MAX),
                                text);
}

static void describe(const struct provider *provider, enum fault_class class, char *ret,
                     size_t size)
{
        const struct provider_config *config = provider->config;
        const char *model = config->deployment ? config->deployment
                            : config->model    ? config->model
                                               : "(none)";

        if (class == FAULT_KEY && config->api_key)
                (void) snprintf(ret, size, "refused the key of %.80s", config->api_key);
        else if (class == FAULT_KEY)
                (void) snprintf(ret, size, "wants a key, and api_key is not set");
        else if (class == FAULT_MODEL)
                (void) snprintf(ret, size, "has no model %.48s at %.*s", model,
                                (int) strcspn(config->endpoint ? config->endpoint : "", "?#"),
                                config->endpoint ? config->endpoint : "");
        else
                ret[0] = '\0';
}

/* "provider NAME: what it did: HTTP 401: its words; the remedy", the remedy where it fits. */
static int say(const struct provider *provider, const struct fault *fault,
               const struct fault_words *words, struct error *reterr)
{
        const struct fault_traits *traits = fault_class_traits(fault->class);
        char what[200], told[TOLD_MAX + 1], text[ERROR_MESSAGE_MAX * 2];
        int n;

        describe(provider, fault->class, what, sizeof what);
        retell(provider, words, told, sizeof told);
        n = snprintf(text, sizeof text, "provider %.63s: %s%s", provider->config->name, what,
                     what[0] ? ": " : "");
        if (fault->status >= 300)
                n += snprintf(text + n, sizeof text - (size_t) n, "HTTP %d%s", fault->status,
                              told[0] ? ": " : "");
        n += snprintf(text + n, sizeof text - (size_t) n, "%s",
                      told[0] || fault->status >= 300 ? told : "it told an error");
        if (traits->remedy && (size_t) n + strlen(traits->remedy) + 3 < ERROR_MESSAGE_MAX)
                (void) snprintf(text + n, sizeof text - (size_t) n, "; %s", traits->remedy);
        return error_set(reterr, traits->code, "%s", text);
}

int fault_read(const struct provider *provider, int status, const char *body, size_t len,
               struct fault *fault, struct error *reterr)
{
        struct fault_words words;

        fault_read_words(body, len, &words);
        fault->class = fault_classify(status, &words);
        fault->status = status;
        if (!fault->wait_usec && fault_class_traits(fault->class)->another)
                fault->wait_usec = hints_guess_wait(words.message, &fault->limits);
        return say(provider, fault, &words, reterr);
}
