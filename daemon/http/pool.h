/* SPDX-License-Identifier: Apache-2.0 */
/* One MHD daemon: the threads that serve the connections of one listening socket, over TLS or
 * not.  It has no socket of its own: accept.c hands it connections, so that a socket can go from
 * one pool to another without a client noticing. */
#pragma once
#include "base/error.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct http;
struct MHD_Daemon;

struct pool {
        struct http *http;
        struct MHD_Daemon *daemon;
        bool metrics_only;
        char *address;                 /* that its connections come in by */
        char *tls_cert, *tls_key;      /* PEM texts, or NULL: no TLS */
        _Atomic bool retired;          /* its connections end with their next reply */
        _Atomic uint32_t connections;  /* open */
        uint64_t retired_usec;         /* monotonic; the acceptor's, as is the next */
        struct pool *next;
};

/* The certificate and key as PEM texts; both NULL: without TLS.  -EINVAL: they are not what they
 * should be; -EIO.  `file` is for the error. */
int pool_new(struct http *http, bool metrics_only, const char *tls_cert, const char *tls_key,
             const char *address, const char *file, struct pool **ret, struct error *reterr);
/* Whether it serves with these. */
bool pool_has_tls(const struct pool *pool, const char *tls_cert, const char *tls_key);
/* No request is being carried out in it; connections that rest are closed. */
struct pool *pool_free(struct pool *pool);
