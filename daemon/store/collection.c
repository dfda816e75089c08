/* SPDX-License-Identifier: Apache-2.0 */
/* One open collection: its generations, from making one to removing it. */
#include "store/collection.h"

#include "base/io.h"
#include "store/docs.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define GENERATION_PATH_SIZE (COLLECTION_PATH_SIZE + GENERATION_NAME_SIZE)

static const char *generation_path(const struct collection *collection, uint32_t number,
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

static int remove_row_and_files(struct collection *collection, uint32_t number,
                                struct error *reterr)
{
        char path[GENERATION_PATH_SIZE];
        int r = registry_remove_generation(collection->store, collection->info.id, number,
                                           generation_path(collection, number, path), reterr);

        return r < 0 ? r : collection_sweep_generation(collection, number, reterr);
}

static void add_generation(struct collection *collection, struct generation *generation)
{
        collection->generations[collection->n_generations++] = generation;
        switch ((enum generation_state) atomic_load(&generation->state)) {
        case GENERATION_SERVING:
                collection->serving = generation;
                break;
        case GENERATION_BUILDING:
                collection->building = generation;
                break;
        default:
                break;
        }
}

static int open_generation(struct collection *collection, const struct generation_row *row,
                           struct error *reterr)
{
        struct generation *generation;
        struct error why = { 0 };
        int r;

        if (is_unfinished(collection, row))
                return remove_row_and_files(collection, row->number, reterr);
        if (collection->n_generations == COLLECTION_GENERATIONS_MAX)
                return error_set(reterr, -EMFILE, "%s has more than %d generations",
                                 collection->path, COLLECTION_GENERATIONS_MAX);
        r = generation_open(collection, row->number, row->state, &generation, &why);
        if (r == -EBADMSG)
                return set_aside(collection, row->number, &why, reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        add_generation(collection, generation);
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
        collection->serving = collection->building = NULL;
        docs_close(collection);
        if (collection->dirfd >= 0)
                (void) close(collection->dirfd);
        collection->dirfd = -1;
        free(collection->path);
        collection->path = NULL;
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

static struct generation *get_generation(struct collection *collection,
                                         struct generation *const *which)
{
        struct generation *generation;

        (void) pthread_mutex_lock(&collection->generations_lock);
        generation = *which ? generation_ref(*which) : NULL;
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return generation;
}

struct generation *collection_serving(struct collection *collection)
{
        return get_generation(collection, &collection->serving);
}

struct generation *collection_building(struct collection *collection)
{
        return get_generation(collection, &collection->building);
}

/* References of all retained generations, so that each can be worked on without the lock. */
static size_t all_generations(struct collection *collection,
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

/* One change of the list of generations at a time; the registry is written in between. */
static int begin_change(struct collection *collection, struct error *reterr)
{
        bool busy;

        (void) pthread_mutex_lock(&collection->generations_lock);
        busy = collection->changing;
        collection->changing = true;
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return busy ? error_set(reterr, -EBUSY, "the generations of %s are being changed",
                                collection->info.name)
                    : 0;
}

static void end_change(struct collection *collection)
{
        (void) pthread_mutex_lock(&collection->generations_lock);
        collection->changing = false;
        (void) pthread_mutex_unlock(&collection->generations_lock);
}

int collection_sweep_generation(struct collection *collection, uint32_t number,
                                struct error *reterr)
{
        char path[GENERATION_PATH_SIZE];

        return registry_remove_garbage(collection->store,
                                       generation_path(collection, number, path), reterr);
}

static int make_generation(struct collection *collection, const struct generation_spec *spec,
                           struct generation **ret, struct error *reterr)
{
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation *generation = NULL;
        uint32_t number = 0;
        int r;

        if (collection->building)
                return error_set(reterr, -EEXIST, "a generation of %s is being built already",
                                 collection->info.name);
        if (collection->n_generations == COLLECTION_GENERATIONS_MAX)
                return error_set(reterr, -EMFILE, "%s keeps %d generations already: remove one",
                                 collection->info.name, COLLECTION_GENERATIONS_MAX);
        generation_identity(spec, identity);
        r = registry_add_generation(collection->store, collection->info.id, identity, &number,
                                    reterr);
        if (r < 0)
                return r;
        r = generation_create(collection, number, spec, reterr);
        if (r == 0)
                r = generation_open(collection, number, GENERATION_BUILDING, &generation, reterr);
        if (r < 0) {
                (void) remove_row_and_files(collection, number, NULL);
                return r;
        }
        (void) pthread_mutex_lock(&collection->generations_lock);
        add_generation(collection, generation);
        *ret = generation_ref(generation);
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return 0;
}

int collection_new_generation(struct collection *collection, const struct generation_spec *spec,
                              struct generation **ret, struct error *reterr)
{
        int r = begin_change(collection, reterr);

        if (r < 0)
                return r;
        r = make_generation(collection, spec, ret, reterr);
        end_change(collection);
        return r;
}

int collection_switch(struct collection *collection, struct error *reterr)
{
        struct generation *building;
        int r = begin_change(collection, reterr);

        if (r < 0)
                return r;
        building = collection->building;
        r = building ? registry_switch_generation(collection->store, collection->info.id,
                                                  building->number, reterr)
                     : error_set(reterr, -ENOENT, "no generation of %s is being built",
                                 collection->info.name);
        if (r == 0) {
                (void) pthread_mutex_lock(&collection->generations_lock);
                if (collection->serving)
                        atomic_store(&collection->serving->state, GENERATION_RETIRED);
                atomic_store(&building->state, GENERATION_SERVING);
                collection->serving = building;
                collection->building = NULL;
                (void) pthread_mutex_unlock(&collection->generations_lock);
        }
        end_change(collection);
        return r;
}

/* Row first, then the list, then, when the last reference goes, the files. */
static int remove_generation(struct collection *collection, struct generation *generation,
                             struct error *reterr)
{
        char path[GENERATION_PATH_SIZE];
        int r = registry_remove_generation(collection->store, collection->info.id,
                                           generation->number,
                                           generation_path(collection, generation->number, path),
                                           reterr);
        size_t at = 0;

        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&collection->generations_lock);
        while (collection->generations[at] != generation)
                at++;
        memmove(&collection->generations[at], &collection->generations[at + 1],
                (--collection->n_generations - at) * sizeof(struct generation *));
        if (collection->building == generation)
                collection->building = NULL;
        (void) pthread_mutex_unlock(&collection->generations_lock);
        atomic_store(&generation->doomed, true);
        generation_drop(generation);
        return 0;
}

int collection_abandon_building(struct collection *collection, struct error *reterr)
{
        int r = begin_change(collection, reterr);

        if (r < 0)
                return r;
        r = collection->building
                    ? remove_generation(collection, collection->building, reterr)
                    : error_set(reterr, -ENOENT, "no generation of %s is being built",
                                collection->info.name);
        end_change(collection);
        return r;
}

int collection_remove_generation(struct collection *collection, uint32_t number,
                                 struct error *reterr)
{
        struct generation *found = NULL;
        int r = begin_change(collection, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < collection->n_generations; i++)
                if (collection->generations[i]->number == number)
                        found = collection->generations[i];
        if (!found)
                r = error_set(reterr, -ENOENT, "%s has no generation %u", collection->info.name,
                              number);
        else if (found == collection->serving || found == collection->building)
                r = error_set(reterr, -EBUSY, "generation %u of %s is %s", number,
                              collection->info.name,
                              generation_state_name((enum generation_state)
                                                            atomic_load(&found->state)));
        else
                r = remove_generation(collection, found, reterr);
        end_change(collection);
        return r;
}

int collection_generations(struct collection *collection, struct generation_info **ret,
                           size_t *ret_n, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = all_generations(collection, all);
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
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        uint32_t doc_no = 0;
        uint64_t seq = 0;
        size_t n;
        int result = docs_delete(collection, external_id, &doc_no, &seq, reterr);

        if (result < 0)
                return result;
        n = all_generations(collection, all);
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
        size_t n = all_generations(collection, all);
        uint64_t oldest = docs_last_seq(collection);

        for (size_t i = 0; i < n; i++) {
                uint64_t seq = view_oldest_seq(all[i]);

                oldest = seq < oldest ? seq : oldest;
                (void) generation_unref(all[i]);
        }
        return n > 0 ? docs_tidy(collection, oldest, ret_more, reterr) : 0;
}
