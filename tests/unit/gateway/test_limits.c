/* SPDX-License-Identifier: Apache-2.0 */
/* Token bucket, sliding minute, day and what adapts: exact to the microsecond. */
#include "gateway/adaptive.h"
#include "gateway/day.h"
#include "gateway/ratelimit.h"
#include "gateway/window.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)
#define DAY (86400 * SECOND)

static uint64_t next_random(uint64_t *state)
{
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *state >> 33U;
}

/* ---- Token bucket ---------------------------------------------------------------------------- */

static void test_a_full_bucket_gives_its_burst_and_then_names_the_wait(void **state)
{
        const struct ratelimit_policy policy = { .rate = 30, .burst = 5 };
        struct ratelimit limit;
        uint64_t wait = 0;

        (void) state;
        ratelimit_init(&limit, &policy, 1000);
        for (int i = 0; i < 5; i++)
                assert_int_equal(ratelimit_take(&limit, 1, 1000, &wait), 0);
        assert_int_equal(ratelimit_take(&limit, 1, 1000, &wait), -EAGAIN);
        assert_int_equal(wait, 2 * SECOND);
        assert_int_equal(ratelimit_take(&limit, 1, 1000 + 2 * SECOND - 1, &wait), -EAGAIN);
        assert_int_equal(wait, 1);
        assert_int_equal(ratelimit_take(&limit, 1, 1000 + 2 * SECOND, &wait), 0);
        assert_int_equal(ratelimit_take(&limit, 6, 1000, &wait), -E2BIG);
}

static void test_no_rounding_gives_more_than_was_gained(void **state)
{
        const struct ratelimit_policy policy = { .rate = 7, .burst = 3 };
        struct ratelimit limit;
        uint64_t now = 0, taken = 0, seed = 1, wait;

        (void) state;
        ratelimit_init(&limit, &policy, now);
        for (int i = 0; i < 200000; i++) {
                now += next_random(&seed) % 300000;
                if (ratelimit_take(&limit, 1, now, &wait) == 0)
                        taken++;
                /* 7 a minute since the beginning, and the burst */
                assert_true(taken <= 3 + (now * 7) / MINUTE);
        }
        /* it was asked far more often than it gives: nothing is lost either */
        assert_true(taken >= (now * 7) / MINUTE);
}

static void test_the_wait_of_a_bucket_is_exact(void **state)
{
        uint64_t seed = 2;

        (void) state;
        for (int i = 0; i < 20000; i++) {
                const struct ratelimit_policy policy = { (uint32_t) next_random(&seed) % 5000 + 1,
                                                         (uint32_t) next_random(&seed) % 9 + 1 };
                struct ratelimit limit;
                uint64_t wait = 0, now = next_random(&seed);

                ratelimit_init(&limit, &policy, now);
                for (uint32_t n = 0; n < policy.burst; n++)
                        assert_int_equal(ratelimit_take(&limit, 1, now, &wait), 0);
                now += next_random(&seed) % 9000;
                if (ratelimit_take(&limit, 1, now, &wait) == 0)
                        continue;
                assert_int_equal(ratelimit_take(&limit, 1, now + wait - 1, &wait), -EAGAIN);
                assert_int_equal(wait, 1);
                wait = ratelimit_wait(&limit, 1, now);
                assert_int_equal(ratelimit_take(&limit, 1, now + wait, &wait), 0);
        }
}

static void test_a_long_rest_fills_a_bucket_and_no_more(void **state)
{
        const struct ratelimit_policy policy = { .rate = 100000000, .burst = 2 };
        struct ratelimit limit;
        uint64_t wait;

        (void) state;
        ratelimit_init(&limit, &policy, 0);
        assert_int_equal(ratelimit_take(&limit, 2, UINT64_MAX - 10, &wait), 0);
        assert_int_equal(ratelimit_take(&limit, 1, UINT64_MAX - 10, &wait), -EAGAIN);
        assert_int_equal(wait, 1);
        ratelimit_set_rate(&limit, 0, UINT64_MAX - 10);
        assert_int_equal(ratelimit_take(&limit, 1, UINT64_MAX, &wait), -EAGAIN);
        assert_true(wait == UINT64_MAX);
}

/* ---- Sliding minute -------------------------------------------------------------------------- */

#define EVENTS 4000

/* Takings at random times; any window of a minute that ends with one of them is added up. */
static void check_window(uint64_t limit, uint64_t pace, uint64_t largest, uint64_t seed)
{
        static uint64_t when[EVENTS], amount[EVENTS];
        struct window window;
        uint64_t now = 5, wait = 0;
        size_t n = 0;

        window_init(&window, limit);
        for (int tries = 0; n < EVENTS && tries < 400000; tries++) {
                uint64_t want = largest > 1 ? next_random(&seed) % largest + 1 : 1, sum = 0;
                int r = window_take(&window, want, now, &wait);

                if (r == -E2BIG) {
                        assert_true(want > limit);
                } else if (r == -EAGAIN) {
                        assert_true(wait > 0 && wait <= MINUTE);
                        now += next_random(&seed) % 3 ? wait : wait / 2;
                        continue;
                } else {
                        assert_int_equal(r, 0);
                        when[n] = now;
                        amount[n++] = want;
                        for (size_t i = n; i > 0 && when[i - 1] + MINUTE > now; i--)
                                sum += amount[i - 1];
                        assert_true(sum <= limit);
                }
                now += next_random(&seed) % pace;
        }
        assert_true(n > 100);
        window_done(&window);
}

static void test_no_minute_holds_more_than_the_limit(void **state)
{
        (void) state;
        check_window(30, SECOND, 1, 3);
        check_window(1, 100 * SECOND, 1, 4);
        check_window(400, SECOND / 10, 1, 5);
        check_window(3000, SECOND / 100, 1, 6); /* more than are held one by one */
        check_window(15000, SECOND, 900, 7);
}

static void test_the_wait_of_a_window_is_exact(void **state)
{
        struct window window;
        uint64_t wait = 0;

        (void) state;
        window_init(&window, 10);
        assert_int_equal(window_take(&window, 4, 100, &wait), 0);
        assert_int_equal(window_take(&window, 4, 200, &wait), 0);
        assert_int_equal(window_take(&window, 3, 300, &wait), -EAGAIN);
        assert_int_equal(wait, MINUTE - 200);
        assert_int_equal(window_take(&window, 9, 300, &wait), -EAGAIN);
        assert_int_equal(wait, MINUTE - 100);
        assert_int_equal(window_take(&window, 11, 300, &wait), -E2BIG);
        assert_int_equal(window_take(&window, 3, 100 + MINUTE - 1, &wait), -EAGAIN);
        assert_int_equal(wait, 1);
        assert_int_equal(window_take(&window, 3, 100 + MINUTE, &wait), 0);
        assert_int_equal(window_used(&window, 100 + MINUTE), 7);
        window_return(&window, 2, 100 + MINUTE);
        assert_int_equal(window_used(&window, 100 + MINUTE), 5);
        window_done(&window);
}

static void test_a_window_foresees_waits_beyond_one_minute(void **state)
{
        struct window window;
        uint64_t wait = 0;

        (void) state;
        window_init(&window, 2);
        assert_int_equal(window_take(&window, 2, 1000, &wait), 0);
        assert_int_equal(window_wait(&window, 2, 1000), MINUTE);
        assert_int_equal(window_wait(&window, 3, 1000), 2 * MINUTE);
        assert_int_equal(window_wait(&window, 5, 1000), 3 * MINUTE);
        window_done(&window);
}

static void test_a_busy_window_loses_little_to_its_bounded_memory(void **state)
{
        struct window window;
        uint64_t now = 0, wait, taken = 0;

        (void) state;
        window_init(&window, 60000); /* a thousand a second for ten minutes */
        while (now < 10 * MINUTE) {
                if (window_take(&window, 1, now, &wait) == 0)
                        taken++;
                now += 900;
        }
        assert_true(taken <= 600000);
        assert_true(taken > 590000);
        window_done(&window);
}

/* ---- Day ------------------------------------------------------------------------------------- */

static void test_a_day_ends_at_midnight_and_remembers_what_was_used_before(void **state)
{
        struct day_limit limit;
        uint64_t wait = 0, noon = 20000 * DAY + DAY / 2;

        (void) state;
        day_limit_init(&limit, 100, 20000, 98);
        assert_int_equal(day_limit_take(&limit, 1, noon, &wait), 0);
        assert_int_equal(day_limit_take(&limit, 1, noon, &wait), 0);
        assert_int_equal(day_limit_take(&limit, 1, noon, &wait), -EAGAIN);
        assert_int_equal(wait, DAY / 2);
        assert_int_equal(day_limit_take(&limit, 101, noon, &wait), -E2BIG);
        assert_int_equal(day_limit_take(&limit, 1, noon - DAY, &wait), -EAGAIN); /* set back */
        assert_int_equal(day_limit_take(&limit, 100, noon + DAY / 2, &wait), 0);
        assert_int_equal(day_limit_take(&limit, 1, noon + DAY, &wait), -EAGAIN);
}

/* ---- What adapts ----------------------------------------------------------------------------- */

static void test_the_pace_rises_by_a_tenth_and_is_halved(void **state)
{
        struct adaptive pace;

        (void) state;
        adaptive_init(&pace, 30);
        for (int i = 0; i < 2; i++)
                assert_false(adaptive_refused(&pace));
        assert_true(adaptive_refused(&pace)); /* more than two */
        assert_int_equal(pace.current, 15);
        for (int i = 0; i < 3; i++)
                (void) adaptive_refused(&pace);
        for (int i = 0; i < 3; i++)
                (void) adaptive_refused(&pace);
        assert_int_equal(pace.current, 5);
        for (int i = 0; i < 10; i++)
                assert_false(adaptive_success(&pace));
        assert_true(adaptive_success(&pace)); /* more than ten */
        assert_int_equal(pace.current, 6);
        for (int i = 0; i < 11 * 30; i++)
                (void) adaptive_success(&pace);
        assert_int_equal(pace.current, 30); /* never beyond what is configured */
}

static void test_a_pace_without_limit_learns_one_from_heads(void **state)
{
        struct adaptive pace;

        (void) state;
        adaptive_init(&pace, 0);
        for (int i = 0; i < 9; i++)
                assert_false(adaptive_refused(&pace)); /* nothing to halve */
        assert_false(adaptive_learn(&pace, UINT64_MAX));
        assert_true(adaptive_learn(&pace, 60));
        assert_int_equal(pace.current, 60);
        for (int i = 0; i < 3; i++)
                (void) adaptive_refused(&pace);
        assert_int_equal(pace.current, 30);
        assert_false(adaptive_learn(&pace, 90)); /* stays slowed down */
        for (int i = 0; i < 11 * 20; i++)
                (void) adaptive_success(&pace);
        assert_int_equal(pace.current, 90);
        adaptive_init(&pace, 3); /* below the floor already */
        for (int i = 0; i < 9; i++)
                (void) adaptive_refused(&pace);
        assert_int_equal(pace.current, 3);
}

static void test_batches_grow_when_slow_and_shrink_when_refused(void **state)
{
        struct batch_size size;

        (void) state;
        batch_size_init(&size, 64);
        batch_size_refused(&size, 64);
        assert_int_equal(size.current, 32);
        batch_size_refused(&size, 64); /* another one that was under way */
        assert_int_equal(size.current, 32);
        batch_size_refused(&size, 3);
        assert_int_equal(size.current, 1);
        batch_size_refused(&size, 1);
        assert_int_equal(size.current, 1);
        batch_size_success(&size, 1000);
        assert_int_equal(size.current, 1);
        batch_size_success(&size, 3 * SECOND);
        batch_size_success(&size, 3 * SECOND);
        assert_int_equal(size.current, 4);
        for (int i = 0; i < 10; i++)
                batch_size_success(&size, 1000);
        assert_int_equal(size.current, 5);
        for (int i = 0; i < 200; i++)
                batch_size_success(&size, 1000);
        assert_int_equal(size.current, 64);
}

/* ---- Another release's figures --------------------------------------------------------------- */

static void test_a_larger_bucket_is_filled_by_time_alone(void **state)
{
        const struct ratelimit_policy policy = { .rate = 60, .burst = 2 };
        struct ratelimit limit;
        uint64_t wait = 0;

        (void) state;
        ratelimit_init(&limit, &policy, 0);
        assert_int_equal(ratelimit_take(&limit, 2, 0, &wait), 0);
        ratelimit_set_burst(&limit, 4, SECOND);
        assert_int_equal(ratelimit_take(&limit, 2, SECOND, &wait), -EAGAIN);
        assert_int_equal(ratelimit_take(&limit, 1, SECOND, &wait), 0);
        assert_int_equal(ratelimit_take(&limit, 4, 5 * SECOND, &wait), 0);
        ratelimit_set_burst(&limit, 1, 60 * SECOND);
        assert_int_equal(ratelimit_take(&limit, 2, 60 * SECOND, &wait), -E2BIG);
        assert_int_equal(ratelimit_take(&limit, 1, 60 * SECOND, &wait), 0);
        assert_int_equal(ratelimit_take(&limit, 1, 60 * SECOND, &wait), -EAGAIN);
}

static void test_who_was_slowed_down_stays_so_under_another_limit(void **state)
{
        struct adaptive pace;
        struct batch_size size;

        (void) state;
        adaptive_init(&pace, 30);
        adaptive_configure(&pace, 60);
        assert_int_equal(pace.current, 60); /* nobody refused it */
        for (int i = 0; i < 3; i++)
                (void) adaptive_refused(&pace);
        adaptive_configure(&pace, 100);
        assert_int_equal(pace.current, 30);
        adaptive_configure(&pace, 20);
        assert_int_equal(pace.current, 20);
        adaptive_configure(&pace, 0);
        assert_int_equal(pace.current, 0); /* at its limit: there is none any more */
        (void) adaptive_learn(&pace, 50);
        adaptive_configure(&pace, 80);
        assert_int_equal(pace.current, 50); /* what the provider names stays known */

        batch_size_init(&size, 64);
        batch_size_configure(&size, 100);
        assert_int_equal(size.current, 100);
        batch_size_refused(&size, 100);
        batch_size_configure(&size, 200);
        assert_int_equal(size.current, 50);
        batch_size_configure(&size, 10);
        assert_int_equal(size.current, 10);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_full_bucket_gives_its_burst_and_then_names_the_wait),
                cmocka_unit_test(test_no_rounding_gives_more_than_was_gained),
                cmocka_unit_test(test_the_wait_of_a_bucket_is_exact),
                cmocka_unit_test(test_a_long_rest_fills_a_bucket_and_no_more),
                cmocka_unit_test(test_no_minute_holds_more_than_the_limit),
                cmocka_unit_test(test_the_wait_of_a_window_is_exact),
                cmocka_unit_test(test_a_window_foresees_waits_beyond_one_minute),
                cmocka_unit_test(test_a_busy_window_loses_little_to_its_bounded_memory),
                cmocka_unit_test(test_a_day_ends_at_midnight_and_remembers_what_was_used_before),
                cmocka_unit_test(test_the_pace_rises_by_a_tenth_and_is_halved),
                cmocka_unit_test(test_a_pace_without_limit_learns_one_from_heads),
                cmocka_unit_test(test_batches_grow_when_slow_and_shrink_when_refused),
                cmocka_unit_test(test_a_larger_bucket_is_filled_by_time_alone),
                cmocka_unit_test(test_who_was_slowed_down_stays_so_under_another_limit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
