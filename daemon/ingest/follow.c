/* SPDX-License-Identifier: Apache-2.0 */
/* The follower of one collection.
 *
 * A slice does one step and goes to the end of the queue, so that collections take turns:
 *
 *     no generation, or a rebuild is wanted   make one
 *     the serving generation is behind        apply the next changes to it
 *     the one being built is behind           apply the next changes to it
 *     the one being built has caught up       it serves from now on
 *     nothing of that                         tidy, then rest
 *
 * A generation can be followed when it was embedded by what the profile embeds with; its own
 * chunking is used.  What fails for reasons outside a document pauses the follower. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/inside.h"

#include <stdlib.h>
#include <string.h>

#define RETIRED_KEPT 1 /* generations that stay behind for a way back */

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

/* ---- The list ------------------------------------------------------------------------------- */

static enum worker_verdict follower_run(struct worker_task *task);

struct follower *follower_find(struct ingest *ingest, struct collection_id collection)
{
        for (struct follower *at = ingest->followers; at; at = at->next)
                if (id_equal(at->collection.id, collection.id))
                        return at;
        return NULL;
}

struct follower *follower_get(struct ingest *ingest, struct tenant_id tenant,
                              struct collection_id collection)
{
        struct follower *follower = follower_find(ingest, collection);

        if (follower)
                return follower;
        follower = calloc(1, sizeof *follower);
        if (!follower)
                return NULL;
        *follower = (struct follower){ .next = ingest->followers,
                                       .ingest = ingest,
                                       .task = { .run = follower_run, .data = follower },
                                       .tenant = tenant,
                                       .collection = collection };
        ingest->followers = follower;
        return follower;
}

static void post(struct ingest *ingest, struct tenant_id tenant, struct collection_id collection,
                 bool now)
{
        struct follower *follower;

        pthread_mutex_lock(&ingest->lock);
        follower = ingest->stopping ? NULL : follower_get(ingest, tenant, collection);
        if (follower) {
                follower->behind = true;
                if (now)
                        follower->retry_usec = 0;
                workers_post(ingest->settings.workers, &follower->task);
        }
        pthread_mutex_unlock(&ingest->lock);
}

void follower_post(struct ingest *ingest, struct tenant_id tenant,
                   struct collection_id collection)
{
        post(ingest, tenant, collection, false);
}

void follower_post_now(struct ingest *ingest, struct tenant_id tenant,
                       struct collection_id collection)
{
        post(ingest, tenant, collection, true);
}

static void forget_scratch(struct follower *follower)
{
        text_analyzer_free(follower->analyzer);
        follower->analyzer = NULL;
        follower->long_document = long_document_free(follower->long_document);
}

struct follower *follower_free(struct follower *follower)
{
        if (!follower)
                return NULL;
        workers_cancel(follower->ingest->settings.workers, &follower->task);
        forget_scratch(follower);
        live_jobs_free(follower->jobs);
        free(follower);
        return NULL;
}

/* ---- Steps: 1 there may be more to do, 0 nothing to do, negative: pause --------------------- */

/* Another chunking or index does not hinder following, another embedding does. */
static bool can_follow(const struct ingest *ingest, const struct collection *collection,
                       const struct generation *generation)
{
        struct generation_spec wanted = ingest_wanted_spec(ingest, collection_get(collection));
        struct generation_spec has = *generation_get_spec(generation);
        uint8_t a[GENERATION_IDENTITY_BYTES], b[GENERATION_IDENTITY_BYTES];

        has.chunking = wanted.chunking;
        has.index = wanted.index;
        generation_identity(&wanted, a);
        generation_identity(&has, b);
        return memcmp(a, b, sizeof a) == 0;
}

static int make_generation(struct follower *follower, struct collection *collection,
                           struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *made = NULL;
        struct generation_spec spec =
                ingest_wanted_spec(follower->ingest, collection_get(collection));
        int r = collection_new_generation(collection, &spec, &made, reterr);

        return r < 0 ? r : 1;
}

/* Older retired generations hold back disk space; the newest is the way back. */
static void drop_retired(struct collection *collection)
{
        cleanup_free_ struct generation_info *infos = NULL;
        uint32_t kept = 0;
        size_t n = 0;

        if (collection_generations(collection, &infos, &n, NULL) < 0)
                return;
        for (;;) {
                struct generation_info *newest = NULL;

                for (size_t i = 0; i < n; i++)
                        if (infos[i].state == GENERATION_RETIRED &&
                            (!newest || infos[i].number > newest->number))
                                newest = &infos[i];
                if (!newest)
                        return;
                newest->state = GENERATION_STATE_MAX; /* seen */
                if (kept++ >= RETIRED_KEPT)
                        (void) collection_remove_generation(collection, newest->number, NULL);
        }
}

static int switch_generation(struct follower *follower, struct collection *collection,
                             struct error *reterr)
{
        int r = collection_switch(collection, reterr);

        if (r == 0)
                r = live_rebuild_finish(follower, reterr);
        if (r < 0)
                return r;
        drop_retired(collection);
        return 1;
}

/* What was being built for a profile, or a job, that is no more is given up. */
static int give_up_stale(struct follower *follower, struct collection *collection,
                         const struct generation *serving, struct generation **building,
                         bool wanted, struct error *reterr)
{
        int r;

        if (!*building)
                return 0;
        if (ingest_is_wanted(follower->ingest, collection, *building) && (wanted || !serving))
                return 0;
        *building = generation_unref(*building);
        follower->long_document = long_document_free(follower->long_document);
        r = collection_abandon_building(collection, reterr);
        return r < 0 ? r : 1;
}

static int refuse_to_follow(struct follower *follower, struct collection *collection,
                            struct error *reterr)
{
        int r = ingest_check_identity(follower->ingest, collection, reterr);

        return r < 0 ? r
                     : error_set(reterr, -ESTALE, "the serving generation of %s cannot be followed",
                                 collection_get(collection)->name);
}

static int apply_to_building(struct follower *follower, struct collection *collection,
                             struct generation *building, const struct generation *serving,
                             bool follows, struct error *reterr)
{
        const struct counting counting = {
                .jobs = !follows,
                .rebuild = true,
                .beside = serving,
                .may_give_up = serving && generation_applied_seq(building) == 0,
        };
        struct error why = { 0 };
        int r = follower_apply(follower, collection, building, counting, &why);

        if (r == -ECANCELED) { /* without its job it is given up in the next slice */
                r = live_jobs_fail(follower, JOB_REBUILD, error_text(&why), reterr);
                return r < 0 ? r : 1;
        }
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int step(struct follower *follower, struct collection *collection, struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                collection_serving(collection);
        cleanup_(generation_unref_cleanup) struct generation *building =
                collection_building(collection);
        uint64_t last = docs_last_seq(collection);
        bool follows = serving && can_follow(follower->ingest, collection, serving);
        struct job_id rebuild;
        bool wanted = live_rebuild_find(follower, &rebuild);
        int r = give_up_stale(follower, collection, serving, &building, wanted, reterr);

        if (r != 0)
                return r;
        if (!building && (wanted || !serving))
                return make_generation(follower, collection, reterr);
        if (follows && generation_applied_seq(serving) < last)
                return follower_apply(follower, collection, serving,
                                      (struct counting){ .jobs = true }, reterr);
        if (building && generation_applied_seq(building) < last)
                return apply_to_building(follower, collection, building, serving, follows, reterr);
        if (building)
                return switch_generation(follower, collection, reterr);
        if (!follows && generation_applied_seq(serving) < last)
                return refuse_to_follow(follower, collection, reterr);
        return 0;
}

/* Text and rows that nobody sees any more; a little at a time. */
static int tidy(struct collection *collection, struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                collection_serving(collection);
        bool more = false;
        int r = serving ? generation_tidy(serving, &more, reterr) : 0;

        return r < 0 ? r : more;
}

static uint64_t served_seq(struct collection *collection)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                collection_serving(collection);

        return serving ? generation_applied_seq(serving) : 0;
}

static int run_slice(struct follower *follower, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct error error = { 0 };
        int r = collection_open_by_id(follower->ingest->settings.store, follower->tenant,
                                      follower->collection, &collection, &error);
        int more;

        if (r == -ENOENT) /* deleted */
                return live_jobs_fail(follower, JOB_TYPE_MAX, "the collection was deleted", reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = error;
                return r;
        }
        r = live_jobs_start(follower, collection, reterr);
        if (r == 0)
                r = step(follower, collection, reterr);
        more = r;
        if (r >= 0)
                r = live_jobs_settle(follower, served_seq(collection), reterr);
        if (r == 0 && more == 0)
                r = more = tidy(collection, reterr);
        return r < 0 ? r : more;
}

static bool must_wait(struct follower *follower)
{
        struct ingest *ingest = follower->ingest;
        bool wait;

        pthread_mutex_lock(&ingest->lock);
        wait = ingest->stopping || follower->retry_usec > clock_monotonic_usec();
        follower->behind = true;
        pthread_mutex_unlock(&ingest->lock);
        return wait;
}

static enum worker_verdict follower_run(struct worker_task *task)
{
        struct follower *follower = task->data;
        struct ingest *ingest = follower->ingest;
        struct error error = { 0 };
        int r;

        if (must_wait(follower))
                return WORKER_DONE;
        r = run_slice(follower, &error);
        if (r < 0) {
                forget_scratch(follower);
                follower_pause(follower, &error);
                return WORKER_DONE;
        }
        follower_unpause(follower);
        if (r > 0)
                return WORKER_AGAIN;
        forget_scratch(follower);
        pthread_mutex_lock(&ingest->lock);
        follower->behind = false;
        pthread_mutex_unlock(&ingest->lock);
        return WORKER_DONE;
}
