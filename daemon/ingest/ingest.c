/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/ingest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int ingest_check_space(const struct ingest *ingest, struct error *reterr)
{
        uint64_t available = 0;

        if (ingest->settings.min_free_bytes == 0 ||
            store_free_bytes(ingest->settings.store, &available) < 0 ||
            available >= ingest->settings.min_free_bytes)
                return 0;
        return error_set(reterr, -ENOSPC,
                         "%llu MiB are free below %s, and %llu are kept in reserve: writing goes "
                         "on when there is space again; reading and deleting work",
                         (unsigned long long) (available >> 20),
                         store_path(ingest->settings.store),
                         (unsigned long long) (ingest->settings.min_free_bytes >> 20));
}

/* ---- News ------------------------------------------------------------------------------- */

void ingest_note_change(struct ingest *ingest)
{
        pthread_mutex_lock(&ingest->lock);
        ingest->changes++;
        pthread_cond_broadcast(&ingest->changed);
        pthread_mutex_unlock(&ingest->lock);
}

uint64_t ingest_wait_change(struct ingest *ingest, uint64_t seen, uint64_t timeout_usec)
{
        uint64_t until = clock_monotonic_usec() + timeout_usec, changes;
        struct timespec deadline = { .tv_sec = (time_t) (until / USEC_PER_SEC),
                                     .tv_nsec = (long) (until % USEC_PER_SEC) * 1000 };

        pthread_mutex_lock(&ingest->lock);
        while (ingest->changes == seen && !ingest->stopping &&
               pthread_cond_timedwait(&ingest->changed, &ingest->lock, &deadline) == 0)
                ;
        changes = ingest->changes;
        pthread_mutex_unlock(&ingest->lock);
        return changes;
}

void ingest_get_figures(struct ingest *ingest, struct ingest_figures *ret)
{
        *ret = (struct ingest_figures){
                .documents_put = ingest->documents_put,
                .documents_applied = ingest->documents_applied,
                .documents_failed = ingest->documents_failed,
                .chunks = ingest->chunks,
                .tokens = ingest->tokens,
                .damages = ingest->damages,
                .upkeep_failures = ingest->upkeep_failures,
        };
        pthread_mutex_lock(&ingest->lock);
        for (const struct follower *at = ingest->followers; at; at = at->next)
                ret->collections_behind += at->behind;
        pthread_mutex_unlock(&ingest->lock);
}

/* ---- Beginning and ending ---------------------------------------------------------------- */

static void init_condition(pthread_cond_t *condition)
{
        pthread_condattr_t attributes;

        (void) pthread_condattr_init(&attributes);
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void) pthread_cond_init(condition, &attributes);
        (void) pthread_condattr_destroy(&attributes);
}

int ingest_new(const struct ingest_settings *settings, struct ingest **ret, struct error *reterr)
{
        struct ingest *ingest;
        int r;

        ingest = calloc(1, sizeof *ingest);
        if (!ingest)
                return error_oom(reterr);
        ingest->settings = *settings;
        (void) pthread_mutex_init(&ingest->lock, NULL);
        (void) pthread_mutex_init(&ingest->upkeep_lock, NULL);
        (void) pthread_mutex_init(&ingest->follow_lock, NULL);
        init_condition(&ingest->changed);
        init_condition(&ingest->timer_wake);
        r = upkeep_start(ingest, reterr);
        if (r == 0)
                r = live_jobs_resume(ingest, NULL, reterr);
        if (r < 0) {
                (void) ingest_free(ingest);
                return r;
        }
        *ret = ingest;
        return 0;
}

struct ingest *ingest_free(struct ingest *ingest)
{
        struct follower *followers;

        if (!ingest)
                return NULL;
        pthread_mutex_lock(&ingest->lock);
        ingest->stopping = true;
        followers = ingest->followers;
        ingest->followers = NULL;
        ingest->n_followers = ingest->n_chains = 0;
        free(ingest->chains);
        ingest->chains = NULL;
        pthread_cond_broadcast(&ingest->changed);
        pthread_mutex_unlock(&ingest->lock);
        ingest_stop_timer(ingest);
        upkeep_stop_all(ingest);
        followers_free(followers);
        (void) followed_unref(ingest->followed);
        (void) pthread_cond_destroy(&ingest->timer_wake);
        (void) pthread_cond_destroy(&ingest->changed);
        (void) pthread_mutex_destroy(&ingest->upkeep_lock);
        (void) pthread_mutex_destroy(&ingest->follow_lock);
        (void) pthread_mutex_destroy(&ingest->lock);
        free(ingest);
        return NULL;
}
