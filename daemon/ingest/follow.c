/* SPDX-License-Identifier: Apache-2.0 */
/* The follower of one collection.
 *
 * A slice does one step (see steps.c) and goes to the end of the queue, so that collections take
 * turns.  Which releases are followed is looked at once for each slice: a slice that waits for a
 * provider holds on to its own list and hinders nobody who hands in another one.  What fails for
 * reasons outside a document pauses what it concerns: one of the generations, or all of it. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <stdlib.h>

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

/* ---- Posting -------------------------------------------------------------------------------- */

static void post(struct ingest *ingest, struct tenant_id tenant, struct collection_id collection,
                 bool now)
{
        struct follower *follower, *forgotten = NULL;

        pthread_mutex_lock(&ingest->lock);
        follower = ingest->stopping ? NULL : follower_get(ingest, tenant, collection);
        if (follower) {
                follower->behind = true;
                if (now)
                        follower_go_on(follower);
                else
                        workers_post(ingest->settings.workers, &follower->task);
                forgotten = followers_trim(ingest);
        }
        pthread_mutex_unlock(&ingest->lock);
        followers_free(forgotten);
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

void follower_go_on(struct follower *follower)
{
        follower->wait.retry_usec = 0;
        follower->anew.wait.retry_usec = 0;
        for (size_t i = 0; i < ELEMENTSOF(follower->paces); i++)
                follower->paces[i].wait.retry_usec = 0;
        workers_post(follower->ingest->settings.workers, &follower->task);
}

void follower_forget_scratch(struct follower *follower)
{
        text_analyzer_free(follower->analyzer);
        follower->analyzer = NULL;
        follower->anew.long_document = long_document_free(follower->anew.long_document);
        for (size_t i = 0; i < ELEMENTSOF(follower->paces); i++)
                follower->paces[i].long_document =
                        long_document_free(follower->paces[i].long_document);
}

/* ---- Slices --------------------------------------------------------------------------------- */

/* Text and rows that nobody sees any more; a little at a time. */
static int tidy(struct collection *collection, struct error *reterr)
{
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        size_t n = collection_list_generations(collection, all);
        bool any = false;
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                bool more = false;

                if (r == 0)
                        r = generation_tidy(all[i], &more, reterr);
                any |= more;
                (void) generation_unref(all[i]);
        }
        return r < 0 ? r : any;
}

/* How much is visible, by the list of this slice: what its steps count is what its jobs hear. */
static uint64_t served_seq(const struct followed *followed, struct collection *collection)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                followed_find_serving(followed, collection);

        return serving ? generation_applied_seq(serving) : 0;
}

static void set_behind(struct follower *follower, bool behind)
{
        pthread_mutex_lock(&follower->ingest->lock);
        follower->behind = behind;
        pthread_mutex_unlock(&follower->ingest->lock);
}

static void set_gone(struct follower *follower)
{
        pthread_mutex_lock(&follower->ingest->lock);
        follower->gone = true;
        follower->behind = false;
        pthread_mutex_unlock(&follower->ingest->lock);
}

static int run_slice(struct follower *follower, const struct followed *followed,
                     struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        struct error error = { 0 };
        int r = collection_open_by_id(follower->ingest->settings.store, follower->tenant,
                                      follower->collection, &collection, &error);
        int more;

        if (r == -ENOENT) /* deleted */
                set_gone(follower);
        if (r == -ENOENT)
                return live_jobs_fail(follower, JOB_TYPE_MAX, "the collection was deleted", reterr);
        if (r < 0) {
                if (reterr)
                        *reterr = error;
                return r;
        }
        follower_match(follower, followed);
        r = live_jobs_start(follower, collection, served_seq(followed, collection), reterr);
        if (r == 0)
                r = follower_step(follower, collection, followed, reterr);
        more = r;
        if (r >= 0)
                r = live_jobs_settle(follower, served_seq(followed, collection), reterr);
        if (r == 0 && more == 0)
                r = more = tidy(collection, reterr);
        if (r >= 0)
                set_behind(follower, served_seq(followed, collection) < docs_last_seq(collection));
        return r < 0 ? r : more;
}

static bool must_wait(struct follower *follower)
{
        struct ingest *ingest = follower->ingest;
        bool wait;

        pthread_mutex_lock(&ingest->lock);
        wait = ingest->stopping || follower->wait.retry_usec > clock_monotonic_usec();
        pthread_mutex_unlock(&ingest->lock);
        return wait;
}

enum worker_verdict follower_run(struct worker_task *task)
{
        struct follower *follower = task->data;
        cleanup_(followed_unref_cleanup) struct followed *followed = NULL;
        struct error error = { 0 };
        int r;

        if (must_wait(follower))
                return WORKER_DONE;
        followed = followed_ref(follower->ingest);
        if (!followed)
                return WORKER_DONE;
        r = run_slice(follower, followed, &error);
        if (r < 0) {
                follower_forget_scratch(follower);
                follower_pause(follower, &error);
                return WORKER_DONE;
        }
        follower_unpause(follower);
        if (r > 0)
                return WORKER_AGAIN;
        follower_forget_scratch(follower);
        return WORKER_DONE;
}
