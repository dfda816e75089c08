/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding: built-in models here and now; others through the cache and the provider thread. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/batches.h"
#include "gateway/embed_job.h"
#include "gateway/inside.h"
#include "gateway/prefix.h"
#include "gateway/vectors.h"
#include "store/embedding_cache.h"

#include <stdlib.h>
#include <string.h>

/* What one request wants, and what of it has to be asked for. */
struct wanted {
        struct embedding_key *keys; /* of all texts; NULL: there is no cache */
        bool *found;
        struct embed_text *texts; /* the missing ones */
        size_t *rows;             /* which they are */
        size_t n;
};

static void wanted_done(struct wanted *wanted)
{
        free(wanted->keys);
        free(wanted->found);
        free(wanted->texts);
        free(wanted->rows);
}

const char *gateway_purpose_name(enum embed_purpose purpose)
{
        return purpose == EMBED_QUERY ? "query" : "document";
}

static int look_up(struct gateway *gateway, const char *tenant, enum embed_purpose purpose,
                   const struct embed_text *texts, size_t n, struct wanted *wanted,
                   float *ret_vectors, struct error *reterr)
{
        int r = 0;

        wanted->keys = calloc(n, sizeof *wanted->keys);
        if (!wanted->keys)
                return error_oom(reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = embedding_cache_key(gateway->cache, tenant, gateway_purpose_name(purpose),
                                        texts[i].text, texts[i].len, &wanted->keys[i], reterr);
        if (r == 0)
                embedding_cache_get(gateway->cache, wanted->keys, n, clock_wall_usec(),
                                    ret_vectors, wanted->found);
        return r;
}

static int list_missing(struct gateway *gateway, const char *tenant, enum embed_purpose purpose,
                        const struct embed_text *texts, size_t n, struct wanted *wanted,
                        float *ret_vectors, struct error *reterr)
{
        int r = 0;

        wanted->found = calloc(n, sizeof *wanted->found);
        wanted->texts = calloc(n, sizeof *wanted->texts);
        wanted->rows = calloc(n, sizeof *wanted->rows);
        if (!wanted->found || !wanted->texts || !wanted->rows)
                return error_oom(reterr);
        if (gateway->cache)
                r = look_up(gateway, tenant, purpose, texts, n, wanted, ret_vectors, reterr);
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (wanted->found[i])
                        continue;
                wanted->texts[wanted->n] = texts[i];
                wanted->rows[wanted->n++] = i;
        }
        return r;
}

/* New vectors go in one by one: they lie apart from each other. */
static void keep(struct gateway *gateway, const char *tenant, const struct wanted *wanted,
                 const float *vectors)
{
        uint64_t now = clock_wall_usec();

        for (size_t i = 0; gateway->cache && i < wanted->n; i++)
                embedding_cache_put(gateway->cache, tenant, &wanted->keys[wanted->rows[i]],
                                    vectors + wanted->rows[i] * gateway->settings.dimensions, 1,
                                    now);
}

static int ask(struct gateway *gateway, struct tenant_id tenant, enum embed_purpose purpose,
               const char *prefix, const struct wanted *wanted, const struct gateway_terms *terms,
               float *ret_vectors, struct embed_usage *ret_usage, struct error *reterr)
{
        cleanup_(prefixed_done) struct prefixed prefixed = { .bytes = BUF_EMPTY };
        struct embed_work work = {
                .tenant = tenant,
                .purpose = purpose,
                .texts = wanted->texts,
                .rows = wanted->rows,
                .n = wanted->n,
                .terms = terms,
        };
        int r = 0;

        if (prefix && *prefix) {
                r = prefixed_set(&prefixed, prefix, wanted->texts, wanted->n, reterr);
                work.texts = prefixed.texts;
        }
        if (r == 0)
                r = embed_job_run(gateway, &work, ret_vectors, ret_usage, reterr);
        return r;
}

static int embed_remotely(struct gateway *gateway, struct tenant_id tenant,
                          enum embed_purpose purpose, const char *prefix,
                          const struct embed_text *texts, size_t n,
                          const struct gateway_terms *terms, float *ret_vectors,
                          struct embed_usage *ret_usage, struct error *reterr)
{
        cleanup_(wanted_done) struct wanted wanted = { 0 };
        struct embed_usage usage = { 0 };
        char name[GATEWAY_TENANT_NAME_SIZE] = ""; /* of the cache alone */
        int r;

        if (gateway->cache)
                gateway_name_tenant(gateway, tenant, name);
        r = list_missing(gateway, name, purpose, texts, n, &wanted, ret_vectors, reterr);
        if (r == 0 && wanted.n > 0)
                r = ask(gateway, tenant, purpose, prefix, &wanted, terms, ret_vectors, &usage,
                        reterr);
        if (r < 0) {
                vectors_mark_missing(ret_vectors, n * gateway->settings.dimensions);
                return r;
        }
        keep(gateway, name, &wanted, ret_vectors);
        *ret_usage = usage;
        return 0;
}

int gateway_embed(struct gateway *gateway, struct tenant_id tenant, enum embed_purpose purpose,
                  const struct embed_text *texts, size_t n, const struct gateway_terms *terms,
                  float *ret_vectors, struct embed_usage *ret_usage, struct error *reterr)
{
        const struct embedding_config *embedding = gateway->settings.embedding;
        struct provider *provider = gateway->lanes[0].provider;
        const struct embed_rules rules = {
                .prefix = purpose == EMBED_QUERY ? embedding->query_prefix
                                                 : embedding->document_prefix,
                .batch_size = embedding->batch_size,
                .normalize = embedding->normalize,
        };
        int r;

        if (provider->ops->from_client)
                return error_set(reterr, -EOPNOTSUPP,
                                 "provider %s takes vectors from the client: send `vector` or "
                                 "`vector_base64` with each document and each query",
                                 provider->config->name);
        if (!gateway_embeds_remotely(gateway))
                return embed_batches(provider, &rules, purpose, texts, n, ret_vectors, ret_usage,
                                     reterr);
        if (n == 0) {
                *ret_usage = (struct embed_usage){ 0 };
                return 0;
        }
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        r = embed_remotely(gateway, tenant, purpose, rules.prefix, texts, n, terms, ret_vectors,
                           ret_usage, reterr);
        gateway_leave(gateway);
        return r;
}
