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

/* With the lock: whether the wait is over now; *next is brought forward to when it is. */
static bool is_due(struct wait *wait, uint64_t now_usec, uint64_t *next)
{
        if (wait->retry_usec == 0)
                return false;
        if (wait->retry_usec > now_usec) {
                if (*next == 0 || wait->retry_usec < *next)
                        *next = wait->retry_usec;
                return false;
        }
        wait->retry_usec = 0;
        return true;
}

/* With the lock: posts what is due, returns when the next one is (0: none waits). */
static uint64_t post_due(struct ingest *ingest, uint64_t now_usec)
{
        uint64_t next = upkeep_post_due(ingest, now_usec);

        for (struct follower *at = ingest->followers; at; at = at->next) {
                bool due = is_due(&at->wait, now_usec, &next);

                due |= is_due(&at->anew.wait, now_usec, &next);
                for (size_t i = 0; i < ELEMENTSOF(at->paces); i++)
                        due |= is_due(&at->paces[i].wait, now_usec, &next);
                if (due)
                        workers_post(ingest->settings.workers, &at->task);
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

/* With the lock.  True: it is the first pause after all went well. */
static bool lengthen(struct wait *wait, const struct error *why)
{
        bool first = wait->pause_usec == 0;

        wait->pause_usec = first ? PAUSE_FIRST_USEC : wait->pause_usec * 2;
        if (wait->pause_usec > PAUSE_LONGEST_USEC)
                wait->pause_usec = PAUSE_LONGEST_USEC;
        wait->retry_usec = clock_monotonic_usec() + wait->pause_usec;
        (void) snprintf(wait->why, sizeof wait->why, "%s", error_text(why));
        return first;
}

/* With the lock: what this job waits for; NULL: nothing. */
static const struct wait *wait_of(const struct follower *follower, const struct live_job *job)
{
        const struct wait *waits[] = { &follower->wait,
                                       follower->serving ? &follower->serving->wait : NULL,
                                       job->row.type == JOB_REBUILD ? &follower->anew.wait : NULL };

        for (size_t i = 0; i < ELEMENTSOF(waits); i++)
                if (waits[i] && waits[i]->pause_usec > 0)
                        return waits[i];
        return NULL;
}

/* With the lock: the jobs say whether they wait, and for what. */
static void tell_jobs(struct follower *follower)
{
        for (struct live_job *job = follower->jobs; job; job = job->next) {
                const struct wait *wait = wait_of(follower, job);

                if (job_status_is_final(job->row.status))
                        continue;
                if (wait) {
                        job->row.status = JOB_PAUSED;
                        (void) snprintf(job->row.pause_reason, sizeof job->row.pause_reason, "%.*s",
                                        (int) sizeof job->row.pause_reason - 1, wait->why);
                } else if (job->row.status == JOB_PAUSED) {
                        job->row.status = JOB_RUNNING;
                        job->row.pause_reason[0] = '\0';
                }
        }
}

static void pause_for(struct follower *follower, struct wait *wait, const struct error *why)
{
        struct ingest *ingest = follower->ingest;
        bool first;

        pthread_mutex_lock(&ingest->lock);
        first = lengthen(wait, why);
        tell_jobs(follower);
        start_timer(ingest);
        pthread_mutex_unlock(&ingest->lock);

        if (first) {
                log_warning("ingest waits: %s", error_text(why));
                (void) live_jobs_save(follower, NULL); /* the disk may be what is full */
        }
        ingest_note_change(ingest);
}

static void go_on(struct follower *follower, struct wait *wait)
{
        struct ingest *ingest = follower->ingest;
        bool was_paused;

        pthread_mutex_lock(&ingest->lock);
        was_paused = wait->pause_usec > 0;
        if (was_paused) {
                *wait = (struct wait){ 0 };
                tell_jobs(follower);
        }
        pthread_mutex_unlock(&ingest->lock);
        if (was_paused) {
                log_notice("ingest goes on");
                ingest_note_change(ingest);
        }
}

void follower_pause(struct follower *follower, const struct error *why)
{
        pause_for(follower, &follower->wait, why);
}

void follower_unpause(struct follower *follower)
{
        go_on(follower, &follower->wait);
}

void pace_pause(struct follower *follower, struct pace *pace, const struct error *why)
{
        pause_for(follower, &pace->wait, why);
}

void pace_unpause(struct follower *follower, struct pace *pace)
{
        go_on(follower, &pace->wait);
}

bool pace_waits(struct follower *follower, const struct pace *pace)
{
        struct ingest *ingest = follower->ingest;
        bool waits;

        pthread_mutex_lock(&ingest->lock);
        waits = pace->hopeless || pace->wait.retry_usec > clock_monotonic_usec();
        pthread_mutex_unlock(&ingest->lock);
        return waits;
}
