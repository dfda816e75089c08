/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/kept.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SHARDS 8         /* a power of two */
#define USUAL_BYTES 512  /* of an item: a bucket for each */
#define LARGEST_SHARE 16 /* an item above this part of a shard is not kept */

struct shard {
        pthread_mutex_t lock;
        struct kept_item **buckets;
        size_t n_buckets; /* a power of two */
        struct kept_item *hand, **end; /* the next to be looked at when room is needed */
        size_t bytes;
        uint64_t hits, misses;
};

struct kept {
        size_t max_bytes; /* of a shard */
        struct shard shards[SHARDS];
};

/* A collection's id is random already. */
static uint64_t hash_of(const struct kept_key *key)
{
        uint64_t hash;

        memcpy(&hash, key->collection.id.bytes, sizeof hash);
        hash ^= (uint64_t) key->generation << 32U | key->number;
        hash = (hash ^ hash >> 33U) * UINT64_C(0xFF51AFD7ED558CCD);
        return hash ^ hash >> 29U;
}

static bool same(const struct kept_key *a, const struct kept_key *b)
{
        return a->number == b->number && a->generation == b->generation &&
               id_equal(a->collection.id, b->collection.id);
}

static struct kept_item **bucket_of(const struct shard *shard, uint64_t hash)
{
        return &shard->buckets[(hash / SHARDS) & (shard->n_buckets - 1)];
}

struct kept_item *kept_ref(struct kept_item *item)
{
        (void) atomic_fetch_add_explicit(&item->refs, 1, memory_order_relaxed);
        return item;
}

struct kept_item *kept_unref(struct kept_item *item)
{
        if (!item || atomic_fetch_sub(&item->refs, 1) > 1)
                return NULL;
        if (item->key.generation == 0)
                document_done(&item->document);
        else
                chunk_done(&item->chunk);
        free(item);
        return NULL;
}

/* ---- Under a shard's lock ------------------------------------------------------------------- */

static struct kept_item *find(const struct shard *shard, const struct kept_key *key, uint64_t hash)
{
        struct kept_item *item = *bucket_of(shard, hash);

        while (item && !same(&item->key, key))
                item = item->in_bucket;
        return item;
}

static void take_out(struct shard *shard, struct kept_item *item)
{
        struct kept_item **link = bucket_of(shard, hash_of(&item->key));

        while (*link != item)
                link = &(*link)->in_bucket;
        *link = item->in_bucket;
        shard->bytes -= item->bytes;
        (void) kept_unref(item);
}

static void append(struct shard *shard, struct kept_item *item)
{
        item->behind = NULL;
        *shard->end = item;
        shard->end = &item->behind;
}

/* Whoever was asked for since the hand came by last goes to the end of the row, once. */
static void make_room(struct shard *shard, size_t max_bytes)
{
        while (shard->bytes > max_bytes && shard->hand) {
                struct kept_item *item = shard->hand;

                shard->hand = item->behind;
                if (!shard->hand)
                        shard->end = &shard->hand;
                if (item->used) {
                        item->used = false;
                        append(shard, item);
                } else {
                        take_out(shard, item);
                }
        }
}

/* ---- Looking up and keeping ----------------------------------------------------------------- */

struct kept_item *kept_get(struct kept *kept, const struct kept_key *key)
{
        uint64_t hash = hash_of(key);
        struct kept_item *item;
        struct shard *shard;

        if (!kept)
                return NULL;
        shard = &kept->shards[hash % SHARDS];
        pthread_mutex_lock(&shard->lock);
        item = find(shard, key, hash);
        if (item) {
                item->used = true;
                (void) kept_ref(item);
                shard->hits++;
        } else {
                shard->misses++;
        }
        pthread_mutex_unlock(&shard->lock);
        return item;
}

/* Takes the caller's item; what another thread kept meanwhile comes first. */
static struct kept_item *keep(struct kept *kept, struct kept_item *item)
{
        uint64_t hash = hash_of(&item->key);
        struct kept_item *other;
        struct shard *shard;

        if (!kept || item->bytes > kept->max_bytes / LARGEST_SHARE)
                return item;
        shard = &kept->shards[hash % SHARDS];
        pthread_mutex_lock(&shard->lock);
        other = find(shard, &item->key, hash);
        if (other) {
                (void) kept_ref(other);
        } else {
                (void) kept_ref(item);
                item->in_bucket = *bucket_of(shard, hash);
                *bucket_of(shard, hash) = item;
                append(shard, item);
                shard->bytes += item->bytes;
                make_room(shard, kept->max_bytes);
        }
        pthread_mutex_unlock(&shard->lock);
        if (!other)
                return item;
        (void) kept_unref(item);
        return other;
}

static struct kept_item *new_item(const struct kept_key *key)
{
        struct kept_item *item = calloc(1, sizeof *item);

        if (item) {
                item->key = *key;
                atomic_init(&item->refs, 1);
                item->bytes = sizeof *item;
        }
        return item;
}

static size_t text_bytes(const char *text)
{
        return text ? strlen(text) + 1 + 2 * sizeof(size_t) : 0; /* and the allocator's part */
}

struct kept_item *kept_put_document(struct kept *kept, const struct kept_key *key,
                                    struct document *document)
{
        struct kept_item *item = new_item(key);

        if (!item)
                return NULL;
        item->document = *document;
        *document = (struct document){ 0 };
        item->bytes += text_bytes(item->document.external_id) + text_bytes(item->document.mime) +
                       text_bytes(item->document.title) + text_bytes(item->document.source_url) +
                       text_bytes(item->document.metadata) + text_bytes(item->document.chunking) +
                       text_bytes(item->document.error);
        return keep(kept, item);
}

struct kept_item *kept_put_chunk(struct kept *kept, const struct kept_key *key,
                                 struct chunk *chunk)
{
        struct kept_item *item = new_item(key);

        if (!item)
                return NULL;
        item->chunk = *chunk;
        *chunk = (struct chunk){ 0 };
        item->bytes += item->chunk.text_len + 1 + 2 * sizeof(size_t);
        return keep(kept, item);
}

/* ---- The object ----------------------------------------------------------------------------- */

int kept_new(size_t max_bytes, struct kept **ret, struct error *reterr)
{
        struct kept *kept;
        size_t n_buckets = 64;

        *ret = NULL;
        if (max_bytes == 0)
                return 0;
        kept = calloc(1, sizeof *kept);
        if (!kept)
                return error_oom(reterr);
        kept->max_bytes = max_bytes / SHARDS;
        while (n_buckets < kept->max_bytes / USUAL_BYTES)
                n_buckets *= 2;
        for (size_t i = 0; i < SHARDS; i++) {
                struct shard *shard = &kept->shards[i];

                (void) pthread_mutex_init(&shard->lock, NULL);
                shard->end = &shard->hand;
                shard->n_buckets = n_buckets;
                shard->buckets = calloc(n_buckets, sizeof(struct kept_item *));
                if (!shard->buckets) {
                        (void) kept_free(kept);
                        return error_oom(reterr);
                }
        }
        *ret = kept;
        return 0;
}

struct kept *kept_free(struct kept *kept)
{
        if (!kept)
                return NULL;
        for (size_t i = 0; i < SHARDS; i++) {
                struct shard *shard = &kept->shards[i];

                if (!shard->buckets)
                        continue;
                while (shard->hand) {
                        struct kept_item *item = shard->hand;

                        shard->hand = item->behind;
                        (void) kept_unref(item);
                }
                free(shard->buckets);
                (void) pthread_mutex_destroy(&shard->lock);
        }
        free(kept);
        return NULL;
}

void kept_clear(struct kept *kept)
{
        for (size_t i = 0; kept && i < SHARDS; i++) {
                pthread_mutex_lock(&kept->shards[i].lock);
                make_room(&kept->shards[i], 0);
                pthread_mutex_unlock(&kept->shards[i].lock);
        }
}

void kept_get_figures(struct kept *kept, struct kept_figures *ret)
{
        *ret = (struct kept_figures){ 0 };
        for (size_t i = 0; kept && i < SHARDS; i++) {
                struct shard *shard = &kept->shards[i];

                pthread_mutex_lock(&shard->lock);
                ret->hits += shard->hits;
                ret->misses += shard->misses;
                ret->bytes += shard->bytes;
                pthread_mutex_unlock(&shard->lock);
        }
}
