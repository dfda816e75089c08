/* SPDX-License-Identifier: Apache-2.0 */
#include "store/jobs.h"

#include "base/enum.h"
#include "store/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const job_type_names[JOB_TYPE_MAX] = {
        [JOB_INGEST] = "ingest",
        [JOB_REBUILD] = "rebuild",
};
DEFINE_ENUM_NAMES(job_type, enum job_type)

static const char *const job_status_names[JOB_STATUS_MAX] = {
        [JOB_QUEUED] = "queued",       [JOB_RUNNING] = "running", [JOB_PAUSED] = "paused",
        [JOB_SUCCEEDED] = "succeeded", [JOB_PARTIAL] = "partial", [JOB_FAILED] = "failed",
        [JOB_CANCELED] = "canceled",
};
DEFINE_ENUM_NAMES(job_status, enum job_status)

#define TO(status) (1U << (status))
#define TO_FINAL (TO(JOB_SUCCEEDED) | TO(JOB_PARTIAL) | TO(JOB_FAILED) | TO(JOB_CANCELED))

/* Partial and failed jobs may be tried again; succeeded and canceled ones are over. */
static const unsigned moves[JOB_STATUS_MAX] = {
        [JOB_QUEUED] = TO(JOB_RUNNING) | TO(JOB_PAUSED) | TO_FINAL,
        [JOB_RUNNING] = TO(JOB_QUEUED) | TO(JOB_PAUSED) | TO_FINAL,
        [JOB_PAUSED] = TO(JOB_QUEUED) | TO(JOB_RUNNING) | TO_FINAL,
        [JOB_PARTIAL] = TO(JOB_QUEUED),
        [JOB_FAILED] = TO(JOB_QUEUED),
};

bool job_status_is_final(enum job_status status)
{
        return (TO_FINAL & TO(status)) != 0;
}

bool job_status_may_become(enum job_status from, enum job_status to)
{
        return from == to || (moves[from] & TO(to)) != 0;
}

void job_done(struct job *job)
{
        free(job->errors_json);
        job->errors_json = NULL;
}

struct job *jobs_free(struct job *jobs, size_t n)
{
        for (size_t i = 0; i < n; i++)
                job_done(&jobs[i]);
        free(jobs);
        return NULL;
}

/* ---- Writing ---------------------------------------------------------------------------- */

/* Parameters 1 to 17 of both statements below. */
static void bind_job(sqlite3_stmt *statement, const struct job *job)
{
        const uint64_t numbers[] = {
                (uint64_t) job->type,
                (uint64_t) job->status,
                job_status_is_final(job->status),
                job->progress.documents_total,
                job->progress.documents_done,
                job->progress.documents_failed,
                job->progress.documents_unchanged,
                job->progress.chunks_done,
                job->progress.tokens,
                job->attempts,
                job->created_usec,
                job->started_usec,
                job->finished_usec,
        };

        db_bind_blob(statement, 1, job->id.id.bytes, ID_BYTES);
        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                db_bind_u64(statement, (int) i + 2, numbers[i]);
        db_bind_text(statement, 15, job->pause_reason);
        db_bind_text(statement, 16, job->errors_json);
}

static int check_values(const struct job *job, struct error *reterr)
{
        if ((unsigned) job->type >= JOB_TYPE_MAX || (unsigned) job->status >= JOB_STATUS_MAX)
                return error_set(reterr, -EINVAL, "a job of unknown type or status");
        return 0;
}

static int apply_create(struct db *db, void *data, struct error *reterr)
{
        const struct job *job = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db,
                           "INSERT INTO job(id, type, status, final, total, done, failed,"
                           " unchanged, chunks, tokens, attempts, created_usec, started_usec,"
                           " finished_usec, pause_reason, errors, tenant, collection)"
                           " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &statement, reterr);

        if (r < 0)
                return r;
        bind_job(statement, job);
        db_bind_blob(statement, 17, job->tenant.id.bytes, ID_BYTES);
        db_bind_blob(statement, 18, job->collection.id.bytes, ID_BYTES);
        return db_step(db, statement, reterr);
}

int jobs_create(struct store *store, const struct job *job, struct error *reterr)
{
        int r = check_values(job, reterr);

        return r < 0 ? r
                     : committer_run(store->registry, apply_create, (void *) (uintptr_t) job,
                                     reterr);
}

static int read_status(struct db *db, const struct job *job, enum job_status *ret,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT status FROM job WHERE id = ? AND tenant = ?", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, job->id.id.bytes, ID_BYTES);
        db_bind_blob(statement, 2, job->tenant.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such job");
        if (r < 0)
                return r;
        if (db_column_u64(statement, 0) >= JOB_STATUS_MAX)
                return error_set(reterr, -EBADMSG, "%s is damaged: job status", db_path(db));
        *ret = (enum job_status) db_column_u32(statement, 0);
        return 0;
}

static int apply_update(struct db *db, void *data, struct error *reterr)
{
        const struct job *job = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        enum job_status before = JOB_QUEUED;
        int r = read_status(db, job, &before, reterr);

        if (r < 0)
                return r;
        if (!job_status_may_become(before, job->status))
                return error_set(reterr, -EINVAL, "a job that is %s cannot become %s",
                                 job_status_name(before), job_status_name(job->status));
        r = db_prepare(db,
                       "UPDATE job SET type=?2, status=?3, final=?4, total=?5, done=?6, failed=?7,"
                       " unchanged=?8, chunks=?9, tokens=?10, attempts=?11, created_usec=?12,"
                       " started_usec=?13, finished_usec=?14, pause_reason=?15, errors=?16"
                       " WHERE id=?1", &statement, reterr);
        if (r < 0)
                return r;
        bind_job(statement, job);
        return db_step(db, statement, reterr);
}

int jobs_update(struct store *store, const struct job *job, struct error *reterr)
{
        int r = check_values(job, reterr);

        return r < 0 ? r
                     : committer_run(store->registry, apply_update, (void *) (uintptr_t) job,
                                     reterr);
}

struct many {
        const struct job *jobs;
        size_t n;
};

static int apply_update_all(struct db *db, void *data, struct error *reterr)
{
        const struct many *many = data;
        int r = 0;

        for (size_t i = 0; r == 0 && i < many->n; i++) {
                r = apply_update(db, (void *) (uintptr_t) &many->jobs[i], reterr);
                if (r == -EINVAL || r == -ENOENT)
                        r = 0;
        }
        return r;
}

int jobs_update_all(struct store *store, const struct job *jobs, size_t n, struct error *reterr)
{
        struct many many = { jobs, n };
        int r = 0;

        for (size_t i = 0; r == 0 && i < n; i++)
                r = check_values(&jobs[i], reterr);
        return r < 0 || n == 0
                       ? r
                       : committer_run(store->registry, apply_update_all, &many, reterr);
}

/* ---- Reading ---------------------------------------------------------------------------- */

#define JOB_COLUMNS \
        "id, tenant, collection, type, status, total, done, failed, unchanged, chunks, tokens," \
        " attempts, created_usec, started_usec, finished_usec, pause_reason, errors"

static int read_job(struct db *db, sqlite3_stmt *statement, struct job *ret, struct error *reterr)
{
        struct job job = { 0 };
        const unsigned char *reason = sqlite3_column_text(statement, 15);
        uint64_t type = db_column_u64(statement, 3), status = db_column_u64(statement, 4);
        int r;

        r = db_column_bytes(db, statement, 0, job.id.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 1, job.tenant.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 2, job.collection.id.bytes, ID_BYTES, reterr);
        if (r < 0)
                return r;
        if (type >= JOB_TYPE_MAX || status >= JOB_STATUS_MAX)
                return error_set(reterr, -EBADMSG, "%s is damaged: job type or status",
                                 db_path(db));
        job.type = (enum job_type) type;
        job.status = (enum job_status) status;
        job.progress = (struct job_progress){
                .documents_total = db_column_u64(statement, 5),
                .documents_done = db_column_u64(statement, 6),
                .documents_failed = db_column_u64(statement, 7),
                .documents_unchanged = db_column_u64(statement, 8),
                .chunks_done = db_column_u64(statement, 9),
                .tokens = db_column_u64(statement, 10),
        };
        job.attempts = db_column_u32(statement, 11);
        job.created_usec = db_column_u64(statement, 12);
        job.started_usec = db_column_u64(statement, 13);
        job.finished_usec = db_column_u64(statement, 14);
        (void) snprintf(job.pause_reason, sizeof job.pause_reason, "%s",
                        reason ? (const char *) reason : "");
        r = db_column_text(statement, 16, &job.errors_json, reterr);
        if (r == 0)
                *ret = job;
        return r;
}

int jobs_get(struct store *store, struct tenant_id tenant, struct job_id id, struct job *ret,
             struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               "SELECT " JOB_COLUMNS " FROM job WHERE id = ? AND tenant = ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, id.id.bytes, ID_BYTES);
        db_bind_blob(statement, 2, tenant.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such job");
        return r < 0 ? r : read_job(reader.db, statement, ret, reterr);
}

static int read_all(struct db *db, sqlite3_stmt *statement, struct job **ret, size_t *ret_n,
                    struct error *reterr)
{
        struct job *jobs = NULL;
        size_t n = 0, size = 0;
        int r;

        while ((r = db_step(db, statement, reterr)) > 0) {
                if (n == size) {
                        struct job *grown = reallocarray(jobs, size ? size * 2 : 8, sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        jobs = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_job(db, statement, &jobs[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) jobs_free(jobs, n);
                return r;
        }
        *ret = jobs;
        *ret_n = n;
        return 0;
}

int jobs_list(struct store *store, struct tenant_id tenant, const struct job_id *before,
              size_t limit, struct job **ret_jobs, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               "SELECT " JOB_COLUMNS " FROM job WHERE tenant = ?1"
                               " AND (?2 IS NULL OR seq < (SELECT seq FROM job WHERE id = ?2))"
                               " ORDER BY seq DESC LIMIT ?3", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        if (before)
                db_bind_blob(statement, 2, before->id.bytes, ID_BYTES);
        db_bind_u64(statement, 3, limit > INT_MAX ? INT_MAX : limit);
        return read_all(reader.db, statement, ret_jobs, ret_n, reterr);
}

#define OPEN_JOBS(where)                                                                      \
        "SELECT " JOB_COLUMNS " FROM job WHERE final = 0"                                     \
        " AND tenant NOT IN (SELECT id FROM tenant WHERE state >= 2)" where " ORDER BY seq"

int jobs_list_open(struct store *store, const struct tenant_id *tenant_or_null,
                   struct job **ret_jobs, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = tenant_or_null ? db_prepare(reader.db, OPEN_JOBS(" AND tenant = ?"), &statement,
                                                reterr)
                                   : db_prepare(reader.db, OPEN_JOBS(""), &statement, reterr);
        if (r < 0)
                return r;
        if (tenant_or_null)
                db_bind_blob(statement, 1, tenant_or_null->id.bytes, ID_BYTES);
        return read_all(reader.db, statement, ret_jobs, ret_n, reterr);
}
