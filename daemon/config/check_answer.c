/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about embedding, generation and retrieval: about those who name a provider. */
#include "config/check.h"

#include "base/cleanup.h"
#include "base/nearest.h"
#include "config/implied.h"
#include "config/providers.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Who names a provider ---------------------------------------------------------------- */

static void hint_provider(struct config_check *check, const char *name, bool embeds)
{
        cleanup_free_ const char **names = NULL;
        const char *near;
        size_t n = 0;

        names = calloc(check->config->provider_count + 16, sizeof *names);
        if (!names) {
                check->diagnostics->failed = true;
                return;
        }
        for (size_t i = 0; i < check->config->provider_count; i++)
                if (strcmp(check->config->providers[i].name, name) != 0)
                        names[n++] = check->config->providers[i].name;
        for (size_t i = 0; embeds && provider_implied_name(i); i++)
                names[n++] = provider_implied_name(i);
        if (embeds)
                names[n++] = "auto";
        near = nearest_name(name, names);
        if (near)
                check_hint(check, "did you mean \"%s\"?", near);
        else
                check_hint(check, "write a table [rag.providers.%.63s]", name);
}

/* The provider of this name, if it is one that can do `what`; reports otherwise. */
static const struct provider_config *named(struct config_check *check, const char *key,
                                           const char *name, const char *what,
                                           size_t trait_offset)
{
        const struct provider_config *provider = config_provider(check->config, name);
        const struct provider_traits *traits;
        char kind_key[CHECK_KEY_SIZE];

        if (!provider) {
                if (check_error(check, "E_PROVIDER", KEYS(key), "there is no provider \"%.63s\"",
                                name))
                        hint_provider(check, name,
                                      trait_offset == offsetof(struct provider_traits, embeds));
                return NULL;
        }
        traits = provider_kind_traits(provider->kind);
        if (!*(const bool *) ((const char *) traits + trait_offset)) {
                check_error(check, "E_PROVIDER",
                            KEYS(key, check_provider_key(provider, "kind", kind_key)),
                            "provider \"%s\" is of kind %s, which cannot %s", name,
                            provider_kind_name(provider->kind), what);
                return NULL;
        }
        if (provider->kind == PROVIDER_KIND_MOCK && check->config->stage == STAGE_PRODUCTION)
                check_error(check, "E_MOCK", KEYS(key, "stage"),
                            "\"%s\" is a mock: it may not serve production", name);
        return provider;
}

#define NAMED(check, key, name, what, trait) \
        named((check), (key), (name), (what), offsetof(struct provider_traits, trait))

static void check_twice(struct config_check *check, const char *key,
                        const struct config_strings *names)
{
        for (size_t i = 1; i < names->count; i++) {
                for (size_t j = 0; j < i; j++) {
                        if (strcmp(names->items[i], names->items[j]) != 0)
                                continue;
                        if (check_error(check, "E_TWICE", KEYS(key),
                                        "\"%.63s\" stands in the fallback chain twice",
                                        names->items[i]))
                                check_hint(check, "what failed once would only fail again");
                        break;
                }
        }
}

/* A request that needs more tokens than the provider ever accepts in a minute waits for ever. */
static void check_rate(struct config_check *check, const struct provider_config *provider,
                       uint64_t need, const char *why, const char *const why_keys[3])
{
        char key[CHECK_KEY_SIZE];

        if (provider->tokens_per_minute && provider->tokens_per_minute < need)
                check_error(check, "E_RATE",
                            KEYS(check_provider_key(provider, "tokens_per_minute", key),
                                 why_keys[0], why_keys[1]),
                            "%u tokens a minute can never pass one request of %" PRIu64 " (%s)",
                            provider->tokens_per_minute, need, why);
}

static void check_width(struct config_check *check, const struct provider_config *provider,
                        bool one_of_several)
{
        uint32_t width = check->config->vector_storage.dimensions;
        const char *widths = NULL;
        char model_key[CHECK_KEY_SIZE], width_key[CHECK_KEY_SIZE];

        check_provider_key(provider, "model", model_key);
        check_provider_key(provider, "dimensions", width_key);
        if (provider->dimensions && provider->dimensions != width) {
                check_error(check, "E_WIDTH", KEYS("rag.vector_storage.dimensions", width_key),
                            "%u is not the width of provider \"%s\", %u", width, provider->name,
                            provider->dimensions);
                return;
        }
        if (one_of_several || provider_gives_width(provider, width, &widths) != 0)
                return;
        if (check_error(check, "E_WIDTH", KEYS("rag.vector_storage.dimensions", model_key),
                        "provider \"%s\"%s%s does not give vectors of width %u", provider->name,
                        provider->model ? " with model " : "",
                        provider->model ? provider->model : "", width))
                check_hint(check, "it gives %s", widths);
}

/* What stands for "auto" is passed over where it does not fit; something has to fit. */
static void check_any_width(struct config_check *check)
{
        const struct config *config = check->config;
        const char *name, *widths;

        for (size_t i = 0; (name = config_embedder_candidate(config, i)); i++) {
                const struct provider_config *provider = config_provider(config, name);

                if (!provider ||
                    provider_gives_width(provider, config->vector_storage.dimensions, &widths) != 0)
                        return;
        }
        check_error(check, "E_WIDTH", KEYS("rag.vector_storage.dimensions"),
                    "none of the embedding providers gives vectors of width %u",
                    config->vector_storage.dimensions);
}

static bool same_text(const char *a, const char *b)
{
        return a == b || (a && b && strcmp(a, b) == 0);
}

/* Vectors of two models do not belong into one index, whatever their width. */
static void check_fallback(struct config_check *check)
{
        static const char key[] = "rag.embedding.fallback";
        const struct config_strings *names = &check->config->embedding.fallback;
        const struct provider_config *embedder = NULL;
        char model_key[CHECK_KEY_SIZE];
        struct error error;

        check_twice(check, key, names);
        if (names->count == 0 || config_embedder(check->config, &embedder, &error) < 0)
                return; /* no embedder: reported where that is its fault */
        for (size_t i = 0; i < names->count; i++) {
                const struct provider_config *provider =
                        NAMED(check, key, names->items[i], "embed", embeds);

                if (!provider)
                        continue;
                if (provider == embedder)
                        check_error(check, "E_TWICE", KEYS(key, "rag.embedding.default_provider"),
                                    "\"%.63s\" embeds already", provider->name);
                else if (!provider->model || !same_text(provider->model, embedder->model))
                        check_error(check, "E_FINGERPRINT",
                                    KEYS(key, check_provider_key(provider, "model", model_key)),
                                    "\"%.63s\" does not serve model %s: its vectors would not "
                                    "belong to those of \"%.63s\"",
                                    provider->name, embedder->model ? embedder->model : "(none)",
                                    embedder->name);
                else
                        check_width(check, provider, false);
        }
}

void check_embedding(struct config_check *check)
{
        const struct config *config = check->config;
        const struct embedding_config *embedding = &config->embedding;
        bool list = embedding->providers.count > 0;
        bool several = config_embedder_candidate(config, 1) != NULL;
        const char *key = list ? "rag.embedding.providers" : "rag.embedding.default_provider";
        const char *name;

        check_twice(check, "rag.embedding.providers", &embedding->providers);
        if (list) {
                struct config_value value = config_value_of(
                        config, config_row_find("rag.embedding.default_provider"), NULL);

                if (value.origin->line)
                        check_warning(check, "W_UNUSED",
                                      KEYS("rag.embedding.default_provider",
                                           "rag.embedding.providers"),
                                      "has no effect: providers says which one embeds");
        }
        for (size_t i = 0; (name = config_embedder_candidate(config, i)); i++) {
                const struct provider_config *provider =
                        NAMED(check, key, name, "embed", embeds);

                if (!provider)
                        continue;
                check_width(check, provider, several);
                check_rate(check, provider,
                           (uint64_t) embedding->batch_size * config->chunking.chunk_size,
                           "batch_size times chunk_size",
                           (const char *const[]){ "rag.embedding.batch_size",
                                                  "rag.chunking.chunk_size", NULL });
                if (provider->kind == PROVIDER_KIND_HASHING && config->stage == STAGE_PRODUCTION &&
                    check_warning(check, "W_HASHING", KEYS(key, "stage"),
                                  "the hashing embedder knows words, not what they mean"))
                        check_hint(check, "production answers better with an embedding model");
        }
        if (several)
                check_any_width(check);
        check_fallback(check);
}

/* ---- Generation and retrieval ------------------------------------------------------------ */

/* What a model reads at once has room for the passages and for the answer. */
static void check_context(struct config_check *check, const struct provider_config *provider)
{
        const struct generation_config *generation = &check->config->generation;
        uint64_t need = (uint64_t) generation->max_context_tokens + generation->max_tokens;
        char key[CHECK_KEY_SIZE];

        if (provider->context_tokens && provider->context_tokens < need)
                check_warning(check, "W_CONTEXT",
                              KEYS(check_provider_key(provider, "context_tokens", key),
                                   "rag.generation.max_context_tokens",
                                   "rag.generation.max_tokens"),
                              "%u tokens do not hold %u of passages and %u of answer: fewer "
                              "passages will be given",
                              provider->context_tokens, generation->max_context_tokens,
                              generation->max_tokens);
}

static void check_generator(struct config_check *check, const char *key, const char *name)
{
        const struct provider_config *provider =
                NAMED(check, key, name, "write answers", generates);

        if (!provider)
                return;
        check_rate(check, provider, check->config->generation.max_tokens, "max_tokens",
                   (const char *const[]){ "rag.generation.max_tokens", NULL, NULL });
        check_context(check, provider);
}

void check_generation(struct config_check *check)
{
        const struct generation_config *generation = &check->config->generation;

        check_twice(check, "rag.generation.providers", &generation->providers);
        for (size_t i = 0; i < generation->providers.count; i++)
                check_generator(check, "rag.generation.providers", generation->providers.items[i]);
        if (generation->prompt_template && (!strstr(generation->prompt_template, "{context}") ||
                                            !strstr(generation->prompt_template, "{question}")))
                check_error(check, "E_TEMPLATE", KEYS("rag.generation.prompt_template"),
                            "needs both {context} and {question}");
}

void check_routing(struct config_check *check)
{
        const struct routing_config *routing = &check->config->generation.routing;
        const struct {
                const char *key, *name;
        } targets[] = {
                { "rag.generation.routing.simple", routing->simple },
                { "rag.generation.routing.complex", routing->complex },
        };

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                if (targets[i].name)
                        check_generator(check, targets[i].key, targets[i].name);
                else if (routing->strategy == ROUTING_STRATEGY_CONDITIONAL)
                        check_error(check, "E_ROUTING",
                                    KEYS(targets[i].key, "rag.generation.routing.strategy"),
                                    "strategy conditional needs this provider");
        }
        if (routing->strategy == ROUTING_STRATEGY_SINGLE && (routing->simple || routing->complex))
                check_warning(check, "W_UNUSED",
                              KEYS(routing->simple ? "rag.generation.routing.simple"
                                                   : "rag.generation.routing.complex",
                                   "rag.generation.routing.strategy"),
                              "has no effect: strategy is single");
}

void check_retrieval(struct config_check *check)
{
        const struct retrieval_config *retrieval = &check->config->retrieval;

        if (retrieval->default_top_k > retrieval->max_top_k)
                check_error(check, "E_TOP_K",
                            KEYS("rag.retrieval.default_top_k", "rag.retrieval.max_top_k"),
                            "%u is more than max_top_k, %u", retrieval->default_top_k,
                            retrieval->max_top_k);
        if (retrieval->vector_weight + retrieval->keyword_weight <= 0)
                check_error(check, "E_WEIGHTS",
                            KEYS("rag.retrieval.vector_weight", "rag.retrieval.keyword_weight"),
                            "both weights are 0: no result would have a score");
        if (retrieval->rerank_provider)
                (void) NAMED(check, "rag.retrieval.rerank_provider", retrieval->rerank_provider,
                             "rerank", reranks);
        if (retrieval->has_min_score && retrieval->min_score_of == SCORE_KIND_RERANK &&
            !retrieval->rerank_provider)
                check_error(check, "E_SCORE",
                            KEYS("rag.retrieval.min_score_of", "rag.retrieval.rerank_provider"),
                            "there is no rerank score without rerank_provider");
        if (retrieval->has_min_score &&
            ((retrieval->min_score_of == SCORE_KIND_DENSE &&
              retrieval->mode == RETRIEVAL_MODE_BM25) ||
             (retrieval->min_score_of == SCORE_KIND_BM25 &&
              retrieval->mode == RETRIEVAL_MODE_DENSE)))
                check_error(check, "E_SCORE",
                            KEYS("rag.retrieval.min_score_of", "rag.retrieval.mode"),
                            "there is no %s score in mode %s",
                            score_kind_name(retrieval->min_score_of),
                            retrieval_mode_name(retrieval->mode));
}
