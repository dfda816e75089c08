/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/batches.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "gateway/prefix.h"
#include "gateway/vectors.h"

static int embed_batch(struct provider *provider, const struct embed_rules *rules,
                       enum embed_purpose purpose, const struct embed_text *texts, size_t n,
                       float *vectors, struct embed_usage *usage, struct error *reterr)
{
        struct embed_usage used = { 0 };
        int r = provider->ops->embed(provider, purpose, texts, n, vectors, &used, reterr);

        for (size_t i = 0; r == 0 && i < n; i++) {
                r = vector_admit(vectors + i * provider->dimensions, provider->dimensions,
                                 rules->normalize, -EBADMSG, reterr);
                if (r < 0)
                        (void) error_prefix(reterr, r, "vector %zu of %zu", i + 1, n);
        }
        if (r < 0)
                return error_prefix(reterr, r, "provider %s", provider->config->name);
        usage->tokens += used.tokens;
        usage->estimated |= used.estimated;
        return 0;
}

int embed_batches(struct provider *provider, const struct embed_rules *rules,
                  enum embed_purpose purpose, const struct embed_text *texts, size_t n,
                  float *ret_vectors, struct embed_usage *ret_usage, struct error *reterr)
{
        cleanup_(prefixed_done) struct prefixed prefixed = { .bytes = BUF_EMPTY };
        bool with_prefix = rules->prefix && *rules->prefix;
        uint32_t limit = provider->ops->max_batch;
        size_t batch = limit > 0 && limit < rules->batch_size ? limit : rules->batch_size;
        struct embed_usage usage = { 0 };
        int r = 0;

        vectors_mark_missing(ret_vectors, n * provider->dimensions);
        for (size_t at = 0; r == 0 && at < n; at += batch) {
                size_t count = n - at < batch ? n - at : batch;
                const struct embed_text *these = texts + at;

                if (with_prefix) {
                        r = prefixed_set(&prefixed, rules->prefix, these, count, reterr);
                        these = prefixed.texts;
                }
                if (r == 0)
                        r = embed_batch(provider, rules, purpose, these, count,
                                        ret_vectors + at * provider->dimensions, &usage, reterr);
        }
        if (r < 0) {
                vectors_mark_missing(ret_vectors, n * provider->dimensions);
                return r;
        }
        *ret_usage = usage;
        return 0;
}
