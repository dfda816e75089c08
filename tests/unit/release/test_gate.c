/* SPDX-License-Identifier: Apache-2.0 */
/* What a candidate must show before it gets traffic (coverage M11, M12), and what takes it back
 * (M13): golden questions asked of two releases, and the verdicts. */
#include "tests/unit/answer/fixture.h"

#include "answer/eval.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "release/gate_inside.h"
#include "release/observe.h"
#include "store/collection.h"
#include "store/docs.h"
#include "store/ledger.h"

#include <fcntl.h>
#include <math.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* ---- Two releases on one store ------------------------------------------------------------ */

struct gates {
        struct fixture *fixture;
        struct config config; /* of both: only what gates read of it is filled in */
        struct promotion_config promotion;
        struct retrieval_config retrieval; /* the candidate's */
        struct answer *candidate_answer;
        struct snapshot base, candidate;
        const struct provider_config *used[2];
        const char *names[2];
        struct gate_settings settings;
        struct json_object *report;
        enum gate_verdict verdict;
};

/* The candidate, after its retrieval or gateway were changed. */
static void renew(struct gates *gates, struct gateway *gateway)
{
        const struct answer_settings settings = {
                .store = gates->fixture->store,
                .gateway = gateway,
                .retrieval = &gates->retrieval,
                .generation = &gates->fixture->generation,
                .spec = &gates->fixture->spec,
                .release = 8,
                .stage = "testing",
        };
        struct error error = { 0 };

        gates->candidate_answer = answer_free(gates->candidate_answer);
        assert_ok(answer_new(&settings, &gates->candidate_answer, &error));
        gates->candidate.answer = gates->candidate_answer;
}

static void configure(struct gates *gates)
{
        struct fixture *fixture = gates->fixture;

        gates->promotion = (struct promotion_config){ .max_error_rate = 0.05,
                                                      .max_avg_latency_seconds = 3,
                                                      .max_monthly_usd = 10,
                                                      .min_recall_ratio = 0.98,
                                                      .min_ndcg_ratio = 0.98,
                                                      .rollback_error_rate = 0.2,
                                                      .rollback_avg_latency_seconds = 5,
                                                      .rollback_monthly_usd = 50 };
        gates->retrieval = fixture->retrieval;
        gates->used[0] = &fixture->provider;
        gates->used[1] = &fixture->model;
        gates->names[0] = fixture->provider.name;
        gates->names[1] = fixture->model.name;
        gates->base = (struct snapshot){ .release = 7,
                                         .config = &gates->config,
                                         .gateway = fixture->gateway,
                                         .answer = fixture->answer };
        gates->candidate = gates->base;
        gates->candidate.release = 8;
        gates->candidate.models = (struct models){ .embedder = &fixture->provider,
                                                   .used = gates->used,
                                                   .names = gates->names,
                                                   .n = 2 };
        gates->settings = (struct gate_settings){ .store = fixture->store,
                                                  .promotion = &gates->promotion,
                                                  .base = &gates->base,
                                                  .candidate = &gates->candidate };
        renew(gates, fixture->gateway);
}

static int setup(void **state)
{
        struct gates *gates = calloc(1, sizeof *gates);
        void *fixture = NULL;

        assert_non_null(gates);
        assert_int_equal(fixture_setup(&fixture), 0);
        gates->fixture = fixture;
        configure(gates);
        *state = gates;
        return 0;
}

static int teardown(void **state)
{
        struct gates *gates = *state;
        void *fixture = gates->fixture;

        gates->candidate_answer = answer_free(gates->candidate_answer);
        json_object_put(gates->report);
        free(gates);
        return fixture_teardown(&fixture);
}

static void add_golden(struct gates *gates, const char *collection, const char *set,
                       const char *lines)
{
        struct collection *open = NULL;
        struct golden_receipt receipt;
        struct golden_set golden;
        struct error error = { 0 };

        assert_ok(golden_set_parse(lines, strlen(lines), &golden, &error));
        assert_ok(collection_open(gates->fixture->store, gates->fixture->tenant, collection, &open,
                                  &error));
        assert_ok(golden_import(open, set, &golden, false, &receipt, &error));
        golden_set_done(&golden);
        (void) collection_unref(open);
}

static void add_usual_golden(struct gates *gates)
{
        add_golden(gates, "rivers", NULL,
                   "{\"query\":\"Cologne\",\"relevant\":{\"rhine\":3}}\n"
                   "{\"query\":\"Budapest\",\"relevant\":{\"danube\":2,\"nile\":0}}\n"
                   "{\"query\":\"Egypt\",\"relevant\":{\"nile\":1}}\n");
        add_golden(gates, "lakes", NULL, "{\"query\":\"deepest\",\"relevant\":{\"baikal\":1}}\n");
}

static void run(struct gates *gates)
{
        struct error error = { 0 };

        json_object_put(gates->report);
        gates->report = NULL;
        assert_ok(gate_run(&gates->settings, &gates->report, &gates->verdict, &error));
        assert_string_equal(fixture_text(gates->report, "verdict"),
                            gate_verdict_name(gates->verdict));
}

static struct json_object *row(const struct gates *gates, const char *gate)
{
        struct json_object *rows = fixture_at(gates->report, "rows");

        for (size_t i = 0; i < json_object_array_length(rows); i++) {
                struct json_object *at = json_object_array_get_idx(rows, i);

                if (strcmp(fixture_text(at, "gate"), gate) == 0)
                        return at;
        }
        fail_msg("there is no row %s", gate);
        return NULL;
}

static void assert_verdict(const struct gates *gates, const char *gate, const char *verdict)
{
        struct json_object *at = row(gates, gate);

        if (strcmp(fixture_text(at, "verdict"), verdict) != 0)
                fail_msg("%s: %s", gate, json_object_to_json_string(at));
}

static double number(struct json_object *json, const char *path)
{
        return json_object_get_double(fixture_at(json, path));
}

/* ---- Golden questions ------------------------------------------------------------------------ */

static void test_without_questions_there_is_no_verdict_and_a_hint(void **state)
{
        struct gates *gates = *state;

        run(gates);
        assert_int_equal(gates->verdict, GATE_NO_DATA);
        assert_verdict(gates, "recall_at_100", "no_data");
        assert_verdict(gates, "avg_latency_seconds", "no_data");
        assert_non_null(strstr(fixture_text(row(gates, "recall_at_100"), "note"),
                               "ragctl golden add"));
        assert_verdict(gates, "isolation", "pass"); /* that needs none */
}

static void test_m12_two_releases_that_are_alike_pass(void **state)
{
        struct gates *gates = *state;

        add_usual_golden(gates);
        run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
        assert_int_equal(number(gates->report, "questions"), 4);
        assert_int_equal(number(gates->report, "judged"), 4);
        assert_int_equal(number(gates->report, "base"), 7);
        assert_int_equal(number(gates->report, "candidate"), 8);
        assert_true(number(row(gates, "recall_at_100"), "candidate") == 1);
        assert_true(number(row(gates, "recall_at_100"), "pass") == 0.98);
        assert_true(number(row(gates, "error_rate"), "candidate") == 0);
        assert_true(number(row(gates, "p99_ms"), "candidate") > 0);
        assert_int_equal(json_object_array_length(fixture_at(gates->report, "collections")), 2);
        assert_verdict(gates, "backup", "no_data");
}

static void test_m12_a_candidate_that_finds_less_fails(void **state)
{
        struct gates *gates = *state;

        add_usual_golden(gates);
        gates->retrieval.has_min_score = true;
        gates->retrieval.min_score = 1000;
        gates->retrieval.min_score_of = SCORE_KIND_BM25;
        renew(gates, gates->fixture->gateway);
        run(gates);
        assert_int_equal(gates->verdict, GATE_FAIL);
        assert_verdict(gates, "recall_at_100", "fail");
        assert_verdict(gates, "ndcg_at_10", "fail");
        assert_verdict(gates, "error_rate", "pass");
        gates->promotion.min_recall_ratio = gates->promotion.min_ndcg_ratio = 0;
        run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
}

static void test_without_a_base_only_absolute_limits_hold(void **state)
{
        struct gates *gates = *state;

        add_usual_golden(gates);
        gates->settings.base = NULL;
        run(gates);
        assert_int_equal(gates->verdict, GATE_PASS);
        assert_verdict(gates, "recall_at_100", "no_data");
        assert_true(number(row(gates, "recall_at_100"), "candidate") == 1);
        assert_null(fixture_at(row(gates, "recall_at_100"), "base"));
        gates->promotion.max_avg_latency_seconds = 0;
        gates->promotion.rollback_avg_latency_seconds = 0;
        run(gates);
        assert_int_equal(gates->verdict, GATE_FAIL);
}

static void test_between_the_bands_it_is_held(void **state)
{
        struct gates *gates = *state;

        add_usual_golden(gates);
        gates->promotion.max_avg_latency_seconds = 0;
        gates->promotion.rollback_avg_latency_seconds = 3600;
        run(gates);
        assert_int_equal(gates->verdict, GATE_HOLD);
        assert_verdict(gates, "avg_latency_seconds", "hold");
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

        add_usual_golden(gates);
        gates->retrieval.mode = RETRIEVAL_MODE_DENSE;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct provider_config embedder = gates->fixture->broken;
                struct gateway *gateway = NULL;

                embedder.kind = cases[i].kind;
                open_gateway(gates, &embedder, &gateway);
                renew(gates, gateway);
                run(gates);
                assert_int_equal(gates->verdict, cases[i].verdict);
                assert_verdict(gates, "error_rate", cases[i].errors);
                assert_verdict(gates, "provider_faults", cases[i].faults);
                assert_true(strlen(fixture_text(
                                    row(gates, i == 0 ? "error_rate" : "provider_faults"),
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

        add_usual_golden(gates);
        add_golden(gates, "rivers", "smoke", "{\"query\":\"Egypt\",\"relevant\":{\"nile\":1}}");
        assert_ok(collection_open(gates->fixture->store, gates->fixture->tenant, "rivers", &open,
                                  &error));
        assert_ok(collection_forget_document(open, "rhine", &error));
        (void) collection_unref(open);
        run(gates);
        assert_int_equal(number(gates->report, "questions"), 5);
        assert_int_equal(number(gates->report, "collections/0/missing") +
                                 number(gates->report, "collections/1/missing"), 1);
        gates->promotion.golden_set = (char *) "smoke";
        run(gates);
        assert_int_equal(number(gates->report, "questions"), 1);
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

        add_golden(gates, "lakes", NULL, "{\"query\":\"deepest\",\"relevant\":{\"baikal\":1}}\n");
        write_file(gates, "{\"query\":\"Egypt\",\"collection\":\"rivers\",\"relevant\":"
                          "{\"nile\":1}}\n"
                          "{\"query\":\"lakes\",\"collection\":\"lakes\",\"relevant\":"
                          "{\"baikal\":1}}\n"
                          "{\"query\":\"Vienna\",\"collection\":\"rivers\",\"relevant\":"
                          "{\"danube\":1}}\n", path);
        run(gates);
        assert_int_equal(number(gates->report, "questions"), 4);
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

        add_usual_golden(gates);
        gates->settings.progress = stop_after;
        gates->settings.data = &left;
        assert_int_equal(gate_run(&gates->settings, &json, &gates->verdict, &error), -ECANCELED);
        assert_null(json);
        left = 1000;
        run(gates);
}

static void test_of_too_many_questions_a_part_is_asked(void **state)
{
        struct gates *gates = *state;
        struct buf lines = BUF_EMPTY;

        for (unsigned i = 0; i < GATE_QUESTIONS_MAX + 2; i++)
                buf_append_format(&lines, "{\"query\":\"Cologne %u\",\"relevant\":{\"rhine\":1}}\n",
                                  i);
        add_golden(gates, "rivers", NULL, buf_text(&lines));
        buf_done(&lines);
        run(gates);
        assert_int_equal(number(gates->report, "questions"), GATE_QUESTIONS_MAX + 2);
        assert_int_equal(number(gates->report, "asked"), GATE_QUESTIONS_MAX / 2 + 1);
}

/* ---- Isolation (M11, M12) ------------------------------------------------------------------------ */

static void test_m12_isolation_is_probed_and_says_what_it_covered(void **state)
{
        struct gates *gates = *state;
        struct gate_row probed;
        struct error error = { 0 };

        assert_ok(gate_probe_isolation(&gates->settings, &probed, &error));
        assert_int_equal(probed.verdict, GATE_PASS);
        assert_string_equal(probed.note,
                            "2 documents, each found in its own collection: not found by 2 "
                            "searches of other collections, nor 2 of a tenant who does not exist");
}

/* What must not be: a document that two collections have. */
static void test_m12_a_document_that_is_found_elsewhere_fails(void **state)
{
        struct gates *gates = *state;
        struct fixture *fixture = gates->fixture;
        struct collection *rivers = NULL;
        struct document *first = NULL;
        char path[700], id[ID_TEXT_SIZE], tenant[ID_TEXT_SIZE];
        struct collection_info info = { 0 };
        struct gate_row probed;
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        struct error error = { 0 };
        size_t n = 0;

        assert_ok(collection_open(fixture->store, fixture->tenant, "rivers", &rivers, &error));
        assert_ok(docs_list(rivers, NULL, 1, &first, &n, &error));
        assert_int_equal(n, 1);
        /* The same words in the other collection, under the same id. */
        fixture_put(fixture, "lakes", "copy", NULL,
                    "The Danube crosses ten countries. Vienna and Budapest lie on its banks.",
                    NULL);
        assert_string_equal(first->external_id, "danube");
        assert_ok(collection_get_info(fixture->store, fixture->tenant, "lakes", &info, &error));
        (void) snprintf(path, sizeof path, "%s/tenants/%s/%s/docs.db", fixture->path,
                        id_format(fixture->tenant.id, tenant), id_format(info.id.id, id));
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, "UPDATE document SET id = ? WHERE external_id ="
                                                " 'copy'", -1, &statement, NULL), SQLITE_OK);
        (void) sqlite3_bind_blob(statement, 1, first->id.id.bytes, ID_BYTES, NULL);
        assert_int_equal(sqlite3_step(statement), SQLITE_DONE);
        (void) sqlite3_finalize(statement);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_ok(gate_probe_isolation(&gates->settings, &probed, &error));
        assert_int_equal(probed.verdict, GATE_FAIL);
        assert_non_null(strstr(probed.note, "\"rivers\" was found in collection \"lakes\""));
        (void) documents_free(first, n);
        (void) collection_unref(rivers);
        collection_info_done(&info);
}

/* ---- Money (M12, M13) ------------------------------------------------------------------------------ */

static void test_m12_the_month_is_priced_at_the_candidates_prices(void **state)
{
        /* 2026-11-16T00:00:00Z: half of the month is over. */
        const uint64_t now_usec = UINT64_C(1794787200) * USEC_PER_SEC;
        struct gates *gates = *state;
        struct ledger_entry used[2] = { { .day = ledger_day(now_usec) - 3,
                                          .tenant = gates->fixture->tenant,
                                          .requests = 10,
                                          .input_tokens = 4000000,
                                          .cost_microusd = 2000000 } };
        struct gate_row priced;
        struct error error = { 0 };

        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_NO_DATA);
        (void) snprintf(used[0].provider, sizeof used[0].provider, "former");
        (void) snprintf(used[0].kind, sizeof used[0].kind, "embed");
        used[1] = used[0];
        used[1].output_tokens = 1000000;
        (void) snprintf(used[1].provider, sizeof used[1].provider, "mock");
        (void) snprintf(used[1].kind, sizeof used[1].kind, "chat");
        assert_ok(ledger_add(gates->fixture->store, used, 2, &error));
        gates->fixture->provider.has_price_input_usd_per_mtok = true;
        gates->fixture->provider.price_input_usd_per_mtok = 0.25;
        gates->fixture->model.has_price_output_usd_per_mtok = true;
        gates->fixture->model.price_output_usd_per_mtok = 4;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_true(fabs(priced.base - 8) < 1e-9);       /* 4 dollars in half a month */
        assert_true(fabs(priced.candidate - 10) < 1e-9); /* 1 for embedding, 4 for writing */
        assert_int_equal(priced.verdict, GATE_PASS);
        gates->fixture->model.price_output_usd_per_mtok = 6;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_HOLD);
        gates->fixture->model.price_output_usd_per_mtok = 24;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_int_equal(priced.verdict, GATE_FAIL); /* 50 dollars */
        gates->fixture->model.has_price_output_usd_per_mtok = false;
        assert_ok(gate_price_month(&gates->settings, now_usec, &priced, &error));
        assert_non_null(strstr(priced.note, "mock has no price"));
}

/* ---- Bands and traffic (M13) --------------------------------------------------------------------------- */

static void test_bands_include_their_ends(void **state)
{
        (void) state;
        assert_int_equal(gate_judge_most(0.05, 0.05, 0.2), GATE_PASS);
        assert_int_equal(gate_judge_most(0.0501, 0.05, 0.2), GATE_HOLD);
        assert_int_equal(gate_judge_most(0.1999, 0.05, 0.2), GATE_HOLD);
        assert_int_equal(gate_judge_most(0.2, 0.05, 0.2), GATE_FAIL);
        assert_int_equal(gate_judge_most(3, 3, 3), GATE_PASS);
        assert_int_equal(gate_judge_most(NAN, 0, 0), GATE_NO_DATA);
}

static struct observed traffic(uint64_t n, uint64_t errors, uint64_t seconds_each)
{
        return (struct observed){ .requests = n,
                                  .errors = errors,
                                  .sum_usec = n * seconds_each * USEC_PER_SEC,
                                  .cost_microusd = 1 };
}

static void test_m13_a_release_is_taken_back_when_both_windows_burn(void **state)
{
        struct gates *gates = *state;
        const struct {
                struct observed now, lately;
                uint64_t month_microusd;
                enum gate_verdict verdict;
                const char *says;
        } cases[] = {
                { traffic(100, 0, 1), traffic(1000, 0, 1), 0, GATE_PASS, "" },
                { traffic(100, 20, 1), traffic(1000, 200, 1), 0, GATE_FAIL, "20.0 %" },
                { traffic(100, 90, 1), traffic(1000, 90, 1), 0, GATE_HOLD, "9.0 %" },
                { traffic(100, 90, 1), traffic(10000, 90, 1), 0, GATE_PASS, "" }, /* a moment */
                { traffic(100, 0, 1), traffic(1000, 900, 1), 0, GATE_PASS, "" },  /* over */
                { traffic(19, 19, 1), traffic(19, 19, 1), 0, GATE_NO_DATA, "" },
                { traffic(20, 4, 1), traffic(20, 4, 1), 0, GATE_FAIL, "%" },
                { traffic(100, 0, 5), traffic(1000, 0, 5), 0, GATE_FAIL, "5.00 s" },
                { traffic(100, 0, 4), traffic(1000, 0, 6), 0, GATE_HOLD, "4.00 s" },
                { traffic(100, 0, 1), traffic(1000, 0, 1), 50000000, GATE_FAIL, "$50.00" },
                { traffic(100, 0, 1), traffic(1000, 0, 1), 11000000, GATE_HOLD, "$11.00" },
        };
        struct observed away = traffic(100, 0, 1), free_of_charge = traffic(100, 0, 1);
        char why[256];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                enum gate_verdict verdict =
                        gate_look(&gates->promotion, &cases[i].now, &cases[i].lately,
                                  cases[i].month_microusd, why);

                if (verdict != cases[i].verdict || !strstr(why, cases[i].says) ||
                    (!*cases[i].says && *why))
                        fail_msg("case %zu: %s, %s", i, gate_verdict_name(verdict), why);
        }
        away.provider_faults = 90; /* ten samples are left */
        assert_int_equal(gate_look(&gates->promotion, &away, &away, 0, why), GATE_NO_DATA);
        free_of_charge.cost_microusd = 0;
        assert_int_equal(gate_look(&gates->promotion, &free_of_charge, &free_of_charge, 99000000,
                                   why), GATE_PASS);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

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
                CASE(test_m12_isolation_is_probed_and_says_what_it_covered),
                CASE(test_m12_a_document_that_is_found_elsewhere_fails),
                CASE(test_m12_the_month_is_priced_at_the_candidates_prices),
                CASE(test_bands_include_their_ends),
                CASE(test_m13_a_release_is_taken_back_when_both_windows_burn),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
