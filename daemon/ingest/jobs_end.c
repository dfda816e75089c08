/* SPDX-License-Identifier: Apache-2.0 */
/* How jobs end: their final rows are written in a slice, many in one transaction. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/inside.h"

#include <stdlib.h>

#define CHECKPOINT_USEC (2 * USEC_PER_SEC)

static enum job_status final_status(const struct live_job *job)
{
        const struct job_progress *progress = &job->row.progress;

        if (progress->documents_failed == 0 && !job->failure[0])
                return JOB_SUCCEEDED;
        return progress->documents_done > 0 ? JOB_PARTIAL : JOB_FAILED;
}

/* Which jobs end now. */
struct ending {
        enum job_type type;   /* JOB_TYPE_MAX: all */
        uint64_t applied_seq; /* ingest jobs: up to where the log is applied */
        const char *why;      /* they end as failed; NULL: as they stand */
        bool cancel;          /* they end as canceled */
};

static bool ends(const struct live_job *job, const struct ending *ending)
{
        if (ending->type != JOB_TYPE_MAX && job->row.type != ending->type)
                return false;
        return ending->why || ending->cancel || job->row.type == JOB_REBUILD ||
               (!job->intake && !job->resumed && job->last_seq <= ending->applied_seq);
}

/* With the lock: takes out what the log has passed of canceled jobs, marks the others and
 * copies their final rows. */
static size_t collect_ending(struct follower *follower, const struct ending *ending,
                             struct job *rows, size_t room)
{
        uint64_t now_usec = clock_wall_usec();
        struct live_job **at = &follower->jobs;
        size_t n = 0;

        while (*at) {
                struct live_job *job = *at;

                if (!ends(job, ending) || job->canceling || (!job->canceled && n == room)) {
                        at = &job->next;
                        continue;
                }
                if (job->canceled) {
                        *at = job->next;
                        live_job_free(job);
                        continue;
                }
                if (ending->why)
                        live_job_error(job, 0, NULL, ending->why);
                job->ending = true;
                rows[n] = live_job_row(job);
                rows[n].status = ending->cancel ? JOB_CANCELED
                                 : ending->why  ? JOB_FAILED
                                                : final_status(job);
                rows[n].finished_usec = now_usec;
                rows[n++].pause_reason[0] = '\0';
                at = &job->next;
        }
        return n;
}

static void take_out_ended(struct follower *follower, bool written)
{
        struct live_job **at = &follower->jobs;

        while (*at) {
                struct live_job *job = *at;

                if (job->ending && written) {
                        *at = job->next;
                        live_job_free(job);
                        continue;
                }
                job->ending = false;
                at = &job->next;
        }
        live_jobs_changed(follower->ingest);
}

static int end_jobs(struct follower *follower, const struct ending *ending, struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        cleanup_free_ struct job *rows = NULL;
        size_t n = 0, room = 0;
        int r = 0;

        pthread_mutex_lock(&ingest->lock);
        for (const struct live_job *job = follower->jobs; job; job = job->next)
                room++;
        rows = room > 0 ? calloc(room, sizeof *rows) : NULL;
        if (rows)
                n = collect_ending(follower, ending, rows, room);
        pthread_mutex_unlock(&ingest->lock);
        if (room > 0 && !rows)
                return error_oom(reterr);
        if (n == 0)
                return 0;
        r = jobs_update_all(ingest->settings.store, rows, n, reterr);
        pthread_mutex_lock(&ingest->lock);
        take_out_ended(follower, r == 0);
        pthread_mutex_unlock(&ingest->lock);
        for (size_t i = 0; i < n; i++)
                job_done(&rows[i]);
        return r;
}

int live_jobs_save(struct follower *follower, struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        cleanup_free_ struct job *rows = NULL;
        size_t n = 0, room = 0;
        int r;

        pthread_mutex_lock(&ingest->lock);
        for (const struct live_job *job = follower->jobs; job; job = job->next)
                room++;
        rows = room > 0 ? calloc(room, sizeof *rows) : NULL;
        for (const struct live_job *job = follower->jobs; rows && job; job = job->next)
                if (!job->canceled && !job->canceling)
                        rows[n++] = live_job_row(job);
        pthread_mutex_unlock(&ingest->lock);
        if (room > 0 && !rows)
                return error_oom(reterr);
        r = jobs_update_all(ingest->settings.store, rows, n, reterr);
        for (size_t i = 0; i < n; i++)
                job_done(&rows[i]);
        return r;
}

int live_jobs_settle(struct follower *follower, uint64_t applied_seq, struct error *reterr)
{
        const struct ending ending = { .type = JOB_INGEST, .applied_seq = applied_seq };
        uint64_t now_usec = clock_monotonic_usec();
        int r = end_jobs(follower, &ending, reterr);

        if (r < 0 || now_usec - follower->checkpoint_usec < CHECKPOINT_USEC)
                return r;
        if (follower->checkpoint_usec > 0)
                r = live_jobs_save(follower, reterr);
        follower->checkpoint_usec = now_usec;
        return r;
}

int live_jobs_fail(struct follower *follower, enum job_type type, const char *why,
                   struct error *reterr)
{
        const struct ending ending = { .type = type, .why = why };

        return end_jobs(follower, &ending, reterr);
}

int live_jobs_cancel_all(struct follower *follower, struct error *reterr)
{
        const struct ending ending = { .type = JOB_TYPE_MAX, .cancel = true };

        return end_jobs(follower, &ending, reterr);
}

int live_rebuild_finish(struct follower *follower, struct error *reterr)
{
        const struct ending ending = { .type = JOB_REBUILD };

        return end_jobs(follower, &ending, reterr);
}
