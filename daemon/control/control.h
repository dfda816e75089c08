/* SPDX-License-Identifier: Apache-2.0 */
/* The control door: varlink on Unix sockets, by which ragctl steers and watches the daemon.
 *
 *   varlink.c         messages to calls and replies; no sockets
 *   commands.inc.h    ONE table: grammar, method, types, role, audit, help (read by ragctl too)
 *   interface.c       the table as interface text; types of parameters checked against it
 *   control.c         listeners, roles, the objects' lives
 *   connection.c      bytes of one client on the loop: limits, order, back-pressure
 *   call.c            one call on a worker thread, its replies on the way back to the loop
 *   call_tenant.c     whose data it works on
 *   call_audit.c      its lines in the audit log, before it changes anything and before its answer
 *   *.c               the handlers, one file per noun; operation.c follows what the engine does
 *
 * Sockets, parsing and replies belong to the thread of the loop and never block it.  A handler
 * runs on a thread of `workers`, one step at a time: a call that waits (for a job's next
 * change, for the client's next bytes) holds no thread.  A client that goes away detaches; it
 * never aborts what it started.  Malformed bytes close the connection that sent them. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "control/commands.h"

#include <json-c/json.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

struct control;
struct audit;
struct ingest;
struct keyring;
struct lifecycle;
struct releases;
struct store;
struct tenants;
struct workers;

/* What the handlers call.  Everything is borrowed and must outlive the control object.  A call
 * that needs the release that serves pins it until it ends: see call_release(). */
struct control_services {
        struct store *store;
        struct ingest *ingest;
        struct keyring *keyring;
        struct tenants *tenants;
        struct lifecycle *lifecycle;
        struct releases *releases;
        /* Runs the handlers; a pool of the door's own, so that ingest does not delay `status`. */
        struct workers *workers;
        struct tenant_id tenant; /* the default one: whose data is meant where none is named */
        const char *profile;     /* path of the profile on disk */
        const char *version;     /* of ragd */
        /* The audit log, or NULL while the profile wants none: releases switch it on and off, but
         * what was given lasts as long as the door.  Any thread; NULL: there is never one. */
        struct audit *(*audit)(void *data);
        /* Adds what the daemon knows about itself to the status object (borrowed): those
         * members of the row "status" that may be absent.  On a worker thread. */
        void (*status)(void *data, struct json_object *status);
        /* The stop command, on the loop's thread, after its reply was queued. */
        void (*stop)(void *data);
        void *data;
};

#define CONTROL_SOCKET_ADMIN "io.ragd.Control"
#define CONTROL_SOCKET_OBSERVE "io.ragd.Observe"

struct control_listen {
        /* Where to make the two sockets, under their names above; removed by control_free(). */
        const char *directory;
        unsigned mode; /* 0660 under systemd, 0600 in a person's own state folder */
};

/* Listens on sockets that systemd passed (names io.ragd.Control and io.ragd.Observe; one named
 * "varlink" by the name of its own path, else admin), and makes in `listen.directory` those of
 * the two that were not passed.  A socket file that nobody answers on is replaced; -EADDRINUSE:
 * another ragd answers there.  `loop` is borrowed. */
int control_new(sd_event *loop, const struct control_listen *listen,
                const struct control_services *services, struct control **ret,
                struct error *reterr);

/* Stops accepting, waits for the steps that run, sends what was replied as far as clients take
 * it without waiting, closes.  Accepts NULL; returns NULL.  On the loop's thread. */
struct control *control_free(struct control *control);
DEFINE_CLEANUP(struct control *, control_free)

/* The paths of both sockets, NULL-terminated: what the log and `status` say.  Borrowed. */
const char *const *control_paths(const struct control *control);

/* Counted since the start; sources for metrics.  Any thread. */
struct control_figures {
        uint64_t calls;       /* carried out, or refused with an error */
        uint64_t denied;      /* refused for lack of the role */
        uint64_t malformed;   /* connections closed for what they sent */
        uint64_t connections; /* open now */
};
void control_get_figures(const struct control *control, struct control_figures *ret);
