/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/enum.h"
#include "config/providers.h"
#include "config/secret.h"
#include "config/values.h"
#include "provider/kinds.h"
#include "provider/wire.h"

#include <stdlib.h>
#include <string.h>

static const struct provider_ops *const kinds[] = {
        &openai_ops,   &azure_openai_ops, &anthropic_ops, &groq_ops, &ollama_ops, &lmstudio_ops,
        &openai_compatible_ops, &cohere_ops, &hashing_ops, &client_ops, &mock_ops, &recorded_ops,
};

static const char *const call_kind_names[CALL_KIND_MAX] = {
        [CALL_CHAT] = "chat",
        [CALL_EMBED] = "embed",
        [CALL_RERANK] = "rerank",
        [CALL_PROBE] = "probe",
};

const char *call_kind_name(enum call_kind kind)
{
        return (size_t) kind < CALL_KIND_MAX ? call_kind_names[kind] : NULL;
}

static const char *const chat_finish_names[CHAT_FINISH_MAX] = {
        [CHAT_FINISH_STOP] = "stop",
        [CHAT_FINISH_LENGTH] = "length",
        [CHAT_FINISH_FILTER] = "content_filter",
};

const char *chat_finish_name(enum chat_finish finish)
{
        return (size_t) finish < CHAT_FINISH_MAX ? chat_finish_names[finish] : NULL;
}

void call_result_done(struct call_result *result)
{
        buf_done(&result->text);
        free(result->vectors);
        free(result->scores);
        result->vectors = NULL;
        result->scores = NULL;
}

/* ---- Kinds ----------------------------------------------------------------------------------- */

const struct provider_ops *provider_ops_find(const char *kind)
{
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i]->kind, kind) == 0)
                        return kinds[i];
        return NULL;
}

static bool ops_can(const struct provider_ops *ops, enum call_kind kind)
{
        if (ops->wire)
                return ops->wire->calls[kind].write != NULL;
        switch (kind) {
        case CALL_CHAT:
                return ops->chat != NULL;
        case CALL_EMBED:
                return ops->embed != NULL;
        case CALL_RERANK:
                return ops->rerank != NULL;
        default:
                return kind == CALL_PROBE;
        }
}

bool provider_can(const struct provider *provider, enum call_kind kind)
{
        return ops_can(provider->ops, kind) && (kind != CALL_EMBED || provider->dimensions > 0);
}

const char *provider_identity(const struct provider *provider, char *text, size_t size)
{
        const struct provider_config *config = provider->config;
        const char *model = wire_model(provider), *endpoint = config->endpoint;

        if (!endpoint)
                endpoint = provider_kind_traits(config->kind)->endpoint;
        (void) snprintf(text, size, "%s %s %s", provider->ops->kind, model ? model : "-",
                        endpoint ? endpoint : "-");
        return text;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* A key goes into a header: visible characters of ASCII alone. */
static int read_key(const struct provider_config *config, char **ret, struct error *reterr)
{
        char *key = NULL;
        int r;

        if (!config->api_key && provider_kind_traits(config->kind)->needs_key)
                return error_set(reterr, -EINVAL, "api_key is not set, and the kind needs one");
        if (!config->api_key)
                return 0;
        r = config_secret_read(config->api_key, &key, reterr);
        if (r < 0)
                return r;
        for (const char *c = key; *c && r == 0; c++)
                if (*c <= ' ' || *c > '~')
                        r = error_set(reterr, -EINVAL,
                                      "%.120s: the key holds a space, a line break or another "
                                      "character that no key has", config->api_key);
        if (r == 0 && !*key)
                r = error_set(reterr, -EINVAL, "%.120s: the key is empty", config->api_key);
        if (r < 0)
                key = config_secret_free(key);
        *ret = key;
        return r;
}

static int open_wire(const struct provider_config *config, struct provider **ret,
                     struct error *reterr)
{
        struct provider *provider = calloc(1, sizeof *provider);
        int r;

        if (!provider)
                return error_oom(reterr);
        r = read_key(config, &provider->key, reterr);
        if (r < 0) {
                free(provider);
                return r;
        }
        *ret = provider;
        return 0;
}

static int refuse_kind(const struct provider_config *config, const char *kind,
                       struct error *reterr)
{
        cleanup_(buf_done) struct buf known = BUF_EMPTY;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (ops_can(kinds[i], CALL_EMBED))
                        buf_append_format(&known, "%s%s", known.len > 0 ? ", " : "",
                                          kinds[i]->kind);
        return error_set(reterr, -EOPNOTSUPP,
                         "provider %s: kind %s cannot embed; kinds that can: %s", config->name,
                         kind, buf_text(&known));
}

int provider_open(const struct provider_config *config, uint32_t dimensions, struct provider **ret,
                  struct error *reterr)
{
        const char *kind = provider_kind_name(config->kind);
        const struct provider_ops *ops = provider_ops_find(kind);
        struct provider *provider;
        int r;

        if (!ops || (dimensions > 0 && !ops->from_client && !ops_can(ops, CALL_EMBED)))
                return refuse_kind(config, kind, reterr);
        r = ops->wire ? open_wire(config, &provider, reterr)
                      : ops->open(config, dimensions, &provider, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "provider %s", config->name);
        provider->ops = ops;
        provider->config = config;
        provider->dimensions = dimensions;
        *ret = provider;
        return 0;
}

struct provider *provider_free(struct provider *provider)
{
        if (!provider)
                return NULL;
        provider->key = config_secret_free(provider->key);
        if (provider->ops->wire)
                free(provider);
        else
                provider->ops->free(provider);
        return NULL;
}
