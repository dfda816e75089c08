/* SPDX-License-Identifier: Apache-2.0 */
/* An embedder for tests and trials: the vector of a text is pseudo-random, of unit length, and
 * depends on the text alone (FNV-1a seeds SplitMix64: Steele, Lea, Flood, "Fast Splittable
 * Pseudorandom Number Generators", OOPSLA 2014).  The same text is found again; nothing else is
 * near to it. */
#include "provider/kinds.h"

#include <math.h>
#include <stdlib.h>

#define MOCK_VERSION 1 /* belongs to the fingerprint; rises when any vector changes */

static int mock_open(const struct provider_config *config, uint32_t dimensions,
                     struct provider **ret, struct error *reterr)
{
        struct provider *provider;

        (void) config;
        (void) dimensions;
        provider = calloc(1, sizeof *provider);
        if (!provider)
                return error_oom(reterr);
        *ret = provider;
        return 0;
}

static void mock_free(struct provider *provider)
{
        free(provider);
}

static uint64_t seed_of(const struct embed_text *text)
{
        uint64_t hash = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < text->len; i++)
                hash = (hash ^ (unsigned char) text->text[i]) * UINT64_C(1099511628211);
        return hash;
}

static uint64_t next_random(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31;
}

static void fill(const struct embed_text *text, uint32_t dimensions, float *ret)
{
        uint64_t state = seed_of(text);
        double length = 0.0;

        for (uint32_t i = 0; i < dimensions; i++) {
                /* an odd number of 1/2^24, so never zero */
                ret[i] = (float) ((int64_t) (next_random(&state) >> 40 | 1) - (INT64_C(1) << 23)) /
                         (float) (1 << 23);
                length += (double) ret[i] * (double) ret[i];
        }
        length = sqrt(length);
        for (uint32_t i = 0; i < dimensions; i++)
                ret[i] = (float) ((double) ret[i] / length);
}

static int mock_embed(struct provider *provider, enum embed_purpose purpose,
                      const struct embed_text *texts, size_t n, float *ret_vectors,
                      struct embed_usage *ret_usage, struct error *reterr)
{
        (void) purpose;
        (void) reterr;
        *ret_usage = (struct embed_usage){ .estimated = true };
        for (size_t i = 0; i < n; i++) {
                fill(&texts[i], provider->dimensions, ret_vectors + i * provider->dimensions);
                ret_usage->tokens += texts[i].len / 4 + 1; /* as a rule of thumb for English */
        }
        return 0;
}

const struct provider_ops mock_ops = {
        .kind = "mock",
        .algorithm = MOCK_VERSION,
        .open = mock_open,
        .embed = mock_embed,
        .free = mock_free,
};
