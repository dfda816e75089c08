/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

static void test_an_answer_quotes_and_cites(void **state)
{
        struct error error;
        cleanup_json_ struct json_object *json = fixture_ask(*state,
                "{\"question\":\"Which cities lie on the banks of the Danube?\","
                "\"search\":{\"collections\":[\"rivers\"]}}", NULL, &error);
        const char *answer = fixture_text(json, "answer");
        const char *quote = fixture_text(json, "citations/0/quote");
        int start, end;

        assert_non_null(json);
        assert_non_null(strstr(answer, "Budapest"));
        assert_non_null(strstr(answer, "[1]"));
        assert_string_equal(fixture_text(json, "degraded/0"), "generation");
        assert_string_equal(fixture_text(json, "grounded"), "true");
        assert_string_equal(fixture_text(json, "provider/name"), "extractive");
        assert_string_equal(fixture_text(json, "citations/0/n"), "1");
        assert_string_equal(fixture_text(json, "sources/0/external_id"), "danube");
        assert_string_equal(fixture_text(json, "sources/0/chunk_id"),
                            fixture_text(json, "citations/0/chunk_id"));
        assert_non_null(strstr(fixture_text(json, "sources/0/text"), quote));
        start = json_object_get_int(fixture_at(json, "citations/0/answer_span/start"));
        end = json_object_get_int(fixture_at(json, "citations/0/answer_span/end"));
        assert_int_equal(end - start, strlen(quote));
        assert_int_equal(strncmp(answer + start, quote, strlen(quote)), 0);
        assert_string_equal(fixture_text(json, "stage"), "testing");
        assert_string_equal(fixture_text(json, "release"), "7");
}

static void test_a_question_that_nothing_matches_is_answered_honestly(void **state)
{
        struct error error;
        cleanup_json_ struct json_object *json = fixture_ask(*state,
                "{\"question\":\"What does a violin cost?\","
                "\"search\":{\"collections\":[\"rivers\",\"lakes\"]}}", NULL, &error);

        assert_string_equal(fixture_text(json, "answer"),
                            "No passage in \"rivers\", \"lakes\" matches the question.");
        assert_string_equal(fixture_text(json, "grounded"), "false");
        assert_int_equal(json_object_array_length(fixture_at(json, "citations")), 0);
}

struct heard {
        char names[256], text[1024];
        int fail_at; /* -1: never */
        int events;
};

static int hear(void *data, const char *name, struct json_object *json)
{
        struct heard *heard = data;

        if (heard->events++ == heard->fail_at)
                return -EPIPE;
        (void) strcat(strcat(heard->names, name), " ");
        if (strcmp(name, "delta") == 0)
                (void) strcat(heard->text, fixture_text(json, "text"));
        return 0;
}

static void test_the_parts_of_a_stream_make_the_whole(void **state)
{
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct error error;
        cleanup_json_ struct json_object *json = fixture_ask(*state,
                "{\"question\":\"Where does the Rhine rise?\",\"stream\":true,"
                "\"search\":{\"collections\":[\"rivers\"]}}", &sink, &error);

        assert_string_equal(heard.text, fixture_text(json, "answer"));
        assert_int_equal(strncmp(heard.names, "sources delta citation ", 23), 0);
        assert_string_equal(heard.names + strlen(heard.names) - 5, "done ");
}

static void test_a_client_that_goes_ends_the_stream(void **state)
{
        for (int at = 0; at < 4; at++) {
                struct heard heard = { .fail_at = at };
                const struct answer_sink sink = { hear, &heard };
                struct error error;

                assert_null(fixture_ask(*state,
                                        "{\"question\":\"Where does the Rhine rise?\","
                                        "\"search\":{\"collections\":[\"rivers\"]}}",
                                        &sink, &error));
                assert_int_equal(error.code, -EPIPE);
                assert_int_equal(heard.events, at + 1);
        }
}

static void test_providers_that_cannot_answer_refuse_or_degrade_as_configured(void **state)
{
        char *names[] = { (char *) "far-away" };
        struct fixture *fixture = *state;
        const char *request = "{\"question\":\"Where does the Rhine rise?\","
                              "\"search\":{\"collections\":[\"rivers\"]}}";
        struct json_object *json;
        struct error error;

        fixture->generation.providers = (struct config_strings){ 1, names };
        json = fixture_ask(fixture, request, NULL, &error);
        assert_string_equal(fixture_text(json, "provider/fallback_from"), "far-away");
        json_object_put(json);
        fixture->generation.degraded = DEGRADED_MODE_ERROR;
        assert_null(fixture_ask(fixture, request, NULL, &error));
        assert_int_equal(error.code, -EHOSTUNREACH);
        assert_non_null(strstr(error.message, "no provider can answer"));
        fixture->generation.providers = (struct config_strings){ 0, NULL };
        fixture->generation.degraded = DEGRADED_MODE_CONTEXT;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_answer_quotes_and_cites),
                cmocka_unit_test(test_a_question_that_nothing_matches_is_answered_honestly),
                cmocka_unit_test(test_the_parts_of_a_stream_make_the_whole),
                cmocka_unit_test(test_a_client_that_goes_ends_the_stream),
                cmocka_unit_test(test_providers_that_cannot_answer_refuse_or_degrade_as_configured),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
