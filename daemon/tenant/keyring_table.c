/* SPDX-License-Identifier: Apache-2.0 */
/* The table of rows that were read, and of when they were used. */
#include "tenant/keyring_inside.h"

#include "base/cleanup.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN_SHARE 8 /* ids that are nobody's: so many for one that is */

/* ---- Entries ---------------------------------------------------------------------------- */

struct held *held_unref(struct held *held)
{
        if (held && atomic_fetch_sub(&held->refs, 1) == 1) {
                for (size_t i = 0; held->collections && held->collections[i]; i++)
                        free(held->collections[i]);
                free(held->collections);
                free(held);
        }
        return NULL;
}

/* For an id without a row: a hash that is no secret's. */
static int read_row(struct keyring *keyring, struct key_id id, struct held **ret,
                    struct error *reterr)
{
        struct key_info info = { 0 };
        struct held *held = calloc(1, sizeof *held);
        int r;

        if (!held)
                return error_oom(reterr);
        r = key_get(keyring->store, id, &info, reterr);
        if (r < 0 && r != -ENOENT) {
                free(held);
                return r;
        }
        held->known = r == 0;
        randombytes_buf(held->hash, sizeof held->hash);
        if (held->known)
                memcpy(held->hash, info.hash, sizeof held->hash);
        held->expires_usec = info.expires_usec;
        held->revoked_usec = info.revoked_usec;
        held->collections = take_ptr(info.collections);
        held->principal = (struct principal){
                .tenant = info.tenant,
                .key = id,
                .scopes = info.scopes,
                .requests_per_minute = info.requests_per_minute,
                .collections = (const char *const *) held->collections,
        };
        atomic_init(&held->refs, 1);
        key_info_done(&info);
        *ret = held;
        return 0;
}

/* ---- A shard ---------------------------------------------------------------------------- */

static uint64_t hash_id(const struct keyring *keyring, struct key_id id)
{
        uint64_t hash;

        (void) crypto_shorthash((unsigned char *) &hash, id.bytes, sizeof id.bytes,
                                keyring->hash_key);
        return hash;
}

static struct keyring_shard *shard_of(struct keyring *keyring, uint64_t hash)
{
        return &keyring->shards[hash % KEYRING_SHARDS];
}

static struct held **bucket_of(struct keyring_shard *shard, uint64_t hash)
{
        return &shard->buckets[hash / KEYRING_SHARDS & (shard->n_buckets - 1)];
}

static struct held_list *list_of(struct keyring_shard *shard, const struct held *held)
{
        return held->known ? &shard->known : &shard->unknown;
}

static void put_first(struct held_list *list, struct held *held)
{
        held->newer = NULL;
        held->older = list->newest;
        if (list->newest)
                list->newest->newer = held;
        else
                list->oldest = held;
        list->newest = held;
        list->n++;
}

static void take_out(struct held_list *list, struct held *held)
{
        *(held->newer ? &held->newer->older : &list->newest) = held->older;
        *(held->older ? &held->older->newer : &list->oldest) = held->newer;
        list->n--;
}

/* Gives the table's reference back. */
static void drop(struct keyring *keyring, struct keyring_shard *shard, struct held *held)
{
        struct held **link = bucket_of(shard, hash_id(keyring, held->principal.key));

        while (*link != held)
                link = &(*link)->next;
        *link = held->next;
        take_out(list_of(shard, held), held);
        (void) held_unref(held);
}

/* Under the lock: a reference, or NULL. */
static struct held *look_up(struct keyring_shard *shard, uint64_t hash, struct key_id id)
{
        struct held *held = *bucket_of(shard, hash);

        while (held && memcmp(held->principal.key.bytes, id.bytes, sizeof id.bytes) != 0)
                held = held->next;
        if (held) {
                (void) atomic_fetch_add(&held->refs, 1);
                take_out(list_of(shard, held), held);
                put_first(list_of(shard, held), held);
        }
        return held;
}

static void insert(struct keyring *keyring, struct keyring_shard *shard, uint64_t hash,
                   struct held *held)
{
        struct held_list *list = list_of(shard, held);
        struct held **bucket = bucket_of(shard, hash);

        if (list->n >= list->max)
                drop(keyring, shard, list->oldest);
        (void) atomic_fetch_add(&held->refs, 1);
        held->next = *bucket;
        *bucket = held;
        put_first(list, held);
}

int keyring_find(struct keyring *keyring, struct key_id id, struct held **ret,
                 struct error *reterr)
{
        uint64_t hash = hash_id(keyring, id), changes;
        struct keyring_shard *shard = shard_of(keyring, hash);
        struct held *held, *other;
        int r;

        (void) pthread_mutex_lock(&shard->lock);
        held = look_up(shard, hash, id);
        changes = shard->changes;
        (void) pthread_mutex_unlock(&shard->lock);
        if (held) {
                *ret = held;
                return 0;
        }
        r = read_row(keyring, id, &held, reterr);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&shard->lock);
        other = look_up(shard, hash, id); /* another thread was faster */
        if (!other && shard->changes == changes)
                insert(keyring, shard, hash, held);
        (void) pthread_mutex_unlock(&shard->lock);
        if (other)
                (void) held_unref(held);
        *ret = other ? other : held;
        return 0;
}

void keyring_forget(struct keyring *keyring, struct key_id id)
{
        uint64_t hash = hash_id(keyring, id);
        struct keyring_shard *shard = shard_of(keyring, hash);
        struct held *held;

        (void) pthread_mutex_lock(&shard->lock);
        shard->changes++;
        held = look_up(shard, hash, id);
        if (held)
                drop(keyring, shard, held);
        (void) pthread_mutex_unlock(&shard->lock);
        (void) held_unref(held);
}

void keyring_forget_tenant(struct keyring *keyring, struct tenant_id tenant)
{
        for (size_t i = 0; i < KEYRING_SHARDS; i++) {
                struct keyring_shard *shard = &keyring->shards[i];

                (void) pthread_mutex_lock(&shard->lock);
                shard->changes++;
                for (struct held *at = shard->known.newest, *older; at; at = older) {
                        older = at->older;
                        if (id_equal(at->principal.tenant.id, tenant.id))
                                drop(keyring, shard, at);
                }
                (void) pthread_mutex_unlock(&shard->lock);
        }
}

/* ---- Used ------------------------------------------------------------------------------- */

/* Takes a reference of the caller's, also where the entry waits already. */
static void add_used(struct keyring_shard *shard, struct held *takes_held)
{
        (void) pthread_mutex_lock(&shard->lock);
        if (!atomic_exchange(&takes_held->noted, true)) {
                takes_held->next_used = shard->used;
                shard->used = takes_held;
                shard->n_used++;
                takes_held = NULL;
        }
        (void) pthread_mutex_unlock(&shard->lock);
        (void) held_unref(takes_held);
}

/* The time is stored before `noted` is read, and cleared before the time is read: whichever comes
 * first, the newest time is written or its entry is noted again. */
void keyring_note_used(struct keyring *keyring, struct held *held, uint64_t now_wall_usec)
{
        struct keyring_shard *shard = shard_of(keyring, hash_id(keyring, held->principal.key));
        uint32_t n_used;

        atomic_store(&held->used_usec, now_wall_usec);
        if (atomic_load(&held->noted))
                return;
        (void) pthread_mutex_lock(&shard->lock);
        n_used = shard->n_used;
        (void) pthread_mutex_unlock(&shard->lock);
        if (n_used >= 2 * shard->known.max && keyring_flush(keyring, NULL) < 0)
                return; /* memory is bounded, also while the disk is full */
        (void) atomic_fetch_add(&held->refs, 1);
        add_used(shard, held);
}

struct uses {
        struct held **entries;
        struct key_used *used;
        size_t n;
};

/* Moves what a shard noted into `uses`; on failure it stays where it was. */
static int collect(struct keyring_shard *shard, struct uses *uses, struct error *reterr)
{
        size_t n;
        void *grown;
        int r = 0;

        (void) pthread_mutex_lock(&shard->lock);
        n = uses->n + shard->n_used;
        if ((grown = reallocarray(uses->entries, n + 1, sizeof(struct held *))))
                uses->entries = grown;
        if (grown && (grown = reallocarray(uses->used, n + 1, sizeof *uses->used)))
                uses->used = grown;
        if (!grown)
                r = error_oom(reterr);
        for (struct held *at = r == 0 ? shard->used : NULL, *next; at; at = next) {
                next = at->next_used;
                atomic_store(&at->noted, false);
                uses->used[uses->n] = (struct key_used){ at->principal.key,
                                                         atomic_load(&at->used_usec) };
                uses->entries[uses->n++] = at;
        }
        if (r == 0) {
                shard->used = NULL;
                shard->n_used = 0;
        }
        (void) pthread_mutex_unlock(&shard->lock);
        return r;
}

int keyring_flush(struct keyring *keyring, struct error *reterr)
{
        struct uses uses = { 0 };
        int r = 0;

        for (size_t i = 0; r == 0 && i < KEYRING_SHARDS; i++)
                r = collect(&keyring->shards[i], &uses, reterr);
        if (r == 0)
                r = key_set_used(keyring->store, uses.used, uses.n, reterr);
        for (size_t i = 0; i < uses.n; i++)
                if (r < 0)
                        add_used(shard_of(keyring, hash_id(keyring, uses.used[i].id)),
                                 uses.entries[i]);
                else
                        (void) held_unref(uses.entries[i]);
        free(uses.entries);
        free(uses.used);
        return r;
}

/* ---- The table -------------------------------------------------------------------------- */

int keyring_table_init(struct keyring *keyring, uint32_t max_entries, struct error *reterr)
{
        uint32_t max = (max_entries + KEYRING_SHARDS - 1) / KEYRING_SHARDS;
        uint32_t n_buckets = 1;

        while (n_buckets < max)
                n_buckets *= 2;
        randombytes_buf(keyring->hash_key, sizeof keyring->hash_key);
        for (size_t i = 0; i < KEYRING_SHARDS; i++) {
                struct keyring_shard *shard = &keyring->shards[i];

                (void) pthread_mutex_init(&shard->lock, NULL);
                shard->known.max = max;
                shard->unknown.max = max / UNKNOWN_SHARE + 1;
                shard->n_buckets = n_buckets;
                shard->buckets = calloc(n_buckets, sizeof(struct held *));
        }
        for (size_t i = 0; i < KEYRING_SHARDS; i++)
                if (!keyring->shards[i].buckets)
                        return error_oom(reterr);
        return 0;
}

void keyring_table_done(struct keyring *keyring)
{
        for (size_t i = 0; i < KEYRING_SHARDS; i++) {
                struct keyring_shard *shard = &keyring->shards[i];

                while (shard->known.newest)
                        drop(keyring, shard, shard->known.newest);
                while (shard->unknown.newest)
                        drop(keyring, shard, shard->unknown.newest);
                while (shard->used) {
                        struct held *held = shard->used;

                        shard->used = held->next_used;
                        (void) held_unref(held);
                }
                free(shard->buckets);
                (void) pthread_mutex_destroy(&shard->lock);
        }
}
