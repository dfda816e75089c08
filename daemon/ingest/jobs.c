/* SPDX-License-Identifier: Apache-2.0 */
/* Live jobs: progress in memory, the row written when a job begins, pauses and ends, and now
 * and then between.  What the row lacks after a crash is counted again from docs.db and the
 * generation: docs.db is the truth. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "ingest/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERRORS_MAX 100

void live_job_free(struct live_job *job)
{
        json_object_put(job->errors);
        free(job);
}

void live_jobs_free(struct live_job *jobs)
{
        while (jobs) {
                struct live_job *job = jobs;

                jobs = job->next;
                live_job_free(job);
        }
}

static struct live_job *find(struct follower *follower, struct job_id id)
{
        struct live_job *job = follower ? follower->jobs : NULL;

        while (job && !id_equal(job->row.id.id, id.id))
                job = job->next;
        return job;
}

static struct live_job *find_in(struct ingest *ingest, struct collection_id collection,
                                struct job_id id)
{
        return find(follower_find(ingest, collection), id);
}

void live_jobs_changed(struct ingest *ingest)
{
        ingest->changes++;
        pthread_cond_broadcast(&ingest->changed);
}

struct json_object *job_error_json(uint64_t line, const char *external_id, const char *message)
{
        struct json_object *error = json_object_new_object();

        if (error && line > 0)
                json_add_u64(error, "line", line);
        if (error) {
                json_add_string(error, "external_id", external_id);
                json_add_string(error, "message", message);
        }
        return error;
}

void live_job_error(struct live_job *job, uint64_t line, const char *external_id,
                    const char *message)
{
        if (!job->errors)
                job->errors = json_object_new_array();
        if (job->errors && json_object_array_length(job->errors) < ERRORS_MAX)
                json_add(job->errors, NULL, job_error_json(line, external_id, message));
}

struct job live_job_row(const struct live_job *job)
{
        struct job row = job->row;

        if (job->errors && json_object_array_length(job->errors) > 0) {
                const char *text = json_text(job->errors, NULL);

                row.errors_json = text ? strdup(text) : NULL;
        }
        return row;
}

/* ---- At the doors --------------------------------------------------------------------------- */

static int add_live(struct ingest *ingest, const struct job *row, struct error *reterr)
{
        struct live_job *job = calloc(1, sizeof *job), **end;
        struct follower *follower, *forgotten = NULL;

        if (!job)
                return error_oom(reterr);
        *job = (struct live_job){ .row = *row, .intake = row->type == JOB_INGEST };
        job->row.errors_json = NULL;
        pthread_mutex_lock(&ingest->lock);
        follower = follower_get(ingest, row->tenant, row->collection);
        if (follower) {
                for (end = &follower->jobs; *end; end = &(*end)->next)
                        ;
                *end = take_ptr(job);
                live_jobs_changed(ingest);
                forgotten = followers_trim(ingest);
        }
        pthread_mutex_unlock(&ingest->lock);
        followers_free(forgotten);
        if (!job)
                return 0;
        live_job_free(job); /* the row is resumed by the next start */
        return error_oom(reterr);
}

int live_job_begin(struct ingest *ingest, const struct collection_info *info, enum job_type type,
                   struct job_id *ret, struct error *reterr)
{
        const struct job row = { .id = { id_random() },
                                 .tenant = info->tenant,
                                 .collection = info->id,
                                 .type = type,
                                 .status = JOB_QUEUED,
                                 .attempts = 1,
                                 .created_usec = clock_wall_usec() };
        int r = jobs_create(ingest->settings.store, &row, reterr);

        *ret = row.id;
        return r < 0 ? r : add_live(ingest, &row, reterr);
}

int live_job_again(struct ingest *ingest, const struct job *row, struct error *reterr)
{
        return add_live(ingest, row, reterr);
}

void live_job_take_in(struct ingest *ingest, struct collection_id collection, struct job_id id,
                      const struct job_intake *intake)
{
        struct live_job *job;

        pthread_mutex_lock(&ingest->lock);
        job = find_in(ingest, collection, id);
        if (job) {
                job->accepted += intake->accepted;
                job->row.progress.documents_total += intake->accepted + intake->unchanged;
                job->row.progress.documents_done += intake->unchanged;
                job->row.progress.documents_unchanged += intake->unchanged;
                if (intake->last_seq > job->last_seq)
                        job->last_seq = intake->last_seq;
                live_jobs_changed(ingest);
        }
        pthread_mutex_unlock(&ingest->lock);
        atomic_fetch_add(&ingest->documents_put, intake->accepted);
}

void live_job_refuse(struct ingest *ingest, struct collection_id collection, struct job_id id,
                     uint64_t line, const char *external_id, const char *message)
{
        struct live_job *job;

        pthread_mutex_lock(&ingest->lock);
        job = find_in(ingest, collection, id);
        if (job) {
                job->row.progress.documents_total++;
                job->row.progress.documents_failed++;
                live_job_error(job, line, external_id, message);
        }
        pthread_mutex_unlock(&ingest->lock);
}

void live_job_close(struct ingest *ingest, struct collection_id collection, struct job_id id,
                    const char *failure)
{
        struct live_job *job;

        pthread_mutex_lock(&ingest->lock);
        job = find_in(ingest, collection, id);
        if (job) {
                job->intake = false;
                if (failure) {
                        (void) snprintf(job->failure, sizeof job->failure, "%s", failure);
                        live_job_error(job, 0, NULL, failure);
                }
                workers_post(ingest->settings.workers,
                             &follower_find(ingest, collection)->task);
        }
        pthread_mutex_unlock(&ingest->lock);
}

/* Finds a job in any follower. */
static struct live_job *find_anywhere(struct ingest *ingest, struct tenant_id tenant,
                                      struct job_id id, struct follower **ret_follower)
{
        for (struct follower *at = ingest->followers; at; at = at->next) {
                struct live_job *job = find(at, id);

                if (job && id_equal(job->row.tenant.id, tenant.id)) {
                        *ret_follower = at;
                        return job;
                }
        }
        return NULL;
}

int ingest_job_get(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                   struct job *ret, struct error *reterr)
{
        struct follower *follower;
        struct live_job *job;

        pthread_mutex_lock(&ingest->lock);
        job = find_anywhere(ingest, tenant, id, &follower);
        if (job)
                *ret = live_job_row(job);
        pthread_mutex_unlock(&ingest->lock);
        return job ? 0 : jobs_get(ingest->settings.store, tenant, id, ret, reterr);
}

void ingest_jobs_refresh(struct ingest *ingest, struct job *jobs, size_t n)
{
        struct follower *follower;

        pthread_mutex_lock(&ingest->lock);
        for (size_t i = 0; i < n; i++) {
                struct live_job *job = find_anywhere(ingest, jobs[i].tenant, jobs[i].id, &follower);

                if (!job)
                        continue;
                job_done(&jobs[i]);
                jobs[i] = live_job_row(job);
        }
        pthread_mutex_unlock(&ingest->lock);
}

/* The row becomes final here, on the door's thread, so that it is durable before the answer;
 * the follower then passes over what the job had put. */
static int cancel_live(struct ingest *ingest, struct job *row, struct error *reterr)
{
        struct follower *follower;
        struct live_job *job;
        int r;

        row->status = JOB_CANCELED;
        row->finished_usec = clock_wall_usec();
        r = jobs_update(ingest->settings.store, row, reterr);
        pthread_mutex_lock(&ingest->lock);
        job = find_anywhere(ingest, row->tenant, row->id, &follower);
        if (job)
                job->canceling = false;
        if (job && r == 0) {
                job->canceled = true;
                job->row.status = JOB_CANCELED;
                job->row.finished_usec = row->finished_usec;
                workers_post(ingest->settings.workers, &follower->task);
        }
        live_jobs_changed(ingest);
        pthread_mutex_unlock(&ingest->lock);
        return r;
}

int ingest_job_cancel(struct ingest *ingest, struct tenant_id tenant, struct job_id id,
                      struct error *reterr)
{
        struct follower *follower;
        struct live_job *job;
        struct job row = { 0 };
        bool busy = false;
        int r = 0;

        pthread_mutex_lock(&ingest->lock);
        job = find_anywhere(ingest, tenant, id, &follower);
        if (job) {
                busy = job->canceling || job->ending || job->canceled;
                row = live_job_row(job);
                job->canceling |= !busy;
        }
        pthread_mutex_unlock(&ingest->lock);
        if (!job)
                r = jobs_get(ingest->settings.store, tenant, id, &row, reterr);
        if (r == 0 && (busy || !job))
                r = error_set(reterr, -EALREADY, "the job is over: %s",
                              busy ? "it is ending" : job_status_name(row.status));
        if (r == 0)
                r = cancel_live(ingest, &row, reterr);
        job_done(&row);
        return r;
}

bool live_job_was_canceled(struct ingest *ingest, struct collection_id collection,
                           struct job_id id)
{
        const struct live_job *job;
        bool canceled;

        pthread_mutex_lock(&ingest->lock);
        job = find_in(ingest, collection, id);
        canceled = job && job->canceled;
        pthread_mutex_unlock(&ingest->lock);
        return canceled;
}

/* ---- In a slice ----------------------------------------------------------------------------- */

void live_jobs_step(struct follower *follower, const struct job_id *job_or_null, bool rebuild,
                    const struct job_step *step)
{
        struct ingest *ingest = follower->ingest;

        pthread_mutex_lock(&ingest->lock);
        for (struct live_job *job = follower->jobs; job; job = job->next) {
                bool its = job_or_null && id_equal(job->row.id.id, job_or_null->id);

                if (!its && !(rebuild && job->row.type == JOB_REBUILD))
                        continue;
                job->row.progress.documents_done += step->documents;
                job->row.progress.documents_failed += step->failed;
                job->row.progress.chunks_done += step->chunks;
                job->row.progress.tokens += step->tokens;
                if (step->error)
                        live_job_error(job, 0, step->external_id, step->error);
        }
        live_jobs_changed(ingest);
        pthread_mutex_unlock(&ingest->lock);
}

bool live_job_is_canceled(struct follower *follower, struct job_id id)
{
        struct ingest *ingest = follower->ingest;
        struct job row = { 0 };
        const struct live_job *job;
        bool canceled;

        pthread_mutex_lock(&ingest->lock);
        job = find(follower, id);
        canceled = job && job->canceled;
        pthread_mutex_unlock(&ingest->lock);
        if (job)
                return canceled;
        /* Canceled before a restart. */
        if (jobs_get(ingest->settings.store, follower->tenant, id, &row, NULL) < 0)
                return false;
        canceled = row.status == JOB_CANCELED;
        job_done(&row);
        return canceled;
}

bool live_rebuild_find(struct follower *follower, struct job_id *ret)
{
        struct ingest *ingest = follower->ingest;
        const struct live_job *job;
        bool found;

        pthread_mutex_lock(&ingest->lock);
        job = follower->jobs;
        while (job && (job->row.type != JOB_REBUILD || job->canceled))
                job = job->next;
        found = job != NULL;
        if (found)
                *ret = job->row.id;
        pthread_mutex_unlock(&ingest->lock);
        return found;
}
