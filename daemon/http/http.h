/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP API: listeners, requests, routes, streams, over libmicrohttpd.
 *
 *   server.c    one MHD daemon per listening address, each with a pool of epoll threads
 *   guard.c     absolute deadlines of every connection, kept by one thread of its own
 *   reject.c    what MHD lets through and must not be answered: refused, connection closed
 *   routes.c    ONE table: dispatch, 404 and 405, the OpenAPI document, the metrics' labels
 *   dispatch.c  a request from its head to its reply, without a socket (fuzzed as such)
 *   *.c         the handlers, one file per noun
 *
 * A search runs on the MHD thread that received it.  Whatever waits for a disk or a model runs
 * on the door's own worker threads while its connection is suspended, so that neither a slow
 * fsync nor a slow client delays a search, and writers that wait together share one commit.
 *
 * Debian's libmicrohttpd 0.9.75 is lenient; reject.c refuses what it lets through, and finds
 * what it hides (bare LF, folded lines, NULs) in the layout of its buffer.  What stands:
 * inside a chunked body, chunk lines ended by a bare LF are read; and a request that the
 * library's parser itself refuses (no colon in a header, a head beyond 32 KiB, HTTP/2.0) gets
 * its own short page, without our headers, instead of a problem document. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer;
struct http;
struct ingest;
struct metrics;
struct security_config;
struct server_config;
struct store;

/* What the handlers call.  Everything is borrowed and must outlive the http object. */
struct http_services {
        struct store *store;
        struct ingest *ingest;
        struct answer *answer;
        struct metrics *metrics;
        struct tenant_id tenant; /* whose data every request means */
        /* May requests be sent here?  Adds what it looked at to the object `detail` (borrowed);
         * runs on any thread.  NULL: always ready. */
        bool (*ready)(void *data, struct json_object *detail);
        void *data;
        const char *stage;   /* of the profile; sent as Ragd-Stage */
        uint32_t release;    /* number of the release in force; sent as Ragd-Release */
        const char *version; /* of ragd */
};

/* Listens on every address of `server.listen` and serves until http_free().
 *   "127.0.0.1:7420", "[::1]:7420"   port 0: the kernel chooses, see http_addresses()
 *   "unix:/path"                     a stale socket is replaced, mode 0660
 *   "systemd"                        the sockets passed under the name "http"
 * Where `metrics_listen` is set, /metrics is served there and nowhere else; its sockets are
 * passed under the name "metrics".  -EADDRINUSE, -EACCES, -EINVAL, -ENOENT (no such socket was
 * passed, no certificate) name the address or the file.  Both configurations are borrowed. */
int http_new(const struct server_config *server, const struct security_config *security,
             const struct http_services *services, struct http **ret, struct error *reterr);

/* Stops accepting, turns /readyz to 503, ends the streams, lets running requests finish for at
 * most `drain_usec`, then closes what is left.  Accepts NULL; returns NULL. */
struct http *http_free(struct http *http, uint64_t drain_usec);

/* Where it listens now, NULL-terminated, as in the configuration but with the real port:
 * "127.0.0.1:41873", "unix:/path".  Borrowed. */
const char *const *http_addresses(const struct http *http);

/* Requests being carried out, and connections that are open. */
void http_load(const struct http *http, uint32_t *ret_requests, uint32_t *ret_connections);

/* The route labels of the metrics, for metrics_new(): NULL-terminated, constant. */
const char *const *http_route_labels(void);

/* The OpenAPI 3.1 document (heap; free()), as /openapi.json serves it; NULL: out of memory. */
char *http_openapi(const char *version, size_t *ret_len);
