/* SPDX-License-Identifier: Apache-2.0 */
/* What every request of the HTTP API shares: services, limits, worker threads, counts.
 * Made once, read by all threads; the counts are atomic. */
#pragma once
#include "http/http.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flood;
struct server_config;
struct shadow;
struct streams;
struct workers;

struct door {
        struct http_services services;
        /* Of the newest release: see door_configure(). */
        _Atomic uint32_t max_connections;
        _Atomic uint64_t request_usec; /* how long a client may take nothing of a stream */
        _Atomic bool metrics_apart;    /* /metrics has a listener of its own */
        struct workers *workers;
        struct streams *streams;
        struct shadow *shadow;
        struct flood *flood;        /* NULL: there is no audit log */
        _Atomic bool unrecorded;    /* the last line for the audit log could not be written */
        _Atomic bool draining;
        _Atomic uint32_t requests;    /* being carried out */
        _Atomic uint32_t connections; /* open */
        _Atomic uint64_t started;     /* connections that ever were */
};

/* The log that is written now, or NULL. */
static inline struct audit *http_audit(const struct http_services *services)
{
        return services->audit ? services->audit(services->audit_data) : NULL;
}

/* Without listeners; fuzzers and server.c begin here. */
int door_init(struct door *door, const struct server_config *server,
              const struct http_services *services, struct error *reterr);
/* Takes what concerns no single request; nothing is borrowed. */
void door_configure(struct door *door, const struct server_config *server);
/* Ends streams and worker threads. */
void door_done(struct door *door);
