/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate must show before it gets traffic (coverage M12): golden questions asked of two
 * releases, and the verdict. */
#include "gates.h"

#include "base/buf.h"
#include "base/io.h"
#include "store/collection.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void test_without_questions_there_is_no_verdict_and_a_hint(void **state)
{
        struct gates *gates = *state;

        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_NO_DATA);
        gates_assert_verdict(gates, "recall_at_100", "no_data");
        gates_assert_verdict(gates, "avg_latency_seconds", "no_data");
        assert_non_null(strstr(fixture_text(gates_row(gates, "recall_at_100"), "note"),
                               "ragctl golden add"));
        gates_assert_verdict(gates, "isolation", "pass"); /* that needs none */
}

static void test_m12_two_releases_that_are_alike_pass(void **state)
{
        struct gates *gates = *state;

        gates_add_usual(gates);
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
        assert_int_equal(gates_number(gates->report, "questions"), 4);
        assert_int_equal(gates_number(gates->report, "judged"), 4);
        assert_int_equal(gates_number(gates->report, "base"), 7);
        assert_int_equal(gates_number(gates->report, "candidate"), 8);
        assert_true(gates_number(gates_row(gates, "recall_at_100"), "candidate") == 1);
        assert_true(gates_number(gates_row(gates, "recall_at_100"), "pass") == 0.98);
        assert_true(gates_number(gates_row(gates, "error_rate"), "candidate") == 0);
        assert_true(gates_number(gates_row(gates, "p99_ms"), "candidate") > 0);
        assert_int_equal(json_object_array_length(fixture_at(gates->report, "collections")), 2);
        gates_assert_verdict(gates, "backup", "no_data");
}

static void test_m12_a_candidate_that_finds_less_fails(void **state)
{
        struct gates *gates = *state;

        gates_add_usual(gates);
        gates->retrieval.has_min_score = true;
        gates->retrieval.min_score = 1000;
        gates->retrieval.min_score_of = SCORE_KIND_BM25;
        gates_renew(gates, gates->fixture->gateway);
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_FAIL);
        gates_assert_verdict(gates, "recall_at_100", "fail");
        gates_assert_verdict(gates, "ndcg_at_10", "fail");
        gates_assert_verdict(gates, "error_rate", "pass");
        assert_string_equal(fixture_text(gates->report, "why"),
                            "recall_at_100 is 0, and 0.98 passes; ndcg_at_10 is 0, and 0.98 passes");
        gates->promotion.min_recall_ratio = gates->promotion.min_ndcg_ratio = 0;
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
}

static void test_without_a_base_only_absolute_limits_hold(void **state)
{
        struct gates *gates = *state;

        gates_add_usual(gates);
        gates->settings.base = NULL;
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
        gates_assert_verdict(gates, "recall_at_100", "no_data");
        assert_true(gates_number(gates_row(gates, "recall_at_100"), "candidate") == 1);
        assert_null(fixture_at(gates_row(gates, "recall_at_100"), "base"));
        gates->promotion.max_avg_latency_seconds = 0;
        gates->promotion.rollback_avg_latency_seconds = 0;
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_FAIL);
}

static void test_between_the_bands_it_is_held(void **state)
{
        struct gates *gates = *state;

        gates_add_usual(gates);
        gates->promotion.max_avg_latency_seconds = 0;
        gates->promotion.rollback_avg_latency_seconds = 3600;
        gates_run(gates);
        assert_int_equal(gates->verdict, GATE_HOLD);
        gates_assert_verdict(gates, "avg_latency_seconds", "hold");
}

static void open_gateway(struct gates *gates, const struct provider_config *embedder,
                         struct gateway **ret)
{
        const struct provider_config *providers[] = { embedder };
        const struct gateway_settings settings = { .providers = providers,
                                                   .n_providers = 1,
                                                   .embedder = embedder,
                                                   .embedding = &gates->fixture->embedding,
                                                   .resilience = &gates->fixture->resilience,
                                                   .dimensions = FIXTURE_DIMENSIONS,
                                                   .store = gates->fixture->store };
        struct error error = { 0 };

        assert_ok(gateway_new(&settings, ret, &error));
}

static void test_m12_queries_that_fail_count_and_provider_faults_hold(void **state)
{
        static const struct {
                enum provider_kind kind;
                enum gate_verdict verdict;
                const char *errors, *faults;
        } cases[] = {
                { PROVIDER_KIND_CLIENT, GATE_FAIL, "fail", "pass" }, /* nothing embeds a query */
                { PROVIDER_KIND_OPENAI_COMPATIBLE, GATE_HOLD, "no_data", "hold" }, /* away */
        };
        struct gates *gates = *state;

        gates_add_usual(gates);
        gates->retrieval.mode = RETRIEVAL_MODE_DENSE;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct provider_config embedder = gates->fixture->broken;
                struct gateway *gateway = NULL;

                embedder.kind = cases[i].kind;
                open_gateway(gates, &embedder, &gateway);
                gates_renew(gates, gateway);
                gates_run(gates);
                assert_int_equal(gates->verdict, cases[i].verdict);
                gates_assert_verdict(gates, "error_rate", cases[i].errors);
                gates_assert_verdict(gates, "provider_faults", cases[i].faults);
                assert_true(strlen(fixture_text(
                                    gates_row(gates, i == 0 ? "error_rate" : "provider_faults"),
                                    "note")) > 0);
                gates->candidate_answer = answer_free(gates->candidate_answer);
                gateway = gateway_free(gateway);
        }
}

static void test_documents_deleted_later_are_missing_and_named_sets_chosen(void **state)
{
        struct gates *gates = *state;
        struct collection *open = NULL;
        struct error error = { 0 };
        struct json_object *json = NULL;

        gates_add_usual(gates);
        gates_add_golden(gates, "rivers", "smoke",
                         "{\"query\":\"Egypt\",\"relevant\":{\"nile\":1}}");
        assert_ok(collection_open(gates->fixture->store, gates->fixture->tenant, "rivers", &open,
                                  &error));
        assert_ok(collection_forget_document(open, "rhine", &error));
        (void) collection_unref(open);
        gates_run(gates);
        assert_int_equal(gates_number(gates->report, "questions"), 5);
        assert_int_equal(gates_number(gates->report, "collections/0/missing") +
                                 gates_number(gates->report, "collections/1/missing"), 1);
        gates->promotion.golden_set = (char *) "smoke";
        gates_run(gates);
        assert_int_equal(gates_number(gates->report, "questions"), 1);
        gates->promotion.golden_set = (char *) "absent";
        assert_int_equal(gate_run(&gates->settings, &json, &gates->verdict, &error), -ENOENT);
        gates->promotion.golden_set = (char *) "./golden.jsonl";
        assert_int_equal(gate_run(&gates->settings, &json, &gates->verdict, &error), -EINVAL);
}

static void write_file(struct gates *gates, const char *text, char path[static 600])
{
        struct error error = { 0 };

        (void) snprintf(path, 600, "%s/golden.jsonl", gates->fixture->path);
        assert_ok(io_replace_file(AT_FDCWD, path, text, strlen(text), 0600, &error));
        gates->promotion.golden_set = path;
}

static void test_a_file_of_questions_is_asked_beside_or_refused(void **state)
{
        static const struct {
                const char *text, *says;
        } refused[] = {
                { "{\"query\":\"a\",\"relevant\":{\"nile\":1}}", "collection \"default\"" },
                { "{\"query\":\"a\",\"collection\":\"rivers\",\"relevant\":{\"seine\":1}}",
                  "\"seine\"" },
                { "{\"query\":\"a\"", "line 1" },
                { "", "no question" },
        };
        struct gates *gates = *state;
        struct json_object *json = NULL;
        char path[600];
        struct error error = { 0 };

        gates_add_golden(gates, "lakes", NULL,
                         "{\"query\":\"deepest\",\"relevant\":{\"baikal\":1}}\n");
        write_file(gates, "{\"query\":\"Egypt\",\"collection\":\"rivers\",\"relevant\":"
                          "{\"nile\":1}}\n"
                          "{\"query\":\"lakes\",\"collection\":\"lakes\",\"relevant\":"
                          "{\"baikal\":1}}\n"
                          "{\"query\":\"Vienna\",\"collection\":\"rivers\",\"relevant\":"
                          "{\"danube\":1}}\n", path);
        gates_run(gates);
        assert_int_equal(gates_number(gates->report, "questions"), 4);
        assert_int_equal(gates->verdict, GATE_PASS);
        for (size_t i = 0; i < ELEMENTSOF(refused); i++) {
                int r;

                write_file(gates, refused[i].text, path);
                r = gate_run(&gates->settings, &json, &gates->verdict, &error);
                if (r >= 0 || !strstr(error.message, refused[i].says) ||
                    !strstr(error.message, "golden_set"))
                        fail_msg("%s: %d, %s", refused[i].text, r, error.message);
        }
        assert_null(json);
}

static int stop_after(void *data, const char *what, size_t done, size_t total)
{
        size_t *left = data;

        assert_string_equal(what, "golden questions");
        assert_true(done <= total && total == 4);
        return (*left)-- == 0;
}

static void test_the_gates_can_be_stopped(void **state)
{
        struct gates *gates = *state;
        struct json_object *json = NULL;
        struct error error = { 0 };
        size_t left = 2;

        gates_add_usual(gates);
        gates->settings.progress = stop_after;
        gates->settings.data = &left;
        assert_int_equal(gate_run(&gates->settings, &json, &gates->verdict, &error), -ECANCELED);
        assert_null(json);
        left = 1000;
        gates_run(gates);
}

static void test_of_too_many_questions_a_part_is_asked(void **state)
{
        struct gates *gates = *state;
        struct buf lines = BUF_EMPTY;

        for (unsigned i = 0; i < GATE_QUESTIONS_MAX + 2; i++)
                buf_append_format(&lines, "{\"query\":\"Cologne %u\",\"relevant\":{\"rhine\":1}}\n",
                                  i);
        gates_add_golden(gates, "rivers", NULL, buf_text(&lines));
        buf_done(&lines);
        gates_run(gates);
        assert_int_equal(gates_number(gates->report, "questions"), GATE_QUESTIONS_MAX + 2);
        assert_int_equal(gates_number(gates->report, "asked"), GATE_QUESTIONS_MAX / 2 + 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, gates_setup, gates_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                CASE(test_without_questions_there_is_no_verdict_and_a_hint),
                CASE(test_m12_two_releases_that_are_alike_pass),
                CASE(test_m12_a_candidate_that_finds_less_fails),
                CASE(test_without_a_base_only_absolute_limits_hold),
                CASE(test_between_the_bands_it_is_held),
                CASE(test_m12_queries_that_fail_count_and_provider_faults_hold),
                CASE(test_documents_deleted_later_are_missing_and_named_sets_chosen),
                CASE(test_a_file_of_questions_is_asked_beside_or_refused),
                CASE(test_the_gates_can_be_stopped),
                CASE(test_of_too_many_questions_a_part_is_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
