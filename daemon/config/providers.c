/* SPDX-License-Identifier: Apache-2.0 */
#include "config/providers.h"

#include "base/cleanup.h"
#include "config/implied.h"
#include "config/secret.h"

#include <string.h>

static const struct provider_traits traits[PROVIDER_KIND_MAX] = {
        [PROVIDER_KIND_OPENAI] = { .embeds = true, .generates = true, .needs_key = true,
                                   .endpoint = "https://api.openai.com/v1" },
        [PROVIDER_KIND_AZURE_OPENAI] = { .embeds = true, .generates = true, .needs_key = true,
                                         .needs_endpoint = true },
        [PROVIDER_KIND_ANTHROPIC] = { .generates = true, .needs_key = true,
                                      .endpoint = "https://api.anthropic.com" },
        [PROVIDER_KIND_GROQ] = { .generates = true, .needs_key = true,
                                 .endpoint = "https://api.groq.com/openai/v1" },
        [PROVIDER_KIND_OLLAMA] = { .embeds = true, .generates = true,
                                   .endpoint = "http://127.0.0.1:11434" },
        [PROVIDER_KIND_LMSTUDIO] = { .embeds = true, .generates = true,
                                     .endpoint = "http://127.0.0.1:1234/v1" },
        [PROVIDER_KIND_OPENAI_COMPATIBLE] = { .embeds = true, .generates = true, .reranks = true,
                                              .needs_endpoint = true },
        [PROVIDER_KIND_COHERE] = { .embeds = true, .reranks = true, .needs_key = true,
                                   .endpoint = "https://api.cohere.com" },
        [PROVIDER_KIND_HASHING] = { .embeds = true },
        [PROVIDER_KIND_CLIENT] = { .embeds = true },
        [PROVIDER_KIND_MOCK] = { .embeds = true, .generates = true, .reranks = true },
        [PROVIDER_KIND_RECORDED] = { .embeds = true, .generates = true, .reranks = true,
                                     .needs_endpoint = true },
};

const struct provider_traits *provider_kind_traits(enum provider_kind kind)
{
        return &traits[kind];
}

/* ---- Tables that a name implies --------------------------------------------------------- */

static const struct provider_implied implied[] = {
        { "hashing", PROVIDER_KIND_HASHING, NULL, NULL },
        { "client", PROVIDER_KIND_CLIENT, NULL, NULL },
        { "mock", PROVIDER_KIND_MOCK, NULL, NULL },
        { "openai", PROVIDER_KIND_OPENAI, "text-embedding-3-small", "env:OPENAI_API_KEY" },
        { "cohere", PROVIDER_KIND_COHERE, "embed-v4.0", "env:COHERE_API_KEY" },
        { "local", PROVIDER_KIND_OLLAMA, "nomic-embed-text", NULL },
        { "ollama", PROVIDER_KIND_OLLAMA, "nomic-embed-text", NULL },
        { "lmstudio", PROVIDER_KIND_LMSTUDIO, "text-embedding-nomic-embed-text-v1.5", NULL },
};

const struct provider_implied *provider_implied_find(const char *name)
{
        for (size_t i = 0; i < ELEMENTSOF(implied); i++)
                if (strcmp(implied[i].name, name) == 0)
                        return &implied[i];
        return NULL;
}

const char *provider_implied_name(size_t at)
{
        return at < ELEMENTSOF(implied) ? implied[at].name : NULL;
}

/* ---- Widths ----------------------------------------------------------------------------- */

/* What is known of models: the widths they give, and whether any smaller one can be asked
 * for.  A model is found by the beginning of its name, the longest first. */
static const struct {
        enum provider_kind kind;
        const char *model;
        uint32_t widths[5];
        bool shorter;
        const char *text;
} models[] = {
        { PROVIDER_KIND_OPENAI, "text-embedding-3-small", { 1536 }, true, "1 to 1536" },
        { PROVIDER_KIND_OPENAI, "text-embedding-3-large", { 3072 }, true, "1 to 3072" },
        { PROVIDER_KIND_OPENAI, "text-embedding-ada-002", { 1536 }, false, "1536" },
        { PROVIDER_KIND_COHERE, "embed-v4.0", { 256, 512, 1024, 1536 }, false,
          "256, 512, 1024 or 1536" },
        { PROVIDER_KIND_COHERE, "embed-english-light-v3.0", { 384 }, false, "384" },
        { PROVIDER_KIND_COHERE, "embed-multilingual-light-v3.0", { 384 }, false, "384" },
        { PROVIDER_KIND_COHERE, "embed-english-v3.0", { 1024 }, false, "1024" },
        { PROVIDER_KIND_COHERE, "embed-multilingual-v3.0", { 1024 }, false, "1024" },
        { PROVIDER_KIND_OLLAMA, "nomic-embed-text", { 768 }, true, "1 to 768" },
        { PROVIDER_KIND_OLLAMA, "mxbai-embed-large", { 1024 }, true, "1 to 1024" },
        { PROVIDER_KIND_OLLAMA, "all-minilm", { 384 }, false, "384" },
        { PROVIDER_KIND_OLLAMA, "bge-m3", { 1024 }, false, "1024" },
        { PROVIDER_KIND_LMSTUDIO, "text-embedding-nomic-embed-text-v1.5", { 768 }, false, "768" },
};

/* The built-in embedder's range. */
#define HASHING_WIDTH_MIN 32
#define HASHING_WIDTH_MAX 4096

int provider_gives_width(const struct provider_config *provider, uint32_t width,
                         const char **ret_widths)
{
        if (provider->kind == PROVIDER_KIND_HASHING) {
                *ret_widths = "32 to 4096";
                return width >= HASHING_WIDTH_MIN && width <= HASHING_WIDTH_MAX;
        }
        for (size_t i = 0; provider->model && i < ELEMENTSOF(models); i++) {
                if (models[i].kind != provider->kind ||
                    strncmp(provider->model, models[i].model, strlen(models[i].model)) != 0)
                        continue;
                *ret_widths = models[i].text;
                for (size_t j = 0; j < ELEMENTSOF(models[i].widths) && models[i].widths[j]; j++)
                        if (width == models[i].widths[j] ||
                            (models[i].shorter && width < models[i].widths[j]))
                                return 1;
                return 0;
        }
        return -ENODATA;
}

/* ---- Choosing --------------------------------------------------------------------------- */

const struct provider_config *config_provider(const struct config *config, const char *name)
{
        for (size_t i = 0; i < config->provider_count; i++)
                if (strcmp(config->providers[i].name, name) == 0)
                        return &config->providers[i];
        return NULL;
}

const char *config_embedder_candidate(const struct config *config, size_t at)
{
        static const char *const automatic[] = { "openai", "cohere", "local" };
        const struct config_strings *list = &config->embedding.providers;

        for (size_t i = 0; i < (list->count ? list->count : 1); i++) {
                const char *name = list->count ? list->items[i]
                                               : config->embedding.default_provider;
                size_t stands_for = strcmp(name, "auto") == 0 ? ELEMENTSOF(automatic) : 1;

                if (at < stands_for)
                        return stands_for > 1 ? automatic[at] : name;
                at -= stands_for;
        }
        return NULL;
}

static bool usable(const struct config *config, const struct provider_config *provider)
{
        const char *widths;

        return provider_gives_width(provider, config->vector_storage.dimensions, &widths) != 0 &&
               (!provider->api_key || config_secret_present(provider->api_key));
}

int config_embedder(const struct config *config, const struct provider_config **ret,
                    struct error *reterr)
{
        bool only = !config_embedder_candidate(config, 1);
        const char *name;

        for (size_t i = 0; (name = config_embedder_candidate(config, i)); i++) {
                const struct provider_config *provider = config_provider(config, name);

                if (!provider)
                        return error_set(reterr, -ENOENT, "no provider \"%s\"", name);
                if (only || usable(config, provider)) {
                        *ret = provider;
                        return 0;
                }
        }
        return error_set(reterr, -ENOKEY,
                         "no embedding provider has both its key and the width %u",
                         config->vector_storage.dimensions);
}
