/* SPDX-License-Identifier: Apache-2.0 */
/* The door with its listeners: what libmicrohttpd calls, and what it is told. */
#pragma once
#include "http/accept.h"
#include "http/door.h"
#include "http/guard.h"
#include "http/pool.h"

#include <microhttpd.h>
#include <pthread.h>

struct config;
struct server_config;

/* How long a client may rest between requests: well beyond the pause of a pooled connection. */
#define IDLE_USEC (60 * USEC_PER_SEC)

/* Where the door listens, as it was at one time: never changed, kept until http_free(). */
struct address_list {
        struct address_list *older;
        size_t n;
        const char *items[]; /* heap; ends with NULL */
};

struct rebind;

struct http {
        struct door door;
        struct guard *guard;
        struct acceptor *acceptor;
        _Atomic(struct address_list *) addresses;
        uint32_t threads; /* of each pool; a switch does not change it */
        pthread_mutex_t log_lock;
        char last_message[ERROR_MESSAGE_MAX]; /* of the library, for errors at start */
};

/* rebind.c: everything that `server` asks for, beside what listens already.  -EPERM: in production
 * other machines would reach a socket without keys and TLS. */
int rebind_prepare(struct http *http, const struct config *config, struct rebind **ret,
                   struct error *reterr);
void rebind_commit(struct rebind *rebind, const struct server_config *server);
void rebind_abort(struct rebind *rebind);
void rebind_retire(struct rebind *rebind);
struct address_list *address_list_free(struct address_list *newest);

/* exchange.c: the callbacks; cls is the pool. */
void *exchange_begin(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result exchange_continue(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **context);
void exchange_end(void *cls, struct MHD_Connection *connection, void **context,
                  enum MHD_RequestTerminationCode why);
void exchange_connection(void *cls, struct MHD_Connection *connection, void **socket_context,
                         enum MHD_ConnectionNotificationCode what);
