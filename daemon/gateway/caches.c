/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/caches.h"

#include "base/cleanup.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct shared_cache {
        struct shared_cache *next;
        unsigned refs;
        struct embedding_cache *cache;
        struct embedding_cache_settings settings; /* its strings are the two below */
        char *path;                               /* or NULL */
        char *fingerprint;
};

struct caches {
        pthread_mutex_t lock;
        struct shared_cache *first; /* guarded by it */
};

int caches_new(struct caches **ret, struct error *reterr)
{
        struct caches *caches = calloc(1, sizeof *caches);

        if (!caches)
                return error_oom(reterr);
        (void) pthread_mutex_init(&caches->lock, NULL);
        *ret = caches;
        return 0;
}

struct caches *caches_free(struct caches *caches)
{
        if (!caches)
                return NULL;
        (void) pthread_mutex_destroy(&caches->lock);
        free(caches);
        return NULL;
}

static void shared_cache_free(struct shared_cache *shared)
{
        (void) embedding_cache_close(shared->cache);
        free(shared->path);
        free(shared->fingerprint);
        free(shared);
}

static bool same_path(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool fits(const struct shared_cache *shared, const struct embedding_cache_settings *settings)
{
        return shared->settings.dimensions == settings->dimensions &&
               shared->settings.max_entries == settings->max_entries &&
               shared->settings.ttl_usec == settings->ttl_usec &&
               shared->settings.memory_bytes == settings->memory_bytes &&
               strcmp(shared->fingerprint, settings->fingerprint) == 0 &&
               same_path(shared->path, settings->path);
}

static int open_new(const struct embedding_cache_settings *settings, struct shared_cache **ret,
                    struct error *reterr)
{
        struct shared_cache *shared = calloc(1, sizeof *shared);
        int r;

        if (!shared)
                return error_oom(reterr);
        shared->refs = 1;
        shared->settings = *settings;
        shared->path = settings->path ? strdup(settings->path) : NULL;
        shared->fingerprint = strdup(settings->fingerprint);
        if (!shared->fingerprint || (settings->path && !shared->path))
                r = error_oom(reterr);
        else
                r = embedding_cache_open(settings, &shared->cache, reterr);
        if (r < 0) {
                shared_cache_free(shared);
                return r;
        }
        *ret = shared;
        return 0;
}

int caches_open(struct caches *caches, const struct embedding_cache_settings *settings,
                struct embedding_cache **ret, struct error *reterr)
{
        struct shared_cache *shared;
        int r = 0;

        (void) pthread_mutex_lock(&caches->lock);
        for (shared = caches->first; shared && !fits(shared, settings); shared = shared->next)
                ;
        if (shared) {
                shared->refs++;
        } else {
                r = open_new(settings, &shared, reterr);
                if (r == 0) {
                        shared->next = caches->first;
                        caches->first = shared;
                }
        }
        if (r == 0)
                *ret = shared->cache;
        (void) pthread_mutex_unlock(&caches->lock);
        return r;
}

/* Closing writes what waits: that happens without the lock. */
void caches_close(struct caches *caches, struct embedding_cache *cache)
{
        struct shared_cache *gone = NULL;

        if (!cache)
                return;
        (void) pthread_mutex_lock(&caches->lock);
        for (struct shared_cache **link = &caches->first; *link; link = &(*link)->next) {
                if ((*link)->cache != cache)
                        continue;
                if (--(*link)->refs == 0) {
                        gone = *link;
                        *link = gone->next;
                }
                break;
        }
        (void) pthread_mutex_unlock(&caches->lock);
        if (gone)
                shared_cache_free(gone);
}

int caches_forget(struct caches *caches, const char *tenant, struct error *reterr)
{
        int r = 0;

        (void) pthread_mutex_lock(&caches->lock);
        for (const struct shared_cache *at = caches->first; at; at = at->next) {
                int one = embedding_cache_purge(at->cache, tenant, r == 0 ? reterr : NULL);

                if (r == 0)
                        r = one;
        }
        (void) pthread_mutex_unlock(&caches->lock);
        return r;
}
