/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the control door, on the loop's thread: the object, its connections. */
#pragma once
#include "base/buf.h"
#include "control/call.h"

#include <stdatomic.h>
#include <systemd/sd-event.h>

struct mailbox;

#define CONNECTIONS_MAX 256
#define CONNECTION_INPUT_TOTAL_MAX ((size_t) 64 * 1024 * 1024) /* of all connections together */
#define CONNECTION_OUTPUT_MAX ((size_t) 64 * 1024 * 1024) /* unsent, of one connection */
#define CONNECTION_OUTPUT_HIGH ((size_t) 1024 * 1024) /* no further call is begun beyond it */
#define CONNECTION_IDLE_USEC (UINT64_C(600) * 1000000) /* between calls */
#define CONNECTION_STALL_USEC (UINT64_C(45) * 1000000) /* in the midst of a message */

struct listener {
        struct control *control;
        enum control_role role;
        int fd;
        bool ours; /* the path is removed in the end */
        char *path;
        sd_event_source *io;
};

struct control {
        sd_event *loop;
        const struct control_services *services;
        struct control_services services_copy;
        struct mailbox *mailbox;
        struct listener listeners[2]; /* by role */
        const char *paths[3];
        sd_event_source *pause; /* until descriptors are free again */
        struct connection *connections; /* list */
        size_t n_connections;
        size_t input_bytes;
        uint64_t started_wall_usec, started_usec;
        atomic_bool stopping;
        _Atomic uint64_t calls, denied, malformed, open;
};

/* Serves this socket; takes it even when it fails.  Used by the listeners. */
int connection_new(struct control *control, int takes_fd, const struct call_origin *origin,
                   struct error *reterr);

/* The bytes of a reply on their way to the client; `out` is emptied. */
void connection_send(struct connection *connection, struct buf *out);
/* The call waits for input now. */
void connection_watch(struct connection *connection);
/* The call was freed.  `raw`: what follows on the connection are no messages. */
void connection_call_over(struct connection *connection, bool raw);

/* Cancels the calls of all connections, so that no thread runs any; then frees them. */
void connections_cancel(struct control *control);
void connections_free(struct control *control);
