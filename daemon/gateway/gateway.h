/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway: the only way from the pipeline to a provider.
 *
 * It adds the prefixes of the fingerprint, cuts batches to what the profile and the provider
 * allow, retries nothing that a retry cannot mend, and lets a vector through only if it was
 * received, is finite, is not zero and has the declared width; then normalises it where the
 * profile says so.  Any thread may call; calls block. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "provider/provider.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct embedding_config;
struct gateway;

struct gateway_settings {
        const struct provider_config *embedder; /* the provider that embeds; borrowed */
        const struct embedding_config *embedding;
        uint32_t dimensions;
};

int gateway_new(const struct gateway_settings *settings, struct gateway **ret,
                struct error *reterr);
struct gateway *gateway_free(struct gateway *gateway);

/* The row of the embedder: lexical, from_client, algorithm … */
const struct provider_ops *gateway_embedder(const struct gateway *gateway);
uint32_t gateway_dimensions(const struct gateway *gateway);

/* Embeds n texts; writes n * dimensions floats.  -EOPNOTSUPP: the embedder is the client.
 * Errors name the provider and the remedy; nothing partial is returned. */
int gateway_embed(struct gateway *gateway, struct tenant_id tenant, enum embed_purpose purpose,
                  const struct embed_text *texts, size_t n, float *ret_vectors,
                  struct embed_usage *ret_usage, struct error *reterr);

/* Checks and normalises one vector that a client sent, in place. */
int gateway_admit_vector(const struct gateway *gateway, float *vector, size_t width,
                         struct error *reterr);
