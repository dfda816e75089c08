/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/clock.h"
#include "scheduler/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#define TASKS 100

struct counted {
        struct worker_task task;
        struct workers *workers;
        atomic_int runs, inside, slices;
        atomic_bool hold, overlapped;
};

static enum worker_verdict run_counted(struct worker_task *task)
{
        struct counted *counted = task->data;

        if (atomic_fetch_add(&counted->inside, 1) > 0)
                counted->overlapped = true;
        atomic_fetch_add(&counted->runs, 1);
        while (counted->hold)
                sched_yield();
        atomic_fetch_sub(&counted->inside, 1);
        return atomic_fetch_sub(&counted->slices, 1) > 1 ? WORKER_AGAIN : WORKER_DONE;
}

static void prepare(struct counted *counted, struct workers *workers, int slices)
{
        *counted = (struct counted){ .workers = workers, .slices = slices };
        counted->task = (struct worker_task){ .run = run_counted, .data = counted };
}

static struct workers *pool(uint32_t n)
{
        struct workers *workers = NULL;

        assert_int_equal(workers_new("test", n, 5, &workers, NULL), 0);
        return workers;
}

static void wait_until_idle(struct workers *workers)
{
        uint32_t waiting, running;
        uint64_t progress;

        do {
                sched_yield();
                workers_load(workers, &waiting, &running, &progress);
        } while (waiting + running > 0);
        assert_true(progress <= clock_monotonic_usec());
}

static void test_a_hundred_tasks_all_run(void **state)
{
        static struct counted tasks[TASKS];
        struct workers *workers = pool(3);

        (void) state;
        for (size_t i = 0; i < TASKS; i++) {
                prepare(&tasks[i], workers, 3);
                workers_post(workers, &tasks[i].task);
        }
        wait_until_idle(workers);
        for (size_t i = 0; i < TASKS; i++) {
                assert_int_equal(tasks[i].runs, 3);
                assert_false(tasks[i].overlapped);
        }
        workers_free(workers);
}

static void test_posting_a_waiting_task_does_nothing(void **state)
{
        struct workers *workers = pool(1);
        struct counted first, second;

        (void) state;
        prepare(&first, workers, 1);
        prepare(&second, workers, 1);
        first.hold = true;
        workers_post(workers, &first.task);
        while (first.inside == 0)
                sched_yield();
        workers_post(workers, &second.task);
        workers_post(workers, &second.task);
        first.hold = false;
        wait_until_idle(workers);
        assert_int_equal(second.runs, 1);
        workers_free(workers);
}

static void test_posting_a_running_task_runs_it_once_more(void **state)
{
        struct workers *workers = pool(2);
        struct counted counted;

        (void) state;
        prepare(&counted, workers, 1);
        counted.hold = true;
        workers_post(workers, &counted.task);
        while (counted.inside == 0)
                sched_yield();
        for (int i = 0; i < 5; i++)
                workers_post(workers, &counted.task);
        counted.hold = false;
        wait_until_idle(workers);
        assert_int_equal(counted.runs, 2);
        assert_false(counted.overlapped);
        workers_free(workers);
}

static void test_cancel_takes_back_what_waits_and_awaits_what_runs(void **state)
{
        struct workers *workers = pool(1);
        struct counted running, waiting;

        (void) state;
        prepare(&running, workers, 1000000000);
        prepare(&waiting, workers, 1);
        running.hold = true;
        workers_post(workers, &running.task);
        while (running.inside == 0)
                sched_yield();
        workers_post(workers, &waiting.task);
        workers_cancel(workers, &waiting.task);
        running.hold = false;
        workers_cancel(workers, &running.task);
        assert_int_equal(running.inside, 0);
        assert_int_equal(waiting.runs, 0);

        waiting.slices = 1;
        workers_post(workers, &waiting.task);
        wait_until_idle(workers);
        assert_int_equal(waiting.runs, 1);
        workers_free(workers);
}

static enum worker_verdict run_until_stopping(struct worker_task *task)
{
        struct counted *counted = task->data;

        counted->inside = 1;
        while (!workers_stopping(counted->workers))
                sched_yield();
        workers_post(counted->workers, task);
        return WORKER_AGAIN;
}

static void test_free_finishes_what_runs_and_drops_what_waits(void **state)
{
        struct workers *workers = pool(1);
        struct counted running, waiting;

        (void) state;
        prepare(&running, workers, 1);
        prepare(&waiting, workers, 1);
        running.task.run = run_until_stopping;
        workers_post(workers, &running.task);
        while (running.inside == 0)
                sched_yield();
        workers_post(workers, &waiting.task);
        assert_null(workers_free(workers));
        assert_int_equal(waiting.runs, 0);
        assert_null(workers_free(NULL));
}

static enum worker_verdict look_at_thread(struct worker_task *task)
{
        struct counted *counted = task->data;
        sigset_t blocked;
        char name[16];

        assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
        assert_int_equal(sigismember(&blocked, SIGTERM), 1);
        assert_int_equal(pthread_getname_np(pthread_self(), name, sizeof name), 0);
        assert_string_equal(name, "test");
        counted->slices = getpriority(PRIO_PROCESS, (id_t) gettid());
        return WORKER_DONE;
}

static void test_threads_are_nice_named_and_hear_no_signals(void **state)
{
        int own = getpriority(PRIO_PROCESS, 0);
        struct workers *workers = pool(1);
        struct counted counted;

        (void) state;
        prepare(&counted, workers, 0);
        counted.task.run = look_at_thread;
        workers_post(workers, &counted.task);
        wait_until_idle(workers);
        assert_int_equal(counted.slices, own + 5 > 19 ? 19 : own + 5);
        workers_free(workers);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_hundred_tasks_all_run),
                cmocka_unit_test(test_posting_a_waiting_task_does_nothing),
                cmocka_unit_test(test_posting_a_running_task_runs_it_once_more),
                cmocka_unit_test(test_cancel_takes_back_what_waits_and_awaits_what_runs),
                cmocka_unit_test(test_free_finishes_what_runs_and_drops_what_waits),
                cmocka_unit_test(test_threads_are_nice_named_and_hear_no_signals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
