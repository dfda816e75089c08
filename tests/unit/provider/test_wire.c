/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind's requests and answers, against the examples of the vendors' own descriptions. */
#include "config.h"

#include "provider/wire.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "provider/fault.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#define WIDTH 2
static char the_name[] = "p", the_key[] = "KEY", a_model[] = "m", an_embed_model[] = "text-embedding-3-small",
            ollama_model[] = "nomic-embed-text", cohere_model[] = "embed-v4.0", a_deployment[] = "my dep",
            an_endpoint[] = "http://host/v1/", azure_dated[] = "https://acme.openai.azure.com/",
            azure_undated[] = "https://acme.openai.azure.com/openai/v1/", plain_endpoint[] = "http://host",
            old_version[] = "2024-06-01";

static const struct chat_message messages[] = {
        { CHAT_USER, "One?" }, { CHAT_ASSISTANT, "Two." }, { CHAT_USER, "Three?" },
};
static const struct embed_text texts[] = { { "a", 1 }, { "b\"", 2 } };

static struct call_request chat_request(bool stream)
{
        return (struct call_request){ CALL_CHAT, .chat = { .system = "Be brief.", .messages = messages,
                .n_messages = 3, .temperature = 1.5, .top_p = 0.5, .max_tokens = 400,
                .stops = { "END" }, .n_stops = 1, .stream = stream } };
}

static const struct call_request embed_query = {
        CALL_EMBED, .embed = { EMBED_QUERY, texts, 2 },
};
static const struct call_request rerank = {
        CALL_RERANK, .rerank = { "q", texts, 2, 2 },
};
static const struct call_request probe = { .kind = CALL_PROBE };

static void make(struct provider *provider, struct provider_config *config, const struct provider_ops *ops,
                 enum provider_kind kind, char *endpoint, char *model)
{
        *config = (struct provider_config){ .name = the_name, .kind = kind, .endpoint = endpoint,
                                            .model = model, .send_sampling = true };
        *provider = (struct provider){ .ops = ops, .config = config, .dimensions = WIDTH, .key = the_key };
}

/* Two JSON texts say the same. */
static void assert_json(const char *text, const char *wanted)
{
        cleanup_json_ struct json_object *a = NULL, *b = NULL;

        assert_int_equal(json_parse(wanted, strlen(wanted), &b, NULL), 0);
        if (json_parse(text, strlen(text), &a, NULL) < 0 || !json_object_equal(a, b))
                fail_msg("%s\nis not\n%s", text, wanted);
}

static void assert_request(const struct provider *provider, const struct call_request *request,
                           const char *url, const char *header, const char *body)
{
        struct wire_request written = { 0 };
        struct error error;
        bool found = header == NULL;

        if (wire_write(provider, request, &written, &error) < 0)
                fail_msg("%s", error.message);
        assert_string_equal(buf_text(&written.url), url);
        for (size_t i = 0; written.headers[i]; i++)
                found |= header && strcmp(written.headers[i], header) == 0;
        assert_true(found);
        assert_null(written.headers[written.n_headers]);
        assert_string_equal(written.method, body ? "POST" : "GET");
        if (body)
                assert_json(buf_text(&written.body), body);
        wire_request_done(&written);
}

/* ---- Requests -------------------------------------------------------------------------------- */

#define MESSAGES "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"One?\"}," \
                 "{\"role\":\"assistant\",\"content\":\"Two.\"},{\"role\":\"user\",\"content\":\"Three?\"}]"
#define TURNS "[{\"role\":\"user\",\"content\":\"One?\"},{\"role\":\"assistant\",\"content\":\"Two.\"}," \
              "{\"role\":\"user\",\"content\":\"Three?\"}]"
#define FOLDED "[{\"role\":\"user\",\"content\":\"Be brief.\\n\\nOne?\"}," \
               "{\"role\":\"assistant\",\"content\":\"Two.\"},{\"role\":\"user\",\"content\":\"Three?\"}]"

static void test_openai_requests(void **state)
{
        struct call_request whole = chat_request(false), streamed = chat_request(true);
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &openai_ops, PROVIDER_KIND_OPENAI, an_endpoint, a_model);
        assert_request(&provider, &whole, "http://host/v1/chat/completions", "Authorization: Bearer KEY",
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_completion_tokens\":400,"
                       "\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}");
        assert_request(&provider, &streamed, "http://host/v1/chat/completions", "User-Agent: ragd/" PACKAGE_VERSION,
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_completion_tokens\":400,"
                       "\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"],"
                       "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assert_request(&provider, &embed_query, "http://host/v1/embeddings", "Content-Type: application/json",
                       "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        config.model = an_embed_model;
        assert_request(&provider, &embed_query, "http://host/v1/embeddings", NULL,
                       "{\"model\":\"text-embedding-3-small\",\"input\":[\"a\",\"b\\\"\"],\"dimensions\":2,"
                       "\"encoding_format\":\"base64\"}");
        assert_request(&provider, &probe, "http://host/v1/models", "Authorization: Bearer KEY", NULL);
        config.endpoint = NULL;
        assert_request(&provider, &probe, "https://api.openai.com/v1/models", NULL, NULL);
        assert_int_equal(wire_write(&provider, &rerank, &(struct wire_request){ 0 }, NULL), -EOPNOTSUPP);
        config.model = NULL;
        assert_int_equal(wire_write(&provider, &whole, &(struct wire_request){ 0 }, NULL), -EINVAL);
        provider.dimensions = 0;
        assert_int_equal(wire_write(&provider, &embed_query, &(struct wire_request){ 0 }, NULL), -EOPNOTSUPP);
}

static void test_switches_change_requests(void **state)
{
        struct call_request whole = chat_request(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &openai_compatible_ops, PROVIDER_KIND_OPENAI_COMPATIBLE, an_endpoint, NULL);
        config.fold_system_prompt = true;
        config.send_sampling = false;
        provider.key = NULL;
        assert_request(&provider, &whole, "http://host/v1/chat/completions", NULL,
                       "{\"messages\":" FOLDED ",\"max_tokens\":400,\"stop\":[\"END\"]}");
        config.token_parameter = TOKEN_PARAMETER_MAX_COMPLETION_TOKENS;
        assert_request(&provider, &whole, "http://host/v1/chat/completions", NULL,
                       "{\"messages\":" FOLDED ",\"max_completion_tokens\":400,\"stop\":[\"END\"]}");
        assert_request(&provider, &rerank, "http://host/v1/rerank", NULL,
                       "{\"query\":\"q\",\"documents\":[\"a\",\"b\\\"\"],\"top_n\":2}");
        config.model = a_model;
        assert_request(&provider, &embed_query, "http://host/v1/embeddings", NULL,
                       "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"]}");
        make(&provider, &config, &groq_ops, PROVIDER_KIND_GROQ, an_endpoint, a_model);
        config.token_parameter = TOKEN_PARAMETER_MAX_TOKENS;
        assert_request(&provider, &whole, "http://host/v1/chat/completions", "Authorization: Bearer KEY",
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_tokens\":400,\"temperature\":1.5,"
                       "\"top_p\":0.5,\"stop\":[\"END\"]}");
        assert_int_equal(wire_write(&provider, &embed_query, &(struct wire_request){ 0 }, NULL), -EOPNOTSUPP);
}

static void test_azure_has_two_families_of_urls(void **state)
{
        struct call_request whole = chat_request(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &azure_openai_ops, PROVIDER_KIND_AZURE_OPENAI, azure_dated, a_model);
        config.deployment = a_deployment;
        assert_request(&provider, &whole, "https://acme.openai.azure.com/openai/deployments/my%20dep/chat/"
                       "completions?api-version=2024-10-21", "api-key: KEY",
                       "{\"messages\":" MESSAGES ",\"max_tokens\":400,\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}");
        config.api_version = old_version;
        assert_request(&provider, &embed_query, "https://acme.openai.azure.com/openai/deployments/my%20dep/"
                       "embeddings?api-version=2024-06-01", "api-key: KEY",
                       "{\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        assert_request(&provider, &probe, "https://acme.openai.azure.com/openai/models?api-version=2024-06-01",
                       "api-key: KEY", NULL);
        config.endpoint = azure_undated;
        assert_request(&provider, &embed_query, "https://acme.openai.azure.com/openai/v1/embeddings", "api-key: KEY",
                       "{\"model\":\"my dep\",\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        assert_request(&provider, &probe, "https://acme.openai.azure.com/openai/v1/models", "api-key: KEY", NULL);
}

static void test_anthropic_requests(void **state)
{
        struct call_request whole = chat_request(false), streamed = chat_request(true);
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &anthropic_ops, PROVIDER_KIND_ANTHROPIC, plain_endpoint, a_model);
        assert_request(&provider, &whole, "http://host/v1/messages", "x-api-key: KEY",
                       "{\"model\":\"m\",\"max_tokens\":400,\"system\":\"Be brief.\",\"messages\":" TURNS ","
                       "\"temperature\":1,\"top_p\":0.5,\"stop_sequences\":[\"END\"]}");
        config.fold_system_prompt = true;
        config.endpoint = an_endpoint;
        streamed.chat.top_p = 1.0;
        assert_request(&provider, &streamed, "http://host/v1/messages", "anthropic-version: 2023-06-01",
                       "{\"model\":\"m\",\"max_tokens\":400,\"messages\":" FOLDED ",\"temperature\":1,"
                       "\"stop_sequences\":[\"END\"],\"stream\":true}");
        assert_request(&provider, &probe, "http://host/v1/models?limit=1000", "x-api-key: KEY", NULL);
}

static void test_ollama_is_told_how_much_room_to_make(void **state)
{
        struct call_request whole = chat_request(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &ollama_ops, PROVIDER_KIND_OLLAMA, an_endpoint, a_model);
        provider.key = NULL;
        assert_request(&provider, &whole, "http://host/api/chat", NULL,
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"stream\":false,\"options\":{\"num_ctx\":4096,"
                       "\"num_predict\":400,\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}}");
        config.context_tokens = 10000;
        config.send_sampling = false;
        whole.chat.stream = true;
        assert_request(&provider, &whole, "http://host/api/chat", NULL,
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"stream\":true,\"options\":{\"num_ctx\":10000,"
                       "\"num_predict\":400,\"stop\":[\"END\"]}}");
        config.context_tokens = 0;
        whole.chat.max_tokens = 9000;
        whole.chat.n_stops = 0;
        assert_request(&provider, &whole, "http://host/api/chat", NULL,
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"stream\":true,\"options\":{\"num_ctx\":16384,"
                       "\"num_predict\":9000}}");
        assert_request(&provider, &embed_query, "http://host/api/embed", NULL,
                       "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"],\"truncate\":true}");
        config.model = ollama_model;
        assert_request(&provider, &embed_query, "http://host/api/embed", NULL,
                       "{\"model\":\"nomic-embed-text\",\"input\":[\"a\",\"b\\\"\"],\"truncate\":true,\"dimensions\":2}");
        assert_request(&provider, &probe, "http://host/api/tags", NULL, NULL);
}

static void test_lmstudio_and_cohere_requests(void **state)
{
        struct call_request whole = chat_request(false), documents = embed_query;
        struct provider_config config;
        struct provider provider;

        (void) state;
        make(&provider, &config, &lmstudio_ops, PROVIDER_KIND_LMSTUDIO, plain_endpoint, a_model);
        assert_request(&provider, &whole, "http://host/v1/chat/completions", "Authorization: Bearer KEY",
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_tokens\":400,\"temperature\":1.5,"
                       "\"top_p\":0.5,\"stop\":[\"END\"]}");
        config.endpoint = an_endpoint;
        assert_request(&provider, &probe, "http://host/v1/models", NULL, NULL);

        make(&provider, &config, &cohere_ops, PROVIDER_KIND_COHERE, plain_endpoint, cohere_model);
        assert_request(&provider, &embed_query, "http://host/v2/embed", "X-Client-Name: ragd",
                       "{\"model\":\"embed-v4.0\",\"texts\":[\"a\",\"b\\\"\"],\"input_type\":\"search_query\","
                       "\"embedding_types\":[\"float\"],\"output_dimension\":2,\"truncate\":\"END\"}");
        documents.embed.purpose = EMBED_DOCUMENT;
        config.model = a_model;
        assert_request(&provider, &documents, "http://host/v2/embed", "Authorization: Bearer KEY",
                       "{\"model\":\"m\",\"texts\":[\"a\",\"b\\\"\"],\"input_type\":\"search_document\","
                       "\"embedding_types\":[\"float\"],\"truncate\":\"END\"}");
        assert_request(&provider, &rerank, "http://host/v2/rerank", NULL,
                       "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\\\"\"],\"top_n\":2}");
        assert_request(&provider, &probe, "http://host/v1/check-api-key", NULL, "{}");
        assert_int_equal(wire_write(&provider, &whole, &(struct wire_request){ 0 }, NULL), -EOPNOTSUPP);
}

/* ---- Answers --------------------------------------------------------------------------------- */

struct reading {
        struct provider_config config;
        struct provider provider;
        struct call_request request;
        struct call_result result;
        struct wire_answer answer;
        struct error error;
};

static void begin_reading(struct reading *reading, const struct provider_ops *ops,
                          const struct call_request *request)
{
        *reading = (struct reading){ .request = *request };
        make(&reading->provider, &reading->config, ops, provider_kind_from_name(ops->kind), plain_endpoint, a_model);
        reading->answer = (struct wire_answer){ .provider = &reading->provider, .request = &reading->request,
                                                .result = &reading->result };
}

/* The whole answer, to its end. */
static int read_whole(struct reading *reading, const struct provider_ops *ops,
                      const struct call_request *request, const char *body)
{
        int r;

        begin_reading(reading, ops, request);
        r = wire_read(&reading->answer, body, strlen(body), &reading->error);
        return r < 0 ? r : wire_end(&reading->answer, &reading->error);
}

static const struct {
        const struct provider_ops *ops;
        const char *body, *text;
        enum chat_finish finish;
        uint64_t input, output;
        bool estimated;
} wholes[] = {
        { &openai_ops, "{\"id\":\"c\",\"object\":\"chat.completion\",\"model\":\"gpt-4o-mini-2024-07-18\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":812,\"completion_tokens\":64,\"total_tokens\":876},\"error\":null}",
          "Hi", CHAT_FINISH_STOP, 812, 64, false },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"image\"},{\"type\":\"text\",\"text\":\"i\"}]},\"finish_reason\":\"length\"}]}",
          "Hi", CHAT_FINISH_LENGTH, 6, 1, true },
        { &azure_openai_ops, "{\"prompt_filter_results\":[],\"choices\":[{\"content_filter_results\":{},\"message\":{\"content\":\"Half\"},\"finish_reason\":\"content_filter\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2}}",
          "Half", CHAT_FINISH_FILTER, 9, 2, false },
        { &groq_ops, "{\"model\":\"openai/gpt-oss-20b\",\"choices\":[{\"message\":{\"content\":\"Hi\",\"reasoning\":\"hm\"},\"finish_reason\":\"stop\"}],\"usage\":{\"queue_time\":0.03,\"prompt_tokens\":20,\"completion_tokens\":40},\"x_groq\":{\"id\":\"req_01\"}}",
          "Hi", CHAT_FINISH_STOP, 20, 40, false },
        { &lmstudio_ops, "{\"choices\":[{\"message\":{\"content\":\"<think>hm</think>\\n\\nHi\",\"reasoning_content\":\"no\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}",
          "Hi", CHAT_FINISH_STOP, 3, 4, false },
        { &anthropic_ops, "{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-haiku-4-5\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"H\"},{\"type\":\"new\",\"text\":\"no\"},{\"type\":\"text\",\"text\":\"i\"}],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":812,\"output_tokens\":64,\"cache_creation_input_tokens\":10,\"cache_read_input_tokens\":5}}",
          "Hi", CHAT_FINISH_STOP, 827, 64, false },
        { &anthropic_ops, "{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"max_tokens\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}",
          "Hi", CHAT_FINISH_LENGTH, 1, 2, false },
        { &ollama_ops, "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"thinking\":\"no\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":8}",
          "Hi", CHAT_FINISH_STOP, 26, 8, false },
        { &ollama_ops, "{\"message\":{\"content\":\"Hi\"},\"done\":true,\"done_reason\":\"length\",\"eval_count\":8}",
          "Hi", CHAT_FINISH_LENGTH, 6, 8, true },
};

static void test_whole_answers_are_read(void **state)
{
        struct call_request request = chat_request(false);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(wholes); i++) {
                struct reading reading;

                if (read_whole(&reading, wholes[i].ops, &request, wholes[i].body) < 0)
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
        { &openai_ops, "", FAULT_GARBAGE }, { &openai_ops, "<html>", FAULT_GARBAGE },
        { &openai_ops, "{}", FAULT_GARBAGE }, { &openai_ops, "[]", FAULT_GARBAGE }, { &openai_ops, "null", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[]}", FAULT_GARBAGE }, { &openai_ops, "{\"choices\":{}}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[1]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":null},\"finish_reason\":\"stop\"}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":7}}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"\xff\"}}]}", FAULT_GARBAGE },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I can't\"},\"finish_reason\":\"stop\"}]}", FAULT_REFUSED },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"content_filter\"}]}", FAULT_REFUSED },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}", FAULT_REQUEST },
        { &openai_ops, "{\"choices\":[{\"message\":{\"content\":\"<think>on and on\"},\"finish_reason\":\"length\"}]}", FAULT_REQUEST },
        { &lmstudio_ops, "{\"error\":\"Unexpected endpoint or method. (POST /x). Returning 200 anyway\"}", FAULT_CLASS_MAX },
        { &anthropic_ops, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}", FAULT_CLASS_MAX },
        { &anthropic_ops, "{\"content\":[],\"stop_reason\":\"refusal\"}", FAULT_REFUSED },
        { &anthropic_ops, "{\"content\":\"x\"}", FAULT_GARBAGE },
        { &ollama_ops, "{\"error\":\"x\"}", FAULT_CLASS_MAX }, { &ollama_ops, "{\"models\":[]}", FAULT_GARBAGE },
};

static void test_what_is_no_answer_is_a_fault(void **state)
{
        struct call_request request = chat_request(false);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(spoiled); i++) {
                struct reading reading;
                int r = read_whole(&reading, spoiled[i].ops, &request, spoiled[i].body);

                if (spoiled[i].class == FAULT_CLASS_MAX ? r != -EREMOTEIO
                                                        : !reading.answer.has_class || reading.answer.class != spoiled[i].class)
                        fail_msg("%s: %d %s", spoiled[i].body, r, reading.error.message);
                if (r != -EREMOTEIO)
                        assert_memory_equal(reading.error.message, "provider p: ", 12);
                call_result_done(&reading.result);
        }
}

/* ---- Streams --------------------------------------------------------------------------------- */

#define CHUNK(delta, finish) "{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m1\",\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}"

static const struct {
        const struct provider_ops *ops;
        const char *events[10];
        const char *text; /* NULL: a fault */
        uint64_t input, output;
        bool estimated;
        enum fault_class class; /* FAULT_CLASS_MAX: an error for fault_read() */
} streams[] = {
        { &openai_ops, { CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"), CHUNK("{\"content\":\"H\"}", "null"),
            CHUNK("{\"content\":\"i\"}", "null"), CHUNK("{}", "\"stop\""),
            "{\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1}}", "[DONE]" }, "Hi", 9, 1, false, 0 },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null"), CHUNK("{}", "\"stop\"") }, "Hi", 6, 1, true, 0 },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null"), "[DONE]" }, "Hi", 6, 1, true, 0 },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null") }, NULL, 0, 0, false, FAULT_BROKEN },
        { &openai_ops, { NULL }, NULL, 0, 0, false, FAULT_BROKEN },
        { &openai_ops, { CHUNK("{\"content\":\"Hi\"}", "null"), "{\"error\":{\"message\":\"x\",\"code\":500}}" }, NULL, 0, 0, false, FAULT_CLASS_MAX },
        { &openai_ops, { "{not json" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &openai_ops, { "[1]" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &openai_ops, { CHUNK("{\"content\":\"<th\"}", "null"), CHUNK("{\"content\":\"ink>hm</thi\"}", "null"),
            CHUNK("{\"content\":\"nk> Hi\"}", "null"), " [DONE] " }, "Hi", 6, 1, true, 0 },
        { &azure_openai_ops, { "{\"choices\":[],\"prompt_filter_results\":[],\"id\":\"\",\"model\":\"\"}",
            "{\"choices\":[{\"index\":0,\"content_filter_results\":{},\"content_filter_offsets\":{}}]}",
            CHUNK("{\"content\":\"Hi\"}", "null"), CHUNK("{}", "\"content_filter\""), "[DONE]" }, "Hi", 6, 1, true, 0 },
        { &groq_ops, { CHUNK("{\"content\":\"Hi\",\"reasoning\":\"no\"}", "null"),
            "{\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"r\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}}", "[DONE]" },
          "Hi", 5, 2, false, 0 },
        { &groq_ops, { CHUNK("{\"content\":\"Hi\"}", "null"), "{\"choices\":[],\"x_groq\":{\"error\":\"over capacity\"}}" }, NULL, 0, 0, false, FAULT_SERVER },
        { &openai_compatible_ops, { "{\"choices\":[{\"delta\":{\"content\":\"H\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":1}}",
            "{\"choices\":[{\"delta\":{\"content\":\"i\",\"reasoning_content\":\"no\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}" }, "Hi", 5, 2, false, 0 },
        { &anthropic_ops, { "{\"type\":\"message_start\",\"message\":{\"model\":\"m1\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}",
            "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}", "{\"type\":\"ping\"}",
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"no\"}}",
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}",
            "{\"type\":\"content_block_stop\",\"index\":0}", "{\"type\":\"a_later_invention\"}",
            "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":12}}",
            "{\"type\":\"message_stop\"}" }, "Hi", 25, 12, false, 0 },
        { &anthropic_ops, { "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}",
            "{\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}" }, NULL, 0, 0, false, FAULT_BROKEN },
        { &anthropic_ops, { "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}" }, NULL, 0, 0, false, FAULT_CLASS_MAX },
        { &anthropic_ops, { "{\"no\":\"type\"}" }, NULL, 0, 0, false, FAULT_GARBAGE },
        { &ollama_ops, { "{\"model\":\"m1\",\"message\":{\"role\":\"assistant\",\"content\":\"H\"},\"done\":false}",
            "{\"message\":{\"content\":\"i\"},\"done\":false}",
            "{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":26,\"eval_count\":8}" }, "Hi", 26, 8, false, 0 },
        { &ollama_ops, { "{\"message\":{\"content\":\"H\"},\"done\":false}", "{\"error\":\"crash\"}" }, NULL, 0, 0, false, FAULT_CLASS_MAX },
        { &ollama_ops, { "{\"message\":{\"content\":\"H\"},\"done\":false}" }, NULL, 0, 0, false, FAULT_BROKEN },
};

static int collect(void *data, const char *text, size_t len)
{
        buf_append(data, text, len);
        return 0;
}

static void test_streams_are_read(void **state)
{
        struct call_request request = chat_request(true);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(streams); i++) {
                cleanup_(buf_done) struct buf told = BUF_EMPTY;
                struct reading reading;
                int r = 0;

                begin_reading(&reading, streams[i].ops, &request);
                reading.answer.text = collect;
                reading.answer.data = &told;
                for (size_t j = 0; r == 0 && streams[i].events[j]; j++)
                        r = wire_read_event(&reading.answer, streams[i].events[j], strlen(streams[i].events[j]), &reading.error);
                if (r == 0)
                        r = wire_end(&reading.answer, &reading.error);
                if (!streams[i].text) {
                        if (streams[i].class == FAULT_CLASS_MAX ? r != -EREMOTEIO
                                                                : r == 0 || !reading.answer.has_class || reading.answer.class != streams[i].class)
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
        struct call_request request = chat_request(true);
        struct fault fault = { 0 };
        struct reading reading;
        const char *event = CHUNK("{\"content\":\"Half an answer.\"}", "null");

        (void) state;
        begin_reading(&reading, &openai_ops, &request);
        wire_count_fault(&reading.answer, &fault);
        assert_int_equal(fault.input_tokens + fault.output_tokens, 0);
        assert_int_equal(wire_read_event(&reading.answer, event, strlen(event), NULL), 0);
        wire_count_fault(&reading.answer, &fault);
        assert_int_equal(fault.input_tokens, 6);
        assert_int_equal(fault.output_tokens, 4);
        assert_true(fault.estimated);
        call_result_done(&reading.result);
}

/* ---- Vectors --------------------------------------------------------------------------------- */

static const struct {
        const struct provider_ops *ops;
        const char *body;
        bool good; /* 0.5 1 and -2 0.25 */
} vectors[] = {
        { &openai_ops, "{\"data\":[{\"index\":1,\"embedding\":\"AAAAwAAAgD4=\"},{\"index\":0,\"embedding\":\"AAAAPwAAgD8=\"}],\"model\":\"m1\",\"usage\":{\"prompt_tokens\":2,\"total_tokens\":2}}", true },
        { &openai_compatible_ops, "{\"data\":[{\"embedding\":[0.5,1]},{\"embedding\":[-2,0.25]}],\"usage\":{\"total_tokens\":2}}", true },
        { &openai_compatible_ops, "[{\"index\":0,\"embedding\":[[0.5,1]]},{\"index\":1,\"embedding\":[[-2,0.25]]}]", true },
        { &lmstudio_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":1,\"embedding\":[-2,0.25]}],\"usage\":{\"prompt_tokens\":0}}", true },
        { &ollama_ops, "{\"embeddings\":[[0.5,1],[-2,0.25]],\"prompt_eval_count\":8}", true },
        { &cohere_ops, "{\"embeddings\":{\"float\":[[0.5,1],[-2,0.25]]},\"meta\":{\"billed_units\":{\"input_tokens\":4.0}}}", true },
        { &cohere_ops, "{\"response_type\":\"embeddings_floats\",\"embeddings\":[[0.5,1],[-2,0.25]]}", true },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":0,\"embedding\":[-2,0.25]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":2,\"embedding\":[-2,0.25]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1]},{\"index\":-1,\"embedding\":[-2,0.25]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5]},{\"index\":1,\"embedding\":[-2]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1,2]},{\"index\":1,\"embedding\":[-2,1,2]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,null]},{\"index\":1,\"embedding\":[-2,1]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,1e39]},{\"index\":1,\"embedding\":[-2,1]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":[0.5,NaN]},{\"index\":1,\"embedding\":[-2,1]}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPwAAwH8=\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}", false }, /* NaN */
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPw==\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":\"AAAAPwAAgD8AAIA/\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0,\"embedding\":\"?\"},{\"index\":1,\"embedding\":\"AAAAPwAAgD8=\"}]}", false },
        { &openai_ops, "{\"data\":[{\"index\":0},{\"index\":1}]}", false },
        { &openai_ops, "{\"data\":{}}", false }, { &openai_ops, "{}", false },
        { &ollama_ops, "{\"embeddings\":[]}", false }, { &cohere_ops, "{\"embeddings\":{\"int8\":[]}}", false },
};

static void test_vectors_are_put_where_they_belong(void **state)
{
        static const float wanted[] = { 0.5F, 1.0F, -2.0F, 0.25F };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(vectors); i++) {
                struct reading reading;
                int r = read_whole(&reading, vectors[i].ops, &embed_query, vectors[i].body);

                if (r != (vectors[i].good ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", vectors[i].body, r, reading.error.message);
                if (r == 0) {
                        assert_memory_equal(reading.result.vectors, wanted, sizeof wanted);
                        assert_true(reading.result.input_tokens > 0);
                        assert_int_equal(reading.result.estimated, !strstr(vectors[i].body, "tokens\":2") && !strstr(vectors[i].body, "count") && !strstr(vectors[i].body, "4.0"));
                } else {
                        assert_null(reading.result.vectors);
                }
                call_result_done(&reading.result);
        }
}

static void test_another_width_names_the_remedy(void **state)
{
        struct reading reading;

        (void) state;
        assert_int_equal(read_whole(&reading, &ollama_ops, &embed_query, "{\"embeddings\":[[1,2,3],[1,2,3]]}"), -EBADMSG);
        assert_string_equal(reading.error.message,
                            "provider p: vector 0 has 3 numbers, not 2: set rag.vector_storage.dimensions = 3 or "
                            "ask for another model");
}

/* ---- Scores and probes ----------------------------------------------------------------------- */

static const struct {
        const struct provider_ops *ops;
        const char *body;
        bool good; /* document 1 before 0 */
} scores[] = {
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":0,\"relevance_score\":0.12}],\"meta\":{\"billed_units\":{\"search_units\":1}}}", true },
        { &openai_compatible_ops, "{\"results\":[{\"index\":0,\"relevance_score\":0.12},{\"index\":1,\"relevance_score\":0.97}]}", true },
        { &openai_compatible_ops, "{\"data\":[{\"index\":0,\"score\":-3.5},{\"index\":1,\"score\":4}],\"usage\":{\"total_tokens\":7}}", true },
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":0.97}]}", false },
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":1,\"relevance_score\":0.9}]}", false },
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":0.97},{\"index\":2,\"relevance_score\":0.9}]}", false },
        { &cohere_ops, "{\"results\":[{\"index\":1,\"relevance_score\":1e39},{\"index\":0,\"relevance_score\":0.9}]}", false },
        { &cohere_ops, "{\"results\":[{\"index\":1},{\"index\":0}]}", false },
        { &cohere_ops, "{\"results\":{}}", false }, { &cohere_ops, "[]", false },
};

static void test_scores_are_ordered_and_within_one(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(scores); i++) {
                struct reading reading;
                int r = read_whole(&reading, scores[i].ops, &rerank, scores[i].body);

                if (r != (scores[i].good ? 0 : -EBADMSG))
                        fail_msg("%s: %d %s", scores[i].body, r, reading.error.message);
                if (r == 0) {
                        assert_int_equal(reading.result.n_scores, 2);
                        assert_int_equal(reading.result.scores[0].index, 1);
                        assert_int_equal(reading.result.scores[1].index, 0);
                        assert_true(reading.result.scores[0].score <= 1.0F && reading.result.scores[1].score >= 0.0F &&
                                    reading.result.scores[0].score > reading.result.scores[1].score);
                }
                call_result_done(&reading.result);
        }
}

static const struct {
        const struct provider_ops *ops;
        const char *body;
        int model; /* negative: garbage */
} probes[] = {
        { &openai_ops, "{\"object\":\"list\",\"data\":[{\"id\":\"x\"},{\"id\":\"m\"}]}", PROBE_MODEL_KNOWN },
        { &openai_ops, "{\"object\":\"list\",\"data\":[{\"id\":\"m-2\"}]}", PROBE_MODEL_ABSENT },
        { &groq_ops, "{\"data\":[]}", PROBE_MODEL_ABSENT },
        { &azure_openai_ops, "{\"data\":[{\"id\":\"gpt\"}]}", PROBE_MODEL_UNKNOWN },
        { &anthropic_ops, "{\"data\":[{\"id\":\"m-20260101\"}]}", PROBE_MODEL_KNOWN },
        { &anthropic_ops, "{\"data\":[{\"id\":\"m-small\"}]}", PROBE_MODEL_ABSENT },
        { &ollama_ops, "{\"models\":[{\"name\":\"m:latest\"}]}", PROBE_MODEL_KNOWN },
        { &ollama_ops, "{\"models\":[{\"name\":\"m:tiny\"}]}", PROBE_MODEL_ABSENT },
        { &lmstudio_ops, "{\"data\":[{\"id\":\"m\"}]}", PROBE_MODEL_KNOWN },
        { &lmstudio_ops, "{\"status\":\"fine\"}", -1 },
        { &openai_compatible_ops, "{\"data\":[{\"id\":\"/models/x.gguf\",\"owned_by\":\"llamacpp\"}]}", PROBE_MODEL_KNOWN },
        { &openai_compatible_ops, "{\"data\":[{\"id\":\"x\",\"owned_by\":\"vllm\"}]}", PROBE_MODEL_ABSENT },
        { &cohere_ops, "{\"valid\":true}", PROBE_MODEL_UNKNOWN },
        { &cohere_ops, "{\"valid\":false}", -1 }, { &cohere_ops, "{}", -1 },
        { &openai_ops, "{\"data\":7}", -1 }, { &openai_ops, "\"fine\"", -1 },
};

static void test_probes_find_the_model(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(probes); i++) {
                struct reading reading;
                int r = read_whole(&reading, probes[i].ops, &probe, probes[i].body);

                if (probes[i].model < 0 ? r == 0 : r != 0 || (int) reading.result.probe_model != probes[i].model)
                        fail_msg("%s: %d, model %d", probes[i].body, r, (int) reading.result.probe_model);
                call_result_done(&reading.result);
        }
}

static void test_no_more_is_read_than_an_answer_can_need(void **state)
{
        struct provider provider = { .dimensions = 1536 };
        struct call_request request = chat_request(false);

        (void) state;
        assert_true(wire_max_bytes(&provider, &request) < 2U << 20);
        request.chat.stream = true;
        assert_true(wire_max_bytes(&provider, &request) >= 16U << 20);
        assert_true(wire_max_bytes(&provider, &embed_query) < 2U << 20);
        assert_true(wire_max_bytes(&provider, &probe) == 8U << 20);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_openai_requests),
                cmocka_unit_test(test_switches_change_requests),
                cmocka_unit_test(test_azure_has_two_families_of_urls),
                cmocka_unit_test(test_anthropic_requests),
                cmocka_unit_test(test_ollama_is_told_how_much_room_to_make),
                cmocka_unit_test(test_lmstudio_and_cohere_requests),
                cmocka_unit_test(test_whole_answers_are_read),
                cmocka_unit_test(test_what_is_no_answer_is_a_fault),
                cmocka_unit_test(test_streams_are_read),
                cmocka_unit_test(test_a_stream_that_broke_tells_what_it_used),
                cmocka_unit_test(test_vectors_are_put_where_they_belong),
                cmocka_unit_test(test_another_width_names_the_remedy),
                cmocka_unit_test(test_scores_are_ordered_and_within_one),
                cmocka_unit_test(test_probes_find_the_model),
                cmocka_unit_test(test_no_more_is_read_than_an_answer_can_need),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
