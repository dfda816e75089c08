/* SPDX-License-Identifier: Apache-2.0 */
/* One call on its way: what handlers see of it, and how it moves between the threads.
 *
 * The loop makes a call and posts it to the worker pool.  A handler runs in steps: it is called,
 * replies or asks to be called again, and returns; a call that waits holds no thread.  What it
 * replies is queued under the call's lock and carried to the connection by the mailbox.  A
 * handler ends the call exactly once, by call_reply*(), call_fail() or call_end(); none of
 * these nor call_notify() waits for the client.  Replies to a `oneway` call go nowhere.
 *
 * The functions of the first part are for handlers, on the thread that runs the step. */
#pragma once
#include "base/error.h"
#include "control/control.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct call;
struct connection;
struct snapshot;
struct tenant_info;

typedef void (*call_handler)(struct call *call);

/* One for each row of commands[], in its order; NULL for those of ragctl alone. */
extern const call_handler call_handlers[];

const struct control_services *call_services(const struct call *call);
const struct control *call_control(const struct call *call);
/* The release that serves, pinned when it is first asked for and until the call ends: one call
 * sees one release. */
const struct snapshot *call_release(struct call *call);
/* Whose data the call works on: the tenant that its parameter "tenant" names, else the default
 * one.  One that is offloaded is brought back first; until the step is over (where it waits for
 * bytes: the call) it is neither offloaded nor deleted.  -ENOENT: there is none of this name;
 * -EPERM: it is suspended and the row would change something, or there are not several; -EAGAIN:
 * it comes and goes. */
int call_tenant(struct call *call, struct tenant_id *ret, struct error *reterr);
/* The row of a tenant by its name, whatever its state; `deleted`: one of those, also by its id. */
int call_find_tenant(struct call *call, const char *name, bool deleted, struct tenant_info *ret,
                     struct error *reterr);

/* The parameters, checked against the row; an object, never NULL.  Borrowed. */
struct json_object *call_parameters(const struct call *call);
/* A string parameter, or `otherwise`.  Borrowed. */
const char *call_string(const struct call *call, const char *name, const char *otherwise);
bool call_bool(const struct call *call, const char *name);

/* Whether the client asked to hear more than the last reply. */
bool call_wants_more(const struct call *call);
/* The client has gone, or the daemon stops: nobody will read a reply. */
bool call_gone(const struct call *call);

/* One of several replies; dropped where the client did not ask for more.  -EPIPE: it is gone,
 * -ECANCELED: the daemon stops. */
int call_notify(struct call *call, struct json_object *takes_parameters);

/* Who called, for the record of a release. */
void call_get_caller(const struct call *call, uid_t *ret_uid, pid_t *ret_pid);

/* The last reply.  NULL: out of memory, and said so. */
void call_reply(struct call *call, struct json_object *takes_parameters);
void call_reply_text(struct call *call, const char *parameters, size_t len); /* one JSON object */
/* The error of io.ragd.Control for this errno, with message, parameter and line. */
void call_fail(struct call *call, int code, const struct error *error);
/* The same with the error named, and with more about it (takes the reference; or NULL): members
 * that the error declares.  `name` is one of command_errors[]. */
void call_fail_as(struct call *call, const char *name, const struct error *error,
                  struct json_object *takes_about);

/* `state` outlives the step; freed with the call, on the loop's thread or the worker's. */
void call_keep(struct call *call, void *takes_state, void (*free_state)(void *state));
void *call_kept(const struct call *call);

/* The handler is called again after this time. */
void call_again(struct call *call, uint64_t after_usec);

/* On the loop's thread, after the reply was given to the client. */
void call_afterwards(struct call *call, void (*function)(void *data), void *data);

/* ---- Upgraded calls ---------------------------------------------------------------------- */

/* The one reply; bytes follow in both directions. */
void call_upgrade(struct call *call, struct json_object *takes_parameters);
/* What the client sent: bytes, 0 at the end, -EAGAIN: nothing now, or another errno. */
ssize_t call_read(struct call *call, void *bytes, size_t size);
/* The handler is called again when there is something to read, or after this time. */
void call_again_readable(struct call *call, uint64_t timeout_usec);
/* Bytes as they are, which are copied. */
void call_write_bytes(struct call *call, const char *bytes, size_t len);
/* A line of JSON. */
void call_write(struct call *call, struct json_object *takes_line);
/* How it ended, for the audit log: before the last bytes are written, which the client takes for
 * the end. */
void call_outcome(struct call *call, int code, const char *what);
/* Ends the call; says how, where call_outcome() did not. */
void call_end(struct call *call, int code, const char *what);

/* ---- For connection.c: on the loop's thread ---------------------------------------------- */

struct call_origin {
        enum control_role listener;
        uid_t uid;
        pid_t pid;
        int fd; /* of the connection, which stays open as long as the call lives */
};

struct varlink_call;

/* Takes the message of `call` and posts it to the pool; `input` was read before the upgrade was
 * known, and is copied.  `refusal`: the full name of the error that is all it gets, once that is on
 * record; or NULL.  NULL: no memory. */
struct call *call_start(struct control *control, struct connection *connection,
                        const struct command *command, struct varlink_call *takes_call,
                        const struct call_origin *origin, const char *refusal, const char *input,
                        size_t input_len);

/* The client has gone: replies are dropped from now on. */
void call_abandon(struct call *call);

bool call_is_stream(const struct call *call);
bool call_awaits_input(const struct call *call);
/* There is something to read. */
void call_continue(struct call *call);

/* Ends the running step for good: afterwards no thread touches the call. */
void call_cancel(struct call *call);
struct call *call_free(struct call *call);
