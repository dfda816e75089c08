/* SPDX-License-Identifier: Apache-2.0 */
#include "release/models.h"

#include "config/providers.h"

#include <stdlib.h>

/* Names that a validated profile uses all have a table. */
static void use(const struct config *config, const char *name, struct models *models)
{
        const struct provider_config *provider = name ? config_provider(config, name) : NULL;

        for (size_t i = 0; i < models->n; i++)
                if (models->used[i] == provider)
                        return;
        if (!provider)
                return;
        models->used[models->n] = provider;
        models->names[models->n++] = provider->name;
}

static void use_all(const struct config *config, const struct config_strings *names,
                    struct models *models)
{
        for (size_t i = 0; i < names->count; i++)
                use(config, names->items[i], models);
}

int models_choose(const struct config *config, struct models *ret, struct error *reterr)
{
        const struct generation_config *generation = &config->generation;
        size_t room = config->provider_count + 1;
        struct models models = { 0 };
        int r = config_embedder(config, &models.embedder, reterr);

        if (r < 0)
                return r;
        models.used = calloc(room, sizeof(const struct provider_config *));
        models.names = calloc(room, sizeof *models.names);
        if (!models.used || !models.names) {
                models_done(&models);
                return error_oom(reterr);
        }
        if (config->retrieval.rerank_provider)
                models.reranker = config_provider(config, config->retrieval.rerank_provider);
        use(config, models.embedder->name, &models);
        use_all(config, &config->embedding.fallback, &models);
        use(config, config->retrieval.rerank_provider, &models);
        if (generation->routing.strategy == ROUTING_STRATEGY_CONDITIONAL) {
                use(config, generation->routing.simple, &models);
                use(config, generation->routing.complex, &models);
        }
        use_all(config, &generation->providers, &models);
        *ret = models;
        return 0;
}

void models_done(struct models *models)
{
        free(models->used);
        free(models->names);
        *models = (struct models){ 0 };
}
