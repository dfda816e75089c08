/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of texts that were embedded before, on disk: one SQLite file for all stages of a host, so
 * that no stage pays for what another embedded.
 *
 * A key is BLAKE2b of the tenant's secret salt, the fingerprint and the text: no tenant can learn
 * from another's hits what that one has.  Salts are drawn at random and lie in the same file,
 * readable by the daemon's user alone.  A row carries a checksum; one that does not fit is
 * removed and counts as absent.  A file that cannot be read is set aside and made anew: it is a
 * cache.  Any thread; several processes. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct embedding_cache;

#define EMBEDDING_KEY_BYTES 32

struct embedding_cache_settings {
        const char *path;        /* the file; its folder is made where absent; NULL: memory only */
        const char *fingerprint; /* what the vectors depend on beside the text */
        uint32_t dimensions;
        uint32_t max_entries; /* of this fingerprint; the least recently used go */
        uint64_t ttl_usec;    /* of an entry since it was written; 0: for ever */
        size_t memory_bytes;  /* of the part that is held in memory as well */
};

/* A file that cannot be used (a newer ragd wrote it, its folder cannot be written) is no failure:
 * the cache is in memory only then, and embedding_cache_notice() says why. */
int embedding_cache_open(const struct embedding_cache_settings *settings,
                         struct embedding_cache **ret, struct error *reterr);
const char *embedding_cache_notice(const struct embedding_cache *cache); /* or NULL */
/* Writes what waits. */
struct embedding_cache *embedding_cache_close(struct embedding_cache *cache);
DEFINE_CLEANUP(struct embedding_cache *, embedding_cache_close)

struct embedding_key {
        uint8_t bytes[EMBEDDING_KEY_BYTES];
};
/* `tenant` is its name, the same in every stage; `purpose` tells apart what a model embeds
 * differently (documents, queries). */
int embedding_cache_key(struct embedding_cache *cache, const char *tenant, const char *purpose,
                        const char *text, size_t len, struct embedding_key *ret,
                        struct error *reterr);

/* Fills row i of `vectors` where key i is known and sets found[i].  A fault of the file counts as
 * not found. */
void embedding_cache_get(struct embedding_cache *cache, const struct embedding_key *keys, size_t n,
                         uint64_t now_wall_usec, float *vectors, bool *found);
/* Remembers; written to disk in the background.  What does not fit is forgotten. */
void embedding_cache_put(struct embedding_cache *cache, const char *tenant,
                         const struct embedding_key *keys, const float *vectors, size_t n,
                         uint64_t now_wall_usec);
/* Removes everything of a tenant, from the file as well, under every fingerprint; its salt stays,
 * so that stages go on sharing.  What another process holds in memory goes when that ends. */
int embedding_cache_purge(struct embedding_cache *cache, const char *tenant, struct error *reterr);
/* The same of a file that no cache may have open.  Absent is success. */
int embedding_cache_erase(const char *path, const char *tenant, struct error *reterr);
/* Waits until what was put is in the file.  Fails where some of what was put since the flush before
 * was not taken. */
int embedding_cache_flush(struct embedding_cache *cache, struct error *reterr);

struct embedding_cache_figures {
        uint64_t memory_hits, disk_hits, misses; /* keys that were asked for */
        uint64_t entries; /* of this fingerprint in the file; without one, in memory */
        uint64_t memory_bytes;
        uint64_t damaged;       /* rows that did not fit their checksum, files set aside */
        uint64_t failed_writes; /* entries that did not reach the file */
        bool memory_only;       /* see embedding_cache_notice() */
};
void embedding_cache_get_figures(struct embedding_cache *cache,
                                 struct embedding_cache_figures *ret);
