/* SPDX-License-Identifier: Apache-2.0 */
/* Which collections are open.
 *
 * Each is in the table once; opening and closing happen outside the table's lock while its entry
 * says `opening`, and whoever wants that collection meanwhile waits.  One that nobody holds stays
 * open until more than max_open are, and then the one released longest ago is closed.  A count
 * rises from zero only under the lock, so closing one whose count is zero is safe. */
#include "store/collections.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/docs.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct open_collections {
        pthread_mutex_t lock;
        pthread_cond_t settled; /* an entry is not `opening` any more, or is gone */
        struct collection *first;
        uint32_t n, max;
        uint64_t releases;
};

/* ---- Entries ---------------------------------------------------------------------------- */

static struct collection *new_entry(struct store *store, struct tenant_id tenant,
                                    struct collection_id id)
{
        struct collection *collection = calloc(1, sizeof *collection);

        if (!collection)
                return NULL;
        collection->store = store;
        collection->info.tenant = tenant;
        collection->id = collection->info.id = id;
        collection->dirfd = -1;
        collection->opening = true;
        (void) pthread_rwlock_init(&collection->attributes_lock, NULL);
        (void) pthread_mutex_init(&collection->generations_lock, NULL);
        (void) pthread_mutex_init(&collection->change_lock, NULL);
        return collection;
}

static void free_entry(struct collection *collection)
{
        collection_close_content(collection);
        collection_info_done(&collection->info);
        (void) pthread_rwlock_destroy(&collection->attributes_lock);
        (void) pthread_mutex_destroy(&collection->generations_lock);
        (void) pthread_mutex_destroy(&collection->change_lock);
        free(collection->damage);
        free(collection);
}

static struct collection *find(struct open_collections *open, struct collection_id id)
{
        struct collection *at = open->first;

        while (at && !id_equal(at->id.id, id.id))
                at = at->next;
        return at;
}

static void take_out(struct open_collections *open, struct collection *collection)
{
        struct collection **link = &open->first;

        while (*link != collection)
                link = &(*link)->next;
        *link = collection->next;
        open->n--;
        (void) pthread_cond_broadcast(&open->settled);
}

/* Under the lock, which is given up meanwhile: closes an entry that nobody holds. */
static void close_entry(struct open_collections *open, struct collection *collection)
{
        struct store *store = collection->store;
        bool doomed = collection->doomed;
        char path[COLLECTION_PATH_SIZE];

        collection->opening = true;
        (void) collection_path(collection->info.tenant, collection->info.id, path);
        (void) pthread_mutex_unlock(&open->lock);
        collection_close_content(collection);
        if (doomed) /* where that fails, the next start does it */
                (void) registry_remove_garbage(store, path, NULL);
        (void) pthread_mutex_lock(&open->lock);
        take_out(open, collection);
        free_entry(collection);
}

/* Nobody holds it, so its generations stand still. */
static bool is_at_rest(const struct collection *collection)
{
        for (size_t i = 0; i < collection->n_generations; i++)
                if (!generation_is_at_rest(collection->generations[i]))
                        return false;
        return true;
}

/* Whether `a` is closed rather than `b`: what needs no saving first, then the longest idle. */
static bool goes_first(const struct collection *a, const struct collection *b)
{
        bool resting = is_at_rest(a);

        return resting == is_at_rest(b) ? a->used < b->used : resting;
}

static void evict(struct open_collections *open)
{
        while (open->n > open->max) {
                struct collection *first = NULL;

                for (struct collection *at = open->first; at; at = at->next)
                        if (!at->opening && atomic_load(&at->refs) == 0 &&
                            (!first || goes_first(at, first)))
                                first = at;
                if (!first)
                        return;
                close_entry(open, first);
        }
}

struct open_collections *open_collections_new(uint32_t max_open)
{
        struct open_collections *open = calloc(1, sizeof *open);

        if (open) {
                (void) pthread_mutex_init(&open->lock, NULL);
                (void) pthread_cond_init(&open->settled, NULL);
                open->max = max_open ? max_open : 1;
        }
        return open;
}

void open_collections_free(struct open_collections *open)
{
        if (!open)
                return;
        while (open->first) {
                struct collection *collection = open->first;

                open->first = collection->next;
                free_entry(collection);
        }
        (void) pthread_cond_destroy(&open->settled);
        (void) pthread_mutex_destroy(&open->lock);
        free(open);
}

/* ---- References ------------------------------------------------------------------------- */

struct collection *collection_ref(struct collection *collection)
{
        (void) atomic_fetch_add(&collection->refs, 1);
        return collection;
}

struct collection *collection_unref(struct collection *collection)
{
        struct open_collections *open;
        unsigned refs;

        if (!collection)
                return NULL;
        refs = atomic_load(&collection->refs);
        while (refs > 1)
                if (atomic_compare_exchange_weak(&collection->refs, &refs, refs - 1))
                        return NULL;
        open = collection->store->open;
        (void) pthread_mutex_lock(&open->lock);
        if (atomic_fetch_sub(&collection->refs, 1) == 1) {
                collection->used = ++open->releases;
                if (collection->doomed)
                        close_entry(open, collection);
                else
                        evict(open);
        }
        (void) pthread_mutex_unlock(&open->lock);
        return NULL;
}

/* The row is read when the entry stands, so that a delete either sees the entry or is seen. */
static int open_entry(struct collection *collection, struct error *reterr)
{
        struct collection_id id = collection->info.id;
        int r = registry_find_collection(collection->store, collection->info.tenant, NULL, &id,
                                         &collection->info, reterr);

        return r < 0 ? r : collection_open_content(collection, reterr);
}

/* Under the lock; gives it up while opening.  1: it was opened here. */
static int open_locked(struct store *store, struct tenant_id tenant, struct collection_id id,
                       struct collection **ret, struct error *reterr)
{
        struct open_collections *open = store->open;
        struct collection *collection;
        int r;

        while ((collection = find(open, id)) && collection->opening)
                (void) pthread_cond_wait(&open->settled, &open->lock);
        if (collection) {
                if (collection->doomed || !id_equal(collection->info.tenant.id, tenant.id))
                        return error_set(reterr, -ENOENT, "there is no such collection");
                *ret = collection_ref(collection);
                return 0;
        }
        collection = new_entry(store, tenant, id);
        if (!collection)
                return error_oom(reterr);
        collection->next = open->first;
        open->first = collection;
        open->n++;
        (void) pthread_mutex_unlock(&open->lock);
        r = open_entry(collection, reterr);
        (void) pthread_mutex_lock(&open->lock);
        if (r < 0) {
                take_out(open, collection);
                free_entry(collection);
                return r;
        }
        collection->opening = false;
        *ret = collection_ref(collection);
        (void) pthread_cond_broadcast(&open->settled);
        evict(open);
        return 1;
}

struct collection *collection_find_open(struct store *store, struct collection_id id)
{
        struct open_collections *open = store->open;
        struct collection *collection;

        (void) pthread_mutex_lock(&open->lock);
        collection = find(open, id);
        if (collection)
                collection = collection->opening || collection->doomed ? NULL
                                                                       : collection_ref(collection);
        (void) pthread_mutex_unlock(&open->lock);
        return collection;
}

int collection_open_by_id(struct store *store, struct tenant_id tenant, struct collection_id id,
                          struct collection **ret, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&store->open->lock);
        r = open_locked(store, tenant, id, ret, reterr);
        (void) pthread_mutex_unlock(&store->open->lock);
        if (r > 0)
                store_tell(store, tenant, id);
        return r < 0 ? r : 0;
}

/* Names never change, so one that is open needs no look into the registry: a search opens its
 * collections anew each time. */
static struct collection *find_named(struct store *store, struct tenant_id tenant,
                                     const char *name)
{
        struct open_collections *open = store->open;
        struct collection *at;

        (void) pthread_mutex_lock(&open->lock);
        for (at = open->first; at; at = at->next)
                if (!at->opening && !at->doomed && id_equal(at->info.tenant.id, tenant.id) &&
                    strcmp(at->info.name, name) == 0) {
                        (void) collection_ref(at);
                        break;
                }
        (void) pthread_mutex_unlock(&open->lock);
        return at;
}

int collection_open(struct store *store, struct tenant_id tenant, const char *name,
                    struct collection **ret, struct error *reterr)
{
        struct collection_info info = { 0 };
        struct collection *collection = find_named(store, tenant, name);
        int r;

        if (collection) {
                *ret = collection;
                return 0;
        }
        r = collection_get_info(store, tenant, name, &info, reterr);
        if (r == 0)
                r = collection_open_by_id(store, tenant, info.id, ret, reterr);
        if (r == -ENOENT)
                error_set(reterr, r, "there is no collection %s", name);
        collection_info_done(&info);
        return r;
}

/* ---- Making and deleting ---------------------------------------------------------------- */

/* Folder and docs.db, while their path is garbage. */
static int create_files(struct store *store, const struct collection_info *info,
                        const char *folder, struct error *reterr)
{
        struct collection *scratch = new_entry(store, info->tenant, info->id);
        char tenant[COLLECTION_PATH_SIZE], path[COLLECTION_PATH_SIZE + 4096];
        int r;

        if (!scratch)
                return error_oom(reterr);
        (void) snprintf(tenant, sizeof tenant, "%s", folder);
        *strrchr(tenant, '/') = '\0';
        (void) snprintf(path, sizeof path, "%s/%s", store->path, folder);
        scratch->path = strdup(path);
        r = scratch->path ? io_make_directories(path, 0700, reterr) : error_oom(reterr);
        if (r == 0)
                r = docs_open(scratch, true, reterr); /* makes the folder's own entries durable */
        if (r == 0) {
                r = io_sync_directory(store->dirfd, tenant);
                if (r == 0)
                        r = io_sync_directory(store->dirfd, "tenants");
                if (r < 0)
                        error_set_errno(reterr, r, "cannot write %s", path);
        }
        free_entry(scratch);
        return r;
}

int collection_create(struct store *store, struct tenant_id tenant, const char *name,
                      const char *language, const char *description, struct collection_info *ret,
                      struct error *reterr)
{
        struct collection_info info = { .tenant = tenant, .created_usec = clock_wall_usec() };
        char path[COLLECTION_PATH_SIZE];
        int r = store_check_name("collection", name, reterr);

        if (r < 0)
                return r;
        if (collection_get_info(store, tenant, name, &info, NULL) == 0) {
                collection_info_done(&info);
                return error_set(reterr, -EEXIST, "there is already a collection %s", name);
        }
        info.id.id = id_random();
        (void) snprintf(info.name, sizeof info.name, "%s", name);
        (void) snprintf(info.language, sizeof info.language, "%s", language ? language : "english");
        info.description = description ? strdup(description) : NULL;
        if (description && !info.description)
                return error_oom(reterr);
        (void) collection_path(tenant, info.id, path);
        r = registry_add_garbage(store, path, reterr);
        if (r == 0)
                r = create_files(store, &info, path, reterr);
        if (r == 0)
                r = registry_add_collection(store, &info, path, reterr);
        if (r < 0) {
                (void) registry_remove_garbage(store, path, NULL);
                collection_info_done(&info);
                return r;
        }
        *ret = info;
        return 0;
}

int collection_delete(struct store *store, struct tenant_id tenant, const char *name,
                      struct error *reterr)
{
        struct open_collections *open = store->open;
        struct collection_info info = { 0 };
        struct collection *collection;
        char path[COLLECTION_PATH_SIZE];
        int r = collection_get_info(store, tenant, name, &info, reterr);

        if (r == 0)
                r = registry_remove_collection(store, &info,
                                               collection_path(tenant, info.id, path), reterr);
        collection_info_done(&info);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&open->lock);
        while ((collection = find(open, info.id)) && collection->opening)
                (void) pthread_cond_wait(&open->settled, &open->lock);
        if (collection) {
                collection->doomed = true;
                if (atomic_load(&collection->refs) == 0)
                        close_entry(open, collection);
        }
        (void) pthread_mutex_unlock(&open->lock);
        return collection ? 0 : registry_remove_garbage(store, path, reterr);
}
