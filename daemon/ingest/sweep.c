/* SPDX-License-Identifier: Apache-2.0 */
/* Removing generations that no release needs any more. */
#include "base/cleanup.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <string.h>

DEFINE_CLEANUP(struct collection *, collection_unref)

struct sweep {
        struct ingest *ingest;
        const struct followed *followed; /* or NULL */
        bool (*keep)(void *data, const uint8_t *identity);
        void *data;
        bool dry_run;
        struct ingest_sweep done;
};

/* It rests, but its follower is about to wake it. */
static bool is_followed(const struct sweep *sweep, const struct generation *generation,
                        const struct collection_info *info)
{
        for (size_t i = 0; sweep->followed && i < sweep->followed->n; i++) {
                struct generation_spec spec =
                        ingest_release_spec(&sweep->followed->at[i].release, info);
                uint8_t identity[GENERATION_IDENTITY_BYTES];

                generation_identity(&spec, identity);
                if (memcmp(identity, generation_get_identity(generation), sizeof identity) == 0)
                        return true;
        }
        return false;
}

/* Releases name identities without a language, which is each collection's own. */
static bool is_kept(const struct sweep *sweep, const struct generation *generation)
{
        struct generation_spec spec = *generation_get_spec(generation);
        uint8_t identity[GENERATION_IDENTITY_BYTES];

        spec.language = NULL;
        generation_identity(&spec, identity);
        return sweep->keep(sweep->data, identity);
}

/* 1: generations of this identity stay, in every collection. */
static int sweep_generation(struct sweep *sweep, struct collection *collection,
                            struct generation *generation, struct error *reterr)
{
        struct generation_info info;
        int r;

        if (generation_get_state(generation) != GENERATION_RESTING)
                return 0;
        if (is_followed(sweep, generation, collection_get(collection)) ||
            is_kept(sweep, generation))
                return 1;
        r = generation_get_info(generation, &info, reterr);
        if (r == 0 && !sweep->dry_run)
                r = collection_remove_generation(collection, info.number, reterr);
        if (r < 0)
                return r == -ENOENT ? 0 : r; /* somebody else has removed it */
        sweep->done.generations++;
        sweep->done.bytes += info.bytes;
        return 0;
}

static int sweep_collection(struct sweep *sweep, const struct store_generation *which,
                            struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n;
        int r = collection_open_by_id(sweep->ingest->settings.store, which->tenant,
                                      which->collection, &collection, reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        n = collection_list_generations(collection, all);
        for (size_t i = 0; i < n; i++) {
                if (r == 0 && memcmp(generation_get_identity(all[i]), which->identity,
                                     sizeof which->identity) == 0)
                        r = sweep_generation(sweep, collection, all[i], reterr);
                (void) generation_unref(all[i]);
        }
        return r;
}

static bool same_identity(const struct store_generation *a, const struct store_generation *b)
{
        return memcmp(a->identity, b->identity, sizeof a->identity) == 0;
}

/* The registry knows identities in the language of a collection, releases name them without: the
 * first generation of each tells whether the others stay, which are not opened then. */
int ingest_sweep_generations(struct ingest *ingest,
                             bool (*keep)(void *data, const uint8_t *identity), void *data,
                             bool dry_run, struct ingest_sweep *ret, struct error *reterr)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        cleanup_free_ struct store_generation *all = NULL;
        struct sweep sweep = { .ingest = ingest, .followed = followed, .keep = keep,
                               .data = data, .dry_run = dry_run };
        size_t n = 0;
        int r = store_list_resting(ingest->settings.store, &all, &n, reterr);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                bool stays = i > 0 && r == 1 && same_identity(&all[i - 1], &all[i]);

                r = stays ? 1 : sweep_collection(&sweep, &all[i], reterr);
        }
        if (r < 0)
                return r;
        *ret = sweep.done;
        return 0;
}
