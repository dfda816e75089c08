/* SPDX-License-Identifier: Apache-2.0 */
/* Generation over the network: what is remembered, money and books, routing, operators. */
#include "network.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
        assert_int_equal(gateway_forget(network->gateway, network->tenant, NULL, NULL), 0);
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
        assert_int_equal(talk(network, &talk1, "Who of all that were here was the tallest by far?",
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
                WITH(test_an_answer_is_remembered_and_costs_nothing_again),
                WITH(test_a_spent_budget_goes_to_those_without_a_price),
                WITH(test_the_books_hold_every_call_and_outlive_a_restart),
                WITH(test_questions_are_routed_by_complexity),
                WITH(test_operators_can_try_ask_record_and_look),
                WITH(test_a_model_without_its_key_is_passed_over),
                WITH(test_the_books_agree_with_the_servers_when_many_call_at_once),
                WITH(test_two_gateways_in_one_process_do_not_meet),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
