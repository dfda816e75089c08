/* SPDX-License-Identifier: Apache-2.0 */
/* Each kind's requests, against the vendors' own descriptions. */
#include "config.h"

#include "tests/unit/provider/wiring.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "provider/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static char embed_model[] = "text-embedding-3-small", ollama_model[] = "nomic-embed-text",
            cohere_model[] = "embed-v4.0", a_deployment[] = "my dep",
            azure_dated[] = "https://acme.openai.azure.com/",
            azure_undated[] = "https://acme.openai.azure.com/openai/v1/",
            old_version[] = "2024-06-01";

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

#define MESSAGES                                                                                     \
        "[{\"role\":\"system\",\"content\":\"Be brief.\"},{\"role\":\"user\",\"content\":\"One?\"}," \
        "{\"role\":\"assistant\",\"content\":\"Two.\"},{\"role\":\"user\",\"content\":\"Three?\"}]"
#define TURNS                                                                                      \
        "[{\"role\":\"user\",\"content\":\"One?\"},{\"role\":\"assistant\",\"content\":\"Two.\"}," \
        "{\"role\":\"user\",\"content\":\"Three?\"}]"
#define FOLDED                                                                                     \
        "[{\"role\":\"user\",\"content\":\"Be brief.\\n\\nOne?\"},"                                \
        "{\"role\":\"assistant\",\"content\":\"Two.\"},{\"role\":\"user\",\"content\":\"Three?\"}]"

static void test_openai_requests(void **state)
{
        struct call_request whole = wiring_chat(false), streamed = wiring_chat(true);
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &openai_ops, wiring_v1, wiring_model);
        assert_request(&provider, &whole, "http://host/v1/chat/completions",
                       "Authorization: Bearer KEY",
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_completion_tokens\":400,"
                       "\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}");
        assert_request(&provider, &streamed, "http://host/v1/chat/completions",
                       "User-Agent: ragd/" PACKAGE_VERSION,
                       "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_completion_tokens\":400,"
                       "\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"],"
                       "\"stream\":true,\"stream_options\":{\"include_usage\":true}}");
        assert_request(
                &provider, &wiring_embed, "http://host/v1/embeddings",
                "Content-Type: application/json",
                "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        config.model = embed_model;
        assert_request(
                &provider, &wiring_embed, "http://host/v1/embeddings", NULL,
                "{\"model\":\"text-embedding-3-small\",\"input\":[\"a\",\"b\\\"\"],\"dimensions\":2,"
                "\"encoding_format\":\"base64\"}");
        assert_request(&provider, &wiring_probe, "http://host/v1/models",
                       "Authorization: Bearer KEY", NULL);
        config.endpoint = NULL;
        assert_request(&provider, &wiring_probe, "https://api.openai.com/v1/models", NULL, NULL);
        assert_int_equal(wire_write(&provider, &wiring_rerank, &(struct wire_request){ 0 }, NULL),
                         -EOPNOTSUPP);
        config.model = NULL;
        assert_int_equal(wire_write(&provider, &whole, &(struct wire_request){ 0 }, NULL), -EINVAL);
        provider.dimensions = 0;
        assert_int_equal(wire_write(&provider, &wiring_embed, &(struct wire_request){ 0 }, NULL),
                         -EOPNOTSUPP);
}

static void test_switches_change_requests(void **state)
{
        struct call_request whole = wiring_chat(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &openai_compatible_ops, wiring_v1, NULL);
        config.fold_system_prompt = true;
        config.send_sampling = false;
        provider.key = NULL;
        assert_request(&provider, &whole, "http://host/v1/chat/completions", NULL,
                       "{\"messages\":" FOLDED ",\"max_tokens\":400,\"stop\":[\"END\"]}");
        config.token_parameter = TOKEN_PARAMETER_MAX_COMPLETION_TOKENS;
        assert_request(&provider, &whole, "http://host/v1/chat/completions", NULL,
                       "{\"messages\":" FOLDED
                       ",\"max_completion_tokens\":400,\"stop\":[\"END\"]}");
        assert_request(&provider, &wiring_rerank, "http://host/v1/rerank", NULL,
                       "{\"query\":\"q\",\"documents\":[\"a\",\"b\\\"\"],\"top_n\":2}");
        config.model = wiring_model;
        assert_request(&provider, &wiring_embed, "http://host/v1/embeddings", NULL,
                       "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"]}");
        wiring_make(&provider, &config, &groq_ops, wiring_v1, wiring_model);
        config.token_parameter = TOKEN_PARAMETER_MAX_TOKENS;
        assert_request(
                &provider, &whole, "http://host/v1/chat/completions", "Authorization: Bearer KEY",
                "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_tokens\":400,\"temperature\":1.5,"
                "\"top_p\":0.5,\"stop\":[\"END\"]}");
        assert_int_equal(wire_write(&provider, &wiring_embed, &(struct wire_request){ 0 }, NULL),
                         -EOPNOTSUPP);
}

static void test_azure_has_two_families_of_urls(void **state)
{
        struct call_request whole = wiring_chat(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &azure_openai_ops, azure_dated, wiring_model);
        config.deployment = a_deployment;
        assert_request(&provider, &whole,
                       "https://acme.openai.azure.com/openai/deployments/my%20dep/chat/"
                       "completions?api-version=2024-10-21",
                       "api-key: KEY",
                       "{\"messages\":" MESSAGES
                       ",\"max_tokens\":400,\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}");
        config.api_version = old_version;
        assert_request(&provider, &wiring_embed,
                       "https://acme.openai.azure.com/openai/deployments/my%20dep/"
                       "embeddings?api-version=2024-06-01",
                       "api-key: KEY",
                       "{\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        assert_request(&provider, &wiring_probe,
                       "https://acme.openai.azure.com/openai/models?api-version=2024-06-01",
                       "api-key: KEY", NULL);
        config.endpoint = azure_undated;
        assert_request(
                &provider, &wiring_embed, "https://acme.openai.azure.com/openai/v1/embeddings",
                "api-key: KEY",
                "{\"model\":\"my dep\",\"input\":[\"a\",\"b\\\"\"],\"encoding_format\":\"base64\"}");
        assert_request(&provider, &wiring_probe, "https://acme.openai.azure.com/openai/v1/models",
                       "api-key: KEY", NULL);
}

static void test_anthropic_requests(void **state)
{
        struct call_request whole = wiring_chat(false), streamed = wiring_chat(true);
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &anthropic_ops, wiring_endpoint, wiring_model);
        assert_request(
                &provider, &whole, "http://host/v1/messages", "x-api-key: KEY",
                "{\"model\":\"m\",\"max_tokens\":400,\"system\":\"Be brief.\",\"messages\":" TURNS
                ","
                "\"temperature\":1,\"top_p\":0.5,\"stop_sequences\":[\"END\"]}");
        config.fold_system_prompt = true;
        config.endpoint = wiring_v1;
        streamed.chat.top_p = 1.0;
        assert_request(
                &provider, &streamed, "http://host/v1/messages", "anthropic-version: 2023-06-01",
                "{\"model\":\"m\",\"max_tokens\":400,\"messages\":" FOLDED ",\"temperature\":1,"
                "\"stop_sequences\":[\"END\"],\"stream\":true}");
        assert_request(&provider, &wiring_probe, "http://host/v1/models?limit=1000",
                       "x-api-key: KEY", NULL);
}

static void test_ollama_is_told_how_much_room_to_make(void **state)
{
        struct call_request whole = wiring_chat(false);
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &ollama_ops, wiring_v1, wiring_model);
        provider.key = NULL;
        assert_request(
                &provider, &whole, "http://host/api/chat", NULL,
                "{\"model\":\"m\",\"messages\":" MESSAGES
                ",\"stream\":false,\"options\":{\"num_ctx\":4096,"
                "\"num_predict\":400,\"temperature\":1.5,\"top_p\":0.5,\"stop\":[\"END\"]}}");
        config.context_tokens = 10000;
        config.send_sampling = false;
        whole.chat.stream = true;
        assert_request(&provider, &whole, "http://host/api/chat", NULL,
                       "{\"model\":\"m\",\"messages\":" MESSAGES
                       ",\"stream\":true,\"options\":{\"num_ctx\":10000,"
                       "\"num_predict\":400,\"stop\":[\"END\"]}}");
        config.context_tokens = 0;
        whole.chat.max_tokens = 9000;
        whole.chat.n_stops = 0;
        assert_request(&provider, &whole, "http://host/api/chat", NULL,
                       "{\"model\":\"m\",\"messages\":" MESSAGES
                       ",\"stream\":true,\"options\":{\"num_ctx\":16384,"
                       "\"num_predict\":9000}}");
        assert_request(&provider, &wiring_embed, "http://host/api/embed", NULL,
                       "{\"model\":\"m\",\"input\":[\"a\",\"b\\\"\"],\"truncate\":true}");
        config.model = ollama_model;
        assert_request(
                &provider, &wiring_embed, "http://host/api/embed", NULL,
                "{\"model\":\"nomic-embed-text\",\"input\":[\"a\",\"b\\\"\"],\"truncate\":true,\"dimensions\":2}");
        assert_request(&provider, &wiring_probe, "http://host/api/tags", NULL, NULL);
}

static void test_lmstudio_and_cohere_requests(void **state)
{
        struct call_request whole = wiring_chat(false), documents = wiring_embed;
        struct provider_config config;
        struct provider provider;

        (void) state;
        wiring_make(&provider, &config, &lmstudio_ops, wiring_endpoint, wiring_model);
        assert_request(
                &provider, &whole, "http://host/v1/chat/completions", "Authorization: Bearer KEY",
                "{\"model\":\"m\",\"messages\":" MESSAGES ",\"max_tokens\":400,\"temperature\":1.5,"
                "\"top_p\":0.5,\"stop\":[\"END\"]}");
        config.endpoint = wiring_v1;
        assert_request(&provider, &wiring_probe, "http://host/v1/models", NULL, NULL);

        wiring_make(&provider, &config, &cohere_ops, wiring_endpoint, cohere_model);
        assert_request(
                &provider, &wiring_embed, "http://host/v2/embed", "X-Client-Name: ragd",
                "{\"model\":\"embed-v4.0\",\"texts\":[\"a\",\"b\\\"\"],\"input_type\":\"search_query\","
                "\"embedding_types\":[\"float\"],\"output_dimension\":2,\"truncate\":\"END\"}");
        documents.embed.purpose = EMBED_DOCUMENT;
        config.model = wiring_model;
        assert_request(
                &provider, &documents, "http://host/v2/embed", "Authorization: Bearer KEY",
                "{\"model\":\"m\",\"texts\":[\"a\",\"b\\\"\"],\"input_type\":\"search_document\","
                "\"embedding_types\":[\"float\"],\"truncate\":\"END\"}");
        assert_request(
                &provider, &wiring_rerank, "http://host/v2/rerank", NULL,
                "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\\\"\"],\"top_n\":2}");
        assert_request(&provider, &wiring_probe, "http://host/v1/check-api-key", NULL, "{}");
        assert_int_equal(wire_write(&provider, &whole, &(struct wire_request){ 0 }, NULL),
                         -EOPNOTSUPP);
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
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
