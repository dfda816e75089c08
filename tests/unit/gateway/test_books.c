/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

/* The books' thread, over a ledger that can fail (ledger_add is wrapped by the linker). */
#include "gateway/books.h"
#include "gateway/latch.h"
#include "gateway/thread.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static struct {
        atomic_uint failures; /* that are still to come */
        atomic_uint writes, entries, requests, told;
} ledger;

int __wrap_ledger_add(struct store *store, const struct ledger_entry *entries, size_t n,
                      struct error *reterr);

int __wrap_ledger_add(struct store *store, const struct ledger_entry *entries, size_t n,
                      struct error *reterr)
{
        (void) store;
        if (atomic_load(&ledger.failures) > 0) {
                (void) atomic_fetch_sub(&ledger.failures, 1);
                return error_set(reterr, -ENOSPC, "the disk is full");
        }
        (void) atomic_fetch_add(&ledger.writes, 1);
        (void) atomic_fetch_add(&ledger.entries, (unsigned) n);
        for (size_t i = 0; i < n; i++)
                (void) atomic_fetch_add(&ledger.requests, (unsigned) entries[i].requests);
        return 0;
}

static void on_failed(void *data, const struct error *error)
{
        (void) data;
        assert_string_equal(error->message, "the disk is full");
        (void) atomic_fetch_add(&ledger.told, 1);
}

struct bound {
        struct thread *thread;
        struct books *books;
};

static struct bound open_books(unsigned failures)
{
        const struct books_events events = { .failed = on_failed };
        struct bound bound = { 0 };

        memset(&ledger, 0, sizeof ledger);
        atomic_store(&ledger.failures, failures);
        assert_int_equal(thread_new(&bound.thread, NULL), 0);
        assert_int_equal(books_new(NULL, bound.thread, &events, &bound.books, NULL), 0);
        return bound;
}

static void close_books(struct bound *bound)
{
        bound->books = books_free(bound->books);
        bound->thread = thread_free(bound->thread);
}

static void add(struct books *books, unsigned day, const char *provider)
{
        struct ledger_entry entry = { .day = day, .requests = 1 };

        (void) snprintf(entry.provider, sizeof entry.provider, "%s", provider);
        assert_int_equal(books_add(books, &entry), 0);
}

static void on_settled(void *data)
{
        latch_open(data);
}

static void settle(struct books *books)
{
        struct latch latch;
        struct books_wait wait = { .settled = on_settled, .data = &latch };

        latch_init(&latch);
        books_settle(books, &wait);
        latch_wait(&latch);
        latch_done(&latch);
}

static void test_what_was_settled_is_written(void **state)
{
        struct bound bound = open_books(0);

        (void) state;
        for (int i = 0; i < 100; i++)
                add(bound.books, 1, i % 2 ? "one" : "two");
        settle(bound.books);
        assert_int_equal(ledger.requests, 100);
        settle(bound.books); /* nothing to write, and still told */
        assert_int_equal(ledger.requests, 100);
        close_books(&bound);
        assert_int_equal(ledger.told, 0);
}

static void test_entries_of_one_row_are_written_as_one(void **state)
{
        struct bound bound = open_books(0);

        (void) state;
        for (int i = 0; i < 30; i++)
                add(bound.books, (unsigned) i % 3, "one");
        close_books(&bound); /* writes what is left */
        assert_int_equal(ledger.requests, 30);
        assert_int_equal(ledger.writes, 1);
        assert_int_equal(ledger.entries, 3);
}

static void test_what_nobody_waits_for_is_written_soon(void **state)
{
        struct bound bound = open_books(0);
        uint64_t begin = clock_monotonic_usec();

        (void) state;
        add(bound.books, 1, "one");
        while (atomic_load(&ledger.writes) == 0)
                (void) usleep(10000);
        assert_true(clock_monotonic_usec() - begin >= 900000); /* together with others */
        close_books(&bound);
}

static void test_a_failed_write_is_told_and_nothing_is_lost(void **state)
{
        struct bound bound = open_books(2);

        (void) state;
        add(bound.books, 1, "one");
        settle(bound.books); /* waits no longer than for the first failure */
        assert_int_equal(ledger.requests, 0);
        add(bound.books, 1, "one");
        add(bound.books, 2, "one");
        while (atomic_load(&ledger.writes) == 0)
                (void) usleep(10000);
        close_books(&bound);
        assert_int_equal(ledger.requests, 3);
        assert_int_equal(ledger.entries, 2);
        assert_int_equal(ledger.told, 2);
}

static void test_books_that_cannot_be_written_at_the_end_say_so(void **state)
{
        struct bound bound = open_books(1000000);

        (void) state;
        add(bound.books, 1, "one");
        close_books(&bound);
        assert_int_equal(ledger.requests, 0);
        assert_true(ledger.told >= 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_was_settled_is_written),
                cmocka_unit_test(test_entries_of_one_row_are_written_as_one),
                cmocka_unit_test(test_what_nobody_waits_for_is_written_soon),
                cmocka_unit_test(test_a_failed_write_is_told_and_nothing_is_lost),
                cmocka_unit_test(test_books_that_cannot_be_written_at_the_end_say_so),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
