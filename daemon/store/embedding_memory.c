/* SPDX-License-Identifier: Apache-2.0 */
#include "store/embedding_memory.h"

#include <string.h>

#define BUCKETS_FIRST 64

struct embedding_memory {
        uint32_t dimensions;
        size_t max_bytes, bytes; /* of entries with their share of the table */
        size_t n, n_buckets;     /* a power of two */
        struct memory_entry **buckets;
        struct memory_entry *newest, *oldest;
};

static size_t entry_bytes(const struct embedding_memory *memory)
{
        return sizeof(struct memory_entry) + (size_t) memory->dimensions * sizeof(float) +
               2 * sizeof(struct memory_entry *);
}

struct embedding_memory *embedding_memory_new(uint32_t dimensions, size_t max_bytes)
{
        struct embedding_memory *memory = calloc(1, sizeof *memory);

        if (!memory)
                return NULL;
        memory->dimensions = dimensions;
        memory->max_bytes = max_bytes;
        memory->n_buckets = BUCKETS_FIRST;
        memory->buckets = calloc(memory->n_buckets, sizeof(struct memory_entry *));
        return memory->buckets ? memory : embedding_memory_free(memory);
}

struct embedding_memory *embedding_memory_free(struct embedding_memory *memory)
{
        struct memory_entry *older;

        if (!memory)
                return NULL;
        for (struct memory_entry *at = memory->newest; at; at = older) {
                older = at->older;
                free(at);
        }
        free(memory->buckets);
        free(memory);
        return NULL;
}

static struct memory_entry **bucket(const struct embedding_memory *memory,
                                    const struct embedding_key *key)
{
        uint64_t hash;

        memcpy(&hash, key->bytes, sizeof hash);
        return &memory->buckets[hash & (memory->n_buckets - 1)];
}

static struct memory_entry *lookup(const struct embedding_memory *memory,
                                   const struct embedding_key *key)
{
        struct memory_entry *at = *bucket(memory, key);

        while (at && memcmp(at->key.bytes, key->bytes, sizeof key->bytes) != 0)
                at = at->next;
        return at;
}

/* ---- The order of use --------------------------------------------------------------------- */

static void unlink_use(struct embedding_memory *memory, struct memory_entry *entry)
{
        *(entry->newer ? &entry->newer->older : &memory->newest) = entry->older;
        *(entry->older ? &entry->older->newer : &memory->oldest) = entry->newer;
}

static void link_newest(struct embedding_memory *memory, struct memory_entry *entry)
{
        entry->newer = NULL;
        entry->older = memory->newest;
        *(entry->older ? &entry->older->newer : &memory->oldest) = entry;
        memory->newest = entry;
}

struct memory_entry *embedding_memory_find(struct embedding_memory *memory,
                                           const struct embedding_key *key)
{
        struct memory_entry *entry = lookup(memory, key);

        if (entry) {
                unlink_use(memory, entry);
                link_newest(memory, entry);
        }
        return entry;
}

/* ---- Changes ------------------------------------------------------------------------------ */

void embedding_memory_remove(struct embedding_memory *memory, struct memory_entry *entry)
{
        struct memory_entry **link = bucket(memory, &entry->key);

        while (*link != entry)
                link = &(*link)->next;
        *link = entry->next;
        unlink_use(memory, entry);
        memory->n--;
        memory->bytes -= entry_bytes(memory);
        free(entry);
}

/* Without memory for a larger table the present one goes on, with longer chains. */
static void grow(struct embedding_memory *memory)
{
        struct memory_entry **before = memory->buckets;
        size_t n_before = memory->n_buckets;
        struct memory_entry **grown = calloc(n_before * 2, sizeof(struct memory_entry *));

        if (!grown)
                return;
        memory->buckets = grown;
        memory->n_buckets = n_before * 2;
        for (struct memory_entry *at = memory->newest; at; at = at->older) {
                struct memory_entry **link = bucket(memory, &at->key);

                at->next = *link;
                *link = at;
        }
        free(before);
}

void embedding_memory_put(struct embedding_memory *memory, const struct embedding_key *key,
                          uint32_t tenant, uint64_t written_usec, uint64_t touched_usec,
                          const float *vector)
{
        size_t vector_bytes = (size_t) memory->dimensions * sizeof(float);
        struct memory_entry *entry = lookup(memory, key), **link;

        if (entry)
                embedding_memory_remove(memory, entry);
        if (entry_bytes(memory) > memory->max_bytes)
                return;
        while (memory->bytes + entry_bytes(memory) > memory->max_bytes)
                embedding_memory_remove(memory, memory->oldest);
        entry = malloc(sizeof *entry + vector_bytes);
        if (!entry)
                return;
        *entry = (struct memory_entry){
                .key = *key,
                .tenant = tenant,
                .written_usec = written_usec,
                .touched_usec = touched_usec,
        };
        memcpy(entry->vector, vector, vector_bytes);
        if (memory->n == memory->n_buckets)
                grow(memory);
        link = bucket(memory, key);
        entry->next = *link;
        *link = entry;
        link_newest(memory, entry);
        memory->n++;
        memory->bytes += entry_bytes(memory);
}

void embedding_memory_purge(struct embedding_memory *memory, uint32_t tenant)
{
        struct memory_entry *older;

        for (struct memory_entry *at = memory->newest; at; at = older) {
                older = at->older;
                if (at->tenant == tenant)
                        embedding_memory_remove(memory, at);
        }
}

size_t embedding_memory_bytes(const struct embedding_memory *memory)
{
        return memory->bytes;
}

size_t embedding_memory_entries(const struct embedding_memory *memory)
{
        return memory->n;
}
