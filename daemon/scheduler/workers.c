/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "scheduler/workers.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/ioprio.h, which older kernel headers lack */
#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_CLASS_BEST_EFFORT 2
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_LOWEST 7

struct workers {
        char name[16]; /* as long as the kernel keeps */
        int nice;
        atomic_bool stopping;

        pthread_mutex_t lock; /* guards everything below and the tasks' private fields */
        pthread_cond_t wake;  /* a task waits, or stopping */
        pthread_cond_t ended; /* some task stopped running */
        struct worker_task *first, **last;
        uint32_t waiting, running, idle;
        uint64_t last_progress_usec;
        uint32_t n_threads, max_threads;
        pthread_t threads[];
};

static void enqueue(struct workers *workers, struct worker_task *task)
{
        task->next = NULL;
        task->queued = true;
        *workers->last = task;
        workers->last = &task->next;
        workers->waiting++;
}

static void dequeue(struct workers *workers, struct worker_task *task)
{
        for (struct worker_task **at = &workers->first; *at; at = &(*at)->next) {
                if (*at != task)
                        continue;
                *at = task->next;
                if (!*at)
                        workers->last = at;
                break;
        }
        task->queued = false;
        workers->waiting--;
}

/* Called with the lock; gives it up while the task runs. */
static void run_first(struct workers *workers)
{
        struct worker_task *task = workers->first;
        enum worker_verdict verdict;

        dequeue(workers, task);
        task->running = true;
        task->again = false;
        workers->running++;
        workers->last_progress_usec = clock_monotonic_usec();
        pthread_mutex_unlock(&workers->lock);

        verdict = task->run(task);

        pthread_mutex_lock(&workers->lock);
        workers->last_progress_usec = clock_monotonic_usec();
        workers->running--;
        task->running = false;
        if ((verdict == WORKER_AGAIN || task->again) && !task->canceled && !workers->stopping)
                enqueue(workers, task);
        pthread_cond_broadcast(&workers->ended);
}

/* A pool that must not delay searches yields the processor and the disk. */
static void lower_priority(int by)
{
        id_t thread = (id_t) gettid();
        int current;

        if (by == 0)
                return;
        errno = 0;
        current = getpriority(PRIO_PROCESS, thread);
        if (current != -1 || errno == 0)
                (void) setpriority(PRIO_PROCESS, thread, current + by);
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                       IOPRIO_CLASS_BEST_EFFORT << IOPRIO_CLASS_SHIFT | IOPRIO_LOWEST);
}

static void *run_thread(void *data)
{
        struct workers *workers = data;

        (void) pthread_setname_np(pthread_self(), workers->name);
        lower_priority(workers->nice);
        pthread_mutex_lock(&workers->lock);
        while (!workers->stopping) {
                if (workers->first) {
                        run_first(workers);
                        continue;
                }
                workers->idle++;
                pthread_cond_wait(&workers->wake, &workers->lock);
                workers->idle--;
        }
        pthread_mutex_unlock(&workers->lock);
        return NULL;
}

/* Called with the lock.  Without memory for a thread the task waits for one that exists, or for
 * the next post. */
static void add_thread(struct workers *workers)
{
        sigset_t all, before;

        (void) sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&workers->threads[workers->n_threads], NULL, run_thread, workers) == 0)
                workers->n_threads++;
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int workers_new(const char *thread_name, uint32_t n_threads, int nice, struct workers **ret,
                struct error *reterr)
{
        struct workers *workers = calloc(1, sizeof *workers + n_threads * sizeof(pthread_t));

        if (!workers)
                return error_oom(reterr);
        (void) snprintf(workers->name, sizeof workers->name, "%s", thread_name);
        workers->nice = nice;
        workers->max_threads = n_threads;
        workers->last = &workers->first;
        workers->last_progress_usec = clock_monotonic_usec();
        (void) pthread_mutex_init(&workers->lock, NULL);
        (void) pthread_cond_init(&workers->wake, NULL);
        (void) pthread_cond_init(&workers->ended, NULL);
        *ret = workers;
        return 0;
}

struct workers *workers_free(struct workers *workers)
{
        if (!workers)
                return NULL;
        pthread_mutex_lock(&workers->lock);
        workers->stopping = true;
        while (workers->first)
                dequeue(workers, workers->first);
        pthread_cond_broadcast(&workers->wake);
        pthread_mutex_unlock(&workers->lock);

        /* Nobody adds a thread any more: post looks at `stopping` under the lock. */
        for (uint32_t i = 0; i < workers->n_threads; i++)
                (void) pthread_join(workers->threads[i], NULL);
        (void) pthread_cond_destroy(&workers->ended);
        (void) pthread_cond_destroy(&workers->wake);
        (void) pthread_mutex_destroy(&workers->lock);
        free(workers);
        return NULL;
}

void workers_post(struct workers *workers, struct worker_task *task)
{
        pthread_mutex_lock(&workers->lock);
        if (workers->stopping || task->canceled) {
                pthread_mutex_unlock(&workers->lock);
                return;
        }
        if (task->running)
                task->again = true;
        else if (!task->queued)
                enqueue(workers, task);
        if (workers->waiting > workers->idle && workers->n_threads < workers->max_threads)
                add_thread(workers);
        pthread_cond_signal(&workers->wake);
        pthread_mutex_unlock(&workers->lock);
}

void workers_cancel(struct workers *workers, struct worker_task *task)
{
        pthread_mutex_lock(&workers->lock);
        task->canceled = true;
        if (task->queued)
                dequeue(workers, task);
        while (task->running)
                pthread_cond_wait(&workers->ended, &workers->lock);
        task->canceled = false;
        pthread_mutex_unlock(&workers->lock);
}

bool workers_is_idle(struct workers *workers, const struct worker_task *task)
{
        bool idle;

        pthread_mutex_lock(&workers->lock);
        idle = !task->queued && !task->running;
        pthread_mutex_unlock(&workers->lock);
        return idle;
}

bool workers_stopping(const struct workers *workers)
{
        return workers->stopping;
}

void workers_load(const struct workers *workers, uint32_t *ret_waiting, uint32_t *ret_running,
                  uint64_t *ret_last_progress_usec)
{
        pthread_mutex_t *lock = (pthread_mutex_t *) &workers->lock;

        pthread_mutex_lock(lock);
        *ret_waiting = workers->waiting;
        *ret_running = workers->running;
        *ret_last_progress_usec = workers->last_progress_usec;
        pthread_mutex_unlock(lock);
}
