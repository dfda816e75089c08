/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "http/accept.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/server.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 32
#define NAP_USEC 5000 /* while no further connection may be had */
#define LOOK_MSEC 100 /* at pools that are to go */
/* A connection that was handed over starts within moments. */
#define GRACE_USEC USEC_PER_SEC

struct acceptor {
        struct http *http;
        pthread_t thread;
        bool has_thread;
        int epoll_fd, wake_fd;
        uint64_t added, added_usec; /* connections that were handed over; the thread's own */
        pthread_mutex_t lock;       /* what follows, and the pools of the listeners */
        struct listener *first;
        struct pool *retired;
        bool stop;
};

struct listener *listener_free(struct listener *listener)
{
        if (!listener)
                return NULL;
        listening_done(&listener->socket);
        (void) pool_free(listener->pool);
        free(listener->configured);
        free(listener);
        return NULL;
}

/* ---- Connections --------------------------------------------------------------------------- */

/* Whether there are as many as may be; those count that are handed over and have not started.
 * One that got lost on the way (no memory) is forgotten after a while. */
static bool is_full(struct acceptor *acceptor)
{
        struct door *door = &acceptor->http->door;
        uint64_t started = atomic_load(&door->started);
        uint64_t waiting = acceptor->added - started;

        if (waiting > 0 && clock_monotonic_usec() - acceptor->added_usec > GRACE_USEC) {
                acceptor->added = started;
                waiting = 0;
        }
        return atomic_load(&door->connections) + waiting >= atomic_load(&door->max_connections);
}

/* 0: somebody was let in; -EAGAIN: nobody waits; another errno: nobody can be let in now. */
static int accept_one(struct acceptor *acceptor, const struct listener *listener)
{
        struct sockaddr_storage storage = { 0 };
        struct sockaddr *address = (struct sockaddr *) &storage;
        socklen_t len = sizeof storage;
        int fd = accept4(listener->socket.fd, address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0)
                return errno == EINTR || errno == ECONNABORTED ? 0 : -errno;
        /* The library closes what it does not take. */
        if (MHD_add_connection(listener->pool->daemon, fd, address, len) == MHD_YES) {
                acceptor->added++;
                acceptor->added_usec = clock_monotonic_usec();
        }
        return 0;
}

static struct listener *find(const struct acceptor *acceptor, int fd)
{
        struct listener *listener = acceptor->first;

        while (listener && listener->socket.fd != fd)
                listener = listener->next;
        return listener;
}

static void accept_some(struct acceptor *acceptor, int fd)
{
        int r = 0;

        (void) pthread_mutex_lock(&acceptor->lock);
        for (int i = 0; i < ACCEPTS_PER_TURN && !acceptor->stop && r == 0; i++) {
                const struct listener *listener = find(acceptor, fd);

                r = !listener            ? -EAGAIN
                    : is_full(acceptor) ? -EBUSY
                                         : accept_one(acceptor, listener);
        }
        (void) pthread_mutex_unlock(&acceptor->lock);
        if (r < 0 && r != -EAGAIN) /* whoever waits keeps this thread awake */
                (void) usleep(NAP_USEC);
}

/* ---- Pools that are to go ------------------------------------------------------------------ */

static bool may_go(const struct acceptor *acceptor, const struct pool *pool)
{
        uint64_t now = clock_monotonic_usec();
        uint64_t patience = atomic_load(&acceptor->http->door.request_usec) + IDLE_USEC;

        if (now - pool->retired_usec > patience)
                guard_shutdown(acceptor->http->guard, pool, false);
        return now - pool->retired_usec > GRACE_USEC && atomic_load(&pool->connections) == 0;
}

/* True: some are left. */
static bool look_at_retired(struct acceptor *acceptor)
{
        struct pool **at = &acceptor->retired, *gone;
        bool left;

        (void) pthread_mutex_lock(&acceptor->lock);
        while (*at && !may_go(acceptor, *at))
                at = &(*at)->next;
        gone = *at;
        if (gone)
                *at = gone->next;
        left = acceptor->retired != NULL;
        (void) pthread_mutex_unlock(&acceptor->lock);
        (void) pool_free(gone);
        return left;
}

static void *take_connections(void *data)
{
        struct acceptor *acceptor = data;
        struct epoll_event events[16];
        bool stop = false;

        while (!stop) {
                bool left = look_at_retired(acceptor);
                int n = epoll_wait(acceptor->epoll_fd, events, ELEMENTSOF(events),
                                   left ? LOOK_MSEC : -1);

                for (int i = 0; i < n; i++) {
                        eventfd_t value;

                        if (events[i].data.fd == acceptor->wake_fd)
                                (void) eventfd_read(acceptor->wake_fd, &value);
                        else
                                accept_some(acceptor, events[i].data.fd);
                }
                (void) pthread_mutex_lock(&acceptor->lock);
                stop = acceptor->stop;
                (void) pthread_mutex_unlock(&acceptor->lock);
        }
        return NULL;
}

/* ---- Changes ------------------------------------------------------------------------------- */

int acceptor_add(struct acceptor *acceptor, struct listener *takes_listener, struct error *reterr)
{
        struct epoll_event nothing = { .events = 0, .data.fd = takes_listener->socket.fd };
        struct listener **at = &acceptor->first;

        if (epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, takes_listener->socket.fd, &nothing) < 0) {
                int code = -errno;

                (void) error_set_errno(reterr, code, "watch %s", takes_listener->socket.address);
                (void) listener_free(takes_listener);
                return code;
        }
        (void) pthread_mutex_lock(&acceptor->lock);
        while (*at)
                at = &(*at)->next;
        *at = takes_listener;
        takes_listener->next = NULL;
        (void) pthread_mutex_unlock(&acceptor->lock);
        return 0;
}

void acceptor_open(struct acceptor *acceptor, struct listener *listener)
{
        struct epoll_event event = { .events = EPOLLIN, .data.fd = listener->socket.fd };

        (void) epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_MOD, listener->socket.fd, &event);
        listener->open = true;
}

void acceptor_remove(struct acceptor *acceptor, struct listener *listener)
{
        struct listener **at = &acceptor->first;

        (void) pthread_mutex_lock(&acceptor->lock);
        while (listener->open && accept_one(acceptor, listener) == 0)
                ;
        while (*at != listener)
                at = &(*at)->next;
        *at = listener->next;
        (void) epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_DEL, listener->socket.fd, NULL);
        (void) pthread_mutex_unlock(&acceptor->lock);
}

struct pool *acceptor_replace(struct acceptor *acceptor, struct listener *listener,
                              struct pool *takes_pool)
{
        struct pool *former;

        (void) pthread_mutex_lock(&acceptor->lock);
        former = listener->pool;
        listener->pool = takes_pool;
        (void) pthread_mutex_unlock(&acceptor->lock);
        return former;
}

void acceptor_retire(struct acceptor *acceptor, struct pool *takes_pool)
{
        atomic_store(&takes_pool->retired, true);
        (void) pthread_mutex_lock(&acceptor->lock);
        takes_pool->retired_usec = clock_monotonic_usec();
        takes_pool->next = acceptor->retired;
        acceptor->retired = takes_pool;
        (void) pthread_mutex_unlock(&acceptor->lock);
        (void) eventfd_write(acceptor->wake_fd, 1);
}

struct listener *acceptor_listeners(const struct acceptor *acceptor)
{
        return acceptor->first;
}

/* ---- Life ---------------------------------------------------------------------------------- */

int acceptor_new(struct http *http, struct acceptor **ret, struct error *reterr)
{
        struct acceptor *acceptor = calloc(1, sizeof *acceptor);
        struct epoll_event event = { .events = EPOLLIN };
        int r;

        if (!acceptor)
                return error_oom(reterr);
        acceptor->http = http;
        (void) pthread_mutex_init(&acceptor->lock, NULL);
        acceptor->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        acceptor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        event.data.fd = acceptor->wake_fd;
        if (acceptor->epoll_fd < 0 || acceptor->wake_fd < 0 ||
            epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_ADD, acceptor->wake_fd, &event) < 0) {
                r = error_set_errno(reterr, -errno, "accept connections");
                (void) acceptor_free(acceptor);
                return r;
        }
        r = pthread_create(&acceptor->thread, NULL, take_connections, acceptor);
        if (r != 0) {
                (void) acceptor_free(acceptor);
                return error_set_errno(reterr, -r, "thread that accepts HTTP connections");
        }
        acceptor->has_thread = true;
        (void) pthread_setname_np(acceptor->thread, "http-accept");
        *ret = acceptor;
        return 0;
}

void acceptor_stop(struct acceptor *acceptor)
{
        if (!acceptor)
                return;
        (void) pthread_mutex_lock(&acceptor->lock);
        acceptor->stop = true;
        (void) pthread_mutex_unlock(&acceptor->lock);
        (void) eventfd_write(acceptor->wake_fd, 1);
        if (acceptor->has_thread)
                (void) pthread_join(acceptor->thread, NULL);
        acceptor->has_thread = false;
        for (struct listener *listener = acceptor->first; listener; listener = listener->next) {
                close_cleanup(&listener->socket.fd);
                listener->socket.fd = -1;
        }
}

struct acceptor *acceptor_free(struct acceptor *acceptor)
{
        if (!acceptor)
                return NULL;
        acceptor_stop(acceptor);
        for (struct listener *listener = acceptor->first, *next; listener; listener = next) {
                next = listener->next;
                (void) listener_free(listener);
        }
        for (struct pool *pool = acceptor->retired, *next; pool; pool = next) {
                next = pool->next;
                (void) pool_free(pool);
        }
        if (acceptor->epoll_fd >= 0)
                (void) close(acceptor->epoll_fd);
        if (acceptor->wake_fd >= 0)
                (void) close(acceptor->wake_fd);
        (void) pthread_mutex_destroy(&acceptor->lock);
        free(acceptor);
        return NULL;
}
