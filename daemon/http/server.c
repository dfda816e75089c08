/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "http/stream.h"
#include "release/release.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define DRAIN_STEP_USEC 2000

static uint32_t thread_count(const struct server_config *server)
{
        long cores = sysconf(_SC_NPROCESSORS_ONLN);

        return server->threads ? server->threads : cores > 0 ? (uint32_t) cores : 1;
}

static int open_all(struct http *http, const struct config *config, struct error *reterr)
{
        const struct server_config *server = &config->server;
        const struct guard_timeouts timeouts = {
                .head_usec = server->header_timeout_seconds * USEC_PER_SEC,
                .request_usec = server->request_timeout_seconds * USEC_PER_SEC,
                .idle_usec = IDLE_USEC,
        };
        struct rebind *rebind = NULL;
        int r = guard_new(&timeouts, http->door.services.metrics, &http->guard, reterr);

        if (r >= 0)
                r = acceptor_new(http, &http->acceptor, reterr);
        if (r >= 0)
                r = rebind_prepare(http, config, &rebind, reterr);
        if (r < 0)
                return r;
        rebind_commit(rebind, server);
        rebind_retire(rebind);
        return 0;
}

int http_new(const struct http_services *services, struct http **ret, struct error *reterr)
{
        struct release_pin pin = releases_pin(services->releases, NULL);
        const struct server_config *server = &pin.snapshot->config->server;
        struct http *http = calloc(1, sizeof *http);
        int r = http ? 0 : error_oom(reterr);

        if (r == 0) {
                (void) pthread_mutex_init(&http->log_lock, NULL);
                http->threads = thread_count(server);
                r = door_init(&http->door, server, services, reterr);
                if (r < 0) {
                        (void) pthread_mutex_destroy(&http->log_lock);
                        free(http);
                        http = NULL;
                }
        }
        if (r >= 0)
                r = open_all(http, pin.snapshot->config, reterr);
        (void) snapshot_unref(pin.snapshot);
        if (r < 0) {
                (void) http_free(http, 0);
                return r;
        }
        *ret = http;
        return 0;
}

/* Waits until *count is zero. */
static void wait_for_none(const _Atomic uint32_t *count, uint64_t until_usec)
{
        while (atomic_load(count) > 0 && clock_monotonic_usec() < until_usec)
                (void) usleep(DRAIN_STEP_USEC);
}

struct http *http_free(struct http *http, uint64_t drain_usec)
{
        if (!http)
                return NULL;
        atomic_store(&http->door.draining, true);
        acceptor_stop(http->acceptor);
        streams_end_watches(http->door.streams);
        wait_for_none(&http->door.requests, clock_monotonic_usec() + drain_usec);
        streams_stop(http->door.streams);
        if (http->guard)
                guard_shutdown(http->guard, NULL, false);
        /* The library can't be stopped over a suspended connection; what workers carry out is
         * bounded, and is resumed when it has ended. */
        wait_for_none(&http->door.requests, UINT64_MAX);
        http->acceptor = acceptor_free(http->acceptor);
        door_done(&http->door);
        http->guard = guard_free(http->guard);
        (void) address_list_free(http->addresses);
        (void) pthread_mutex_destroy(&http->log_lock);
        free(http);
        return NULL;
}

const char *const *http_addresses(const struct http *http)
{
        const struct address_list *list = atomic_load(&http->addresses);

        return list->items;
}

void http_load(const struct http *http, uint32_t *ret_requests, uint32_t *ret_connections)
{
        *ret_requests = atomic_load(&http->door.requests);
        *ret_connections = atomic_load(&http->door.connections);
}
