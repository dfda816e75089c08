/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/gateway.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "gateway/batches.h"
#include "gateway/vectors.h"

#include <stdlib.h>

struct gateway {
        struct provider *embedder;
        const struct embedding_config *embedding;
};

int gateway_new(const struct gateway_settings *settings, struct gateway **ret,
                struct error *reterr)
{
        struct gateway *gateway = calloc(1, sizeof *gateway);
        int r;

        if (!gateway)
                return error_oom(reterr);
        gateway->embedding = settings->embedding;
        r = provider_open(settings->embedder, settings->dimensions, &gateway->embedder, reterr);
        if (r < 0) {
                (void) gateway_free(gateway);
                return r;
        }
        *ret = gateway;
        return 0;
}

struct gateway *gateway_free(struct gateway *gateway)
{
        if (!gateway)
                return NULL;
        (void) provider_free(gateway->embedder);
        free(gateway);
        return NULL;
}

const struct provider_ops *gateway_embedder(const struct gateway *gateway)
{
        return gateway->embedder->ops;
}

uint32_t gateway_dimensions(const struct gateway *gateway)
{
        return gateway->embedder->dimensions;
}

int gateway_embed(struct gateway *gateway, struct tenant_id tenant, enum embed_purpose purpose,
                  const struct embed_text *texts, size_t n, float *ret_vectors,
                  struct embed_usage *ret_usage, struct error *reterr)
{
        const struct embedding_config *embedding = gateway->embedding;
        const struct embed_rules rules = {
                .prefix = purpose == EMBED_QUERY ? embedding->query_prefix
                                                 : embedding->document_prefix,
                .batch_size = embedding->batch_size,
                .normalize = embedding->normalize,
        };

        (void) tenant; /* every call on tenant data names its owner; no provider asks for it */
        if (gateway->embedder->ops->from_client)
                return error_set(reterr, -EOPNOTSUPP,
                                 "provider %s takes vectors from the client: send `vector` or "
                                 "`vector_base64` with each document and each query",
                                 gateway->embedder->config->name);
        return embed_batches(gateway->embedder, &rules, purpose, texts, n, ret_vectors, ret_usage,
                             reterr);
}

int gateway_admit_vector(const struct gateway *gateway, float *vector, size_t width,
                         struct error *reterr)
{
        if (width != gateway->embedder->dimensions)
                return error_set(reterr, -EINVAL,
                                 "the vector has %zu components; this profile's have %u", width,
                                 gateway->embedder->dimensions);
        return vector_admit(vector, width, gateway->embedding->normalize, -EINVAL, reterr);
}
