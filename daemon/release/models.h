/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider tables the profile uses, and for what. */
#pragma once
#include "base/error.h"
#include "config/values.h"

#include <stddef.h>

struct models {
        const struct provider_config *embedder, *reranker; /* reranker: or NULL */
        const struct provider_config **used; /* each once; heap */
        const char **names;                  /* theirs, NULL at the end; heap */
        size_t n;
};

/* Everything is borrowed from the config but the arrays.  -ENOKEY, -ENOENT: as
 * config_embedder(). */
int models_choose(const struct config *config, struct models *ret, struct error *reterr);
void models_done(struct models *models);
