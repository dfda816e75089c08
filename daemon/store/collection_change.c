/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a generation: made, finished, put to rest, woken, removed.
 *
 * Each change is one transaction of the registry, and memory follows it.  A crash before it leaves
 * what was; files without a row are garbage by name (see registry.h).  One change of a collection
 * at a time, under change_lock. */
#include "store/collection.h"

#include "base/crash.h"
#include "store/generation_inside.h"
#include "store/registry.h"

#include <string.h>

static void unlock_change(struct collection **collection)
{
        (void) pthread_mutex_unlock(&(*collection)->change_lock);
}

/* Until the end of the block. */
#define WITH_CHANGE_LOCK(collection)                                             \
        cleanup_(unlock_change) struct collection *locked_ = (collection);      \
        (void) pthread_mutex_lock(&locked_->change_lock)

/* Under the change lock, which keeps the list as it is. */
static struct generation *find(const struct collection *collection, uint32_t number,
                               struct error *reterr)
{
        for (size_t i = 0; i < collection->n_generations; i++)
                if (collection->generations[i]->number == number)
                        return collection->generations[i];
        error_set(reterr, -ENOENT, "%s has no generation %u", collection->info.name, number);
        return NULL;
}

static enum generation_state state_of(const struct generation *generation)
{
        return (enum generation_state) atomic_load(&generation->state);
}

static int refuse_state(const struct generation *generation, int code, struct error *reterr)
{
        return error_set(reterr, code, "generation %u of %s is %s", generation->number,
                         generation->collection->info.name,
                         generation_state_name(state_of(generation)));
}

/* ---- Making ----------------------------------------------------------------------------- */

int collection_new_generation(struct collection *collection, const struct generation_spec *spec,
                              struct generation **ret, struct error *reterr)
{
        WITH_CHANGE_LOCK(collection);
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        struct generation *generation = NULL;
        uint32_t number = 0;
        int r;

        if (collection->n_generations == COLLECTION_GENERATIONS_MAX)
                return error_set(reterr, -EMFILE, "%s keeps %d generations already: remove one",
                                 collection->info.name, COLLECTION_GENERATIONS_MAX);
        generation_identity(spec, identity);
        r = registry_add_generation(collection->store, collection->info.id, identity, &number,
                                    reterr);
        if (r < 0)
                return error_prefix(reterr, r, "%s", collection->info.name);
        r = generation_create(collection, number, spec, reterr);
        if (r == 0) {
                crash_point("generation.made");
                r = generation_open(collection, number, GENERATION_BUILDING, &generation, reterr);
        }
        if (r < 0) {
                (void) collection_discard_generation(collection, number, NULL);
                return r;
        }
        (void) pthread_mutex_lock(&collection->generations_lock);
        collection->generations[collection->n_generations++] = generation;
        *ret = generation_ref(generation);
        (void) pthread_mutex_unlock(&collection->generations_lock);
        return 0;
}

/* ---- Removing --------------------------------------------------------------------------- */

/* The row is gone; the files go with the last reference. */
static void take_out(struct collection *collection, struct generation *generation)
{
        size_t at = 0;

        (void) pthread_mutex_lock(&collection->generations_lock);
        while (collection->generations[at] != generation)
                at++;
        memmove(&collection->generations[at], &collection->generations[at + 1],
                (--collection->n_generations - at) * sizeof(struct generation *));
        (void) pthread_mutex_unlock(&collection->generations_lock);
        atomic_store(&generation->doomed, true);
        generation_drop(generation);
}

/* Whether the release in force would be left without one. */
static bool is_last_served(struct collection *collection, const struct generation *generation)
{
        struct generation *serving = collection_serving(collection);
        bool last = serving && memcmp(serving->identity, generation->identity,
                                      GENERATION_IDENTITY_BYTES) == 0;

        (void) generation_unref(serving);
        for (size_t i = 0; last && i < collection->n_generations; i++)
                last = collection->generations[i] == generation ||
                       memcmp(collection->generations[i]->identity, generation->identity,
                              GENERATION_IDENTITY_BYTES) != 0;
        return last;
}

int collection_remove_generation(struct collection *collection, uint32_t number,
                                 struct error *reterr)
{
        WITH_CHANGE_LOCK(collection);
        struct generation *generation = find(collection, number, reterr);
        char path[GENERATION_PATH_SIZE];
        int r;

        if (!generation)
                return -ENOENT;
        if (is_last_served(collection, generation))
                return error_set(reterr, -EBUSY, "generation %u of %s serves: the release in force "
                                                 "asks for it", number, collection->info.name);
        r = registry_remove_generation(collection->store, collection->info.id, number,
                                       collection_generation_path(collection, number, path),
                                       reterr);
        if (r < 0)
                return r;
        crash_point("generation.removed");
        take_out(collection, generation);
        return 0;
}

/* ---- Changes of state ------------------------------------------------------------------- */

int collection_finish_generation(struct collection *collection, uint32_t number,
                                 struct error *reterr)
{
        WITH_CHANGE_LOCK(collection);
        char paths[COLLECTION_GENERATIONS_MAX][GENERATION_PATH_SIZE];
        struct generation_garbage garbage[COLLECTION_GENERATIONS_MAX];
        struct generation *others[COLLECTION_GENERATIONS_MAX];
        struct generation *generation = find(collection, number, reterr);
        size_t n = 0;
        int r;

        if (!generation)
                return -ENOENT;
        if (state_of(generation) != GENERATION_BUILDING)
                return refuse_state(generation,
                                    state_of(generation) == GENERATION_READY ? -EALREADY : -ENOENT,
                                    reterr);
        for (size_t i = 0; i < collection->n_generations; i++) {
                struct generation *other = collection->generations[i];

                if (other == generation || memcmp(other->identity, generation->identity,
                                                  GENERATION_IDENTITY_BYTES) != 0)
                        continue;
                (void) collection_generation_path(collection, other->number, paths[n]);
                garbage[n] = (struct generation_garbage){ other->number, paths[n] };
                others[n++] = other;
        }
        r = registry_finish_generation(collection->store, collection->info.id, number, garbage, n,
                                       reterr);
        if (r < 0)
                return r;
        crash_point("generation.finished");
        atomic_store(&generation->state, GENERATION_READY);
        for (size_t i = 0; i < n; i++)
                take_out(collection, others[i]);
        return 0;
}

int collection_rest_generation(struct collection *collection, uint32_t number,
                               struct error *reterr)
{
        WITH_CHANGE_LOCK(collection);
        struct generation *generation = find(collection, number, reterr);
        struct opened_index *none;
        int r;

        if (!generation)
                return -ENOENT;
        if (state_of(generation) == GENERATION_RESTING)
                return refuse_state(generation, -EALREADY, reterr);
        r = opened_index_new(generation, GENERATION_RESTING, &none, reterr);
        if (r < 0)
                return r;
        r = registry_set_generation(collection->store, collection->info.id, number,
                                    GENERATION_RESTING, reterr);
        if (r < 0) {
                (void) opened_index_unref(none);
                return r;
        }
        crash_point("generation.rested");
        return generation_enter(generation, GENERATION_RESTING, none, reterr);
}

int collection_wake_generation(struct collection *collection, uint32_t number,
                               struct error *reterr)
{
        WITH_CHANGE_LOCK(collection);
        struct generation *generation = find(collection, number, reterr);
        struct opened_index *opened;
        int r;

        if (!generation)
                return -ENOENT;
        if (state_of(generation) != GENERATION_RESTING)
                return refuse_state(generation, -EALREADY, reterr);
        r = opened_index_new(generation, GENERATION_BUILDING, &opened, reterr);
        if (r < 0)
                return r;
        r = registry_set_generation(collection->store, collection->info.id, number,
                                    GENERATION_BUILDING, reterr);
        if (r < 0) {
                (void) opened_index_unref(opened);
                return r;
        }
        crash_point("generation.woken");
        return generation_enter(generation, GENERATION_BUILDING, opened, reterr);
}
