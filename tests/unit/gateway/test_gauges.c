/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway does and counts, as metrics: of whichever gateway is in force. */
#include "base/log.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "gateway_gauges.h"
#include "metrics/metrics.h"
#include "news.h"
#include "tenancy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* What daemon/news.c links; no release is talked of here. */
void tenancy_record(const struct tenancy *tenancy, const struct tenancy_event *event)
{
        (void) tenancy;
        fail_msg("%s is not of the gateway", event->action);
}

struct force {
        struct gateway *gateway;
        unsigned pins, held;
};

static struct gateway *pin(void *data, void **ret_handle)
{
        struct force *force = data;

        force->pins++;
        if (force->gateway) {
                force->held++;
                *ret_handle = force->gateway;
        }
        return force->gateway;
}

static void unpin(void *data, void *handle)
{
        struct force *force = data;

        assert_ptr_equal(handle, force->gateway);
        force->held--;
}

static struct gateway *open_gateway(const struct provider_config *table, struct gateway *beside)
{
        static const struct embedding_config embedding = { .batch_size = 8 };
        const struct gateway_settings settings = { .embedder = table, .embedding = &embedding,
                                                   .dimensions = 32, .beside = beside };
        struct gateway *gateway = NULL;

        assert_int_equal(gateway_new(&settings, &gateway, NULL), 0);
        return gateway;
}

static struct metrics *fresh(void)
{
        static const char *const outcomes[FAULT_CLASS_MAX + 2] = { "ok", "unreachable" };
        const struct metrics_settings settings = { .stage = "testing", .version = "1",
                                                   .outcomes = outcomes };
        struct metrics *metrics = NULL;

        assert_int_equal(metrics_new(&settings, &metrics, NULL), 0);
        return metrics;
}

static void test_gauges_read_the_gateway_that_is_in_force(void **state)
{
        static char one[] = "one", two[] = "two";
        static const struct provider_config tables[] = {
                { .name = one, .kind = PROVIDER_KIND_MOCK },
                { .name = two, .kind = PROVIDER_KIND_HASHING },
        };
        struct gateway *older = open_gateway(&tables[0], NULL);
        struct gateway *newer = open_gateway(&tables[1], older);
        struct force force = { .gateway = older };
        const struct gateway_gauges_source source = { pin, unpin, &force };
        struct metrics *metrics = fresh();
        struct gateway_gauges *gauges = NULL;
        struct buf out = BUF_EMPTY;

        (void) state;
        assert_int_equal(gateway_gauges_new(&source, metrics, &gauges, NULL), 0);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "ragd_provider_breaker_state{stage=\"testing\","
                                               "provider=\"one\"} 0\n"));
        assert_non_null(strstr(buf_text(&out), "ragd_gateway_calls_running{stage=\"testing\"} 0"));
        assert_int_equal(force.held, 0);
        assert_true(force.pins >= 2);
        force.gateway = newer;
        (void) gateway_free(older);
        buf_clear(&out);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "provider=\"two\"} 0\n"));
        assert_null(strstr(buf_text(&out), "provider=\"one\""));
        force.gateway = NULL; /* between two: nothing to ask */
        buf_clear(&out);
        metrics_write(metrics, &out);
        assert_null(strstr(buf_text(&out), "provider=\""));
        assert_int_equal(force.held, 0);
        buf_done(&out);
        (void) metrics_free(metrics);
        (void) gateway_gauges_free(gauges);
        (void) gateway_free(newer);
}

static void test_a_call_is_counted_under_its_provider_whenever_that_came(void **state)
{
        struct news news = { NULL };
        struct gateway_attempt attempt = { .provider = "late", .kind = CALL_CHAT,
                                           .fault = FAULT_CLASS_MAX, .took_usec = 2000,
                                           .input_tokens = 7 };
        const struct gateway_event event = { .news = GATEWAY_CALL, .provider = "late",
                                             .attempt = &attempt };
        struct buf out = BUF_EMPTY;

        (void) state;
        log_set_level(LOG_LEVEL_ERROR);
        news_of_gateway(&news, &event); /* before there are metrics */
        news.metrics = fresh();
        news_of_gateway(&news, &event);
        attempt.fault = FAULT_UNREACHABLE;
        news_of_gateway(&news, &event);
        metrics_write(news.metrics, &out);
        assert_non_null(strstr(buf_text(&out), "provider=\"late\",outcome=\"ok\"} 1\n"));
        assert_non_null(strstr(buf_text(&out), "provider=\"late\",outcome=\"unreachable\"} 1\n"));
        assert_non_null(strstr(buf_text(&out), "ragd_provider_input_tokens_total{"
                                               "stage=\"testing\",provider=\"late\"} 14\n"));
        buf_done(&out);
        (void) metrics_free(news.metrics);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_gauges_read_the_gateway_that_is_in_force),
                cmocka_unit_test(test_a_call_is_counted_under_its_provider_whenever_that_came),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
