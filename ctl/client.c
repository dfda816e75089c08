/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "client.h"

#include "base/io.h"
#include "base/json.h"
#include "control/commands.h"
#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define READ_BYTES ((size_t) 64 * 1024)
#define TIMEOUT_MSEC (60 * 1000) /* the daemon's heartbeat comes every few seconds */
#define TICK_MSEC 1000
#define PIECE_BYTES ((uint64_t) 1024 * 1024) /* the daemon waits behind each one */

volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
        (void) number;
        interrupted = 1;
}

/* Without SA_RESTART, so that poll() returns. */
void interrupt_catch(void)
{
        const struct sigaction action = { .sa_handler = on_interrupt };

        (void) sigaction(SIGINT, &action, NULL);
}

struct client {
        int fd;
        struct buf in;
        size_t scanned;
        bool eof;
        int patience_msec;
        int (*tick)(void *data);
        void *tick_data;
        struct json_object *about; /* the last error's parameters, or NULL */
};

/* ---- Connecting ----------------------------------------------------------------------------- */

static int connect_to(const char *path, int *ret_fd)
{
        cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cleanup_close_ int dirfd = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        const char *slash = strrchr(path, '/');

        if (fd < 0)
                return -errno;
        if (strlen(path) < sizeof address.sun_path) {
                memcpy(address.sun_path, path, strlen(path) + 1);
        } else {
                /* too long for an address: through its folder */
                cleanup_free_ char *folder = slash ? strndup(path, (size_t) (slash - path)) : NULL;

                dirfd = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
                if (dirfd < 0)
                        return folder ? -errno : -ENAMETOOLONG;
                (void) snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s",
                                dirfd, slash);
        }
        if (connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
                return -errno;
        if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        *ret_fd = take_fd(fd);
        return 0;
}

static int explain(int code, const char *path, const char *state, struct error *reterr)
{
        if (code == -EACCES)
                return error_set(reterr, code,
                                 "no access to %s: become root or join the group ragd-admin", path);
        if (code == -ENOENT || code == -ECONNREFUSED || code == -ENOTDIR)
                return error_set(reterr, -ECONNREFUSED,
                                 "ragd does not answer on %s: is it running? (%s%s)", path,
                                 state ? "ragd --state "
                                       : "systemctl start ragd, or ragctl --state DIR",
                                 state ? state : "");
        return error_set_errno(reterr, code, "connect to %s", path);
}

/* The administrators' socket, else the one for looking; the first one's failure is told. */
static int connect_in(const char *folder, const char *state, int *ret_fd, struct error *reterr)
{
        static const char *const names[] = { "io.ragd.Control", "io.ragd.Observe" };
        char path[4096];
        int first = 0;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                int r;

                (void) snprintf(path, sizeof path, "%s/%s", folder, names[i]);
                r = connect_to(path, ret_fd);
                if (r >= 0)
                        return 0;
                if (first == 0)
                        first = r;
        }
        (void) snprintf(path, sizeof path, "%s/%s", folder, names[0]);
        return explain(first, path, state, reterr);
}

int client_open(const char *socket_path, const char *state, struct client **ret,
                struct error *reterr)
{
        cleanup_(client_close_cleanup) struct client *client = calloc(1, sizeof *client);
        int r;

        if (!client)
                return error_oom(reterr);
        client->fd = -1;
        client->patience_msec = TIMEOUT_MSEC;
        if (socket_path) {
                r = connect_to(socket_path, &client->fd);
                if (r < 0)
                        return explain(r, socket_path, NULL, reterr);
        } else {
                r = connect_in(state ? state : RUN_DIR, state, &client->fd, reterr);
                if (r < 0)
                        return r;
        }
        *ret = take_ptr(client);
        return 0;
}

struct client *client_close(struct client *client)
{
        if (client) {
                if (client->fd >= 0)
                        (void) close(client->fd);
                buf_done(&client->in);
                json_object_put(client->about);
                free(client);
        }
        return NULL;
}

struct json_object *client_about(const struct client *client)
{
        return client->about;
}

void client_set_patience(struct client *client, unsigned seconds)
{
        client->patience_msec = (int) seconds * 1000;
}

void client_set_tick(struct client *client, int (*tick)(void *data), void *data)
{
        client->tick = tick;
        client->tick_data = data;
}

/* ---- Bytes ---------------------------------------------------------------------------------- */

static int wait_for(struct client *client, short events, int timeout_msec, short *ret_events)
{
        struct pollfd poll_fd = { .fd = client->fd, .events = events };
        int r = interrupted ? -1 : poll(&poll_fd, 1, timeout_msec);

        if (interrupted || (r < 0 && errno == EINTR))
                return -EINTR;
        if (r < 0)
                return -errno;
        *ret_events = poll_fd.revents;
        return r == 0 ? -ETIMEDOUT : 0;
}

/* For a reply; ticks meanwhile. */
static int wait_for_reply(struct client *client)
{
        int left = client->patience_msec;

        for (;;) {
                int step = client->tick && left > TICK_MSEC ? TICK_MSEC : left;
                short events;
                int r = wait_for(client, POLLIN, step, &events);

                left -= step;
                if (r != -ETIMEDOUT || left <= 0)
                        return r;
                r = client->tick(client->tick_data);
                if (r != 0)
                        return r;
        }
}

static int read_some(struct client *client)
{
        char *room = buf_reserve(&client->in, READ_BYTES);
        ssize_t n = room ? recv(client->fd, room, READ_BYTES, 0) : 0;

        if (!room)
                return -ENOMEM;
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0) {
                client->eof = true;
                return 0;
        }
        client->in.len += (size_t) n;
        client->in.data[client->in.len] = '\0';
        return 0;
}

static int send_some(struct client *client, const char *bytes, size_t len, size_t *done)
{
        ssize_t n = send(client->fd, bytes + *done, len - *done, MSG_NOSIGNAL);

        if (n >= 0)
                *done += (size_t) n;
        else if (errno != EAGAIN && errno != EINTR)
                return -errno;
        return 0;
}

/* ---- Calls ---------------------------------------------------------------------------------- */

static int broken(struct client_failure *failure, int code, const char *what)
{
        failure->exit_code = EXIT_UNREACHABLE;
        failure->name[0] = '\0';
        (void) snprintf(failure->message, sizeof failure->message, "%s", what);
        return code;
}

/* The standard's errors have no message of their own. */
static int refused(struct client_failure *failure, const struct varlink_reply *reply)
{
        static const struct {
                const char *name, *message, *key;
        } words[] = {
                { ".PermissionDenied",
                  "only administrators may do this: use the socket io.ragd.Control", NULL },
                { ".MethodNotFound", "this ragd does not know the command", "method" },
                { ".InterfaceNotFound", "this is no ragd, or a very different one", "interface" },
                { ".InvalidParameter", "not what the command takes", "parameter" },
        };
        const char *message = reply->error, *key = NULL, *about = NULL;

        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                const char *dot = strrchr(reply->error, '.');

                if (strcmp(dot, words[i].name) == 0) {
                        message = words[i].message;
                        key = words[i].key;
                }
        }
        if (reply->parameters) {
                (void) json_get_string(reply->parameters, "message", &message, NULL);
                if (key)
                        (void) json_get_string(reply->parameters, key, &about, NULL);
        }
        failure->exit_code = command_exit_code(reply->error);
        (void) snprintf(failure->name, sizeof failure->name, "%s", reply->error);
        (void) snprintf(failure->message, sizeof failure->message, "%s%s%s", message,
                        about ? ": " : "", about ? about : "");
        return -EREMOTEIO;
}

/* The next reply, whole. */
static int next_reply(struct client *client, struct varlink_reply *ret,
                      struct client_failure *failure)
{
        struct error error = { 0 };
        size_t len;

        for (;;) {
                int r = varlink_find_message(buf_text(&client->in), client->in.len,
                                             &client->scanned, &len);

                if (r > 0)
                        break;
                if (r < 0)
                        return broken(failure, -EPROTO, "the daemon's reply is larger than 16 MiB");
                if (client->eof)
                        return broken(failure, -ECONNRESET,
                                      "ragd closed the connection; whether it did what was asked "
                                      "is unknown");
                r = wait_for_reply(client);
                if (r == -EINTR || r > 0)
                        return r;
                if (r == -ETIMEDOUT)
                        return broken(failure, r, "ragd does not answer; whether it did what was "
                                                  "asked is unknown");
                if (r < 0 || read_some(client) < 0)
                        return broken(failure, -EIO, "cannot read from the daemon");
        }
        if (varlink_parse_reply(client->in.data, len, ret, &error) < 0)
                return broken(failure, -EPROTO, error_text(&error));
        buf_consume(&client->in, len + 1);
        return 0;
}

static int send_call(struct client *client, const char *method, struct json_object *parameters,
                     enum varlink_flag flag, struct client_failure *failure)
{
        cleanup_(buf_done) struct buf out = BUF_EMPTY;
        size_t done = 0;

        varlink_write_call(&out, method, parameters, flag);
        if (buf_failed(&out))
                return broken(failure, -ENOMEM, "out of memory");
        if (out.len > VARLINK_MESSAGE_MAX) {
                (void) broken(failure, -EMSGSIZE, "what is to be sent is larger than 16 MiB");
                failure->exit_code = EXIT_INVALID;
                return -EMSGSIZE;
        }
        while (done < out.len) {
                short events;
                int r = wait_for(client, POLLOUT, TIMEOUT_MSEC, &events);

                if (r == -EINTR)
                        return r;
                if (r < 0 || send_some(client, out.data, out.len, &done) < 0)
                        return broken(failure, -EPIPE, "ragd does not take the command");
        }
        return 0;
}

int client_call(struct client *client, const char *method, struct json_object *parameters,
                enum varlink_flag flag, client_function function, void *data,
                struct json_object **ret_reply, struct client_failure *ret_failure)
{
        int r = send_call(client, method, parameters, flag, ret_failure);

        while (r == 0) {
                cleanup_(varlink_reply_done) struct varlink_reply reply = { 0 };

                r = next_reply(client, &reply, ret_failure);
                if (r < 0)
                        break;
                if (reply.error) {
                        json_object_put(client->about);
                        client->about = json_object_get(reply.parameters);
                        return refused(ret_failure, &reply);
                }
                if (!reply.continues) {
                        if (ret_reply)
                                *ret_reply = reply.parameters ? json_object_get(reply.parameters)
                                                              : json_object_new_object();
                        return 0;
                }
                r = function ? function(data, reply.parameters) : 0;
        }
        return r;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static int take_lines(struct client *client, client_function on_line, void *data)
{
        char *end;

        while (client->in.len > 0 && (end = memchr(client->in.data, '\n', client->in.len))) {
                size_t len = (size_t) (end - client->in.data);
                struct json_object *line = NULL;
                int r = json_parse(client->in.data, len, &line, NULL);

                buf_consume(&client->in, len + 1);
                if (r < 0)
                        return -EPROTO;
                r = on_line(data, line);
                json_object_put(line);
                if (r != 0)
                        return r;
        }
        return 0;
}

int client_send(struct client *client, const char *bytes, size_t len, client_function on_line,
                void *data)
{
        size_t done = 0;

        while (done < len) {
                short events = 0;
                int r = wait_for(client, POLLIN | POLLOUT, -1, &events);

                if (r >= 0 && events & POLLIN)
                        r = read_some(client);
                if (r >= 0)
                        r = take_lines(client, on_line, data);
                if (r >= 0 && (client->eof || events & (POLLERR | POLLHUP)))
                        r = -EPIPE;
                if (r >= 0 && events & POLLOUT)
                        r = send_some(client, bytes, len, &done);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Writes what has come; asks for the next piece where one is over. */
static int keep_bytes(struct client *client, uint64_t size, int fd, uint64_t *done)
{
        uint64_t pieces = *done / PIECE_BYTES;
        size_t n = client->in.len < size - *done ? client->in.len : (size_t) (size - *done);
        int r = io_write_all(fd, buf_text(&client->in), n);

        if (r < 0)
                return r;
        buf_consume(&client->in, n);
        *done += n;
        for (; pieces < *done / PIECE_BYTES && *done < size; pieces++)
                if (send(client->fd, "\n", 1, MSG_NOSIGNAL) != 1)
                        return -ECONNRESET;
        return 0;
}

int client_receive(struct client *client, uint64_t size, int fd,
                   void (*moved)(void *data, uint64_t done, uint64_t total), void *data)
{
        uint64_t done = 0;

        while (done < size) {
                short events;
                int r = keep_bytes(client, size, fd, &done);

                if (moved)
                        moved(data, done, size);
                if (r == 0 && done < size && client->eof)
                        r = -ECONNRESET;
                if (r == 0 && done < size)
                        r = wait_for(client, POLLIN, client->patience_msec, &events);
                if (r == 0 && done < size)
                        r = read_some(client);
                if (r < 0)
                        return r;
        }
        return 0;
}

int client_finish(struct client *client, client_function on_line, void *data)
{
        (void) shutdown(client->fd, SHUT_WR);
        for (;;) {
                short events;
                int r = take_lines(client, on_line, data);

                if (r != 0 || client->eof)
                        return r;
                r = wait_for(client, POLLIN, -1, &events);
                if (r >= 0)
                        r = read_some(client);
                if (r < 0)
                        return r;
        }
}
