/* SPDX-License-Identifier: Apache-2.0 */
/* An answer for a thread that waits for it: events are handed over to that thread. */
#include "answer/inside.h"

#include "base/clock.h"
#include "base/json.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define LOOK_MSEC 100 /* how often to ask whether the client is still there */

struct waiting_event {
        const char *name; /* a literal */
        struct json_object *json;
};

struct waiting {
        pthread_mutex_t lock; /* everything */
        pthread_cond_t changed;
        struct waiting_event *events; /* heap; not yet taken */
        size_t n, room;
        bool ended;
        struct json_object *whole; /* or NULL and why */
        struct error error;
};

static int on_event(void *data, const char *name, struct json_object *takes_json)
{
        struct waiting *waiting = data;
        int r = 0;

        (void) pthread_mutex_lock(&waiting->lock);
        if (waiting->n == waiting->room) {
                size_t room = waiting->room ? 2 * waiting->room : 16;
                struct waiting_event *more = reallocarray(waiting->events, room, sizeof *more);

                if (more) {
                        waiting->events = more;
                        waiting->room = room;
                }
        }
        if (waiting->n < waiting->room) {
                waiting->events[waiting->n++] = (struct waiting_event){ name, takes_json };
                (void) pthread_cond_signal(&waiting->changed);
        } else {
                json_object_put(takes_json);
                r = -ENOMEM;
        }
        (void) pthread_mutex_unlock(&waiting->lock);
        return r;
}

static void on_end(void *data, struct json_object *takes_whole, const struct error *error)
{
        struct waiting *waiting = data;

        (void) pthread_mutex_lock(&waiting->lock);
        waiting->whole = takes_whole;
        if (!takes_whole && error)
                waiting->error = *error;
        waiting->ended = true;
        (void) pthread_cond_signal(&waiting->changed);
        (void) pthread_mutex_unlock(&waiting->lock);
}

static void waiting_init(struct waiting *waiting)
{
        pthread_condattr_t attributes;

        memset(waiting, 0, sizeof *waiting);
        (void) pthread_condattr_init(&attributes);
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void) pthread_mutex_init(&waiting->lock, NULL);
        (void) pthread_cond_init(&waiting->changed, &attributes);
        (void) pthread_condattr_destroy(&attributes);
}

static void waiting_done(struct waiting *waiting)
{
        for (size_t i = 0; i < waiting->n; i++)
                json_object_put(waiting->events[i].json);
        free(waiting->events);
        json_object_put(waiting->whole);
        (void) pthread_cond_destroy(&waiting->changed);
        (void) pthread_mutex_destroy(&waiting->lock);
}

/* All that has come, or nothing after a while. */
static size_t take_events(struct waiting *waiting, struct waiting_event **ret, bool *ret_ended)
{
        struct timespec until;
        size_t n;

        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MSEC * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
                until.tv_nsec -= 1000000000L;
                until.tv_sec++;
        }
        (void) pthread_mutex_lock(&waiting->lock);
        if (waiting->n == 0 && !waiting->ended)
                (void) pthread_cond_timedwait(&waiting->changed, &waiting->lock, &until);
        n = waiting->n;
        *ret = waiting->events;
        *ret_ended = waiting->ended;
        waiting->events = NULL;
        waiting->n = waiting->room = 0;
        (void) pthread_mutex_unlock(&waiting->lock);
        return n;
}

static int deliver(const struct answer_sink *sink, struct waiting_event *events, size_t n)
{
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                if (sink && r >= 0) /* without a sink there are none */
                        r = sink->event(sink->data, events[i].name, events[i].json);
                json_object_put(events[i].json);
        }
        free(events);
        return r;
}

/* Until its end, or until nobody wants it any more. */
static int wait_for_end(struct waiting *waiting, const struct answer_request *request,
                        const struct answer_sink *sink, struct error *reterr)
{
        const struct index_check *check = &request->search.check;
        bool ended = false;
        int r;

        while (!ended) {
                struct waiting_event *events = NULL;
                size_t n = take_events(waiting, &events, &ended);

                r = deliver(sink, events, n);
                if (r < 0)
                        return error_set(reterr, r, "the answer was not taken to its end");
                r = check->check && !ended ? check->check(check->userdata) : 0;
                if (r < 0)
                        return error_set(reterr, r, "the answer was ended early");
        }
        return 0;
}

int answer_run(struct answer *answer, struct tenant_id tenant, const struct answer_request *request,
               const struct answer_sink *sink, struct json_object **ret, struct error *reterr)
{
        cleanup_(waiting_done) struct waiting waiting;
        cleanup_(answering_free_cleanup) struct answering *answering = NULL;
        const struct answer_events events = { sink ? on_event : NULL, on_end, &waiting };
        int r;

        waiting_init(&waiting);
        r = answer_start(answer, tenant, request, &events, &answering, reterr);
        if (r < 0)
                return r;
        r = wait_for_end(&waiting, request, sink, reterr);
        if (r < 0) {
                answer_cancel(answering);
                return r;
        }
        if (!waiting.whole) {
                if (reterr)
                        *reterr = waiting.error;
                return waiting.error.code < 0 ? waiting.error.code : -EIO;
        }
        r = sink ? sink->event(sink->data, "done", waiting.whole) : 0;
        if (r < 0)
                return error_set(reterr, r, "the answer was not taken to its end");
        *ret = take_ptr(waiting.whole);
        return 0;
}
