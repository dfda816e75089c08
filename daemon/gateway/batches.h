/* SPDX-License-Identifier: Apache-2.0 */
/* Many texts through one built-in provider, on the calling thread: prefixes added, cut into
 * batches, every vector checked. */
#pragma once
#include "provider/provider.h"

struct embed_rules {
        const char *prefix;  /* before each text; NULL: none */
        uint32_t batch_size; /* at least 1; the provider's own limit counts too */
        bool normalize;
};

/* As gateway_embed().  -EBADMSG: the provider gave something that is no vector.  On failure
 * no vector in ret_vectors is finite. */
int embed_batches(struct provider *provider, const struct embed_rules *rules,
                  enum embed_purpose purpose, const struct embed_text *texts, size_t n,
                  float *ret_vectors, struct embed_usage *ret_usage, struct error *reterr);
