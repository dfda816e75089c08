/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/lib/tiny_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define REQUEST_MAX     (1U << 20)

struct connection {
        struct tiny_server *server;
        pthread_t thread;
        int fd;
        void *session;
};

struct tiny_server {
        int fd;
        uint16_t port;
        const struct tiny_step *steps;
        const struct tiny_transport *transport;
        pthread_t thread;
        atomic_bool stop;
        pthread_mutex_t lock; /* what follows */
        struct connection connections[CONNECTIONS_MAX];
        unsigned n_connections, n_requests;
        char *last;
};

static ssize_t plain_read(struct connection *connection, char *bytes, size_t size)
{
        const struct tiny_transport *transport = connection->server->transport;

        return transport ? transport->read(connection->session, bytes, size)
                         : recv(connection->fd, bytes, size, 0);
}

static bool send_all(struct connection *connection, const char *bytes, size_t len)
{
        const struct tiny_transport *transport = connection->server->transport;

        while (len > 0) {
                ssize_t n = transport ? transport->write(connection->session, bytes, len)
                                      : send(connection->fd, bytes, len, MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                bytes += n;
                len -= (size_t) n;
        }
        return true;
}

/* A head and, where it says Content-Length, a body. */
static bool read_request(struct connection *connection)
{
        struct tiny_server *server = connection->server;
        char *text = calloc(1, REQUEST_MAX + 1), *body, *length;
        size_t len = 0, want = SIZE_MAX;

        while (len < want && len < REQUEST_MAX) {
                ssize_t n = plain_read(connection, text + len, REQUEST_MAX - len);

                if (n <= 0)
                        break;
                len += (size_t) n;
                body = strstr(text, "\r\n\r\n");
                if (!body || want != SIZE_MAX)
                        continue;
                length = strcasestr(text, "\r\ncontent-length:");
                want = (size_t) (body + 4 - text) +
                       (length && length < body ? strtoul(length + 17, NULL, 10) : 0);
        }
        if (len < want) {
                free(text);
                return false;
        }
        (void) pthread_mutex_lock(&server->lock);
        free(server->last);
        server->last = text;
        server->n_requests++;
        (void) pthread_mutex_unlock(&server->lock);
        return true;
}

static void wait_msec(struct tiny_server *server, unsigned msec)
{
        for (unsigned waited = 0; waited < msec && !atomic_load(&server->stop); waited += 5)
                (void) usleep(5000);
}

/* False: the connection is over. */
static bool play(struct connection *connection, const struct tiny_step *step)
{
        static const struct linger at_once = { 1, 0 };

        for (; step->action != TINY_END && !atomic_load(&connection->server->stop); step++) {
                switch (step->action) {
                case TINY_SEND:
                        if (!send_all(connection, step->text, strlen(step->text)))
                                return false;
                        break;
                case TINY_REPEAT:
                        for (unsigned i = 0; i < step->n; i++)
                                if (!send_all(connection, step->text, strlen(step->text)))
                                        return false;
                        break;
                case TINY_WAIT:
                        wait_msec(connection->server, step->n);
                        break;
                case TINY_SHUT:
                        (void) shutdown(connection->fd, SHUT_WR);
                        break;
                case TINY_RESET:
                        (void) setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once,
                                          sizeof at_once);
                        return false;
                default:
                        return false;
                }
        }
        return true;
}

static void *serve(void *data)
{
        struct connection *connection = data;
        struct tiny_server *server = connection->server;
        bool open = true;

        if (server->transport) {
                connection->session = server->transport->open(connection->fd);
                open = connection->session != NULL;
        }
        while (open && read_request(connection))
                open = play(connection, server->steps);
        if (connection->session)
                server->transport->close(connection->session);
        (void) pthread_mutex_lock(&server->lock);
        (void) close(connection->fd);
        connection->fd = -1;
        (void) pthread_mutex_unlock(&server->lock);
        return NULL;
}

static void *accept_all(void *data)
{
        struct tiny_server *server = data;
        int fd;

        while ((fd = accept(server->fd, NULL, NULL)) >= 0) {
                struct connection *connection;

                (void) pthread_mutex_lock(&server->lock);
                if (atomic_load(&server->stop) || server->n_connections == CONNECTIONS_MAX) {
                        (void) pthread_mutex_unlock(&server->lock);
                        (void) close(fd);
                        continue;
                }
                connection = &server->connections[server->n_connections++];
                connection->server = server;
                connection->fd = fd;
                if (pthread_create(&connection->thread, NULL, serve, connection) != 0)
                        abort();
                (void) pthread_mutex_unlock(&server->lock);
        }
        return NULL;
}

static int listen_somewhere(uint16_t *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, len) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &len) < 0)
                abort();
        *ret_port = ntohs(address.sin_port);
        return fd;
}

struct tiny_server *tiny_server_start(const struct tiny_step *steps,
                                      const struct tiny_transport *transport)
{
        struct tiny_server *server = calloc(1, sizeof *server);

        (void) signal(SIGPIPE, SIG_IGN); /* GnuTLS writes without MSG_NOSIGNAL; ragd ignores it, too */
        server->steps = steps;
        server->transport = transport;
        (void) pthread_mutex_init(&server->lock, NULL);
        server->fd = listen_somewhere(&server->port);
        if (listen(server->fd, CONNECTIONS_MAX) < 0 ||
            pthread_create(&server->thread, NULL, accept_all, server) != 0)
                abort();
        return server;
}

void tiny_server_stop(struct tiny_server *server)
{
        atomic_store(&server->stop, true);
        (void) shutdown(server->fd, SHUT_RDWR);
        (void) pthread_join(server->thread, NULL);
        (void) close(server->fd);
        (void) pthread_mutex_lock(&server->lock);
        for (unsigned i = 0; i < server->n_connections; i++)
                if (server->connections[i].fd >= 0)
                        (void) shutdown(server->connections[i].fd, SHUT_RDWR);
        (void) pthread_mutex_unlock(&server->lock);
        for (unsigned i = 0; i < server->n_connections; i++)
                (void) pthread_join(server->connections[i].thread, NULL);
        (void) pthread_mutex_destroy(&server->lock);
        free(server->last);
        free(server);
}

uint16_t tiny_server_port(const struct tiny_server *server)
{
        return server->port;
}

unsigned tiny_server_connections(struct tiny_server *server)
{
        unsigned n;

        (void) pthread_mutex_lock(&server->lock);
        n = server->n_connections;
        (void) pthread_mutex_unlock(&server->lock);
        return n;
}

unsigned tiny_server_requests(struct tiny_server *server)
{
        unsigned n;

        (void) pthread_mutex_lock(&server->lock);
        n = server->n_requests;
        (void) pthread_mutex_unlock(&server->lock);
        return n;
}

char *tiny_server_last_request(struct tiny_server *server)
{
        char *text;

        (void) pthread_mutex_lock(&server->lock);
        text = server->last ? strdup(server->last) : NULL;
        (void) pthread_mutex_unlock(&server->lock);
        return text;
}

uint16_t tiny_server_unused_port(void)
{
        uint16_t port;

        (void) close(listen_somewhere(&port));
        return port;
}
