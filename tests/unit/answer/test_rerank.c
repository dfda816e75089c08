/* SPDX-License-Identifier: Apache-2.0 */
/* The best candidates ordered anew: by the mock, which counts the words that question and passage
 * share. */
#include "fixture.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

static struct json_object *found(struct fixture *fixture, const char *members)
{
        struct error error;
        char request[512];
        struct json_object *json;

        (void) snprintf(request, sizeof request,
                        "{\"query\":\"the sea in Egypt, the north\",\"collections\":[\"rivers\"]%s}",
                        members);
        json = fixture_search(fixture, request, &error);
        if (!json)
                fail_msg("%s: %s", request, error.message);
        return json;
}

static double rerank_at(struct json_object *json, size_t at)
{
        char path[64];
        struct json_object *score;

        (void) snprintf(path, sizeof path, "results/%zu/scores/rerank", at);
        score = fixture_at(json, path);
        return score ? json_object_get_double(score) : -1;
}

static size_t count(struct json_object *json)
{
        return json_object_array_length(fixture_at(json, "results"));
}

static void test_results_come_in_the_order_of_the_reranker(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *json = found(fixture, ",\"explain\":true");

        assert_string_equal(fixture_text(json, "results/0/external_id"), "nile");
        assert_true(rerank_at(json, 0) > 0.5);
        assert_true(count(json) > 2);
        for (size_t i = 1; i < count(json); i++)
                assert_true(rerank_at(json, i) >= 0 && rerank_at(json, i) <= rerank_at(json, i - 1));
        assert_string_equal(fixture_text(json, "degraded"), "[ ]");
        assert_non_null(fixture_at(json, "explain/timings_ms/rerank"));
}

static void test_only_the_best_are_reranked_and_stay_in_front(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *json = found(fixture, ",\"rerank\":{\"top_n\":2}");

        assert_true(count(json) > 2);
        assert_true(rerank_at(json, 0) >= rerank_at(json, 1) && rerank_at(json, 1) >= 0);
        for (size_t i = 2; i < count(json); i++)
                assert_true(rerank_at(json, i) < 0);
}

static void test_null_turns_it_off_and_pages_and_groups_keep_the_order(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *off = found(fixture, ",\"rerank\":null");
        cleanup_json_ struct json_object *all = found(fixture, ",\"limit\":4");
        cleanup_json_ struct json_object *grouped =
                found(fixture, ",\"limit\":4,\"group_by\":\"document\"");
        cleanup_json_ struct json_object *first = found(fixture, ",\"limit\":2"), *second = NULL;
        char members[128], path[64];

        assert_true(rerank_at(off, 0) < 0);
        assert_string_equal(fixture_text(off, "degraded"), "[ ]");
        assert_string_equal(fixture_text(all, "results"), fixture_text(grouped, "results"));
        (void) snprintf(members, sizeof members, ",\"limit\":2,\"cursor\":\"%s\"",
                        fixture_text(first, "next_cursor"));
        second = found(fixture, members);
        for (size_t i = 0; i < 4; i++) {
                char of_all[64];

                (void) snprintf(of_all, sizeof of_all, "results/%zu/external_id", i);
                (void) snprintf(path, sizeof path, "results/%zu/external_id", i % 2);
                assert_string_equal(fixture_text(i < 2 ? first : second, path),
                                    fixture_text(all, of_all));
        }
}

static void test_a_threshold_is_on_the_reranker_s_score(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *json =
                found(fixture, ",\"rerank\":{},\"threshold\":{\"score\":\"rerank\",\"min\":0.7}");
        cleanup_json_ struct json_object *few =
                found(fixture, ",\"rerank\":{\"top_n\":1},"
                               "\"threshold\":{\"score\":\"rerank\",\"min\":0.1}");

        assert_int_equal(count(json), 1);
        assert_string_equal(fixture_text(json, "results/0/external_id"), "nile");
        assert_int_equal(count(few), 1); /* what has no score does not reach it */
}

static void test_diversity_weighs_the_reranker_s_score(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *plain = found(fixture, "");
        cleanup_json_ struct json_object *mmr = found(fixture, ",\"mmr\":{\"lambda\":1}");

        assert_string_equal(fixture_text(mmr, "results"), fixture_text(plain, "results"));
}

static void test_a_reranker_that_fails_is_named_and_the_order_stays(void **state)
{
        struct fixture *fixture = *state;

        fixture_models(fixture, NULL, NULL, false);
        cleanup_json_ struct json_object *plain = found(fixture, "");

        fixture->model.kind = PROVIDER_KIND_OPENAI_COMPATIBLE;
        fixture->model.endpoint = (char *) "http://127.0.0.1:9/v1";
        fixture_models(fixture, NULL, NULL, true);
        cleanup_json_ struct json_object *json = found(fixture, "");
        cleanup_json_ struct json_object *grouped = found(fixture, ",\"group_by\":\"document\"");

        assert_string_equal(fixture_text(json, "degraded/0"), "rerank");
        assert_string_equal(fixture_text(grouped, "degraded/0"), "rerank");
        assert_string_equal(fixture_text(json, "results"), fixture_text(plain, "results"));
        fixture->model.kind = PROVIDER_KIND_MOCK;
        fixture->model.endpoint = NULL;
}

static void test_another_profile_than_the_configured_one_is_refused(void **state)
{
        struct fixture *fixture = *state;
        struct error error;

        fixture_models(fixture, NULL, NULL, true);
        assert_null(fixture_search(fixture, "{\"query\":\"sea\",\"collections\":[\"rivers\"],"
                                            "\"rerank\":{\"profile\":\"other\"}}", &error));
        assert_int_equal(error.code, -EINVAL);
        assert_string_equal(error.origin.key, "/rerank/profile");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_results_come_in_the_order_of_the_reranker),
                cmocka_unit_test(test_only_the_best_are_reranked_and_stay_in_front),
                cmocka_unit_test(test_null_turns_it_off_and_pages_and_groups_keep_the_order),
                cmocka_unit_test(test_a_threshold_is_on_the_reranker_s_score),
                cmocka_unit_test(test_diversity_weighs_the_reranker_s_score),
                cmocka_unit_test(test_a_reranker_that_fails_is_named_and_the_order_stays),
                cmocka_unit_test(test_another_profile_than_the_configured_one_is_refused),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
