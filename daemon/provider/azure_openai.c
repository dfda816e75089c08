/* SPDX-License-Identifier: Apache-2.0 */
/* Azure OpenAI.  The endpoint says which of two families of URLs is meant: one that ends in
 * /openai/v1 names the deployment in the body, any other in the path, with a dated version. */
#include "provider/kinds.h"

#include "config/values.h"
#include "provider/openai_shape.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_VERSION "2024-10-21" /* the last dated one that is no preview */

static const char *const dropped[] = { "/openai/v1", "/openai", NULL };

static bool undated(const struct provider *provider)
{
        static const char end[] = "/openai/v1";
        const char *endpoint = provider->config->endpoint ? provider->config->endpoint : "";
        size_t len = strlen(endpoint);

        while (len > 0 && endpoint[len - 1] == '/')
                len--;
        return len >= sizeof end - 1 &&
               memcmp(endpoint + len - (sizeof end - 1), end, sizeof end - 1) == 0;
}

static const struct openai_shape *shape_of(const struct provider *provider)
{
        static const struct openai_shape dated_shape = { .base64 = true, .no_model = true };
        static const struct openai_shape undated_shape = { .base64 = true };

        return undated(provider) ? &undated_shape : &dated_shape;
}

static const char *version_of(const struct provider *provider)
{
        return provider->config->api_version ? provider->config->api_version : DEFAULT_VERSION;
}

/* A name in a path: whatever is not unreserved (RFC 3986, 2.3) is escaped. */
static void add_escaped(struct buf *url, const char *name)
{
        for (; *name; name++) {
                unsigned char c = (unsigned char) *name;

                if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    strchr("-._~", c))
                        buf_append_char(url, (char) c);
                else
                        buf_append_format(url, "%%%02X", c);
        }
}

static void set_url(const struct provider *provider, struct wire_request *ret, const char *path)
{
        if (undated(provider)) {
                wire_set_url(ret, provider, dropped, "/openai/v1");
                buf_append_text(&ret->url, path);
        } else {
                wire_set_url(ret, provider, dropped, "/openai/deployments/");
                add_escaped(&ret->url, wire_model(provider));
                buf_append_text(&ret->url, path);
                buf_append_text(&ret->url, "?api-version=");
                add_escaped(&ret->url, version_of(provider));
        }
        if (provider->key)
                wire_add_header(ret, "api-key: %s", provider->key);
}

static int write_chat(const struct provider *provider, const struct call_request *request,
                      struct wire_request *ret, struct error *reterr)
{
        (void) reterr;
        set_url(provider, ret, "/chat/completions");
        openai_shape_add_chat(provider, shape_of(provider), &request->chat, &ret->body);
        return 0;
}

static int write_embed(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        (void) reterr;
        set_url(provider, ret, "/embeddings");
        openai_shape_add_embed(provider, shape_of(provider), &request->embed, &ret->body);
        return 0;
}

static int write_probe(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        (void) request;
        (void) reterr;
        if (undated(provider)) {
                wire_set_url(ret, provider, dropped, "/openai/v1/models");
        } else {
                wire_set_url(ret, provider, dropped, "/openai/models?api-version=");
                add_escaped(&ret->url, version_of(provider));
        }
        if (provider->key)
                wire_add_header(ret, "api-key: %s", provider->key);
        return 0;
}

/* It lists models, and a deployment is none. */
static int read_probe(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        int r = openai_shape_read_models(answer, json, reterr);

        answer->result->probe_model = PROBE_MODEL_UNKNOWN;
        answer->result->model[0] = '\0';
        return r;
}

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .needs_model = true,
        .calls = {
                [CALL_CHAT] = { write_chat, openai_shape_read_chat },
                [CALL_EMBED] = { write_embed, openai_shape_read_embed },
                [CALL_PROBE] = { write_probe, read_probe },
        },
        .read_event = openai_shape_read_event,
};

const struct provider_ops azure_openai_ops = {
        .kind = "azure-openai",
        .max_batch = 2048,
        .max_batch_tokens = 300000,
        .max_text_tokens = 8192,
        .wire = &wire,
};
