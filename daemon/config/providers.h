/* SPDX-License-Identifier: Apache-2.0 */
/* Which provider a name means, what each kind can do, and which one embeds.
 *
 * An embedder needs no table when its name says enough: `hashing`, `client`, `mock`, `openai`,
 * `cohere`, `local`, `ollama`, `lmstudio`.  Loading writes such a table into the config, so
 * that whoever reads it finds a provider_config for each name, with its endpoint. */
#pragma once
#include "base/error.h"
#include "config/values.h"

#include <stdbool.h>
#include <stddef.h>

/* The table of this name, or NULL. */
const struct provider_config *config_provider(const struct config *config, const char *name);

/* The provider that embeds: the first candidate whose key is present; of several, those that
 * cannot give the profile's width are passed over.  -ENOKEY: none has a key; -ENOENT: a
 * candidate is no provider (a validated config has no such). */
int config_embedder(const struct config *config, const struct provider_config **ret,
                    struct error *reterr);

/* The candidates' names in order of preference, "auto" replaced by what it stands for; NULL
 * from the end on. */
const char *config_embedder_candidate(const struct config *config, size_t at);

/* What a kind is. */
struct provider_traits {
        bool embeds, generates, reranks;
        bool needs_key;
        bool needs_endpoint;  /* has no public one */
        const char *endpoint; /* the public one, or that of this machine */
};
const struct provider_traits *provider_kind_traits(enum provider_kind kind);

/* Whether the provider's model gives vectors of this width.  1: yes; 0: no, and *ret_widths
 * (constant text) says which it gives; -ENODATA: not known. */
int provider_gives_width(const struct provider_config *provider, uint32_t width,
                         const char **ret_widths);
