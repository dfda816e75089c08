/* SPDX-License-Identifier: Apache-2.0 */
/* A server on 127.0.0.1 that answers each request by a script, whatever was asked: in pieces, late,
 * cut, or never.  A thread for each connection. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum tiny_action {
        TINY_END,    /* the answer is over; the connection stays for the next request */
        TINY_SEND,   /* `text` */
        TINY_REPEAT, /* `text`, `n` times or until the client is gone */
        TINY_WAIT,   /* `n` milliseconds */
        TINY_SHUT,   /* no more will be sent; the connection stays open */
        TINY_CLOSE,
        TINY_RESET,
};

struct tiny_step {
        enum tiny_action action;
        const char *text;
        unsigned n;
};

/* How bytes go over a connection; NULL: as they are. */
struct tiny_transport {
        void *(*open)(int fd); /* NULL: the connection is given up */
        ssize_t (*read)(void *session, char *bytes, size_t size);
        ssize_t (*write)(void *session, const char *bytes, size_t len);
        void (*close)(void *session);
};

struct tiny_server;

/* The steps are borrowed. */
struct tiny_server *tiny_server_start(const struct tiny_step *steps,
                                      const struct tiny_transport *transport);
void tiny_server_stop(struct tiny_server *server);
uint16_t tiny_server_port(const struct tiny_server *server);
/* What came so far; the text of the last whole request, heap. */
unsigned tiny_server_connections(struct tiny_server *server);
unsigned tiny_server_requests(struct tiny_server *server);
char *tiny_server_last_request(struct tiny_server *server);

/* A port on which nobody listens. */
uint16_t tiny_server_unused_port(void);
