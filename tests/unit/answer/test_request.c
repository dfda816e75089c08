/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/request.h"
#include "base/json.h"
#include "config/values.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

static const struct retrieval_config retrieval = { .default_top_k = 10,
                                                   .max_top_k = 100,
                                                   .rrf_k = 60,
                                                   .vector_weight = 0.7,
                                                   .keyword_weight = 0.3 };
static const struct request_rules rules = { .retrieval = &retrieval,
                                            .dimensions = 3,
                                            .max_input_bytes = 40,
                                            .max_tokens = 500,
                                            .stage = "testing" };

static void read_request(const char *text, struct search_request *ret)
{
        struct error error = { 0 };

        if (request_parse_text(&rules, text, strlen(text), ret, &error) < 0)
                fail_msg("%s: %s", text, error.message);
}

static void test_the_profile_fills_in_what_a_request_leaves_out(void **state)
{
        struct search_request request;

        (void) state;
        read_request("{\"query\":\"a\"}", &request);
        assert_string_equal(request.query, "a");
        assert_int_equal(request.limit, 10);
        assert_int_equal(request.mode, SEARCH_HYBRID);
        assert_int_equal(request.rrf_k, 60);
        assert_true(request.weight_dense > 0.69 && request.weight_dense < 0.71);
        assert_true(request.mmr_lambda < 0);
        assert_true(request.include_text && request.include_metadata && request.include_position);
        assert_int_equal(request.threshold_of, SEARCH_SCORE_NONE);
        search_request_done(&request);
}

static void test_every_member_is_read(void **state)
{
        struct search_request request;

        (void) state;
        read_request("{\"query\":\"a\",\"vector\":[1,2.5,-3e-1],\"collections\":[\"x\",\"y\"],"
                     "\"limit\":7,\"mode\":\"dense\",\"fusion\":{\"method\":\"weighted\",\"k\":5,"
                     "\"weights\":{\"dense\":2}},\"filter\":{\"type\":\"eq\",\"key\":\"k\","
                     "\"value\":1},\"mmr\":{\"lambda\":0.25},\"group_by\":\"document\","
                     "\"group_size\":3,\"threshold\":{\"score\":\"fused\",\"min\":0.5},"
                     "\"exact\":true,\"highlight\":true,\"explain\":true,\"include\":[\"text\"]}",
                     &request);
        assert_int_equal(request.vector_width, 3);
        assert_true(request.vector[1] > 2.4F && request.vector[2] < -0.29F);
        assert_int_equal(request.n_collections, 2);
        assert_string_equal(request.collections[1], "y");
        assert_int_equal(request.limit, 7);
        assert_int_equal(request.mode, SEARCH_DENSE);
        assert_int_equal(request.fusion, SEARCH_WEIGHTED);
        assert_int_equal(request.rrf_k, 5);
        assert_true(request.weight_dense > 1.9 && request.weight_bm25 < 0.31);
        assert_non_null(request.filter);
        assert_true(request.mmr_lambda > 0.2);
        assert_true(request.group_by_document && request.group_size == 3);
        assert_int_equal(request.threshold_of, SEARCH_SCORE_FUSED);
        assert_true(request.exact && request.highlight && request.explain);
        assert_true(request.include_text && !request.include_metadata);
        search_request_done(&request);
}

static void test_bad_input_is_refused_with_its_place(void **state)
{
        static const struct {
                const char *text;
                const char *key; /* NULL: any */
                int code;
        } cases[] = {
                { "", NULL, -EBADMSG },
                { "{", NULL, -EBADMSG },
                { "[]", NULL, -EINVAL },
                { "7", NULL, -EINVAL },
                { "{}", "/query", -EINVAL },
                { "{\"query\":5}", "/query", -EINVAL },
                { "{\"query\":null}", "/query", -EINVAL },
                { "{\"query\":\"a\\u0000b\"}", "/query", -EINVAL },
                { "{\"query\":\"\xFF\"}", NULL, -EBADMSG },
                { "{\"query\":\"0123456789012345678901234567890123456789.\"}", "/query", -EINVAL },
                { "{\"query\":\"a\",\"qeury\":1}", "/qeury", -EINVAL },
                { "{\"query\":\"a\",\"limit\":0}", "/limit", -EINVAL },
                { "{\"query\":\"a\",\"limit\":101}", "/limit", -EINVAL },
                { "{\"query\":\"a\",\"limit\":1e99}", "/limit", -EINVAL },
                { "{\"query\":\"a\",\"limit\":-1}", "/limit", -EINVAL },
                { "{\"query\":\"a\",\"ef_search\":0}", "/ef_search", -EINVAL },
                { "{\"query\":\"a\",\"ef_search\":10001}", "/ef_search", -EINVAL },
                { "{\"query\":\"a\",\"ef_search\":\"50\"}", "/ef_search", -EINVAL },
                { "{\"query\":\"a\",\"mode\":\"psychic\"}", "/mode", -EINVAL },
                { "{\"query\":\"a\",\"collections\":[]}", "/collections", -EINVAL },
                { "{\"query\":\"a\",\"collections\":[1]}", "/collections", -EINVAL },
                { "{\"query\":\"a\",\"collections\":[\"b\",\"b\"]}", "/collections", -EINVAL },
                { "{\"query\":\"a\",\"fusion\":{\"method\":\"sum\"}}", "/fusion/method", -EINVAL },
                { "{\"query\":\"a\",\"fusion\":{\"k\":0}}", "/fusion/k", -EINVAL },
                { "{\"query\":\"a\",\"fusion\":{\"weights\":{\"dense\":-1}}}",
                  "/fusion/weights/dense", -EINVAL },
                { "{\"query\":\"a\",\"fusion\":{\"weights\":{\"dense\":0,\"bm25\":0}}}",
                  "/fusion/weights", -EINVAL },
                { "{\"query\":\"a\",\"threshold\":{\"min\":0.5}}", "/threshold/score", -EINVAL },
                { "{\"query\":\"a\",\"threshold\":{\"score\":\"cosine\",\"min\":0.5}}",
                  "/threshold/score", -EINVAL },
                { "{\"query\":\"a\",\"threshold\":{\"score\":\"dense\"}}", "/threshold/min",
                  -EINVAL },
                { "{\"query\":\"a\",\"threshold\":0.5}", "/threshold", -EINVAL },
                { "{\"query\":\"a\",\"mmr\":{}}", "/mmr/lambda", -EINVAL },
                { "{\"query\":\"a\",\"mmr\":{\"lambda\":2}}", "/mmr/lambda", -EINVAL },
                { "{\"query\":\"a\",\"group_by\":\"color\"}", "/group_by", -EINVAL },
                { "{\"query\":\"a\",\"filter\":{\"type\":\"like\",\"key\":\"a\",\"value\":1}}",
                  "/filter/type", -EINVAL },
                { "{\"query\":\"a\",\"cursor\":\"x\"}", "/cursor", -EINVAL },
                { "{\"query\":\"a\",\"cursor\":\"AAAAAAAAAAAAAAAA\"}", "/cursor", -EINVAL },
                { "{\"query\":\"a\",\"include\":[\"everything\"]}", "/include", -EINVAL },
                { "{\"vector\":[]}", "/vector", -EINVAL },
                { "{\"vector\":[1,2]}", "/vector", -EINVAL },
                { "{\"vector\":[1,2,3,4]}", "/vector", -EINVAL },
                { "{\"vector\":[1,2,NaN]}", NULL, 0 },
                { "{\"vector\":[1,2,1e39]}", "/vector", -EINVAL },
                { "{\"vector\":[1,2,\"3\"]}", "/vector", -EINVAL },
                { "{\"vector\":[1,2,null]}", "/vector", -EINVAL },
                { "{\"vector\":\"1\"}", "/vector", -EINVAL },
                { "{\"vector_base64\":\"AADAfw==\"}", "/vector_base64", -EINVAL },
                { "{\"vector_base64\":\"AACAPwAAgD8AAMB/\"}", "/vector_base64", -EINVAL },
                { "{\"vector_base64\":\"?\"}", "/vector_base64", -EINVAL },
                { "{\"vector\":[1,2,3],\"vector_base64\":\"AACAPwAAgD8AAIA/\"}",
                  "/vector_base64", -EINVAL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct search_request request;
                struct error error = { 0 };
                int r = request_parse_text(&rules, cases[i].text, strlen(cases[i].text), &request,
                                           &error);

                if (r >= 0 || (cases[i].code && r != cases[i].code) || !error.message[0])
                        fail_msg("%s: %d, \"%s\"", cases[i].text, r, error.message);
                if (cases[i].key && strcmp(error.origin.key, cases[i].key) != 0)
                        fail_msg("%s: at \"%s\", not \"%s\"", cases[i].text, error.origin.key,
                                 cases[i].key);
        }
}

static void test_a_wrong_width_names_both(void **state)
{
        struct search_request request;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(request_parse_text(&rules, "{\"vector\":[1,2]}", 16, &request, &error),
                         -EINVAL);
        assert_non_null(strstr(error.message, "2 components"));
        assert_non_null(strstr(error.message, "3 wide"));
}

static void test_a_vector_may_come_as_bytes(void **state)
{
        static const unsigned char good[] = { 0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0, 0 };
        static const unsigned char nan[] = { 0, 0, 0x80, 0x3F, 0, 0, 0xC0, 0x7F, 0, 0, 0, 0 };
        static const struct {
                const unsigned char *bytes;
                size_t len;
                const char *options, *word;
        } bad[] = {
                { good, 0, "{}", "0 components" },
                { good, 8, "{}", "2 components" },
                { good, 11, "{}", "11 bytes" },
                { nan, sizeof nan, "{}", "component 1" },
                { good, sizeof good, "{\"limit\":0}", "limit" },
                { good, sizeof good, "{\"vector\":[1,2,3]}", "\"vector\"" },
                { good, sizeof good, "{\"vector_base64\":\"AACAPwAAgD8AAIA/\"}", "exclude" },
        };
        cleanup_json_ struct json_object *options = NULL;
        struct search_request request;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(json_parse("{\"limit\":7}", 11, &options, NULL), 0);
        assert_int_equal(request_parse_vector(&rules, options, good, sizeof good, &request, &error),
                         0);
        assert_int_equal(request.limit, 7);
        assert_int_equal(request.vector_width, 3);
        assert_true(request.vector[0] == 1 && request.vector[1] == -2 && request.vector[2] == 0);
        search_request_done(&request);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                cleanup_json_ struct json_object *json = NULL;

                assert_int_equal(json_parse(bad[i].options, strlen(bad[i].options), &json, NULL),
                                 0);
                memset(&error, 0, sizeof error);
                assert_int_equal(request_parse_vector(&rules, json, bad[i].bytes, bad[i].len,
                                                      &request, &error),
                                 -EINVAL);
                if (!strstr(error.message, bad[i].word))
                        fail_msg("%zu: \"%s\" does not say \"%s\"", i, error.message,
                                 bad[i].word);
        }
}

/* What the shortcut for vectors must not change: escapes, repetition, nesting, places. */
static void test_a_vector_read_from_the_text_is_the_parsers(void **state)
{
        static const char *const texts[] = {
                "{\"vector\":[1,2,3]}",
                " {\n\"query\" : \"a\\\"[\" , \"vector\" : [ 1 , 2 ,3 ] , \"limit\":3 } ",
                "{\"vector\":[1,2,3],\"vector\":[3,2,1]}",
                "{\"\\u0076ector\":[1,2,3]}",
                "{\"vector\":[1,2,3],\"\\u0076ector\":[3,2,1]}",
                "{\"query\":\"\\\"vector\\\":[9,9,9]\",\"vector\":[-0,0.1,1e-3]}",
                "{\"filter\":{\"type\":\"eq\",\"key\":\"vector\",\"value\":\"}\"},\"vector\":[1,2,3]}",
                "{\"vector\":null,\"query\":\"a\"}",
                "{\"vector\":[1,2,3]} x",
                "{\"vector\":[1,2,3],}",
                "{\"vector\":[01,2,3]}",
                "{\"vector\":[99999999999999999999,2,3]}",
                "{\"query\":\"a\"]\"vector\":[1,2,3]}",
                "{\"query\":[}],\"vector\":[1,2,3]}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                cleanup_json_ struct json_object *json = NULL;
                struct search_request fast, slow;
                int r = request_parse_text(&rules, texts[i], strlen(texts[i]), &fast, NULL);
                int parsed = json_parse(texts[i], strlen(texts[i]), &json, NULL);

                if (parsed >= 0)
                        parsed = request_parse(&rules, json, "", true, NULL, 0, &slow, NULL);
                if (r != parsed)
                        fail_msg("%s: %d, not %d", texts[i], r, parsed);
                if (r < 0)
                        continue;
                assert_int_equal(fast.vector_width, slow.vector_width);
                if (fast.vector)
                        assert_memory_equal(fast.vector, slow.vector, 3 * sizeof(float));
                assert_true(fast.digest == slow.digest);
                search_request_done(&fast);
                search_request_done(&slow);
        }
}

static void test_a_cursor_belongs_to_its_request(void **state)
{
        char text[CURSOR_TEXT_SIZE];
        uint32_t offset = 0;

        (void) state;
        (void) cursor_format(70, 12345, text);
        assert_int_equal(cursor_parse(text, 12345, &offset), 0);
        assert_int_equal(offset, 70);
        assert_int_equal(cursor_parse(text, 12346, &offset), -EINVAL);
        assert_int_equal(cursor_parse("", 12345, &offset), -EINVAL);
}

static int parse_answer(const char *text, struct answer_request *ret, struct error *reterr)
{
        cleanup_json_ struct json_object *json = NULL;

        assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
        return request_parse_answer(&rules, json, ret, reterr);
}

static void test_questions_are_read(void **state)
{
        struct answer_request request;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(parse_answer("{\"question\":\"why?\",\"search\":{\"limit\":3},"
                                      "\"stream\":true,\"max_tokens\":99,\"profile\":\"testing\"}",
                                      &request, &error), 0);
        assert_string_equal(request.question, "why?");
        assert_string_equal(request.search.query, "why?");
        assert_int_equal(request.search.limit, 3);
        assert_true(request.stream);
        assert_int_equal(request.max_tokens, 99);
        answer_request_done(&request);

        assert_int_equal(parse_answer("{\"messages\":[{\"role\":\"user\",\"content\":\"one\"},"
                                      "{\"role\":\"assistant\",\"content\":\"two\"},"
                                      "{\"role\":\"user\",\"content\":[{\"type\":\"text\","
                                      "\"text\":\"three\"}]}]}",
                                      &request, &error), 0);
        assert_string_equal(request.question, "three");
        assert_int_equal(request.max_tokens, 500);
        assert_int_equal(request.search.limit, 10);
        answer_request_done(&request);
}

static void test_bad_questions_are_refused_with_their_place(void **state)
{
        static const struct {
                const char *text, *key;
        } cases[] = {
                { "{}", "/question" },
                { "{\"question\":\" \"}", "/question" },
                { "{\"question\":7}", "/question" },
                { "{\"question\":\"0123456789012345678901234567890123456789.\"}", "/question" },
                { "{\"question\":\"a\",\"serach\":{}}", "/serach" },
                { "{\"question\":\"a\",\"search\":{\"limit\":0}}", "/search/limit" },
                { "{\"question\":\"a\",\"search\":{\"filter\":{\"type\":\"x\"}}}",
                  "/search/filter/type" },
                { "{\"question\":\"a\",\"max_tokens\":1}", "/max_tokens" },
                { "{\"question\":\"a\",\"profile\":\"production\"}", "/profile" },
                { "{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}", "/question" },
                { "{\"messages\":[{\"role\":\"robot\",\"content\":\"a\"}]}", "/messages/role" },
                { "{\"messages\":[{\"role\":\"user\"}]}", "/messages/content" },
                { "{\"messages\":[7]}", "/messages" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct answer_request request;
                struct error error = { 0 };

                if (parse_answer(cases[i].text, &request, &error) != -EINVAL ||
                    strcmp(error.origin.key, cases[i].key) != 0)
                        fail_msg("%s: \"%s\" at \"%s\"", cases[i].text, error.message,
                                 error.origin.key);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_profile_fills_in_what_a_request_leaves_out),
                cmocka_unit_test(test_every_member_is_read),
                cmocka_unit_test(test_bad_input_is_refused_with_its_place),
                cmocka_unit_test(test_a_wrong_width_names_both),
                cmocka_unit_test(test_a_vector_read_from_the_text_is_the_parsers),
                cmocka_unit_test(test_a_vector_may_come_as_bytes),
                cmocka_unit_test(test_a_cursor_belongs_to_its_request),
                cmocka_unit_test(test_questions_are_read),
                cmocka_unit_test(test_bad_questions_are_refused_with_their_place),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
