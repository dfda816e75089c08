/* SPDX-License-Identifier: Apache-2.0 */
/* The releases that are followed: a list that is never changed, only exchanged.  Each slice of a
 * follower, and each call of a door, keeps the list it began with; whoever lets go last gives the
 * releases back. */
#include "ingest/followed.h"

#include "base/cleanup.h"
#include "ingest/chunk.h"
#include "ingest/inside.h"

#include <stdlib.h>
#include <string.h>

/* ---- The list ------------------------------------------------------------------------------- */

struct followed *followed_ref(struct ingest *ingest)
{
        struct followed *followed;

        pthread_mutex_lock(&ingest->lock);
        followed = ingest->followed;
        if (followed)
                atomic_fetch_add(&followed->refs, 1);
        pthread_mutex_unlock(&ingest->lock);
        return followed;
}

struct followed *followed_unref(struct followed *followed)
{
        if (!followed || atomic_fetch_sub(&followed->refs, 1) > 1)
                return NULL;
        for (size_t i = 0; i < followed->n; i++) {
                struct ingest_release *release = &followed->at[i].release;

                if (release->unref)
                        release->unref(release->owner);
                free((struct generation_spec *) (uintptr_t) release->spec);
        }
        free(followed);
        return NULL;
}

const struct ingest_release *followed_serving(const struct followed *followed,
                                              struct error *reterr)
{
        if (followed)
                return &followed->at[followed->serves].release;
        error_set(reterr, -EAGAIN, "no release is in force yet");
        return NULL;
}

struct generation_spec ingest_release_spec(const struct ingest_release *release,
                                           const struct collection_info *info)
{
        struct generation_spec spec = *release->spec;

        spec.language = info->language;
        return spec;
}

struct generation *followed_find_serving(const struct followed *followed,
                                         struct collection *collection)
{
        struct generation_spec spec = ingest_release_spec(&followed->at[followed->serves].release,
                                                          collection_get(collection));
        uint8_t identity[GENERATION_IDENTITY_BYTES];

        generation_identity(&spec, identity);
        return collection_find_generation(collection, identity);
}

void ingest_release_key(const struct generation_spec *spec,
                        uint8_t ret_key[static GENERATION_IDENTITY_BYTES])
{
        struct generation_spec any = *spec;

        any.language = NULL;
        generation_identity(&any, ret_key);
}

/* ---- A new one ------------------------------------------------------------------------------ */

static int check(const struct ingest_release *releases, size_t n, struct error *reterr)
{
        size_t serving = 0;

        for (size_t i = 0; i < n; i++) {
                const char *strategy = releases[i].spec->chunking.strategy;

                serving += releases[i].serves;
                if (chunk_strategy_from_name(strategy) < 0)
                        return error_set(reterr, -EOPNOTSUPP,
                                         "rag.chunking.strategy: %s is not available in this "
                                         "version; these are: sliding_window, sentence", strategy);
        }
        if (serving != 1 || n > INGEST_RELEASES_MAX)
                return error_set(reterr, -EINVAL, "%zu releases, of which %zu serve: 1 to %d, of "
                                                  "which 1 serves, can be followed", n, serving,
                                 INGEST_RELEASES_MAX);
        return 0;
}

/* The owners are not referenced yet. */
static struct followed *make_list(const struct ingest_release *releases, size_t n)
{
        struct followed *followed = calloc(1, sizeof *followed);

        if (!followed)
                return NULL;
        atomic_init(&followed->refs, 1);
        for (size_t i = 0; i < n; i++) {
                struct followed_release *at = &followed->at[i];

                at->release = releases[i];
                at->release.unref = NULL;
                at->release.spec = generation_spec_copy(releases[i].spec);
                followed->n++;
                if (!at->release.spec)
                        return followed_unref(followed);
                ingest_release_key(at->release.spec, at->key);
                while (memcmp(followed->at[at->first].key, at->key, sizeof at->key) != 0)
                        at->first++;
                if (releases[i].serves)
                        followed->serves = i;
        }
        return followed;
}

/* Those that have work have a follower from now on; they do nothing yet.  Until end_exchange() none
 * is forgotten: what came after the list was read is posted by its own door, for either list. */
static int make_followers(struct ingest *ingest, const struct ingest_release *releases, size_t n,
                          struct error *reterr)
{
        const struct generation_spec *specs[INGEST_RELEASES_MAX];
        cleanup_free_ struct store_collection *with_work = NULL;
        struct follower *forgotten;
        size_t n_with_work = 0;
        int r;

        pthread_mutex_lock(&ingest->lock);
        forgotten = followers_forget(ingest);
        ingest->exchanging = true;
        pthread_mutex_unlock(&ingest->lock);
        followers_free(forgotten);
        for (size_t i = 0; i < n; i++)
                specs[i] = releases[i].spec;
        r = store_list_with_work(ingest->settings.store, NULL, specs, n, &with_work, &n_with_work,
                                 reterr);
        pthread_mutex_lock(&ingest->lock);
        for (size_t i = 0; r == 0 && i < n_with_work; i++)
                if (!follower_get(ingest, with_work[i].tenant, with_work[i].collection))
                        r = error_oom(reterr);
        pthread_mutex_unlock(&ingest->lock);
        return r;
}

static void end_exchange(struct ingest *ingest)
{
        pthread_mutex_lock(&ingest->lock);
        ingest->exchanging = false;
        pthread_mutex_unlock(&ingest->lock);
}

/* What was waited for may be over: whoever embeds may be another one. */
static void exchange(struct ingest *ingest, struct followed **followed)
{
        struct followed *former;

        pthread_mutex_lock(&ingest->lock);
        former = ingest->followed;
        ingest->followed = *followed;
        for (struct follower *at = ingest->followers; at && !ingest->stopping; at = at->next)
                follower_go_on(at);
        pthread_mutex_unlock(&ingest->lock);
        *followed = former;
}

int ingest_follow(struct ingest *ingest, const struct ingest_release *releases, size_t n,
                  struct error *reterr)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = NULL;
        int r = check(releases, n, reterr);

        if (r < 0)
                return r;
        followed = make_list(releases, n);
        if (!followed)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                if (releases[i].ref)
                        releases[i].ref(releases[i].owner);
                followed->at[i].release.unref = releases[i].unref;
        }
        pthread_mutex_lock(&ingest->follow_lock);
        r = make_followers(ingest, releases, n, reterr);
        if (r == 0)
                r = store_serve(ingest->settings.store,
                                followed->at[followed->serves].release.spec, reterr);
        if (r == 0)
                exchange(ingest, &followed);
        end_exchange(ingest);
        pthread_mutex_unlock(&ingest->follow_lock);
        if (r == 0)
                ingest_note_change(ingest);
        return r;
}
