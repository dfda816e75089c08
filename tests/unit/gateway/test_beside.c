/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways of two releases side by side: what belongs to the machine is shared, and the end of one
 * is not the end of the other. */
#include "network.h"

#include "base/clock.h"
#include "base/json.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair {
        struct network *older, *newer;
};

static int set_up(void **state)
{
        struct pair *pair = calloc(1, sizeof *pair);

        assert_non_null(pair);
        (void) network_set_up((void **) &pair->older);
        (void) network_set_up((void **) &pair->newer);
        *state = pair;
        return 0;
}

static int tear_down(void **state)
{
        struct pair *pair = *state;

        (void) network_tear_down((void **) &pair->newer);
        (void) network_tear_down((void **) &pair->older); /* its store goes last */
        free(pair);
        return 0;
}

static void open_newer(struct pair *pair)
{
        pair->newer->beside = pair->older;
        network_open(pair->newer);
}

static void open_both(struct pair *pair)
{
        network_open(pair->older);
        open_newer(pair);
}

static void end(struct network *network)
{
        network->gateway = gateway_free(network->gateway);
}

/* One that does not wait until a minute is over for its turn; the error's code. */
static int ask(struct network *network, struct talk *talk)
{
        talk_begin(network, talk, "a", false, clock_monotonic_usec() + 20 * USEC_PER_SEC);
        talk_wait(talk);
        talk_end(talk);
        return talk->error.code;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void test_a_reload_finds_no_fresh_minute(void **state)
{
        struct pair *pair = *state;
        static char another[] = "another";
        struct talk talk1 = { 0 };

        pair->older->providers[0].requests_per_minute = 2;
        pair->newer->providers[0].requests_per_minute = 2;
        pair->newer->providers[0].name = another; /* a table may be renamed */
        network_open(pair->older);
        assert_int_equal(ask(pair->older, &talk1), 0);
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN);
        assert_non_null(strstr(talk1.error.message, "its limits allow the next call in"));
        end(pair->older);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN);
        assert_int_equal(fake_calls(pair->older->fake[0]), 2);
}

static void test_a_release_that_comes_back_finds_its_minute_used(void **state)
{
        static char other_model[] = "fake-2";
        struct pair *pair = *state;
        char *model = pair->older->providers[0].model;
        struct talk talk1 = { 0 };

        pair->older->providers[0].requests_per_minute = 1;
        pair->newer->providers[0].model = other_model;
        open_both(pair);
        assert_int_equal(ask(pair->older, &talk1), 0);
        end(pair->older); /* nobody uses that model any more */
        assert_int_equal(ask(pair->newer, &talk1), 0);
        pair->older->providers[0].model = model;
        pair->older->beside = pair->newer;
        network_open(pair->older);
        assert_int_equal(ask(pair->older, &talk1), -EAGAIN);
}

static void test_the_newest_limits_hold_while_it_lives(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };

        pair->older->providers[0].requests_per_minute = 2;
        pair->newer->providers[0].requests_per_minute = 4;
        network_open(pair->older);
        assert_int_equal(ask(pair->older, &talk1), 0);
        assert_int_equal(ask(pair->older, &talk1), 0);
        assert_int_equal(ask(pair->older, &talk1), -EAGAIN);
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        assert_int_equal(ask(pair->older, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN); /* four together */
        end(pair->newer);
        pair->newer->providers[0].requests_per_minute = 5;
        open_newer(pair);
        end(pair->newer);
        assert_int_equal(ask(pair->older, &talk1), -EAGAIN); /* two a minute again */
        assert_int_equal(fake_calls(pair->older->fake[0]), 4);
}

static void test_who_waits_has_his_turn_when_the_newest_limits_let_him(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };

        pair->older->providers[0].requests_per_minute = 1;
        network_open(pair->older);
        assert_int_equal(talk(pair->older, &talk1, "a", false), 0);
        talk_begin(pair->older, &talk1, "b", false, 0);
        open_newer(pair); /* without a limit */
        talk_wait(&talk1);
        talk_end(&talk1);
        assert_int_equal(talk1.error.code, 0);
        assert_true(talk1.last.waited_usec < 30 * USEC_PER_SEC);
}

static void test_another_key_or_model_has_limits_of_its_own(void **state)
{
        static char other_model[] = "fake-2", key[] = "env:RAGD_TEST_KEY";
        struct pair *pair = *state;
        struct talk talk1 = { 0 };

        assert_int_equal(setenv("RAGD_TEST_KEY", "secret", 1), 0);
        pair->older->providers[0].requests_per_minute = 1;
        pair->newer->providers[0].requests_per_minute = 1;
        pair->newer->providers[0].model = other_model;
        open_both(pair);
        assert_int_equal(ask(pair->older, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN);
        end(pair->newer);
        pair->newer->providers[0].model = pair->older->providers[0].model;
        pair->newer->providers[0].api_key = key;
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        end(pair->newer);
        pair->newer->providers[0].api_key = NULL;
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN); /* the older one's */
        assert_int_equal(unsetenv("RAGD_TEST_KEY"), 0);
}

static void test_tables_of_one_profile_keep_limits_of_their_own(void **state)
{
        struct pair *pair = *state;
        struct network *older = pair->older, *newer = pair->newer;
        struct talk talk1 = { 0 };

        older->n = 2;
        newer->n = 3;
        older->fake[0] = fake_new(&older->fakes[0]);
        for (size_t i = 0; i < 3; i++) {
                older->providers[i].endpoint = strdup(fake_endpoint(older->fake[0]));
                older->providers[i].requests_per_minute = 1;
                newer->providers[i].requests_per_minute = 1;
        }
        network_open(older);
        assert_int_equal(ask(older, &talk1), 0);
        assert_string_equal(talk1.provider, "one");
        open_newer(pair); /* each table finds its own again */
        assert_int_equal(ask(newer, &talk1), 0);
        assert_string_equal(talk1.provider, "two");
        assert_int_equal(ask(newer, &talk1), 0);
        assert_string_equal(talk1.provider, "three");
        assert_int_equal(ask(newer, &talk1), -EAGAIN);
        assert_int_equal(ask(older, &talk1), -EAGAIN);
}

static void test_a_breaker_that_opened_in_one_is_open_in_the_other(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };

        pair->older->fakes[0].always = ACT_500;
        pair->older->generation.max_retries = pair->newer->generation.max_retries = 0;
        pair->older->resilience.breaker_failures = pair->newer->resilience.breaker_failures = 2;
        pair->older->resilience.breaker_reset_seconds = 600;
        pair->newer->resilience.breaker_reset_seconds = 600;
        open_both(pair);
        assert_true(ask(pair->older, &talk1) < 0);
        assert_true(ask(pair->newer, &talk1) < 0);
        assert_int_equal(network_news(pair->older, GATEWAY_BREAKER_OPENED), 0);
        assert_int_equal(network_news(pair->newer, GATEWAY_BREAKER_OPENED), 1);
        assert_int_equal(ask(pair->older, &talk1), -EHOSTUNREACH);
        assert_non_null(strstr(talk1.error.message, "breaker open"));
        assert_int_equal(fake_calls(pair->older->fake[0]), 2);
}

static void test_calls_queued_in_one_proceed_when_the_other_s_end(void **state)
{
        struct pair *pair = *state;
        struct talk first = { 0 }, second = { 0 };

        pair->older->fakes[0].always = ACT_SLOW;
        pair->older->providers[0].max_concurrent = pair->newer->providers[0].max_concurrent = 1;
        open_both(pair);
        talk_begin(pair->older, &first, "a", false, 0);
        talk_begin(pair->newer, &second, "b", false, 0);
        talk_wait(&first);
        talk_wait(&second);
        talk_end(&first);
        talk_end(&second);
        assert_int_equal(first.error.code, 0);
        assert_int_equal(second.error.code, 0);
        assert_int_equal(fake_most(pair->older->fake[0]), 1);
        assert_int_equal(fake_calls(pair->older->fake[0]), 2);
}

/* ---- Money ----------------------------------------------------------------------------------- */

static void test_the_budget_counts_the_calls_of_both(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };
        struct gateway_figures figures;

        pair->older->with_store = true;
        pair->older->budget.on_exceeded = pair->newer->budget.on_exceeded = BUDGET_ACTION_REFUSE;
        pair->newer->budget.daily_usd = 0.06;
        for (size_t i = 0; i < 2; i++) {
                struct network *network = i == 0 ? pair->older : pair->newer;

                network->providers[0].has_price_output_usd_per_mtok = true;
                network->providers[0].price_output_usd_per_mtok = 1000.0; /* 50 tokens: 0.05 */
        }
        network_open(pair->older);
        for (int i = 0; i < 2; i++) /* each comes to 0.005 */
                assert_int_equal(ask(pair->older, &talk1), 0);
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), -EDQUOT); /* 0.015 and 0.05 */
        assert_int_equal(ask(pair->older, &talk1), -EDQUOT); /* the newest limit holds */
        gateway_get_figures(pair->older->gateway, &figures);
        assert_int_equal(figures.spent_day_microusd, 15000);
        end(pair->newer);
        assert_int_equal(ask(pair->older, &talk1), 0); /* its own again: a dollar */
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), -EDQUOT);
        gateway_get_figures(pair->newer->gateway, &figures);
        assert_int_equal(figures.spent_day_microusd, 20000);
        end(pair->older);
        end(pair->newer);
        network_open(pair->older); /* and so says the disk */
        gateway_get_figures(pair->older->gateway, &figures);
        assert_int_equal(figures.spent_day_microusd, 20000);
}

static void test_what_a_day_allows_is_known_of_providers_that_come_later(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };

        pair->older->with_store = true;
        network_open(pair->older);
        assert_int_equal(ask(pair->older, &talk1), 0);
        network_close(pair->older); /* another day's work, as far as this process knows */
        pair->older->n = 0;
        pair->newer->providers[0].requests_per_day = 2;
        network_open(pair->older);
        open_newer(pair);
        assert_int_equal(ask(pair->newer, &talk1), 0);
        assert_int_equal(ask(pair->newer, &talk1), -EAGAIN);
}

static void test_other_books_are_refused(void **state)
{
        struct pair *pair = *state;
        struct network *older = pair->older;
        const struct gateway_settings settings = { .embedder = &older->embedder,
                                                   .embedding = &older->embedding,
                                                   .dimensions = NETWORK_WIDTH };
        struct gateway_settings beside = settings;
        struct gateway *gateway = NULL;

        older->with_store = true;
        network_open(older);
        beside.beside = older->gateway;
        assert_int_equal(gateway_new(&beside, &gateway, NULL), -EINVAL);
        assert_null(gateway);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

#define CALLS 4

static void end_one(struct pair *pair, struct network *first, struct network *other)
{
        struct talk ends[CALLS] = { 0 }, stays[CALLS] = { 0 };

        pair->older->with_store = true;
        pair->older->fakes[0].always = ACT_SLOW;
        pair->older->providers[0].max_concurrent = pair->newer->providers[0].max_concurrent = 2;
        /* counted by the day: each call's end waits for the books */
        pair->older->providers[0].requests_per_day = 1000;
        pair->newer->providers[0].requests_per_day = 1000;
        open_both(pair);
        for (size_t i = 0; i < CALLS; i++) {
                talk_begin(first, &ends[i], "a", false, 0);
                talk_begin(other, &stays[i], "b", false, 0);
        }
        end(first);
        for (size_t i = 0; i < CALLS; i++) {
                assert_int_equal(ends[i].ends, 1); /* before gateway_free() returned */
                talk_end(&ends[i]);
                if (ends[i].error.code != 0)
                        assert_int_equal(ends[i].error.code, -ECANCELED);
        }
        for (size_t i = 0; i < CALLS; i++) {
                talk_wait(&stays[i]);
                talk_end(&stays[i]);
                assert_int_equal(stays[i].error.code, 0);
        }
        assert_true(fake_most(pair->older->fake[0]) <= 4); /* two, and two that were given up */
}

static void test_the_older_ends_first_and_the_newer_goes_on(void **state)
{
        struct pair *pair = *state;

        end_one(pair, pair->older, pair->newer);
}

static void test_the_newer_ends_first_and_the_older_goes_on(void **state)
{
        struct pair *pair = *state;

        end_one(pair, pair->newer, pair->older);
}

static void test_who_is_closed_refuses_and_the_other_does_not(void **state)
{
        struct pair *pair = *state;
        const struct chat_message message = { CHAT_USER, "hello" };
        const struct chat_request request = { .messages = &message, .n_messages = 1, .top_p = 1.0,
                                              .max_tokens = 50 };
        struct gateway_attempt attempt;
        struct talk talk1 = { 0 };
        char *text = NULL;

        open_both(pair);
        gateway_close(pair->older->gateway);
        assert_int_equal(gateway_ask(pair->older->gateway, pair->older->tenant, "one", &request,
                                     NULL, &attempt, &text, NULL), -ECANCELED);
        assert_int_equal(ask(pair->newer, &talk1), 0);
}

/* A thread asks whichever gateway is the current one, as requests do: it holds one of the two at
 * a time, and the main thread frees one only when nobody holds it. */
struct carousel {
        struct network *networks[2];
        pthread_rwlock_t locks[2];
        atomic_uint current, answered;
        atomic_bool stop;
};

static void *ride(void *data)
{
        struct carousel *carousel = data;
        struct talk talk1 = { 0 };

        while (!atomic_load(&carousel->stop)) {
                unsigned at = atomic_load(&carousel->current);

                (void) pthread_rwlock_rdlock(&carousel->locks[at]);
                if (carousel->networks[at]->gateway) {
                        (void) talk(carousel->networks[at], &talk1, "a", false);
                        if (talk1.error.code == 0)
                                (void) atomic_fetch_add(&carousel->answered, 1);
                }
                (void) pthread_rwlock_unlock(&carousel->locks[at]);
        }
        return NULL;
}

static void test_no_call_is_lost_while_releases_come_and_go(void **state)
{
        struct pair *pair = *state;
        struct carousel carousel = { .networks = { pair->older, pair->newer } };
        pthread_t threads[4];
        struct talk talk1 = { 0 };

        pair->older->with_store = true;
        network_open(pair->older);
        for (size_t i = 0; i < 2; i++)
                (void) pthread_rwlock_init(&carousel.locks[i], NULL);
        for (size_t i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, ride, &carousel), 0);
        for (unsigned turn = 0; turn < 30; turn++) {
                unsigned next = (turn + 1) % 2;

                (void) pthread_rwlock_wrlock(&carousel.locks[next]);
                carousel.networks[next]->beside = carousel.networks[1 - next];
                network_open(carousel.networks[next]);
                (void) pthread_rwlock_unlock(&carousel.locks[next]);
                atomic_store(&carousel.current, next);
                assert_int_equal(talk(carousel.networks[next], &talk1, "b", false), 0);
                (void) pthread_rwlock_wrlock(&carousel.locks[1 - next]);
                end(carousel.networks[1 - next]);
                (void) pthread_rwlock_unlock(&carousel.locks[1 - next]);
        }
        atomic_store(&carousel.stop, true);
        for (size_t i = 0; i < 4; i++)
                (void) pthread_join(threads[i], NULL);
        assert_true(atomic_load(&carousel.answered) > 0);
        assert_int_equal(fake_calls(pair->older->fake[0]),
                         network_news(pair->older, GATEWAY_CALL) +
                                 network_news(pair->newer, GATEWAY_CALL));
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH(test_a_reload_finds_no_fresh_minute),
                WITH(test_a_release_that_comes_back_finds_its_minute_used),
                WITH(test_the_newest_limits_hold_while_it_lives),
                WITH(test_who_waits_has_his_turn_when_the_newest_limits_let_him),
                WITH(test_another_key_or_model_has_limits_of_its_own),
                WITH(test_tables_of_one_profile_keep_limits_of_their_own),
                WITH(test_a_breaker_that_opened_in_one_is_open_in_the_other),
                WITH(test_calls_queued_in_one_proceed_when_the_other_s_end),
                WITH(test_the_budget_counts_the_calls_of_both),
                WITH(test_what_a_day_allows_is_known_of_providers_that_come_later),
                WITH(test_other_books_are_refused),
                WITH(test_the_older_ends_first_and_the_newer_goes_on),
                WITH(test_the_newer_ends_first_and_the_older_goes_on),
                WITH(test_who_is_closed_refuses_and_the_other_does_not),
                WITH(test_no_call_is_lost_while_releases_come_and_go),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
