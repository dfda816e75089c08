/* SPDX-License-Identifier: Apache-2.0 */
/* Prices, budgets, remembered answers and the choice of a model. */
#include "config/values.h"
#include "gateway/budget.h"
#include "gateway/gateway.h"
#include "gateway/price.h"
#include "gateway/responses.h"
#include "gateway/routing.h"
#include "store/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define DOLLAR UINT64_C(1000000)

/* ---- Prices ---------------------------------------------------------------------------------- */

static void test_prices_are_whole_and_rounded_up(void **state)
{
        struct provider_config provider = {
                .has_price_input_usd_per_mtok = true,
                .price_input_usd_per_mtok = 0.15,
                .has_price_output_usd_per_mtok = true,
                .price_output_usd_per_mtok = 0.6,
        };
        uint64_t cost = 7;

        (void) state;
        assert_true(price_is_charged(&provider));
        assert_int_equal(price_of(&provider, 1000000, 0), 150000);
        assert_int_equal(price_of(&provider, 1, 0), 1);
        assert_int_equal(price_of(&provider, 10, 10), 8); /* 1.5 + 6.0 */
        assert_int_equal(price_of(&provider, 0, 0), 0);
        assert_true(price_of(&provider, UINT64_MAX, UINT64_MAX) > UINT64_MAX / 16);
        provider.has_price_output_usd_per_mtok = false;
        assert_int_equal(gateway_price(&provider, 10, 10, &cost), 0);
        assert_int_equal(cost, 2);
        provider.has_price_input_usd_per_mtok = false;
        assert_int_equal(gateway_price(&provider, 10, 10, &cost), -ENODATA);
        assert_false(price_is_charged(&provider));
        provider = (struct provider_config){ .has_price_input_usd_per_mtok = true };
        assert_false(price_is_charged(&provider));
}

/* ---- Budget ---------------------------------------------------------------------------------- */

static void test_a_budget_alerts_once_and_refuses_when_spent(void **state)
{
        struct budget budget;
        unsigned news = 0;
        bool month = true;

        (void) state;
        budget_init(&budget, DOLLAR, 10 * DOLLAR, 0.8, 20000);
        assert_int_equal(budget_reserve(&budget, 700000, 20000, &month, &news), 0);
        assert_int_equal(budget_reserve(&budget, 300001, 20000, &month, &news), -EDQUOT);
        assert_false(month);
        assert_int_equal(news & BUDGET_DAY_SPENT, BUDGET_DAY_SPENT);
        assert_int_equal(budget_reserve(&budget, 300000, 20000, &month, &news), 0);
        assert_int_equal(budget_settle(&budget, 700000, 799999, 20000), 0);
        assert_int_equal(budget_settle(&budget, 300000, 1, 20000), BUDGET_DAY_ALERT);
        assert_int_equal(budget_settle(&budget, 0, 1, 20000), 0); /* once */
        assert_int_equal(budget.reserved, 0);
        assert_int_equal(budget_reserve(&budget, 0, 20000, &month, &news), 0); /* without price */
        assert_int_equal(budget_reserve(&budget, 900000, 20001, &month, &news), 0); /* next day */
        assert_int_equal(budget.day.spent, 0);
        assert_int_equal(budget.month.spent, 800001);
}

static void test_other_limits_keep_what_is_spent_and_are_told_of_anew(void **state)
{
        struct budget budget;
        unsigned news = 0;
        bool month = false;

        (void) state;
        budget_init(&budget, DOLLAR, UINT64_MAX, 0.8, 20000);
        assert_int_equal(budget_reserve(&budget, 100000, 20000, &month, &news), 0);
        assert_int_equal(budget_settle(&budget, 0, 850000, 20000), BUDGET_DAY_ALERT);
        budget_configure(&budget, DOLLAR, UINT64_MAX, 0.8);
        assert_int_equal(budget_settle(&budget, 0, 1, 20000), 0); /* the same limit: told */
        budget_configure(&budget, 900000, UINT64_MAX, 0.8);
        assert_int_equal(budget_reserve(&budget, 1, 20000, &month, &news), -EDQUOT);
        assert_int_equal(news, BUDGET_DAY_ALERT | BUDGET_DAY_SPENT);
        budget_configure(&budget, 2 * DOLLAR, UINT64_MAX, 0.8);
        assert_int_equal(budget_reserve(&budget, 1000000, 20000, &month, &news), 0);
        assert_int_equal(news, 0);
        assert_int_equal(budget.reserved, 1100000);
        assert_int_equal(budget_settle(&budget, 1100000, 1149999, 20000),
                         BUDGET_DAY_ALERT | BUDGET_DAY_SPENT);
}

static void test_a_month_is_one_of_the_calendar(void **state)
{
        struct budget budget;
        unsigned news;
        bool month = false;
        uint32_t last = 0;

        (void) state;
        assert_int_equal(ledger_day_parse("2026-11-30", &last), 0);
        budget_init(&budget, UINT64_MAX, 2 * DOLLAR, 0.5, last);
        budget_restore(&budget, 0, 2 * DOLLAR - 5);
        assert_int_equal(budget_reserve(&budget, 6, last, &month, &news), -EDQUOT);
        assert_true(month);
        assert_int_equal(news, BUDGET_MONTH_ALERT | BUDGET_MONTH_SPENT);
        assert_int_equal(budget_reserve(&budget, 6, last, &month, &news), -EDQUOT);
        assert_int_equal(news, 0);
        assert_int_equal(budget_reserve(&budget, 6, last + 1, &month, &news), 0);
}

static void test_what_is_reserved_never_passes_the_limit(void **state)
{
        struct budget budget;
        uint64_t seed = 5, held[64] = { 0 }, given = 0;
        unsigned news;
        bool month;

        (void) state;
        budget_init(&budget, DOLLAR, 50 * DOLLAR, 0.8, 1);
        for (int i = 0; i < 100000; i++) {
                uint64_t *slot;

                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                slot = &held[seed >> 58U];
                if (*slot) {
                        uint64_t cost = *slot * ((seed >> 40U) % 101) / 100;

                        (void) budget_settle(&budget, *slot, cost, 1);
                        given += cost;
                        *slot = 0;
                } else {
                        uint64_t most = (seed >> 40U) % 1000;

                        if (budget_reserve(&budget, most, 1, &month, &news) == 0)
                                *slot = most;
                }
                assert_int_equal(budget.day.spent, given);
                assert_true(budget.day.spent + budget.reserved <= DOLLAR);
        }
        assert_true(given > DOLLAR * 9 / 10);
}

/* ---- Remembered answers ---------------------------------------------------------------------- */

static const char *const order[] = { "a", "b" };

static struct chat_request request_of(const struct chat_message *message)
{
        return (struct chat_request){ .system = "be brief", .messages = message, .n_messages = 1,
                                      .temperature = 0.5, .top_p = 1.0, .max_tokens = 10 };
}

static void test_every_part_of_a_request_is_in_its_key(void **state)
{
        const struct chat_message message = { CHAT_USER, "why?" }, other = { CHAT_USER, "how?" };
        struct tenant_id tenant = { 0 }, neighbour = { .id.bytes = { 1 } };
        const char *const turned[] = { "b", "a" };
        struct chat_request request = request_of(&message), changed;
        struct response_key key, keys[9];
        size_t n = 0;

        (void) state;
        response_key(tenant, 1, order, 2, &request, &key);
        response_key(neighbour, 1, order, 2, &request, &keys[n++]);
        response_key(tenant, 2, order, 2, &request, &keys[n++]);
        response_key(tenant, 1, turned, 2, &request, &keys[n++]);
        changed = request_of(&other);
        response_key(tenant, 1, order, 2, &changed, &keys[n++]);
        changed = request, changed.system = "be long";
        response_key(tenant, 1, order, 2, &changed, &keys[n++]);
        changed = request, changed.temperature = 0.6;
        response_key(tenant, 1, order, 2, &changed, &keys[n++]);
        changed = request, changed.max_tokens = 11;
        response_key(tenant, 1, order, 2, &changed, &keys[n++]);
        changed = request, changed.stops[0] = "x", changed.n_stops = 1;
        response_key(tenant, 1, order, 2, &changed, &keys[n++]);
        for (size_t i = 0; i < n; i++)
                assert_memory_not_equal(&key, &keys[i], sizeof key);
        request.stream = true; /* how it is told makes no other answer */
        response_key(tenant, 1, order, 2, &request, &keys[n]);
        assert_memory_equal(&key, &keys[n], sizeof key);
}

static void put(struct responses *responses, uint8_t number, struct tenant_id tenant, size_t len,
                uint64_t now)
{
        static char text[5000];
        const struct gateway_answer answer = { .text = text, .len = len, .provider = "p",
                                               .kind = "mock", .model = "m-1", .reason = "because" };
        struct response_key key = { .bytes = { number } };

        memset(text, 'x', sizeof text);
        responses_put(responses, &key, tenant, responses_epoch(responses), &answer, now);
}

static bool has(struct responses *responses, uint8_t number, uint64_t now)
{
        struct response_key key = { .bytes = { number } };
        struct gateway_answer *answer = NULL;
        int r = responses_get(responses, &key, now, &answer);

        if (r > 0) {
                assert_string_equal(answer->model, "m-1");
                assert_string_equal(answer->reason, "because");
                assert_int_equal(strlen(answer->text), answer->len);
        }
        free(answer);
        return r > 0;
}

static void test_answers_are_remembered_within_bytes_and_time(void **state)
{
        struct tenant_id tenant = { 0 }, other = { .id.bytes = { 9 } };
        struct responses *responses = NULL;
        struct responses_figures figures;
        uint64_t epoch;

        (void) state;
        assert_int_equal(responses_new(9000, 100, &responses, NULL), 0);
        put(responses, 1, tenant, 3000, 0);
        put(responses, 2, other, 3000, 0);
        assert_true(has(responses, 1, 50));
        put(responses, 3, tenant, 3000, 0); /* the second one was not used for longest */
        assert_false(has(responses, 2, 50));
        assert_true(has(responses, 1, 50) && has(responses, 3, 50));
        responses_get_figures(responses, &figures);
        assert_true(figures.bytes <= 9000);
        assert_int_equal(figures.misses, 1);
        assert_int_equal(figures.hits, 3);
        assert_false(has(responses, 1, 100)); /* its time is over */
        put(responses, 4, other, 10, 100);
        epoch = responses_epoch(responses);
        responses_forget(responses, tenant);
        assert_false(has(responses, 3, 50));
        assert_true(has(responses, 4, 150));
        {
                const struct gateway_answer late = { .text = "x", .len = 1 };
                struct response_key key = { .bytes = { 5 } };

                responses_put(responses, &key, tenant, epoch, &late, 150); /* begun before */
        }
        assert_false(has(responses, 5, 150));
        responses_free(responses);
}

/* ---- Routing --------------------------------------------------------------------------------- */

static void test_questions_are_measured_by_what_they_ask(void **state)
{
        static const struct {
                const char *question;
                double least, most;
        } cases[] = {
                { "", 0, 0 },
                { "What is HNSW?", 0, 0.05 },
                { "Wo ist der Bahnhof?", 0, 0.05 },
                { "Why is the sky blue?", 0.1, 0.3 },
                { "Compare HNSW and IVF: which one is better for 10 million vectors, and why, given "
                  "a budget of 8 GB, and what are the steps to migrate from 1 to the other? How "
                  "long would it take, and how much would it cost?",
                  0.8, 1.0 },
                { "比較して説明してください、そして理由を教えてください", 0.05, 0.4 },
        };
        double before = 0.0;

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                double complexity = routing_complexity(cases[i].question);

                if (complexity < cases[i].least || complexity > cases[i].most)
                        fail_msg("\"%s\": %.3f", cases[i].question, complexity);
                assert_true(complexity == routing_complexity(cases[i].question));
        }
        for (int n = 1; n < 60; n += 3) { /* more words never make it simpler */
                char text[512] = "";

                for (int i = 0; i < n; i++)
                        strcat(text, "word ");
                assert_true(routing_complexity(text) >= before);
                before = routing_complexity(text);
        }
}

static void test_a_threshold_of_either_sort_makes_a_question_complex(void **state)
{
        const struct routing_config routing = { .complexity_threshold = 0.2,
                                                .query_length_threshold = 20 };
        struct routing_choice choice;

        (void) state;
        routing_choose(&routing, "größe der wälder?", &choice);
        assert_int_equal(choice.length, 17); /* characters */
        assert_false(choice.complex);
        routing_choose(&routing, "größe der wälder ja?!", &choice);
        assert_true(choice.complex);
        routing_choose(&routing, "why compare?", &choice);
        assert_true(choice.complex && choice.complexity >= 0.2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_prices_are_whole_and_rounded_up),
                cmocka_unit_test(test_a_budget_alerts_once_and_refuses_when_spent),
                cmocka_unit_test(test_other_limits_keep_what_is_spent_and_are_told_of_anew),
                cmocka_unit_test(test_a_month_is_one_of_the_calendar),
                cmocka_unit_test(test_what_is_reserved_never_passes_the_limit),
                cmocka_unit_test(test_every_part_of_a_request_is_in_its_key),
                cmocka_unit_test(test_answers_are_remembered_within_bytes_and_time),
                cmocka_unit_test(test_questions_are_measured_by_what_they_ask),
                cmocka_unit_test(test_a_threshold_of_either_sort_makes_a_question_complex),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
