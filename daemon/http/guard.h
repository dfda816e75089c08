/* SPDX-License-Identifier: Apache-2.0 */
/* Absolute deadlines for connections.
 *
 * The HTTP library knows only an idle timeout: a client that sends one byte a second holds a
 * connection for as long as it likes.  So each connection has a phase and a deadline, both
 * atomics that its network thread writes without a lock, and one thread that shuts down the
 * socket of every connection whose time is over; the library then sees the end and closes.
 *
 *   IDLE  between requests on a kept connection.  The first byte of the next request is seen by
 *         the kernel's count of received bytes (TCP_INFO); then the head must come in time.
 *   HEAD  from accept to the end of the first head.
 *   BODY  from the end of the head to the end of the body; also while lines keep coming.
 *   WORK  the server's own time: no deadline.
 *   AWAY  the same while another machine works for it: with a deadline, and watched for a client
 *         that goes away or closes its half, since every second costs money.  Neither ends the
 *         connection: whoever waits is told.
 *   SEND  from the reply to its last byte.  */
#pragma once
#include "base/error.h"
#include "metrics/metrics.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guard;

#define CONNECTION_WORK (METRIC_PHASE_SEND + 1)
#define CONNECTION_AWAY (METRIC_PHASE_SEND + 2)

struct connection {
        struct guard *guard;
        struct connection *previous, *next; /* under the guard's lock */
        const void *owner; /* the pool that it belongs to */
        int fd;
        bool is_tcp;
        uint32_t seen_rest;  /* the guard's own: the rest in which it noted `idle_bytes` */
        void (*told)(void *data, int why); /* under the guard's lock; NULL: nobody waits */
        void *told_data;
        uint64_t idle_bytes; /* received when the connection was first seen in that rest */
        _Atomic uint32_t rest;          /* counts the times between requests */
        _Atomic unsigned phase; /* enum metric_phase or CONNECTION_WORK */
        _Atomic uint64_t deadline_usec; /* monotonic */
};

struct guard_timeouts {
        uint64_t head_usec, request_usec, idle_usec;
};
/* For phases that begin from now on.  Any thread. */
void guard_set_timeouts(struct guard *guard, const struct guard_timeouts *timeouts);

int guard_new(const struct guard_timeouts *timeouts, struct metrics *metrics, struct guard **ret,
              struct error *reterr);
/* All connections must be gone. */
struct guard *guard_free(struct guard *guard);

/* NULL: out of memory.  Begins in HEAD. */
struct connection *guard_add(struct guard *guard, int fd, const void *owner);
/* Before the socket is closed. */
void guard_remove(struct connection *connection);

/* Begins a phase at `now_usec`, with the time that it may take. */
void guard_enter(struct connection *connection, unsigned phase, uint64_t now_usec);

/* Begins AWAY: `told` is called once, on the guard's thread, with -ECANCELED or -ETIME; it must
 * not wait.  After guard_forget() has returned it is not called any more. */
void guard_watch(struct connection *connection, uint64_t deadline_usec,
                 void (*told)(void *data, int why), void *data);
void guard_forget(struct connection *connection);

/* Shuts down every socket of this owner (NULL: of all; idle_only: those between requests). */
void guard_shutdown(struct guard *guard, const void *owner, bool idle_only);
