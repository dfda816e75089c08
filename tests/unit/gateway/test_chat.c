/* SPDX-License-Identifier: Apache-2.0 */
/* Generation over the network: fallback, retries, breaker, limits, money, streams, ends. */
#include "network.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/ledger.h"

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

static void test_an_answer_is_remembered_and_costs_nothing_again(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->cache.response_cache_enabled = true;
        network->providers[0].has_price_output_usd_per_mtok = true;
        network->providers[0].price_output_usd_per_mtok = 1000.0;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_false(talk1.answer.cached);
        assert_int_equal(talk1.answer.cost_microusd, 5000);
        assert_int_equal(talk(network, &talk1, "a", true), 0);
        assert_true(talk1.answer.cached);
        assert_int_equal(talk1.answer.cost_microusd, 0);
        assert_string_equal(talk1.streamed, "You said: a");
        assert_int_equal(fake_calls(network->fake[0]), 1);
        assert_int_equal(gateway_forget(network->gateway, network->tenant, NULL), 0);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(fake_calls(network->fake[0]), 2);
}

static void test_a_spent_budget_goes_to_those_without_a_price(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->n = 2;
        network->budget.daily_usd = 0.1;
        network->providers[0].has_price_output_usd_per_mtok = true;
        network->providers[0].price_output_usd_per_mtok = 1000.0; /* 50 tokens: 0.05 */
        network_open(network);
        for (int i = 0; i < 11; i++) { /* each comes to 0.005 */
                assert_int_equal(talk(network, &talk1, "a", false), 0);
                assert_string_equal(talk1.provider, "one");
        }
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_string_equal(talk1.provider, "two");
        assert_non_null(strstr(talk1.reason, "budget of the day"));
        assert_int_equal(network_news(network, GATEWAY_BUDGET_SPENT), 1);
        network_close(network);
        network->budget.on_exceeded = BUDGET_ACTION_REFUSE;
        network->budget.daily_usd = 0.01;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), -EDQUOT);
}

static void test_the_books_hold_every_call_and_outlive_a_restart(void **state)
{
        struct network *network = *state;
        const struct ledger_query query = { .last_day = UINT32_MAX, .by = LEDGER_BY_PROVIDER };
        struct ledger_entry *entries = NULL;
        struct gateway_figures figures;
        struct talk talk1 = { 0 };
        size_t n = 0;

        network->with_store = true;
        network->fakes[0] = (struct fake_settings){ .acts = { ACT_500 }, .n_acts = 1 };
        network->providers[0].requests_per_day = 4;
        network->providers[0].has_price_input_usd_per_mtok = true;
        network->providers[0].price_input_usd_per_mtok = 2.0;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), 0); /* two requests */
        /* durable before the answer was given out */
        assert_int_equal(ledger_sum(network->store, &query, &entries, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_string_equal(entries[0].provider, "one");
        assert_int_equal(entries[0].requests, 2);
        assert_int_equal(entries[0].errors, 1);
        assert_int_equal(entries[0].input_tokens, 10);
        assert_int_equal(entries[0].output_tokens, 5);
        assert_int_equal(entries[0].cost_microusd, 20);
        free(entries);
        network_close(network);
        network_open(network);
        gateway_get_figures(network->gateway, &figures);
        assert_int_equal(figures.spent_day_microusd, 20);
        assert_int_equal(figures.spent_month_microusd, 20);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(talk(network, &talk1, "a", false), -EAGAIN); /* the fifth of the day */
        assert_int_equal(fake_calls(network->fake[0]), 4);
}

static void test_questions_are_routed_by_complexity(void **state)
{
        static char one[] = "one", two[] = "two";
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->n = 2;
        network->generation.routing = (struct routing_config){
                .strategy = ROUTING_STRATEGY_CONDITIONAL, .simple = two, .complex = one,
                .complexity_threshold = 0.7, .query_length_threshold = 40,
        };
        network_open(network);
        assert_int_equal(talk(network, &talk1, "Who?", false), 0);
        assert_string_equal(talk1.provider, "two");
        assert_non_null(strstr(talk1.reason, "simple question"));
        assert_string_equal(talk1.from, "");
        assert_int_equal(talk(network, &talk1, "Who of all that were here yesterday was the tallest?",
                              false), 0);
        assert_string_equal(talk1.provider, "one");
}

static void test_operators_can_try_ask_record_and_look(void **state)
{
        struct network *network = *state;
        const struct chat_message message = { CHAT_USER, "hello" };
        const struct chat_request request = { .messages = &message, .n_messages = 1, .top_p = 1.0,
                                              .max_tokens = 50 };
        struct gateway_attempt attempt;
        struct gateway_trial trial;
        struct json_object *object = NULL, *providers = NULL;
        struct error error = { 0 };
        char *text = NULL, *path = NULL;

        network->with_store = true;
        network_open(network);
        assert_int_equal(gateway_try(network->gateway, network->tenant, "one", false, &trial,
                                     &error), 0);
        assert_int_equal(trial.model_listed, PROBE_MODEL_KNOWN);
        assert_string_equal(trial.text, "You said: Say: ok");
        assert_int_equal(trial.output_tokens, 5);
        assert_int_equal(gateway_try(network->gateway, network->tenant, "nobody", false, &trial,
                                     &error), -ENOENT);
        assert_int_equal(gateway_record(network->gateway, "one", true, &path, &error), 0);
        assert_int_equal(gateway_ask(network->gateway, network->tenant, "one", &request, NULL,
                                     &attempt, &text, &error), 0);
        assert_string_equal(text, "You said: hello");
        assert_int_equal(attempt.input_tokens, 10);
        free(text);
        assert_int_equal(access(path, R_OK), 0);
        assert_int_equal(gateway_describe(network->gateway, NULL, &object, &error), 0);
        assert_int_equal(json_get_array(object, "providers", &providers, NULL), 1);
        assert_int_equal(json_object_array_length(providers), 2);
        assert_non_null(strstr(json_text(object, NULL), "\"state\":\"closed\""));
        json_object_put(object);
        assert_int_equal(gateway_describe(network->gateway, "nobody", &object, &error), -ENOENT);

        network_close(network); /* what was recorded answers without the server */
        network->providers[0].kind = PROVIDER_KIND_RECORDED;
        free(network->providers[0].endpoint);
        network->providers[0].endpoint = path;
        network_open(network);
        assert_int_equal(gateway_ask(network->gateway, network->tenant, "one", &request, NULL,
                                     &attempt, &text, &error), 0);
        assert_string_equal(text, "You said: hello");
        free(text);
}

static void test_a_model_without_its_key_is_passed_over(void **state)
{
        static char key[] = "env:RAGD_TEST_NO_SUCH_KEY";
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->n = 2;
        network->providers[0].api_key = key;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_string_equal(talk1.provider, "two");
        assert_non_null(strstr(talk1.reason, "RAGD_TEST_NO_SUCH_KEY"));
        assert_int_equal(fake_calls(network->fake[0]), 0);
}

#define CROWD 200

/* Half of what the first provider is asked fails; whatever happens, each call ends once and the
 * books agree with what the servers counted. */
static void test_the_books_agree_with_the_servers_when_many_call_at_once(void **state)
{
        static const enum act acts[] = { ACT_500, ACT_OK, ACT_429, ACT_OK, ACT_401, ACT_400,
                                         ACT_OK, ACT_SLOW_500 };
        static struct talk talks[CROWD];
        struct network *network = *state;
        const struct ledger_query query = { .last_day = UINT32_MAX, .by = LEDGER_BY_PROVIDER };
        struct ledger_entry *entries = NULL;
        uint64_t requests = 0, input = 0, attempts = 0;
        size_t n = 0;

        for (size_t i = 0; i < FAKE_ACTS_MAX; i++)
                network->fakes[0].acts[i] = acts[i % (sizeof acts / sizeof acts[0])];
        network->fakes[0].n_acts = FAKE_ACTS_MAX;
        network->with_store = true;
        network->n = 2;
        network->providers[0].max_concurrent = 8;
        network->providers[0].has_price_input_usd_per_mtok = true;
        network->providers[0].price_input_usd_per_mtok = 0.1;
        network_open(network);
        for (size_t i = 0; i < CROWD; i++)
                talk_begin(network, &talks[i], "a", false, 0);
        for (size_t i = 0; i < CROWD; i++) {
                talk_wait(&talks[i]);
                talk_end(&talks[i]);
                assert_int_equal(talks[i].error.code, 0);
                assert_int_equal(talks[i].ends, 1);
                attempts += talks[i].attempts;
        }
        assert_true(fake_most(network->fake[0]) <= 8);
        network->gateway = gateway_free(network->gateway);
        assert_int_equal(ledger_sum(network->store, &query, &entries, &n, NULL), 0);
        for (size_t i = 0; i < n; i++) {
                requests += entries[i].requests;
                input += entries[i].input_tokens;
        }
        free(entries);
        assert_int_equal(requests, fake_calls(network->fake[0]) + fake_calls(network->fake[1]));
        assert_int_equal(requests, attempts);
        assert_int_equal(input, 10 * (fake_answered(network->fake[0]) +
                                      fake_answered(network->fake[1])));
        assert_int_equal(input, 10 * CROWD);
}

static void test_two_gateways_in_one_process_do_not_meet(void **state)
{
        struct network *network = *state, *other = NULL;
        struct talk talk1 = { 0 }, talk2 = { 0 };

        assert_int_equal(network_set_up((void **) &other), 0);
        network->providers[0].requests_per_minute = 1;
        other->providers[0].requests_per_minute = 1;
        network_open(network);
        network_open(other);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(talk(other, &talk2, "b", false), 0);
        assert_string_equal(talk2.text, "You said: b");
        assert_int_equal(fake_calls(network->fake[0]), 1);
        assert_int_equal(fake_calls(other->fake[0]), 1);
        network_close(network);
        talk_begin(other, &talk2, "c", false, clock_monotonic_usec() + 1000000);
        talk_wait(&talk2);
        talk_end(&talk2);
        assert_int_equal(talk2.error.code, -EAGAIN);
        assert_int_equal(network_tear_down((void **) &other), 0);
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
                WITH(test_an_answer_is_remembered_and_costs_nothing_again),
                WITH(test_a_spent_budget_goes_to_those_without_a_price),
                WITH(test_the_books_hold_every_call_and_outlive_a_restart),
                WITH(test_the_books_agree_with_the_servers_when_many_call_at_once),
                WITH(test_two_gateways_in_one_process_do_not_meet),
                WITH(test_questions_are_routed_by_complexity),
                WITH(test_operators_can_try_ask_record_and_look),
                WITH(test_a_model_without_its_key_is_passed_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
