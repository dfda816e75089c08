/* SPDX-License-Identifier: Apache-2.0 */
/* From what listens to what a configuration asks for: everything that may fail first, then the
 * change, then what is no more. */
#include "config.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "config/values.h"
#include "http/server.h"
#include "release/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TLS_FILE_MAX_BYTES ((size_t) 256 * 1024)

/* A listener that stays with another certificate, or without one. */
struct renewal {
        struct listener *listener;
        struct pool *pool;   /* the new one; after the commit the former one */
};

struct rebind {
        struct http *http;
        char *tls_cert, *tls_key; /* PEM texts, or NULL */
        struct listener **added, **kept, **removed; /* heap */
        size_t n_added, n_kept, n_removed;
        struct renewal *renewals; /* heap, as many as are kept */
        size_t n_renewals;
        struct address_list *addresses;
};

/* ---- What is asked for --------------------------------------------------------------------- */

static int read_pem(const char *key, const char *path, char **ret, struct error *reterr)
{
        size_t len;
        int r = io_read_file(AT_FDCWD, path, TLS_FILE_MAX_BYTES, ret, &len, reterr);

        return r < 0 ? error_prefix(reterr, r, "server.%s", key) : 0;
}

static int read_tls(struct rebind *rebind, const struct server_config *server,
                    struct error *reterr)
{
        int r;

        if (!server->tls_cert && !server->tls_key)
                return 0;
        if (!server->tls_cert || !server->tls_key)
                return error_set(reterr, -EINVAL,
                                 "server.tls_cert and server.tls_key belong together");
        r = read_pem("tls_cert", server->tls_cert, &rebind->tls_cert, reterr);
        return r < 0 ? r : read_pem("tls_key", server->tls_key, &rebind->tls_key, reterr);
}

static bool wants_tls(const struct rebind *rebind, const struct listener *listener)
{
        return rebind->tls_cert && !listener->metrics_only &&
               strncmp(listener->socket.address, "unix:", strlen("unix:")) != 0;
}

static int new_pool(const struct rebind *rebind, const struct server_config *server,
                    const struct listener *listener, struct pool **ret, struct error *reterr)
{
        bool tls = wants_tls(rebind, listener);

        return pool_new(rebind->http, listener->metrics_only, tls ? rebind->tls_cert : NULL,
                        tls ? rebind->tls_key : NULL, listener->socket.address, server->tls_cert,
                        ret, reterr);
}

static int add(struct listener ***list, size_t *n, struct listener *listener)
{
        struct listener **more = realloc(*list, (*n + 1) * sizeof(struct listener *));

        if (!more)
                return -ENOMEM;
        more[(*n)++] = listener;
        *list = more;
        return 0;
}

/* Takes the socket. */
static int add_listener(struct rebind *rebind, const struct server_config *server,
                        const char *configured, bool metrics_only, struct listening *takes_socket,
                        struct error *reterr)
{
        struct listener *listener = calloc(1, sizeof *listener);
        int r;

        if (!listener) {
                listening_done(takes_socket);
                return error_oom(reterr);
        }
        listener->socket = *takes_socket;
        listener->metrics_only = metrics_only;
        listener->configured = strdup(configured);
        r = listener->configured ? new_pool(rebind, server, listener, &listener->pool, reterr)
                                 : error_oom(reterr);
        if (r < 0) {
                (void) listener_free(listener);
                return r;
        }
        r = acceptor_add(rebind->http->acceptor, listener, reterr);
        if (r < 0)
                return r;
        if (add(&rebind->added, &rebind->n_added, listener) < 0) {
                acceptor_remove(rebind->http->acceptor, listener);
                (void) listener_free(listener);
                return error_oom(reterr);
        }
        return 0;
}

static int open_address(struct rebind *rebind, const struct server_config *server,
                        const char *configured, bool metrics_only, struct error *reterr)
{
        cleanup_free_ struct listening *sockets = NULL;
        size_t n = 0;
        int r = listen_open(configured, metrics_only ? "metrics" : "http", &sockets, &n, reterr);

        if (r == -EADDRINUSE && acceptor_listeners(rebind->http->acceptor))
                r = error_prefix(reterr, r, "an address that overlaps with one that goes is a "
                                            "change of its own, after it");
        for (size_t i = 0; i < n; i++) {
                if (r < 0)
                        listening_done(&sockets[i]);
                else
                        r = add_listener(rebind, server, configured, metrics_only, &sockets[i],
                                         reterr);
        }
        return r;
}

/* Those that listen there already are kept; with another pool where the certificate changes. */
static int keep(struct rebind *rebind, const struct server_config *server, const char *configured,
                bool metrics_only, bool *ret_found, struct error *reterr)
{
        struct listener *listener = acceptor_listeners(rebind->http->acceptor);

        *ret_found = false;
        for (; listener; listener = listener->next) {
                bool tls = wants_tls(rebind, listener);
                struct pool *pool = NULL;
                int r = 0;

                if (!listener->open || listener->metrics_only != metrics_only ||
                    strcmp(listener->configured, configured) != 0)
                        continue;
                *ret_found = true;
                if (add(&rebind->kept, &rebind->n_kept, listener) < 0)
                        return error_oom(reterr);
                if (pool_has_tls(listener->pool, tls ? rebind->tls_cert : NULL,
                                 tls ? rebind->tls_key : NULL))
                        continue;
                r = new_pool(rebind, server, listener, &pool, reterr);
                if (r < 0)
                        return r;
                rebind->renewals[rebind->n_renewals++] =
                        (struct renewal){ .listener = listener, .pool = pool };
        }
        return 0;
}

static int want(struct rebind *rebind, const struct server_config *server, const char *configured,
                bool metrics_only, struct error *reterr)
{
        bool found;
        int r = keep(rebind, server, configured, metrics_only, &found, reterr);

        return r < 0 || found ? r
                              : open_address(rebind, server, configured, metrics_only, reterr);
}

/* An address that is written twice is listened on once. */
static bool is_repeated(const struct config_strings *strings, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (strcmp(strings->items[i], strings->items[at]) == 0)
                        return true;
        return false;
}

static bool is_among(struct listener *const *list, size_t n, const struct listener *listener)
{
        for (size_t i = 0; i < n; i++)
                if (list[i] == listener)
                        return true;
        return false;
}

static int find_removed(struct rebind *rebind, struct error *reterr)
{
        struct listener *listener = acceptor_listeners(rebind->http->acceptor);

        for (; listener; listener = listener->next)
                if (!is_among(rebind->kept, rebind->n_kept, listener) &&
                    !is_among(rebind->added, rebind->n_added, listener) &&
                    add(&rebind->removed, &rebind->n_removed, listener) < 0)
                        return error_oom(reterr);
        return 0;
}

/* What the check of a profile says about its addresses, for the sockets as they are: those that the
 * service manager passes, too.  Metrics are apart, as there. */
static int check_exposed(const struct config *config, const struct listener *listener,
                         struct error *reterr)
{
        bool tls = config->server.tls_cert && config->server.tls_key;
        bool keys = config->multi_tenant || config->security.require_keys;

        if (config->stage != STAGE_PRODUCTION || (tls && keys) || listener->metrics_only ||
            !listen_is_exposed(listener->socket.fd))
                return 0;
        return error_set(reterr, -EPERM,
                         "listen \"%s\": other machines can reach %s, in production, without %s: "
                         "set rag.server.tls_cert and tls_key and rag.security.require_keys, or "
                         "bind it to 127.0.0.1",
                         listener->configured, listener->socket.address,
                         tls    ? "keys"
                         : keys ? "TLS"
                                : "TLS and keys");
}

static int check_all_exposed(const struct rebind *rebind, const struct config *config,
                             struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < rebind->n_kept; i++)
                r = check_exposed(config, rebind->kept[i], reterr);
        for (size_t i = 0; r == 0 && i < rebind->n_added; i++)
                r = check_exposed(config, rebind->added[i], reterr);
        return r;
}

/* ---- Where it listens ---------------------------------------------------------------------- */

static int list_addresses(const struct listener *const *listeners, size_t n,
                          const struct server_config *server, struct address_list *list)
{
        /* In the order of the profile, the metrics' last. */
        for (size_t i = 0; i <= server->listen.count; i++) {
                bool metrics_only = i == server->listen.count;
                const char *configured = metrics_only ? server->metrics_listen
                                                      : server->listen.items[i];

                if (!metrics_only && is_repeated(&server->listen, i))
                        continue;
                for (size_t j = 0; configured && j < n; j++) {
                        if (listeners[j]->metrics_only != metrics_only ||
                            strcmp(listeners[j]->configured, configured) != 0)
                                continue;
                        list->items[list->n] = strdup(listeners[j]->socket.address);
                        if (!list->items[list->n++])
                                return -ENOMEM;
                }
        }
        return 0;
}

static int make_addresses(struct rebind *rebind, const struct server_config *server,
                          struct error *reterr)
{
        size_t n = rebind->n_kept + rebind->n_added;
        const struct listener **all = calloc(n + 1, sizeof(struct listener *));
        int r = -ENOMEM;

        rebind->addresses = calloc(1, sizeof *rebind->addresses +
                                              (n + 1) * sizeof rebind->addresses->items[0]);
        if (all && rebind->addresses) {
                for (size_t i = 0; i < n; i++)
                        all[i] = i < rebind->n_kept ? rebind->kept[i]
                                                    : rebind->added[i - rebind->n_kept];
                r = list_addresses(all, n, server, rebind->addresses);
        }
        free(all);
        return r < 0 ? error_oom(reterr) : 0;
}

struct address_list *address_list_free(struct address_list *newest)
{
        while (newest) {
                struct address_list *older = newest->older;

                for (size_t i = 0; i < newest->n; i++)
                        free((char *) newest->items[i]);
                free(newest);
                newest = older;
        }
        return NULL;
}

/* ---- The steps ----------------------------------------------------------------------------- */

static struct rebind *rebind_free(struct rebind *rebind)
{
        free(rebind->added);
        free(rebind->kept);
        free(rebind->removed);
        free(rebind->renewals);
        free(rebind->tls_cert);
        free(rebind->tls_key);
        free(rebind);
        return NULL;
}

static int prepare(struct rebind *rebind, const struct config *config, struct error *reterr)
{
        const struct server_config *server = &config->server;
        struct listener *listener = acceptor_listeners(rebind->http->acceptor);
        size_t n = 0;
        int r = read_tls(rebind, server, reterr);

        for (; listener; listener = listener->next)
                n++;
        rebind->renewals = calloc(n + 1, sizeof *rebind->renewals);
        if (r >= 0 && !rebind->renewals)
                r = error_oom(reterr);
        for (size_t i = 0; r >= 0 && i < server->listen.count; i++)
                if (!is_repeated(&server->listen, i))
                        r = want(rebind, server, server->listen.items[i], false, reterr);
        if (r >= 0 && server->metrics_listen)
                r = want(rebind, server, server->metrics_listen, true, reterr);
        if (r >= 0)
                r = check_all_exposed(rebind, config, reterr);
        if (r >= 0)
                r = find_removed(rebind, reterr);
        return r < 0 ? r : make_addresses(rebind, server, reterr);
}

int rebind_prepare(struct http *http, const struct config *config, struct rebind **ret,
                   struct error *reterr)
{
        struct rebind *rebind = calloc(1, sizeof *rebind);
        int r;

        if (!rebind)
                return error_oom(reterr);
        rebind->http = http;
        r = prepare(rebind, config, reterr);
        if (r < 0) {
                rebind_abort(rebind);
                return r;
        }
        *ret = rebind;
        return 0;
}

void rebind_commit(struct rebind *rebind, const struct server_config *server)
{
        const struct guard_timeouts timeouts = {
                .head_usec = server->header_timeout_seconds * USEC_PER_SEC,
                .request_usec = server->request_timeout_seconds * USEC_PER_SEC,
                .idle_usec = IDLE_USEC,
        };
        struct http *http = rebind->http;

        for (size_t i = 0; i < rebind->n_renewals; i++) {
                struct renewal *renewal = &rebind->renewals[i];

                renewal->pool = acceptor_replace(http->acceptor, renewal->listener, renewal->pool);
        }
        for (size_t i = 0; i < rebind->n_added; i++)
                acceptor_open(http->acceptor, rebind->added[i]);
        rebind->addresses->older = atomic_load(&http->addresses);
        atomic_store(&http->addresses, take_ptr(rebind->addresses));
        guard_set_timeouts(http->guard, &timeouts);
        door_configure(&http->door, server);
}

void rebind_abort(struct rebind *rebind)
{
        for (size_t i = 0; i < rebind->n_renewals; i++)
                (void) pool_free(rebind->renewals[i].pool);
        for (size_t i = 0; i < rebind->n_added; i++) {
                acceptor_remove(rebind->http->acceptor, rebind->added[i]);
                (void) listener_free(rebind->added[i]);
        }
        (void) address_list_free(rebind->addresses);
        (void) rebind_free(rebind);
}

void rebind_retire(struct rebind *rebind)
{
        struct acceptor *acceptor = rebind->http->acceptor;

        for (size_t i = 0; i < rebind->n_renewals; i++)
                acceptor_retire(acceptor, rebind->renewals[i].pool);
        for (size_t i = 0; i < rebind->n_removed; i++) {
                struct listener *listener = rebind->removed[i];

                acceptor_remove(acceptor, listener);
                acceptor_retire(acceptor, take_ptr(listener->pool));
                (void) listener_free(listener);
        }
        (void) rebind_free(rebind);
}

/* ---- As a room of a switch ----------------------------------------------------------------- */

int http_prepare(void *http, const struct snapshot *now, const struct snapshot *next,
                 void **ret_prepared, struct error *reterr)
{
        struct rebind *rebind = NULL;
        int r = rebind_prepare(http, next->config, &rebind, reterr);

        (void) now;
        if (r == 0)
                *ret_prepared = rebind;
        return r;
}

void http_commit(void *http, void *prepared, const struct snapshot *next)
{
        (void) http;
        rebind_commit(prepared, &next->config->server);
}

void http_abort(void *http, void *prepared)
{
        (void) http;
        rebind_abort(prepared);
}

void http_retire(void *http, void *prepared)
{
        (void) http;
        rebind_retire(prepared);
}
