/* SPDX-License-Identifier: Apache-2.0 */
/* A share of the traffic for a candidate (R4), and the verdict on it. */
#include "base/clock.h"
#include "base/json.h"
#include "release/canary.h"

#include <math.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above it */
#include <cmocka.h>

#define MINUTE (60 * USEC_PER_SEC)

static const struct promotion_config promotion = { .max_error_rate = 0.05,
                                                   .rollback_error_rate = 0.2 };
static const struct canary_config config = { .step_minutes = 10, .min_samples = 200 };
static const struct canary canary = { .config = &config,
                                      .promotion = &promotion,
                                      .percent = 10,
                                      .begun_usec = 1000 };

/* ---- Arms ------------------------------------------------------------------------------------ */

static enum release_arm arm_of(uint32_t release, uint32_t percent, unsigned who)
{
        char name[32];

        (void) snprintf(name, sizeof name, "person-%u", who);
        return canary_arm(release, percent, &(struct arm_key){ .user = name });
}

static void test_the_arms_are_as_large_as_asked_and_equal(void **state)
{
        static const uint32_t percents[] = { 1, 10, 25, 50 };

        (void) state;
        for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
                unsigned counts[RELEASE_ARM_MAX] = { 0 };
                double expected = 100.0 * percents[i], within = 4 * sqrt(expected);

                for (unsigned who = 0; who < 10000; who++)
                        counts[arm_of(42, percents[i], who)]++;
                if (fabs(counts[RELEASE_ARM_CANARY] - expected) > within ||
                    fabs(counts[RELEASE_ARM_BASELINE] - expected) > within)
                        fail_msg("%u %%: %u and %u", percents[i], counts[RELEASE_ARM_CANARY],
                                 counts[RELEASE_ARM_BASELINE]);
        }
}

static void test_beyond_half_there_is_less_left_for_the_baseline(void **state)
{
        unsigned counts[RELEASE_ARM_MAX] = { 0 };

        (void) state;
        for (unsigned who = 0; who < 10000; who++)
                counts[arm_of(42, 80, who)]++;
        assert_int_equal(counts[RELEASE_ARM_REST], 0);
        assert_true(abs((int) counts[RELEASE_ARM_BASELINE] - 2000) < 200);
        for (unsigned who = 0; who < 10000; who++)
                assert_int_equal(arm_of(42, 100, who), RELEASE_ARM_CANARY);
}

static void test_who_has_the_canary_keeps_it_when_it_grows(void **state)
{
        unsigned other = 0;

        (void) state;
        for (unsigned who = 0; who < 10000; who++) {
                if (arm_of(42, 10, who) == RELEASE_ARM_CANARY)
                        assert_int_equal(arm_of(42, 50, who), RELEASE_ARM_CANARY);
                other += arm_of(42, 50, who) != arm_of(43, 50, who);
        }
        assert_true(other > 4000); /* the next release has other people */
}

static void test_the_session_counts_before_user_key_and_address(void **state)
{
        const struct arm_key all = { "s", "u", "k", "a" }, session = { .session = "s" };
        const struct arm_key no_session = { "", "u", "k", "a" }, user = { .user = "u" };
        const struct arm_key key = { .key_id = "k", .address = "k" }, address = { .address = "k" };
        unsigned different = 0;

        (void) state;
        for (uint32_t release = 1; release < 200; release++) {
                assert_int_equal(canary_arm(release, 50, &all), canary_arm(release, 50, &session));
                assert_int_equal(canary_arm(release, 50, &no_session),
                                 canary_arm(release, 50, &user));
                different += canary_arm(release, 50, &key) != canary_arm(release, 50, &address);
                assert_int_equal(canary_arm(release, 50, &(struct arm_key){ .session = NULL }),
                                 RELEASE_ARM_REST);
        }
        assert_true(different > 50);
}

/* ---- Simulations ----------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014). */
static double draw(uint64_t *seed)
{
        uint64_t z = *seed += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30U) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27U) * UINT64_C(0x94D049BB133111EB);
        return (double) ((z ^ z >> 31U) >> 11U) * 0x1p-53;
}

struct rates {
        double error, empty, ungrounded;
};

static void ask(struct observed *observed, const struct rates *rates, uint64_t *seed)
{
        observed->requests++;
        observed->sum_usec += 1000;
        observed->p95_usec = observed->first_p95_usec = 1000;
        if (draw(seed) < rates->error) {
                observed->errors++;
                return;
        }
        observed->empty += draw(seed) < rates->empty;
        observed->answers++;
        observed->grounded += draw(seed) >= rates->ungrounded;
}

/* A look after every ten requests of each arm, one each second. */
static enum canary_verdict simulate(const struct rates *base, const struct rates *candidate,
                                    uint64_t *seed)
{
        struct observed arms[2] = { { 0 }, { 0 } };
        enum canary_verdict verdict = CANARY_GO_ON;

        for (uint64_t second = 1; verdict == CANARY_GO_ON; second++) {
                for (int i = 0; i < 10; i++) {
                        ask(&arms[0], base, seed);
                        ask(&arms[1], candidate, seed);
                }
                verdict = canary_look(&canary, &arms[0], &arms[1],
                                      canary.begun_usec + second * USEC_PER_SEC, NULL);
        }
        return verdict;
}

static unsigned count_stops(const struct rates *base, const struct rates *candidate, unsigned n,
                            unsigned *ret_gone)
{
        uint64_t seed = 7;
        unsigned stops = 0;

        *ret_gone = 0;
        for (unsigned i = 0; i < n; i++) {
                enum canary_verdict verdict = simulate(base, candidate, &seed);

                stops += verdict == CANARY_STOP;
                *ret_gone += verdict == CANARY_GO;
        }
        return stops;
}

static void test_of_2000_equal_canaries_at_most_5_percent_are_stopped(void **state)
{
        static const struct rates cases[] = {
                { 0, 0, 0 },      { 0.002, 0.01, 0.05 }, { 0.01, 0.05, 0.1 }, { 0.05, 0.2, 0.3 },
                { 0.15, 0.5, 0 }, { 0.3, 0, 0.5 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                unsigned gone, stops = count_stops(&cases[i], &cases[i], 2000, &gone);

                print_message("rates %g %g %g: %u of 2000 stopped, %u passed\n", cases[i].error,
                              cases[i].empty, cases[i].ungrounded, stops, gone);
                assert_true(stops <= 100);
                assert_true(gone >= 1800);
        }
}

static void test_of_2000_canaries_that_fail_a_fifth_95_percent_are_stopped(void **state)
{
        static const struct rates bases[] = { { 0, 0, 0 }, { 0.01, 0.05, 0.1 }, { 0.05, 0, 0 } };

        (void) state;
        for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
                struct rates worse = bases[i];
                unsigned gone, stops;

                worse.error = 0.2;
                stops = count_stops(&bases[i], &worse, 2000, &gone);
                print_message("errors %g and 0.2: %u of 2000 stopped\n", bases[i].error, stops);
                assert_true(stops >= 1900);
                assert_true(gone == 0);
        }
}

static void test_a_canary_that_finds_nothing_twice_as_often_is_stopped(void **state)
{
        const struct rates base = { 0, 0.1, 0 }, worse = { 0, 0.2, 0 };
        const struct rates cited = { 0, 0, 0.1 }, uncited = { 0, 0, 0.3 };
        unsigned gone;

        (void) state;
        assert_true(count_stops(&base, &worse, 500, &gone) >= 475);
        assert_true(count_stops(&cited, &uncited, 500, &gone) >= 475);
        assert_true(count_stops(&worse, &base, 500, &gone) == 0); /* better is no reason */
        assert_true(gone >= 475);
}

/* Latencies of a lognormal distribution, through the histograms, looked at 30 times. */
static enum canary_verdict simulate_latency(double slower, uint64_t *seed)
{
        struct observations *observations = observations_new();
        enum canary_verdict verdict = CANARY_GO_ON;
        struct observed base, candidate;

        assert_non_null(observations);
        for (uint64_t look = 1; verdict == CANARY_GO_ON; look++) {
                uint64_t now = canary.begun_usec + look * 20 * USEC_PER_SEC;

                for (int i = 0; i < 100; i++) {
                        enum release_arm arm = i % 2 ? RELEASE_ARM_CANARY : RELEASE_ARM_BASELINE;
                        double normal = sqrt(-2 * log(1 - draw(seed))) *
                                        cos(2 * 3.14159265358979 * draw(seed));
                        double usec = 20000 * exp(0.7 * normal) *
                                      (arm == RELEASE_ARM_CANARY ? slower : 1);
                        const struct observation one = { .arm = arm,
                                                         .first_usec = (uint64_t) usec,
                                                         .took_usec = (uint64_t) usec };

                        observe(observations, &one, now);
                }
                observations_read(observations, RELEASE_ARM_BASELINE, 0, &base);
                observations_read(observations, RELEASE_ARM_CANARY, 0, &candidate);
                verdict = canary_look(&canary, &base, &candidate, now, NULL);
        }
        observations_free(observations);
        return verdict;
}

static void test_slow_canaries_are_stopped_and_equal_ones_are_not(void **state)
{
        unsigned equal = 0, slow = 0, passed = 0;
        uint64_t seed = 11;

        (void) state;
        for (int i = 0; i < 300; i++) {
                enum canary_verdict verdict = simulate_latency(1, &seed);

                equal += verdict == CANARY_STOP;
                passed += verdict == CANARY_GO;
                slow += simulate_latency(3, &seed) == CANARY_STOP;
        }
        print_message("latency: %u of 300 equal ones stopped, %u passed; %u of 300 three times as "
                      "slow stopped\n", equal, passed, slow);
        assert_true(equal <= 15);
        assert_true(passed >= 270);
        assert_true(slow >= 285);
}

/* ---- Verdicts -------------------------------------------------------------------------------- */

static struct observed healthy(uint64_t n)
{
        return (struct observed){ .requests = n, .sum_usec = n * 1000, .p95_usec = 1500,
                                  .first_p95_usec = 1500 };
}

static enum canary_verdict look_at(const struct observed *base, const struct observed *candidate,
                                   uint64_t minutes)
{
        return canary_look(&canary, base, candidate, canary.begun_usec + minutes * MINUTE, NULL);
}

static void test_it_goes_when_the_step_is_over_and_there_are_samples(void **state)
{
        struct observed enough = healthy(200), few = healthy(199);

        (void) state;
        assert_int_equal(look_at(&enough, &enough, 9), CANARY_GO_ON);
        assert_int_equal(look_at(&enough, &enough, 10), CANARY_GO);
        assert_int_equal(look_at(&few, &enough, 10), CANARY_GO_ON);
        assert_int_equal(look_at(&enough, &few, 29), CANARY_GO_ON);
        assert_int_equal(look_at(&enough, &few, 30), CANARY_HOLD);
        assert_int_equal(look_at(&(struct observed){ 0 }, &(struct observed){ 0 }, 30),
                         CANARY_HOLD);
}

static void test_providers_that_are_away_hold_it_and_do_not_stop_it(void **state)
{
        struct observed base = healthy(500), away = healthy(500);

        (void) state;
        away.provider_faults = 300;
        away.provider_faults_in_a_row = CANARY_FAULTS_IN_A_ROW - 1;
        assert_int_equal(look_at(&base, &away, 1), CANARY_GO_ON);
        away.provider_faults_in_a_row = CANARY_FAULTS_IN_A_ROW;
        assert_int_equal(look_at(&base, &away, 1), CANARY_HOLD);
        assert_int_equal(look_at(&away, &base, 1), CANARY_HOLD);
        away.errors = 100; /* of those that are left: that is no provider's fault */
        assert_int_equal(look_at(&base, &away, 1), CANARY_STOP);
}

static void test_at_all_of_the_traffic_the_limits_are_absolute(void **state)
{
        struct observed good = healthy(400), bad = healthy(400), none = { 0 };
        struct canary whole = canary;

        (void) state;
        whole.percent = 100;
        bad.errors = 100;
        assert_int_equal(canary_look(&whole, &none, &good, whole.begun_usec + 10 * MINUTE, NULL),
                         CANARY_GO);
        assert_int_equal(canary_look(&whole, &none, &bad, whole.begun_usec + MINUTE, NULL),
                         CANARY_STOP);
}

static void test_a_few_errors_more_are_no_reason(void **state)
{
        struct observed base = healthy(2000), candidate = healthy(2000);

        (void) state;
        candidate.errors = 12; /* 0.6 %, where 5 % are allowed */
        assert_int_equal(look_at(&base, &candidate, 10), CANARY_GO);
        candidate.errors = 200;
        base.errors = 190;
        assert_int_not_equal(look_at(&base, &candidate, 10), CANARY_STOP);
}

static void test_the_report_says_what_was_compared(void **state)
{
        struct observed base = healthy(500), candidate = healthy(500);
        struct json_object *json = NULL, *at = NULL, *test;

        (void) state;
        candidate.errors = 250;
        assert_int_equal(canary_look(&canary, &base, &candidate, canary.begun_usec, &json),
                         CANARY_STOP);
        assert_true(json_object_object_get_ex(json, "verdict", &at));
        assert_string_equal(json_object_get_string(at), "stop");
        assert_true(json_object_object_get_ex(json, "why", &at));
        assert_non_null(strstr(json_object_get_string(at), "50.0 %"));
        assert_true(json_object_object_get_ex(json, "tests", &at));
        test = json_object_array_get_idx(at, 0);
        assert_true(json_object_object_get_ex(test, "canary", &at));
        assert_true(json_object_get_double(at) == 0.5);
        json_object_put(json);
}

static void test_the_report_says_what_became_of_a_shadow(void **state)
{
        struct canary_shadow shadow = { .replayed = 7, .refused = 1, .dropped = 3 };
        struct canary of_shadow = canary;
        struct observed base = healthy(500), candidate = healthy(500);
        struct json_object *json = NULL, *at = NULL, *told = NULL;

        (void) state;
        of_shadow.shadow = &shadow;
        (void) canary_look(&of_shadow, &base, &candidate, canary.begun_usec, &json);
        assert_true(json_object_object_get_ex(json, "shadow", &told));
        assert_string_equal(json_text(told, NULL),
                            "{\"replayed\":7,\"refused\":1,\"dropped\":3,\"overlap\":null}");
        json_object_put(json);
        shadow.expected = 40;
        shadow.found = 30;
        (void) canary_look(&of_shadow, &base, &candidate, canary.begun_usec, &json);
        assert_true(json_object_object_get_ex(json, "shadow", &told));
        assert_true(json_object_object_get_ex(told, "overlap", &at));
        assert_true(json_object_get_double(at) == 0.75);
        json_object_put(json);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_arms_are_as_large_as_asked_and_equal),
                cmocka_unit_test(test_beyond_half_there_is_less_left_for_the_baseline),
                cmocka_unit_test(test_who_has_the_canary_keeps_it_when_it_grows),
                cmocka_unit_test(test_the_session_counts_before_user_key_and_address),
                cmocka_unit_test(test_of_2000_equal_canaries_at_most_5_percent_are_stopped),
                cmocka_unit_test(test_of_2000_canaries_that_fail_a_fifth_95_percent_are_stopped),
                cmocka_unit_test(test_a_canary_that_finds_nothing_twice_as_often_is_stopped),
                cmocka_unit_test(test_slow_canaries_are_stopped_and_equal_ones_are_not),
                cmocka_unit_test(test_it_goes_when_the_step_is_over_and_there_are_samples),
                cmocka_unit_test(test_providers_that_are_away_hold_it_and_do_not_stop_it),
                cmocka_unit_test(test_at_all_of_the_traffic_the_limits_are_absolute),
                cmocka_unit_test(test_a_few_errors_more_are_no_reason),
                cmocka_unit_test(test_the_report_says_what_was_compared),
                cmocka_unit_test(test_the_report_says_what_became_of_a_shadow),
        };

        if (sodium_init() < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
