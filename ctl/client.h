/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to the daemon's control socket, blocking. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "control/varlink.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct client;

/* The socket at `socket_path`; or those in the folder `state`; or those of the service: the
 * administrators', else that for looking.  -ECONNREFUSED: nobody answers, with what to do;
 * -EACCES. */
int client_open(const char *socket_path, const char *state, struct client **ret,
                struct error *reterr);
struct client *client_close(struct client *client); /* NULL */
DEFINE_CLEANUP(struct client *, client_close)

/* How a call failed: the error's full name (NULL where none came) and ragctl's exit code. */
struct client_failure {
        int exit_code;
        char name[128];
        char message[512];
};

/* A reply that is followed by others; borrowed.  A non-zero return ends the call with it. */
typedef int (*client_function)(void *data, struct json_object *parameters);

/* Calls and waits.  0: *ret_reply (may be NULL) is the last reply's parameters, a new reference;
 * -EINTR: SIGINT came, see interrupt_catch(); what `function` returned; or another errno with
 * *ret_failure written. */
int client_call(struct client *client, const char *method, struct json_object *parameters,
                enum varlink_flag flag, client_function function, void *data,
                struct json_object **ret_reply, struct client_failure *ret_failure);

/* What the last error said beside its message; an object, or NULL.  Borrowed until the next
 * call. */
struct json_object *client_about(const struct client *client);
/* How long a reply may take from now on (a minute): for calls that try what may take long. */
void client_set_patience(struct client *client, unsigned seconds);
/* Called about once a second while a reply is waited for; above 0 it ends the call with that. */
void client_set_tick(struct client *client, int (*tick)(void *data), void *data);

/* ---- After an upgrade: lines of JSON against bytes ---------------------------------------- */

/* Sends all of it, taking lines that come meanwhile.  -EPIPE: the daemon takes no more, see its
 * lines; -EINTR. */
int client_send(struct client *client, const char *bytes, size_t len, client_function on_line,
                void *data);
/* Takes `size` bytes of a release (see ReleaseExport) and writes them to `fd`.  `moved` may be
 * NULL.  -ECONNRESET: fewer came; -EINTR; an errno of the file. */
int client_receive(struct client *client, uint64_t size, int fd,
                   void (*moved)(void *data, uint64_t done, uint64_t total), void *data);
/* Says that nothing follows, and reads lines until the daemon closes. */
int client_finish(struct client *client, client_function on_line, void *data);
