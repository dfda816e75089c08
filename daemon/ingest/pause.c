/* SPDX-License-Identifier: Apache-2.0 */
/* When a follower can't go on for now: a full disk, a provider that does not answer.  No worker
 * sleeps; one thread, made with the first pause, posts each follower, and each upkeep, when its
 * wait is over. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/inside.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

#define PAUSE_FIRST_USEC USEC_PER_SEC
#define PAUSE_LONGEST_USEC (60 * USEC_PER_SEC)

/* With the lock: posts what is due, returns when the next one is (0: none waits). */
static uint64_t post_due(struct ingest *ingest, uint64_t now_usec)
{
        uint64_t next = upkeep_post_due(ingest, now_usec);

        for (struct follower *at = ingest->followers; at; at = at->next) {
                if (at->retry_usec == 0)
                        continue;
                if (at->retry_usec <= now_usec) {
                        at->retry_usec = 0;
                        workers_post(ingest->settings.workers, &at->task);
                } else if (next == 0 || at->retry_usec < next) {
                        next = at->retry_usec;
                }
        }
        return next;
}

static void *run_timer(void *data)
{
        struct ingest *ingest = data;

        (void) pthread_setname_np(pthread_self(), "ingest-timer");
        pthread_mutex_lock(&ingest->lock);
        while (!ingest->stopping) {
                uint64_t next = post_due(ingest, clock_monotonic_usec());
                struct timespec until = { .tv_sec = (time_t) (next / USEC_PER_SEC),
                                          .tv_nsec = (long) (next % USEC_PER_SEC) * 1000 };

                if (next > 0)
                        (void) pthread_cond_timedwait(&ingest->timer_wake, &ingest->lock, &until);
                else
                        (void) pthread_cond_wait(&ingest->timer_wake, &ingest->lock);
        }
        pthread_mutex_unlock(&ingest->lock);
        return NULL;
}

/* With the lock.  Without memory for a thread the next post of the follower tries again. */
static void start_timer(struct ingest *ingest)
{
        sigset_t all, before;

        if (ingest->timing || ingest->stopping) {
                pthread_cond_signal(&ingest->timer_wake);
                return;
        }
        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        ingest->timing = pthread_create(&ingest->timer, NULL, run_timer, ingest) == 0;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ingest_start_timer(struct ingest *ingest)
{
        pthread_mutex_lock(&ingest->lock);
        start_timer(ingest);
        pthread_mutex_unlock(&ingest->lock);
}

void ingest_stop_timer(struct ingest *ingest)
{
        pthread_mutex_lock(&ingest->lock);
        pthread_cond_signal(&ingest->timer_wake);
        pthread_mutex_unlock(&ingest->lock);
        if (ingest->timing)
                (void) pthread_join(ingest->timer, NULL);
        ingest->timing = false;
}

void follower_pause(struct follower *follower, const struct error *why)
{
        struct ingest *ingest = follower->ingest;
        bool first;

        pthread_mutex_lock(&ingest->lock);
        first = follower->pause_usec == 0;
        follower->pause_usec = first ? PAUSE_FIRST_USEC : follower->pause_usec * 2;
        if (follower->pause_usec > PAUSE_LONGEST_USEC)
                follower->pause_usec = PAUSE_LONGEST_USEC;
        follower->retry_usec = clock_monotonic_usec() + follower->pause_usec;
        for (struct live_job *job = follower->jobs; job; job = job->next) {
                if (job_status_is_final(job->row.status))
                        continue;
                job->row.status = JOB_PAUSED;
                (void) snprintf(job->row.pause_reason, sizeof job->row.pause_reason, "%s",
                                error_text(why));
        }
        start_timer(ingest);
        pthread_mutex_unlock(&ingest->lock);

        if (first) {
                log_warning("ingest waits: %s", error_text(why));
                (void) live_jobs_save(follower, NULL); /* the disk may be what is full */
        }
        ingest_note_change(ingest);
}

void follower_unpause(struct follower *follower)
{
        struct ingest *ingest = follower->ingest;
        bool was_paused;

        pthread_mutex_lock(&ingest->lock);
        was_paused = follower->pause_usec > 0;
        follower->pause_usec = 0;
        follower->retry_usec = 0;
        for (struct live_job *job = follower->jobs; was_paused && job; job = job->next) {
                if (job->row.status != JOB_PAUSED)
                        continue;
                job->row.status = JOB_RUNNING;
                job->row.pause_reason[0] = '\0';
        }
        pthread_mutex_unlock(&ingest->lock);
        if (was_paused) {
                log_notice("ingest goes on");
                ingest_note_change(ingest);
        }
}
