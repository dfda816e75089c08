/* SPDX-License-Identifier: Apache-2.0 */
/* Memory in front of the file; keys; what is told to the file and when.  That a vector is used is
 * told once an hour, so that reading costs no writing. */
#include "store/embedding_cache.h"

#include "base/clock.h"
#include "store/embedding_file.h"
#include "store/embedding_memory.h"
#include "store/embedding_writer.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#define TOUCH_USEC (UINT64_C(3600) * USEC_PER_SEC)

/* Lives as long as the cache: operations and entries point to it. */
struct salted {
        struct salted *next;
        uint32_t number;
        uint64_t generation; /* of the file when the salt was sought there */
        bool on_disk;        /* else entries stay in memory: nobody could find them later */
        uint8_t salt[EMBEDDING_SALT_BYTES];
        char tenant[];
};

struct embedding_cache {
        struct embedding_cache_settings settings;
        char *path, *fingerprint;
        struct embedding_file *file;     /* the writer's; NULL: memory only */
        struct embedding_writer *writer; /* or NULL */
        struct error notice;             /* why there is no file; code 0: none was asked for */

        pthread_mutex_t lock; /* of what follows, for a few instructions; the writer's is within */
        struct embedding_memory *memory;
        struct salted *salted;
        struct embedding_cache_figures figures;
};

/* ---- Opening and closing ------------------------------------------------------------------ */

static void open_file(struct embedding_cache *cache)
{
        struct embedding_file *file = NULL;

        if (embedding_file_open(&cache->settings, &file, &cache->notice) < 0)
                return;
        if (embedding_writer_new(file, (size_t) cache->settings.dimensions * sizeof(float),
                                 &cache->writer, &cache->notice) < 0)
                return;
        cache->file = file;
}

int embedding_cache_open(const struct embedding_cache_settings *settings,
                         struct embedding_cache **ret, struct error *reterr)
{
        struct embedding_cache *cache = NULL;

        if (settings->dimensions == 0 || settings->max_entries == 0)
                return error_set(reterr, -EINVAL,
                                 "an embedding cache needs a width and room for an entry");
        cache = sodium_init() < 0 ? NULL : calloc(1, sizeof *cache);
        if (!cache)
                return error_oom(reterr);
        (void) pthread_mutex_init(&cache->lock, NULL);
        cache->path = settings->path ? strdup(settings->path) : NULL;
        cache->fingerprint = strdup(settings->fingerprint);
        cache->memory = embedding_memory_new(settings->dimensions, settings->memory_bytes);
        if (!cache->fingerprint || !cache->memory || (settings->path && !cache->path)) {
                (void) embedding_cache_close(cache);
                return error_oom(reterr);
        }
        cache->settings = *settings;
        cache->settings.path = cache->path;
        cache->settings.fingerprint = cache->fingerprint;
        if (cache->path)
                open_file(cache);
        *ret = cache;
        return 0;
}

struct embedding_cache *embedding_cache_close(struct embedding_cache *cache)
{
        struct salted *next;

        if (!cache)
                return NULL;
        (void) embedding_writer_free(cache->writer);
        (void) embedding_memory_free(cache->memory);
        for (struct salted *at = cache->salted; at; at = next) {
                next = at->next;
                sodium_memzero(at->salt, sizeof at->salt);
                free(at);
        }
        (void) pthread_mutex_destroy(&cache->lock);
        free(cache->fingerprint);
        free(cache->path);
        free(cache);
        return NULL;
}

const char *embedding_cache_notice(const struct embedding_cache *cache)
{
        return cache->notice.code ? error_text(&cache->notice) : NULL;
}

/* ---- Keys --------------------------------------------------------------------------------- */

/* Under the lock.  The one asked for moves to the front. */
static struct salted *find_salted(struct embedding_cache *cache, const char *tenant)
{
        for (struct salted **link = &cache->salted; *link; link = &(*link)->next) {
                struct salted *at = *link;

                if (strcmp(at->tenant, tenant) != 0)
                        continue;
                *link = at->next;
                at->next = cache->salted;
                cache->salted = at;
                return at;
        }
        return NULL;
}

/* Under the lock.  Adds the tenant, or gives it what the file says. */
static struct salted *keep_salted(struct embedding_cache *cache, const char *tenant,
                                  struct salted *takes_drawn)
{
        struct salted *salted = find_salted(cache, tenant);

        if (salted) {
                salted->generation = takes_drawn->generation;
                salted->on_disk = takes_drawn->on_disk;
                memcpy(salted->salt, takes_drawn->salt, sizeof salted->salt);
                free(takes_drawn);
                return salted;
        }
        for (const struct salted *at = cache->salted; at; at = at->next)
                if (at->number >= takes_drawn->number)
                        takes_drawn->number = at->number + 1;
        takes_drawn->next = cache->salted;
        cache->salted = takes_drawn;
        return takes_drawn;
}

/* `salt` is what was known of the tenant, or random.  A file that was begun anew takes it over,
 * unless another process was faster.  Never fails for the disk: memory goes on. */
static const struct salted *learn_salt(struct embedding_cache *cache, const char *tenant,
                                       uint64_t generation,
                                       uint8_t salt[static EMBEDDING_SALT_BYTES])
{
        size_t size = strlen(tenant) + 1;
        struct salted *drawn = malloc(sizeof *drawn + size);

        if (!drawn)
                return NULL;
        *drawn = (struct salted){ .generation = generation };
        memcpy(drawn->tenant, tenant, size);
        if (cache->file)
                drawn->on_disk = embedding_file_salt(cache->file, tenant, salt, NULL) == 0;
        memcpy(drawn->salt, salt, sizeof drawn->salt);
        (void) pthread_mutex_lock(&cache->lock);
        drawn = keep_salted(cache, tenant, drawn);
        memcpy(salt, drawn->salt, sizeof drawn->salt);
        (void) pthread_mutex_unlock(&cache->lock);
        return drawn;
}

/* Writes a copy of the salt.  NULL: no memory. */
static const struct salted *get_salted(struct embedding_cache *cache, const char *tenant,
                                       uint8_t salt[static EMBEDDING_SALT_BYTES])
{
        uint64_t generation = cache->file ? embedding_file_generation(cache->file) : 0;
        const struct salted *salted;
        bool known;

        (void) pthread_mutex_lock(&cache->lock);
        salted = find_salted(cache, tenant);
        known = salted && salted->generation == generation;
        if (salted)
                memcpy(salt, salted->salt, sizeof salted->salt);
        (void) pthread_mutex_unlock(&cache->lock);
        if (known)
                return salted;
        if (!salted)
                randombytes_buf(salt, EMBEDDING_SALT_BYTES);
        return learn_salt(cache, tenant, generation, salt);
}

/* With its length, so that no two ways to cut a text into parts give the same bytes. */
static void hash_part(crypto_generichash_state *state, const char *part, size_t len)
{
        uint64_t length = len;

        (void) crypto_generichash_update(state, (const uint8_t *) &length, sizeof length);
        (void) crypto_generichash_update(state, (const uint8_t *) part, len);
}

int embedding_cache_key(struct embedding_cache *cache, const char *tenant, const char *purpose,
                        const char *text, size_t len, struct embedding_key *ret,
                        struct error *reterr)
{
        uint8_t salt[EMBEDDING_SALT_BYTES];
        crypto_generichash_state state;

        if (!get_salted(cache, tenant, salt))
                return error_oom(reterr);
        (void) crypto_generichash_init(&state, salt, sizeof salt, sizeof ret->bytes);
        sodium_memzero(salt, sizeof salt);
        hash_part(&state, cache->fingerprint, strlen(cache->fingerprint));
        hash_part(&state, purpose, strlen(purpose));
        hash_part(&state, text, len);
        (void) crypto_generichash_final(&state, ret->bytes, sizeof ret->bytes);
        return 0;
}

/* ---- Entries ------------------------------------------------------------------------------ */

static bool is_old(const struct embedding_cache *cache, uint64_t written_usec, uint64_t now_usec)
{
        return cache->settings.ttl_usec > 0 && now_usec > written_usec &&
               now_usec - written_usec >= cache->settings.ttl_usec;
}

static bool is_touch_due(uint64_t touched_usec, uint64_t now_usec)
{
        return now_usec > touched_usec && now_usec - touched_usec >= TOUCH_USEC;
}

/* Under the lock. */
static bool get_from_memory(struct embedding_cache *cache, const struct embedding_key *key,
                            uint64_t now_usec, float *vector)
{
        struct memory_entry *entry = embedding_memory_find(cache->memory, key);

        if (!entry)
                return false;
        if (is_old(cache, entry->written_usec, now_usec)) {
                embedding_memory_remove(cache->memory, entry);
                return false;
        }
        memcpy(vector, entry->vector, (size_t) cache->settings.dimensions * sizeof(float));
        if (cache->writer && is_touch_due(entry->touched_usec, now_usec)) {
                entry->touched_usec = now_usec;
                embedding_writer_add(cache->writer, EMBEDDING_TOUCH, key, NULL, NULL, now_usec);
        }
        return true;
}

struct lookup {
        struct embedding_cache *cache;
        const struct embedding_key *keys;
        uint64_t now_usec;
        float *vectors;
        bool *found;
        uint64_t hits;
};

static void on_row(void *data, size_t i, const struct embedding_row *row)
{
        struct lookup *lookup = data;
        struct embedding_cache *cache = lookup->cache;
        const struct embedding_key *key = &lookup->keys[i];
        size_t dimensions = cache->settings.dimensions;
        bool touch = is_touch_due(row->used_usec, lookup->now_usec);
        const struct salted *salted;

        (void) pthread_mutex_lock(&cache->lock);
        if (!row->vector) {
                cache->figures.damaged++;
                embedding_writer_add(cache->writer, EMBEDDING_REMOVE, key, NULL, NULL,
                                     lookup->now_usec);
        } else if (!is_old(cache, row->written_usec, lookup->now_usec)) {
                memcpy(lookup->vectors + i * dimensions, row->vector, dimensions * sizeof(float));
                lookup->found[i] = true;
                lookup->hits++;
                salted = find_salted(cache, row->tenant);
                if (salted)
                        embedding_memory_put(cache->memory, key, salted->number, row->written_usec,
                                             touch ? lookup->now_usec : row->used_usec,
                                             row->vector);
                if (touch)
                        embedding_writer_add(cache->writer, EMBEDDING_TOUCH, key, NULL, NULL,
                                             lookup->now_usec);
        }
        (void) pthread_mutex_unlock(&cache->lock);
}

void embedding_cache_get(struct embedding_cache *cache, const struct embedding_key *keys, size_t n,
                         uint64_t now_wall_usec, float *vectors, bool *found)
{
        struct lookup lookup = { cache, keys, now_wall_usec, vectors, found, 0 };
        size_t dimensions = cache->settings.dimensions;
        uint64_t in_memory = 0;
        int r = 0;

        (void) pthread_mutex_lock(&cache->lock);
        for (size_t i = 0; i < n; i++) {
                found[i] = get_from_memory(cache, &keys[i], now_wall_usec,
                                           vectors + i * dimensions);
                in_memory += found[i];
        }
        (void) pthread_mutex_unlock(&cache->lock);
        if (cache->file && in_memory < n)
                r = embedding_file_read(cache->file, keys, found, n, on_row, &lookup, NULL);
        if (r == -EBADMSG)
                embedding_writer_repair(cache->writer);
        (void) pthread_mutex_lock(&cache->lock);
        cache->figures.memory_hits += in_memory;
        cache->figures.disk_hits += lookup.hits;
        cache->figures.misses += n - in_memory - lookup.hits;
        (void) pthread_mutex_unlock(&cache->lock);
}

void embedding_cache_put(struct embedding_cache *cache, const char *tenant,
                         const struct embedding_key *keys, const float *vectors, size_t n,
                         uint64_t now_wall_usec)
{
        size_t dimensions = cache->settings.dimensions;
        uint8_t salt[EMBEDDING_SALT_BYTES];
        const struct salted *salted = get_salted(cache, tenant, salt);

        sodium_memzero(salt, sizeof salt);
        if (!salted)
                return;
        (void) pthread_mutex_lock(&cache->lock);
        for (size_t i = 0; i < n; i++) {
                const float *vector = vectors + i * dimensions;

                embedding_memory_put(cache->memory, &keys[i], salted->number, now_wall_usec,
                                     now_wall_usec, vector);
                if (cache->writer && salted->on_disk)
                        embedding_writer_add(cache->writer, EMBEDDING_PUT, &keys[i],
                                             salted->tenant, vector, now_wall_usec);
        }
        (void) pthread_mutex_unlock(&cache->lock);
}

int embedding_cache_purge(struct embedding_cache *cache, const char *tenant, struct error *reterr)
{
        const struct salted *salted;
        int r = 0;

        if (cache->writer)
                r = embedding_writer_purge(cache->writer, tenant, reterr);
        else if (cache->notice.code) /* what lies in the file stays there */
                r = error_set(reterr, cache->notice.code, "%s", error_text(&cache->notice));
        (void) pthread_mutex_lock(&cache->lock);
        salted = find_salted(cache, tenant);
        if (salted)
                embedding_memory_purge(cache->memory, salted->number);
        (void) pthread_mutex_unlock(&cache->lock);
        return r;
}

int embedding_cache_flush(struct embedding_cache *cache, struct error *reterr)
{
        return cache->writer ? embedding_writer_flush(cache->writer, reterr) : 0;
}

void embedding_cache_get_figures(struct embedding_cache *cache,
                                 struct embedding_cache_figures *ret)
{
        struct embedding_writer_figures written = { 0 };

        if (cache->writer)
                embedding_writer_get_figures(cache->writer, &written);
        (void) pthread_mutex_lock(&cache->lock);
        *ret = cache->figures;
        ret->memory_only = !cache->writer;
        ret->memory_bytes = embedding_memory_bytes(cache->memory);
        ret->entries = cache->writer ? written.entries : embedding_memory_entries(cache->memory);
        ret->failed_writes += written.failed;
        if (cache->file)
                ret->damaged += embedding_file_damages(cache->file);
        (void) pthread_mutex_unlock(&cache->lock);
}
