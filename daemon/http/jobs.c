/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/caller.h"
#include "http/routes.h"
#include "http/stream.h"
#include "ingest/ingest.h"
#include "store/jobs.h"

#include <stdlib.h>
#include <string.h>

/* ---- Whose they are: of keys for some collections, the jobs of those ------------------------- */

struct own_jobs {
        bool all;
        struct collection_id *collections; /* heap, or NULL */
        size_t n;
};

static void own_jobs_done(struct own_jobs *own)
{
        free(own->collections);
}

static int own_jobs_of(const struct request *request, struct own_jobs *ret, struct error *reterr)
{
        *ret = (struct own_jobs){ .all = !caller_is_limited(request) };
        return ret->all ? 0 : caller_collections(request, &ret->collections, &ret->n, reterr);
}

static bool is_own(const struct own_jobs *own, const struct job *job)
{
        if (own->all)
                return true;
        for (size_t i = 0; i < own->n; i++)
                if (id_equal(own->collections[i].id, job->collection.id))
                        return true;
        return false;
}

/* The job of the path.  An id that is none names no job: what is not there, what can't be there
 * and what belongs to somebody else look the same.  Less than 0: the problem is set. */
static int find_job(struct request *request, struct job *ret)
{
        cleanup_(own_jobs_done) struct own_jobs own = { 0 };
        struct error error = { 0 };
        struct job_id id;
        int r;

        if (id_parse(request->parameters[0], &id.id) < 0)
                goto none;
        r = own_jobs_of(request, &own, &error);
        if (r >= 0)
                r = ingest_job_get(request->door->services.ingest, request->tenant, id, ret,
                                   &error);
        if (r >= 0 && is_own(&own, ret))
                return 0;
        if (r >= 0)
                job_done(ret);
        if (r < 0 && r != -ENOENT) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return r;
        }
none:
        problem_set(request, PROBLEM_NOT_FOUND, "no such job");
        return -ENOENT;
}

static void reply_job(struct request *request)
{
        struct job job = { 0 };

        if (find_job(request, &job) < 0)
                return;
        request_reply_json(request, 200, ingest_job_json(&job));
        job_done(&job);
}

/* A page of them, newest first.  Adds to `array` at most `limit`, the last one's id to `last`; 1:
 * there are more. */
static int list_own(struct request *request, size_t limit, const struct job_id *before,
                    struct json_object *array, char last[static ID_TEXT_SIZE],
                    struct error *reterr)
{
        const struct http_services *services = &request->door->services;
        cleanup_(own_jobs_done) struct own_jobs own = { 0 };
        size_t taken = 0, n = limit + 1;
        struct job_id at;
        int r = own_jobs_of(request, &own, reterr);

        while (r == 0 && n > limit) {
                struct job *jobs = NULL;

                r = jobs_list(services->store, request->tenant, before, limit + 1, &jobs, &n,
                              reterr);
                if (r < 0)
                        return r;
                ingest_jobs_refresh(services->ingest, jobs, n);
                for (size_t i = 0; i < n && r == 0; i++) {
                        at = jobs[i].id;
                        before = &at;
                        if (!is_own(&own, &jobs[i]))
                                continue;
                        r = taken == limit;
                        if (taken++ == limit)
                                break;
                        json_add(array, NULL, ingest_job_json(&jobs[i]));
                        (void) id_format(at.id, last);
                }
                (void) jobs_free(jobs, n);
        }
        return r;
}

/* ---- Handlers ------------------------------------------------------------------------------ */

void jobs_list_page(struct request *request)
{
        cleanup_json_ struct json_object *array = json_object_new_array();
        char after[ID_TEXT_SIZE], last[ID_TEXT_SIZE] = "";
        struct error error = { 0 };
        struct job_id before;
        size_t limit;
        int r;

        if (request_page(request, &limit, after, sizeof after) < 0)
                return;
        if (after[0] && id_parse(after, &before.id) < 0) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "the cursor is not one that this server gave out");
                return;
        }
        r = list_own(request, limit, after[0] ? &before : NULL, array, last, &error);
        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_page(request, "jobs", take_ptr(array), r > 0 ? last : NULL);
}

void jobs_get_one(struct request *request)
{
        reply_job(request);
}

static void change_job(struct request *request,
                       int (*change)(struct ingest *ingest, struct tenant_id tenant,
                                     struct job_id id, struct error *reterr))
{
        struct error error = { 0 };
        struct job job = { 0 };

        if (find_job(request, &job) < 0)
                return;
        job_done(&job);
        if (change(request->door->services.ingest, request->tenant, job.id, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                reply_job(request);
}

void jobs_cancel(struct request *request)
{
        change_job(request, ingest_job_cancel);
}

void jobs_retry(struct request *request)
{
        change_job(request, ingest_job_retry);
}

/* ---- Events: `progress` whenever the job's object changed, `done` with its last form --------- */

struct watched_job {
        const struct http_services *services;
        struct tenant_id tenant;
        struct tenant_entry *entry; /* or NULL */
        struct job_id id;
        char *last; /* the text that was sent; heap */
};

static void free_watched(void *data)
{
        struct watched_job *watched = data;

        (void) tenant_leave(watched->entry);
        free(watched->last);
        free(watched);
}

static bool watch_job(struct stream *stream, void *data)
{
        struct watched_job *watched = data;
        cleanup_json_ struct json_object *json = NULL;
        struct error error = { 0 };
        struct job job = { 0 };
        const char *text;
        size_t len = 0;
        bool final;
        int r;

        if (ingest_job_get(watched->services->ingest, watched->tenant, watched->id, &job,
                           &error) < 0)
                return false;
        final = job_status_is_final(job.status);
        json = ingest_job_json(&job);
        job_done(&job);
        text = json ? json_text(json, &len) : NULL;
        if (!text)
                return false;
        if (!final && watched->last && strcmp(watched->last, text) == 0)
                return true;
        r = stream_event_text(stream, final ? "done" : "progress", text, len);
        if (r == -EAGAIN) /* a slow reader: it gets a newer form later */
                return true;
        free(watched->last);
        watched->last = r < 0 ? NULL : strdup(text);
        return r >= 0 && !final;
}

static const struct stream_producer watch_producer = { .watch = watch_job, .free = free_watched };

void jobs_events(struct request *request)
{
        struct watched_job *watched;
        struct error error = { 0 };
        struct job job = { 0 };

        if (find_job(request, &job) < 0)
                return;
        job_done(&job);
        watched = calloc(1, sizeof *watched);
        if (!watched) {
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
                return;
        }
        watched->services = &request->door->services;
        watched->tenant = request->tenant;
        watched->entry = take_ptr(request->entry);
        watched->id = job.id;
        if (stream_new(request->door, &watch_producer, watched, &request->reply.stream, &error) <
            0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request->reply.content_type = "text/event-stream";
        request->reply.status = 200;
}
