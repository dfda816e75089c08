/* SPDX-License-Identifier: Apache-2.0 */
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
#include <string.h>

#define WIDTH 64
#define TEXT(literal) { literal, sizeof literal - 1 }

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
        assert_string_equal(error.message,
                            "provider embedder: kind anthropic cannot embed in this version; "
                            "kinds that can: hashing, client, mock");
        assert_null(provider);
        assert_null(provider_ops_find("anthropic"));
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
                                                      vectors[0], &usage, NULL), 0);
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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_kind_that_cannot_embed_says_which_can),
                cmocka_unit_test(test_rows_say_what_their_vectors_are),
                cmocka_unit_test(test_hashing_refuses_widths_it_cannot_make),
                cmocka_unit_test(test_vectors_depend_on_the_text_alone),
                cmocka_unit_test(test_many_threads_share_one_provider),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
