/* SPDX-License-Identifier: Apache-2.0 */
/* The door with its listeners: what libmicrohttpd calls, and what it is told. */
#pragma once
#include "http/door.h"
#include "http/guard.h"
#include "http/listen.h"

#include <microhttpd.h>
#include <pthread.h>

struct http;

/* One listening address with the MHD daemon that serves it. */
struct listener {
        struct http *http;
        struct listening socket;
        struct MHD_Daemon *daemon;
        bool metrics_only;
};

struct http {
        struct door door;
        struct guard *guard;
        struct listener *listeners;
        size_t n_listeners;
        const char **addresses;
        char *tls_cert, *tls_key; /* PEM texts, or NULL */
        pthread_mutex_t log_lock;
        char last_message[ERROR_MESSAGE_MAX]; /* of the library, for errors at start */
};

/* exchange.c: the callbacks. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_continue(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context);
void exchange_end(void *cls, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode why);
void exchange_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what);
enum MHD_Result exchange_accept(void *cls, const struct sockaddr *address, socklen_t len);
