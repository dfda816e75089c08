/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind's answers of chats, whole and streamed, against the vendors' own examples. */
#include "config.h"

#include "tests/unit/provider/wiring.h"

#include "base/cleanup.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* ---- Answers --------------------------------------------------------------------------------- */

static const struct {
        const struct provider_ops *ops;
        const char *body, *text;
        enum chat_finish finish;
        uint64_t input, output;
        bool estimated;
} wholes[] = {
        { &openai_ops,
          "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":812,\"completion_tokens\":64,\"total_tokens\":876},\"error\":null}",
          "Hi", CHAT_FINISH_STOP, 812, 64, false },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"i\"}]},\"finish_reason\":\"length\"}]}",
          "Hi", CHAT_FINISH_LENGTH, 6, 1, true },
        { &azure_openai_ops,
          "{\"prompt_filter_results\":[],\"choices\":[{\"content_filter_results\":{},\"message\":{\"content\":\"Half\"},\"finish_reason\":\"content_filter\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}",
          "Half", CHAT_FINISH_FILTER, 9, 2, false },
        { &groq_ops,
          "{\"model\":\"openai/gpt-oss-20b\",\"choices\":[{\"message\":{\"content\":\"Hi\",\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"queue_time\":0.03,\"prompt_tokens\":20,\"completion_tokens\":40},\"x_groq\":{\"id\":\"req_01\"}}",
          "Hi", CHAT_FINISH_STOP, 20, 40, false },
        { &lmstudio_ops,
          "{\"choices\":[{\"message\":{\"content\":\"<think>hm</think>\\n\\nHi\",\"reasoning_content\":\"no\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
          "Hi", CHAT_FINISH_STOP, 3, 4, false },
        { &anthropic_ops,
          "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-haiku-4-5\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"new\",\"text\":\"no\"},{\"type\":\"text\",\"text\":\"i\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":812,\"output_tokens\":64,\"cache_creation_input_tokens\":10,\"cache_read_input_tokens\":5}}",
          "Hi", CHAT_FINISH_STOP, 827, 64, false },
        { &anthropic_ops,
          "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
          "Hi", CHAT_FINISH_LENGTH, 1, 2, false },
        { &ollama_ops,
          "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"thinking\":\"no\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":8}",
          "Hi", CHAT_FINISH_STOP, 26, 8, false },
        { &ollama_ops,
          "{\"message\":{\"content\":\"Hi\"},\"done\":true,\"done_reason\":\"length\",\"eval_count\":8}",
          "Hi", CHAT_FINISH_LENGTH, 6, 8, true },
};

static void test_whole_answers_are_read(void **state)
{
        struct call_request request = wiring_chat(false);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(wholes); i++) {
                struct reading reading;

                if (wiring_read(&reading, wholes[i].ops, &request, wholes[i].body) < 0)
                        fail_msg("%s: %s", wholes[i].body, reading.error.message);
                assert_string_equal(buf_text(&reading.result.text), wholes[i].text);
                assert_int_equal(reading.result.finish, wholes[i].finish);
                assert_int_equal(reading.result.input_tokens, wholes[i].input);
                assert_int_equal(reading.result.output_tokens, wholes[i].output);
                assert_int_equal(reading.result.estimated, wholes[i].estimated);
                call_result_done(&reading.result);
        }
}

static const struct {
        const struct provider_ops *ops;
        const char *body;
        enum fault_class class; /* FAULT_CLASS_MAX: an error for fault_read() */
} spoiled[] = {
        { &openai_ops, "", FAULT_GARBAGE },
        { &openai_ops, "<html>", FAULT_GARBAGE },
        { &openai_ops, "{}", FAULT_GARBAGE },
        { &openai_ops, "[]", FAULT_GARBAGE },
        { &openai_ops, "null", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":{}}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[1]}", FAULT_GARBAGE },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"stop\"}]}",
          FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":7}}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}", FAULT_GARBAGE },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I can't\"},\"finish_reason\":\"stop\"}]}",
          FAULT_REFUSED },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"content_filter\"}]}",
          FAULT_REFUSED },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}",
          FAULT_REQUEST },
        { &openai_ops,
          "{\"choices\":[{\"message\":{\"content\":\"<think>on and on\"},\"finish_reason\":\"length\"}]}",
          FAULT_REQUEST },
        { &lmstudio_ops,
          "{\"error\":\"Unexpected endpoint or method. (POST /x). Returning 200 anyway\"}",
          FAULT_CLASS_MAX },
        { &anthropic_ops,
          "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}",
          FAULT_CLASS_MAX },
        { &anthropic_ops, "{\"content\":[],\"stop_reason\":\"refusal\"}", FAULT_REFUSED },
        { &anthropic_ops, "{\"content\":\"x\"}", FAULT_GARBAGE },
        { &ollama_ops, "{\"error\":\"x\"}", FAULT_CLASS_MAX },
        { &ollama_ops, "{\"models\":[]}", FAULT_GARBAGE },
};

static void test_what_is_no_answer_is_a_fault(void **state)
{
        struct call_request request = wiring_chat(false);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(spoiled); i++) {
                struct reading reading;
                int r = wiring_read(&reading, spoiled[i].ops, &request, spoiled[i].body);

                if (spoiled[i].class == FAULT_CLASS_MAX
                            ? r != -EREMOTEIO
                            : !reading.answer.has_class || reading.answer.class != spoiled[i].class)
                        fail_msg("%s: %d %s", spoiled[i].body, r, reading.error.message);
                if (r != -EREMOTEIO)
                        assert_memory_equal(reading.error.message, "provider p: ", 12);
                call_result_done(&reading.result);
        }
}

/* ---- Streams --------------------------------------------------------------------------------- */

#define CHUNK(delta, finish)                                                                                                            \
        "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":" delta \
        ",\"finish_reason\":" finish "}]}"

static const struct {
        const struct provider_ops *ops;
        const char *events[10];
        const char *text; /* NULL: a fault */
        uint64_t input, output;
        bool estimated;
        enum fault_class class; /* FAULT_CLASS_MAX: an error for fault_read() */
} streams[] = {
        { &openai_ops,
          { CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"),
            CHUNK("{\"content\":\"H\"}", "null"), CHUNK("{\"content\":\"i\"}", "null"),
            CHUNK("{}", "\"stop\""),
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}", "[DONE]" },
          "Hi",
          9,
          1,
          false,
          0 },
        { &openai_ops,
          { CHUNK("{\"content\":\"Hi\"}", "null"), CHUNK("{}", "\"stop\"") },
          "Hi",
          6,
          1,
          true,
          0 },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null"), "[DONE]" }, "Hi", 6, 1, true, 0 },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null") }, NULL, 0, 0, false, FAULT_BROKEN },
        { &openai_ops, { NULL }, NULL, 0, 0, false, FAULT_BROKEN },
        { &openai_ops,
          { CHUNK("{\"content\":\"Hi\"}", "null"), "{\"error\":{\"message\":\"x\",\"code\":500}}" },
          NULL,
          0,
          0,
          false,
          FAULT_CLASS_MAX },
        { &openai_ops, { "{not json" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &openai_ops, { "[1]" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &openai_ops,
          { CHUNK("{\"content\":\"<th\"}", "null"), CHUNK("{\"content\":\"ink>hm</thi\"}", "null"),
            CHUNK("{\"content\":\"nk> Hi\"}", "null"), " [DONE] " },
          "Hi",
          6,
          1,
          true,
          0 },
        { &azure_openai_ops,
          { "{\"choices\":[],\"prompt_filter_results\":[],\"id\":\"\",\"model\":\"\"}",
            "{\"choices\":[{\"index\":0,\"content_filter_results\":{},\"content_filter_offsets\":{}}]}",
            CHUNK("{\"content\":\"Hi\"}", "null"), CHUNK("{}", "\"content_filter\""), "[DONE]" },
          "Hi",
          6,
          1,
          true,
          0 },
        { &groq_ops,
          { CHUNK("{\"content\":\"Hi\",\"reasoning\":\"no\"}", "null"),
            "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}}",
            "[DONE]" },
          "Hi",
          5,
          2,
          false,
          0 },
        { &groq_ops,
          { CHUNK("{\"content\":\"Hi\"}", "null"),
            "{\"choices\":[],\"x_groq\":{\"error\":\"over capacity\"}}" },
          NULL,
          0,
          0,
          false,
          FAULT_SERVER },
        { &openai_compatible_ops,
          { "{\"choices\":[{\"delta\":{\"content\":\"H\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}",
            "{\"choices\":[{\"delta\":{\"content\":\"i\",\"reasoning_content\":\"no\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}" },
          "Hi",
          5,
          2,
          false,
          0 },
        { &anthropic_ops,
          { "{\"type\":\"message_start\",\"message\":{\"model\":\"m1\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}",
            "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
            "{\"type\":\"ping\"}",
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"no\"}}",
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}",
            "{\"type\":\"content_block_stop\",\"index\":0}", "{\"type\":\"a_later_invention\"}",
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":12}}",
            "{\"type\":\"message_stop\"}" },
          "Hi",
          25,
          12,
          false,
          0 },
        { &anthropic_ops,
          { "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}",
            "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}" },
          NULL,
          0,
          0,
          false,
          FAULT_BROKEN },
        { &anthropic_ops,
          { "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}" },
          NULL,
          0,
          0,
          false,
          FAULT_CLASS_MAX },
        { &anthropic_ops, { "{\"no\":\"type\"}" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &ollama_ops,
          { "{\"model\":\"m1\",\"message\":{\"role\":\"assistant\",\"content\":\"H\"},\"done\":false}",
            "{\"message\":{\"content\":\"i\"},\"done\":false}",
            "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":8}" },
          "Hi",
          26,
          8,
          false,
          0 },
        { &ollama_ops,
          { "{\"message\":{\"content\":\"H\"},\"done\":false}", "{\"error\":\"crash\"}" },
          NULL,
          0,
          0,
          false,
          FAULT_CLASS_MAX },
        { &ollama_ops,
          { "{\"message\":{\"content\":\"H\"},\"done\":false}" },
          NULL,
          0,
          0,
          false,
          FAULT_BROKEN },
};

static int collect(void *data, const char *text, size_t len)
{
        buf_append(data, text, len);
        return 0;
}

static void test_streams_are_read(void **state)
{
        struct call_request request = wiring_chat(true);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
                cleanup_(buf_done) struct buf told = BUF_EMPTY;
                struct reading reading;
                int r = 0;

                wiring_begin(&reading, streams[i].ops, &request);
                reading.answer.text = collect;
                reading.answer.data = &told;
                for (size_t j = 0; r == 0 && streams[i].events[j]; j++)
                        r = wire_read_event(&reading.answer, streams[i].events[j],
                                            strlen(streams[i].events[j]), &reading.error);
                if (r == 0)
                        r = wire_end(&reading.answer, &reading.error);
                if (!streams[i].text) {
                        if (streams[i].class == FAULT_CLASS_MAX
                                    ? r != -EREMOTEIO
                                    : r == 0 || !reading.answer.has_class ||
                                              reading.answer.class != streams[i].class)
                                fail_msg("stream %zu: %d %s", i, r, reading.error.message);
                } else {
                        if (r < 0)
                                fail_msg("stream %zu: %s", i, reading.error.message);
                        assert_string_equal(buf_text(&told), streams[i].text);
                        assert_string_equal(buf_text(&reading.result.text), streams[i].text);
                        assert_int_equal(reading.result.input_tokens, streams[i].input);
                        assert_int_equal(reading.result.output_tokens, streams[i].output);
                        assert_int_equal(reading.result.estimated, streams[i].estimated);
                }
                call_result_done(&reading.result);
        }
}

static void test_a_stream_that_broke_tells_what_it_used(void **state)
{
        struct call_request request = wiring_chat(true);
        struct fault fault = { 0 };
        struct reading reading;
        const char *event = CHUNK("{\"content\":\"Half an answer.\"}", "null");

        (void) state;
        wiring_begin(&reading, &openai_ops, &request);
        wire_count_fault(&reading.answer, &fault);
        assert_int_equal(fault.input_tokens + fault.output_tokens, 0);
        assert_int_equal(wire_read_event(&reading.answer, event, strlen(event), NULL), 0);
        wire_count_fault(&reading.answer, &fault);
        assert_int_equal(fault.input_tokens, 6);
        assert_int_equal(fault.output_tokens, 4);
        assert_true(fault.estimated);
        call_result_done(&reading.result);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_whole_answers_are_read),
                cmocka_unit_test(test_what_is_no_answer_is_a_fault),
                cmocka_unit_test(test_streams_are_read),
                cmocka_unit_test(test_a_stream_that_broke_tells_what_it_used),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
