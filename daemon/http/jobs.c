/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/json.h"
#include "http/routes.h"
#include "http/stream.h"
#include "ingest/ingest.h"
#include "store/jobs.h"

#include <stdlib.h>
#include <string.h>

/* An id that is none names no job: what is not there and what can't be there look the same. */
static int job_of(struct request *request, struct job_id *ret)
{
        if (id_parse(request->parameters[0], &ret->id) == 0)
                return 0;
        problem_set(request, PROBLEM_NOT_FOUND, "no such job");
        return -ENOENT;
}

static void reply_job(struct request *request, struct job_id id)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };
        struct job job = { 0 };

        if (ingest_job_get(services->ingest, services->tenant, id, &job, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request_reply_json(request, 200, ingest_job_json(&job));
        job_done(&job);
}

void jobs_list_page(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct json_object *array;
        struct error error = { 0 };
        struct job *jobs = NULL;
        char after[ID_TEXT_SIZE], last[ID_TEXT_SIZE];
        struct job_id before;
        size_t limit, n = 0;

        if (request_page(request, &limit, after, sizeof after) < 0)
                return;
        if (after[0] && id_parse(after, &before.id) < 0) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "the cursor is not one that this server gave out");
                return;
        }
        if (jobs_list(services->store, services->tenant, after[0] ? &before : NULL, limit + 1,
                      &jobs, &n, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        ingest_jobs_refresh(services->ingest, jobs, n);
        array = json_object_new_array();
        for (size_t i = 0; array && i < n && i < limit; i++)
                json_add(array, NULL, ingest_job_json(&jobs[i]));
        request_reply_page(request, "jobs", array,
                           n > limit ? id_format(jobs[limit - 1].id.id, last) : NULL);
        (void) jobs_free(jobs, n);
}

void jobs_get_one(struct request *request)
{
        struct job_id id;

        if (job_of(request, &id) == 0)
                reply_job(request, id);
}

void jobs_cancel(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };
        struct job_id id;

        if (job_of(request, &id) < 0)
                return;
        if (ingest_job_cancel(services->ingest, services->tenant, id, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                reply_job(request, id);
}

void jobs_retry(struct request *request)
{
        const struct http_services *services = &request->door->services;
        struct error error = { 0 };
        struct job_id id;

        if (job_of(request, &id) < 0)
                return;
        if (ingest_job_retry(services->ingest, services->tenant, id, &error) < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                reply_job(request, id);
}

/* ---- Events: `progress` whenever the job's object changed, `done` with its last form --------- */

struct watched_job {
        const struct http_services *services;
        struct job_id id;
        char *last; /* the text that was sent; heap */
};

static void free_watched(void *data)
{
        struct watched_job *watched = data;

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

        if (ingest_job_get(watched->services->ingest, watched->services->tenant, watched->id, &job,
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
        const struct http_services *services = &request->door->services;
        struct watched_job *watched;
        struct error error = { 0 };
        struct job job = { 0 };
        struct job_id id;

        if (job_of(request, &id) < 0)
                return;
        if (ingest_job_get(services->ingest, services->tenant, id, &job, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        job_done(&job);
        watched = calloc(1, sizeof *watched);
        if (!watched) {
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
                return;
        }
        watched->services = services;
        watched->id = id;
        if (stream_new(request->door, &watch_producer, watched, &request->reply.stream, &error) <
            0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request->reply.content_type = "text/event-stream";
        request->reply.status = 200;
}
