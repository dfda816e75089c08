/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "metrics/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const char *const routes[] = { "search", "answer \"x\"", NULL };
static const char *const outcomes[] = { "ok", "timeout", NULL };

static struct metrics *fresh(void)
{
        struct metrics_settings settings = { .stage = "testing", .version = "1.2.3",
                                             .routes = routes, .outcomes = outcomes };
        struct metrics *metrics = NULL;

        assert_int_equal(metrics_new(&settings, &metrics, NULL), 0);
        return metrics;
}

static void test_every_row_is_named_and_explained(void **state)
{
        (void) state;
        for (size_t i = 0; i < METRIC_MAX; i++) {
                const struct metric *metric = metric_get((enum metric_id) i);

                assert_non_null(metric->name);
                assert_non_null(metric->help);
                assert_true(strlen(metric->help) > 8);
                assert_null(strpbrk(metric->help, "\n\\"));
                for (const char *c = metric->name; *c; c++)
                        assert_true(islower((unsigned char) *c) || *c == '_');
                if (metric->type == METRIC_COUNTER)
                        assert_string_equal(metric->name + strlen(metric->name) - 6, "_total");
                assert_int_equal(metric->type == METRIC_HISTOGRAM, metric->n_buckets != 0);
                for (size_t b = 1; b < metric->n_buckets; b++)
                        assert_true(metric->buckets[b] > metric->buckets[b - 1]);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(metric->name, metric_get((enum metric_id) j)->name);
        }
}

static void test_a_counter_shows_its_labels_and_the_stage(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;

        (void) state;
        metrics_add(metrics, METRIC_HTTP_REQUESTS, 0, METRIC_2XX, 3);
        metrics_add(metrics, METRIC_HTTP_REQUESTS, 1, METRIC_4XX, 1);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "# TYPE ragd_http_requests_total counter\n"));
        assert_non_null(strstr(buf_text(&out), "\nragd_http_requests_total{stage=\"testing\","
                                               "route=\"search\",status=\"2xx\"} 3\n"));
        assert_non_null(strstr(buf_text(&out), "route=\"answer \\\"x\\\"\",status=\"4xx\"} 1\n"));
        assert_null(strstr(buf_text(&out), "route=\"search\",status=\"5xx\""));
        assert_non_null(strstr(buf_text(&out), "ragd_build_info{stage=\"testing\","
                                               "version=\"1.2.3\"} 1\n"));
        assert_int_equal(metrics_total(metrics, METRIC_HTTP_REQUESTS), 4);
        buf_done(&out);
        metrics_free(metrics);
}

static void test_buckets_are_cumulative_and_a_bound_belongs_to_its_bucket(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;

        (void) state;
        metrics_observe(metrics, METRIC_HTTP_SECONDS, 0, 0, 100);        /* exactly 0.0001 s */
        metrics_observe(metrics, METRIC_HTTP_SECONDS, 0, 0, 101);
        metrics_observe(metrics, METRIC_HTTP_SECONDS, 0, 0, 3600000000); /* beyond every bound */
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "route=\"search\",le=\"0.0001\"} 1\n"));
        assert_non_null(strstr(buf_text(&out), "route=\"search\",le=\"0.00025\"} 2\n"));
        assert_non_null(strstr(buf_text(&out), "route=\"search\",le=\"30\"} 2\n"));
        assert_non_null(strstr(buf_text(&out), "route=\"search\",le=\"+Inf\"} 3\n"));
        assert_non_null(strstr(buf_text(&out), "_count{stage=\"testing\",route=\"search\"} 3\n"));
        assert_non_null(strstr(buf_text(&out), "_sum{stage=\"testing\",route=\"search\"} 3600.0002"));
        assert_int_equal(metrics_total(metrics, METRIC_HTTP_SECONDS), 3);
        buf_done(&out);
        metrics_free(metrics);
}

static double seventeen(void *data)
{
        *(int *) data += 1;
        return 17.5;
}

static void test_a_gauge_is_read_when_it_is_asked_for(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;
        int calls = 0;

        (void) state;
        metrics_write(metrics, &out);
        assert_null(strstr(buf_text(&out), "ragd_http_connections{"));
        metrics_set_source(metrics, METRIC_HTTP_CONNECTIONS, seventeen, &calls);
        buf_clear(&out);
        metrics_write(metrics, &out);
        assert_int_equal(calls, 1);
        assert_non_null(strstr(buf_text(&out), "ragd_http_connections{stage=\"testing\"} 17.5\n"));
        assert_non_null(strstr(buf_text(&out), "process_open_fds{stage=\"testing\"} "));
        assert_null(strstr(buf_text(&out), "} nan")); /* as a value */
        buf_done(&out);
        metrics_free(metrics);
}

static void *add_many(void *data)
{
        for (int i = 0; i < 100000; i++) {
                metrics_add(data, METRIC_HTTP_ACCEPTED, 0, 0, 1);
                metrics_observe(data, METRIC_SEARCH_SECONDS, METRIC_OK, 0, 7);
        }
        return NULL;
}

static void test_no_count_is_lost_between_threads(void **state)
{
        struct metrics *metrics = fresh();
        pthread_t threads[4];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_many, metrics), 0);
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(metrics_total(metrics, METRIC_HTTP_ACCEPTED), 400000);
        assert_int_equal(metrics_total(metrics, METRIC_SEARCH_SECONDS), 400000);
        metrics_free(metrics);
}

/* Prometheus' own grammar, as far as this writer goes: comment, or name{labels} number. */
static void test_every_line_is_a_comment_or_a_sample(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;
        char *save = NULL;

        (void) state;
        metrics_write(metrics, &out);
        assert_false(buf_failed(&out));
        assert_int_equal(out.data[out.len - 1], '\n');
        for (char *line = strtok_r(out.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char *end;

                if (strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0)
                        continue;
                assert_non_null(strchr(line, '{'));
                end = strstr(line, "} ");
                assert_non_null(end);
                (void) strtod(end + 2, &end);
                assert_int_equal(*end, '\0');
        }
        buf_done(&out);
        metrics_free(metrics);
}

static void list_two(void *data, enum metric_id id, struct metric_list *list)
{
        assert_int_equal(id, METRIC_INDEX_VECTORS);
        assert_string_equal(data, "mine");
        metric_list_add(list, "docs", "acme", 12);
        metric_list_add(list, "notes", "default", 0);
}

static void list_many(void *data, enum metric_id id, struct metric_list *list)
{
        char name[16];

        (void) data;
        (void) id;
        for (int i = 0; i < METRIC_SERIES_MAX + 3; i++) {
                (void) snprintf(name, sizeof name, "c%d", i);
                metric_list_add(list, name, "default", 2);
        }
}

static void test_listed_series_are_those_that_there_are_at_the_moment(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;
        char name[] = "mine";

        (void) state;
        metrics_write(metrics, &out);
        assert_null(strstr(buf_text(&out), "ragd_index_vectors"));
        buf_clear(&out);
        metrics_set_lister(metrics, METRIC_INDEX_VECTORS, list_two, name);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out),
                               "# TYPE ragd_index_vectors gauge\n"
                               "ragd_index_vectors{stage=\"testing\",collection=\"docs\","
                               "tenant=\"acme\"} 12\n"
                               "ragd_index_vectors{stage=\"testing\",collection=\"notes\","
                               "tenant=\"default\"} 0\n#"));
        buf_done(&out);
        metrics_free(metrics);
}

static void test_of_too_many_series_the_rest_is_one_sum(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;
        size_t n = 0;

        (void) state;
        metrics_set_lister(metrics, METRIC_RECALL_FOUND, list_many, NULL);
        metrics_write(metrics, &out);
        for (const char *at = buf_text(&out);
             (at = strstr(at, "\nragd_recall_audit_found_total{")); at++)
                n++;
        assert_int_equal(n, METRIC_SERIES_MAX + 1);
        assert_non_null(strstr(buf_text(&out), "collection=\"_others\",tenant=\"_others\"} 6\n"));
        buf_done(&out);
        metrics_free(metrics);
}

struct naming {
        struct metrics *metrics;
        size_t places[METRIC_PROVIDERS_MAX];
};

static void *name_many(void *data)
{
        struct naming *naming = data;
        char name[16];

        for (size_t i = 0; i < METRIC_PROVIDERS_MAX; i++) {
                (void) snprintf(name, sizeof name, "p%zu", i);
                naming->places[i] = metrics_provider(naming->metrics, name);
                metrics_add(naming->metrics, METRIC_PROVIDER_INPUT_TOKENS, naming->places[i], 0, 1);
        }
        return NULL;
}

static void test_a_provider_has_its_place_from_its_first_use_on(void **state)
{
        struct metrics *metrics = fresh();
        struct buf out = BUF_EMPTY;
        size_t one, two;

        (void) state;
        metrics_write(metrics, &out);
        assert_null(strstr(buf_text(&out), "provider=\""));
        one = metrics_provider(metrics, "one");
        two = metrics_provider(metrics, "two");
        assert_int_not_equal(one, two);
        assert_int_equal(metrics_provider(metrics, "one"), one);
        metrics_add(metrics, METRIC_PROVIDER_CALLS, two, 0, 3);
        buf_clear(&out);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "ragd_provider_calls_total{stage=\"testing\","
                                               "provider=\"two\",outcome=\"ok\"} 3\n"));
        assert_non_null(strstr(buf_text(&out), "ragd_provider_input_tokens_total{"
                                               "stage=\"testing\",provider=\"one\"} 0\n"));
        assert_null(strstr(buf_text(&out), "_others"));
        buf_done(&out);
        metrics_free(metrics);
}

static void test_threads_agree_on_the_places_of_providers(void **state)
{
        struct metrics *metrics = fresh();
        struct naming namings[4];
        pthread_t threads[4];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(threads); i++) {
                namings[i].metrics = metrics;
                assert_int_equal(pthread_create(&threads[i], NULL, name_many, &namings[i]), 0);
        }
        for (size_t i = 0; i < ELEMENTSOF(threads); i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        for (size_t i = 0; i < METRIC_PROVIDERS_MAX; i++) {
                for (size_t j = 0; j < ELEMENTSOF(threads); j++)
                        assert_int_equal(namings[j].places[i], namings[0].places[i]);
                assert_true(namings[0].places[i] < METRIC_PROVIDERS_MAX);
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(namings[0].places[i], namings[0].places[k]);
        }
        metrics_free(metrics);
}

static void test_providers_beyond_the_bound_are_counted_together(void **state)
{
        struct metrics *metrics = fresh();
        struct naming naming = { .metrics = metrics };
        struct buf out = BUF_EMPTY;

        (void) state;
        (void) name_many(&naming);
        metrics_add(metrics, METRIC_PROVIDER_INPUT_TOKENS, metrics_provider(metrics, "late"), 0, 3);
        metrics_add(metrics, METRIC_PROVIDER_INPUT_TOKENS, metrics_provider(metrics, "later"), 0,
                    4);
        metrics_add(metrics, METRIC_PROVIDER_INPUT_TOKENS,
                    metrics_provider(metrics, METRIC_OTHERS), 0, 5);
        metrics_write(metrics, &out);
        assert_non_null(strstr(buf_text(&out), "provider=\"p63\"} 1\n"));
        assert_non_null(strstr(buf_text(&out), "ragd_provider_input_tokens_total{"
                                               "stage=\"testing\",provider=\"_others\"} 12\n"));
        assert_null(strstr(buf_text(&out), "provider=\"late"));
        assert_int_equal(metrics_total(metrics, METRIC_PROVIDER_INPUT_TOKENS), 64 + 12);
        buf_done(&out);
        metrics_free(metrics);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_row_is_named_and_explained),
                cmocka_unit_test(test_a_counter_shows_its_labels_and_the_stage),
                cmocka_unit_test(test_buckets_are_cumulative_and_a_bound_belongs_to_its_bucket),
                cmocka_unit_test(test_a_gauge_is_read_when_it_is_asked_for),
                cmocka_unit_test(test_no_count_is_lost_between_threads),
                cmocka_unit_test(test_every_line_is_a_comment_or_a_sample),
                cmocka_unit_test(test_listed_series_are_those_that_there_are_at_the_moment),
                cmocka_unit_test(test_of_too_many_series_the_rest_is_one_sum),
                cmocka_unit_test(test_a_provider_has_its_place_from_its_first_use_on),
                cmocka_unit_test(test_threads_agree_on_the_places_of_providers),
                cmocka_unit_test(test_providers_beyond_the_bound_are_counted_together),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
