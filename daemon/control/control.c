/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "control/control.h"

#include "base/clock.h"
#include "base/log.h"
#include "control/connection.h"
#include "event/mailbox.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#define ACCEPTS_PER_TURN 16
#define PAUSE_USEC UINT64_C(1000000)

static const char *const socket_names[] = {
        [CONTROL_OBSERVE] = CONTROL_SOCKET_OBSERVE,
        [CONTROL_ADMIN] = CONTROL_SOCKET_ADMIN,
};

/* Who may connect beside the daemon's own user, where the mode lets a group in. */
static const char *const socket_groups[] = {
        [CONTROL_OBSERVE] = "ragd",
        [CONTROL_ADMIN] = "ragd-admin",
};

/* ---- Accepting ---------------------------------------------------------------------------- */

static void set_listening(struct control *control, int enabled)
{
        for (size_t i = 0; i < ELEMENTSOF(control->listeners); i++)
                if (control->listeners[i].io)
                        (void) sd_event_source_set_enabled(control->listeners[i].io, enabled);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *data)
{
        struct control *control = data;

        (void) source;
        (void) usec;
        (void) sd_event_source_disable_unref(take_ptr(control->pause));
        set_listening(control, SD_EVENT_ON);
        return 0;
}

/* Without descriptors the pending client would wake the loop for ever. */
static void pause_listening(struct control *control, int code)
{
        log_warning("control: cannot accept a connection: %s", strerror(-code));
        if (!control->pause &&
            sd_event_add_time_relative(control->loop, &control->pause, CLOCK_MONOTONIC, PAUSE_USEC,
                                       0, on_pause_over, control) >= 0)
                set_listening(control, SD_EVENT_OFF);
}

static void welcome(struct listener *listener, int takes_fd)
{
        cleanup_close_ int fd = takes_fd;
        struct call_origin origin = { .listener = listener->role };
        struct ucred peer;
        socklen_t len = sizeof peer;
        struct error error = { 0 };

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return;
        origin.uid = peer.uid;
        origin.pid = peer.pid;
        if (connection_new(listener->control, take_fd(fd), &origin, &error) < 0)
                log_warning("control: %s", error_text(&error));
}

static int on_connect(sd_event_source *source, int fd, uint32_t events, void *data)
{
        struct listener *listener = data;

        (void) source;
        (void) events;
        for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

                if (client >= 0)
                        welcome(listener, client);
                else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                        pause_listening(listener->control, -errno);
                if (client < 0)
                        break;
        }
        return 0;
}

/* ---- Sockets ------------------------------------------------------------------------------ */

/* A path too long for an address is reached through its folder's descriptor. */
static int socket_address(const char *path, int *ret_dirfd, struct sockaddr_un *ret,
                          struct error *reterr)
{
        cleanup_free_ char *folder = NULL;
        const char *slash = strrchr(path, '/');

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        *ret_dirfd = -1;
        if (strlen(path) < sizeof ret->sun_path) {
                memcpy(ret->sun_path, path, strlen(path) + 1);
                return 0;
        }
        folder = strndup(path, (size_t) (slash - path));
        if (!folder)
                return error_oom(reterr);
        *ret_dirfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*ret_dirfd < 0)
                return error_set_errno(reterr, -errno, "open %s", folder);
        (void) snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d%s", *ret_dirfd,
                        slash);
        return 0;
}

/* Whether the socket file is left over from a process that has ended. */
static int remove_stale(const char *path, const struct sockaddr_un *address, struct error *reterr)
{
        cleanup_close_ int fd = -1;
        struct stat st;

        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr, -errno, "look at %s", path);
        if (!S_ISSOCK(st.st_mode))
                return error_set(reterr, -EEXIST, "%s is in the way and no socket", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "make a socket");
        if (connect(fd, (const struct sockaddr *) address, sizeof *address) == 0 || errno == EAGAIN)
                return error_set(reterr, -EADDRINUSE, "another ragd answers on %s", path);
        if (unlink(path) < 0 && errno != ENOENT)
                return error_set_errno(reterr, -errno, "remove the stale socket %s", path);
        return 0;
}

/* Lets the role's group in, or nobody: the daemon's own group must not become the
 * administrators'. */
static int set_access(const char *path, enum control_role role, unsigned mode,
                      struct error *reterr)
{
        if (mode & 0070U) {
                const struct group *group = getgrnam(socket_groups[role]);

                if (!group || chown(path, (uid_t) -1, group->gr_gid) < 0) {
                        log_notice("control: %s is for root and this user alone: no access to the "
                                   "group %s", path, socket_groups[role]);
                        mode &= 0700U;
                }
        }
        if (chmod(path, mode) < 0)
                return error_set_errno(reterr, -errno, "set the mode of %s", path);
        return 0;
}

static int make_socket(struct listener *listener, const struct control_listen *listen_on,
                       struct error *reterr)
{
        cleanup_close_ int fd = -1, dirfd = -1;
        struct sockaddr_un address;
        int r;

        if (asprintf(&listener->path, "%s/%s", listen_on->directory,
                     socket_names[listener->role]) < 0) {
                listener->path = NULL;
                return error_oom(reterr);
        }
        r = socket_address(listener->path, &dirfd, &address, reterr);
        if (r >= 0)
                r = remove_stale(listener->path, &address, reterr);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        /* The mode of the descriptor becomes that of the file: closed until it is set below. */
        if (fd < 0 || fchmod(fd, 0600) < 0 ||
            bind(fd, (const struct sockaddr *) &address, sizeof address) < 0)
                return error_set_errno(reterr, -errno, "listen on %s", listener->path);
        listener->ours = true;
        r = set_access(listener->path, listener->role, listen_on->mode, reterr);
        if (r < 0)
                return r;
        if (listen(fd, SOMAXCONN) < 0)
                return error_set_errno(reterr, -errno, "listen on %s", listener->path);
        listener->fd = take_fd(fd);
        return 0;
}

static char *path_of(int fd)
{
        struct sockaddr_un address = { 0 };
        socklen_t len = sizeof address - 1;

        if (getsockname(fd, (struct sockaddr *) &address, &len) < 0)
                return NULL;
        return strdup(address.sun_path);
}

/* Ours among the sockets that systemd passed; it names those of a varlink service "varlink". */
static void adopt(struct control *control, int fd, const char *name)
{
        bool varlink = strcmp(name, "varlink") == 0;

        if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0)
                return;
        cleanup_free_ char *path = path_of(fd);
        const char *own = path && strrchr(path, '/') ? strrchr(path, '/') + 1 : "";
        bool observe = strcmp(varlink ? own : name, CONTROL_SOCKET_OBSERVE) == 0;
        struct listener *listener = &control->listeners[observe ? CONTROL_OBSERVE : CONTROL_ADMIN];

        if ((!varlink && !observe && strcmp(name, CONTROL_SOCKET_ADMIN) != 0) || listener->fd >= 0)
                return;
        (void) fcntl(fd, F_SETFL, O_NONBLOCK);
        listener->fd = fd;
        listener->path = take_ptr(path);
}

static int adopt_passed(struct control *control, struct error *reterr)
{
        char **names = NULL;
        int n = sd_listen_fds_with_names(0, &names);

        if (n < 0)
                return error_set_errno(reterr, n, "take the sockets that systemd passed");
        for (int i = 0; i < n; i++) {
                adopt(control, SD_LISTEN_FDS_START + i, names[i]);
                free(names[i]);
        }
        free(names);
        return 0;
}

/* ---- The object ----------------------------------------------------------------------------- */

static int open_listeners(struct control *control, const struct control_listen *listen_on,
                          struct error *reterr)
{
        int r = adopt_passed(control, reterr);

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(control->listeners); i++) {
                struct listener *listener = &control->listeners[i];

                if (listener->fd < 0)
                        r = make_socket(listener, listen_on, reterr);
                if (r < 0)
                        break;
                r = sd_event_add_io(control->loop, &listener->io, listener->fd, EPOLLIN,
                                    on_connect, listener);
                if (r < 0)
                        return error_set_errno(reterr, r, "watch %s", listener->path);
        }
        control->paths[0] = control->listeners[CONTROL_ADMIN].path;
        control->paths[1] = control->listeners[CONTROL_OBSERVE].path;
        return r < 0 ? r : 0;
}

int control_new(sd_event *loop, const struct control_listen *listen_on,
                const struct control_services *services, struct control **ret,
                struct error *reterr)
{
        cleanup_(control_free_cleanup) struct control *control = calloc(1, sizeof *control);
        int r;

        if (!control)
                return error_oom(reterr);
        control->loop = loop;
        control->services_copy = *services;
        control->services = &control->services_copy;
        control->started_wall_usec = clock_wall_usec();
        control->started_usec = clock_monotonic_usec();
        for (size_t i = 0; i < ELEMENTSOF(control->listeners); i++)
                control->listeners[i] = (struct listener){
                        .control = control, .role = (enum control_role) i, .fd = -1,
                };
        r = mailbox_new(loop, &control->mailbox, reterr);
        if (r < 0)
                return r;
        r = open_listeners(control, listen_on, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(control);
        return 0;
}

struct control *control_free(struct control *control)
{
        if (!control)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(control->listeners); i++) {
                struct listener *listener = &control->listeners[i];

                (void) sd_event_source_disable_unref(listener->io);
                if (listener->fd >= 0)
                        (void) close(listener->fd);
                if (listener->ours)
                        (void) unlink(listener->path);
        }
        (void) sd_event_source_disable_unref(control->pause);

        /* First no thread runs a step, then the mailbox hands over what they left. */
        control->stopping = true;
        connections_cancel(control);
        (void) mailbox_free(control->mailbox);
        connections_free(control);
        for (size_t i = 0; i < ELEMENTSOF(control->listeners); i++)
                free(control->listeners[i].path);
        free(control);
        return NULL;
}

const char *const *control_paths(const struct control *control)
{
        return control->paths;
}

void control_get_figures(const struct control *control, struct control_figures *ret)
{
        ret->calls = control->calls;
        ret->denied = control->denied;
        ret->malformed = control->malformed;
        ret->connections = control->open;
}
