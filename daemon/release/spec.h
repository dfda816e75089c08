/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile asks of a generation: the one place where configuration becomes identity, and
 * where it becomes what an index is opened with. */
#pragma once
#include "store/generation.h"

struct config;
struct provider_config;
struct provider_ops;

/* Strings are borrowed from the config.  The language is the collection's and left NULL. */
void release_spec(const struct config *config, const struct provider_config *embedder,
                  const struct provider_ops *ops, struct generation_spec *ret);

/* The same of the embedder that the profile chooses, with the identity that releases are named by
 * (no language).  `ret_embedder` may be NULL.  Errors as config_embedder(). */
int release_wants(const struct config *config, struct generation_spec *ret,
                  uint8_t ret_identity[static GENERATION_IDENTITY_BYTES],
                  const struct provider_config **ret_embedder, struct error *reterr);

/* What the profile asks of every graph beside the identity: the work on it and its limits.
 * `budget` is borrowed by the result. */
void release_index(const struct config *config, struct index_budget *budget,
                   struct index_params *ret);
/* rag.vector_storage.max_memory_mb: what all indexes together may hold. */
uint64_t release_index_bytes(const struct config *config);
