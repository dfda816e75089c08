/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "config/values.h"
#include "http/stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Head and what is read of a body at once, per connection. */
#define CONNECTION_MEMORY_BYTES ((size_t) 32 * 1024)
#define CONNECTION_INCREMENT_BYTES ((size_t) 16 * 1024)
/* How long a client may rest between requests: well beyond the pause of a pooled connection. */
#define IDLE_USEC (60 * USEC_PER_SEC)
#define TLS_FILE_MAX_BYTES ((size_t) 256 * 1024)
#define DRAIN_STEP_USEC 2000

static void take_log(void *cls, const char *format, va_list arguments)
        __attribute__((format(printf, 2, 0)));
static void take_log(void *cls, const char *format, va_list arguments)
{
        struct http *http = cls;
        char text[ERROR_MESSAGE_MAX];

        (void) vsnprintf(text, sizeof text, format, arguments);
        text[strcspn(text, "\r\n")] = '\0';
        log_debug("libmicrohttpd: %s", text);
        (void) pthread_mutex_lock(&http->log_lock);
        memcpy(http->last_message, text, sizeof text);
        (void) pthread_mutex_unlock(&http->log_lock);
}

static uint32_t thread_count(const struct server_config *server)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);

        return server->threads ? server->threads : cores > 0 ? (uint32_t) cores : 1;
}

static int start_listener(struct listener *listener, struct error *reterr)
{
        struct http *http = listener->http;
        const struct server_config *server = http->door.server;
        uint32_t threads = listener->metrics_only ? 1 : thread_count(server);
        bool local = strncmp(listener->socket.address, "unix:", 5) == 0;
        bool tls = http->tls_cert && !listener->metrics_only && !local;
        const struct MHD_OptionItem end = { MHD_OPTION_END, 0, NULL };
        struct MHD_OptionItem more[] = { end, end, end, end };
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG |
                         MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | (tls ? MHD_USE_TLS : 0);
        size_t n = 0;

        if (threads > 1) /* a pool of one is refused by the library */
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_THREAD_POOL_SIZE, threads, NULL };
        if (tls) {
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, http->tls_cert };
                more[n++] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, http->tls_key };
        }
        listener->daemon = MHD_start_daemon(
                flags, 0, exchange_accept, listener, exchange_continue, listener,
                MHD_OPTION_EXTERNAL_LOGGER, take_log, http, /* first, so that it hears the rest */
                MHD_OPTION_LISTEN_SOCKET, listener->socket.fd,
                MHD_OPTION_CONNECTION_LIMIT, (unsigned) (server->max_connections + threads),
                MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
                MHD_OPTION_CONNECTION_MEMORY_INCREMENT, CONNECTION_INCREMENT_BYTES,
                MHD_OPTION_STRICT_FOR_CLIENT, 1,
                MHD_OPTION_URI_LOG_CALLBACK, exchange_begin, listener,
                MHD_OPTION_NOTIFY_COMPLETED, exchange_end, listener,
                MHD_OPTION_NOTIFY_CONNECTION, exchange_connection, listener,
                MHD_OPTION_ARRAY, more, MHD_OPTION_END);
        if (listener->daemon) {
                listener->socket.fd = -1; /* the daemon closes it */
                return 0;
        }
        return error_set(reterr, tls ? -EINVAL : -EIO, "listen \"%s\"%s%s: %s",
                         listener->socket.address, tls ? " with tls_cert " : "",
                         tls ? server->tls_cert : "", http->last_message);
}

static int add_listeners(struct http *http, const char *address, bool metrics_only,
                         struct error *reterr)
{
        cleanup_free_ struct listening *sockets = NULL;
        struct listener *more;
        size_t n = 0;
        int r = listen_open(address, metrics_only ? "metrics" : "http", &sockets, &n, reterr);

        more = realloc(http->listeners, (http->n_listeners + n + 1) * sizeof *more);
        if (more)
                http->listeners = more;
        for (size_t i = 0; i < n; i++)
                if (more)
                        more[http->n_listeners++] = (struct listener){
                                .http = http, .socket = sockets[i], .metrics_only = metrics_only
                        };
                else
                        listening_done(&sockets[i]);
        return r < 0 ? r : more ? 0 : error_oom(reterr);
}

static int read_pem(const char *key, const char *path, char **ret, struct error *reterr)
{
        size_t len;
        int r = io_read_file(AT_FDCWD, path, TLS_FILE_MAX_BYTES, ret, &len, reterr);

        return r < 0 ? error_prefix(reterr, r, "server.%s", key) : 0;
}

static int open_tls(struct http *http, const struct server_config *server, struct error *reterr)
{
        int r;

        if (!server->tls_cert && !server->tls_key)
                return 0;
        if (!server->tls_cert || !server->tls_key)
                return error_set(reterr, -EINVAL,
                                 "server.tls_cert and server.tls_key belong together");
        r = read_pem("tls_cert", server->tls_cert, &http->tls_cert, reterr);
        return r < 0 ? r : read_pem("tls_key", server->tls_key, &http->tls_key, reterr);
}

static int open_all(struct http *http, const struct server_config *server, struct error *reterr)
{
        int r = open_tls(http, server, reterr);

        for (size_t i = 0; r >= 0 && i < server->listen.count; i++)
                r = add_listeners(http, server->listen.items[i], false, reterr);
        if (r >= 0 && server->metrics_listen)
                r = add_listeners(http, server->metrics_listen, true, reterr);
        if (r < 0)
                return r;
        http->addresses = calloc(http->n_listeners + 1, sizeof *http->addresses);
        if (!http->addresses)
                return error_oom(reterr);
        for (size_t i = 0; r >= 0 && i < http->n_listeners; i++) {
                http->addresses[i] = http->listeners[i].socket.address;
                r = start_listener(&http->listeners[i], reterr);
        }
        return r;
}

int http_new(const struct server_config *server, const struct security_config *security,
             const struct http_services *services, struct http **ret, struct error *reterr)
{
        const struct guard_timeouts timeouts = {
                .head_usec = server->header_timeout_seconds * USEC_PER_SEC,
                .request_usec = server->request_timeout_seconds * USEC_PER_SEC,
                .idle_usec = IDLE_USEC,
        };
        struct http *http = calloc(1, sizeof *http);
        int r;

        if (!http)
                return error_oom(reterr);
        (void) pthread_mutex_init(&http->log_lock, NULL);
        r = door_init(&http->door, server, security, services, reterr);
        if (r < 0) {
                (void) pthread_mutex_destroy(&http->log_lock);
                free(http);
                return r;
        }
        r = guard_new(&timeouts, services->metrics, &http->guard, reterr);
        if (r >= 0)
                r = open_all(http, server, reterr);
        if (r < 0) {
                (void) http_free(http, 0);
                return r;
        }
        *ret = http;
        return 0;
}

/* Waits until *count is zero. */
static void wait_for_none(const _Atomic uint32_t *count, uint64_t until_usec)
{
        while (atomic_load(count) > 0 && clock_monotonic_usec() < until_usec)
                (void) usleep(DRAIN_STEP_USEC);
}

struct http *http_free(struct http *http, uint64_t drain_usec)
{
        if (!http)
                return NULL;
        atomic_store(&http->door.draining, true);
        /* A passed socket is given back: who connects from now on waits there for the next process.
         * Ours refuse from now on; giving them back would only risk the library's abort when a
         * thread of its pool takes the socket out of its set at the same time (0.9.75). */
        for (size_t i = 0; i < http->n_listeners; i++)
                if (http->listeners[i].daemon && http->listeners[i].socket.passed)
                        http->listeners[i].socket.fd =
                                MHD_quiesce_daemon(http->listeners[i].daemon);
        streams_end_watches(http->door.streams);
        wait_for_none(&http->door.requests, clock_monotonic_usec() + drain_usec);
        streams_stop(http->door.streams);
        if (http->guard)
                guard_shutdown_all(http->guard, false);
        /* The library can't be stopped over a suspended connection; what workers carry out is
         * bounded, and is resumed when it has ended. */
        wait_for_none(&http->door.requests, UINT64_MAX);
        for (size_t i = 0; i < http->n_listeners; i++) {
                if (http->listeners[i].daemon)
                        MHD_stop_daemon(http->listeners[i].daemon);
                listening_done(&http->listeners[i].socket);
        }
        door_done(&http->door);
        http->guard = guard_free(http->guard);
        free(http->listeners);
        free(http->addresses);
        free(http->tls_cert);
        free(http->tls_key);
        (void) pthread_mutex_destroy(&http->log_lock);
        free(http);
        return NULL;
}

const char *const *http_addresses(const struct http *http)
{
        return http->addresses;
}

void http_load(const struct http *http, uint32_t *ret_requests, uint32_t *ret_connections)
{
        *ret_requests = atomic_load(&http->door.requests);
        *ret_connections = atomic_load(&http->door.connections);
}
