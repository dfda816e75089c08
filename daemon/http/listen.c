/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/listen.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#define UNIX_PREFIX "unix:"

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo)

void listening_done(struct listening *listening)
{
        close_cleanup(&listening->fd);
        if (listening->path)
                (void) unlink(listening->path);
        free(listening->path);
        free(listening->address);
}

/* "127.0.0.1:7420", "[::1]:7420", "unix:/path" of a bound socket; NULL: no memory or no name. */
static char *address_of(int fd)
{
        struct sockaddr_storage storage = { 0 };
        struct sockaddr *address = (struct sockaddr *) &storage;
        char host[NI_MAXHOST], port[NI_MAXSERV], *text = NULL;
        socklen_t len = sizeof storage;

        if (getsockname(fd, address, &len) < 0)
                return NULL;
        if (storage.ss_family == AF_UNIX) {
                const struct sockaddr_un *un = (const struct sockaddr_un *) (const void *) &storage;

                return asprintf(&text, UNIX_PREFIX "%s", un->sun_path) < 0 ? NULL : text;
        }
        if (getnameinfo(address, len, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV) != 0)
                return NULL;
        return asprintf(&text, storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port) < 0
                       ? NULL
                       : text;
}

bool listen_is_exposed(int fd)
{
        struct sockaddr_storage storage = { 0 };
        const struct sockaddr_in *in = (const void *) &storage;
        const struct sockaddr_in6 *in6 = (const void *) &storage;
        socklen_t len = sizeof storage;

        if (getsockname(fd, (struct sockaddr *) &storage, &len) < 0)
                return true;
        if (storage.ss_family == AF_INET)
                return ntohl(in->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET;
        if (storage.ss_family == AF_INET6)
                return !IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) &&
                       !(IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) &&
                         in6->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
        return storage.ss_family != AF_UNIX;
}

/* Takes the descriptor, also when it fails. */
static int append(int fd, const char *path, struct listening **sockets, size_t *n,
                  struct error *reterr)
{
        struct listening one = { .fd = fd, .address = address_of(fd) };
        struct listening *more = realloc(*sockets, (*n + 1) * sizeof one);

        if (more)
                *sockets = more;
        if (path)
                one.path = strdup(path);
        if (!more || !one.address || (path && !one.path)) {
                listening_done(&one);
                return error_oom(reterr);
        }
        more[(*n)++] = one;
        return 0;
}

static int open_unix(const char *path, struct listening **sockets, size_t *n, struct error *reterr)
{
        cleanup_close_ int fd = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t len = strlen(path);
        struct stat st;

        if (path[0] != '/' || len >= sizeof address.sun_path)
                return error_set(reterr, -EINVAL,
                                 "listen \"unix:%s\": the path must be absolute and have at most "
                                 "%zu bytes",
                                 path, sizeof address.sun_path - 1);
        memcpy(address.sun_path, path, len + 1);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "socket");
        if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
                /* Somebody listens, or a socket was left behind by one who was killed. */
                if (connect(fd, (struct sockaddr *) &address, sizeof address) == 0)
                        return error_set(reterr, -EADDRINUSE, "listen \"unix:%s\": in use", path);
                (void) unlink(path);
        }
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0 ||
            chmod(path, 0660) < 0 || listen(fd, SOMAXCONN) < 0)
                return error_set_errno(reterr, -errno, "listen \"unix:%s\"", path);
        return append(take_fd(fd), path, sockets, n, reterr);
}

static int bind_to(const struct addrinfo *info)
{
        const int one = 1;
        cleanup_close_ int fd =
                socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (info->ai_family == AF_INET6)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return take_fd(fd);
}

/* Checked here, because getaddrinfo() takes the lower 16 bits of any number. */
static bool is_port(const char *text)
{
        size_t len = strlen(text);

        return len >= 1 && len <= 5 && strspn(text, "0123456789") == len && atoi(text) <= 65535;
}

static int open_tcp(const char *address, struct listening **sockets, size_t *n,
                    struct error *reterr)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                        .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
        cleanup_(freeaddrinfo_cleanup) struct addrinfo *info = NULL;
        const char *colon = strrchr(address, ':'), *name = address;
        char host[256];
        size_t len = colon ? (size_t) (colon - address) : 0;
        int r;

        if (len >= 2 && name[0] == '[' && name[len - 1] == ']') {
                name++;
                len -= 2;
        } else if (memchr(name, ':', len)) {
                len = 0; /* an IPv6 address without its brackets */
        }
        if (len == 0 || len >= sizeof host || !is_port(colon + 1))
                return error_set(reterr, -EINVAL,
                                 "listen \"%s\": neither host:port, [IPv6]:port, unix:/path nor "
                                 "systemd",
                                 address);
        memcpy(host, name, len);
        host[len] = '\0';
        r = getaddrinfo(host, colon + 1, &hints, &info);
        if (r != 0)
                return error_set(reterr, -EINVAL, "listen \"%s\": %s", address, gai_strerror(r));
        r = bind_to(info);
        if (r < 0)
                return error_set_errno(reterr, r, "listen \"%s\"", address);
        return append(r, NULL, sockets, n, reterr);
}

/* A duplicate: the socket itself stays open for a later change that asks for it again. */
static int take_passed(int fd, const char *name, struct listening **sockets, size_t *n,
                       struct error *reterr)
{
        int own;

        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
                return error_set(reterr, -EINVAL,
                                 "the socket passed under the name \"%s\" does not listen for "
                                 "streams",
                                 name);
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (own < 0 || fcntl(own, F_SETFL, O_NONBLOCK) < 0) {
                int code = -errno;

                close_cleanup(&own);
                return error_set_errno(reterr, code, "socket \"%s\"", name);
        }
        return append(own, NULL, sockets, n, reterr);
}

static int open_passed(const char *name, struct listening **sockets, size_t *n,
                       struct error *reterr)
{
        char **names = NULL;
        int count = sd_listen_fds_with_names(0, &names), found = 0, r = 0;

        if (count < 0)
                return error_set_errno(reterr, count, "sockets passed by systemd");
        for (int i = 0; i < count; i++) {
                int fd = SD_LISTEN_FDS_START + i;

                if (r == 0 && strcmp(names[i], name) == 0) {
                        found++;
                        r = take_passed(fd, name, sockets, n, reterr);
                }
                free(names[i]);
        }
        free(names);
        if (r == 0 && found == 0)
                return error_set(reterr, -ENOENT,
                                 "listen \"systemd\": systemd passed no socket under the name "
                                 "\"%s\" (FileDescriptorName=)",
                                 name);
        return r;
}

int listen_open(const char *address, const char *systemd_name, struct listening **sockets,
                size_t *n, struct error *reterr)
{
        if (strcmp(address, "systemd") == 0)
                return open_passed(systemd_name, sockets, n, reterr);
        if (strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
                return open_unix(address + strlen(UNIX_PREFIX), sockets, n, reterr);
        return open_tcp(address, sockets, n, reterr);
}
