/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "config/providers.h"
#include "config/values.h"
#include "provider/hashing.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 64
#define TEXT(literal)                                                                              \
        {                                                                                          \
                literal, sizeof literal - 1                                                        \
        }

static char the_name[] = "embedder";

static struct provider *open_kind(enum provider_kind kind)
{
        static struct provider_config configs[PROVIDER_KIND_MAX];
        struct provider *provider = NULL;

        configs[kind] = (struct provider_config){ .name = the_name, .kind = kind };
        assert_int_equal(provider_open(&configs[kind], WIDTH, &provider, NULL), 0);
        assert_int_equal(provider->dimensions, WIDTH);
        assert_ptr_equal(provider->config, &configs[kind]);
        assert_ptr_equal(provider->ops, provider_ops_find(provider_kind_name(kind)));
        return provider;
}

static void test_a_kind_that_cannot_embed_says_which_can(void **state)
{
        struct provider_config config = { .name = the_name, .kind = PROVIDER_KIND_ANTHROPIC };
        struct provider *provider = NULL;
        struct error error = { 0 };

        (void) state;
        assert_int_equal(provider_open(&config, WIDTH, &provider, &error), -EOPNOTSUPP);
        assert_string_equal(
                error.message,
                "provider embedder: kind anthropic cannot embed; kinds that can: openai, "
                "azure-openai, ollama, lmstudio, openai-compatible, cohere, hashing, mock, "
                "recorded");
        assert_null(provider);
        assert_null(provider_ops_find("no-such-kind"));
        assert_null(provider_free(NULL));
}

static void test_rows_say_what_their_vectors_are(void **state)
{
        (void) state;
        assert_true(provider_ops_find("hashing")->lexical);
        assert_int_equal(provider_ops_find("hashing")->algorithm, HASHING_VERSION);
        assert_true(provider_ops_find("client")->from_client);
        assert_null(provider_ops_find("client")->embed);
        assert_false(provider_ops_find("mock")->lexical);
        provider_free(open_kind(PROVIDER_KIND_CLIENT));
}

static void test_hashing_refuses_widths_it_cannot_make(void **state)
{
        static const uint32_t widths[] = { 0, 31, 4097 };
        struct provider_config config = { .name = the_name, .kind = PROVIDER_KIND_HASHING };
        struct provider *provider = NULL;
        struct error error = { 0 };

        (void) state;
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(provider_open(&config, widths[i], &provider, &error), -EINVAL);
                assert_non_null(strstr(error.message, "32 to 4096"));
        }
}

static void test_vectors_depend_on_the_text_alone(void **state)
{
        static const enum provider_kind kinds[] = { PROVIDER_KIND_HASHING, PROVIDER_KIND_MOCK };
        static const struct embed_text texts[] = {
                TEXT("one text"), TEXT("another"), TEXT("one text"), TEXT(""), TEXT("\xff"),
        };

        (void) state;
        for (size_t k = 0; k < 2; k++) {
                struct provider *provider = open_kind(kinds[k]);
                struct embed_usage usage = { 0 };
                float vectors[5][WIDTH];

                assert_int_equal(provider->ops->embed(provider, EMBED_DOCUMENT, texts, 5,
                                                      vectors[0], &usage, NULL),
                                 0);
                assert_memory_equal(vectors[0], vectors[2], sizeof vectors[0]);
                assert_memory_not_equal(vectors[0], vectors[1], sizeof vectors[0]);
                for (size_t i = 0; i < 5; i++) {
                        double length = 0.0;

                        for (size_t j = 0; j < WIDTH; j++)
                                length += (double) vectors[i][j] * (double) vectors[i][j];
                        assert_true(fabs(length - 1.0) < 1e-5);
                }
                assert_true(usage.tokens >= 5 && usage.estimated);
                provider_free(provider);
        }
}

struct caller {
        struct provider *provider;
        float vector[WIDTH];
};

static void *call_often(void *data)
{
        static const struct embed_text text = TEXT("threads do not get in each other's way");
        struct caller *caller = data;
        struct embed_usage usage;

        for (int i = 0; i < 200; i++)
                if (caller->provider->ops->embed(caller->provider, EMBED_QUERY, &text, 1,
                                                 caller->vector, &usage, NULL) < 0)
                        memset(caller->vector, 0, sizeof caller->vector);
        return NULL;
}

static void test_many_threads_share_one_provider(void **state)
{
        struct provider *provider = open_kind(PROVIDER_KIND_HASHING);
        struct caller callers[4];
        pthread_t threads[4];

        (void) state;
        for (size_t i = 0; i < 4; i++) {
                callers[i].provider = provider;
                assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
        }
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(pthread_join(threads[i], NULL), 0);
                assert_memory_equal(callers[i].vector, callers[0].vector, sizeof callers[0].vector);
        }
        provider_free(provider);
}

static void test_every_kind_of_a_profile_has_a_row(void **state)
{
        (void) state;
        for (int kind = 0; kind < PROVIDER_KIND_MAX; kind++) {
                const struct provider_traits *traits =
                        provider_kind_traits((enum provider_kind) kind);
                const struct provider_ops *ops =
                        provider_ops_find(provider_kind_name((enum provider_kind) kind));
                struct provider provider = { .ops = ops, .dimensions = WIDTH };

                assert_non_null(ops);
                assert_int_equal(provider_can(&provider, CALL_CHAT), traits->generates);
                assert_int_equal(provider_can(&provider, CALL_RERANK), traits->reranks);
                assert_int_equal(provider_can(&provider, CALL_EMBED) || ops->from_client,
                                 traits->embeds);
                provider.dimensions = 0;
                assert_false(provider_can(&provider, CALL_EMBED));
        }
}

static void test_a_key_that_no_header_can_hold_is_refused(void **state)
{
        static const char *const keys[] = { "",         "with space", "line\nbreak",
                                            "return\r", "\xc3\xa9",   " " };
        static char reference[] = "env:TEST_PROVIDER_KEY";
        struct provider_config config = { .name = the_name,
                                          .kind = PROVIDER_KIND_GROQ,
                                          .api_key = reference };
        struct provider *provider = NULL;
        struct error error;

        (void) state;
        assert_int_equal(unsetenv("TEST_PROVIDER_KEY"), 0);
        assert_int_equal(provider_open(&config, 0, &provider, &error), -ENOENT);
        for (size_t i = 0; i < ELEMENTSOF(keys); i++) {
                assert_int_equal(setenv("TEST_PROVIDER_KEY", keys[i], 1), 0);
                assert_int_equal(provider_open(&config, 0, &provider, &error), -EINVAL);
                assert_memory_equal(error.message, "provider embedder: env:TEST_PROVIDER_KEY", 40);
                assert_true(i == 0 || i == 5 || !strstr(error.message, keys[i]));
        }
        assert_int_equal(setenv("TEST_PROVIDER_KEY", "sk-good", 1), 0);
        assert_int_equal(provider_open(&config, 0, &provider, &error), 0);
        assert_string_equal(provider->key, "sk-good");
        assert_null(provider_free(provider));
        config.api_key = NULL;
        assert_int_equal(provider_open(&config, 0, &provider, &error), -EINVAL);
        config.kind = PROVIDER_KIND_OLLAMA;
        assert_int_equal(provider_open(&config, 0, &provider, &error), 0);
        assert_null(provider->key);
        assert_null(provider_free(provider));
}

static void test_identities_tell_models_and_places_apart(void **state)
{
        static char model[] = "m", endpoint[] = "http://h", deployment[] = "d";
        struct provider_config config = { .name = the_name,
                                          .kind = PROVIDER_KIND_OLLAMA,
                                          .model = model };
        struct provider provider = { .ops = provider_ops_find("ollama"), .config = &config };
        char text[256];

        (void) state;
        assert_string_equal(provider_identity(&provider, text, sizeof text),
                            "ollama m http://127.0.0.1:11434");
        config.endpoint = endpoint;
        assert_string_equal(provider_identity(&provider, text, sizeof text), "ollama m http://h");
        config.kind = PROVIDER_KIND_AZURE_OPENAI;
        config.deployment = deployment;
        provider.ops = provider_ops_find("azure-openai");
        assert_string_equal(provider_identity(&provider, text, sizeof text),
                            "azure-openai d http://h");
}

static void test_the_mock_quotes_the_first_passage(void **state)
{
        static const struct {
                const char *prompt, *answer;
        } rows[] = {
                { "Passages:\n[1] Flow is laminar. It is slow.\n[2] No.\n\nWhat?",
                  "The first passage says: Flow is laminar. [1]" },
                { "[1]: v1.5 is out\nMore.", "The first passage says: v1.5 is out [1]" },
                { "What?", "There is no passage to answer from." },
                { "[1] ", "There is no passage to answer from." },
        };
        struct provider *provider = open_kind(PROVIDER_KIND_MOCK);

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                struct chat_message message = { CHAT_USER, rows[i].prompt };
                struct chat_request request = { .messages = &message,
                                                .n_messages = 1,
                                                .max_tokens = 100 };
                struct call_result result = { 0 };

                assert_int_equal(provider->ops->chat(provider, &request, &result, NULL), 0);
                assert_string_equal(buf_text(&result.text), rows[i].answer);
                assert_int_equal(result.finish, CHAT_FINISH_STOP);
                assert_true(result.input_tokens > 0 && result.output_tokens > 0);
                call_result_done(&result);
                request.max_tokens = 2;
                assert_int_equal(provider->ops->chat(provider, &request, &result, NULL), 0);
                assert_int_equal(result.text.len, 8);
                assert_int_equal(result.finish, CHAT_FINISH_LENGTH);
                call_result_done(&result);
        }
        provider_free(provider);
}

static void test_the_mock_ranks_by_shared_words(void **state)
{
        static const struct embed_text documents[] = { TEXT("nothing"), TEXT("the laminar flow"),
                                                       TEXT("a flow") };
        struct provider *provider = open_kind(PROVIDER_KIND_MOCK);
        struct rerank_request request = { "Laminar flows", documents, 3, 2 };
        struct call_result result = { 0 };

        (void) state;
        assert_int_equal(provider->ops->rerank(provider, &request, &result, NULL), 0);
        assert_int_equal(result.n_scores, 2);
        assert_int_equal(result.scores[0].index, 1);
        assert_true(result.scores[0].score == 1.0F);
        assert_int_equal(result.scores[1].index, 2);
        assert_true(result.scores[1].score == 0.5F);
        call_result_done(&result);
        provider_free(provider);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_kind_that_cannot_embed_says_which_can),
                cmocka_unit_test(test_rows_say_what_their_vectors_are),
                cmocka_unit_test(test_hashing_refuses_widths_it_cannot_make),
                cmocka_unit_test(test_vectors_depend_on_the_text_alone),
                cmocka_unit_test(test_many_threads_share_one_provider),
                cmocka_unit_test(test_every_kind_of_a_profile_has_a_row),
                cmocka_unit_test(test_a_key_that_no_header_can_hold_is_refused),
                cmocka_unit_test(test_identities_tell_models_and_places_apart),
                cmocka_unit_test(test_the_mock_quotes_the_first_passage),
                cmocka_unit_test(test_the_mock_ranks_by_shared_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
