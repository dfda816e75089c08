/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the addresses of a profile can be listened on, without listening there. */
#include "release/live_inside.h"

#include "base/cleanup.h"
#include "config/listen.h"
#include "release/snapshot.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

DEFINE_CLEANUP(struct addrinfo *, freeaddrinfo)

struct listening_key {
        struct live *live;
        const char *key, *text;
};

/* Whether the running release holds such an address: what we have ourselves is not in our way. */
static bool runs(const struct live *live, enum listen_kind kind, uint16_t port, const char *path)
{
        const struct server_config *server =
                live->settings->running ? &live->settings->running->config->server : NULL;
        size_t n = server ? server->listen.count : 0;

        for (size_t i = 0; server && i <= n; i++) {
                const char *text = i < n ? server->listen.items[i] : server->metrics_listen;
                struct listen_address address;

                if (!text || listen_parse(text, &address) < 0 || address.kind != kind)
                        continue;
                if (kind == LISTEN_SYSTEMD || (kind == LISTEN_TCP && address.port == port) ||
                    (kind == LISTEN_UNIX && strcmp(address.path, path) == 0))
                        return true;
        }
        return false;
}

static void report(const struct listening_key *at, int code, const char *hint)
{
        live_report(at->live, CONFIG_ERROR, "E_LISTEN", at->key, "\"%s\": %s", at->text,
                    strerror(-code));
        live_hint(at->live, "%s", hint);
}

/* Bound and closed: nobody can connect in between. */
static int try_bind(const struct sockaddr *address, socklen_t len)
{
        const int one = 1;
        cleanup_close_ int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (address->sa_family == AF_INET6)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        return bind(fd, address, len) < 0 ? -errno : 0;
}

static int bind_host(const char *host, const char *port, const char **ret_gai)
{
        const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                        .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
        cleanup_(freeaddrinfo_cleanup) struct addrinfo *info = NULL;
        int r = getaddrinfo(host, port, &hints, &info);

        *ret_gai = r ? gai_strerror(r) : NULL;
        return r ? -EINVAL : try_bind(info->ai_addr, info->ai_addrlen);
}

static void try_tcp(const struct listening_key *at, const struct listen_address *address)
{
        const char *gai = NULL;
        char port[8];
        int r = bind_host(address->host, "0", &gai);

        if (gai) {
                live_report(at->live, CONFIG_ERROR, "E_LISTEN", at->key, "\"%s\": %s", at->text,
                            gai);
                live_hint(at->live, "write a numeric address of this machine");
                return;
        }
        if (r < 0) {
                report(at, r, "the address must be one of this machine: see ip address");
                return;
        }
        if (address->port == 0 || runs(at->live, LISTEN_TCP, address->port, NULL))
                return;
        (void) snprintf(port, sizeof port, "%u", address->port);
        r = bind_host(address->host, port, &gai);
        if (r == -EADDRINUSE)
                report(at, r, "another program listens there: see ss -ltnp");
        else if (r == -EACCES)
                report(at, r, "a port below 1024 needs CAP_NET_BIND_SERVICE, or a socket unit and "
                              "\"systemd\"");
        else if (r < 0)
                report(at, r, "choose another port");
}

static void try_unix(const struct listening_key *at, const struct listen_address *address)
{
        struct sockaddr_un trial = { .sun_family = AF_UNIX };
        struct stat st;
        int r;

        if (lstat(address->path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
                report(at, -EEXIST, "something that is no socket has this name: remove it");
                return;
        }
        if (runs(at->live, LISTEN_UNIX, 0, address->path))
                return;
        if (snprintf(trial.sun_path, sizeof trial.sun_path, "%s.try", address->path) >=
            (int) sizeof trial.sun_path) {
                report(at, -ENAMETOOLONG, "use a shorter path");
                return;
        }
        (void) unlink(trial.sun_path); /* of a try that was killed */
        r = try_bind((const struct sockaddr *) &trial, sizeof trial);
        if (r == 0)
                (void) unlink(trial.sun_path);
        else
                report(at, r, "its folder must be there and writable for the daemon's user");
}

static void try_systemd(const struct listening_key *at)
{
        if (runs(at->live, LISTEN_SYSTEMD, 0, NULL) || sd_listen_fds(0) > 0)
                return;
        live_report(at->live, CONFIG_ERROR, "E_LISTEN", at->key,
                    "\"systemd\": the service manager passed no socket");
        live_hint(at->live, "enable the socket unit and restart the service");
}

static void try_address(struct live *live, const char *key, const char *text)
{
        const struct listening_key at = { live, key, text };
        struct listen_address address;

        if (listen_parse(text, &address) < 0)
                return; /* refused when the profile was read */
        if (address.kind == LISTEN_TCP)
                try_tcp(&at, &address);
        else if (address.kind == LISTEN_UNIX)
                try_unix(&at, &address);
        else
                try_systemd(&at);
}

void live_listen(struct live *live)
{
        const struct server_config *server = &live->config->server;

        for (size_t i = 0; i < server->listen.count; i++)
                try_address(live, "rag.server.listen", server->listen.items[i]);
        if (server->metrics_listen)
                try_address(live, "rag.server.metrics_listen", server->metrics_listen);
}
