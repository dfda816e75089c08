/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (WHATWG HTML, section 9.2): a bounded queue between who produces events
 * and the connection that carries them.
 *
 * Two kinds of producer.  A *start* begins something on one of the door's worker threads and
 * returns; events then come from wherever it goes on, until stream_end().  They never wait: what
 * is produced so is bounded by itself, and a stream that holds more than STREAM_START_MAX_BYTES
 * fails.  A *watch* is looked at by the streams' own thread whenever a job changed.  While the
 * queue is empty the connection is suspended and costs no thread.  The same thread sends a
 * comment into a silent stream, drops a client that takes nothing for the request timeout, and
 * looks for clients that hung up, whose producers are stopped and get -EPIPE.
 *
 * Reference counted: the producer holds one reference and the connection another. */
#pragma once
#include "base/error.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct door;
struct MHD_Connection;
struct stream;
struct streams;

struct stream_producer {
        /* Exactly one of both.  watch: adds what is new; false when there will be nothing more. */
        void (*start)(struct stream *stream, void *data);
        bool (*watch)(struct stream *stream, void *data);
        /* With start, once, after it has returned: at the stream's end, or when nobody listens
         * any more.  Afterwards no event comes.  On the streams' own thread: soon over. */
        void (*stop)(struct stream *stream, void *data);
        void (*free)(void *data);
};

int stream_new(struct door *door, const struct stream_producer *producer, void *takes_data,
               struct stream **ret, struct error *reterr);
struct stream *stream_unref(struct stream *stream);

#define STREAM_START_MAX_BYTES ((size_t) 4 * 1024 * 1024)

/* Adds an event; any thread, never waits.  -EPIPE: the client is gone or takes too little, stop.
 * -EAGAIN: no room (watch only).  -ENOMEM. */
int stream_event(struct stream *stream, const char *name, struct json_object *json);
/* The same with ready JSON text. */
int stream_event_text(struct stream *stream, const char *name, const char *json, size_t len);

/* There will be no more events (start only).  Any thread; the producer's data may be gone
 * afterwards. */
void stream_end(struct stream *stream);
bool stream_is_gone(struct stream *stream);

/* ---- For server.c ------------------------------------------------------------------------ */

/* Begins producing for this connection (NULL: nobody reads, for fuzzing). */
void stream_start(struct stream *stream, struct MHD_Connection *connection, int fd);
/* Up to `max` bytes; 0: suspended until there are more; STREAM_END, STREAM_GONE. */
#define STREAM_END ((ssize_t) -1)
#define STREAM_GONE ((ssize_t) -2)
ssize_t stream_read(struct stream *stream, char *buffer, size_t max);
/* The connection is over: gives back its reference. */
void stream_close(struct stream *stream);

int streams_new(struct door *door, struct streams **ret, struct error *reterr);
uint32_t streams_count(struct streams *streams);
/* Ends the watches, which could go on for long; others may finish. */
void streams_end_watches(struct streams *streams);
/* Ends every stream: producers get -EPIPE, clients the end of the body.  No new ones. */
void streams_stop(struct streams *streams);
struct streams *streams_free(struct streams *streams);
