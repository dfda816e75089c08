/* SPDX-License-Identifier: Apache-2.0 */
#include "control/connection.h"

#include "base/log.h"
#include "control/interface.h"
#include "control/varlink.h"

#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#define READ_BYTES ((size_t) 64 * 1024)
#define INPUT_WHILE_BUSY ((size_t) 256 * 1024) /* pipelined calls that are read ahead */

struct connection {
        struct connection *next, **self;
        struct control *control;
        struct call_origin origin; /* with the descriptor */
        enum control_role role;
        sd_event_source *io, *deadline;
        struct buf in, out;
        size_t in_start; /* calls before it were taken */
        size_t scanned;  /* of the message that begins there */
        size_t out_start;
        struct call *call; /* the one that is being carried out; others wait in `in` */
        bool eof;          /* the client sends nothing more */
        bool hup;          /* … and takes nothing any more */
        bool doomed;       /* to be closed as soon as no call runs */
        bool advancing;
        enum deadline { DEADLINE_NONE, DEADLINE_IDLE, DEADLINE_MESSAGE, DEADLINE_OUTPUT } waits_for;
        uint64_t progress, armed_at; /* counts messages and sends; where it stood when armed */
};

static void advance(struct connection *connection);

static size_t unread(const struct connection *connection)
{
        return connection->in.len - connection->in_start;
}

static size_t unsent(const struct connection *connection)
{
        return connection->out.len - connection->out_start;
}

/* ---- Deadlines ---------------------------------------------------------------------------- */

static bool runs_stream(const struct connection *connection)
{
        return connection->call && call_is_stream(connection->call);
}

static void give_up(struct connection *connection)
{
        connection->hup = connection->doomed = true;
        if (connection->call)
                call_abandon(connection->call);
        /* The end of a stream's input would look as if the client had meant it. */
        if (!runs_stream(connection))
                (void) shutdown(connection->origin.fd, SHUT_RDWR);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *data)
{
        (void) source;
        (void) usec;
        give_up(data);
        advance(data);
        return 0;
}

static enum deadline deadline_of(const struct connection *connection)
{
        if (connection->hup)
                return DEADLINE_NONE;
        if (unsent(connection) > 0)
                return DEADLINE_OUTPUT;
        if (connection->call || connection->doomed)
                return DEADLINE_NONE;
        return unread(connection) > 0 ? DEADLINE_MESSAGE : DEADLINE_IDLE;
}

/* A client may take its time while its call is carried out; not in the midst of a message, and
 * not over a reply that it does not take.  Bytes that do not finish a message gain no time. */
static void set_deadline(struct connection *connection)
{
        enum deadline wanted = deadline_of(connection);
        uint64_t usec = wanted == DEADLINE_IDLE ? CONNECTION_IDLE_USEC : CONNECTION_STALL_USEC;

        if (wanted == connection->waits_for && connection->progress == connection->armed_at)
                return;
        connection->waits_for = wanted;
        connection->armed_at = connection->progress;
        if (wanted == DEADLINE_NONE)
                (void) sd_event_source_set_enabled(connection->deadline, SD_EVENT_OFF);
        else if (sd_event_source_set_time_relative(connection->deadline, usec) >= 0)
                (void) sd_event_source_set_enabled(connection->deadline, SD_EVENT_ONESHOT);
}

/* ---- The end -------------------------------------------------------------------------------- */

static struct connection *connection_free(struct connection *connection)
{
        struct control *control = connection->control;

        if (connection->self) {
                *connection->self = connection->next;
                if (connection->next)
                        connection->next->self = connection->self;
                control->n_connections--;
                control->open--;
        }
        control->input_bytes -= connection->in.capacity;
        (void) sd_event_source_disable_unref(connection->io);
        (void) sd_event_source_disable_unref(connection->deadline);
        (void) call_free(connection->call);
        (void) close(connection->origin.fd);
        buf_done(&connection->in);
        buf_done(&connection->out);
        free(connection);
        return NULL;
}

static void close_malformed(struct connection *connection, const char *why)
{
        connection->control->malformed++;
        log_debug("control: closing the connection of pid %jd: %s",
                  (intmax_t) connection->origin.pid, why);
        connection->doomed = true;
        connection->eof = true;
        connection->in_start = connection->in.len;
}

/* ---- Output --------------------------------------------------------------------------------- */

static void drop_output(struct connection *connection)
{
        buf_done(&connection->out);
        connection->out_start = 0;
}

static void flush(struct connection *connection)
{
        while (unsent(connection) > 0 && !connection->hup) {
                const char *bytes = connection->out.data + connection->out_start;
                ssize_t n = send(connection->origin.fd, bytes, unsent(connection),
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n > 0) {
                        connection->out_start += (size_t) n;
                        connection->progress++;
                } else if (n < 0 && errno == EINTR) {
                        continue;
                } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                        return;
                } else {
                        connection->hup = true;
                        if (connection->call)
                                call_abandon(connection->call);
                }
        }
        drop_output(connection);
}

void connection_send(struct connection *connection, struct buf *out)
{
        if (!connection->hup) {
                if (out->len > 0 && unsent(connection) == 0) {
                        buf_done(&connection->out);
                        connection->out = *out;
                        connection->out_start = 0;
                        *out = BUF_EMPTY;
                } else {
                        buf_append(&connection->out, buf_text(out), out->len);
                        connection->out.failed |= buf_failed(out);
                }
                /* A stream with a hole in it is worse than one that ends. */
                if (buf_failed(&connection->out) || unsent(connection) > CONNECTION_OUTPUT_MAX)
                        give_up(connection);
                flush(connection);
        }
        buf_done(out);
        connection_watch(connection);
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static void refuse(struct connection *connection, const struct varlink_call *call,
                   const char *error, struct json_object *about)
{
        struct buf reply = BUF_EMPTY;

        if (!call->oneway)
                varlink_write_error(&reply, error, about);
        connection_send(connection, &reply);
}

/* A row of ours, or its refusal. */
static void dispatch(struct connection *connection, struct varlink_call *call)
{
        const struct command *command = NULL;
        cleanup_json_ struct json_object *about = NULL;
        const char *error = interface_check(call, connection->role, &command, &about);
        bool denied = error && strcmp(error, VARLINK_INTERFACE ".PermissionDenied") == 0;

        if (error && !denied) {
                refuse(connection, call, error, about);
                return;
        }
        /* Behind an upgrade nothing is a message: the bytes are the call's. */
        bool stream = command->style == COMMAND_UPGRADE && !denied;
        const char *rest = buf_text(&connection->in) + connection->in_start;
        size_t rest_len = stream ? unread(connection) : 0;

        connection->control->denied += denied ? 1 : 0;
        connection->call = call_start(connection->control, connection, command, call,
                                      &connection->origin, error, rest, rest_len);
        if (connection->call && stream)
                connection->in_start = connection->in.len;
        if (!connection->call)
                refuse(connection, call, CONTROL_INTERFACE ".Failed", NULL);
}

static void take_call(struct connection *connection, const char *text, size_t len)
{
        cleanup_(varlink_call_done) struct varlink_call call = { 0 };
        cleanup_json_ struct json_object *reply = NULL;
        const char *error = NULL;
        struct error why = { 0 };

        if (varlink_parse_call(text, len, &call, &why) < 0) {
                close_malformed(connection, error_text(&why));
                return;
        }
        connection->control->calls++;
        if (!interface_serve(&call, connection->control->services->version, &error, &reply)) {
                dispatch(connection, &call);
        } else if (error) {
                refuse(connection, &call, error, reply);
        } else if (!call.oneway) {
                struct buf out = BUF_EMPTY;

                varlink_write_reply(&out, reply, false);
                connection_send(connection, &out);
        }
}

/* The next whole message; false: there is none yet. */
static bool take_message(struct connection *connection)
{
        const char *text = buf_text(&connection->in) + connection->in_start;
        size_t len;
        int r = varlink_find_message(text, unread(connection), &connection->scanned, &len);

        if (r < 0)
                close_malformed(connection, "the message is larger than 16 MiB");
        if (r <= 0)
                return false;
        connection->in_start += len + 1;
        connection->progress++;
        take_call(connection, text, len);
        return true;
}

static void tidy_input(struct connection *connection)
{
        size_t before = connection->in.capacity;

        if (unread(connection) == 0)
                buf_done(&connection->in);
        else
                buf_consume(&connection->in, connection->in_start);
        connection->in_start = 0;
        connection->control->input_bytes -= before - connection->in.capacity;
}

/* Carries out what can be carried out, in order; frees the connection at its end. */
static void advance(struct connection *connection)
{
        if (connection->advancing)
                return;
        connection->advancing = true;
        while (!connection->call && !connection->doomed &&
               unsent(connection) < CONNECTION_OUTPUT_HIGH && take_message(connection))
                ;
        tidy_input(connection);
        connection->advancing = false;
        flush(connection);

        bool over = connection->doomed || (connection->eof && unsent(connection) == 0) ||
                    (connection->eof && connection->hup);

        if (!connection->call && over && (unsent(connection) == 0 || connection->hup)) {
                (void) connection_free(connection);
                return;
        }
        connection_watch(connection);
}

void connection_call_over(struct connection *connection, bool raw)
{
        connection->call = NULL;
        connection->doomed |= raw;
        advance(connection);
}

/* ---- Input ---------------------------------------------------------------------------------- */

static bool wants_input(const struct connection *connection)
{
        if (connection->eof || connection->doomed)
                return false;
        if (runs_stream(connection))
                return false;
        if (connection->call || unsent(connection) >= CONNECTION_OUTPUT_HIGH)
                return unread(connection) < INPUT_WHILE_BUSY;
        return true;
}

static void read_some(struct connection *connection)
{
        struct control *control = connection->control;
        size_t before = connection->in.capacity;
        char *room = buf_reserve(&connection->in, READ_BYTES);
        ssize_t n;

        control->input_bytes += connection->in.capacity - before;
        if (!room || control->input_bytes > CONNECTION_INPUT_TOTAL_MAX) {
                close_malformed(connection, "no memory for what it sends");
                return;
        }
        n = recv(connection->origin.fd, room, READ_BYTES, MSG_DONTWAIT);
        if (n > 0) {
                connection->in.len += (size_t) n;
                connection->in.data[connection->in.len] = '\0';
        } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
                connection->eof = true;
        }
}

void connection_watch(struct connection *connection)
{
        uint32_t events = (wants_input(connection) ? EPOLLIN : 0U) |
                          (unsent(connection) > 0 && !connection->hup ? EPOLLOUT : 0U);

        if (runs_stream(connection) && call_awaits_input(connection->call))
                events |= EPOLLIN;
        /* Once both directions are over, EPOLLHUP would only wake the loop again and again. */
        bool silent = connection->hup && events == 0;

        (void) sd_event_source_set_io_events(connection->io, events);
        (void) sd_event_source_set_enabled(connection->io, silent ? SD_EVENT_OFF : SD_EVENT_ON);
        set_deadline(connection);
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *data)
{
        struct connection *connection = data;

        (void) source;
        (void) fd;
        if (events & (EPOLLHUP | EPOLLERR)) {
                connection->hup = true;
                drop_output(connection);
                if (connection->call)
                        call_abandon(connection->call);
        }
        if (runs_stream(connection)) {
                if (events & (EPOLLIN | EPOLLHUP) && call_awaits_input(connection->call))
                        call_continue(connection->call);
        } else if (wants_input(connection)) {
                read_some(connection);
        }
        advance(connection);
        return 0;
}

/* ---- The beginning -------------------------------------------------------------------------- */

static void list_add(struct control *control, struct connection *connection)
{
        connection->next = control->connections;
        connection->self = &control->connections;
        if (connection->next)
                connection->next->self = &connection->next;
        control->connections = connection;
        control->n_connections++;
        control->open++;
}

/* Role of the listener, except that root and the daemon's own user may do everything. */
static enum control_role role_of(const struct call_origin *origin)
{
        return origin->uid == 0 || origin->uid == geteuid() ? CONTROL_ADMIN : origin->listener;
}

int connection_new(struct control *control, int takes_fd, const struct call_origin *origin,
                   struct error *reterr)
{
        cleanup_close_ int fd = takes_fd;
        struct connection *connection;
        int r;

        if (control->n_connections >= CONNECTIONS_MAX)
                return error_set(reterr, -EBUSY, "more than %d control connections",
                                 CONNECTIONS_MAX);
        r = fcntl(fd, F_SETFL, O_NONBLOCK);
        connection = r < 0 ? NULL : calloc(1, sizeof *connection);
        if (!connection)
                return error_oom(reterr);
        connection->control = control;
        connection->origin = *origin;
        connection->origin.fd = take_fd(fd);
        connection->role = role_of(origin);

        r = sd_event_add_io(control->loop, &connection->io, connection->origin.fd, EPOLLIN, on_io,
                            connection);
        if (r >= 0)
                r = sd_event_add_time_relative(control->loop, &connection->deadline,
                                               CLOCK_MONOTONIC, CONNECTION_IDLE_USEC,
                                               100 * UINT64_C(1000), on_deadline, connection);
        if (r < 0) {
                (void) connection_free(connection);
                return error_set_errno(reterr, r, "watch a control connection");
        }
        list_add(control, connection);
        return 0;
}

void connections_cancel(struct control *control)
{
        for (struct connection *c = control->connections; c; c = c->next)
                if (c->call)
                        call_cancel(c->call);
}

void connections_free(struct control *control)
{
        for (struct connection *c = control->connections, *next; c; c = next) {
                next = c->next;
                (void) connection_free(c);
        }
}
