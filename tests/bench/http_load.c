/* SPDX-License-Identifier: Apache-2.0 */
/* A load generator for one keep-alive endpoint: `connections` sockets on one thread, each with
 * one request in flight, for `seconds`; prints one JSON line of rates and latencies.
 *
 *     http_load HOST PORT METHOD PATH CONNECTIONS SECONDS [BODIES [HEADER]]
 *
 * BODIES holds one request body per line, sent in turn ("-": none); HEADER is one more line of
 * each head.  Only 127.0.0.1 and ::1 are accepted:
 * this measures a server on this machine. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES_MAX 4000000
#define REPLY_MAX (1U << 20)

struct connection {
        int fd;
        uint64_t sent_nsec;
        size_t have;
        char *reply;
};

struct load {
        struct sockaddr_in address;
        int epoll;
        char **requests;
        size_t *lengths;
        size_t n_requests, next;
        uint32_t *samples_nsec;
        size_t n_samples;
        uint64_t failures;
};

static uint64_t now_nsec(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000000000U + (uint64_t) ts.tv_nsec;
}

static void dial(struct load *load, struct connection *c)
{
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        int one = 1;
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        if (fd < 0 || connect(fd, (struct sockaddr *) &load->address, sizeof load->address) < 0 ||
            epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
                perror("connect");
                exit(1);
        }
        (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
}

static void send_next(struct load *load, struct connection *c)
{
        size_t at = load->next++ % load->n_requests;
        size_t sent = 0;

        c->have = 0;
        c->sent_nsec = now_nsec();
        while (sent < load->lengths[at]) {
                ssize_t n = send(c->fd, load->requests[at] + sent, load->lengths[at] - sent,
                                 MSG_NOSIGNAL);

                if (n <= 0) {
                        load->failures++;
                        (void) close(c->fd);
                        dial(load, c);
                        sent = 0;
                        continue;
                }
                sent += (size_t) n;
        }
}

/* True once head and body of the reply are there. */
static bool reply_complete(struct connection *c, bool *ret_ok)
{
        char *end, *length;

        c->reply[c->have] = '\0';
        end = strstr(c->reply, "\r\n\r\n");
        if (!end)
                return false;
        *end = '\0';
        length = strcasestr(c->reply, "\r\ncontent-length:");
        *end = '\r';
        *ret_ok = strncmp(c->reply, "HTTP/1.1 2", 10) == 0;
        return !length || c->have - (size_t) (end + 4 - c->reply) >= strtoul(length + 17, NULL, 10);
}

static void receive(struct load *load, struct connection *c)
{
        ssize_t n = recv(c->fd, c->reply + c->have, REPLY_MAX - 1 - c->have, 0);
        bool ok = false;

        if (n <= 0) {
                load->failures++;
                (void) close(c->fd);
                dial(load, c);
                send_next(load, c);
                return;
        }
        c->have += (size_t) n;
        if (!reply_complete(c, &ok))
                return;
        if (!ok)
                load->failures++;
        if (load->n_samples < SAMPLES_MAX)
                load->samples_nsec[load->n_samples++] = (uint32_t) (now_nsec() - c->sent_nsec);
        send_next(load, c);
}

static void read_bodies(struct load *load, const char *method, const char *path, const char *file,
                        const char *header)
{
        char *line = NULL;
        size_t size = 0;
        FILE *in = file ? fopen(file, "re") : NULL;

        do {
                ssize_t n = in ? getline(&line, &size, in) : 0;
                char *request;
                int len;

                if (n < 0)
                        break;
                while (n > 0 && line[n - 1] == '\n')
                        line[--n] = '\0';
                len = asprintf(&request,
                               "%s %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
                               "Content-Length: %zd\r\n%s%s\r\n%s",
                               method, path, n, header ? header : "", header ? "\r\n" : "",
                               line ? line : "");
                load->requests = realloc(load->requests, (load->n_requests + 1) * sizeof(char *));
                load->lengths = realloc(load->lengths, (load->n_requests + 1) * sizeof(size_t));
                if (len < 0 || !load->requests || !load->lengths)
                        exit(1);
                load->requests[load->n_requests] = request;
                load->lengths[load->n_requests++] = (size_t) len;
        } while (in);
        free(line);
        if (in)
                (void) fclose(in);
}

static int ascending(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

static double quantile_usec(const struct load *load, double q)
{
        if (load->n_samples == 0)
                return 0;
        return (double) load->samples_nsec[(size_t) (q * (double) (load->n_samples - 1))] / 1000.0;
}

int main(int argc, char *argv[])
{
        struct load load = { .address.sin_family = AF_INET, .epoll = epoll_create1(EPOLL_CLOEXEC) };
        struct epoll_event events[64];
        struct connection *connections;
        uint64_t begin, end;
        int n_connections;

        if (argc < 7) {
                (void) fputs("usage: http_load HOST PORT METHOD PATH CONNECTIONS SECONDS [BODIES "
                             "[HEADER]]\n",
                             stderr);
                return 2;
        }
        if (inet_pton(AF_INET, argv[1], &load.address.sin_addr) != 1 ||
            (ntohl(load.address.sin_addr.s_addr) >> 24U) != 127) {
                (void) fputs("http_load: only addresses of 127.0.0.0/8\n", stderr);
                return 2;
        }
        load.address.sin_port = htons((uint16_t) atoi(argv[2]));
        n_connections = atoi(argv[5]);
        read_bodies(&load, argv[3], argv[4],
                    argc > 7 && strcmp(argv[7], "-") != 0 ? argv[7] : NULL,
                    argc > 8 ? argv[8] : NULL);
        load.samples_nsec = malloc(SAMPLES_MAX * sizeof(uint32_t));
        connections = calloc((size_t) n_connections, sizeof *connections);
        if (!load.samples_nsec || !connections || load.n_requests == 0)
                return 1;

        begin = now_nsec();
        end = begin + (uint64_t) (atof(argv[6]) * 1e9);
        for (int i = 0; i < n_connections; i++) {
                connections[i].reply = malloc(REPLY_MAX);
                if (!connections[i].reply)
                        return 1;
                dial(&load, &connections[i]);
                send_next(&load, &connections[i]);
        }
        while (now_nsec() < end) {
                int n = epoll_wait(load.epoll, events, 64, 100);

                for (int i = 0; i < n; i++)
                        receive(&load, events[i].data.ptr);
        }
        end = now_nsec();
        qsort(load.samples_nsec, load.n_samples, sizeof(uint32_t), ascending);
        printf("{\"requests\":%zu,\"failures\":%llu,\"per_second\":%.1f,\"p50_usec\":%.1f,"
               "\"p90_usec\":%.1f,\"p99_usec\":%.1f,\"max_usec\":%.1f}\n",
               load.n_samples, (unsigned long long) load.failures,
               (double) load.n_samples / ((double) (end - begin) / 1e9), quantile_usec(&load, 0.5),
               quantile_usec(&load, 0.9), quantile_usec(&load, 0.99), quantile_usec(&load, 1.0));
        return load.failures ? 1 : 0;
}
