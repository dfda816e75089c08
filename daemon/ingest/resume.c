/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs from before the start become live again with their rows.  At the beginning of a slice they
 * are counted anew from docs.db, which is the truth, and all that have something to do are
 * running. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "ingest/inside.h"

#include <json-c/json_tokener.h>
#include <stdio.h>
#include <stdlib.h>

#define LOG_PAGE 1024

/* ---- Rows --------------------------------------------------------------------------------- */

/* With the lock: to the front of its follower's list. */
static int make_live(struct ingest *ingest, struct job *row, struct error *reterr)
{
        struct follower *follower = follower_get(ingest, row->tenant, row->collection);
        struct live_job *job = follower ? calloc(1, sizeof *job) : NULL;

        if (!job)
                return error_oom(reterr);
        *job = (struct live_job){ .row = *row, .resumed = true };
        if (row->errors_json)
                job->errors = json_tokener_parse(row->errors_json);
        job->row.errors_json = NULL;
        job->row.attempts++;
        job->next = follower->jobs;
        follower->jobs = job;
        follower->behind = true;
        return 0;
}

int live_jobs_resume(struct ingest *ingest, const struct tenant_id *tenant_or_null,
                     struct error *reterr)
{
        struct job *rows = NULL;
        size_t n = 0;
        int r = jobs_list_open(ingest->settings.store, tenant_or_null, &rows, &n, reterr);

        pthread_mutex_lock(&ingest->lock);
        for (size_t i = n; r == 0 && i > 0; i--)
                r = make_live(ingest, &rows[i - 1], reterr);
        pthread_mutex_unlock(&ingest->lock);
        (void) jobs_free(rows, n);
        return r;
}

/* ---- Counting ----------------------------------------------------------------------------- */

/* How the log stands for one resumed job. */
struct standing {
        struct job_id id;
        enum job_type type;
        uint64_t total, last_seq, failed, left;
};

DEFINE_CLEANUP(struct generation *, generation_unref)

static int list_resumed(struct follower *follower, struct standing **ret, size_t *ret_n,
                        struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        struct standing *all = NULL;
        size_t n = 0, room = 0;

        pthread_mutex_lock(&ingest->lock);
        for (const struct live_job *job = follower->jobs; job; job = job->next)
                room += job->resumed && !job->intake;
        if (room > 0)
                all = calloc(room, sizeof *all);
        for (const struct live_job *job = follower->jobs; all && job; job = job->next)
                if (job->resumed && !job->intake)
                        all[n++] = (struct standing){ .id = job->row.id, .type = job->row.type };
        pthread_mutex_unlock(&ingest->lock);
        if (room > 0 && !all)
                return error_oom(reterr);
        *ret = all;
        *ret_n = n;
        return 0;
}

/* Changes behind `applied`, by job. */
static int count_left(struct collection *collection, uint64_t applied, struct standing *all,
                      size_t n, struct error *reterr)
{
        for (;;) {
                cleanup_free_ struct docs_change *changes = NULL;
                size_t n_changes = 0;
                int r = docs_changes(collection, applied, LOG_PAGE, &changes, &n_changes, reterr);

                if (r < 0 || n_changes == 0)
                        return r;
                for (size_t i = 0; i < n_changes; i++)
                        for (size_t j = 0; j < n; j++)
                                all[j].left += id_equal(changes[i].job.id, all[j].id.id);
                applied = changes[n_changes - 1].doc_seq;
        }
}

static int stand(struct collection *collection, uint64_t applied, struct standing *all, size_t n,
                 struct error *reterr)
{
        bool behind = false;

        for (size_t i = 0; i < n; i++) {
                int r = docs_job_extent(collection, all[i].id, &all[i].total, &all[i].last_seq,
                                        &all[i].failed, reterr);

                if (r < 0)
                        return r;
                behind |= all[i].last_seq > applied;
        }
        return behind ? count_left(collection, applied, all, n, reterr) : 0;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
        return a > b ? a - b : 0;
}

/* With the lock. */
static void correct(struct live_job *job, const struct standing *standing)
{
        struct job_progress *progress = &job->row.progress;
        uint64_t refused;

        job->resumed = false;
        if (job->row.type == JOB_REBUILD)
                return;
        job->accepted = standing->total;
        job->last_seq = standing->last_seq;
        refused = minus(progress->documents_total, standing->total + progress->documents_unchanged);
        progress->documents_total = standing->total + progress->documents_unchanged + refused;
        progress->documents_failed = standing->failed + refused;
        progress->documents_done = minus(progress->documents_total,
                                         progress->documents_failed + standing->left);
        if (progress->documents_total == 0)
                (void) snprintf(job->failure, sizeof job->failure,
                                "interrupted before any document was accepted");
}

static int resume(struct follower *follower, struct collection *collection, uint64_t applied,
                  struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        cleanup_free_ struct standing *all = NULL;
        size_t n = 0;
        int r = list_resumed(follower, &all, &n, reterr);

        if (r < 0 || n == 0)
                return r;
        r = stand(collection, applied, all, n, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&ingest->lock);
        for (struct live_job *job = follower->jobs; job; job = job->next)
                for (size_t i = 0; job->resumed && i < n; i++)
                        if (id_equal(job->row.id.id, all[i].id.id))
                                correct(job, &all[i]);
        pthread_mutex_unlock(&ingest->lock);
        return live_jobs_save(follower, reterr); /* one more attempt, durably */
}

/* The rebuild's extent is the collection's, which changes meanwhile; after a restart it has done
 * what the generation holds. */
static int measure_rebuild(struct follower *follower, struct collection *collection,
                           struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *building =
                ingest_find_building(collection);
        struct ingest *ingest = follower->ingest;
        struct generation_info info = { 0 };
        struct docs_counts counts;
        struct job_id id;
        int r;

        if (!live_rebuild_find(follower, &id))
                return 0;
        r = docs_count(collection, &counts, reterr);
        if (r == 0 && building)
                r = generation_get_info(building, &info, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&ingest->lock);
        for (struct live_job *job = follower->jobs; job; job = job->next) {
                if (job->row.type != JOB_REBUILD)
                        continue;
                job->row.progress.documents_total = counts.documents;
                job->row.progress.documents_done = info.documents;
                job->row.progress.chunks_done = info.chunks_live;
        }
        pthread_mutex_unlock(&ingest->lock);
        return 0;
}

int live_jobs_start(struct follower *follower, struct collection *collection,
                    uint64_t applied_seq, struct error *reterr)
{
        struct ingest *ingest = follower->ingest;
        int r = resume(follower, collection, applied_seq, reterr);

        if (r == 0)
                r = measure_rebuild(follower, collection, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&ingest->lock);
        for (struct live_job *job = follower->jobs; job; job = job->next) {
                if (job->row.status != JOB_QUEUED)
                        continue;
                job->row.status = JOB_RUNNING;
                if (job->row.started_usec == 0)
                        job->row.started_usec = clock_wall_usec();
        }
        pthread_mutex_unlock(&ingest->lock);
        return 0;
}
