/* SPDX-License-Identifier: Apache-2.0 */
/* How far the generations of a release are.
 *
 * Each follower notes it of its own collection, when it comes to rest and now and then between;
 * whoever asks sums that up and opens nothing.  A collection without a follower has no work: its
 * generation is ready (see ingest_follow()). */
#include "base/cleanup.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <stdio.h>
#include <string.h>

void progress_count(struct follower *follower, struct pace *pace, const struct pace_step *step)
{
        struct ingest *ingest = follower->ingest;

        pthread_mutex_lock(&ingest->lock);
        pace->chunks += step->chunks;
        pace->embedded += step->embedded;
        pace->copied += step->copied;
        pace->tokens += step->tokens;
        pace->failed += step->failed;
        pthread_mutex_unlock(&ingest->lock);
}

/* Documents that the serving one shows and this one lacks.  Compared one by one where something
 * failed, or nobody knows whether: before the last start. */
static int count_failed(struct pace *pace, struct generation *generation,
                        struct generation *serving, uint64_t *ret, struct error *reterr)
{
        int r;

        *ret = 0;
        if (pace->compared && pace->failed == 0 && pace->report.failed == 0)
                return 0;
        r = generation_count_missing(generation, serving, ret, reterr);
        pace->compared |= r == 0;
        return r;
}

int progress_note(struct follower *follower, struct collection *collection, struct pace *pace,
                  struct generation *generation, struct generation *serving, struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        uint64_t applied = generation ? generation_applied_seq(generation) : 0;
        uint64_t served = serving ? generation_applied_seq(serving) : 0;
        bool ready = serving && generation && applied >= served &&
                     generation_get_state(generation) == GENERATION_READY;
        uint64_t pending = 0, failed = pace->failed;
        struct docs_counts counts = { 0 };
        bool changed;
        int r = docs_count(collection, &counts, reterr);

        if (r == 0)
                r = docs_count_pending(collection, applied, &pending, reterr);
        if (r == 0 && ready)
                r = generation == serving ? 0
                                          : count_failed(pace, generation, serving, &failed,
                                                         reterr);
        if (r < 0)
                return r;
        if (generation == serving)
                failed = 0;
        pthread_mutex_lock(&ingest->lock);
        changed = !pace->report.known || pace->report.ready != ready;
        pace->report.documents = counts.documents;
        pace->report.documents_done =
                pending < counts.documents ? counts.documents - pending : 0;
        pace->report.failed = failed;
        pace->report.ready = ready;
        pace->report.known = true;
        pthread_mutex_unlock(&ingest->lock);
        if (changed)
                ingest_note_change(ingest);
        return 0;
}

static void add_wait(const struct wait *wait, bool always, struct ingest_progress *progress)
{
        if ((always || wait->pause_usec > 0) && !progress->why[0])
                (void) snprintf(progress->why, sizeof progress->why, "%s", wait->why);
}

static void add_pace(const struct pace *pace, struct ingest_progress *progress)
{
        progress->documents += pace->report.documents;
        progress->documents_done += pace->report.documents_done;
        progress->chunks += pace->chunks;
        progress->chunks_embedded += pace->embedded;
        progress->chunks_copied += pace->copied;
        progress->tokens_embedded += pace->tokens;
        progress->failed += pace->report.known ? pace->report.failed : pace->failed;
        if (pace->hopeless && !progress->hopeless)
                progress->why[0] = '\0'; /* it counts more than what others wait for */
        add_wait(&pace->wait, pace->hopeless, progress);
        progress->hopeless |= pace->hopeless;
}

int ingest_get_progress(struct ingest *ingest, const struct generation_spec *spec,
                        struct ingest_progress *ret, struct error *reterr)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        struct ingest_progress progress = { 0 };
        uint8_t key[GENERATION_IDENTITY_BYTES];
        uint64_t not_ready = 0;
        bool known = false;
        int r;

        ingest_release_key(spec, key);
        for (size_t i = 0; followed && i < followed->n; i++)
                known |= memcmp(followed->at[i].key, key, sizeof key) == 0;
        if (!known)
                return error_set(reterr, -ENOENT, "this release is not followed");
        /* In this order: one that is made meanwhile may be missing from the count, not from those
         * that are not ready. */
        r = store_count_collections(ingest->settings.store, &progress.collections, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&ingest->lock);
        for (struct follower *at = ingest->followers; at; at = at->next) {
                const struct pace *pace = pace_find(at, key);

                if (at->gone)
                        continue;
                not_ready += !pace || !pace->report.ready || pace->hopeless;
                add_wait(&at->wait, false, &progress);
                if (pace)
                        add_pace(pace, &progress);
        }
        pthread_mutex_unlock(&ingest->lock);
        if (progress.collections < not_ready)
                progress.collections = not_ready;
        progress.ready = progress.collections - not_ready;
        *ret = progress;
        return 0;
}
