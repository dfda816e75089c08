/* SPDX-License-Identifier: Apache-2.0 */
/* One open collection: which generations it has, and how they are found. */
#include "store/collection.h"

#include "base/io.h"
#include "store/docs.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

const char *collection_generation_path(const struct collection *collection, uint32_t number,
                                       char text[static GENERATION_PATH_SIZE])
{
        char folder[COLLECTION_PATH_SIZE], name[GENERATION_NAME_SIZE];

        (void) snprintf(text, GENERATION_PATH_SIZE, "%s/%s",
                        collection_path(collection->info.tenant, collection->info.id, folder),
                        generation_name(number, name));
        return text;
}

/* ---- Opening ---------------------------------------------------------------------------- */

/* Renames the folder away and takes its row out: the content is derived and can be built again,
 * but somebody may want to look. */
static int set_aside(struct collection *collection, uint32_t number, const struct error *why,
                     struct error *reterr)
{
        char name[GENERATION_NAME_SIZE], aside[GENERATION_NAME_SIZE + 16], message[512];

        (void) generation_name(number, name);
        (void) snprintf(aside, sizeof aside, "%s.damaged", name);
        (void) io_remove_tree(collection->dirfd, aside);
        if (renameat(collection->dirfd, name, collection->dirfd, aside) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "cannot set aside %s/%s", collection->path,
                                       name);
        (void) fsync(collection->dirfd);
        (void) snprintf(message, sizeof message, "%s; the generation is set aside as %s/%s",
                        error_text(why), collection->path, aside);
        free(collection->damage);
        collection->damage = strdup(message);
        return registry_remove_generation(collection->store, collection->info.id, number, NULL,
                                          reterr);
}

/* A generation whose making was interrupted has a row but no MANIFEST, which is written last. */
static bool is_unfinished(struct collection *collection, const struct generation_row *row)
{
        char name[GENERATION_NAME_SIZE], file[GENERATION_NAME_SIZE + 16];

        (void) snprintf(file, sizeof file, "%s/MANIFEST", generation_name(row->number, name));
        return row->state == GENERATION_BUILDING &&
               faccessat(collection->dirfd, file, F_OK, 0) < 0 && errno == ENOENT;
}

int collection_discard_generation(struct collection *collection, uint32_t number,
                                  struct error *reterr)
{
        char path[GENERATION_PATH_SIZE];
        int r = registry_remove_generation(collection->store, collection->info.id, number,
                                           collection_generation_path(collection, number, path),
                                           reterr);

        return r < 0 ? r : collection_sweep_generation(collection, number, reterr);
}

static int open_generation(struct collection *collection, const struct generation_row *row,
                           struct error *reterr)
{
        struct generation *generation;
        struct error why = { 0 };
        int r;

        if (is_unfinished(collection, row))
                return collection_discard_generation(collection, row->number, reterr);
        if (collection->n_generations == COLLECTION_GENERATIONS_MAX)
                return error_set(reterr, -EOVERFLOW, "%s has more than %d generations",
                                 collection->path, COLLECTION_GENERATIONS_MAX);
        r = generation_open(collection, row->number, row->state, &generation, &why);
        if (r == -EBADMSG)
                return set_aside(collection, row->number, &why, reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        collection->generations[collection->n_generations++] = generation;
        return 0;
}

int collection_open_content(struct collection *collection, struct error *reterr)
{
        cleanup_free_ struct generation_row *rows = NULL;
        char folder[COLLECTION_PATH_SIZE], path[PATH_MAX];
        size_t n = 0;
        int r;

        (void) collection_path(collection->info.tenant, collection->info.id, folder);
        (void) snprintf(path, sizeof path, "%s/%s", store_path(collection->store), folder);
        collection->path = strdup(path);
        if (!collection->path)
                return error_oom(reterr);
        collection->dirfd = openat(store_dirfd(collection->store), folder,
                                   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (collection->dirfd < 0)
                return error_set_errno(reterr, errno == ENOENT ? -EBADMSG : -errno,
                                       "cannot open %s", path);
        r = docs_open(collection, false, reterr);
        if (r == -ENOENT) /* the row says that it must be there */
                r = error_set(reterr, -EBADMSG, "%s/docs.db is missing", path);
        if (r == 0)
                r = collection_read_behind(collection, reterr);
        if (r == 0)
                r = registry_list_generations(collection->store, collection->info.id, &rows, &n,
                                              reterr);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = open_generation(collection, &rows[i], reterr);
        return r;
}

void collection_close_content(struct collection *collection)
{
        for (size_t i = 0; i < collection->n_generations; i++)
                generation_drop(collection->generations[i]);
        collection->n_generations = 0;
        docs_close(collection);
        if (collection->dirfd >= 0)
                (void) close(collection->dirfd);
        collection->dirfd = -1;
        free(collection->path);
        collection->path = NULL;
}

/* SQLite keeps a file, its log and, once for all connections, the index of the log. */
static uint32_t files_of_database(struct db_pool *readers)
{
        return 3 + (readers ? 2 * db_pool_count(readers) : 0);
}

void collection_measure(struct collection *collection, uint32_t *ret_files,
                        uint64_t *ret_hot_bytes)
{
        uint32_t files = 1 + files_of_database(collection->docs_readers);
        uint64_t hot_bytes = 0;

        for (size_t i = 0; i < collection->n_generations; i++) {
                files += GENERATION_FILES + files_of_database(collection->generations[i]->readers);
                hot_bytes += generation_hot_bytes(collection->generations[i]);
        }
        *ret_files = files;
        *ret_hot_bytes = hot_bytes;
}

const struct collection_info *collection_get(const struct collection *collection)
{
        return &collection->info;
}

const char *collection_get_damage(const struct collection *collection)
{
        return collection->damage;
}

const char *collection_take_damage(struct collection *collection)
{
        return atomic_exchange(&collection->damage_taken, true) ? NULL : collection->damage;
}

/* ---- Generations ------------------------------------------------------------------------ */

/* Which of two of an identity is meant: followed before not, then the newer. */
static bool goes_before(const struct generation *a, const struct generation *b)
{
        static const int rank[GENERATION_STATE_MAX] = { [GENERATION_READY] = 2,
                                                        [GENERATION_BUILDING] = 1 };
        int of_a = rank[atomic_load(&a->state)], of_b = rank[atomic_load(&b->state)];

        return of_a == of_b ? a->number > b->number : of_a > of_b;
}

/* Under the lock. */
static struct generation *find_locked(struct collection *collection,
                                      const uint8_t identity[static GENERATION_IDENTITY_BYTES])
{
        struct generation *found = NULL;

        for (size_t i = 0; i < collection->n_generations; i++) {
                struct generation *at = collection->generations[i];

                if (memcmp(at->identity, identity, GENERATION_IDENTITY_BYTES) == 0 &&
                    (!found || goes_before(at, found)))
                        found = at;
        }
        return found ? generation_ref(found) : NULL;
}

struct generation *
collection_find_generation(struct collection *collection,
                           const uint8_t identity[static GENERATION_IDENTITY_BYTES])
{
        struct generation *found;

        (void) pthread_mutex_lock(&collection->generations_lock);
        found = find_locked(collection, identity);
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return found;
}

/* Hashing the identity costs as much as a small search: once for each release. */
struct generation *collection_serving(struct collection *collection)
{
        struct store *store = collection->store;
        struct generation *found;

        (void) pthread_mutex_lock(&collection->generations_lock);
        if (collection->served_number != atomic_load(&store->served_number))
                collection->is_served =
                        store_get_served(store, collection->info.language, collection->served,
                                         &collection->served_number);
        found = collection->is_served ? find_locked(collection, collection->served) : NULL;
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return found;
}

size_t collection_list_generations(struct collection *collection,
                                   struct generation *ret[static COLLECTION_GENERATIONS_MAX])
{
        size_t n;

        (void) pthread_mutex_lock(&collection->generations_lock);
        n = collection->n_generations;
        for (size_t i = 0; i < n; i++)
                ret[i] = generation_ref(collection->generations[i]);
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return n;
}

int collection_sweep_generation(struct collection *collection, uint32_t number,
                                struct error *reterr)
{
        char path[GENERATION_PATH_SIZE];

        return registry_remove_garbage(collection->store,
                                       collection_generation_path(collection, number, path),
                                       reterr);
}

int collection_generations(struct collection *collection, struct generation_info **ret,
                           size_t *ret_n, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        struct generation_info *infos = calloc(n ? n : 1, sizeof *infos);
        int r = infos ? 0 : error_oom(reterr);

        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        r = generation_get_info(all[i], &infos[i], reterr);
                (void) generation_unref(all[i]);
        }
        if (r < 0) {
                free(infos);
                return r;
        }
        *ret = infos;
        *ret_n = n;
        return 0;
}

/* ---- Documents across generations ------------------------------------------------------- */

int collection_forget_document(struct collection *collection, const char *external_id,
                               struct error *reterr)
{
        struct docs_delta delta;

        return collection_forget_counted(collection, external_id, &delta, reterr);
}

int collection_forget_counted(struct collection *collection, const char *external_id,
                              struct docs_delta *ret_delta, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        uint32_t doc_no = 0;
        uint64_t seq = 0;
        size_t n;
        int result = docs_delete(collection, external_id, &doc_no, &seq, ret_delta, reterr);

        if (result < 0)
                return result;
        n = collection_list_generations(collection, all);
        for (size_t i = 0; i < n; i++) {
                int r = generation_forget(all[i], doc_no, result == 0 ? reterr : NULL);

                if (r < 0 && result == 0 && !atomic_load(&all[i]->doomed))
                        result = r;
                (void) generation_unref(all[i]);
        }
        return result;
}

int collection_tidy(struct collection *collection, bool *ret_more, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        uint64_t oldest = docs_last_seq(collection);

        for (size_t i = 0; i < n; i++) {
                uint64_t seq = view_oldest_seq(all[i]);

                oldest = seq < oldest ? seq : oldest;
                (void) generation_unref(all[i]);
        }
        return n > 0 ? docs_tidy(collection, oldest, ret_more, reterr) : 0;
}
