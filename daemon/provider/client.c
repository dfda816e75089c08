/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that come from outside, with each document and each query: nothing to call. */
#include "provider/kinds.h"

#include <stdlib.h>

static int client_open(const struct provider_config *config, uint32_t dimensions,
                       struct provider **ret, struct error *reterr)
{
        struct provider *provider = calloc(1, sizeof *provider);

        (void) config;
        (void) dimensions;
        if (!provider)
                return error_oom(reterr);
        *ret = provider;
        return 0;
}

static void client_free(struct provider *provider)
{
        free(provider);
}

const struct provider_ops client_ops = {
        .kind = "client",
        .from_client = true,
        .open = client_open,
        .free = client_free,
};
