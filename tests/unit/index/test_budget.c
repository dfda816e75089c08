/* SPDX-License-Identifier: Apache-2.0 */
#include "index/budget.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define THREADS 4
#define ROUNDS 20000

static void test_what_is_taken_never_exceeds_the_limit(void **state)
{
        cleanup_(index_budget_free_cleanup) struct index_budget *budget = NULL;

        (void) state;
        assert_int_equal(index_budget_new(100, &budget, NULL), 0);
        assert_int_equal(index_budget_take(budget, 60), 0);
        assert_int_equal(index_budget_take(budget, 41), -EDQUOT);
        assert_int_equal(index_budget_take(budget, UINT64_MAX), -EDQUOT);
        assert_int_equal(index_budget_used(budget), 60);
        assert_int_equal(index_budget_take(budget, 40), 0);
        assert_int_equal(index_budget_take(budget, 1), -EDQUOT);
        assert_int_equal(index_budget_take(budget, 0), 0);
        index_budget_give(budget, 70);
        assert_int_equal(index_budget_used(budget), 30);
        assert_int_equal(index_budget_take(budget, 70), 0);
        index_budget_give(budget, 100);
        assert_int_equal(index_budget_used(budget), 0);
}

static void test_without_a_budget_there_is_no_limit(void **state)
{
        (void) state;
        assert_int_equal(index_budget_take(NULL, UINT64_MAX), 0);
        index_budget_give(NULL, UINT64_MAX);
        assert_int_equal(index_budget_used(NULL), 0);
}

static void *take_and_give(void *data)
{
        struct index_budget *budget = data;
        uintptr_t wrong = 0;

        for (int i = 0; i < ROUNDS; i++) {
                if (index_budget_take(budget, 30) < 0)
                        continue;
                wrong += index_budget_used(budget) > 100;
                index_budget_give(budget, 30);
        }
        return (void *) wrong;
}

static void test_a_lower_limit_waits_until_enough_was_given_back(void **state)
{
        cleanup_(index_budget_free_cleanup) struct index_budget *budget = NULL;

        (void) state;
        assert_int_equal(index_budget_new(100, &budget, NULL), 0);
        assert_int_equal(index_budget_take(budget, 80), 0);
        index_budget_set(budget, 50);
        assert_int_equal(index_budget_max(budget), 50);
        assert_int_equal(index_budget_used(budget), 80);
        assert_int_equal(index_budget_take(budget, 1), -EDQUOT);
        index_budget_give(budget, 40);
        assert_int_equal(index_budget_take(budget, 10), 0);
        assert_int_equal(index_budget_take(budget, 1), -EDQUOT);
        index_budget_set(budget, 200);
        assert_int_equal(index_budget_take(budget, 150), 0);
}

static void test_many_threads_share_it_without_losing_a_byte(void **state)
{
        cleanup_(index_budget_free_cleanup) struct index_budget *budget = NULL;
        pthread_t threads[THREADS];

        (void) state;
        assert_int_equal(index_budget_new(100, &budget, NULL), 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, budget), 0);
        for (int i = 0; i < THREADS; i++) {
                void *wrong;

                assert_int_equal(pthread_join(threads[i], &wrong), 0);
                assert_null(wrong);
        }
        assert_int_equal(index_budget_used(budget), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_what_is_taken_never_exceeds_the_limit),
                cmocka_unit_test(test_without_a_budget_there_is_no_limit),
                cmocka_unit_test(test_a_lower_limit_waits_until_enough_was_given_back),
                cmocka_unit_test(test_many_threads_share_it_without_losing_a_byte),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
