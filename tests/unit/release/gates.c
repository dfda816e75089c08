/* SPDX-License-Identifier: Apache-2.0 */
#include "gates.h"

#include "answer/eval.h"
#include "store/collection.h"

#include <stdlib.h>
#include <string.h>

void gates_renew(struct gates *gates, struct gateway *gateway)
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
        gates_renew(gates, fixture->gateway);
}

int gates_setup(void **state)
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

int gates_teardown(void **state)
{
        struct gates *gates = *state;
        void *fixture = gates->fixture;

        gates->candidate_answer = answer_free(gates->candidate_answer);
        json_object_put(gates->report);
        free(gates);
        return fixture_teardown(&fixture);
}

void gates_add_golden(struct gates *gates, const char *collection, const char *set,
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

void gates_add_usual(struct gates *gates)
{
        gates_add_golden(gates, "rivers", NULL,
                         "{\"query\":\"Cologne\",\"relevant\":{\"rhine\":3}}\n"
                         "{\"query\":\"Budapest\",\"relevant\":{\"danube\":2,\"nile\":0}}\n"
                         "{\"query\":\"Egypt\",\"relevant\":{\"nile\":1}}\n");
        gates_add_golden(gates, "lakes", NULL,
                         "{\"query\":\"deepest\",\"relevant\":{\"baikal\":1}}\n");
}

void gates_run(struct gates *gates)
{
        struct error error = { 0 };

        json_object_put(gates->report);
        gates->report = NULL;
        assert_ok(gate_run(&gates->settings, &gates->report, &gates->verdict, &error));
        assert_string_equal(fixture_text(gates->report, "verdict"),
                            gate_verdict_name(gates->verdict));
}

struct json_object *gates_row(const struct gates *gates, const char *gate)
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

void gates_assert_verdict(const struct gates *gates, const char *gate, const char *verdict)
{
        struct json_object *at = gates_row(gates, gate);

        if (strcmp(fixture_text(at, "verdict"), verdict) != 0)
                fail_msg("%s: %s", gate, json_object_to_json_string(at));
}

double gates_number(struct json_object *json, const char *path)
{
        return json_object_get_double(fixture_at(json, path));
}
