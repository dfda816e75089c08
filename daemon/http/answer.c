/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/answer, at once or as events: sources, delta, citation, done | error.
 *
 * The search runs on one of the door's worker threads; while a model writes, no thread waits:
 * what it writes comes on the provider thread and goes straight into the stream's queue, or into
 * a body once it is whole.  A client that goes away ends it. */
#include "answer/answer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/caller.h"
#include "http/note.h"
#include "http/routes.h"
#include "http/shadow.h"
#include "http/stream.h"
#include "metrics/metrics.h"
#include "release/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* One answer, from its parsed request to its last byte. */
struct running_answer {
        const struct http_services *services;
        struct snapshot *snapshot; /* a reference: it may outlive the request */
        struct tenant_id tenant;
        struct tenant_entry *entry; /* of a stream, which may outlive it, too; or NULL */
        struct answer_request request;
        struct replay *replay;       /* of its search, when it has ended; or NULL */
        struct answering *answering; /* once it was started */
        uint64_t begin_usec;

        /* As events. */
        struct stream *stream;
        struct request problems; /* only what a problem document shows: target, id */

        /* At once. */
        struct request *waiting;
        struct json_object *whole; /* or why not */
        struct error error;
};

static void free_running(void *data)
{
        struct running_answer *running = data;

        (void) answering_free(running->answering);
        replay_submit(running->replay);
        answer_request_done(&running->request);
        request_done(&running->problems);
        json_object_put(running->whole);
        (void) tenant_leave(running->entry);
        (void) snapshot_unref(running->snapshot);
        free(running);
}

static void observe(const struct running_answer *running, int r)
{
        metrics_observe(running->services->metrics, METRIC_ANSWER_SECONDS,
                        (size_t) (r < 0 ? METRIC_ERROR : METRIC_OK), 0,
                        clock_monotonic_usec() - running->begin_usec);
}

/* Takes the parsed request, whatever comes. */
static struct running_answer *new_running(struct request *request, struct answer_request *takes)
{
        struct running_answer *running = calloc(1, sizeof *running);

        if (!running) {
                answer_request_done(takes);
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
                return NULL;
        }
        running->services = &request->door->services;
        running->snapshot = snapshot_ref(request->snapshot);
        running->tenant = request->tenant;
        running->request = *takes;
        running->request.search.arm = request->arm;
        running->request.search.told_alone = request->shadow_step > 0;
        if (request->shadow)
                running->replay = replay_new(request, REPLAY_ANSWER, NULL, NULL);
        running->request.search.deadline_usec = request_deadline(request);
        running->begin_usec = clock_monotonic_usec();
        return running;
}

/* ---- As events --------------------------------------------------------------------------- */

static int send_event(void *data, const char *name, struct json_object *takes_json)
{
        struct running_answer *running = data;
        int r = stream_event(running->stream, name, takes_json);

        json_object_put(takes_json);
        return r;
}

static void send_error(struct running_answer *running, const struct error *error)
{
        const struct reply *reply = &running->problems.reply;

        problem_set_error(&running->problems, error, PROBLEM_FROM_ANSWER);
        if (reply->body)
                (void) stream_event_text(running->stream, "error", reply->body, reply->body_len);
}

static void end_events(void *data, struct json_object *takes_whole, const struct error *error)
{
        struct running_answer *running = data;

        if (takes_whole)
                (void) send_event(running, "done", takes_whole);
        else if (error->code != -EPIPE && !stream_is_gone(running->stream))
                send_error(running, error);
        observe(running, takes_whole ? 0 : error->code);
        stream_end(running->stream);
}

static void start_events(struct stream *stream, void *data)
{
        struct running_answer *running = data;
        const struct answer_events events = { send_event, end_events, running };
        struct error error = { 0 };

        running->stream = stream;
        if (answer_start(running->snapshot->answer, running->tenant, &running->request,
                         &events, &running->answering, &error) < 0)
                end_events(running, NULL, &error);
}

static void stop_events(struct stream *stream, void *data)
{
        struct running_answer *running = data;

        (void) stream;
        if (running->answering)
                answer_cancel(running->answering);
        running->answering = answering_free(running->answering);
}

static int check_listener(void *data)
{
        struct running_answer *running = data;

        return stream_is_gone(running->stream) ? -EPIPE : request_check_time(&running->problems);
}

static const struct stream_producer answer_producer = {
        .start = start_events,
        .stop = stop_events,
        .free = free_running,
};

/* Takes the parsed request. */
static void begin_stream(struct request *request, struct answer_request *takes)
{
        struct running_answer *running = new_running(request, takes);
        struct error error = { 0 };

        if (!running)
                return;
        running->problems.door = request->door;
        running->problems.method_text = "POST";
        running->problems.target = strdup(request->target);
        memcpy(running->problems.id, request->id, sizeof request->id);
        running->problems.started_usec = request->started_usec;
        running->problems.snapshot = snapshot_ref(request->snapshot);
        running->entry = take_ptr(request->entry);
        running->request.search.check = (struct index_check){ check_listener, running };
        if (stream_new(request->door, &answer_producer, running, &request->reply.stream, &error) <
            0) {
                problem_set_error(request, &error, PROBLEM_FROM_ANSWER);
                return;
        }
        request->reply.content_type = "text/event-stream";
        request->reply.status = 200;
}

/* ---- At once ----------------------------------------------------------------------------- */

static void end_whole(void *data, struct json_object *takes_whole, const struct error *error)
{
        struct running_answer *running = data;

        running->whole = takes_whole;
        if (!takes_whole)
                running->error = *error;
        request_wake(running->waiting); /* the last that is done here */
}

/* Takes the running answer, whose end has come. */
static void settle(struct request *request, struct running_answer *takes)
{
        int code = takes->whole ? 0 : takes->error.code;

        if (takes->whole)
                request_reply_json(request, 200, take_ptr(takes->whole));
        else
                problem_set_error(request, &takes->error, PROBLEM_FROM_ANSWER);
        observe(takes, code);
        free_running(takes);
}

static void resume_whole(struct request *request, int why)
{
        struct running_answer *running = request->later.data;

        answer_cancel(running->answering); /* where it ended this changes nothing */
        if (!running->whole && running->error.code == 0)
                (void) error_set(&running->error, why, "the answer was ended early");
        settle(request, running);
}

/* Without a connection that could be suspended. */
static void wait_for_whole(struct request *request, struct running_answer *takes)
{
        (void) answer_run(takes->snapshot->answer, takes->tenant, &takes->request, NULL,
                          &takes->whole, &takes->error);
        settle(request, takes);
}

/* Takes the parsed request. */
static void begin_whole(struct request *request, struct answer_request *takes)
{
        struct running_answer *running = new_running(request, takes);

        if (!running)
                return;
        running->waiting = request;
        running->request.deadline_usec = running->request.search.deadline_usec;
        running->request.search.check = (struct index_check){ request_check_time, request };
        if (!request_later(request, resume_whole, running)) {
                wait_for_whole(request, running);
                return;
        }
        const struct answer_events events = { NULL, end_whole, running };

        if (answer_start(running->snapshot->answer, running->tenant, &running->request,
                         &events, &running->answering, &running->error) < 0)
                settle(request, running);
}

/* ---- The request ------------------------------------------------------------------------- */

static bool wants_events(const struct request *request)
{
        static const char type[] = "text/event-stream";
        const struct header *accept = request_header(request, "Accept");

        for (size_t i = 0; accept && i + sizeof type - 1 <= accept->value_len; i++)
                if (strncasecmp(accept->value + i, type, sizeof type - 1) == 0)
                        return true;
        return false;
}

void answer_post(struct request *request)
{
        cleanup_json_ struct json_object *json = NULL;
        struct answer_request parsed = { 0 };
        struct error error = { 0 };

        if (request_json(request, &json) < 0)
                return;
        if (answer_request_parse(request->snapshot->answer, json, &parsed, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        note_question(request, parsed.question);
        if (!caller_may_search(request, &parsed.search)) {
                answer_request_done(&parsed);
        } else if (parsed.question && strlen(parsed.question) > request_max_input(request)) {
                problem_set(request, PROBLEM_TOO_LARGE,
                            "the question may have %zu bytes (security.max_input_size_kb)",
                            request_max_input(request));
                answer_request_done(&parsed);
        } else if (parsed.stream || wants_events(request)) {
                begin_stream(request, &parsed);
        } else {
                begin_whole(request, &parsed);
        }
}
