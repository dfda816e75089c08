/* SPDX-License-Identifier: Apache-2.0 */
/* What each tenant may spend a day, and what tenants share. */
#include "network.h"

#include "store/tenants.h"

#include <stdlib.h>
#include <string.h>

static struct tenant_id add_tenant(struct network *network, const char *name)
{
        struct tenant_info info = { 0 };

        assert_int_equal(tenant_insert(network->store, name, &info, NULL), 0);
        return info.id;
}

static void set_limit(struct network *network, enum tenant_limit limit, uint64_t value)
{
        struct tenant_quota quota = { .set = 1U << limit };

        quota.limit[limit] = value;
        assert_int_equal(tenant_set_quota(network->store, network->tenant, &quota, 0, NULL), 0);
        tenants_refresh(network->tenants, network->tenant);
}

static void open_with_tenants(struct network *network)
{
        network->with_store = network->with_tenants = true;
        network_open(network);
}

static void test_tokens_of_a_day_end_and_others_go_on(void **state)
{
        struct network *network = *state;
        struct tenant_id own;
        struct talk talk1 = { 0 };
        unsigned passed = 0;

        network->n = 2;
        open_with_tenants(network);
        own = network->tenant;
        set_limit(network, TENANT_TOKENS_PER_DAY, 100);
        while (talk(network, &talk1, "a", false) == 0)
                passed++; /* 15 each, of which up to 50 and the question are reserved */
        assert_int_equal(passed, 4);
        assert_int_equal(talk1.error.code, -EDQUOT);
        assert_non_null(strstr(talk1.error.message,
                               "the tenant's tokens of today are spent: limit 100, used 60"));
        assert_non_null(strstr(talk1.error.message, "until 00:00 UTC"));
        assert_null(strstr(talk1.error.message, "two")); /* nobody else is asked */
        assert_string_equal(talk1.error.origin.key, "tokens_per_day");
        assert_int_equal(network_news(network, GATEWAY_BUDGET_SPENT), 0);
        network->tenant = add_tenant(network, "other");
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        network_close(network); /* the ledger knows it */
        network_open(network);
        assert_true(id_equal(network->tenant.id, own.id));
        assert_int_equal(talk(network, &talk1, "a", false), -EDQUOT);
        assert_int_equal(fake_calls(network->fake[0]), 5);
        set_limit(network, TENANT_TOKENS_PER_DAY, 1000);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
}

static void test_money_of_a_day_is_spent_with_those_who_cost(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->n = 2;
        network->providers[0].has_price_output_usd_per_mtok = true;
        network->providers[0].price_output_usd_per_mtok = 1000.0; /* 50 tokens: 0.05 */
        open_with_tenants(network);
        set_limit(network, TENANT_MICROUSD_PER_DAY, 59999);
        for (int i = 0; i < 2; i++) { /* each comes to 0.005 */
                assert_int_equal(talk(network, &talk1, "a", false), 0);
                assert_string_equal(talk1.provider, "one");
        }
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_string_equal(talk1.provider, "two");
        assert_non_null(strstr(talk1.reason, "the tenant's money of today is spent"));
        network_close(network);
        network->budget.on_exceeded = BUDGET_ACTION_REFUSE;
        network_open(network);
        assert_int_equal(talk(network, &talk1, "a", false), -EDQUOT);
        assert_string_equal(talk1.error.origin.key, "usd_per_day");
}

static void test_what_failed_gives_its_tokens_back(void **state)
{
        struct network *network = *state;
        struct talk talk1 = { 0 };

        network->fakes[0] = (struct fake_settings){ .acts = { ACT_400, ACT_400, ACT_400 },
                                                    .n_acts = 3 };
        open_with_tenants(network);
        set_limit(network, TENANT_TOKENS_PER_DAY, 60);
        for (int i = 0; i < 3; i++)
                assert_int_not_equal(talk(network, &talk1, "a", false), -EDQUOT);
        assert_int_equal(talk(network, &talk1, "a", false), 0);
        assert_int_equal(talk(network, &talk1, "a", false), -EDQUOT);
}

static uint64_t embed(struct network *network, struct tenant_id tenant)
{
        const struct embed_text text = { "a shared text", 13 };
        float vector[NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        if (gateway_embed(network->gateway, tenant, EMBED_DOCUMENT, &text, 1, NULL, vector, &usage,
                          &error) < 0)
                fail_msg("%s", error.message);
        return usage.tokens;
}

static void test_texts_are_remembered_for_one_tenant_unless_they_share(void **state)
{
        struct network *network = *state;
        struct tenant_id other;

        network->embed_remotely = network->with_cache_file = true;
        open_with_tenants(network);
        other = add_tenant(network, "other");
        assert_true(embed(network, network->tenant) > 0);
        assert_int_equal(embed(network, network->tenant), 0);
        assert_true(embed(network, other) > 0);
        network_close(network);
        network->shared_embeddings = true;
        network_open(network);
        assert_true(embed(network, network->tenant) > 0); /* what was one's own stays so */
        assert_int_equal(embed(network, other), 0);
        assert_int_equal(gateway_forget(network->gateway, other, "other", NULL), 0);
        assert_true(embed(network, network->tenant) > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, network_set_up, network_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_tokens_of_a_day_end_and_others_go_on),
                TEST(test_money_of_a_day_is_spent_with_those_who_cost),
                TEST(test_what_failed_gives_its_tokens_back),
                TEST(test_texts_are_remembered_for_one_tenant_unless_they_share),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
