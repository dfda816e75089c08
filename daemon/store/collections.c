/* SPDX-License-Identifier: Apache-2.0 */
/* Which collections are open.
 *
 * Each is in the table once; opening and closing happen outside the table's lock while its entry
 * says `opening`, and whoever wants that collection meanwhile waits.  One that nobody holds stays
 * open until there are too many of them, or of their descriptors, or their indexes fill the
 * memory that all may use: then those that were asked for longest ago are closed.  A count rises
 * from zero only under the lock, so closing one whose count is zero is safe. */
#include "store/collections.h"

#include "base/clock.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <string.h>
#include <sys/resource.h>

#define OPEN_MAX 256       /* where nobody says how many: each takes 200 KiB and more */
#define FILES_EACH 16      /* of a collection with one generation, usually */
#define FILES_SHARE 2      /* of all descriptors, one in so many is for collections */
#define MEMORY_PERCENT 90  /* of the budget; beyond it what idles gives its memory back */
#define MEMORY_IDLE_USEC (10 * USEC_PER_SEC) /* and was not asked for so long */
#define LOOK_MAX 128       /* idle ones that are looked at for one that needs no saving */

/* ---- Entries ---------------------------------------------------------------------------- */

struct collection *collection_new(struct store *store, struct tenant_id tenant,
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
        (void) pthread_mutex_init(&collection->behind_lock, NULL);
        return collection;
}

void collection_free(struct collection *collection)
{
        collection_close_content(collection);
        collection_info_done(&collection->info);
        (void) pthread_rwlock_destroy(&collection->attributes_lock);
        (void) pthread_mutex_destroy(&collection->generations_lock);
        (void) pthread_mutex_destroy(&collection->change_lock);
        (void) pthread_mutex_destroy(&collection->behind_lock);
        free(collection->damage);
        free(collection);
}

void collection_close_entry(struct open_collections *open, struct collection *collection)
{
        struct store *store = collection->store;
        struct collection_id id = collection->id;
        bool doomed = collection->doomed, caught_up;
        char path[COLLECTION_PATH_SIZE];

        collection->opening = true;
        (void) collection_path(collection->info.tenant, id, path);
        (void) pthread_mutex_unlock(&open->lock);
        caught_up = !doomed && collection_has_caught_up(collection);
        collection_close_content(collection);
        if (doomed) /* where that fails, the next start does it */
                (void) registry_remove_garbage(store, path, NULL);
        if (caught_up) /* else it is looked at once more */
                (void) registry_set_caught_up(store, &id, 1, NULL);
        (void) pthread_mutex_lock(&open->lock);
        open_collections_remove(open, collection);
        (void) pthread_cond_broadcast(&open->settled);
        collection_free(collection);
}

/* ---- Budgets ---------------------------------------------------------------------------- */

static uint32_t choose_max_files(const struct store_limits *limits)
{
        struct rlimit files;

        if (limits->max_files > 0)
                return limits->max_files;
        if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur == RLIM_INFINITY ||
            files.rlim_cur / FILES_SHARE > UINT32_MAX)
                return UINT32_MAX;
        return (uint32_t) (files.rlim_cur / FILES_SHARE);
}

struct open_collections *open_collections_new(const struct store_limits *limits)
{
        struct open_collections *open = open_collections_alloc();

        if (!open)
                return NULL;
        open->max_files = choose_max_files(limits);
        open->max = limits->max_open_collections;
        if (open->max == 0)
                open->max = open->max_files / FILES_EACH < OPEN_MAX
                                    ? (uint32_t) (open->max_files / FILES_EACH) + 1
                                    : OPEN_MAX;
        return open;
}

/* Under the lock, while nobody changes what it has. */
static void measure(struct open_collections *open, struct collection *collection)
{
        open->files -= collection->files;
        collection_measure(collection, &collection->files, &collection->hot_bytes);
        open->files += collection->files;
}

static bool is_memory_short(struct store *store)
{
        const struct index_budget *budget = store_get_index(store).budget;

        return index_budget_used(budget) > index_budget_max(budget) / 100 * MEMORY_PERCENT;
}

bool collection_is_at_rest(const struct collection *collection)
{
        for (size_t i = 0; i < collection->n_generations; i++)
                if (!generation_is_at_rest(collection->generations[i]))
                        return false;
        return true;
}

/* What needs no saving goes before what does, then what was asked for longest ago. */
static struct collection *choose(const struct open_collections *open, bool for_memory)
{
        uint64_t now_usec = for_memory ? clock_monotonic_usec() : 0;
        struct collection *first = NULL;
        size_t looked = 0;

        for (struct collection *at = open->oldest; at && looked < LOOK_MAX; at = at->newer) {
                if (at->opening || atomic_load(&at->refs) > 0 || (for_memory && at->hot_bytes == 0))
                        continue;
                if (for_memory && now_usec - at->asked_usec < MEMORY_IDLE_USEC)
                        break; /* those that come now are in use; the next moment needs them */
                if (collection_is_at_rest(at))
                        return at;
                first = first ? first : at;
                looked++;
        }
        return first;
}

/* Under the lock. */
static void evict(struct open_collections *open, struct store *store)
{
        for (;;) {
                bool for_memory = open->n <= open->max && open->files <= open->max_files;
                struct collection *chosen;

                if (for_memory && !is_memory_short(store))
                        return;
                chosen = choose(open, for_memory);
                if (!chosen)
                        return;
                collection_close_entry(open, chosen);
        }
}

/* Under the lock: gives descriptors back to a process that has none left. */
static bool give_files_back(struct open_collections *open)
{
        uint32_t n = open->n / 4 + 1, closed = 0;
        struct collection *chosen;

        while (closed < n && (chosen = choose(open, false))) {
                collection_close_entry(open, chosen);
                closed++;
        }
        return closed > 0;
}

/* One transaction for all that have caught up. */
void open_collections_free(struct open_collections *open)
{
        cleanup_free_ struct collection_id *caught_up = NULL;
        struct store *store = NULL;
        size_t n = 0;

        if (!open)
                return;
        caught_up = calloc(open->n + 1, sizeof *caught_up);
        while (open->oldest) {
                struct collection *collection = open->oldest;

                store = collection->store;
                if (caught_up && collection_has_caught_up(collection))
                        caught_up[n++] = collection->id;
                open_collections_remove(open, collection);
                collection_free(collection);
        }
        if (n > 0)
                (void) registry_set_caught_up(store, caught_up, n, NULL);
        open_collections_release(open);
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
                struct store *store = collection->store;

                if (collection->doomed)
                        collection_close_entry(open, collection);
                else
                        measure(open, collection);
                evict(open, store);
        }
        (void) pthread_mutex_unlock(&open->lock);
        return NULL;
}

/* ---- Opening ---------------------------------------------------------------------------- */

/* The row is read when the entry stands, so that a delete either sees the entry or is seen. */
static int open_entry(struct collection *collection, struct error *reterr)
{
        struct collection_id id = collection->info.id;
        int r;

        collection_info_done(&collection->info);
        r = store_check_present(collection->store, collection->info.tenant, reterr);
        if (r < 0)
                return r;
        r = registry_find_collection(collection->store, collection->info.tenant, NULL, &id,
                                     &collection->info, reterr);
        return r < 0 ? r : collection_open_content(collection, reterr);
}

/* Without the lock. */
static int open_with_room(struct open_collections *open, struct collection *collection,
                          struct error *reterr)
{
        for (;;) {
                int r = open_entry(collection, reterr);
                bool again = r == -EMFILE || r == -ENFILE;

                if (again) {
                        collection_close_content(collection);
                        (void) pthread_mutex_lock(&open->lock);
                        again = give_files_back(open);
                        (void) pthread_mutex_unlock(&open->lock);
                }
                if (!again)
                        return r;
        }
}

/* Under the lock; gives it up while opening.  1: it was opened here. */
static int open_locked(struct store *store, struct tenant_id tenant, struct collection_id id,
                       struct collection **ret, struct error *reterr)
{
        struct open_collections *open = store->open;
        struct collection *collection;
        int r;

        while ((collection = open_collections_find(open, id)) && collection->opening)
                (void) pthread_cond_wait(&open->settled, &open->lock);
        if (collection) {
                if (collection->doomed || !id_equal(collection->info.tenant.id, tenant.id))
                        return error_set(reterr, -ENOENT, "there is no such collection");
                open_collections_touch(open, collection);
                *ret = collection_ref(collection);
                return 0;
        }
        if (open_collections_is_closed(open, tenant))
                return error_set(reterr, -EAGAIN, "the tenant is being moved");
        collection = collection_new(store, tenant, id);
        if (!collection)
                return error_oom(reterr);
        open_collections_add(open, collection);
        (void) pthread_mutex_unlock(&open->lock);
        r = open_with_room(open, collection, reterr);
        (void) pthread_mutex_lock(&open->lock);
        (void) pthread_cond_broadcast(&open->settled);
        if (r < 0) {
                open_collections_remove(open, collection);
                collection_free(collection);
                return r;
        }
        open_collections_name(open, collection);
        measure(open, collection);
        collection->opening = false;
        *ret = collection_ref(collection);
        evict(open, store);
        return 1;
}

struct collection *collection_find_open(struct store *store, struct collection_id id)
{
        struct open_collections *open = store->open;
        struct collection *collection;

        (void) pthread_mutex_lock(&open->lock);
        collection = open_collections_find(open, id);
        if (collection)
                collection = collection->opening || collection->doomed ? NULL
                                                                       : collection_ref(collection);
        (void) pthread_mutex_unlock(&open->lock);
        return collection;
}

size_t collection_list_open(struct store *store, struct collection **ret, size_t room)
{
        struct open_collections *open = store->open;
        size_t n = 0;

        (void) pthread_mutex_lock(&open->lock);
        for (struct collection *at = open->newest; at && n < room; at = at->older)
                if (!at->opening && !at->doomed)
                        ret[n++] = collection_ref(at);
        (void) pthread_mutex_unlock(&open->lock);
        return n;
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
        struct collection *found;

        (void) pthread_mutex_lock(&open->lock);
        found = open_collections_find_named(open, tenant, name);
        if (found) {
                open_collections_touch(open, found);
                (void) collection_ref(found);
        }
        (void) pthread_mutex_unlock(&open->lock);
        return found;
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

int collection_doom(struct store *store, struct collection_id id, const char *path,
                    struct error *reterr)
{
        struct open_collections *open = store->open;
        struct collection *collection;

        (void) pthread_mutex_lock(&open->lock);
        while ((collection = open_collections_find(open, id)) && collection->opening)
                (void) pthread_cond_wait(&open->settled, &open->lock);
        if (collection) {
                collection->doomed = true;
                if (atomic_load(&collection->refs) == 0)
                        collection_close_entry(open, collection);
        }
        (void) pthread_mutex_unlock(&open->lock);
        return collection ? 0 : registry_remove_garbage(store, path, reterr);
}
