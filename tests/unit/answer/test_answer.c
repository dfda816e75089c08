/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "fixture.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/traces.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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

/* ---- With a model ------------------------------------------------------------------------- */

#define RHINE "\"question\":\"Where does the Rhine rise?\"," \
              "\"search\":{\"collections\":[\"rivers\"]}"

static struct json_object *trace_of(struct fixture *fixture, const char *id)
{
        struct json_object *json = NULL;
        struct trace_id trace;
        struct error error = { 0 };
        char *text = NULL;
        size_t len = 0;

        assert_int_equal(id_parse(id, &trace.id), 0);
        assert_ok(traces_get(fixture->store, fixture->tenant, trace, &text, &len, &error));
        assert_null(strstr(text, "Rhine")); /* neither question nor passages */
        assert_ok(json_parse(text, len, &json, &error));
        free(text);
        return json;
}

/* Of the newest answer, which had no chance to say its id. */
static struct json_object *newest_trace(struct fixture *fixture)
{
        struct trace_info *infos = NULL;
        struct error error = { 0 };
        char id[ID_TEXT_SIZE];
        size_t n = 0;

        assert_ok(traces_list(fixture->store, fixture->tenant, 1, &infos, &n, &error));
        assert_int_equal(n, 1);
        (void) id_format(infos[0].id.id, id);
        free(infos);
        return trace_of(fixture, id);
}

static void test_a_model_answers_from_the_passages(void **state)
{
        struct fixture *fixture = *state;
        struct error error;

        fixture_models(fixture, "mock", NULL, false);
        cleanup_json_ struct json_object *json = fixture_ask(fixture, "{" RHINE "}", NULL, &error);
        cleanup_json_ struct json_object *trace = trace_of(fixture, fixture_text(json, "trace_id"));

        assert_non_null(strstr(fixture_text(json, "answer"), "The Rhine rises in the Swiss Alps."));
        assert_string_equal(fixture_text(json, "citations/0/quote"),
                            "The Rhine rises in the Swiss Alps.");
        assert_string_equal(fixture_text(json, "citations/0/external_id"), "rhine");
        assert_string_equal(fixture_text(json, "citations/0/n"), "1");
        assert_string_equal(fixture_text(json, "sources/0/external_id"), "rhine");
        assert_string_equal(fixture_text(json, "grounded"), "true");
        assert_string_equal(fixture_text(json, "finish"), "stop");
        assert_string_equal(fixture_text(json, "provider/name"), "mock");
        assert_null(fixture_at(json, "provider/fallback_from"));
        assert_int_equal(json_object_array_length(fixture_at(json, "degraded")), 0);
        assert_true(json_object_get_int(fixture_at(json, "usage/input_tokens")) > 20);
        assert_true(json_object_get_int(fixture_at(json, "usage/output_tokens")) > 3);
        assert_string_equal(fixture_text(json, "usage/estimated"), "true");

        assert_string_equal(fixture_text(trace, "outcome"), "generated");
        assert_string_equal(fixture_text(trace, "provider/name"), "mock");
        assert_string_equal(fixture_text(trace, "release"), "7");
        assert_string_equal(fixture_text(trace, "collections/0/name"), "rivers");
        assert_string_equal(fixture_text(trace, "chunks/0/chunk_id"),
                            fixture_text(json, "sources/0/chunk_id"));
        assert_int_equal(strlen(fixture_text(trace, "prompt_hash")), 64);
        assert_string_equal(fixture_text(trace, "question/bytes"), "26");
        assert_string_equal(fixture_text(trace, "attempts/0/kind"), "chat");
        assert_string_equal(fixture_text(trace, "citations"), "1");
        fixture_models(fixture, NULL, NULL, false);
}

static void test_a_model_s_stream_is_the_same_answer(void **state)
{
        struct fixture *fixture = *state;
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct error error;

        fixture_models(fixture, "mock", NULL, false);
        cleanup_json_ struct json_object *whole = fixture_ask(fixture, "{" RHINE "}", NULL, &error);
        cleanup_json_ struct json_object *json =
                fixture_ask(fixture, "{" RHINE ",\"stream\":true}", &sink, &error);

        assert_string_equal(heard.text, fixture_text(json, "answer"));
        assert_string_equal(heard.text, fixture_text(whole, "answer"));
        assert_string_equal(fixture_text(json, "citations"), fixture_text(whole, "citations"));
        assert_int_equal(strncmp(heard.names, "sources delta ", 14), 0);
        assert_non_null(strstr(heard.names, "citation done "));
        for (int at = 0; at < heard.events; at++) {
                struct heard cut = { .fail_at = at };
                const struct answer_sink refusing = { hear, &cut };

                assert_null(fixture_ask(fixture, "{" RHINE "}", &refusing, &error));
                assert_int_equal(error.code, -EPIPE);
                assert_int_equal(cut.events, at + 1);
        }
        fixture_models(fixture, NULL, NULL, false);
}

static void test_the_next_model_answers_where_the_first_can_not(void **state)
{
        struct fixture *fixture = *state;
        struct error error;

        fixture_models(fixture, "broken", "mock", false);
        cleanup_json_ struct json_object *json = fixture_ask(fixture, "{" RHINE "}", NULL, &error);
        cleanup_json_ struct json_object *trace = trace_of(fixture, fixture_text(json, "trace_id"));

        assert_string_equal(fixture_text(json, "provider/name"), "mock");
        assert_string_equal(fixture_text(json, "provider/fallback_from"), "broken");
        assert_true(strlen(fixture_text(json, "provider/reason")) > 0);
        assert_string_equal(fixture_text(trace, "attempts/0/provider"), "broken");
        assert_true(strlen(fixture_text(trace, "attempts/0/fault")) > 0);
        fixture_models(fixture, NULL, NULL, false);
}

static void test_providers_that_cannot_answer_refuse_or_degrade_as_configured(void **state)
{
        struct fixture *fixture = *state;
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct json_object *json, *trace;
        struct error error;

        fixture_models(fixture, "broken", NULL, false);
        json = fixture_ask(fixture, "{" RHINE "}", &sink, &error);
        assert_string_equal(fixture_text(json, "provider/name"), "extractive");
        assert_string_equal(fixture_text(json, "provider/fallback_from"), "broken");
        assert_non_null(strstr(fixture_text(json, "provider/reason"), "broken"));
        assert_string_equal(fixture_text(json, "degraded/0"), "generation");
        assert_string_equal(heard.text, fixture_text(json, "answer"));
        assert_string_equal(heard.names, "sources delta citation done ");
        assert_string_equal(fixture_text(json, "sources/0/external_id"), "rhine");
        trace = trace_of(fixture, fixture_text(json, "trace_id"));
        assert_string_equal(fixture_text(trace, "outcome"), "extracted");
        json_object_put(trace);
        json_object_put(json);

        fixture->generation.degraded = DEGRADED_MODE_ERROR;
        assert_null(fixture_ask(fixture, "{" RHINE "}", NULL, &error));
        assert_true(error.code < 0);
        assert_non_null(strstr(error.message, "broken"));
        trace = newest_trace(fixture);
        assert_string_equal(fixture_text(trace, "outcome"), "failed");
        assert_string_equal(fixture_text(trace, "error"), strerrorname_np(-error.code));
        json_object_put(trace);
        fixture->generation.degraded = DEGRADED_MODE_CONTEXT;
        fixture_models(fixture, NULL, NULL, false);
}

static void test_no_model_is_asked_where_nothing_was_found(void **state)
{
        struct fixture *fixture = *state;
        struct error error;

        fixture_models(fixture, "mock", NULL, false);
        cleanup_json_ struct json_object *json = fixture_ask(fixture,
                "{\"question\":\"violin?\",\"search\":{\"collections\":[\"rivers\"],"
                "\"mode\":\"bm25\"}}", NULL, &error);

        assert_string_equal(fixture_text(json, "provider/name"), "extractive");
        assert_int_equal(json_object_array_length(fixture_at(json, "degraded")), 0);
        assert_string_equal(fixture_text(json, "answer"),
                            "No passage in \"rivers\" matches the question.");
        fixture_models(fixture, NULL, NULL, false);
}

/* Somebody who accepts and says nothing. */
static int listen_silently(struct fixture *fixture, char url[64])
{
        struct sockaddr_in address = { .sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = sizeof address;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(fd, 16), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &len), 0);
        (void) snprintf(url, 64, "http://127.0.0.1:%u/v1", ntohs(address.sin_port));
        fixture->broken.endpoint = url;
        return fd;
}

static void count_end(void *data, struct json_object *takes_whole, const struct error *error)
{
        (void) error;
        json_object_put(takes_whole);
        (void) atomic_fetch_add((_Atomic int *) data, 1);
}

static void test_a_canceled_answer_has_no_end_and_leaves_a_trace(void **state)
{
        struct fixture *fixture = *state;
        char *former = fixture->broken.endpoint, url[64];
        int fd = listen_silently(fixture, url);
        cleanup_json_ struct json_object *json = NULL, *trace = NULL;
        struct answering *answering = NULL;
        struct answer_request request;
        _Atomic int ended = 0;
        const struct answer_events events = { NULL, count_end, &ended };
        struct error error = { 0 };
        static const char text[] = "{" RHINE "}";

        fixture_models(fixture, "broken", NULL, false);
        assert_ok(json_parse(text, strlen(text), &json, &error));
        assert_ok(answer_request_parse(fixture->answer, json, &request, &error));
        assert_ok(answer_start(fixture->answer, fixture->tenant, &request, &events, &answering,
                               &error));
        answer_request_done(&request);
        (void) usleep(50000);
        answer_cancel(answering);
        answering = answering_free(answering);
        assert_int_equal(ended, 0);
        trace = newest_trace(fixture);
        assert_string_equal(fixture_text(trace, "outcome"), "canceled");
        fixture->broken.endpoint = former;
        (void) close(fd);
        fixture_models(fixture, NULL, NULL, false);
}

static void test_a_model_that_is_silent_beyond_the_deadline_is_not_waited_for(void **state)
{
        struct fixture *fixture = *state;
        char *former = fixture->broken.endpoint, url[64];
        int fd = listen_silently(fixture, url);
        cleanup_json_ struct json_object *json = NULL, *answer = NULL;
        struct answer_request request;
        struct error error = { 0 };
        static const char text[] = "{" RHINE "}";

        fixture_models(fixture, "broken", NULL, false);
        assert_ok(json_parse(text, strlen(text), &json, &error));
        assert_ok(answer_request_parse(fixture->answer, json, &request, &error));
        request.deadline_usec = clock_monotonic_usec() + 300 * USEC_PER_MSEC;
        assert_ok(answer_run(fixture->answer, fixture->tenant, &request, NULL, &answer, &error));
        answer_request_done(&request);
        assert_string_equal(fixture_text(answer, "provider/name"), "extractive");
        assert_string_equal(fixture_text(answer, "degraded/0"), "generation");
        fixture->broken.endpoint = former;
        (void) close(fd);
        fixture_models(fixture, NULL, NULL, false);
}

/* ---- A model that speaks as it is told ----------------------------------------------------- */

struct script {
        int fd;
        const char *body; /* of one answer: server-sent events in the shape of OpenAI's */
        size_t promised;  /* bytes that the head promises; 0: as many as there are */
        pthread_t thread;
        char url[64], *former;
        int calls;
};

static void *play(void *data)
{
        struct script *script = data;
        char bytes[65536], head[256];
        int fd;

        while ((fd = accept(script->fd, NULL, NULL)) >= 0) {
                size_t len = strlen(script->body), got = 0;
                const char *end = NULL, *length;
                ssize_t n;

                for (bytes[0] = '\0'; !end || strtoul(strstr(bytes, "Content-Length:") + 15, NULL,
                                                     10) > got - (size_t) (end + 4 - bytes);) {
                        n = recv(fd, bytes + got, sizeof bytes - 1 - got, 0);
                        if (n <= 0)
                                break;
                        got += (size_t) n;
                        bytes[got] = '\0';
                        end = strstr(bytes, "\r\n\r\n");
                        length = strstr(bytes, "Content-Length:");
                        if (!length)
                                end = NULL;
                }
                script->calls++;
                (void) snprintf(head, sizeof head,
                                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                "Content-Length: %zu\r\nConnection: close\r\n\r\n",
                                script->promised ? script->promised : len);
                (void) send(fd, head, strlen(head), MSG_NOSIGNAL);
                for (size_t at = 0; at < len; at += 64) { /* in pieces */
                        (void) send(fd, script->body + at, len - at < 64 ? len - at : 64,
                                    MSG_NOSIGNAL);
                        (void) usleep(200);
                }
                (void) close(fd);
        }
        return NULL;
}

static void script_begin(struct fixture *fixture, struct script *script)
{
        script->former = fixture->broken.endpoint;
        script->fd = listen_silently(fixture, script->url);
        assert_int_equal(pthread_create(&script->thread, NULL, play, script), 0);
}

static void script_end(struct fixture *fixture, struct script *script)
{
        fixture_models(fixture, NULL, NULL, false);
        fixture->broken.endpoint = script->former;
        (void) shutdown(script->fd, SHUT_RDWR);
        assert_int_equal(pthread_join(script->thread, NULL), 0);
        (void) close(script->fd);
}

#define SAID(text_) "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text_ "\"}}]}\n\n"
#define ENDED(why_)                                                                          \
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"" why_ "\"}]}\n\n" \
        "data: [DONE]\n\n"

static void test_markers_of_no_source_are_never_told(void **state)
{
        struct fixture *fixture = *state;
        struct script script = { .body = SAID("It rises in the ") SAID("Alps [") SAID("1") SAID("], and")
                                         SAID(" Mars [") SAID("7") SAID("7]") SAID(".") ENDED("length") };
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct error error;

        script_begin(fixture, &script);
        fixture_models(fixture, "broken", NULL, false);
        cleanup_json_ struct json_object *json =
                fixture_ask(fixture, "{" RHINE ",\"stream\":true}", &sink, &error);

        assert_string_equal(heard.text, "It rises in the Alps [1], and Mars.");
        assert_string_equal(fixture_text(json, "answer"), heard.text);
        assert_int_equal(json_object_array_length(fixture_at(json, "citations")), 1);
        assert_string_equal(fixture_text(json, "citations/0/external_id"), "rhine");
        assert_string_equal(fixture_text(json, "grounded"), "false");
        assert_string_equal(fixture_text(json, "finish"), "length");
        assert_string_equal(fixture_text(json, "provider/name"), "broken");
        script_end(fixture, &script);
}

static void test_what_breaks_after_its_first_piece_is_an_error_and_no_second_answer(void **state)
{
        struct fixture *fixture = *state;
        struct script script = { .body = SAID("It rises in the Alps, I believe, "),
                                 .promised = 100000 };
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct json_object *trace;
        struct error error;

        script_begin(fixture, &script);
        fixture_models(fixture, "broken", "mock", false);
        assert_null(fixture_ask(fixture, "{" RHINE ",\"stream\":true}", &sink, &error));
        assert_true(error.code < 0);
        assert_string_equal(heard.names, "sources delta ");
        assert_int_equal(script.calls, 1);
        trace = newest_trace(fixture);
        assert_string_equal(fixture_text(trace, "outcome"), "failed");
        assert_int_equal(json_object_array_length(fixture_at(trace, "attempts")), 1);
        json_object_put(trace);
        script_end(fixture, &script);
}

static void test_an_empty_answer_is_none(void **state)
{
        struct fixture *fixture = *state;
        struct script script = { .body = SAID("  \\n") SAID(" ") ENDED("stop") };
        struct heard heard = { .fail_at = -1 };
        const struct answer_sink sink = { hear, &heard };
        struct error error;

        script_begin(fixture, &script);
        fixture_models(fixture, "broken", NULL, false);
        cleanup_json_ struct json_object *json =
                fixture_ask(fixture, "{" RHINE ",\"stream\":true}", &sink, &error);

        assert_string_equal(fixture_text(json, "provider/name"), "extractive");
        assert_string_equal(fixture_text(json, "degraded/0"), "generation");
        assert_non_null(strstr(fixture_text(json, "provider/reason"), "empty"));
        assert_string_equal(heard.names, "sources delta citation done ");
        script_end(fixture, &script);
}

static void test_a_conversation_goes_along_with_its_last_question(void **state)
{
        struct fixture *fixture = *state;
        static const char text[] =
                "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief.\"},"
                "{\"role\":\"user\",\"content\":\"Hello\"},"
                "{\"role\":\"assistant\",\"content\":\"Hello!\"},"
                "{\"role\":\"system\",\"content\":\"Be kind.\"},"
                "{\"role\":\"user\",\"content\":\"Where does the Rhine rise?\"},"
                "{\"role\":\"assistant\",\"content\":\"Well\"}]}";
        cleanup_json_ struct json_object *json = NULL;
        struct answer_request request;
        struct error error = { 0 };

        assert_ok(json_parse(text, strlen(text), &json, &error));
        assert_ok(answer_request_parse(fixture->answer, json, &request, &error));
        assert_string_equal(request.question, "Where does the Rhine rise?");
        assert_string_equal(request.instructions, "Be brief.\n\nBe kind.");
        assert_int_equal(request.n_history, 2);
        assert_int_equal(request.history[0].role, CHAT_USER);
        assert_string_equal(request.history[1].text, "Hello!");
        answer_request_done(&request);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_answer_quotes_and_cites),
                cmocka_unit_test(test_a_question_that_nothing_matches_is_answered_honestly),
                cmocka_unit_test(test_the_parts_of_a_stream_make_the_whole),
                cmocka_unit_test(test_a_client_that_goes_ends_the_stream),
                cmocka_unit_test(test_a_model_answers_from_the_passages),
                cmocka_unit_test(test_a_model_s_stream_is_the_same_answer),
                cmocka_unit_test(test_the_next_model_answers_where_the_first_can_not),
                cmocka_unit_test(test_providers_that_cannot_answer_refuse_or_degrade_as_configured),
                cmocka_unit_test(test_no_model_is_asked_where_nothing_was_found),
                cmocka_unit_test(test_a_canceled_answer_has_no_end_and_leaves_a_trace),
                cmocka_unit_test(test_a_model_that_is_silent_beyond_the_deadline_is_not_waited_for),
                cmocka_unit_test(test_markers_of_no_source_are_never_told),
                cmocka_unit_test(test_what_breaks_after_its_first_piece_is_an_error_and_no_second_answer),
                cmocka_unit_test(test_an_empty_answer_is_none),
                cmocka_unit_test(test_a_conversation_goes_along_with_its_last_question),
        };

        return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
