/* SPDX-License-Identifier: Apache-2.0 */
/* The provider thread: one sd-event loop with a mailbox and a fetcher, and nothing else on it. */
#pragma once
#include "base/error.h"

#include <systemd/sd-event.h>

struct fetcher;
struct mailbox;
struct thread;

int thread_new(struct thread **ret, struct error *reterr);
/* Delivers what was posted, ends the loop and joins.  No thread may post any more. */
void thread_stop(struct thread *thread);
/* Stopped, and every exchange and every source of its loop freed. */
struct thread *thread_free(struct thread *thread);

/* For use on the thread itself: a loop counts its references without a lock. */
sd_event *thread_loop(const struct thread *thread);
struct fetcher *thread_fetcher(const struct thread *thread);

/* Runs `function` on the thread, some time.  -ENOMEM. */
int thread_post(struct thread *thread, void (*function)(void *data), void *data);
/* Runs it there and returns when it has returned.  Any other thread.  -ENOMEM. */
int thread_run(struct thread *thread, void (*function)(void *data), void *data);
/* The same; without memory it waits for some. */
void thread_run_always(struct thread *thread, void (*function)(void *data), void *data);
