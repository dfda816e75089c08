/* SPDX-License-Identifier: Apache-2.0 */
/* One request on its connection: between libmicrohttpd's callbacks and dispatch.h.
 *
 * MHD calls exchange_begin() with the request line, exchange_continue() with the head, with
 * each piece of the body, with its end, and again after every resume, then exchange_end().
 * What may wait runs as a worker task while the connection is suspended; MHD does not touch a
 * suspended connection, so the request has one owner at a time. */
#include "base/clock.h"
#include "base/log.h"
#include "config/values.h"
#include "http/dispatch.h"
#include "http/headers.h"
#include "http/note.h"
#include "http/reject.h"
#include "http/routes.h"
#include "http/server.h"
#include "http/stream.h"
#include "scheduler/workers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BLOCK_BYTES ((size_t) 16 * 1024)
/* A body that is refused is read to its end, so that the client gets to read why; beyond this
 * many times the limit the connection is cut. */
#define DISCARD_FACTOR 16

enum exchange_state {
        EXCHANGE_HEAD,    /* the head was not looked at yet */
        EXCHANGE_BODY,    /* the body is coming */
        EXCHANGE_PIECE,   /* a worker consumes lines; the connection is suspended */
        EXCHANGE_WORK,    /* a worker carries out; the connection is suspended */
        EXCHANGE_LATER,   /* it goes on elsewhere; the connection is suspended, no thread waits */
        EXCHANGE_NOTE,    /* a worker writes for the audit log; the connection is suspended */
        EXCHANGE_SETTLED, /* the reply waits to be queued */
        EXCHANGE_SENT,    /* queued */
};

struct exchange {
        struct pool *pool;
        struct MHD_Connection *mhd;
        struct connection *connection;
        struct request request;
        struct worker_task task;
        bool task_used;
        _Atomic int why; /* -ECANCELED, -ETIME: it is woken before its time */
        const char *raw_target; /* where it lay when its length was still known */
        size_t raw_target_len;
        /* Written last by who hands the request on, read first by who takes it. */
        _Atomic enum exchange_state state;
};

static struct connection *connection_of(struct MHD_Connection *mhd)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

        return info ? info->socket_context : NULL;
}

/* ---- Connections ------------------------------------------------------------------------- */

void exchange_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what)
{
        struct pool *pool = cls;
        struct http *http = pool->http;

        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
                const union MHD_ConnectionInfo *info =
                        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

                *socket_context = guard_add(http->guard, info->connect_fd, pool);
                (void) atomic_fetch_add(&pool->connections, 1);
                (void) atomic_fetch_add(&http->door.connections, 1);
                (void) atomic_fetch_add(&http->door.started, 1);
                metrics_add(http->door.services.metrics, METRIC_HTTP_ACCEPTED, 0, 0, 1);
                return;
        }
        if (*socket_context)
                guard_remove(*socket_context);
        *socket_context = NULL;
        (void) atomic_fetch_sub(&http->door.connections, 1);
        (void) atomic_fetch_sub(&pool->connections, 1);
}

/* As often as one likes: a task that has nothing more to do does nothing. */
static void wake_exchange(void *data)
{
        struct exchange *exchange = data;

        workers_post(exchange->request.door->workers, &exchange->task);
}

static void wake_early(void *data, int why)
{
        struct exchange *exchange = data;

        atomic_store(&exchange->why, why);
        wake_exchange(exchange);
}

void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection)
{
        struct pool *pool = cls;
        struct exchange *exchange = calloc(1, sizeof *exchange);

        if (!exchange)
                return NULL;
        exchange->pool = pool;
        exchange->mhd = connection;
        exchange->connection = connection_of(connection);
        exchange->request.door = &pool->http->door;
        exchange->request.later.wake = wake_exchange;
        exchange->request.later.wake_data = exchange;
        exchange->request.metrics_only = pool->metrics_only;
        exchange->request.listener = pool->address;
        exchange->request.target = strdup(uri);
        exchange->raw_target = uri;
        exchange->raw_target_len = strlen(uri);
        return exchange;
}

/* Without its port, which changes from connection to connection. */
static void take_address(struct exchange *exchange)
{
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
        const struct sockaddr *address = info ? info->client_addr : NULL;
        char *text = exchange->request.address;
        size_t size = sizeof exchange->request.address;

        if (address && address->sa_family == AF_INET)
                (void) inet_ntop(AF_INET,
                                 &((const struct sockaddr_in *) (const void *) address)->sin_addr,
                                 text, (socklen_t) size);
        else if (address && address->sa_family == AF_INET6)
                (void) inet_ntop(AF_INET6,
                                 &((const struct sockaddr_in6 *) (const void *) address)->sin6_addr,
                                 text, (socklen_t) size);
}

void exchange_end(void *cls, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode why)
{
        struct exchange *exchange = *context;

        (void) cls;
        (void) connection;
        if (!exchange)
                return;
        *context = NULL;
        if (exchange->task_used) /* the pool may still have its hands on the task */
                workers_cancel(exchange->request.door->workers, &exchange->task);
        /* The library refused the head by itself; a client that left ends in another way. */
        if (exchange->state == EXCHANGE_HEAD && why == MHD_REQUEST_TERMINATED_WITH_ERROR) {
                take_address(exchange);
                note_refused(&exchange->request);
        }
        if (exchange->state != EXCHANGE_HEAD)
                (void) atomic_fetch_sub(&exchange->request.door->requests, 1);
        if (exchange->connection)
                guard_enter(exchange->connection, METRIC_PHASE_IDLE, clock_monotonic_usec());
        dispatch_done(&exchange->request);
        free(exchange);
}

/* ---- Replies ----------------------------------------------------------------------------- */

static ssize_t read_stream(void *data, uint64_t position, char *buffer, size_t max)
{
        ssize_t n = stream_read(data, buffer, max);

        (void) position;
        return n == STREAM_END    ? MHD_CONTENT_READER_END_OF_STREAM
               : n == STREAM_GONE ? MHD_CONTENT_READER_END_WITH_ERROR
                                  : n;
}

static void close_stream(void *data)
{
        stream_close(data);
}

static struct MHD_Response *make_response(struct reply *reply)
{
        struct MHD_Response *response;

        if (reply->stream)
                return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES,
                                                         read_stream, reply->stream, close_stream);
        response = MHD_create_response_from_buffer_with_free_callback(
                reply->body_len, reply->body_len ? reply->body : "", reply->body_len ? free : NULL);
        if (response && reply->body_len)
                reply->body = NULL; /* the response frees it */
        return response;
}

static enum MHD_Result send_reply(struct exchange *exchange)
{
        struct request *request = &exchange->request;
        struct reply *reply = &request->reply;
        struct stream *stream = reply->stream;
        uint64_t now = clock_monotonic_usec();
        struct MHD_Response *response;
        enum MHD_Result r;

        dispatch_account(request, now);
        exchange->state = EXCHANGE_SENT;
        response = make_response(reply);
        if (!response)
                return MHD_NO;
        headers_add(response, request,
                    reply->close || atomic_load(&request->door->draining) ||
                            atomic_load(&exchange->pool->retired));
        reply->stream = NULL; /* the response's now */
        if (exchange->connection)
                guard_enter(exchange->connection, stream ? CONNECTION_WORK : METRIC_PHASE_SEND,
                            now);
        if (stream)
                stream_start(stream, exchange->mhd,
                             exchange->connection ? exchange->connection->fd : -1);
        r = MHD_queue_response(exchange->mhd, (unsigned) reply->status, response);
        MHD_destroy_response(response);
        return r;
}

/* ---- Work --------------------------------------------------------------------------------- */

/* Nobody holds a thread from here on; wake_exchange() may have come already, then the task runs
 * again at once. */
static void leave(struct exchange *exchange)
{
        const struct request *request = &exchange->request;
        uint64_t patience = request_config(request)->server.request_timeout_seconds * USEC_PER_SEC;

        exchange->state = EXCHANGE_LATER;
        if (exchange->connection)
                guard_watch(exchange->connection, request->started_usec + patience, wake_early,
                            exchange);
}

static enum worker_verdict run_task(struct worker_task *task)
{
        struct exchange *exchange = task->data;
        enum exchange_state state = exchange->state, next = EXCHANGE_SETTLED;

        switch (state) {
        case EXCHANGE_PIECE:
                dispatch_piece(&exchange->request);
                next = EXCHANGE_BODY;
                break;
        case EXCHANGE_WORK:
                dispatch_finish(&exchange->request);
                if (dispatch_is_later(&exchange->request)) {
                        leave(exchange);
                        return WORKER_DONE;
                }
                break;
        case EXCHANGE_LATER:
                if (exchange->connection)
                        guard_forget(exchange->connection);
                dispatch_resume(&exchange->request, atomic_load(&exchange->why));
                break;
        case EXCHANGE_NOTE:
                note_write(&exchange->request);
                break;
        case EXCHANGE_HEAD: /* it was woken twice, and this is the second time */
        case EXCHANGE_BODY:
        case EXCHANGE_SETTLED:
        case EXCHANGE_SENT:
        default:
                return WORKER_DONE;
        }
        if (next == EXCHANGE_SETTLED && state != EXCHANGE_NOTE && note_due(&exchange->request))
                note_write(&exchange->request);
        exchange->state = next;
        MHD_resume_connection(exchange->mhd);
        return WORKER_DONE;
}

static enum MHD_Result hand_to_worker(struct exchange *exchange, enum exchange_state state)
{
        exchange->state = state;
        exchange->task.run = run_task;
        exchange->task.data = exchange;
        exchange->task_used = true;
        if (exchange->connection)
                guard_enter(exchange->connection, CONNECTION_WORK, 0);
        MHD_suspend_connection(exchange->mhd);
        workers_post(exchange->request.door->workers, &exchange->task);
        return MHD_YES;
}

/* On a network thread, which may not wait for the audit log's disk. */
static enum MHD_Result reply_soon(struct exchange *exchange)
{
        return note_due(&exchange->request) ? hand_to_worker(exchange, EXCHANGE_NOTE)
                                            : send_reply(exchange);
}

/* ---- The request as it comes --------------------------------------------------------------- */

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   size_t name_len, const char *value, size_t value_len)
{
        struct request *request = cls;

        (void) kind;
        if (request->n_headers == REQUEST_HEADERS_MAX) {
                request->headers_cut = true;
                return MHD_NO;
        }
        request->headers[request->n_headers++] =
                (struct header){ name, value ? value : "", name_len, value ? value_len : 0 };
        return MHD_YES;
}

/* The layout of the buffer is the library's own affair, and was read from this version; later
 * ones have a strict mode of their own, which server.c turns on. */
static bool layout_is_clean(const struct exchange *exchange)
{
        const struct request *request = &exchange->request;
        const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(exchange->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        struct raw_head raw = { .start = request->method_text,
                                .target = exchange->raw_target,
                                .target_len = exchange->raw_target_len,
                                .version = request->version,
                                .len = info ? info->header_size : 0 };

        return MHD_VERSION >= 0x00097700 || request->headers_cut ||
               reject_layout_is_clean(&raw, request);
}

static enum MHD_Result take_head(struct exchange *exchange, const char *method,
                                 const char *version)
{
        struct request *request = &exchange->request;
        uint64_t now = clock_monotonic_usec();

        if (!request->target)
                return MHD_NO;
        request->method_text = method;
        request->version = version;
        request->started_usec = now;
        (void) atomic_fetch_add(&request->door->requests, 1);
        exchange->state = EXCHANGE_BODY;
        if (exchange->connection)
                guard_enter(exchange->connection, METRIC_PHASE_BODY, now);
        (void) MHD_get_connection_values_n(exchange->mhd, MHD_HEADER_KIND, take_header, request);
        take_address(exchange);
        dispatch_head(request);
        if (!request->reply.close && !layout_is_clean(exchange)) {
                reject_layout(request);
                metrics_add(request->door->services.metrics, METRIC_HTTP_REFUSED, 0, 0, 1);
        }
        /* Nothing is read any more from who can't be trusted, nor from who asked before sending. */
        if (request_settled(request) &&
            (request->reply.close || request_header(request, "Expect"))) {
                request->reply.close = true;
                return reply_soon(exchange);
        }
        return MHD_YES;
}

static enum MHD_Result take_body(struct exchange *exchange, const char *data, size_t *data_len)
{
        struct request *request = &exchange->request;

        dispatch_take(request, data, *data_len);
        *data_len = 0;
        if (dispatch_wants_piece(request))
                return hand_to_worker(exchange, EXCHANGE_PIECE);
        if (request_settled(request) &&
            request->body_total / DISCARD_FACTOR > request_max_body(request))
                return MHD_NO;
        return MHD_YES;
}

static enum MHD_Result take_end(struct exchange *exchange)
{
        struct request *request = &exchange->request;

        if (MHD_get_connection_values_n(exchange->mhd, MHD_FOOTER_KIND, NULL, NULL) > 0)
                reject_trailer(request);
        if (!dispatch_is_inline(request) || request->hash)
                return hand_to_worker(exchange, EXCHANGE_WORK);
        /* From here on it is the server that takes its time, and keeps its own deadline. */
        if (exchange->connection && !request_settled(request))
                guard_enter(exchange->connection, CONNECTION_WORK, 0);
        dispatch_finish(request);
        return reply_soon(exchange);
}

enum MHD_Result exchange_continue(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context)
{
        struct exchange *exchange = *context;
        enum exchange_state state;

        (void) cls;
        (void) connection;
        (void) url;
        if (!exchange) /* there was no memory for it */
                return MHD_NO;
        state = exchange->state;
        switch (state) {
        case EXCHANGE_HEAD:
                return take_head(exchange, method, version);
        case EXCHANGE_BODY:
                /* After lines were consumed the client's time begins anew. */
                if (exchange->connection &&
                    atomic_load(&exchange->connection->phase) == CONNECTION_WORK)
                        guard_enter(exchange->connection, METRIC_PHASE_BODY,
                                    clock_monotonic_usec());
                return *data_len ? take_body(exchange, data, data_len) : take_end(exchange);
        case EXCHANGE_SETTLED:
                return send_reply(exchange);
        case EXCHANGE_PIECE:
        case EXCHANGE_WORK:
        case EXCHANGE_LATER:
        case EXCHANGE_NOTE:
        case EXCHANGE_SENT:
        default:
                return MHD_NO;
        }
}
