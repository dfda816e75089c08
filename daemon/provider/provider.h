/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding models behind one vtable: one file and one row in provider.c for each kind.
 *
 * A provider is made from its profile table and is immutable; any thread may call it.  Calls
 * return vectors exactly as the model gave them: counting, checking and normalising them is
 * the gateway's. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct provider_config;
struct provider;

enum embed_purpose {
        EMBED_DOCUMENT,
        EMBED_QUERY,
};

struct embed_text {
        const char *text;
        size_t len;
};

struct embed_usage {
        uint64_t tokens;
        bool estimated; /* the provider did not say; counted by us */
};

struct provider_ops {
        const char *kind;
        uint32_t algorithm; /* version of a built-in embedder; 0: the model lives elsewhere */
        bool lexical;       /* vectors say which words occur, not what they mean */
        bool from_client;   /* vectors come with documents and queries: embed is NULL */
        uint32_t max_batch; /* texts in one call; 0: no limit of the provider's own */
        int (*open)(const struct provider_config *config, uint32_t dimensions,
                    struct provider **ret, struct error *reterr);
        /* Writes n * dimensions floats, row by row. */
        int (*embed)(struct provider *provider, enum embed_purpose purpose,
                     const struct embed_text *texts, size_t n, float *ret_vectors,
                     struct embed_usage *ret_usage, struct error *reterr);
        void (*free)(struct provider *provider);
};

/* What every provider begins with. */
struct provider {
        const struct provider_ops *ops;
        const struct provider_config *config; /* borrowed: lives as long as the release */
        uint32_t dimensions;
};

/* -EOPNOTSUPP: this kind embeds nothing. */
int provider_open(const struct provider_config *config, uint32_t dimensions, struct provider **ret,
                  struct error *reterr);
struct provider *provider_free(struct provider *provider);

/* The row of a kind ("hashing"), or NULL. */
const struct provider_ops *provider_ops_find(const char *kind);
