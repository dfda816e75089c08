/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded pool of worker threads at lower CPU and I/O priority: ingest, index builds, and
 * whatever else must not delay a search.
 *
 * A task is embedded in its owner's memory and runs on one thread at a time: posting a task
 * that waits does nothing, posting one that runs makes it run once more afterwards.  So "there
 * is something to do" is said as often as one likes.  Tasks are served in the order of their
 * posting; a long job returns WORKER_AGAIN after a slice, so that others get their turn. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct workers;
struct worker_task;

enum worker_verdict {
        WORKER_DONE,
        WORKER_AGAIN, /* more to do: to the end of the queue */
};

typedef enum worker_verdict (*worker_function)(struct worker_task *task);

struct worker_task {
        worker_function run;
        void *data;
        /* private to workers.c, guarded by the pool's lock */
        struct worker_task *next;
        bool queued, running, again, canceled;
};

/* `nice` is added to the threads' niceness (0: ordinary priority, for a door's own pool); with
 * it the threads take the lowest best-effort I/O class.  A thread is made when a task finds none
 * idle, at most `n_threads`, and then stays: an unused pool costs nothing.  Threads receive no
 * signals. */
int workers_new(const char *thread_name, uint32_t n_threads, int nice, struct workers **ret,
                struct error *reterr);

/* Finishes the tasks that run, drops those that wait, joins the threads. */
struct workers *workers_free(struct workers *workers);

/* Any thread, the task itself included.  After workers_free() began it does nothing. */
void workers_post(struct workers *workers, struct worker_task *task);

/* Takes a waiting task back, or waits until it stops running; afterwards it may be freed.
 * Posts that come meanwhile are forgotten.  Never from the task itself. */
void workers_cancel(struct workers *workers, struct worker_task *task);

/* It neither waits nor runs: until it is posted again, it may be freed. */
bool workers_is_idle(struct workers *workers, const struct worker_task *task);

/* True once workers_free() began: long tasks look at it between steps. */
bool workers_stopping(const struct workers *workers);

/* How many tasks wait, and when any task last made progress (monotonic), for the watchdog. */
void workers_load(const struct workers *workers, uint32_t *ret_waiting, uint32_t *ret_running,
                  uint64_t *ret_last_progress_usec);
