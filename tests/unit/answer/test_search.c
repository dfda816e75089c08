/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/json.h"
#include "store/collection.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct json_object *found(struct fixture *fixture, const char *request)
{
        struct error error;
        struct json_object *json = fixture_search(fixture, request, &error);

        if (!json)
                fail_msg("%s: %s", request, error.message);
        return json;
}

static void refused(struct fixture *fixture, const char *request, int code, const char *word)
{
        struct error error;
        struct json_object *json = fixture_search(fixture, request, &error);

        assert_null(json);
        assert_int_equal(error.code, code);
        if (!strstr(error.message, word))
                fail_msg("%s: \"%s\" does not say \"%s\"", request, error.message, word);
}

static size_t count(struct json_object *json)
{
        return json_object_array_length(fixture_at(json, "results"));
}

static void test_each_mode_finds_the_document_and_names_its_scores(void **state)
{
        static const struct {
                const char *mode;
                bool dense, bm25;
        } modes[] = { { "hybrid", true, true }, { "dense", true, false }, { "bm25", false, true } };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                cleanup_json_ struct json_object *json = NULL;
                char request[160];

                (void) snprintf(request, sizeof request,
                                "{\"query\":\"Which river flows through Cologne?\",\"mode\":\"%s\","
                                "\"collections\":[\"rivers\"],\"limit\":2}",
                                modes[i].mode);
                json = found(*state, request);
                assert_string_equal(fixture_text(json, "results/0/external_id"), "rhine");
                assert_string_equal(fixture_text(json, "results/0/title"), "Rhine");
                assert_string_equal(fixture_text(json, "plan/mode"), modes[i].mode);
                assert_int_equal(fixture_at(json, "results/0/scores/dense") != NULL, modes[i].dense);
                assert_int_equal(fixture_at(json, "results/0/scores/bm25") != NULL, modes[i].bm25);
                assert_non_null(fixture_at(json, "results/0/scores/fused"));
                assert_true(count(json) <= 2);
                assert_string_equal(fixture_text(json, "plan/exact"), "true");
                assert_string_equal(fixture_text(json, "degraded"), "[ ]");
        }
}

static void test_what_bm25_alone_found_has_its_exact_dense_score(void **state)
{
        cleanup_json_ struct json_object *hybrid = found(*state,
                "{\"query\":\"Budapest Cologne Egypt\",\"collections\":[\"rivers\"]}");
        cleanup_json_ struct json_object *dense = found(*state,
                "{\"query\":\"Budapest Cologne Egypt\",\"collections\":[\"rivers\"],"
                "\"mode\":\"dense\"}");

        for (size_t i = 0; i < count(hybrid); i++) {
                char path[64];
                struct json_object *score;
                bool same = false;

                (void) snprintf(path, sizeof path, "results/%zu/scores/dense", i);
                score = fixture_at(hybrid, path);
                assert_non_null(score);
                for (size_t j = 0; j < count(dense); j++) {
                        (void) snprintf(path, sizeof path, "results/%zu/scores/dense", j);
                        same |= fabs(json_object_get_double(fixture_at(dense, path)) -
                                     json_object_get_double(score)) < 1e-6;
                }
                assert_true(same);
        }
}

static void test_filters_come_before_the_best_are_chosen(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"river countries\",\"collections\":[\"rivers\"],\"limit\":1,"
                "\"filter\":{\"type\":\"eq\",\"key\":\"continent\",\"value\":\"Europe\"}}");
        cleanup_json_ struct json_object *none = found(*state,
                "{\"query\":\"river\",\"collections\":[\"rivers\"],"
                "\"filter\":{\"type\":\"gt\",\"key\":\"length\",\"value\":9999}}");

        assert_int_equal(count(json), 1);
        assert_string_equal(fixture_text(json, "results/0/external_id"), "danube");
        assert_string_equal(fixture_text(json, "results/0/metadata/continent"), "Europe");
        assert_string_equal(fixture_text(json, "plan/filter_matches"), "2");
        assert_int_equal(count(none), 0);
        assert_string_equal(fixture_text(none, "plan/filter_matches"), "0");
        assert_string_equal(fixture_text(none, "plan/mode"), "hybrid");
        assert_string_equal(fixture_text(none, "plan/exhausted"), "true");
        assert_null(fixture_at(none, "plan/index"));
}

static void test_several_collections_are_one_list(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"deepest lake, or the Swiss Alps\","
                "\"collections\":[\"rivers\",\"lakes\"]}");

        assert_true(count(json) >= 2);
        assert_int_equal(strcmp(fixture_text(json, "results/0/external_id"), "baikal") == 0 ||
                         strcmp(fixture_text(json, "results/1/external_id"), "baikal") == 0, 1);
}

static void test_pages_follow_each_other(void **state)
{
        const char *query = "\"query\":\"countries banks sea Alps\",\"collections\":[\"rivers\"],"
                            "\"mode\":\"dense\"";
        char request[300], seen[8][32];
        cleanup_json_ struct json_object *all = NULL;
        size_t n = 0;

        (void) snprintf(request, sizeof request, "{%s}", query);
        all = found(*state, request);
        (void) snprintf(request, sizeof request, "{%s,\"limit\":1}", query);
        for (;;) {
                cleanup_json_ struct json_object *page = found(*state, request);
                const char *cursor = fixture_text(page, "next_cursor");

                if (count(page) > 0)
                        (void) snprintf(seen[n++], sizeof seen[0], "%s",
                                        fixture_text(page, "results/0/external_id"));
                if (!*cursor || n == 8)
                        break;
                (void) snprintf(request, sizeof request, "{%s,\"limit\":1,\"cursor\":\"%s\"}", query,
                                cursor);
                if (n == 1) {
                        char other[300];

                        (void) snprintf(other, sizeof other, "{\"query\":\"x\",\"cursor\":\"%s\"}",
                                        cursor);
                        refused(*state, other, -EINVAL, "cursor");
                }
        }
        assert_int_equal(n, count(all));
        for (size_t i = 0; i < n; i++) {
                char path[64];

                (void) snprintf(path, sizeof path, "results/%zu/external_id", i);
                assert_string_equal(fixture_text(all, path), seen[i]);
        }
}

static void test_highlights_and_explanation(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"flowing through COLOGNE\",\"collections\":[\"rivers\"],\"limit\":1,"
                "\"highlight\":true,\"explain\":true}");
        cleanup_json_ struct json_object *cjk = found(*state,
                "{\"query\":\"江\",\"collections\":[\"rivers\"],\"mode\":\"bm25\","
                "\"highlight\":true}");
        const char *text = fixture_text(json, "results/0/text");
        int start = json_object_get_int(fixture_at(json, "results/0/highlights/0/start"));

        assert_int_equal(strncmp(text + start, "flows", 5), 0);
        start = json_object_get_int(fixture_at(json, "results/0/highlights/1/start"));
        assert_int_equal(strncmp(text + start, "Cologne", 7), 0);
        assert_string_equal(fixture_text(json, "results/0/explain/bm25/rank"), "1");
        assert_non_null(fixture_at(json, "explain/timings_ms/dense"));
        assert_string_equal(fixture_text(cjk, "results/0/external_id"), "yangtze");
        assert_string_equal(fixture_text(cjk, "results/0/highlights/0/start"), "3");
        assert_string_equal(fixture_text(cjk, "results/0/highlights/0/end"), "6");
}

static void test_thresholds_groups_and_mmr(void **state)
{
        cleanup_json_ struct json_object *high = found(*state,
                "{\"query\":\"Cologne\",\"collections\":[\"rivers\"],"
                "\"threshold\":{\"score\":\"bm25\",\"min\":0.01}}");
        cleanup_json_ struct json_object *group = found(*state,
                "{\"query\":\"river countries\",\"collections\":[\"rivers\"],"
                "\"group_by\":\"document\",\"limit\":2}");
        cleanup_json_ struct json_object *mmr = found(*state,
                "{\"query\":\"countries\",\"collections\":[\"rivers\"],\"mmr\":{\"lambda\":1}}");
        cleanup_json_ struct json_object *plain = found(*state,
                "{\"query\":\"countries\",\"collections\":[\"rivers\"]}");

        assert_int_equal(count(high), 1);
        assert_int_equal(count(group), 2);
        assert_string_equal(fixture_text(mmr, "results/0/external_id"),
                            fixture_text(plain, "results/0/external_id"));
        assert_int_equal(count(mmr), count(plain));
}

static void test_bare_results_leave_out_what_was_not_asked_for(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"Cologne\",\"collections\":[\"rivers\"],\"include\":[]}");

        assert_null(fixture_at(json, "results/0/text"));
        assert_null(fixture_at(json, "results/0/metadata"));
        assert_non_null(fixture_at(json, "results/0/scores/fused"));
        assert_string_equal(fixture_text(json, "results/0/external_id"), "rhine");
}

static void test_refusals(void **state)
{
        static const struct {
                const char *request;
                int code;
                const char *word;
        } cases[] = {
                { "{\"query\":\"a\",\"collections\":[\"absent\"]}", -ENOENT, "absent" },
                { "{\"query\":\"a\"}", -ENOENT, "default" },
                { "{\"vector\":[1,2,3],\"collections\":[\"rivers\"]}", -EINVAL, "64" },
                { "{\"query\":\"a\",\"collections\":[\"rivers\"],\"mode\":\"bm25\","
                  "\"threshold\":{\"score\":\"dense\",\"min\":0.5}}", -EINVAL, "dense" },
                { "{\"query\":\"a\",\"threshold\":{\"score\":\"rerank\",\"min\":0.5}}", -EINVAL,
                  "rerank" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                refused(*state, cases[i].request, cases[i].code, cases[i].word);
}

/* Fewer than asked for, and the plan says that there are no more. */
static void test_a_limit_above_the_content_brings_all_of_it(void **state)
{
        static const char *const modes[] = { "dense", "hybrid" };

        for (size_t i = 0; i < ELEMENTSOF(modes); i++) {
                cleanup_json_ struct json_object *json = NULL;
                char request[200];

                (void) snprintf(request, sizeof request,
                                "{\"query\":\"river\",\"collections\":[\"rivers\",\"lakes\"],"
                                "\"limit\":100,\"mode\":\"%s\"}", modes[i]);
                json = found(*state, request);
                assert_int_equal(count(json), 5);
                assert_string_equal(fixture_text(json, "plan/index"), "scan");
                assert_string_equal(fixture_text(json, "plan/exact"), "true");
                assert_string_equal(fixture_text(json, "plan/exhausted"), "true");
                assert_string_equal(fixture_text(json, "plan/candidates"), "5");
                assert_null(fixture_at(json, "next_cursor"));
        }
}

static void test_the_plan_says_that_words_alone_were_compared(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"Cologne\",\"collections\":[\"rivers\"],\"mode\":\"bm25\"}");

        assert_true(json_object_object_get_ex(fixture_at(json, "plan"), "index", NULL));
        assert_null(fixture_at(json, "plan/index"));
        assert_string_equal(fixture_text(json, "plan/exhausted"), "true");
}

/* A graph needs as many candidates as results, whatever the request says. */
static void test_ef_search_is_raised_to_what_the_search_needs(void **state)
{
        static const struct {
                const char *members, *ef_search;
        } cases[] = {
                { "\"ef_search\":2,\"limit\":4", "5" },
                { "\"ef_search\":777,\"limit\":4", "777" },
                { "\"limit\":4", "50" },
        };
        struct fixture *fixture = *state;

        fixture->ef_search = 50;
        fixture_renew(fixture);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                cleanup_json_ struct json_object *json = NULL;
                char request[200];

                (void) snprintf(request, sizeof request,
                                "{\"query\":\"river\",\"collections\":[\"rivers\"],"
                                "\"mode\":\"dense\",\"explain\":true,%s}", cases[i].members);
                json = found(fixture, request);
                assert_int_equal(count(json), 4);
                assert_string_equal(fixture_text(json, "explain/ef_search"), cases[i].ef_search);
        }
}

static int end_at_once(void *data)
{
        ++*(int *) data;
        return -ETIME;
}

static void test_a_search_whose_time_is_over_says_so(void **state)
{
        static const char text[] = "{\"query\":\"river\",\"collections\":[\"rivers\"]}";
        struct fixture *fixture = *state;
        struct search_response *response = NULL;
        struct search_request request;
        struct error error = { 0 };
        int asked = 0;

        assert_ok(search_request_parse_text(fixture->answer, text, sizeof text - 1, &request,
                                            &error));
        request.check = (struct index_check){ end_at_once, &asked };
        assert_int_equal(search_run(fixture->answer, fixture->tenant, &request, &response, &error),
                         -ETIME);
        assert_int_equal(asked, 1);
        assert_non_null(strstr(error.message, "ended early"));
        assert_null(response);
        search_request_done(&request);
}

static void test_a_zero_vector_has_no_direction(void **state)
{
        char request[400];
        int n = snprintf(request, sizeof request, "{\"collections\":[\"rivers\"],\"vector\":[0");

        for (int i = 1; i < FIXTURE_DIMENSIONS; i++)
                n += snprintf(request + n, sizeof request - (size_t) n, ",0");
        (void) snprintf(request + n, sizeof request - (size_t) n, "]}");
        refused(*state, request, -EINVAL, "zero");
}

static void build_beside(struct fixture *fixture, const char *name)
{
        struct generation_spec spec = fixture->spec;
        struct generation *generation;
        struct collection *collection;
        struct error error = { 0 };

        spec.language = "english";
        assert_ok(collection_open(fixture->store, fixture->tenant, name, &collection, &error));
        assert_ok(collection_new_generation(collection, &spec, &generation, &error));
        (void) generation_unref(generation);
        (void) collection_unref(collection);
}

/* Whatever the store says of the release in force: the answer room's own identity decides. */
static void test_each_release_searches_the_generation_of_its_identity(void **state)
{
        static const char request[] = "{\"query\":\"alps\",\"collections\":[\"rivers\"]}";
        struct fixture *fixture = *state;
        struct json_object *json;

        fixture->spec.chunking.overlap = 5;
        fixture_renew(fixture);
        refused(fixture, request, -EAGAIN, "being built");
        fixture_collection(fixture, "empty");
        json = found(fixture, "{\"query\":\"alps\",\"collections\":[\"empty\"]}");
        assert_int_equal(count(json), 0);
        json_object_put(json);
        build_beside(fixture, "rivers"); /* it serves what it has, which is nothing yet */
        json = found(fixture, request);
        assert_int_equal(count(json), 0);
        json_object_put(json);
        fixture->spec.chunking.overlap = 0;
        fixture_renew(fixture);
        json = found(fixture, request);
        assert_true(count(json) > 0);
        json_object_put(json);
}

static void test_a_reranker_that_is_not_there_is_named(void **state)
{
        cleanup_json_ struct json_object *json = found(*state,
                "{\"query\":\"Cologne\",\"collections\":[\"rivers\"],\"rerank\":{\"top_n\":5}}");

        assert_string_equal(fixture_text(json, "degraded/0"), "rerank");
}

/* The cache changes what is read, never what is shown. */
static void test_what_is_kept_in_memory_is_what_would_be_read(void **state)
{
        static const char *const requests[] = {
                "{\"query\":\"river countries\",\"collections\":[\"rivers\",\"lakes\"],"
                "\"highlight\":true}",
                "{\"query\":\"Alps\",\"collections\":[\"rivers\"],\"include\":[]}",
        };
        struct fixture *fixture = *state;
        uint64_t hits, misses, bytes;

        for (size_t i = 0; i < ELEMENTSOF(requests); i++) {
                cleanup_json_ struct json_object *plain = NULL, *first = NULL, *second = NULL;

                fixture->cache_bytes = 0;
                fixture_renew(fixture);
                plain = found(fixture, requests[i]);
                fixture->cache_bytes = 1U << 20U;
                fixture_renew(fixture);
                first = found(fixture, requests[i]);
                second = found(fixture, requests[i]);
                assert_true(count(plain) > 0);
                assert_string_equal(fixture_text(first, "results"), fixture_text(plain, "results"));
                assert_string_equal(fixture_text(second, "results"),
                                    fixture_text(plain, "results"));
                answer_get_cache(fixture->answer, &hits, &misses, &bytes);
                assert_int_equal(misses, hits);
                assert_true(misses >= count(plain) && bytes > 0);
        }
        fixture->cache_bytes = 0;
        fixture_renew(fixture);
}

/* ---- Responses that are remembered --------------------------------------------------------- */

/* The response as it is sent. */
static char *sent(struct fixture *fixture, const char *text)
{
        struct search_response *response = NULL;
        struct search_request request;
        struct error error = { 0 };
        size_t len, n;
        char *body;

        assert_ok(search_request_parse_text(fixture->answer, text, strlen(text), &request, &error));
        assert_ok(search_run(fixture->answer, fixture->tenant, &request, &response, &error));
        search_request_done(&request);
        body = search_response_text(response, &len);
        n = search_response_count(response);
        assert_non_null(body);
        assert_int_equal(n > 0, strstr(body, "\"chunk_id\"") != NULL);
        (void) search_response_free(response);
        return body;
}

static uint64_t hits_after(struct fixture *fixture, const char *text)
{
        struct answer_cache_figures before, after;

        answer_get_search_cache(fixture->answer, &before);
        free(sent(fixture, text));
        answer_get_search_cache(fixture->answer, &after);
        return after.hits - before.hits;
}

static void remember(struct fixture *fixture, uint32_t entries)
{
        fixture->cache = (struct cache_config){ .search_cache_enabled = entries > 0,
                                                .search_cache_size = entries,
                                                .search_cache_ttl_seconds = 3600 };
        fixture_renew(fixture);
}

#define FLOWS "{\"query\":\"flows north\",\"collections\":[\"rivers\",\"lakes\"]}"

static void test_the_same_search_over_the_same_data_is_remembered(void **state)
{
        static const char *const not_kept[] = {
                "{\"query\":\"flows\",\"collections\":[\"rivers\"],\"explain\":true}",
                "{\"query\":\"flows\",\"collections\":[\"rivers\"],\"rerank\":{}}", /* degraded */
        };
        struct fixture *fixture = *state;
        char *first, *again;

        remember(fixture, 8);
        first = sent(fixture, FLOWS);
        again = sent(fixture, FLOWS);
        assert_string_equal(first, again);
        free(again);
        assert_int_equal(hits_after(fixture, FLOWS), 1);
        assert_int_equal(hits_after(fixture, "{\"query\":\"flows\",\"collections\":[\"rivers\"]}"),
                         0);
        for (size_t i = 0; i < ELEMENTSOF(not_kept); i++) {
                assert_int_equal(hits_after(fixture, not_kept[i]), 0);
                assert_int_equal(hits_after(fixture, not_kept[i]), 0);
        }
        free(first);
        remember(fixture, 0);
        assert_int_equal(hits_after(fixture, FLOWS), 0);
}

static void test_any_write_makes_a_remembered_search_another_one(void **state)
{
        struct fixture *fixture = *state;
        struct collection *collection;
        struct error error = { 0 };
        char *body;

        remember(fixture, 8);
        free(sent(fixture, FLOWS));
        assert_int_equal(hits_after(fixture, FLOWS), 1);
        fixture_put(fixture, "lakes", "ob", NULL, "The Ob flows north, too.", NULL);
        body = sent(fixture, FLOWS);
        assert_non_null(strstr(body, "\"ob\""));
        free(body);
        assert_int_equal(hits_after(fixture, FLOWS), 1);

        assert_ok(collection_open(fixture->store, fixture->tenant, "lakes", &collection, &error));
        assert_ok(collection_forget_document(collection, "ob", &error));
        (void) collection_unref(collection);
        body = sent(fixture, FLOWS);
        assert_null(strstr(body, "\"ob\""));
        free(body);
        remember(fixture, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_mode_finds_the_document_and_names_its_scores),
                cmocka_unit_test(test_what_bm25_alone_found_has_its_exact_dense_score),
                cmocka_unit_test(test_filters_come_before_the_best_are_chosen),
                cmocka_unit_test(test_several_collections_are_one_list),
                cmocka_unit_test(test_pages_follow_each_other),
                cmocka_unit_test(test_highlights_and_explanation),
                cmocka_unit_test(test_thresholds_groups_and_mmr),
                cmocka_unit_test(test_bare_results_leave_out_what_was_not_asked_for),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_a_limit_above_the_content_brings_all_of_it),
                cmocka_unit_test(test_the_plan_says_that_words_alone_were_compared),
                cmocka_unit_test(test_ef_search_is_raised_to_what_the_search_needs),
                cmocka_unit_test(test_a_search_whose_time_is_over_says_so),
                cmocka_unit_test(test_a_zero_vector_has_no_direction),
                cmocka_unit_test(test_what_is_kept_in_memory_is_what_would_be_read),
                cmocka_unit_test(test_each_release_searches_the_generation_of_its_identity),
                cmocka_unit_test(test_a_reranker_that_is_not_there_is_named),
                cmocka_unit_test(test_the_same_search_over_the_same_data_is_remembered),
                cmocka_unit_test(test_any_write_makes_a_remembered_search_another_one),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
