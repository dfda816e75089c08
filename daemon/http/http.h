/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP API: listeners, requests, routes, streams, over libmicrohttpd.
 *
 *   server.c    the door's life: opened, drained, closed
 *   accept.c    one thread that takes connections from all listening sockets
 *   pool.c      one MHD daemon per listening socket, with its threads and its certificate
 *   rebind.c    other addresses and certificates while it runs, as a room of a release's switch
 *   guard.c     absolute deadlines of every connection, kept by one thread of its own
 *   reject.c    what MHD lets through and must not be answered: refused, connection closed
 *   caller.c    who asks: key, tenant, user, limits, scopes, before anything is told
 *   note.c      what the audit log is told of it, before it is answered; flood.c sums up
 *   routes.c    ONE table: dispatch, 404 and 405, the OpenAPI document, the metrics' labels
 *   dispatch.c  a request from its head to its reply, without a socket (fuzzed as such)
 *   *.c         the handlers, one file per noun
 *
 * Every request pins a release when its head has come, and keeps it until its last byte: what
 * answers it, its limits, and the number that its reply carries are of that one release.  What
 * is decided before a head has come (deadlines of connections, how many there may be) is of the
 * newest.
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

struct http;
struct audit;
struct ingest;
struct keyring;
struct lifecycle;
struct metrics;
struct releases;
struct snapshot;
struct store;
struct tenants;

/* What the handlers call.  Everything is borrowed and must outlive the http object. */
struct http_services {
        struct store *store;
        struct ingest *ingest;
        struct keyring *keyring;
        struct tenants *tenants;
        struct lifecycle *lifecycle;
        /* The audit log, or NULL while the profile wants none: releases switch it on and off, but what
         * was given lasts as long as the door.  Any thread; NULL: there is never one. */
        struct audit *(*audit)(void *audit_data);
        void *audit_data;
        struct releases *releases; /* what each request is answered by */
        struct metrics *metrics;
        struct tenant_id tenant; /* whose data a request means that needs no key: the default one */
        /* May requests be sent here?  Adds what it looked at to the object `detail` (borrowed);
         * runs on any thread.  NULL: always ready. */
        bool (*ready)(void *data, struct json_object *detail);
        void *data;
        const char *version; /* of ragd */
};

/* Listens on every address of `server.listen` of the release that serves, until http_free().
 *   "127.0.0.1:7420", "[::1]:7420"   port 0: the kernel chooses, see http_addresses()
 *   "unix:/path"                     a stale socket is replaced, mode 0660
 *   "systemd"                        the sockets passed under the name "http"
 * Where `metrics_listen` is set, /metrics is served there and nowhere else; its sockets are
 * passed under the name "metrics".  -EADDRINUSE, -EACCES, -EINVAL, -ENOENT (no such socket was
 * passed, no certificate), -EPERM (exposed in production) name the address or the file. */
int http_new(const struct http_services *services, struct http **ret, struct error *reterr);

/* Stops accepting, turns /readyz to 503, ends the streams, lets running requests finish for at
 * most `drain_usec`, then closes what is left.  No switch is under way any more: after
 * releases_stop().  Accepts NULL; returns NULL. */
struct http *http_free(struct http *http, uint64_t drain_usec);

/* The room of a switch (struct release_room), with the http object as data; one switch at a time.
 * prepare: opens and binds the addresses that are new, and starts the threads of those and of
 *   addresses whose certificate, or the wish for one, has changed; nothing connects to them yet.
 *   An address that stays as it is keeps its socket and its connections.
 * commit: connections of the new addresses are taken from now on, those of changed ones by their
 *   new threads; limits are the new ones.  Addresses that are no more are still served.
 * retire: these are closed, after whoever waited in their queues was let in; their connections and
 *   those with a former certificate end with their next reply.  Returns at once. */
int http_prepare(void *http, const struct snapshot *now, const struct snapshot *next,
                 void **ret_prepared, struct error *reterr);
void http_commit(void *http, void *prepared, const struct snapshot *next);
void http_abort(void *http, void *prepared);
void http_retire(void *http, void *prepared);

/* Where it listens now, NULL-terminated, as in the configuration but with the real port:
 * "127.0.0.1:41873", "unix:/path".  Any thread; the list that was got stays good until
 * http_free(), but a switch makes a new one. */
const char *const *http_addresses(const struct http *http);

/* Requests being carried out, and connections that are open. */
void http_load(const struct http *http, uint32_t *ret_requests, uint32_t *ret_connections);

/* The route labels of the metrics, for metrics_new(): NULL-terminated, constant. */
const char *const *http_route_labels(void);

/* The OpenAPI 3.1 document (heap; free()), as /openapi.json serves it; NULL: out of memory. */
char *http_openapi(const char *version, size_t *ret_len);
