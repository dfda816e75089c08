/* SPDX-License-Identifier: Apache-2.0 */
/* Breaker, retries and the queue: state machines with time as an argument. */
#include "gateway/breaker.h"
#include "gateway/queue.h"
#include "gateway/retry.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000)

/* ---- Breaker --------------------------------------------------------------------------------- */

static void test_a_breaker_opens_after_failures_in_a_row_and_tries_one_call(void **state)
{
        struct breaker breaker;
        uint64_t wait = 99;

        (void) state;
        breaker_init(&breaker, 3, 30 * SECOND);
        assert_false(breaker_failed(&breaker, "one", 0));
        assert_false(breaker_failed(&breaker, "two", 0));
        assert_false(breaker_answered(&breaker, 0)); /* not in a row */
        assert_false(breaker_failed(&breaker, "one", 0));
        assert_false(breaker_failed(&breaker, "two", 0));
        assert_true(breaker_failed(&breaker, "three", SECOND));
        assert_int_equal(breaker.state, BREAKER_OPEN);
        assert_string_equal(breaker.reason, "three");
        assert_int_equal(breaker_begin(&breaker, 2 * SECOND, &wait), -EAGAIN);
        assert_int_equal(wait, 29 * SECOND);
        assert_int_equal(breaker_begin(&breaker, 31 * SECOND - 1, &wait), -EAGAIN);
        assert_int_equal(wait, 1);
        assert_int_equal(breaker_begin(&breaker, 31 * SECOND, &wait), 0);
        assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
        assert_int_equal(breaker_begin(&breaker, 31 * SECOND, &wait), -EAGAIN); /* only one */
        assert_int_equal(wait, 0);
        assert_true(breaker_answered(&breaker, 32 * SECOND));
        assert_int_equal(breaker.state, BREAKER_CLOSED);
        assert_int_equal(breaker_begin(&breaker, 32 * SECOND, &wait), 0);
}

static void test_a_failed_trial_opens_the_breaker_anew(void **state)
{
        struct breaker breaker;
        uint64_t wait;

        (void) state;
        breaker_init(&breaker, 1, 10 * SECOND);
        assert_true(breaker_failed(&breaker, "down", 0));
        assert_int_equal(breaker_begin(&breaker, 10 * SECOND, &wait), 0);
        assert_false(breaker_failed(&breaker, "still down", 11 * SECOND));
        assert_int_equal(breaker.state, BREAKER_OPEN);
        assert_int_equal(breaker_check(&breaker, 12 * SECOND, &wait), -EAGAIN);
        assert_int_equal(wait, 9 * SECOND);
        /* a trial that says nothing leaves the place to the next one */
        assert_int_equal(breaker_begin(&breaker, 21 * SECOND, &wait), 0);
        breaker_abandoned(&breaker);
        assert_int_equal(breaker_begin(&breaker, 21 * SECOND, &wait), 0);
}

/* ---- Retries --------------------------------------------------------------------------------- */

static const struct retry_policy policy = { .max_retries = 3, .base_usec = SECOND,
                                            .cap_usec = 5 * SECOND };

static void test_backoff_is_spread_evenly_from_nothing_to_its_ceiling(void **state)
{
        static const uint64_t ceilings[] = { SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND,
                                             5 * SECOND };

        (void) state;
        for (uint32_t n = 0; n < 5; n++) {
                unsigned tenths[10] = { 0 };
                uint64_t seed = n;

                assert_int_equal(retry_backoff(&policy, n + 1, 0), 0);
                assert_int_equal(retry_backoff(&policy, n + 1, UINT64_MAX), ceilings[n]);
                for (int i = 0; i < 100000; i++) {
                        uint64_t wait;

                        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                        wait = retry_backoff(&policy, n + 1, seed);
                        assert_true(wait <= ceilings[n]);
                        tenths[wait * 10 / (ceilings[n] + 1)]++;
                }
                for (int i = 0; i < 10; i++)
                        assert_in_range(tenths[i], 9500, 10500);
        }
}

static enum retry_verdict decide(struct fault fault, uint32_t number, uint64_t deadline,
                                 uint64_t *ret_wait)
{
        struct retry_budget budget;

        retry_budget_init(&budget, 0.2);
        return retry_decide(&policy, &budget, &fault, number, 0, deadline, 0, ret_wait);
}

static void test_only_what_may_pass_is_retried(void **state)
{
        static const enum fault_class never[] = { FAULT_KEY, FAULT_MODEL, FAULT_REQUEST,
                                                  FAULT_REFUSED, FAULT_QUOTA, FAULT_TOO_LARGE };
        static const enum fault_class maybe[] = { FAULT_UNREACHABLE, FAULT_SERVER,
                                                  FAULT_RATE_LIMIT };
        uint64_t wait;

        (void) state;
        for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
                assert_int_equal(decide((struct fault){ .class = never[i] }, 1, UINT64_MAX, &wait),
                                 RETRY_NEVER);
        for (size_t i = 0; i < sizeof maybe / sizeof maybe[0]; i++)
                assert_int_equal(decide((struct fault){ .class = maybe[i] }, 1, UINT64_MAX, &wait),
                                 RETRY_YES);
        assert_int_equal(decide((struct fault){ .class = FAULT_SERVER }, 4, UINT64_MAX, &wait),
                         RETRY_ENOUGH);
}

static void test_a_hint_is_a_minimum_and_a_long_one_means_another_provider(void **state)
{
        struct fault fault = { .class = FAULT_RATE_LIMIT, .wait_usec = 7 * SECOND };
        uint64_t wait = 0;

        (void) state;
        assert_int_equal(decide(fault, 1, UINT64_MAX, &wait), RETRY_YES);
        assert_int_equal(wait, 7 * SECOND);
        assert_int_equal(decide(fault, 1, 7 * SECOND, &wait), RETRY_TOO_LATE);
        fault.wait_usec = 61 * SECOND;
        assert_int_equal(decide(fault, 1, UINT64_MAX, &wait), RETRY_TOO_LATE);
}

static void test_a_dying_provider_is_not_hammered(void **state)
{
        const struct fault fault = { .class = FAULT_SERVER };
        struct retry_budget budget;
        uint64_t wait;
        unsigned retries = 0;

        (void) state;
        retry_budget_init(&budget, 0.2);
        for (int i = 0; i < 1000; i++) { /* every call fails, and would be retried */
                retry_budget_attempt(&budget);
                retries += retry_decide(&policy, &budget, &fault, 1, 0, UINT64_MAX, 0, &wait) ==
                           RETRY_YES;
        }
        assert_int_equal(retries, 10 + 200);
        for (int i = 0; i < 100000; i++)
                retry_budget_attempt(&budget);
        assert_int_equal(budget.left, RETRY_BUDGET_MAX);
}

/* ---- Queue ----------------------------------------------------------------------------------- */

static struct tenant_id tenant(uint8_t number)
{
        struct tenant_id id = { 0 };

        id.id.bytes[0] = number;
        return id;
}

struct waiting {
        struct queue_item item;
        char name;
};

static void push(struct queue *queue, struct waiting *waiting, char name, uint8_t who,
                 uint64_t user, bool low)
{
        *waiting = (struct waiting){ .item.tokens = 10, .name = name };
        assert_int_equal(queue_push(queue, &waiting->item, tenant(who), user, low), 0);
}

static void drain(struct queue *queue, char *ret)
{
        struct queue_item *item;

        while ((item = queue_first(queue))) {
                *ret++ = ((struct waiting *) item)->name;
                queue_serve(queue, item);
        }
        *ret = '\0';
}

static void test_tenants_take_turns_and_users_within_them(void **state)
{
        struct queue queue = { 0 };
        struct waiting waiting[10];
        char order[16];

        (void) state;
        push(&queue, &waiting[0], 'a', 1, 1, false); /* one tenant with two users */
        push(&queue, &waiting[1], 'b', 1, 1, false);
        push(&queue, &waiting[2], 'c', 1, 1, false);
        push(&queue, &waiting[3], 'd', 1, 2, false);
        push(&queue, &waiting[4], 'x', 2, 1, false); /* another tenant */
        push(&queue, &waiting[5], 'y', 2, 1, false);
        push(&queue, &waiting[6], 'm', 3, 1, true); /* ingest */
        push(&queue, &waiting[7], 'z', 3, 1, false);
        assert_int_equal(queue_count(&queue), 8);
        drain(&queue, order);
        assert_string_equal(order, "axzdybcm");
        assert_int_equal(queue_count(&queue), 0);
}

static void test_the_queue_knows_who_is_ahead_at_least(void **state)
{
        struct queue queue = { 0 };
        struct waiting waiting[8];
        uint64_t calls, tokens;

        (void) state;
        push(&queue, &waiting[0], 'a', 1, 1, false);
        push(&queue, &waiting[1], 'b', 1, 1, false);
        push(&queue, &waiting[2], 'c', 1, 1, false);
        push(&queue, &waiting[3], 'x', 2, 1, false);
        queue_ahead(&queue, &waiting[2].item, &calls, &tokens); /* a, b, x */
        assert_int_equal(calls, 3);
        assert_int_equal(tokens, 30);
        queue_ahead(&queue, &waiting[3].item, &calls, &tokens);
        assert_int_equal(calls, 0);
        push(&queue, &waiting[4], 'l', 9, 1, true);
        queue_ahead(&queue, &waiting[4].item, &calls, &tokens);
        assert_int_equal(calls, 4);
        queue_remove(&queue, &waiting[1].item);
        queue_remove(&queue, &waiting[1].item); /* gone already */
        queue_ahead(&queue, &waiting[2].item, &calls, &tokens);
        assert_int_equal(calls, 2);
        for (size_t i = 0; i < 5; i++)
                queue_remove(&queue, &waiting[i].item);
        assert_null(queue_first(&queue));
}

/* Whatever comes and goes: each is served once, and nobody's turn passes twice while another
 * tenant waits. */
static void test_nobody_is_lost_or_served_twice_in_a_row(void **state)
{
        static struct waiting waiting[3000];
        struct queue queue = { 0 };
        uint64_t seed = 11;
        size_t served = 0, removed = 0, next = 0;
        const struct tenant_id nobody = tenant(255);
        struct tenant_id last = nobody;
        bool owned[3000][1] = { 0 };
        uint8_t owner[3000];

        (void) state;
        while (served + removed < 3000) {
                struct queue_item *item;

                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                if (next < 3000 && seed >> 62U) {
                        owner[next] = (uint8_t) ((seed >> 40U) % 5);
                        push(&queue, &waiting[next], 'q', owner[next], (seed >> 45U) % 3, false);
                        next++;
                        continue;
                }
                if (next > 0 && (seed >> 50U) % 7 == 0) {
                        size_t victim = (seed >> 33U) % next;

                        if (waiting[victim].item.user) {
                                queue_remove(&queue, &waiting[victim].item);
                                removed++;
                        }
                        continue;
                }
                item = queue_first(&queue);
                if (item) {
                        size_t at = (size_t) ((struct waiting *) item - waiting);
                        size_t others = 0;

                        for (size_t i = 0; i < next; i++)
                                others += waiting[i].item.user && owner[i] != owner[at];
                        assert_false(owned[at][0]);
                        owned[at][0] = true;
                        if (others > 0 && last.id.bytes[0] != 255)
                                assert_true(owner[at] != last.id.bytes[0] || served == 0);
                        last = others > 0 ? tenant(owner[at]) : nobody;
                        queue_serve(&queue, item);
                        served++;
                }
        }
        assert_null(queue_first(&queue));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_breaker_opens_after_failures_in_a_row_and_tries_one_call),
                cmocka_unit_test(test_a_failed_trial_opens_the_breaker_anew),
                cmocka_unit_test(test_backoff_is_spread_evenly_from_nothing_to_its_ceiling),
                cmocka_unit_test(test_only_what_may_pass_is_retried),
                cmocka_unit_test(test_a_hint_is_a_minimum_and_a_long_one_means_another_provider),
                cmocka_unit_test(test_a_dying_provider_is_not_hammered),
                cmocka_unit_test(test_tenants_take_turns_and_users_within_them),
                cmocka_unit_test(test_the_queue_knows_who_is_ahead_at_least),
                cmocka_unit_test(test_nobody_is_lost_or_served_twice_in_a_row),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
