/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that were computed elsewhere, taken into the embedding cache as if asked for here. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/inside.h"
#include "gateway/vectors.h"
#include "store/embedding_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

int gateway_check_room(const struct embedding_config *embedding, uint64_t n, struct error *reterr)
{
        if (!embedding->cache_enabled)
                return error_set(reterr, -E2BIG,
                                 "the embedding cache is off, and %" PRIu64 " vectors need it: set "
                                 "rag.embedding.cache_enabled = true and rag.embedding.cache_size "
                                 "to %" PRIu64 " or more",
                                 n, n);
        if (n > embedding->cache_size)
                return error_set(reterr, -E2BIG,
                                 "the embedding cache holds %u vectors, and there are %" PRIu64
                                 ": set rag.embedding.cache_size to %" PRIu64 " or more",
                                 embedding->cache_size, n, n);
        return 0;
}

int gateway_expect_vectors(struct gateway *gateway, uint64_t n, struct error *reterr)
{
        struct embedding_cache_figures figures;
        const char *notice;
        int r;

        if (!gateway_embeds_remotely(gateway))
                return error_set(reterr, -EOPNOTSUPP,
                                 "provider %s embeds without another machine: nothing is "
                                 "remembered of its vectors",
                                 gateway->lanes[0].provider->config->name);
        r = gateway_check_room(gateway->settings.embedding, n, reterr);
        if (r < 0)
                return r;
        embedding_cache_get_figures(gateway->cache, &figures);
        notice = embedding_cache_notice(gateway->cache);
        if (figures.memory_only)
                return error_set(reterr, -EIO, "the embedding cache is in memory alone%s%.160s",
                                 notice ? ": " : "", notice ? notice : "");
        return 0;
}

int gateway_take_vector(struct gateway *gateway, struct tenant_id tenant,
                        const struct embed_text *text, const float *vector, uint32_t dimensions,
                        struct error *reterr)
{
        char name[GATEWAY_TENANT_NAME_SIZE] = "";
        cleanup_free_ float *admitted = NULL;
        struct embedding_key key;
        int r;

        if (!gateway->cache)
                return error_set(reterr, -EOPNOTSUPP, "there is no embedding cache");
        if (dimensions != gateway->settings.dimensions)
                return error_set(reterr, -EBADMSG,
                                 "the vector has %u components; this profile's have %u", dimensions,
                                 gateway->settings.dimensions);
        admitted = calloc(dimensions, sizeof *admitted);
        if (!admitted)
                return error_oom(reterr);
        memcpy(admitted, vector, dimensions * sizeof *admitted);
        r = vector_admit(admitted, dimensions, gateway->settings.embedding->normalize, -EBADMSG,
                         reterr);
        if (r < 0)
                return r;
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        gateway_name_tenant(gateway, tenant, name);
        r = embedding_cache_key(gateway->cache, name, gateway_purpose_name(EMBED_DOCUMENT),
                                text->text, text->len, &key, reterr);
        if (r == 0)
                embedding_cache_put(gateway->cache, name, &key, admitted, 1, clock_wall_usec());
        gateway_leave(gateway);
        return r;
}

int gateway_flush_vectors(struct gateway *gateway, struct error *reterr)
{
        int r = gateway_enter(gateway, reterr);

        if (r < 0)
                return r;
        r = gateway->cache ? embedding_cache_flush(gateway->cache, reterr) : 0;
        gateway_leave(gateway);
        return r < 0 ? error_prefix(reterr, r, "the embedding cache") : 0;
}
