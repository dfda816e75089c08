/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/guard.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#define TICK_MSEC 100

struct guard {
        struct {
                _Atomic uint64_t head_usec, request_usec, idle_usec;
        } timeouts;
        struct metrics *metrics;
        pthread_t thread;
        pthread_mutex_t lock; /* what follows, and every connection's place in the list */
        pthread_cond_t changed;
        struct connection *first;
        bool stop;
};

void guard_enter(struct connection *connection, unsigned phase, uint64_t now_usec)
{
        struct guard *guard = connection->guard;
        uint64_t may_take = phase == METRIC_PHASE_HEAD   ? guard->timeouts.head_usec
                            : phase == METRIC_PHASE_IDLE ? guard->timeouts.idle_usec
                                                         : guard->timeouts.request_usec;

        if (phase == METRIC_PHASE_IDLE)
                (void) atomic_fetch_add_explicit(&connection->rest, 1, memory_order_relaxed);
        atomic_store_explicit(&connection->deadline_usec,
                              phase >= CONNECTION_WORK ? UINT64_MAX : now_usec + may_take,
                              memory_order_relaxed);
        atomic_store_explicit(&connection->phase, phase, memory_order_release);
}

/* A client that closed its half, and has got its answer.  MHD misses the end of the stream where
 * it came while the connection was suspended. */
static void let_go_when_left(struct connection *connection)
{
        char byte;

        if (connection->seen_rest == atomic_load(&connection->rest) &&
            recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                (void) shutdown(connection->fd, SHUT_RDWR);
}

/* A connection that has received something since it was first seen idle is reading a head. */
static void look_for_first_byte(struct connection *connection, uint64_t now)
{
        struct tcp_info info;
        socklen_t len = sizeof info;
        uint64_t bytes, deadline = now + connection->guard->timeouts.head_usec;
        uint32_t rest = atomic_load(&connection->rest);
        unsigned idle = METRIC_PHASE_IDLE;

        if (!connection->is_tcp ||
            getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0) {
                connection->seen_rest = rest;
                return;
        }
        bytes = info.tcpi_bytes_received;
        if (connection->seen_rest != rest) {
                connection->seen_rest = rest;
                connection->idle_bytes = bytes;
        } else if (bytes != connection->idle_bytes &&
                   deadline < atomic_load(&connection->deadline_usec) &&
                   atomic_compare_exchange_strong(&connection->phase, &idle, METRIC_PHASE_HEAD)) {
                /* Should the head have ended just now, its own phase comes after this one or
                 * keeps a deadline that is only too early by the difference of the two. */
                atomic_store(&connection->deadline_usec, deadline);
        }
}

static void look_for_client(struct connection *connection, uint64_t now)
{
        struct pollfd look = { .fd = connection->fd, .events = POLLRDHUP };
        void (*told)(void *data, int why) = connection->told;
        int why = 0;

        if (!told)
                return;
        if (poll(&look, 1, 0) > 0)
                why = -ECANCELED;
        else if (now >= atomic_load(&connection->deadline_usec))
                why = -ETIME;
        if (why == 0)
                return;
        connection->told = NULL;
        told(connection->told_data, why);
}

static void look_at(struct connection *connection, uint64_t now)
{
        unsigned phase = atomic_load_explicit(&connection->phase, memory_order_acquire);

        if (phase == CONNECTION_AWAY) {
                look_for_client(connection, now);
                return;
        }

        if (phase == METRIC_PHASE_IDLE) {
                let_go_when_left(connection);
                look_for_first_byte(connection, now);
        }
        if (now < atomic_load_explicit(&connection->deadline_usec, memory_order_relaxed))
                return;
        phase = atomic_load(&connection->phase);
        if (phase >= CONNECTION_WORK)
                return;
        (void) shutdown(connection->fd, SHUT_RDWR);
        atomic_store(&connection->deadline_usec, UINT64_MAX);
        metrics_add(connection->guard->metrics, METRIC_HTTP_TIMEOUTS, phase, 0, 1);
}

static void wait_for_tick(struct guard *guard)
{
        struct timespec until;

        (void) clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MSEC * 1000000L;
        if (until.tv_nsec >= 1000000000L) {
                until.tv_nsec -= 1000000000L;
                until.tv_sec++;
        }
        (void) pthread_cond_timedwait(&guard->changed, &guard->lock, &until);
}

static void *watch_connections(void *data)
{
        struct guard *guard = data;

        (void) pthread_mutex_lock(&guard->lock);
        while (!guard->stop) {
                uint64_t now = clock_monotonic_usec();

                for (struct connection *c = guard->first; c; c = c->next)
                        look_at(c, now);
                if (guard->first)
                        wait_for_tick(guard);
                else
                        (void) pthread_cond_wait(&guard->changed, &guard->lock);
        }
        (void) pthread_mutex_unlock(&guard->lock);
        return NULL;
}

void guard_set_timeouts(struct guard *guard, const struct guard_timeouts *timeouts)
{
        guard->timeouts.head_usec = timeouts->head_usec;
        guard->timeouts.request_usec = timeouts->request_usec;
        guard->timeouts.idle_usec = timeouts->idle_usec;
}

int guard_new(const struct guard_timeouts *timeouts, struct metrics *metrics, struct guard **ret,
              struct error *reterr)
{
        struct guard *guard = calloc(1, sizeof *guard);
        pthread_condattr_t attributes;
        int r;

        if (!guard)
                return error_oom(reterr);
        guard_set_timeouts(guard, timeouts);
        guard->metrics = metrics;
        (void) pthread_condattr_init(&attributes);
        (void) pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        (void) pthread_mutex_init(&guard->lock, NULL);
        (void) pthread_cond_init(&guard->changed, &attributes);
        (void) pthread_condattr_destroy(&attributes);
        r = pthread_create(&guard->thread, NULL, watch_connections, guard);
        if (r != 0) {
                free(guard);
                return error_set_errno(reterr, -r, "thread for HTTP deadlines");
        }
        (void) pthread_setname_np(guard->thread, "http-guard");
        *ret = guard;
        return 0;
}

struct guard *guard_free(struct guard *guard)
{
        if (!guard)
                return NULL;
        (void) pthread_mutex_lock(&guard->lock);
        guard->stop = true;
        (void) pthread_cond_signal(&guard->changed);
        (void) pthread_mutex_unlock(&guard->lock);
        (void) pthread_join(guard->thread, NULL);
        (void) pthread_cond_destroy(&guard->changed);
        (void) pthread_mutex_destroy(&guard->lock);
        free(guard);
        return NULL;
}

struct connection *guard_add(struct guard *guard, int fd, const void *owner)
{
        struct connection *connection = calloc(1, sizeof *connection);
        int domain = AF_UNSPEC;
        socklen_t len = sizeof domain;

        if (!connection)
                return NULL;
        (void) getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
        connection->guard = guard;
        connection->fd = fd;
        connection->owner = owner;
        connection->is_tcp = domain == AF_INET || domain == AF_INET6;
        guard_enter(connection, METRIC_PHASE_HEAD, clock_monotonic_usec());
        (void) pthread_mutex_lock(&guard->lock);
        connection->next = guard->first;
        if (guard->first)
                guard->first->previous = connection;
        else
                (void) pthread_cond_signal(&guard->changed);
        guard->first = connection;
        (void) pthread_mutex_unlock(&guard->lock);
        return connection;
}

void guard_remove(struct connection *connection)
{
        struct guard *guard = connection->guard;

        (void) pthread_mutex_lock(&guard->lock);
        if (connection->previous)
                connection->previous->next = connection->next;
        else
                guard->first = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        (void) pthread_mutex_unlock(&guard->lock);
        free(connection);
}

void guard_watch(struct connection *connection, uint64_t deadline_usec,
                 void (*told)(void *data, int why), void *data)
{
        (void) pthread_mutex_lock(&connection->guard->lock);
        connection->told = told;
        connection->told_data = data;
        guard_enter(connection, CONNECTION_AWAY, 0);
        atomic_store(&connection->deadline_usec, deadline_usec);
        (void) pthread_mutex_unlock(&connection->guard->lock);
}

void guard_forget(struct connection *connection)
{
        (void) pthread_mutex_lock(&connection->guard->lock);
        connection->told = NULL;
        guard_enter(connection, CONNECTION_WORK, 0);
        (void) pthread_mutex_unlock(&connection->guard->lock);
}

void guard_shutdown(struct guard *guard, const void *owner, bool idle_only)
{
        (void) pthread_mutex_lock(&guard->lock);
        for (struct connection *c = guard->first; c; c = c->next)
                if ((!owner || c->owner == owner) &&
                    (!idle_only || atomic_load(&c->phase) == METRIC_PHASE_IDLE))
                        (void) shutdown(c->fd, SHUT_RDWR);
        (void) pthread_mutex_unlock(&guard->lock);
}
