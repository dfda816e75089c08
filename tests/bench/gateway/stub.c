/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "stub.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8192
#define REQUEST_MAX 16384
#define EVENTS 256

struct connection {
        uint32_t left;     /* pieces of its stream; 0: it does not stream */
        uint64_t due_usec; /* of the next one */
        size_t len;
        char request[REQUEST_MAX + 1];
};

static struct connection *connections[CONNECTIONS_MAX]; /* by descriptor; of the stub's process */

static const char whole[] =
        "{\"model\":\"stub\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":"
        "{\"role\":\"assistant\",\"content\":\"All is well.\"}}],\"usage\":{\"prompt_tokens\":9,"
        "\"completion_tokens\":4}}";
static const char piece[] =
        "data: {\"model\":\"stub\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word \"}}]}\n\n";
static const char last[] =
        "data: {\"model\":\"stub\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":"
        "\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

static void send_chunk(int fd, const char *text, const char *end)
{
        char chunk[512];
        int len = snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n%s", strlen(text), text, end);

        (void) !send(fd, chunk, (size_t) len, MSG_NOSIGNAL);
}

static void answer(int fd, struct connection *connection, uint32_t pieces, uint64_t gap_usec,
                   size_t head)
{
        static const char streaming[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n";
        char text[1024];
        int len;

        if (strstr(connection->request + head, "\"stream\":true")) {
                connection->left = pieces;
                connection->due_usec = clock_monotonic_usec() + gap_usec;
                (void) !send(fd, streaming, strlen(streaming), MSG_NOSIGNAL);
                return;
        }
        len = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\n\r\n%s", strlen(whole), whole);
        (void) !send(fd, text, (size_t) len, MSG_NOSIGNAL);
}

static void drop(int fd)
{
        free(connections[fd]);
        connections[fd] = NULL;
        (void) close(fd);
}

static void on_readable(int fd, uint32_t pieces, uint64_t gap_usec)
{
        struct connection *connection = connections[fd];
        ssize_t n = recv(fd, connection->request + connection->len, REQUEST_MAX - connection->len, 0);
        const char *end, *length;
        size_t head, body = 0;

        if (n <= 0) {
                drop(fd);
                return;
        }
        connection->len += (size_t) n;
        connection->request[connection->len] = '\0';
        end = strstr(connection->request, "\r\n\r\n");
        if (!end)
                return;
        head = (size_t) (end - connection->request) + 4;
        length = strcasestr(connection->request, "\r\nContent-Length:");
        if (length)
                body = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
        if (connection->len < head + body)
                return;
        answer(fd, connection, pieces, gap_usec, head);
        connection->len = 0;
}

/* Pieces that are due; when the next one is. */
static uint64_t tick(uint64_t gap_usec)
{
        uint64_t now = clock_monotonic_usec(), next = UINT64_MAX;

        for (int fd = 0; fd < CONNECTIONS_MAX; fd++) {
                struct connection *connection = connections[fd];

                if (!connection || connection->left == 0)
                        continue;
                if (connection->due_usec <= now) {
                        connection->due_usec += gap_usec;
                        if (--connection->left == 0)
                                send_chunk(fd, last, "0\r\n\r\n");
                        else
                                send_chunk(fd, piece, "");
                }
                if (connection->left > 0 && connection->due_usec < next)
                        next = connection->due_usec;
        }
        return next;
}

static _Noreturn void serve(int listener, uint32_t pieces, uint64_t gap_usec)
{
        struct epoll_event events[EVENTS], event = { .events = EPOLLIN, .data.fd = listener };
        int epoll = epoll_create1(0);

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
        for (;;) {
                uint64_t next = tick(gap_usec), now = clock_monotonic_usec();
                int timeout = next == UINT64_MAX ? -1 : next <= now ? 0
                              : (int) ((next - now) / 1000) + 1;
                int n = epoll_wait(epoll, events, EVENTS, timeout);

                for (int i = 0; i < n; i++) {
                        int fd = events[i].data.fd;

                        if (fd != listener) {
                                on_readable(fd, pieces, gap_usec);
                                continue;
                        }
                        fd = accept(listener, NULL, NULL);
                        if (fd < 0 || fd >= CONNECTIONS_MAX) {
                                (void) close(fd);
                                continue;
                        }
                        connections[fd] = calloc(1, sizeof *connections[fd]);
                        event.data.fd = fd;
                        (void) epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                }
        }
}

int stub_start(uint32_t pieces, uint64_t gap_usec, struct stub *ret)
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        if (listener < 0 || bind(listener, (struct sockaddr *) &address, len) < 0 ||
            listen(listener, 4096) < 0 ||
            getsockname(listener, (struct sockaddr *) &address, &len) < 0)
                return -errno;
        pid = fork();
        if (pid == 0)
                serve(listener, pieces, gap_usec);
        (void) close(listener);
        if (pid < 0)
                return -errno;
        *ret = (struct stub){ .pid = pid, .port = ntohs(address.sin_port) };
        return 0;
}

void stub_stop(struct stub *stub)
{
        (void) kill(stub->pid, SIGKILL);
        (void) waitpid(stub->pid, NULL, 0);
}
