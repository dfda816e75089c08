/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/provider.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "config/values.h"
#include "provider/kinds.h"

#include <string.h>

static const struct provider_ops *const kinds[] = { &hashing_ops, &client_ops, &mock_ops };

const struct provider_ops *provider_ops_find(const char *kind)
{
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i]->kind, kind) == 0)
                        return kinds[i];
        return NULL;
}

static int refuse_kind(const struct provider_config *config, const char *kind,
                       struct error *reterr)
{
        cleanup_(buf_done) struct buf known = BUF_EMPTY;

        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                buf_append_format(&known, "%s%s", i > 0 ? ", " : "", kinds[i]->kind);
        return error_set(reterr, -EOPNOTSUPP,
                         "provider %s: kind %s cannot embed in this version; kinds that can: %s",
                         config->name, kind, buf_text(&known));
}

int provider_open(const struct provider_config *config, uint32_t dimensions, struct provider **ret,
                  struct error *reterr)
{
        const char *kind = provider_kind_name(config->kind);
        const struct provider_ops *ops = provider_ops_find(kind);
        struct provider *provider;
        int r;

        if (!ops)
                return refuse_kind(config, kind, reterr);
        r = ops->open(config, dimensions, &provider, reterr);
        if (r < 0)
                return error_prefix(reterr, r, "provider %s", config->name);
        provider->ops = ops;
        provider->config = config;
        provider->dimensions = dimensions;
        *ret = provider;
        return 0;
}

struct provider *provider_free(struct provider *provider)
{
        if (provider)
                provider->ops->free(provider);
        return NULL;
}
