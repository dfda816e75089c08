/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the embedding cache that is held in memory: a hash table over a list in the order of
 * use, bounded in bytes.  Keys are hashes already.  Takes no locks; for embedding_cache.c. */
#pragma once
#include "store/embedding_cache.h"

struct embedding_memory;

struct memory_entry {
        struct embedding_key key;
        uint32_t tenant; /* a number that embedding_cache.c gives it */
        uint64_t written_usec;
        uint64_t touched_usec; /* when the file was last told that it is used */
        struct memory_entry *newer, *older, *next; /* in the order of use; of the same bucket */
        float vector[];
};

struct embedding_memory *embedding_memory_new(uint32_t dimensions, size_t max_bytes); /* or NULL */
struct embedding_memory *embedding_memory_free(struct embedding_memory *memory);

/* It is the most recently used one from now on; NULL: absent.  Borrowed until the next change. */
struct memory_entry *embedding_memory_find(struct embedding_memory *memory,
                                           const struct embedding_key *key);
/* Adds or replaces.  Where it does not fit at all, or there is no memory, nothing is kept. */
void embedding_memory_put(struct embedding_memory *memory, const struct embedding_key *key,
                          uint32_t tenant, uint64_t written_usec, uint64_t touched_usec,
                          const float *vector);
void embedding_memory_remove(struct embedding_memory *memory, struct memory_entry *entry);
void embedding_memory_purge(struct embedding_memory *memory, uint32_t tenant);

size_t embedding_memory_bytes(const struct embedding_memory *memory);
size_t embedding_memory_entries(const struct embedding_memory *memory);
