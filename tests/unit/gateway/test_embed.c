/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding over the network: batches, order, splitting, what is remembered, fallback. */
#include "network.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TEXTS 50

static struct embed_text texts[TEXTS];
static char bytes[TEXTS][8];

static void make_texts(void)
{
        for (size_t i = 0; i < TEXTS; i++) {
                memset(bytes[i], 'a' + (int) (i % 26), sizeof bytes[i]);
                texts[i] = (struct embed_text){ bytes[i], 1 + i / 26 };
        }
}

static int embed(struct network *network, size_t n, float vectors[TEXTS][NETWORK_WIDTH],
                 struct embed_usage *usage, struct error *error)
{
        make_texts();
        return gateway_embed(network->gateway, network->tenant, EMBED_DOCUMENT, texts, n, NULL,
                             vectors[0], usage, error);
}

static void check(float vectors[TEXTS][NETWORK_WIDTH], size_t n)
{
        for (size_t i = 0; i < n; i++) {
                assert_true(vectors[i][0] == (float) texts[i].len);
                assert_true(vectors[i][1] == (float) texts[i].text[0]);
        }
}

static void test_batches_keep_the_order_of_texts(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network_open(network);
        assert_true(gateway_embeds_remotely(network->gateway));
        assert_int_equal(embed(network, TEXTS, vectors, &usage, &error), 0);
        check(vectors, TEXTS);
        assert_int_equal(fake_calls(network->fake[0]), 7);
        assert_true(fake_most(network->fake[0]) <= 4);
        assert_int_equal(usage.tokens, 3 * TEXTS);
        assert_int_equal(network_news(network, GATEWAY_CALL), 7);
}

static void test_what_was_embedded_is_not_asked_again(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct gateway_figures figures;

        network->embed_remotely = true;
        network_open(network);
        assert_int_equal(embed(network, 10, vectors, &usage, NULL), 0);
        assert_int_equal(embed(network, 18, vectors, &usage, NULL), 0);
        check(vectors, 18);
        assert_int_equal(usage.tokens, 24); /* the eight new ones */
        assert_int_equal(fake_calls(network->fake[0]), 3);
        gateway_get_figures(network->gateway, &figures);
        assert_int_equal(figures.embedding_hits, 10);
        assert_int_equal(gateway_forget(network->gateway, network->tenant, NULL, NULL), 0);
        assert_int_equal(embed(network, 8, vectors, &usage, NULL), 0);
        assert_int_equal(usage.tokens, 24);
}

static void test_a_batch_that_is_too_large_is_split(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network->embedding.batch_size = 32;
        network->fakes[0].max_texts = 3;
        network_open(network);
        assert_int_equal(embed(network, TEXTS, vectors, &usage, &error), 0);
        check(vectors, TEXTS);
        assert_int_equal(usage.tokens, 3 * TEXTS);
}

static void test_a_batch_whose_rate_is_refused_is_split(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network->embedding.batch_size = 32;
        network->fakes[0].max_texts = 8;
        network->fakes[0].too_many_is_429 = true;
        network_open(network);
        if (embed(network, TEXTS, vectors, &usage, &error) < 0)
                fail_msg("%s", error.message);
        check(vectors, TEXTS);
        assert_int_equal(usage.tokens, 3 * TEXTS);
}

static void test_no_vector_is_let_through_that_is_none(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { .tokens = 77 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network->fakes[0].always = ACT_NAN;
        network->embedding.max_retries = 0;
        network_open(network);
        assert_int_equal(embed(network, 5, vectors, &usage, &error), -EBADMSG);
        assert_non_null(strstr(error.message, "provider one"));
        assert_int_equal(usage.tokens, 77);
        for (size_t i = 0; i < 5; i++)
                assert_true(isnan(vectors[i][0]));
}

static void test_a_fallback_embeds_where_the_first_cannot(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };

        network->embed_remotely = true;
        network->n = 2;
        network->fakes[0].always = ACT_401;
        network_open(network);
        assert_int_equal(embed(network, TEXTS, vectors, &usage, NULL), 0);
        check(vectors, TEXTS);
        assert_int_equal(fake_calls(network->fake[1]), 7);
        assert_true(network_news(network, GATEWAY_FELL_BACK) > 0);
}

static void test_one_failure_ends_all_batches(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network->fakes[0] = (struct fake_settings){ .acts = { ACT_OK, ACT_OK, ACT_400 }, .n_acts = 3,
                                                    .always = ACT_HANG, .dimensions = 4 };
        network_open(network);
        assert_int_equal(embed(network, TEXTS, vectors, &usage, &error), -EREMOTEIO);
        assert_non_null(strstr(error.message, "400"));
}

static void test_a_spent_budget_refuses_a_priced_embedder(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };
        uint64_t cost = 0;

        network->embed_remotely = true;
        network->budget.daily_usd = 0.000001;
        network->providers[0].has_price_input_usd_per_mtok = true;
        network->providers[0].price_input_usd_per_mtok = 1.0;
        network_open(network);
        assert_int_equal(gateway_price_embedding(network->gateway, 1000000, &cost), 0);
        assert_int_equal(cost, 1000000);
        assert_int_equal(embed(network, 5, vectors, &usage, &error), -EDQUOT);
        assert_non_null(strstr(error.message, "budget"));
        assert_int_equal(fake_calls(network->fake[0]), 0);
}

static void test_a_deadline_holds_for_embedding(void **state)
{
        struct network *network = *state;
        const struct gateway_terms terms = { .deadline_usec = clock_monotonic_usec() + 200000,
                                             .low_priority = true };
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        network->embed_remotely = true;
        network->fakes[0].always = ACT_HANG;
        network_open(network);
        make_texts();
        assert_int_equal(gateway_embed(network->gateway, network->tenant, EMBED_QUERY, texts, 1,
                                       &terms, vectors[0], &usage, &error), -ETIMEDOUT);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, network_set_up, network_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH(test_batches_keep_the_order_of_texts),
                WITH(test_what_was_embedded_is_not_asked_again),
                WITH(test_a_batch_that_is_too_large_is_split),
                WITH(test_a_batch_whose_rate_is_refused_is_split),
                WITH(test_no_vector_is_let_through_that_is_none),
                WITH(test_a_fallback_embeds_where_the_first_cannot),
                WITH(test_one_failure_ends_all_batches),
                WITH(test_a_spent_budget_refuses_a_priced_embedder),
                WITH(test_a_deadline_holds_for_embedding),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
