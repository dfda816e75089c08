/* SPDX-License-Identifier: Apache-2.0 */
/* The embedding caches that gateways of several releases have open: one for each file and
 * fingerprint.  Those of different fingerprints lie side by side in one file.  Any thread. */
#pragma once
#include "base/error.h"
#include "store/embedding_cache.h"

struct caches;

int caches_new(struct caches **ret, struct error *reterr);
/* Every cache must have been closed. */
struct caches *caches_free(struct caches *caches);

/* One that is open already with the same settings, or a new one.  Errors as
 * embedding_cache_open(). */
int caches_open(struct caches *caches, const struct embedding_cache_settings *settings,
                struct embedding_cache **ret, struct error *reterr);
/* Gives it up; the last one closes it. */
void caches_close(struct caches *caches, struct embedding_cache *cache);

/* Removes everything of a tenant from all of them and their files; errors as
 * embedding_cache_purge(), and nevertheless from as many as can be. */
int caches_forget(struct caches *caches, const char *tenant, struct error *reterr);
