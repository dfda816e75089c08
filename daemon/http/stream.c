/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/stream.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "config/values.h"
#include "http/door.h"
#include "ingest/ingest.h"
#include "scheduler/workers.h"

#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define QUEUE_MAX_BYTES ((size_t) 256 * 1024)
#define SWEEP_USEC (250 * USEC_PER_MSEC)
#define KEEP_ALIVE_USEC (15 * USEC_PER_SEC)

static const char comment[] = ":\n\n";

struct stream {
        struct streams *set;
        struct stream_producer producer;
        void *data;
        struct worker_task task;

        struct stream *previous, *next; /* these four under the set's lock */
        bool linked;
        bool task_held; /* the producer's reference, until it was stopped */
        uint32_t references;

        pthread_mutex_t lock; /* what follows */
        struct buf queue;
        struct MHD_Connection *connection; /* NULL: not started, or over */
        int fd;
        bool suspended; /* the connection waits for us to resume it */
        bool begun;     /* the producer's start has returned */
        bool ended;     /* the producer has said all */
        bool gone;      /* nobody listens any more */
        bool probed;    /* the client's half is closed, a comment asks whether all of it is */
        uint64_t last_event_usec, last_taken_usec;
};

struct streams {
        struct door *door;
        pthread_t thread;
        pthread_mutex_t lock; /* what follows */
        pthread_cond_t changed;
        struct stream *first;
        uint32_t count;
        bool stop;
};

/* With the set's lock held. */
static void unlink_from_set(struct stream *stream)
{
        struct streams *set = stream->set;

        if (!stream->linked)
                return;
        if (stream->previous)
                stream->previous->next = stream->next;
        else
                set->first = stream->next;
        if (stream->next)
                stream->next->previous = stream->previous;
        stream->linked = false;
        set->count--;
}

struct stream *stream_unref(struct stream *stream)
{
        uint32_t left;

        if (!stream)
                return NULL;
        (void) pthread_mutex_lock(&stream->set->lock);
        left = --stream->references;
        if (left == 0)
                unlink_from_set(stream);
        (void) pthread_mutex_unlock(&stream->set->lock);
        if (left > 0)
                return NULL;
        if (stream->producer.free)
                stream->producer.free(stream->data);
        buf_done(&stream->queue);
        (void) pthread_mutex_destroy(&stream->lock);
        free(stream);
        return NULL;
}

int stream_new(struct door *door, const struct stream_producer *producer, void *takes_data,
               struct stream **ret, struct error *reterr)
{
        struct stream *stream = calloc(1, sizeof *stream);

        if (!stream) {
                producer->free(takes_data);
                return error_oom(reterr);
        }
        stream->set = door->streams;
        stream->producer = *producer;
        stream->data = takes_data;
        stream->fd = -1;
        stream->references = 1;
        (void) pthread_mutex_init(&stream->lock, NULL);
        *ret = stream;
        return 0;
}

/* With the lock held. */
static void wake_connection(struct stream *stream)
{
        if (!stream->suspended)
                return;
        stream->suspended = false;
        MHD_resume_connection(stream->connection);
}

static void end(struct stream *stream, bool gone)
{
        (void) pthread_mutex_lock(&stream->lock);
        stream->ended = true;
        stream->gone |= gone;
        wake_connection(stream);
        (void) pthread_mutex_unlock(&stream->lock);
}

void stream_end(struct stream *stream)
{
        end(stream, false);
}

bool stream_is_gone(struct stream *stream)
{
        bool gone;

        (void) pthread_mutex_lock(&stream->lock);
        gone = stream->gone;
        (void) pthread_mutex_unlock(&stream->lock);
        return gone;
}

/* With the lock held: what is queued is not worth sending, since more is missing behind it. */
static int give_up(struct stream *stream, int code)
{
        stream->gone = true;
        buf_clear(&stream->queue);
        wake_connection(stream);
        return code;
}

int stream_event_text(struct stream *stream, const char *name, const char *json, size_t len)
{
        bool watches = stream->producer.watch != NULL;
        size_t most = watches ? QUEUE_MAX_BYTES : STREAM_START_MAX_BYTES;
        int r = 0;

        (void) pthread_mutex_lock(&stream->lock);
        if (stream->gone) {
                r = -EPIPE;
        } else if (stream->queue.len >= most) {
                r = watches ? -EAGAIN : give_up(stream, -EPIPE);
        } else {
                /* The text is compact JSON: it holds no line end. */
                buf_append_format(&stream->queue, "event: %s\ndata: ", name);
                buf_append(&stream->queue, json, len);
                buf_append_text(&stream->queue, "\n\n");
                stream->last_event_usec = clock_monotonic_usec();
                if (buf_failed(&stream->queue))
                        r = give_up(stream, -ENOMEM);
                wake_connection(stream);
        }
        (void) pthread_mutex_unlock(&stream->lock);
        return r;
}

int stream_event(struct stream *stream, const char *name, struct json_object *json)
{
        size_t len = 0;
        const char *text = json_text(json, &len);

        return text ? stream_event_text(stream, name, text, len) : -ENOMEM;
}

/* ---- The connection's side ------------------------------------------------------------- */

static enum worker_verdict run_producer(struct worker_task *task)
{
        struct stream *stream = task->data;

        stream->producer.start(stream, stream->data);
        (void) pthread_mutex_lock(&stream->lock);
        stream->begun = true;
        (void) pthread_mutex_unlock(&stream->lock);
        return WORKER_DONE;
}

/* False: the set has stopped. */
static bool link_into_set(struct stream *stream)
{
        struct streams *set = stream->set;
        bool stopped;

        (void) pthread_mutex_lock(&set->lock);
        stopped = set->stop;
        stream->task_held = stream->producer.start && !stopped;
        stream->references += stream->task_held;
        stream->next = set->first;
        if (set->first)
                set->first->previous = stream;
        set->first = stream;
        set->count++;
        stream->linked = true;
        (void) pthread_cond_signal(&set->changed);
        (void) pthread_mutex_unlock(&set->lock);
        return !stopped;
}

void stream_start(struct stream *stream, struct MHD_Connection *connection, int fd)
{
        stream->connection = connection;
        stream->fd = fd;
        stream->last_event_usec = stream->last_taken_usec = clock_monotonic_usec();
        if (!link_into_set(stream)) {
                end(stream, true);
                return;
        }
        if (stream->producer.start) {
                stream->task = (struct worker_task){ .run = run_producer, .data = stream };
                workers_post(stream->set->door->workers, &stream->task);
                return;
        }
        if (!stream->producer.watch(stream, stream->data))
                end(stream, false);
}

ssize_t stream_read(struct stream *stream, char *buffer, size_t max)
{
        ssize_t n = 0;

        (void) pthread_mutex_lock(&stream->lock);
        if (stream->queue.len > 0 && !stream->queue.failed) {
                n = (ssize_t) (stream->queue.len < max ? stream->queue.len : max);
                memcpy(buffer, stream->queue.data, (size_t) n);
                buf_consume(&stream->queue, (size_t) n);
                stream->last_taken_usec = clock_monotonic_usec();
        } else if (stream->gone) {
                n = STREAM_GONE;
        } else if (stream->ended) {
                n = STREAM_END;
        } else if (stream->connection) {
                stream->suspended = true;
                MHD_suspend_connection(stream->connection);
        }
        (void) pthread_mutex_unlock(&stream->lock);
        return n;
}

void stream_close(struct stream *stream)
{
        (void) pthread_mutex_lock(&stream->lock);
        stream->connection = NULL;
        stream->fd = -1;
        stream->suspended = false;
        stream->gone = true;
        (void) pthread_mutex_unlock(&stream->lock);
        (void) stream_unref(stream);
}

/* ---- The streams' own thread ------------------------------------------------------------- */

/* `since` may be later than `now`: another thread has read the clock meanwhile. */
static bool longer_than(uint64_t now, uint64_t since, uint64_t usec)
{
        return now > since && now - since > usec;
}

static void look_at_client(struct stream *stream, uint64_t now, uint64_t patience)
{
        (void) pthread_mutex_lock(&stream->lock);
        if (stream->fd >= 0 && !stream->gone) {
                struct pollfd look = { .fd = stream->fd, .events = POLLRDHUP };
                bool dead = false, silent = longer_than(now, stream->last_event_usec, KEEP_ALIVE_USEC);

                if (poll(&look, 1, 0) > 0)
                        dead = (look.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
                /* A client may close its half and listen on: if nobody is there any more, the
                 * comment brings a reset. */
                if (!dead && (look.revents & POLLRDHUP) && !stream->probed)
                        stream->probed = silent = true;
                if (stream->queue.len > 0 && longer_than(now, stream->last_taken_usec, patience)) {
                        (void) shutdown(stream->fd, SHUT_RDWR);
                        dead = true;
                }
                if (dead) {
                        (void) give_up(stream, -EPIPE);
                } else if (silent && stream->queue.len == 0 && !stream->ended) {
                        buf_append_text(&stream->queue, comment);
                        stream->last_event_usec = stream->last_taken_usec = now;
                }
                if (dead || silent)
                        wake_connection(stream);
        }
        (void) pthread_mutex_unlock(&stream->lock);
}

/* Waits for the producer's start, or takes it back where it has not begun; then stops it.  Only
 * afterwards may the task's memory go, so this never happens on the worker's own thread. */
static void stop_producer(struct stream *stream)
{
        bool held;

        (void) pthread_mutex_lock(&stream->set->lock);
        held = stream->task_held;
        stream->task_held = false;
        (void) pthread_mutex_unlock(&stream->set->lock);
        if (!held)
                return;
        workers_cancel(stream->set->door->workers, &stream->task);
        stream->producer.stop(stream, stream->data);
        (void) stream_unref(stream);
}

static void look_at(struct stream *stream, uint64_t now, uint64_t patience)
{
        bool begun, over;

        look_at_client(stream, now, patience);
        (void) pthread_mutex_lock(&stream->lock);
        begun = stream->begun;
        over = stream->ended || stream->gone;
        (void) pthread_mutex_unlock(&stream->lock);
        if (over && begun) /* who has not begun yet sees by himself that nobody listens */
                stop_producer(stream);
        if (!over && stream->producer.watch && !stream->producer.watch(stream, stream->data))
                end(stream, false);
}

/* References to all streams, so that none is looked at under the set's lock. */
static size_t take_all(struct streams *set, struct stream ***ret)
{
        struct stream **all;
        size_t n = 0;

        (void) pthread_mutex_lock(&set->lock);
        all = calloc(set->count ? set->count : 1, sizeof(struct stream *));
        for (struct stream *stream = set->first; all && stream; stream = stream->next) {
                stream->references++;
                all[n++] = stream;
        }
        (void) pthread_mutex_unlock(&set->lock);
        *ret = all;
        return n;
}

static void sweep(struct streams *set)
{
        uint64_t patience = atomic_load(&set->door->request_usec);
        cleanup_free_ struct stream **all = NULL;
        size_t n = take_all(set, &all);

        for (size_t i = 0; i < n; i++) {
                look_at(all[i], clock_monotonic_usec(), patience);
                (void) stream_unref(all[i]);
        }
}

static void *watch_streams(void *data)
{
        struct streams *set = data;
        uint64_t seen = 0;

        (void) pthread_mutex_lock(&set->lock);
        while (!set->stop) {
                if (!set->first) {
                        (void) pthread_cond_wait(&set->changed, &set->lock);
                        continue;
                }
                (void) pthread_mutex_unlock(&set->lock);
                seen = ingest_wait_change(set->door->services.ingest, seen, SWEEP_USEC);
                sweep(set);
                (void) pthread_mutex_lock(&set->lock);
        }
        (void) pthread_mutex_unlock(&set->lock);
        return NULL;
}

int streams_new(struct door *door, struct streams **ret, struct error *reterr)
{
        struct streams *set = calloc(1, sizeof *set);
        int r;

        if (!set)
                return error_oom(reterr);
        set->door = door;
        (void) pthread_mutex_init(&set->lock, NULL);
        (void) pthread_cond_init(&set->changed, NULL);
        r = pthread_create(&set->thread, NULL, watch_streams, set);
        if (r != 0) {
                free(set);
                return error_set_errno(reterr, -r, "thread for event streams");
        }
        (void) pthread_setname_np(set->thread, "http-streams");
        *ret = set;
        return 0;
}

uint32_t streams_count(struct streams *set)
{
        uint32_t count;

        (void) pthread_mutex_lock(&set->lock);
        count = set->count;
        (void) pthread_mutex_unlock(&set->lock);
        return count;
}

void streams_end_watches(struct streams *set)
{
        cleanup_free_ struct stream **all = NULL;
        size_t n = take_all(set, &all);

        for (size_t i = 0; i < n; i++) {
                if (all[i]->producer.watch)
                        end(all[i], false);
                (void) stream_unref(all[i]);
        }
}

void streams_stop(struct streams *set)
{
        cleanup_free_ struct stream **all = NULL;
        bool already;
        size_t n;

        if (!set)
                return;
        (void) pthread_mutex_lock(&set->lock);
        already = set->stop;
        set->stop = true;
        (void) pthread_cond_broadcast(&set->changed);
        (void) pthread_mutex_unlock(&set->lock);
        if (!already)
                (void) pthread_join(set->thread, NULL);
        n = take_all(set, &all);
        for (size_t i = 0; i < n; i++) {
                end(all[i], true);
                stop_producer(all[i]);
                (void) stream_unref(all[i]);
        }
}

struct streams *streams_free(struct streams *set)
{
        if (!set)
                return NULL;
        streams_stop(set);
        (void) pthread_cond_destroy(&set->changed);
        (void) pthread_mutex_destroy(&set->lock);
        free(set);
        return NULL;
}
