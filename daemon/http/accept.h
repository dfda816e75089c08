/* SPDX-License-Identifier: Apache-2.0 */
/* One thread that takes connections from all listening sockets and hands each to its pool.
 *
 * The HTTP library could listen by itself, but not stop in the midst of it without a risk
 * (0.9.75 aborts when a thread takes a socket out of its set at the same time), and not give a
 * socket over to another daemon.  Where there are as many connections as may be, further ones
 * wait in the kernel's queue.  Retired pools are freed here, once their connections are gone. */
#pragma once
#include "http/listen.h"

#include <stdbool.h>
#include <stdint.h>

struct acceptor;
struct http;
struct pool;

/* One listening socket. */
struct listener {
        struct listener *next;
        char *configured;  /* heap: the address as the profile has it */
        bool metrics_only;
        struct listening socket;
        struct pool *pool; /* owned; that of new connections */
        bool open;         /* it is watched */
};
/* With its pool and socket; it is not watched any more.  Accepts NULL; returns NULL. */
struct listener *listener_free(struct listener *listener);

int acceptor_new(struct http *http, struct acceptor **ret, struct error *reterr);
/* Takes no more connections; sockets that are ours are closed, passed ones left alone.  What
 * happens to the pools is the caller's: see acceptor_free(). */
void acceptor_stop(struct acceptor *acceptor);
/* With all listeners and pools, of which none has a request any more. */
struct acceptor *acceptor_free(struct acceptor *acceptor);

/* Takes the listener, which is watched from acceptor_open() on. */
int acceptor_add(struct acceptor *acceptor, struct listener *takes_listener, struct error *reterr);
void acceptor_open(struct acceptor *acceptor, struct listener *listener);
/* Gives it back; who waits in its queue was let in, if it was open. */
void acceptor_remove(struct acceptor *acceptor, struct listener *listener);
/* From now on its connections go to another pool; returns the former one. */
struct pool *acceptor_replace(struct acceptor *acceptor, struct listener *listener,
                              struct pool *takes_pool);
/* Ends the pool's connections with their next reply; after some time at once.  Then frees it. */
void acceptor_retire(struct acceptor *acceptor, struct pool *takes_pool);

/* The listeners in their order, for the one who changes them. */
struct listener *acceptor_listeners(const struct acceptor *acceptor);
