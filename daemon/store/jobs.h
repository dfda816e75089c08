/* SPDX-License-Identifier: Apache-2.0 */
/* Durable jobs: what was accepted and how far it has come.  Rows of registry.db; they survive
 * restarts and are resumed by the scheduler.  Counts are derived from docs.db and gen.db and
 * reconciled when a collection is opened. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

enum job_type {
        JOB_INGEST,  /* documents accepted into docs.db, followed into the serving generation */
        JOB_REBUILD, /* a new generation built from docs.db beside the serving one */
        JOB_TYPE_MAX,
        JOB_TYPE_INVALID = -EINVAL,
};

enum job_status {
        JOB_QUEUED,    /* durable, nobody works on it yet */
        JOB_RUNNING,   /* a worker follows the change log */
        JOB_PAUSED,    /* waits for something named in pause_reason; goes on by itself */
        JOB_SUCCEEDED, /* everything visible in the serving generation */
        JOB_PARTIAL,   /* done, some documents failed: see errors */
        JOB_FAILED,
        JOB_CANCELED,
        JOB_STATUS_MAX,
        JOB_STATUS_INVALID = -EINVAL,
};

const char *job_type_name(enum job_type type);
enum job_type job_type_from_name(const char *name);
const char *job_status_name(enum job_status status);
enum job_status job_status_from_name(const char *name);
bool job_status_is_final(enum job_status status);
/* The table of allowed moves. */
bool job_status_may_become(enum job_status from, enum job_status to);

struct job_progress {
        uint64_t documents_total;
        uint64_t documents_done;
        uint64_t documents_failed;
        uint64_t documents_unchanged;
        uint64_t chunks_done;
        uint64_t tokens;
};

struct job {
        struct job_id id;
        struct tenant_id tenant;
        struct collection_id collection;
        enum job_type type;
        enum job_status status;
        struct job_progress progress;
        uint32_t attempts;
        uint64_t created_usec, started_usec, finished_usec; /* wall; 0: not yet */
        char pause_reason[160];
        char *errors_json; /* JSON array of {external_id, message}, at most 100; NULL: none */
};

void job_done(struct job *job); /* frees the contents */

int jobs_create(struct store *store, const struct job *job, struct error *reterr);
/* Writes status (checked against the table of moves), progress, times, reason, errors. */
int jobs_update(struct store *store, const struct job *job, struct error *reterr);
/* The same for many in one transaction; those that may not make the move any more (canceled
 * meanwhile) are left alone. */
int jobs_update_all(struct store *store, const struct job *jobs, size_t n, struct error *reterr);
int jobs_get(struct store *store, struct tenant_id tenant, struct job_id id, struct job *ret,
             struct error *reterr); /* -ENOENT */

/* Newest first; `before` (may be NULL) is the job after which to go on.  *ret_jobs is a heap
 * array, freed with jobs_free(). */
int jobs_list(struct store *store, struct tenant_id tenant, const struct job_id *before,
              size_t limit, struct job **ret_jobs, size_t *ret_n, struct error *reterr);
/* All that are not final, oldest first, of one tenant, or of every one whose data is in its folder:
 * what a start resumes. */
int jobs_list_open(struct store *store, const struct tenant_id *tenant_or_null,
                   struct job **ret_jobs, size_t *ret_n, struct error *reterr);
struct job *jobs_free(struct job *jobs, size_t n);
