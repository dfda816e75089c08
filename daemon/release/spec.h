/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile asks of a generation: the one place where configuration becomes identity. */
#pragma once
#include "store/generation.h"

struct config;
struct provider_config;
struct provider_ops;

/* Strings are borrowed from the config.  The language is the collection's and left NULL. */
void release_spec(const struct config *config, const struct provider_config *embedder,
                  const struct provider_ops *ops, struct generation_spec *ret);
