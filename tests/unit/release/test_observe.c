/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/json.h"
#include "release/observe.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above it */
#include <cmocka.h>

#define BEGIN (UINT64_C(100000) * USEC_PER_SEC)
#define HOUR (UINT64_C(3600) * USEC_PER_SEC)

static int setup(void **state)
{
        *state = observations_new();
        return *state ? 0 : -1;
}

static int teardown(void **state)
{
        observations_free(*state);
        return 0;
}

static struct observation search_of(uint64_t took_usec)
{
        return (struct observation){ .arm = RELEASE_ARM_CANARY,
                                     .first_usec = took_usec,
                                     .took_usec = took_usec };
}

static struct observed read_since(struct observations *observations, uint64_t since_usec)
{
        struct observed observed;

        observations_read(observations, RELEASE_ARM_CANARY, since_usec, &observed);
        return observed;
}

static void test_what_is_observed_is_counted_in_its_arm(void **state)
{
        struct observation observation = search_of(1000);
        struct observed observed;

        observe(*state, &observation, BEGIN);
        observation.error = true;
        observe(*state, &observation, BEGIN);
        observation = (struct observation){ .arm = RELEASE_ARM_CANARY,
                                            .answer = true,
                                            .grounded = true,
                                            .degraded = true,
                                            .first_usec = 500000,
                                            .took_usec = 3000000,
                                            .cost_microusd = 77 };
        observe(*state, &observation, BEGIN);
        observation = search_of(2000);
        observation.empty = true;
        observe(*state, &observation, BEGIN);
        observed = read_since(*state, BEGIN);
        assert_int_equal(observed.requests, 4);
        assert_int_equal(observed.errors, 1);
        assert_int_equal(observed.empty, 1);
        assert_int_equal(observed.answers, 1);
        assert_int_equal(observed.grounded, 1);
        assert_int_equal(observed.degraded, 1);
        assert_int_equal(observed.cost_microusd, 77);
        assert_int_equal(observed.sum_usec, 1000 + 1000 + 3000000 + 2000);
        observations_read(*state, RELEASE_ARM_BASELINE, BEGIN, &observed);
        assert_int_equal(observed.requests, 0);
}

static void test_a_providers_fault_is_no_sample_and_counts_in_a_row(void **state)
{
        struct observation away = search_of(30 * USEC_PER_SEC), well = search_of(1000);
        struct observed observed;

        away.provider_fault = true;
        observe(*state, &well, BEGIN);
        for (int i = 0; i < 3; i++)
                observe(*state, &away, BEGIN);
        observed = read_since(*state, BEGIN);
        assert_int_equal(observed.provider_faults, 3);
        assert_int_equal(observed.provider_faults_in_a_row, 3);
        assert_int_equal(observed_samples(&observed), 1);
        assert_int_equal(observed.sum_usec, 1000);
        assert_true(observed.p99_usec < 2000);
        observe(*state, &well, BEGIN);
        assert_int_equal(read_since(*state, BEGIN).provider_faults_in_a_row, 0);
}

static void test_percentiles_are_within_a_fifth_above(void **state)
{
        struct observed observed;

        for (uint64_t i = 1; i <= 1000; i++) {
                struct observation observation = search_of(i * 1000);

                observe(*state, &observation, BEGIN);
        }
        observed = read_since(*state, BEGIN);
        assert_true(observed.p50_usec >= 500000 && observed.p50_usec <= 600000);
        assert_true(observed.p95_usec >= 950000 && observed.p95_usec <= 1140000);
        assert_true(observed.p99_usec >= 990000 && observed.p99_usec <= 1190000);
        assert_true(observed.first_p95_usec >= 950000 && observed.first_p95_usec <= 1430000);
}

static void test_times_beyond_the_buckets_are_kept_at_their_ends(void **state)
{
        struct observation observation = search_of(0);

        observe(*state, &observation, BEGIN);
        assert_true(read_since(*state, BEGIN).p99_usec < 1000);
        observation = search_of(UINT64_MAX / 4);
        for (int i = 0; i < 200; i++)
                observe(*state, &observation, BEGIN);
        assert_true(read_since(*state, BEGIN).p50_usec > 1000 * USEC_PER_SEC);
}

/* One request each second for three hours, read since many moments: never one too many, and few
 * too few. */
static void test_sums_since_any_moment_lack_little(void **state)
{
        static const struct {
                uint64_t ago_s, lacks_s; /* at the most */
        } cases[] = { { 1, 0 },     { 30, 0 },      { 60, 0 },       { 120, 10 },
                      { 600, 10 },  { 3000, 60 },   { 9000, 1200 },  { 10700, 1200 } };
        const uint64_t seconds = 10800;
        struct observation observation = search_of(1000);

        for (uint64_t i = 0; i < seconds; i++)
                observe(*state, &observation, BEGIN + i * USEC_PER_SEC + 500);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                uint64_t since = BEGIN + (seconds - cases[i].ago_s) * USEC_PER_SEC;
                uint64_t got = read_since(*state, since).requests;

                if (got > cases[i].ago_s || got + cases[i].lacks_s < cases[i].ago_s)
                        fail_msg("since %ju s: %ju", (uintmax_t) cases[i].ago_s, (uintmax_t) got);
        }
}

static void test_what_is_older_than_a_week_is_forgotten(void **state)
{
        struct observation observation = search_of(1000);

        observe(*state, &observation, BEGIN);
        assert_int_equal(read_since(*state, 0).requests, 1);
        for (uint64_t day = 1; day <= 7; day++)
                observe(*state, &observation, BEGIN + day * 24 * HOUR);
        assert_int_equal(read_since(*state, 0).requests, 8);
        for (uint64_t hour = 8 * 24; hour <= 24 * 24; hour++)
                observe(*state, &observation, BEGIN + hour * HOUR);
        assert_true(read_since(*state, 0).requests < 24 * 12);
        assert_true(read_since(*state, 0).requests > 24 * 7);
        /* One who comes much too late spoils no newer window. */
        observe(*state, &observation, BEGIN);
        assert_true(read_since(*state, 0).requests < 24 * 12);
}

#define THREADS 4
#define EACH 20000

struct writer {
        struct observations *observations;
        uint64_t offset;
};

static void *write_many(void *data)
{
        const struct writer *writer = data;
        struct observation observation = search_of(1000);

        for (uint64_t i = 0; i < EACH; i++) {
                observation.error = i % 10 == 0;
                observe(writer->observations, &observation,
                        BEGIN + i * 500 + writer->offset); /* ten seconds in all */
        }
        return NULL;
}

static void test_threads_lose_nothing(void **state)
{
        struct writer writers[THREADS];
        pthread_t threads[THREADS];
        struct observed observed;

        for (size_t i = 0; i < THREADS; i++) {
                writers[i] = (struct writer){ *state, i };
                assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
        }
        for (int i = 0; i < 200; i++) {
                observed = read_since(*state, BEGIN);
                assert_true(observed.errors <= observed.requests);
                assert_true(observed.requests <= THREADS * EACH);
        }
        for (size_t i = 0; i < THREADS; i++)
                (void) pthread_join(threads[i], NULL);
        observed = read_since(*state, BEGIN);
        assert_int_equal(observed.requests, THREADS * EACH);
        assert_int_equal(observed.errors, THREADS * EACH / 10);
        assert_int_equal(observed.sum_usec, UINT64_C(1000) * THREADS * EACH);
}

static void test_no_requests_have_no_rates(void **state)
{
        struct observed observed = read_since(*state, 0);
        cleanup_json_ struct json_object *json = observed_json(&observed);
        struct json_object *rate = json;

        assert_true(json_object_object_get_ex(json, "error_rate", &rate));
        assert_null(rate);
        observed = (struct observed){ .requests = 8, .errors = 1, .provider_faults = 4 };
        json_object_put(json);
        json = observed_json(&observed);
        assert_true(json_object_object_get_ex(json, "error_rate", &rate));
        assert_true(json_object_get_double(rate) == 0.25);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_what_is_observed_is_counted_in_its_arm),
                CASE(test_a_providers_fault_is_no_sample_and_counts_in_a_row),
                CASE(test_percentiles_are_within_a_fifth_above),
                CASE(test_times_beyond_the_buckets_are_kept_at_their_ends),
                CASE(test_sums_since_any_moment_lack_little),
                CASE(test_what_is_older_than_a_week_is_forgotten),
                CASE(test_threads_lose_nothing),
                CASE(test_no_requests_have_no_rates),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
