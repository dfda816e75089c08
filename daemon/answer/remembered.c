/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/remembered.h"

#include "base/error.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct remembered_item {
        struct remembered_key key;
        struct remembered_item *newer, *older; /* in the order of use */
        struct remembered_item *in_bucket;
        uint64_t until_usec;
        atomic_uint refs;
        size_t n_results, len;
        char text[];
};

struct remembered {
        size_t max_entries, max_bytes;
        uint64_t ttl_usec;
        pthread_mutex_t lock; /* what follows */
        struct remembered_item **buckets;
        size_t mask;
        struct remembered_item *newest, *oldest;
        struct remembered_figures figures;
};

int remembered_new(size_t entries, uint64_t ttl_usec, struct remembered **ret,
                   struct error *reterr)
{
        struct remembered *remembered;
        size_t slots = 16;

        *ret = NULL;
        if (entries == 0)
                return 0;
        while (slots < entries && slots < (size_t) 1 << 20U)
                slots *= 2;
        remembered = calloc(1, sizeof *remembered);
        if (!remembered)
                return error_oom(reterr);
        remembered->buckets = calloc(slots, sizeof(struct remembered_item *));
        if (!remembered->buckets) {
                free(remembered);
                return error_oom(reterr);
        }
        remembered->mask = slots - 1;
        remembered->max_entries = entries;
        remembered->max_bytes = entries * REMEMBERED_BYTES_EACH;
        if (remembered->max_bytes < REMEMBERED_BYTES_MAX)
                remembered->max_bytes = REMEMBERED_BYTES_MAX;
        remembered->ttl_usec = ttl_usec;
        (void) pthread_mutex_init(&remembered->lock, NULL);
        *ret = remembered;
        return 0;
}

struct remembered_item *remembered_unref(struct remembered_item *item)
{
        if (item && atomic_fetch_sub(&item->refs, 1) == 1)
                free(item);
        return NULL;
}

const char *remembered_text(const struct remembered_item *item, size_t *ret_len)
{
        *ret_len = item->len;
        return item->text;
}

size_t remembered_results(const struct remembered_item *item)
{
        return item->n_results;
}

/* ---- With the lock held ---------------------------------------------------------------------- */

static struct remembered_item **find(struct remembered *remembered,
                                     const struct remembered_key *key)
{
        struct remembered_item **at;
        size_t bucket;

        memcpy(&bucket, key->bytes, sizeof bucket);
        at = &remembered->buckets[bucket & remembered->mask];
        while (*at && memcmp(&(*at)->key, key, sizeof *key) != 0)
                at = &(*at)->in_bucket;
        return at;
}

static void unlink_item(struct remembered *remembered, struct remembered_item *item)
{
        if (item->newer)
                item->newer->older = item->older;
        else
                remembered->newest = item->older;
        if (item->older)
                item->older->newer = item->newer;
        else
                remembered->oldest = item->newer;
}

static void link_newest(struct remembered *remembered, struct remembered_item *item)
{
        item->newer = NULL;
        item->older = remembered->newest;
        if (item->older)
                item->older->newer = item;
        else
                remembered->oldest = item;
        remembered->newest = item;
}

static void remove_at(struct remembered *remembered, struct remembered_item **at)
{
        struct remembered_item *item = *at;

        assert(item); /* whoever is linked is in a bucket */
        *at = item->in_bucket;
        unlink_item(remembered, item);
        remembered->figures.bytes -= item->len;
        remembered->figures.entries--;
        (void) remembered_unref(item);
}

static void make_room(struct remembered *remembered, size_t len)
{
        while (remembered->oldest &&
               (remembered->figures.entries >= remembered->max_entries ||
                remembered->figures.bytes + len > remembered->max_bytes))
                remove_at(remembered, find(remembered, &remembered->oldest->key));
}

/* ---- From outside ---------------------------------------------------------------------------- */

struct remembered *remembered_free(struct remembered *remembered)
{
        if (!remembered)
                return NULL;
        while (remembered->oldest)
                remove_at(remembered, find(remembered, &remembered->oldest->key));
        (void) pthread_mutex_destroy(&remembered->lock);
        free(remembered->buckets);
        free(remembered);
        return NULL;
}

struct remembered_item *remembered_get(struct remembered *remembered,
                                       const struct remembered_key *key, uint64_t now_usec)
{
        struct remembered_item *item = NULL, **at;

        if (!remembered)
                return NULL;
        (void) pthread_mutex_lock(&remembered->lock);
        at = find(remembered, key);
        if (*at && (*at)->until_usec <= now_usec)
                remove_at(remembered, at);
        else
                item = *at;
        if (item) {
                unlink_item(remembered, item);
                link_newest(remembered, item);
                (void) atomic_fetch_add(&item->refs, 1);
                remembered->figures.hits++;
        } else {
                remembered->figures.misses++;
        }
        (void) pthread_mutex_unlock(&remembered->lock);
        return item;
}

void remembered_put(struct remembered *remembered, const struct remembered_key *key,
                    const char *text, size_t len, size_t n_results, uint64_t now_usec)
{
        struct remembered_item *item, **at;

        if (!remembered || len > REMEMBERED_BYTES_MAX)
                return;
        item = malloc(sizeof *item + len + 1);
        if (!item)
                return;
        memset(item, 0, sizeof *item);
        item->key = *key;
        item->until_usec = now_usec + remembered->ttl_usec;
        atomic_init(&item->refs, 1);
        item->n_results = n_results;
        item->len = len;
        memcpy(item->text, text, len);
        item->text[len] = '\0';
        (void) pthread_mutex_lock(&remembered->lock);
        at = find(remembered, key);
        if (*at)
                remove_at(remembered, at);
        make_room(remembered, len);
        at = find(remembered, key);
        *at = item;
        link_newest(remembered, item);
        remembered->figures.bytes += len;
        remembered->figures.entries++;
        (void) pthread_mutex_unlock(&remembered->lock);
}

void remembered_clear(struct remembered *remembered)
{
        if (!remembered)
                return;
        (void) pthread_mutex_lock(&remembered->lock);
        while (remembered->oldest)
                remove_at(remembered, find(remembered, &remembered->oldest->key));
        (void) pthread_mutex_unlock(&remembered->lock);
}

void remembered_get_figures(struct remembered *remembered, struct remembered_figures *ret)
{
        *ret = (struct remembered_figures){ 0 };
        if (!remembered)
                return;
        (void) pthread_mutex_lock(&remembered->lock);
        *ret = remembered->figures;
        (void) pthread_mutex_unlock(&remembered->lock);
}
