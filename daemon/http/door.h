/* SPDX-License-Identifier: Apache-2.0 */
/* What every request of the HTTP API shares: services, limits, worker threads, counts.
 * Made once, read by all threads; the counts are atomic. */
#pragma once
#include "http/http.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct streams;
struct workers;

struct door {
        struct http_services services;
        const struct server_config *server;
        size_t max_body_bytes;
        size_t max_input_bytes; /* of a question or a query; SIZE_MAX: not limited */
        bool metrics_apart;     /* /metrics has a listener of its own */
        bool waits;             /* searches may wait for another machine */
        struct workers *workers;
        struct streams *streams;
        _Atomic bool draining;
        _Atomic uint32_t requests;    /* being carried out */
        _Atomic uint32_t connections; /* open */
};

/* Without listeners; fuzzers and server.c begin here.  The configurations are borrowed. */
int door_init(struct door *door, const struct server_config *server,
              const struct security_config *security, const struct http_services *services,
              struct error *reterr);
/* Ends streams and worker threads. */
void door_done(struct door *door);
