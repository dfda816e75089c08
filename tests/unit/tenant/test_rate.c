/* SPDX-License-Identifier: Apache-2.0 */
/* Limits per minute are exact: never one too many, never a microsecond too long. */
#include "tenant/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define ok(call) assert_int_equal((call), 0)
#define MINUTE UINT64_C(60000000)
#define BEGIN UINT64_C(1000000007) /* when each test begins */

static struct rate_limit limit_of(uint64_t per_minute, const char *who, uint64_t amount)
{
        return (struct rate_limit){ per_minute, who, strlen(who), amount };
}

static int take(struct rates *rates, const struct rate_limit *limit, uint64_t now_usec,
                struct rate_state *ret)
{
        size_t refused = 77;
        int r = rates_take(rates, limit, 1, now_usec, ret, &refused);

        assert_int_equal(refused, r < 0 ? 0 : 77);
        return r;
}

static struct rates *table(size_t max_entries)
{
        struct rates *rates = NULL;

        ok(rates_new(max_entries, &rates, NULL));
        return rates;
}

static void test_a_minute_is_full_at_once_and_then_the_wait_is_exact(void **state)
{
        static const uint64_t rates_per_minute[] = { 1, 7, 60, 97, 100, 1000, 9999991 };

        (void) state;
        for (size_t i = 0; i < sizeof rates_per_minute / sizeof rates_per_minute[0]; i++) {
                uint64_t q = rates_per_minute[i], now = BEGIN;
                struct rate_limit limit = limit_of(q, "u", 1);
                struct rates *rates = table(1024);
                struct rate_state at;

                for (uint64_t n = 1; n <= q; n++) {
                        ok(take(rates, &limit, now, &at));
                        assert_true(at.left == q - n && at.wait_usec == 0);
                }
                assert_true(at.reset_usec == MINUTE);
                for (uint64_t n = 1; n <= 500; n++) {
                        uint64_t due = BEGIN + (n * MINUTE + q - 1) / q;

                        assert_int_equal(take(rates, &limit, now, &at), -EAGAIN);
                        assert_true(at.wait_usec == due - now && at.left == 0);
                        if (due - 1 > now) {
                                assert_int_equal(take(rates, &limit, due - 1, &at), -EAGAIN);
                                assert_true(at.wait_usec == 1);
                        }
                        now = due;
                        ok(take(rates, &limit, now, &at));
                }
                rates_free(rates);
        }
}

/* ---- Threads -------------------------------------------------------------------------------- */

struct hammering {
        struct rates *rates;
        uint64_t q, duration_usec, step_usec;
        atomic_uint_fast64_t now_usec, passed;
};

/* All look at one clock, which whoever comes by moves on; a turn at each of its ticks. */
static void *hammer(void *data)
{
        struct hammering *hammering = data;
        struct rate_limit limit = limit_of(hammering->q, "everybody", 1);
        struct rate_state at;
        uint64_t end = BEGIN + hammering->duration_usec;

        for (;;) {
                uint64_t now = hammering->now_usec;
                size_t refused;

                while (rates_take(hammering->rates, &limit, 1, now, &at, &refused) == 0)
                        hammering->passed++;
                if (now == end)
                        return NULL;
                (void) atomic_compare_exchange_strong(
                        &hammering->now_usec, &now,
                        now + hammering->step_usec > end ? end : now + hammering->step_usec);
        }
}

static void test_32_threads_get_exactly_what_one_would(void **state)
{
        static const struct {
                uint64_t q, duration_usec, step_usec;
        } cases[] = {
                { 1, 600000000, 1000000 },  { 100, 90000000, 77777 },  { 100, 60000000, 600000 },
                { 997, 61234567, 30011 },   { 10000, 1500000, 1 << 7 }, { 7, 59999999, 100000 },
                { 9999991, 100001, 1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct hammering hammering = { table(64), cases[i].q, cases[i].duration_usec,
                                               cases[i].step_usec, BEGIN, 0 };
                uint64_t expected = cases[i].q + cases[i].duration_usec * cases[i].q / MINUTE;
                pthread_t threads[32];

                for (size_t t = 0; t < 32; t++)
                        ok(pthread_create(&threads[t], NULL, hammer, &hammering));
                for (size_t t = 0; t < 32; t++)
                        ok(pthread_join(threads[t], NULL));
                if (hammering.passed != expected)
                        fail_msg("case %zu: %llu passed, not %llu", i,
                                 (unsigned long long) hammering.passed,
                                 (unsigned long long) expected);
                rates_free(hammering.rates);
        }
}

struct pairing {
        struct rates *rates;
        unsigned number;
        atomic_uint_fast64_t *passed;
};

/* Two limits that all threads share, in both orders, and one of each thread's own. */
static void *take_three(void *data)
{
        struct pairing *pairing = data;
        char own[32];
        struct rate_limit limits[3];
        struct rate_state states[3];
        size_t refused;

        (void) snprintf(own, sizeof own, "own %u", pairing->number);
        limits[pairing->number % 2] = limit_of(5000, "one", 1);
        limits[1 - pairing->number % 2] = limit_of(3001, "other", 1);
        limits[2] = limit_of(200, own, 1);
        for (int i = 0; i < 1000; i++)
                if (rates_take(pairing->rates, limits, 3, BEGIN, states, &refused) == 0)
                        ++*pairing->passed;
        return NULL;
}

static void test_all_of_them_or_none_under_32_threads(void **state)
{
        struct rates *rates = table(1024);
        atomic_uint_fast64_t passed = 0;
        struct pairing pairings[32];
        pthread_t threads[32];
        struct rate_limit other = limit_of(5000, "one", 1);
        struct rate_state at;

        (void) state;
        for (unsigned t = 0; t < 32; t++) {
                pairings[t] = (struct pairing){ rates, t, &passed };
                ok(pthread_create(&threads[t], NULL, take_three, &pairings[t]));
        }
        for (unsigned t = 0; t < 32; t++)
                ok(pthread_join(threads[t], NULL));
        assert_int_equal(passed, 3001);
        /* what was refused for the other's sake was not taken */
        ok(take(rates, &other, BEGIN, &at));
        assert_int_equal(at.left, 5000 - 3001 - 1);
        rates_free(rates);
}

static void test_the_limit_that_is_longest_in_the_way_is_named(void **state)
{
        struct rates *rates = table(64);
        struct rate_limit limits[3] = { limit_of(60, "fast", 1), limit_of(1, "slow", 1),
                                        limit_of(600, "wide", 1) };
        struct rate_state states[3];
        size_t refused = 0;

        (void) state;
        ok(rates_take(rates, limits, 3, BEGIN, states, &refused));
        assert_int_equal(rates_take(rates, limits, 3, BEGIN + 1, states, &refused), -EAGAIN);
        assert_int_equal(refused, 1);
        assert_true(states[1].wait_usec == MINUTE - 1);
        assert_true(states[0].wait_usec == 0 && states[0].left == 59);
        rates_free(rates);
}

/* ---- Amounts -------------------------------------------------------------------------------- */

static void test_amounts_are_bytes_and_what_is_larger_than_a_minute_never_passes(void **state)
{
        struct rates *rates = table(64);
        struct rate_limit limit = limit_of(1000000, "b", 600000);
        struct rate_state at;

        (void) state;
        ok(take(rates, &limit, BEGIN, &at));
        assert_true(at.left == 400000 && at.reset_usec == 36000000);
        assert_int_equal(take(rates, &limit, BEGIN, &at), -EAGAIN);
        assert_true(at.wait_usec == 12000000 && at.left == 400000);
        assert_int_equal(take(rates, &limit, BEGIN + 11999999, &at), -EAGAIN);
        ok(take(rates, &limit, BEGIN + 12000000, &at));
        limit.amount = 1000001;
        assert_int_equal(take(rates, &limit, BEGIN + 10 * MINUTE, &at), -EAGAIN);
        assert_true(at.wait_usec == UINT64_MAX && at.left == 1000000);
        limit.amount = UINT64_MAX;
        assert_int_equal(take(rates, &limit, BEGIN + 10 * MINUTE, &at), -EAGAIN);
        assert_true(at.wait_usec == UINT64_MAX);
        limit.amount = 1000000;
        ok(take(rates, &limit, BEGIN + 10 * MINUTE, &at));
        limit.amount = 0; /* only looks */
        ok(take(rates, &limit, BEGIN + 10 * MINUTE, &at));
        assert_true(at.left == 0 && at.reset_usec == MINUTE);
        limit = limit_of(UINT64_MAX, "wide", RATE_MAX);
        ok(take(rates, &limit, BEGIN, &at));
        assert_true(at.left == 0);
        limit.amount = 1;
        assert_int_equal(take(rates, &limit, BEGIN, &at), -EAGAIN);
        assert_true(at.wait_usec == 1);
        rates_free(rates);
}

static void test_another_limit_for_the_same_user_keeps_his_debt_in_time(void **state)
{
        struct rates *rates = table(64);
        struct rate_limit limit = limit_of(1000, "u", 1000);
        struct rate_state at;

        (void) state;
        ok(take(rates, &limit, BEGIN, &at));
        limit = limit_of(1, "u", 1);
        assert_int_equal(take(rates, &limit, BEGIN, &at), -EAGAIN);
        assert_true(at.wait_usec == MINUTE);
        limit = limit_of(60, "u", 1);
        assert_int_equal(take(rates, &limit, BEGIN + 1, &at), -EAGAIN);
        assert_true(at.wait_usec == 999999);
        ok(take(rates, &limit, BEGIN + 1000000, &at));
        rates_free(rates);
}

/* ---- Memory --------------------------------------------------------------------------------- */

static struct rate_limit number(uint64_t *at, uint64_t per_minute)
{
        return (struct rate_limit){ per_minute, at, sizeof *at, 1 };
}

static void test_a_million_users_stay_within_the_table_and_those_in_it_are_exact(void **state)
{
        struct rates *rates = table(1U << 17U);
        struct rates_figures figures;
        struct rate_state at;
        uint64_t refused_again = 0;

        (void) state;
        rates_get_figures(rates, &figures);
        assert_true(figures.entries == 0 && figures.max_entries == 1U << 17U);
        for (uint64_t i = 0; i < 1000000; i++) {
                struct rate_limit limit = number(&i, 1);

                ok(take(rates, &limit, BEGIN + i, &at));
        }
        rates_get_figures(rates, &figures);
        assert_true(figures.entries <= figures.max_entries);
        assert_true(figures.entries > figures.max_entries * 9 / 10);
        assert_true(figures.evictions == 1000000 - figures.entries);
        /* the youngest are those with the most debt: they are still there */
        for (uint64_t i = 990000; i < 1000000; i++) {
                struct rate_limit limit = number(&i, 1);

                refused_again += take(rates, &limit, BEGIN + 1000000, &at) == -EAGAIN;
        }
        assert_true(refused_again > 9990);
        rates_free(rates);
}

static void test_those_whose_time_has_passed_make_room(void **state)
{
        struct rates *rates = table(4096);
        struct rates_figures figures;
        struct rate_state at;

        (void) state;
        for (uint64_t round = 0; round < 50; round++)
                for (uint64_t i = 0; i < 2000; i++) {
                        uint64_t who = round * 2000 + i;
                        struct rate_limit limit = number(&who, 1);

                        ok(take(rates, &limit, BEGIN + round * MINUTE, &at));
                }
        rates_get_figures(rates, &figures);
        assert_int_equal(figures.evictions, 0);
        assert_true(figures.entries <= figures.max_entries);
        rates_free(rates);
}

static void test_a_table_that_grows_forgets_nobody(void **state)
{
        struct rates *rates = table(1U << 16U);
        struct rates_figures figures;
        struct rate_state at;

        (void) state;
        for (uint64_t i = 0; i < 40000; i++) {
                struct rate_limit limit = number(&i, 3);

                ok(take(rates, &limit, BEGIN, &at));
        }
        rates_get_figures(rates, &figures);
        assert_int_equal(figures.entries, 40000);
        assert_int_equal(figures.evictions, 0);
        for (uint64_t i = 0; i < 40000; i++) {
                struct rate_limit limit = number(&i, 3);

                ok(take(rates, &limit, BEGIN, &at));
                assert_int_equal(at.left, 1);
        }
        rates_free(rates);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_minute_is_full_at_once_and_then_the_wait_is_exact),
                cmocka_unit_test(test_32_threads_get_exactly_what_one_would),
                cmocka_unit_test(test_all_of_them_or_none_under_32_threads),
                cmocka_unit_test(test_the_limit_that_is_longest_in_the_way_is_named),
                cmocka_unit_test(
                        test_amounts_are_bytes_and_what_is_larger_than_a_minute_never_passes),
                cmocka_unit_test(test_another_limit_for_the_same_user_keeps_his_debt_in_time),
                cmocka_unit_test(
                        test_a_million_users_stay_within_the_table_and_those_in_it_are_exact),
                cmocka_unit_test(test_those_whose_time_has_passed_make_room),
                cmocka_unit_test(test_a_table_that_grows_forgets_nobody),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
