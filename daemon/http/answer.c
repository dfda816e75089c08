/* SPDX-License-Identifier: Apache-2.0 */
/* POST /api/v1/answer, at once or as events: sources, delta, citation, done | error. */
#include "answer/answer.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/routes.h"
#include "http/stream.h"
#include "metrics/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What a streamed answer needs after its request is gone. */
struct running_answer {
        const struct http_services *services;
        struct answer_request request;
        struct request problems; /* only what a problem document shows: target, id */
};

static void free_running(void *data)
{
        struct running_answer *running = data;

        answer_request_done(&running->request);
        request_done(&running->problems);
        free(running);
}

static void observe(const struct http_services *services, uint64_t begin_usec, int r)
{
        metrics_observe(services->metrics, METRIC_ANSWER_SECONDS,
                        (size_t) (r < 0 ? METRIC_ERROR : METRIC_OK), 0,
                        clock_monotonic_usec() - begin_usec);
}

static int send_event(void *data, const char *name, struct json_object *json)
{
        return stream_event(data, name, json);
}

static void run_streamed(struct stream *stream, void *data)
{
        struct running_answer *running = data;
        const struct http_services *services = running->services;
        const struct answer_sink sink = { send_event, stream };
        cleanup_json_ struct json_object *json = NULL;
        uint64_t begin = clock_monotonic_usec();
        struct error error = { 0 };
        int r;

        r = answer_run(services->answer, services->tenant, &running->request, &sink, &json, &error);
        if (r >= 0) {
                (void) stream_event(stream, "done", json);
        } else if (r != -EPIPE) {
                problem_set_error(&running->problems, &error, PROBLEM_FROM_SERVICE);
                if (running->problems.reply.body)
                        (void) stream_event_text(stream, "error", running->problems.reply.body,
                                                 running->problems.reply.body_len);
        }
        observe(services, begin, r);
}

static const struct stream_producer answer_producer = { .run = run_streamed, .free = free_running };

/* Takes the parsed request. */
static void begin_stream(struct request *request, struct answer_request *takes)
{
        struct running_answer *running = calloc(1, sizeof *running);
        struct error error = { 0 };

        if (!running) {
                answer_request_done(takes);
                problem_set(request, PROBLEM_UNAVAILABLE, "out of memory");
                return;
        }
        running->services = &request->door->services;
        running->request = *takes;
        running->problems.door = request->door;
        running->problems.method_text = "POST";
        running->problems.target = strdup(request->target);
        memcpy(running->problems.id, request->id, sizeof request->id);
        running->problems.started_usec = request->started_usec;
        running->request.search.check =
                (struct index_check){ request_check_time, &running->problems };
        if (stream_new(request->door, &answer_producer, running, &request->reply.stream, &error) <
            0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        request->reply.content_type = "text/event-stream";
        request->reply.status = 200;
}

static void run_at_once(struct request *request, const struct answer_request *parsed)
{
        const struct http_services *services = &request->door->services;
        uint64_t begin = clock_monotonic_usec();
        struct json_object *json = NULL;
        struct error error = { 0 };
        int r = answer_run(services->answer, services->tenant, parsed, NULL, &json, &error);

        if (r < 0)
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
        else
                request_reply_json(request, 200, json);
        observe(services, begin, r);
}

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
        if (answer_request_parse(request->door->services.answer, json, &parsed, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        parsed.search.check = (struct index_check){ request_check_time, request };
        if (parsed.question && strlen(parsed.question) > request->door->max_input_bytes)
                problem_set(request, PROBLEM_TOO_LARGE,
                            "the question may have %zu bytes (security.max_input_size_kb)",
                            request->door->max_input_bytes);
        else if (parsed.stream || wants_events(request)) {
                begin_stream(request, &parsed);
                return;
        } else {
                run_at_once(request, &parsed);
        }
        answer_request_done(&parsed);
}
