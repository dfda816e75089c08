/* SPDX-License-Identifier: Apache-2.0 */
/* The index that a generation is searched with: opened, and exchanged for another one while views
 * are pinned.  Each view keeps the one it began with; the last view that lets go frees it. */
#include "store/generation_inside.h"

#include "store/registry.h"

#include <stdlib.h>

/* The template is the profile's, what the graph is comes from the generation's own spec.  Nobody
 * is expected to search one that rests: a scan does. */
int opened_index_new(struct generation *generation, enum generation_state state,
                     struct opened_index **ret, struct error *reterr)
{
        const struct generation_spec *spec = &generation->spec;
        enum index_backend backend = index_backend_from_name(spec->index.backend);
        enum index_quantization quantization =
                index_quantization_from_name(spec->index.quantization);
        struct index_params params = store_get_index(generation->collection->store);
        struct opened_index *opened = calloc(1, sizeof *opened);
        char *damage = NULL;
        int r;

        if (!opened)
                return error_oom(reterr);
        if ((int) backend < 0 || state == GENERATION_RESTING)
                backend = INDEX_BACKEND_FLAT;
        params.backend = backend;
        params.metric = generation->metric;
        params.dimensions = spec->fingerprint.dimensions;
        params.quantization = (int) quantization < 0 ? INDEX_QUANTIZATION_NONE : quantization;
        params.m = spec->index.m;
        params.ef_construction = spec->index.ef_construction;
        atomic_init(&opened->refs, 1);
        r = index_open(&params, generation->dirfd, &opened->index, &damage, reterr);
        generation_note_damage(generation, damage);
        if (r < 0) {
                free(opened);
                return r;
        }
        *ret = opened;
        return 0;
}

struct opened_index *opened_index_ref(struct opened_index *opened)
{
        (void) atomic_fetch_add(&opened->refs, 1);
        return opened;
}

struct opened_index *opened_index_unref(struct opened_index *opened)
{
        if (opened && atomic_fetch_sub(&opened->refs, 1) == 1) {
                index_free(opened->index);
                free(opened);
        }
        return NULL;
}

uint64_t generation_hot_bytes(const struct generation *generation)
{
        const struct index_source nothing = { 0 };
        struct index_status status = { 0 };

        if (generation->opened && generation->facts.live)
                index_get_status(generation->opened->index, &nothing, generation->facts.live,
                                 &status);
        return status.hot_bytes;
}

/* Under upkeep_lock, so that no step of upkeep works on the one that goes. */
static int exchange(struct generation *generation, struct opened_index *opened,
                    struct error *reterr)
{
        struct opened_index *former;
        int r;

        generation_lock(generation);
        former = generation->opened;
        generation->opened = opened;
        r = view_publish(generation, &generation->facts, reterr);
        if (r < 0)
                generation->opened = former;
        generation_unlock(generation);
        (void) opened_index_unref(r < 0 ? opened : former);
        return r;
}

int generation_enter(struct generation *generation, enum generation_state state,
                     struct opened_index *takes_opened, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&generation->upkeep_lock);
        if (state == GENERATION_RESTING)
                generation_save(generation);
        r = exchange(generation, takes_opened, reterr);
        if (r == 0 || state == GENERATION_RESTING)
                atomic_store(&generation->state, (int) state);
        (void) pthread_mutex_unlock(&generation->upkeep_lock);
        if (r == 0)
                view_announce(generation);
        return r;
}
