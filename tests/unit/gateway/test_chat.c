/* SPDX-License-Identifier: Apache-2.0 */
/* Generation over the network: fallback, retries, breaker, limits, streams, ends. */
#include "network.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char nowhere[] = "http://127.0.0.1:9/v1"; /* the discard port: nobody listens */

static void test_an_answer_names_who_gave_it_and_what_it_used(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network_open(network);
        assert_int_equal(talk(network, &talk1, "hello", false), 0);
        assert_string_equal(talk1.text, "You said: hello");
        assert_string_equal(talk1.provider, "one");
        assert_string_equal(talk1.model, "fake-1");
        assert_string_equal(talk1.from, "");
        assert_int_equal(talk1.answer.input_tokens, 10);
        assert_int_equal(talk1.answer.output_tokens, 5);
        assert_false(talk1.answer.estimated);
        assert_int_equal(talk1.pieces, 0);
        assert_int_equal(talk1.attempts, 1);
        assert_int_equal(talk1.last.fault, FAULT_CLASS_MAX);
        assert_int_equal(network_news(network, GATEWAY_CALL), 1);
}

static void test_a_stream_is_passed_on_in_pieces(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network_open(network);
        assert_int_equal(talk(network, &talk1, "hello", true), 0);
        assert_string_equal(talk1.streamed, "You said: hello");
        assert_string_equal(talk1.text, "You said: hello");
        assert_true(talk1.pieces >= 2);
        assert_true(talk1.last.first_usec > 0);
}

static void test_a_failure_that_may_pass_is_tried_again(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->fakes[0] = (struct fake_settings){ .acts = { ACT_500, ACT_EMPTY }, .n_acts = 2 };
        network_open(network);
        assert_int_equal(talk(network, &talk1, "hello", false), 0);
        assert_int_equal(fake_calls(network->fake[0]), 3);
        assert_int_equal(talk1.attempts, 3);
        assert_int_equal(talk1.last.number, 3);
}

static void test_the_next_one_answers_where_the_first_cannot(void **state)
{
        static const enum act acts[] = { ACT_401, ACT_400, ACT_429_AT_99, ACT_CUT };
        struct network *network = *state;

        for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
                network->fakes[0].acts[i] = acts[i];
        network->fakes[0].n_acts = 4;
        network->generation.max_retries = 0;
        network->providers[0].adaptive = false;
        network->n = 2;
        network_open(network);
        for (size_t i = 0; i < 4; i++) {
                struct talk talk1 = { 0 };
                char question[16];

                (void) snprintf(question, sizeof question, "q%zu", i);
                assert_int_equal(talk(network, &talk1, question, false), 0);
                assert_string_equal(talk1.provider, "two");
                assert_string_equal(talk1.from, "one");
                assert_true(strlen(talk1.reason) > 5);
                if (acts[i] == ACT_401)
                        assert_non_null(strstr(talk1.reason, "401"));
                if (acts[i] == ACT_429_AT_99) /* it asked for silence: it is not asked again */
                        break;
        }
        assert_int_equal(fake_calls(network->fake[0]), 3);
        assert_int_equal(network_news(network, GATEWAY_FELL_BACK), 3);
}

static void test_when_none_can_answer_each_reason_is_said(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->fakes[0].always = ACT_401;
        network->n = 2;
        network->generation.max_retries = 0;
        network->providers[1].endpoint = strdup(nowhere);
        network_open(network);
        assert_int_equal(talk(network, &talk1, "hello", false), -EHOSTUNREACH);
        assert_non_null(strstr(talk1.error.message, "one: "));
        assert_non_null(strstr(talk1.error.message, "401"));
        assert_non_null(strstr(talk1.error.message, "two: "));
        assert_int_equal(talk1.ends, 1);
        assert_int_equal(fake_calls(network->fake[0]), 1); /* 401 is never tried again */
}

static void test_nothing_follows_a_stream_that_broke(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->fakes[0].always = ACT_CUT;
        network->n = 2;
        network_open(network);
        assert_true(talk(network, &talk1, "hello", true) < 0);
        assert_string_equal(talk1.streamed, "You said: ");
        assert_non_null(strstr(talk1.error.message, "broke off"));
        assert_int_equal(fake_calls(network->fake[0]), 1);
        assert_int_equal(fake_calls(network->fake[1]), 0);
        assert_true(talk1.last.output_tokens > 0 && talk1.last.estimated);
}

static void test_a_breaker_spares_a_provider_that_is_down_and_recovers(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };
        uint64_t begin;

        network->fakes[0] = (struct fake_settings){ .acts = { ACT_500, ACT_500 }, .n_acts = 2 };
        network->resilience.breaker_failures = 2;
        network->generation.max_retries = 0;
        network_open(network);
        assert_true(talk(network, &talk1, "a", false) < 0);
        assert_true(talk(network, &talk1, "b", false) < 0);
        begin = clock_monotonic_usec();
        assert_true(talk(network, &talk1, "c", false) < 0);
        if (clock_monotonic_usec() - begin < 500000) { /* it is left alone for a second */
                assert_non_null(strstr(talk1.error.message, "breaker open"));
                assert_int_equal(fake_calls(network->fake[0]), 2);
        }
        assert_int_equal(network_news(network, GATEWAY_BREAKER_OPENED), 1);
        (void) usleep(1100000);
        assert_int_equal(talk(network, &talk1, "d", false), 0);
        assert_int_equal(network_news(network, GATEWAY_BREAKER_CLOSED), 1);
}

static void test_who_waits_when_the_breaker_opens_goes_elsewhere_at_once(void **state)
{
        struct network *network = *state;
        struct talk talks[4] = { 0 };

        network->n = 2;
        network->fakes[0].always = ACT_SLOW_500;
        network->resilience.breaker_failures = 1;
        network->resilience.breaker_reset_seconds = 600;
        network->providers[0].max_concurrent = 1;
        network->generation.max_retries = 0;
        network_open(network);
        for (size_t i = 0; i < 4; i++)
                talk_begin(network, &talks[i], "a", false, 0);
        for (size_t i = 0; i < 4; i++) {
                talk_wait(&talks[i]);
                talk_end(&talks[i]);
                assert_int_equal(talks[i].error.code, 0);
                assert_string_equal(talks[i].provider, "two");
        }
        assert_int_equal(fake_calls(network->fake[0]), 1);
        assert_non_null(strstr(talks[3].reason, "breaker open"));
}

static void test_a_limit_says_how_long_it_would_take(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->providers[0].requests_per_minute = 2;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(talk(network, &talk1, "b", false), 0);
        talk_begin(network, &talk1, "c", false, clock_monotonic_usec() + 3000000);
        talk_wait(&talk1);
        talk_end(&talk1);
        assert_int_equal(talk1.error.code, -EAGAIN);
        assert_non_null(strstr(talk1.error.message, "its limits allow the next call in"));
        assert_int_equal(fake_calls(network->fake[0]), 2);
}

static void test_what_can_never_fit_is_refused_at_once(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->providers[0].tokens_per_minute = 20; /* the answer alone may have 50 */
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), -E2BIG);
        assert_non_null(strstr(talk1.error.message, "never fit"));
        network_close(network);
        network->providers[0].tokens_per_minute = 0;
        network->providers[0].context_tokens = 40;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), -E2BIG);
        assert_non_null(strstr(talk1.error.message, "context of 40"));
        assert_int_equal(fake_calls(network->fake[0]), 0);
}

static void test_no_more_run_at_once_than_may(void **state)
{
        struct network *network = *state;
        struct talk talks[6] = { 0 };

        network->providers[0].max_concurrent = 2;
        network->fakes[0].always = ACT_SLOW;
        network_open(network);
        for (size_t i = 0; i < 6; i++)
                talk_begin(network, &talks[i], "a", false, 0);
        for (size_t i = 0; i < 6; i++) {
                talk_wait(&talks[i]);
                talk_end(&talks[i]);
                assert_int_equal(talks[i].error.code, 0);
        }
        assert_int_equal(fake_most(network->fake[0]), 2);
        assert_int_equal(fake_calls(network->fake[0]), 6);
}

static void test_a_deadline_ends_a_call_that_hangs(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };
        uint64_t begin = clock_monotonic_usec();

        network->fakes[0].always = ACT_HANG;
        network_open(network);
        talk_begin(network, &talk1, "a", false, begin + 300000);
        talk_wait(&talk1);
        talk_end(&talk1);
        assert_int_equal(talk1.error.code, -ETIMEDOUT);
        assert_true(clock_monotonic_usec() - begin >= 290000);
}

static void test_nothing_is_told_after_a_cancel(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };
        struct gateway_figures figures;

        network->fakes[0].always = ACT_STALL;
        network_open(network);
        talk_begin(network, &talk1, "a", true, 0);
        talk_wait_piece(&talk1);
        gateway_chat_cancel(talk1.chat);
        gateway_chat_cancel(talk1.chat);
        do {
                gateway_get_figures(network->gateway, &figures);
        } while (figures.running > 0);
        assert_int_equal(talk1.ends, 0);
        talk_end(&talk1);
        assert_int_equal(network_news(network, GATEWAY_CALL), 1); /* what was used is booked */
}

static void test_a_client_that_is_gone_stops_its_stream(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { .stop = true };

        network->n = 2;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", true), -ECANCELED);
        assert_int_equal(talk1.pieces, 1);
        assert_int_equal(fake_calls(network->fake[1]), 0);
}

static void test_ending_the_gateway_ends_what_runs(void **state)
{
        struct network *network = *state;
        struct talk talks[3] = { 0 };

        network->providers[0].max_concurrent = 2; /* the third one waits */
        network->fakes[0].always = ACT_HANG;
        network_open(network);
        for (size_t i = 0; i < 3; i++)
                talk_begin(network, &talks[i], "a", false, 0);
        network_close(network);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(talks[i].ends, 1);
                assert_int_equal(talks[i].error.code, -ECANCELED);
                talk_end(&talks[i]);
        }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, network_set_up, network_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH(test_an_answer_names_who_gave_it_and_what_it_used),
                WITH(test_a_stream_is_passed_on_in_pieces),
                WITH(test_a_failure_that_may_pass_is_tried_again),
                WITH(test_the_next_one_answers_where_the_first_cannot),
                WITH(test_when_none_can_answer_each_reason_is_said),
                WITH(test_nothing_follows_a_stream_that_broke),
                WITH(test_a_breaker_spares_a_provider_that_is_down_and_recovers),
                WITH(test_who_waits_when_the_breaker_opens_goes_elsewhere_at_once),
                WITH(test_a_limit_says_how_long_it_would_take),
                WITH(test_what_can_never_fit_is_refused_at_once),
                WITH(test_no_more_run_at_once_than_may),
                WITH(test_a_deadline_ends_a_call_that_hangs),
                WITH(test_nothing_is_told_after_a_cancel),
                WITH(test_a_client_that_is_gone_stops_its_stream),
                WITH(test_ending_the_gateway_ends_what_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
