/* SPDX-License-Identifier: Apache-2.0 */
#include "release/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void test_every_state_has_a_name_that_reads_back(void **state)
{
        (void) state;
        for (int i = 0; i < RELEASE_STATE_MAX; i++) {
                assert_non_null(release_state_name((enum release_state) i));
                assert_int_equal(release_state_from_name(release_state_name((enum release_state) i)), i);
        }
        assert_null(release_state_name(RELEASE_STATE_MAX));
        assert_int_equal(release_state_from_name("Stable"), RELEASE_STATE_INVALID);
}

static void test_a_state_may_be_set_to_itself_and_no_state_comes_back_from_pruned(void **state)
{
        (void) state;
        for (int i = 0; i < RELEASE_STATE_MAX; i++) {
                assert_true(release_state_may_become((enum release_state) i, (enum release_state) i));
                if (i != RELEASE_PRUNED)
                        assert_false(release_state_may_become(RELEASE_PRUNED, (enum release_state) i));
        }
        assert_false(release_state_may_become(RELEASE_STATE_INVALID, RELEASE_STABLE));
        assert_false(release_state_may_become(RELEASE_STABLE, RELEASE_STATE_MAX));
}

static void test_the_usual_ways_are_open_and_the_short_cuts_closed(void **state)
{
        static const struct {
                enum release_state from, to;
                bool allowed;
        } cases[] = {
                { RELEASE_PLANNED, RELEASE_BUILDING, true },
                { RELEASE_BUILDING, RELEASE_READY, true },
                { RELEASE_READY, RELEASE_CANARY, true },
                { RELEASE_CANARY, RELEASE_PROVISIONAL, true },
                { RELEASE_PROVISIONAL, RELEASE_STABLE, true },
                { RELEASE_STABLE, RELEASE_SUPERSEDED, true },
                { RELEASE_SUPERSEDED, RELEASE_STABLE, true },
                { RELEASE_SUPERSEDED, RELEASE_PRUNED, true },
                { RELEASE_PROVISIONAL, RELEASE_REVERTED, true },
                { RELEASE_CANARY, RELEASE_ABORTED, true },
                { RELEASE_BUILDING, RELEASE_REJECTED, true },
                /* traffic never sees what is not built, and what failed stays failed */
                { RELEASE_PLANNED, RELEASE_PROVISIONAL, false },
                { RELEASE_BUILDING, RELEASE_CANARY, false },
                { RELEASE_BUILDING, RELEASE_STABLE, false },
                { RELEASE_READY, RELEASE_REJECTED, false },
                { RELEASE_PROVISIONAL, RELEASE_SUPERSEDED, false },
                { RELEASE_STABLE, RELEASE_PRUNED, false },
                { RELEASE_REVERTED, RELEASE_STABLE, false },
                { RELEASE_REJECTED, RELEASE_READY, false },
                { RELEASE_ABORTED, RELEASE_CANARY, false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
                assert_int_equal(release_state_may_become(cases[i].from, cases[i].to),
                                 cases[i].allowed);
}

static void test_only_what_was_stable_may_be_rolled_back_to(void **state)
{
        (void) state;
        for (int i = 0; i < RELEASE_STATE_MAX; i++)
                assert_int_equal(release_state_is_target((enum release_state) i),
                                 i == RELEASE_STABLE || i == RELEASE_SUPERSEDED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_state_has_a_name_that_reads_back),
                cmocka_unit_test(test_a_state_may_be_set_to_itself_and_no_state_comes_back_from_pruned),
                cmocka_unit_test(test_the_usual_ways_are_open_and_the_short_cuts_closed),
                cmocka_unit_test(test_only_what_was_stable_may_be_rolled_back_to),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
