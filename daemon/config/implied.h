/* SPDX-License-Identifier: Apache-2.0 */
/* Values that follow from others: provider tables that need not be written because their name
 * says enough, and the keys that a preset sets.  Private. */
#pragma once
#include "config/values.h"

struct provider_implied {
        const char *name;
        enum provider_kind kind;
        const char *model;   /* that embeds; NULL: none to choose */
        const char *api_key; /* reference; NULL: none needed */
};

const struct provider_implied *provider_implied_find(const char *name);
const char *provider_implied_name(size_t at); /* NULL from the end on */

/* Gives the keys of rag.vector_storage.hnsw.preset their values, where they are not written in
 * the preset's own file or one that extends it. */
void config_apply_preset(struct config *config);
