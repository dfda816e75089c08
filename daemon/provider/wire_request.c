/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/wire.h"

#include "config/providers.h"
#include "config/values.h"

#include <sodium.h>
#include <string.h>

void wire_request_done(struct wire_request *request)
{
        for (size_t i = 0; i < request->n_headers; i++) {
                if (request->headers[i])
                        sodium_memzero(request->headers[i], strlen(request->headers[i]));
                free(request->headers[i]);
        }
        buf_done(&request->url);
        buf_done(&request->body);
        *request = (struct wire_request){ 0 };
}

/* ---- Where ----------------------------------------------------------------------------------- */

void wire_set_url(struct wire_request *request, const struct provider *provider,
                  const char *const *dropped, const char *path)
{
        const char *endpoint = provider->config->endpoint;
        size_t len;

        if (!endpoint)
                endpoint = provider_kind_traits(provider->config->kind)->endpoint;
        if (!endpoint)
                endpoint = "";
        for (len = strlen(endpoint); len > 0 && endpoint[len - 1] == '/';)
                len--;
        for (; dropped && *dropped; dropped++) {
                size_t n = strlen(*dropped);

                if (n > len || memcmp(endpoint + len - n, *dropped, n) != 0)
                        continue;
                len -= n;
                break;
        }
        buf_append(&request->url, endpoint, len);
        buf_append_text(&request->url, path);
}

const char *wire_model(const struct provider *provider)
{
        const struct provider_config *config = provider->config;

        return config->kind == PROVIDER_KIND_AZURE_OPENAI && config->deployment
                       ? config->deployment
                       : config->model;
}

void wire_add_header(struct wire_request *request, const char *format, ...)
{
        char *line = NULL;
        va_list list;
        int n = -1;

        va_start(list, format);
        if (request->n_headers < WIRE_HEADERS_MAX)
                n = vasprintf(&line, format, list);
        va_end(list);
        if (n < 0)
                request->failed = true;
        else
                request->headers[request->n_headers++] = line;
}

void wire_add_bearer(struct wire_request *request, const struct provider *provider)
{
        if (provider->key)
                wire_add_header(request, "Authorization: Bearer %s", provider->key);
}

/* ---- What ------------------------------------------------------------------------------------ */

void wire_add_name(struct buf *body, const char *name)
{
        const char *text = buf_text(body);

        if (body->len > 0 && text[body->len - 1] != '{')
                buf_append_char(body, ',');
        buf_append_json_string(body, name, strlen(name));
        buf_append_char(body, ':');
}

void wire_add_string(struct buf *body, const char *name, const char *value)
{
        wire_add_name(body, name);
        buf_append_json_string(body, value, strlen(value));
}

void wire_add_number(struct buf *body, const char *name, double value)
{
        wire_add_name(body, name);
        buf_append_format(body, "%.10g", value);
}

void wire_add_texts(struct buf *body, const char *name, const struct embed_text *texts, size_t n)
{
        wire_add_name(body, name);
        buf_append_char(body, '[');
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        buf_append_char(body, ',');
                buf_append_json_string(body, texts[i].text, texts[i].len);
        }
        buf_append_char(body, ']');
}

void wire_add_stops(struct buf *body, const char *name, const struct chat_request *chat)
{
        if (chat->n_stops == 0)
                return;
        wire_add_name(body, name);
        for (size_t i = 0; i < chat->n_stops; i++) {
                buf_append_char(body, i > 0 ? ',' : '[');
                buf_append_json_string(body, chat->stops[i], strlen(chat->stops[i]));
        }
        buf_append_char(body, ']');
}

static void add_message(struct buf *body, const char *role, const char *before, const char *text)
{
        struct buf whole = BUF_EMPTY;

        if (buf_text(body)[body->len - 1] != '[')
                buf_append_char(body, ',');
        buf_append_text(body, "{\"role\":\"");
        buf_append_text(body, role);
        buf_append_text(body, "\",\"content\":");
        if (before) {
                buf_append_text(&whole, before);
                buf_append_text(&whole, "\n\n");
        }
        buf_append_text(&whole, text);
        if (buf_failed(&whole))
                body->failed = true;
        buf_append_json_string(body, buf_text(&whole), whole.len);
        buf_append_char(body, '}');
        buf_done(&whole);
}

void wire_add_messages(struct buf *body, const struct chat_request *chat, bool system_role,
                       bool fold)
{
        const char *system = chat->system && *chat->system ? chat->system : NULL;
        const char *before = fold ? system : NULL;

        wire_add_name(body, "messages");
        buf_append_char(body, '[');
        if (buf_failed(body))
                return;
        if (system && system_role && !fold)
                add_message(body, "system", NULL, system);
        for (size_t i = 0; i < chat->n_messages && !buf_failed(body); i++) {
                bool user = chat->messages[i].role == CHAT_USER;

                add_message(body, user ? "user" : "assistant", user ? before : NULL,
                            chat->messages[i].text);
                if (user)
                        before = NULL;
        }
        buf_append_char(body, ']');
}

/* ---- All of it ------------------------------------------------------------------------------- */

int wire_write(const struct provider *provider, const struct call_request *request,
               struct wire_request *ret, struct error *reterr)
{
        const struct wire_ops *wire = provider->ops->wire;
        const char *name = provider->config->name;
        int r;

        if (!provider_can(provider, request->kind))
                return error_set(reterr, -EOPNOTSUPP, "provider %.63s: kind %s cannot %s", name,
                                 provider->ops->kind, call_kind_name(request->kind));
        if (wire->needs_model && request->kind != CALL_PROBE && !wire_model(provider))
                return error_set(reterr, -EINVAL, "provider %.63s: model is not set", name);
        *ret = (struct wire_request){ .method = request->kind == CALL_PROBE ? "GET" : "POST" };
        r = wire->calls[request->kind].write(provider, request, ret, reterr);
        wire_add_header(ret, "User-Agent: ragd/%s", PACKAGE_VERSION);
        if (strcmp(ret->method, "POST") == 0)
                wire_add_header(ret, "Content-Type: application/json");
        if (r == 0 && (ret->failed || buf_failed(&ret->url) || buf_failed(&ret->body)))
                r = error_oom(reterr);
        if (r < 0)
                wire_request_done(ret);
        return r;
}
