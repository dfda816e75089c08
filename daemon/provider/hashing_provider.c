/* SPDX-License-Identifier: Apache-2.0 */
/* The hashing embedder as a provider.  Analyzers belong to one thread at a time: idle ones are
 * kept, one more is made when all are in use.  The stemmer is always the English one, so that
 * a vector depends on the text alone; other languages are carried by the n-grams. */
#include "provider/kinds.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "provider/hashing.h"

#include <pthread.h>
#include <stdlib.h>

#define IDLE_MAX 16

struct hashing_provider {
        struct provider provider;
        pthread_mutex_t lock; /* guards the idle analyzers */
        struct text_analyzer *idle[IDLE_MAX];
        size_t n_idle;
};

static int take_analyzer(struct hashing_provider *hashing, struct text_analyzer **ret,
                         struct error *reterr)
{
        struct text_analyzer *analyzer = NULL;

        pthread_mutex_lock(&hashing->lock);
        if (hashing->n_idle > 0)
                analyzer = hashing->idle[--hashing->n_idle];
        pthread_mutex_unlock(&hashing->lock);
        if (!analyzer)
                return text_analyzer_new("english", ret, reterr);
        *ret = analyzer;
        return 0;
}

static void give_back(struct hashing_provider *hashing, struct text_analyzer *analyzer)
{
        pthread_mutex_lock(&hashing->lock);
        if (hashing->n_idle < IDLE_MAX)
                hashing->idle[hashing->n_idle++] = take_ptr(analyzer);
        pthread_mutex_unlock(&hashing->lock);
        text_analyzer_free(analyzer);
}

static int hashing_open(const struct provider_config *config, uint32_t dimensions,
                        struct provider **ret, struct error *reterr)
{
        struct hashing_provider *hashing;

        (void) config;
        if (dimensions < HASHING_DIMENSIONS_MIN || dimensions > HASHING_DIMENSIONS_MAX)
                return error_set(reterr, -EINVAL,
                                 "%u dimensions: the hashing embedder makes %d to %d", dimensions,
                                 HASHING_DIMENSIONS_MIN, HASHING_DIMENSIONS_MAX);
        hashing = calloc(1, sizeof *hashing);
        if (!hashing)
                return error_oom(reterr);
        (void) pthread_mutex_init(&hashing->lock, NULL);
        *ret = &hashing->provider;
        return 0;
}

static void hashing_free(struct provider *provider)
{
        struct hashing_provider *hashing = (struct hashing_provider *) provider;

        while (hashing->n_idle > 0)
                text_analyzer_free(hashing->idle[--hashing->n_idle]);
        (void) pthread_mutex_destroy(&hashing->lock);
        free(hashing);
}

static int hashing_embed_all(struct provider *provider, enum embed_purpose purpose,
                             const struct embed_text *texts, size_t n, float *ret_vectors,
                             struct embed_usage *ret_usage, struct error *reterr)
{
        struct hashing_provider *hashing = (struct hashing_provider *) provider;
        struct embed_usage usage = { .estimated = true };
        struct text_analyzer *analyzer = NULL;
        int r = take_analyzer(hashing, &analyzer, reterr);

        (void) purpose; /* questions and documents meet in one space */
        for (size_t i = 0; r == 0 && i < n; i++) {
                size_t tokens = 0;

                r = hashing_embed(analyzer, texts[i].text, texts[i].len, provider->dimensions,
                                  ret_vectors + i * provider->dimensions, reterr);
                if (r == 0 && text_count_tokens(analyzer, texts[i].text, texts[i].len, &tokens) < 0)
                        r = error_oom(reterr);
                usage.tokens += tokens;
        }
        if (analyzer)
                give_back(hashing, analyzer);
        if (r == 0)
                *ret_usage = usage;
        return r;
}

const struct provider_ops hashing_ops = {
        .kind = "hashing",
        .algorithm = HASHING_VERSION,
        .lexical = true,
        .open = hashing_open,
        .embed = hashing_embed_all,
        .free = hashing_free,
};
