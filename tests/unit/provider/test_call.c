/* SPDX-License-Identifier: Apache-2.0 */
/* Calls over a connection to a server that does what it wants. */
#include "config.h"

#include "tests/unit/provider/calling.h"

#include "base/cleanup.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define JSON                                                                                       \
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_7\r\n"             \
        "x-ratelimit-remaining-requests: 59\r\n"
#define SSE "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
#define SAY(text)                                                                                  \
        "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"},\"finish_reason\":null}]}\n\n"
#define STOP "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define DONE "data: [DONE]\n\n"
#define ANSWER                                                                                     \
        "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}" /* 65      \
                                                                                           bytes   \
                                                                                         */

static const struct chat_message messages[] = { { CHAT_USER, "Why?" } };
static const struct call_request whole = {
        CALL_CHAT, .chat = { .messages = messages, .n_messages = 1, .max_tokens = 9 }
};
static const struct call_request streamed = {
        CALL_CHAT,
        .chat = { .messages = messages, .n_messages = 1, .max_tokens = 9, .stream = true }
};
static const struct call_request probe = { .kind = CALL_PROBE };

static void test_an_answer_comes_with_what_its_head_said(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND, JSON "Content-Length: 65\r\n\r\n" ANSWER, 0 }, { TINY_END, NULL, 0 }
        };
        struct caller caller;
        cleanup_free_ char *request = NULL;

        (void) state;
        assert_int_equal(strlen(ANSWER), 65);
        calling_open(&caller, &openai_ops, steps);
        calling_run(&caller, &whole);
        assert_true(caller.answered);
        assert_string_equal(caller.text, "Hi");
        assert_string_equal(caller.request_id, "req_7");
        assert_int_equal(caller.requests_left, 59);
        assert_int_equal(caller.pieces, 0);
        request = tiny_server_last_request(caller.server);
        assert_non_null(strstr(request, "\r\nAuthorization: Bearer sk-secret\r\n"));
        assert_non_null(strstr(request, "POST /chat/completions HTTP/1.1"));
        /* a stream was asked for, and it answers at once */
        calling_run(&caller, &streamed);
        assert_true(caller.answered);
        assert_string_equal(buf_text(&caller.told), "Hi");
        calling_close(&caller);
}

static void test_a_stream_is_told_piece_by_piece(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND, SSE ": hello\n\n" SAY("One"), 0 },
                { TINY_WAIT, NULL, 60 },
                { TINY_SEND, SAY(" \303\274") "da", 0 },
                { TINY_WAIT, NULL, 60 },
                { TINY_SEND, "ta: {\"choices\":[]}\n\n" STOP DONE, 0 },
                { TINY_CLOSE, NULL, 0 },
        };
        struct caller caller;

        (void) state;
        calling_open(&caller, &openai_ops, steps);
        calling_run(&caller, &streamed);
        assert_true(caller.answered);
        assert_int_equal(caller.pieces, 2);
        assert_string_equal(buf_text(&caller.told), "One \303\274");
        assert_string_equal(caller.text, "One \303\274");
        calling_close(&caller);
}

static const struct {
        const char *name;
        struct tiny_step steps[5];
        const struct call_request *request;
        enum fault_class class; /* FAULT_CLASS_MAX: an answer */
        const char *message;
        uint64_t wait_usec;
} endings[] = {
        { "cut in the midst",
          { { TINY_SEND, SSE SAY("One"), 0 }, { TINY_CLOSE, NULL, 0 } },
          &streamed,
          FAULT_BROKEN,
          "provider cloud: the answer ended in the midst",
          0 },
        { "cut within an event",
          { { TINY_SEND, SSE SAY("One") "data: {\"choi", 0 }, { TINY_CLOSE, NULL, 0 } },
          &streamed,
          FAULT_BROKEN,
          "in the midst",
          0 },
        { "cut behind the finish",
          { { TINY_SEND, SSE SAY("One") STOP, 0 }, { TINY_CLOSE, NULL, 0 } },
          &streamed,
          FAULT_CLASS_MAX,
          NULL,
          0 },
        { "cut within an event behind the finish",
          { { TINY_SEND, SSE SAY("One") STOP "data: {\"usa", 0 }, { TINY_CLOSE, NULL, 0 } },
          &streamed,
          FAULT_CLASS_MAX,
          NULL,
          0 },
        { "no end of the connection",
          { { TINY_SEND, SSE SAY("One") STOP DONE, 0 }, { TINY_WAIT, NULL, 60000 } },
          &streamed,
          FAULT_CLASS_MAX,
          NULL,
          0 },
        { "reset behind the end",
          { { TINY_SEND, SSE SAY("One") STOP DONE, 0 }, { TINY_RESET, NULL, 0 } },
          &streamed,
          FAULT_CLASS_MAX,
          NULL,
          0 },
        { "silence",
          { { TINY_SEND, SSE SAY("One"), 0 }, { TINY_WAIT, NULL, 60000 } },
          &streamed,
          FAULT_TIMEOUT,
          "raise timeout_seconds",
          0 },
        { "an error in the stream",
          { { TINY_SEND,
              SSE SAY("One") "data: {\"error\":{\"message\":\"Overloaded\",\"type\":\"overloaded_error\"}}\n\n",
              0 },
            { TINY_WAIT, NULL, 60000 } },
          &streamed,
          FAULT_SERVER,
          "provider cloud: Overloaded",
          0 },
        { "garbage in the stream",
          { { TINY_SEND, SSE "data: {{{\n\n", 0 }, { TINY_WAIT, NULL, 60000 } },
          &streamed,
          FAULT_GARBAGE,
          "provider cloud: ",
          0 },
        { "a line without end",
          { { TINY_SEND, SSE, 0 },
            { TINY_REPEAT, "data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 1U << 30 } },
          &streamed,
          FAULT_GARBAGE,
          "larger than 1 MiB",
          0 },
        { "a stream without end",
          { { TINY_SEND, SSE, 0 },
            { TINY_REPEAT, ": comment comment comment comment comment comment\n\n", 1U << 30 } },
          &streamed,
          FAULT_GARBAGE,
          "too large",
          0 },
        { "an answer without end",
          { { TINY_SEND, JSON "\r\n{\"a\":\"", 0 },
            { TINY_REPEAT, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 1U << 30 } },
          &whole,
          FAULT_GARBAGE,
          "too large",
          0 },
        { "an answer that is cut",
          { { TINY_SEND, JSON "Content-Length: 65\r\n\r\n{\"cho", 0 }, { TINY_CLOSE, NULL, 0 } },
          &whole,
          FAULT_BROKEN,
          "provider cloud: 127.0.0.1:",
          0 },
        { "no answer",
          { { TINY_CLOSE, NULL, 0 } },
          &whole,
          FAULT_BROKEN,
          "provider cloud: 127.0.0.1:",
          0 },
        { "a key refused",
          { { TINY_SEND,
              "HTTP/1.1 401 No\r\nContent-Length: 38\r\n\r\n{\"error\":{\"message\":\"bad: sk-secret\"}}\n",
              0 },
            { TINY_END, NULL, 0 } },
          &whole,
          FAULT_KEY,
          "provider cloud: refused the key of env:THE_KEY: HTTP 401; put a valid key there",
          0 },
        { "a limit",
          { { TINY_SEND, "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}", 0 },
            { TINY_END, NULL, 0 } },
          &streamed,
          FAULT_RATE_LIMIT,
          "provider cloud: HTTP 429",
          7000000 },
        { "a refusal without end",
          { { TINY_SEND, "HTTP/1.1 503 No\r\n\r\n", 0 },
            { TINY_REPEAT, "<html> <html> <html> <html>", 1U << 30 } },
          &whole,
          FAULT_SERVER,
          "provider cloud: HTTP 503: <html>",
          0 },
        { "a refusal that is cut",
          { { TINY_SEND, "HTTP/1.1 529 No\r\nContent-Length: 500\r\n\r\nOver", 0 },
            { TINY_CLOSE, NULL, 0 } },
          &whole,
          FAULT_SERVER,
          "HTTP 529: Over",
          0 },
        { "a redirect",
          { { TINY_SEND, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 0 },
            { TINY_END, NULL, 0 } },
          &whole,
          FAULT_MODEL,
          "HTTP 302",
          0 },
};

static void test_each_way_to_end_has_its_class(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(endings); i++) {
                struct caller caller;

                calling_open(&caller, &openai_ops, endings[i].steps);
                if (endings[i].class == FAULT_TIMEOUT)
                        caller.idle_usec = 300000;
                calling_run(&caller, endings[i].request);
                assert_int_equal(caller.ends, 1);
                if (caller.answered != (endings[i].class == FAULT_CLASS_MAX) ||
                    (!caller.answered && (caller.fault.class != endings[i].class ||
                                          !strstr(caller.error.message, endings[i].message))))
                        fail_msg("%s: %s %s", endings[i].name,
                                 caller.answered ? "answered"
                                                 : fault_class_name(caller.fault.class),
                                 caller.error.message);
                if (!caller.answered) {
                        assert_int_equal(caller.fault.wait_usec, endings[i].wait_usec);
                        assert_null(strstr(caller.error.message, "sk-secret"));
                        assert_true(caller.error.code < 0);
                        assert_int_equal(caller.fault.output_tokens, caller.pieces ? 1 : 0);
                }
                calling_close(&caller);
        }
}

static void test_nobody_there_is_unreachable(void **state)
{
        struct caller caller;

        (void) state;
        calling_open(&caller, &openai_ops, endings[0].steps);
        (void) snprintf(caller.endpoint, sizeof caller.endpoint, "http://127.0.0.1:%u",
                        tiny_server_unused_port());
        calling_run(&caller, &whole);
        assert_int_equal(caller.fault.class, FAULT_UNREACHABLE);
        assert_non_null(strstr(caller.error.message, "see that it runs"));
        calling_close(&caller);
}

static void test_a_call_may_be_freed_whenever_it_calls_back(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND, SSE SAY("One") SAY("Two") STOP DONE, 0 }, { TINY_CLOSE, NULL, 0 }
        };
        struct caller caller;

        (void) state;
        for (int act = ACT_FREE_IN_TEXT; act <= ACT_FREE_IN_DONE; act++) {
                calling_open(&caller, &openai_ops, steps);
                caller.act = act == ACT_FREE_IN_TEXT   ? ACT_FREE_IN_TEXT
                             : act == ACT_STOP_IN_TEXT ? ACT_STOP_IN_TEXT
                                                       : ACT_FREE_IN_DONE;
                calling_run(&caller, &streamed);
                calling_idle(&caller, 30);
                assert_int_equal(caller.ends, act == ACT_FREE_IN_TEXT ? 0 : 1);
                assert_int_equal(caller.pieces, act == ACT_FREE_IN_DONE ? 2 : 1);
                if (act == ACT_STOP_IN_TEXT)
                        assert_int_equal(caller.fault.class, FAULT_LOCAL);
                calling_close(&caller);
        }
        calling_open(&caller, &openai_ops, steps);
        calling_start(&caller, &streamed);
        caller.call = provider_call_free(caller.call);
        calling_idle(&caller, 30);
        assert_int_equal(caller.ends, 0);
        calling_close(&caller);
}

static void test_ollama_streams_lines(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"
                  "{\"message\":{\"content\":\"One\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}",
                  0 },
                { TINY_CLOSE, NULL, 0 },
        };
        struct caller caller;

        (void) state;
        calling_open(&caller, &ollama_ops, steps);
        calling_run(&caller, &streamed);
        assert_true(caller.answered);
        assert_string_equal(caller.text, "One");
        calling_close(&caller);
}

static void test_a_probe_without_a_list_is_no_failure_where_lists_are_optional(void **state)
{
        static const struct tiny_step steps[] = {
                { TINY_SEND, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0 },
                { TINY_END, NULL, 0 }
        };
        struct caller caller;

        (void) state;
        calling_open(&caller, &openai_compatible_ops, steps);
        calling_run(&caller, &probe);
        assert_true(caller.answered);
        assert_int_equal(caller.probe_model, PROBE_MODEL_UNKNOWN);
        calling_run(&caller, &whole);
        assert_int_equal(caller.fault.class, FAULT_MODEL);
        calling_close(&caller);
        calling_open(&caller, &openai_ops, steps);
        calling_run(&caller, &probe);
        assert_int_equal(caller.fault.class, FAULT_MODEL);
        calling_close(&caller);
}

static void test_built_in_kinds_are_called_alike(void **state)
{
        static const struct chat_message quoting[] = { { CHAT_USER,
                                                         "[1] Flow is laminar over there." } };
        static const struct embed_text text = { "one", 3 };
        const struct call_request chat = {
                CALL_CHAT,
                .chat = { .messages = quoting, .n_messages = 1, .max_tokens = 90, .stream = true }
        };
        const struct call_request embed = { CALL_EMBED, .embed = { EMBED_QUERY, &text, 1 } };
        struct caller caller;

        (void) state;
        calling_open(&caller, &mock_ops, endings[0].steps);
        calling_run(&caller, &chat);
        assert_true(caller.answered && caller.pieces > 2);
        assert_string_equal(caller.text, buf_text(&caller.told));
        calling_run(&caller, &embed);
        assert_true(caller.answered && caller.pieces == 0);
        calling_run(&caller, &probe);
        assert_int_equal(caller.probe_model, PROBE_MODEL_KNOWN);
        caller.act = ACT_STOP_IN_TEXT;
        calling_run(&caller, &chat);
        assert_int_equal(caller.fault.class, FAULT_LOCAL);
        caller.act = ACT_FREE_IN_TEXT;
        calling_run(&caller, &chat);
        assert_int_equal(caller.ends, 0);
        caller.act = ACT_NOTHING;
        calling_start(&caller, &chat);
        caller.call = provider_call_free(caller.call);
        calling_idle(&caller, 20);
        assert_int_equal(caller.ends, 0);
        calling_close(&caller);
}

static void test_what_a_kind_cannot_do_is_refused_at_once(void **state)
{
        const struct call_request rerank = { CALL_RERANK, .rerank = { "q", NULL, 0, 0 } };
        struct provider_call *call = NULL;
        struct error error;
        struct caller caller;

        (void) state;
        calling_open(&caller, &anthropic_ops, endings[0].steps);
        assert_int_equal(provider_call(&caller.provider, caller.fetcher, &rerank,
                                       &(struct provider_call_limits){ 0 },
                                       &(struct provider_call_events){ NULL, calling_done }, NULL,
                                       &call, &error),
                         -EOPNOTSUPP);
        assert_string_equal(error.message, "provider cloud: kind anthropic cannot rerank");
        (void) snprintf(caller.endpoint, sizeof caller.endpoint, "ftp://x");
        assert_int_equal(provider_call(&caller.provider, caller.fetcher, &whole,
                                       &(struct provider_call_limits){ 0 },
                                       &(struct provider_call_events){ NULL, calling_done }, NULL,
                                       &call, &error),
                         -EINVAL);
        assert_memory_equal(error.message, "provider cloud: ", 16);
        assert_null(call);
        calling_close(&caller);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_answer_comes_with_what_its_head_said),
                cmocka_unit_test(test_a_stream_is_told_piece_by_piece),
                cmocka_unit_test(test_each_way_to_end_has_its_class),
                cmocka_unit_test(test_nobody_there_is_unreachable),
                cmocka_unit_test(test_a_call_may_be_freed_whenever_it_calls_back),
                cmocka_unit_test(test_ollama_streams_lines),
                cmocka_unit_test(
                        test_a_probe_without_a_list_is_no_failure_where_lists_are_optional),
                cmocka_unit_test(test_built_in_kinds_are_called_alike),
                cmocka_unit_test(test_what_a_kind_cannot_do_is_refused_at_once),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
