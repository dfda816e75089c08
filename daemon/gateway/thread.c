/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "gateway/thread.h"

#include "event/fetch.h"
#include "event/mailbox.h"
#include "gateway/latch.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

struct thread {
        sd_event *loop;
        struct mailbox *mailbox;
        struct fetcher *fetcher;
        pthread_t id;
        bool running;
};

static void *run(void *data)
{
        const struct thread *thread = data;

        (void) sd_event_loop(thread->loop);
        return NULL;
}

/* The process's signals belong to the main loop. */
static int start(struct thread *thread)
{
        sigset_t all, before;
        int r;

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&thread->id, NULL, run, thread);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        thread->running = r == 0;
        if (thread->running)
                (void) pthread_setname_np(thread->id, "providers");
        return r;
}

int thread_new(struct thread **ret, struct error *reterr)
{
        struct thread *thread = calloc(1, sizeof *thread);
        int r;

        if (!thread)
                return error_oom(reterr);
        r = sd_event_new(&thread->loop);
        if (r < 0)
                r = error_set_errno(reterr, r, "event loop of the provider thread");
        if (r >= 0)
                r = mailbox_new(thread->loop, &thread->mailbox, reterr);
        if (r >= 0)
                r = fetcher_new(thread->loop, &thread->fetcher, reterr);
        if (r >= 0) {
                r = start(thread);
                if (r < 0)
                        r = error_set_errno(reterr, r, "provider thread");
        }
        if (r < 0) {
                (void) thread_free(thread);
                return r;
        }
        *ret = thread;
        return 0;
}

static void leave(void *data)
{
        (void) sd_event_exit(data, 0);
}

void thread_stop(struct thread *thread)
{
        const struct timespec moment = { .tv_nsec = 10000000 };

        if (!thread || !thread->running)
                return;
        while (mailbox_post(thread->mailbox, leave, thread->loop) < 0)
                (void) nanosleep(&moment, NULL);
        (void) pthread_join(thread->id, NULL);
        thread->running = false;
}

struct thread *thread_free(struct thread *thread)
{
        if (!thread)
                return NULL;
        thread_stop(thread);
        (void) mailbox_free(thread->mailbox);
        (void) fetcher_free(thread->fetcher);
        (void) sd_event_unref(thread->loop);
        free(thread);
        return NULL;
}

sd_event *thread_loop(const struct thread *thread)
{
        return thread->loop;
}

struct fetcher *thread_fetcher(const struct thread *thread)
{
        return thread->fetcher;
}

int thread_post(struct thread *thread, void (*function)(void *data), void *data)
{
        return mailbox_post(thread->mailbox, function, data);
}

/* Lies on the waiting thread's stack. */
struct visit {
        void (*function)(void *data);
        void *data;
        struct latch latch;
};

static void make_visit(void *data)
{
        struct visit *visit = data;

        visit->function(visit->data);
        latch_open(&visit->latch);
}

int thread_run(struct thread *thread, void (*function)(void *data), void *data)
{
        struct visit visit = { .function = function, .data = data };
        int r;

        assert(!pthread_equal(pthread_self(), thread->id)); /* it would wait for itself */
        latch_init(&visit.latch);
        r = thread_post(thread, make_visit, &visit);
        if (r == 0)
                latch_wait(&visit.latch);
        latch_done(&visit.latch);
        return r;
}

void thread_run_always(struct thread *thread, void (*function)(void *data), void *data)
{
        const struct timespec moment = { .tv_nsec = 10000000 };

        while (thread_run(thread, function, data) < 0)
                (void) nanosleep(&moment, NULL);
}
