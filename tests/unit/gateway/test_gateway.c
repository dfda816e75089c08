/* SPDX-License-Identifier: Apache-2.0 */
#include "config/values.h"
#include "gateway/batches.h"
#include "gateway/gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#define WIDTH 4
#define TEXTS 10

static char the_name[] = "scripted";

/* A provider that plays what a test wrote down. */
struct scripted {
        struct provider provider;
        size_t calls, sizes[16];
        char first_text[64];
        size_t fail_call; /* counted from 1; 0: never */
        size_t bad_text;  /* counted over all calls from 0 */
        float bad_value;
        bool bad, forget, zero;
        size_t texts;
};

static int scripted_embed(struct provider *provider, enum embed_purpose purpose,
                          const struct embed_text *texts, size_t n, float *ret_vectors,
                          struct embed_usage *ret_usage, struct error *reterr)
{
        struct scripted *scripted = (struct scripted *) provider;

        (void) purpose;
        if (scripted->texts == 0)
                memcpy(scripted->first_text, texts[0].text, texts[0].len);
        scripted->sizes[scripted->calls++] = n;
        if (scripted->calls == scripted->fail_call)
                return error_set(reterr, -ECONNREFUSED, "nobody listens");
        for (size_t i = 0; i < n; i++, scripted->texts++) {
                bool fault = scripted->bad && scripted->texts == scripted->bad_text;

                if (fault && scripted->forget)
                        continue;
                for (size_t j = 0; j < WIDTH; j++)
                        ret_vectors[i * WIDTH + j] = fault && scripted->zero ? 0.0F : 2.0F;
                if (fault && !scripted->zero)
                        ret_vectors[i * WIDTH + 1] = scripted->bad_value;
                ret_vectors[i * WIDTH] *= texts[i].text[texts[i].len - 1] == '3' ? -1.0F : 1.0F;
        }
        *ret_usage = (struct embed_usage){ .tokens = n };
        return 0;
}

static const struct provider_config scripted_config = { .name = the_name };

static int embed(struct scripted *scripted, const struct embed_rules *rules, uint32_t max_batch,
                 float vectors[TEXTS * WIDTH], struct embed_usage *usage, struct error *reterr)
{
        const struct provider_ops ops = {
                .kind = "mock", .embed = scripted_embed, .max_batch = max_batch,
        };
        char text[TEXTS][8];
        struct embed_text texts[TEXTS];

        scripted->provider = (struct provider){ .ops = &ops, .config = &scripted_config,
                                                  .dimensions = WIDTH };
        for (int i = 0; i < TEXTS; i++) {
                text[i][0] = 't';
                text[i][1] = (char) ('0' + i);
                texts[i] = (struct embed_text){ text[i], 2 };
        }
        return embed_batches(&scripted->provider, rules, EMBED_DOCUMENT, texts, TEXTS, vectors,
                             usage, reterr);
}

static void test_batches_are_cut_by_profile_and_provider(void **state)
{
        static const struct {
                uint32_t profile, provider;
                size_t calls, last;
        } cases[] = { { 4, 0, 3, 2 }, { 4, 3, 4, 1 }, { 3, 4, 4, 1 }, { 100, 0, 1, 10 }, { 1, 0, 10, 1 } };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
                struct embed_rules rules = { NULL, cases[i].profile, false };
                struct scripted scripted = { 0 };
                struct embed_usage usage;
                float vectors[TEXTS * WIDTH];

                assert_int_equal(embed(&scripted, &rules, cases[i].provider, vectors, &usage, NULL), 0);
                assert_int_equal(scripted.calls, cases[i].calls);
                assert_int_equal(scripted.sizes[scripted.calls - 1], cases[i].last);
                assert_int_equal(usage.tokens, TEXTS);
                assert_false(usage.estimated);
                for (size_t t = 0; t < TEXTS; t++) /* each text kept its vector */
                        assert_true(vectors[t * WIDTH] == (t == 3 ? -2.0F : 2.0F));
        }
}

static void test_prefix_and_unit_length_follow_the_profile(void **state)
{
        struct embed_rules rules = { "passage: ", 4, true };
        struct scripted scripted = { 0 };
        struct embed_usage usage;
        float vectors[TEXTS * WIDTH];

        (void) state;
        assert_int_equal(embed(&scripted, &rules, 0, vectors, &usage, NULL), 0);
        assert_string_equal(scripted.first_text, "passage: t0");
        for (size_t i = 0; i < TEXTS * WIDTH; i++)
                assert_true(fabsf(vectors[i]) == 0.5F);
}

static void refuse(struct scripted scripted, int code, const char *phrase)
{
        struct embed_rules rules = { NULL, 4, true };
        struct embed_usage usage = { .tokens = 77 };
        struct error error = { 0 };
        float vectors[TEXTS * WIDTH];

        assert_int_equal(embed(&scripted, &rules, 0, vectors, &usage, &error), code);
        assert_non_null(strstr(error.message, phrase));
        assert_non_null(strstr(error.message, "provider scripted"));
        assert_int_equal(usage.tokens, 77);
        for (size_t i = 0; i < TEXTS * WIDTH; i++)
                assert_true(isnan(vectors[i]));
}

static void test_one_bad_vector_lets_nothing_through(void **state)
{
        (void) state;
        refuse((struct scripted){ .fail_call = 3 }, -ECONNREFUSED, "nobody listens");
        refuse((struct scripted){ .bad = true, .bad_text = 9, .bad_value = NAN }, -EBADMSG,
               "vector 2 of 2: component 1 of the vector is not a number");
        refuse((struct scripted){ .bad = true, .bad_text = 4, .bad_value = INFINITY }, -EBADMSG,
               "vector 1 of 4: component 1 of the vector is infinite");
        refuse((struct scripted){ .bad = true, .bad_text = 0, .zero = true }, -EBADMSG, "zero");
        refuse((struct scripted){ .bad = true, .bad_text = 5, .forget = true }, -EBADMSG, "not a number");
}

static struct gateway *open_gateway(enum provider_kind kind, bool normalize)
{
        static struct provider_config provider;
        static struct embedding_config embedding;
        const struct gateway_settings settings = { .embedder = &provider, .embedding = &embedding,
                                                   .dimensions = 32 };
        struct gateway *gateway = NULL;

        provider = (struct provider_config){ .name = the_name, .kind = kind };
        embedding = (struct embedding_config){ .batch_size = 8, .normalize = normalize };
        assert_int_equal(gateway_new(&settings, &gateway, NULL), 0);
        return gateway;
}

static void test_the_clients_vectors_are_admitted_or_refused(void **state)
{
        struct gateway *gateway = open_gateway(PROVIDER_KIND_CLIENT, true);
        struct embed_text text = { "a", 1 };
        struct embed_usage usage;
        struct error error = { 0 };
        float vector[33] = { 3.0F, 4.0F };

        (void) state;
        assert_int_equal(gateway_embed(gateway, (struct tenant_id){ 0 }, EMBED_QUERY, &text, 1,
                                       NULL, vector, &usage, &error), -EOPNOTSUPP);
        assert_non_null(strstr(error.message, "vector_base64"));
        assert_int_equal(gateway_admit_vector(gateway, vector, 33, &error), -EINVAL);
        assert_string_equal(error.message, "the vector has 33 components; this profile's have 32");
        assert_int_equal(gateway_admit_vector(gateway, vector, 32, &error), 0);
        assert_true(fabsf(vector[0] - 0.6F) < 1e-6F && fabsf(vector[1] - 0.8F) < 1e-6F);
        vector[31] = NAN;
        assert_int_equal(gateway_admit_vector(gateway, vector, 32, &error), -EINVAL);
        memset(vector, 0, sizeof vector);
        assert_int_equal(gateway_admit_vector(gateway, vector, 32, &error), -EINVAL);
        gateway_free(gateway);

        gateway = open_gateway(PROVIDER_KIND_CLIENT, false);
        vector[0] = 3.0F;
        assert_int_equal(gateway_admit_vector(gateway, vector, 32, &error), 0);
        assert_true(vector[0] == 3.0F);
        gateway_free(gateway);
        assert_null(gateway_free(NULL));
}

static void test_the_gateway_embeds_through_its_provider(void **state)
{
        struct gateway *gateway = open_gateway(PROVIDER_KIND_HASHING, true);
        struct embed_text texts[] = { { "lake", 4 }, { "lake", 4 }, { "hill", 4 } };
        struct embed_usage usage;
        float vectors[3][32];

        (void) state;
        assert_true(gateway_embedder(gateway)->lexical);
        assert_int_equal(gateway_dimensions(gateway), 32);
        assert_int_equal(gateway_embed(gateway, (struct tenant_id){ 0 }, EMBED_DOCUMENT, texts, 3,
                                       NULL, vectors[0], &usage, NULL), 0);
        assert_memory_equal(vectors[0], vectors[1], sizeof vectors[0]);
        assert_memory_not_equal(vectors[0], vectors[2], sizeof vectors[0]);
        assert_int_equal(usage.tokens, 3);
        gateway_free(gateway);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_batches_are_cut_by_profile_and_provider),
                cmocka_unit_test(test_prefix_and_unit_length_follow_the_profile),
                cmocka_unit_test(test_one_bad_vector_lets_nothing_through),
                cmocka_unit_test(test_the_clients_vectors_are_admitted_or_refused),
                cmocka_unit_test(test_the_gateway_embeds_through_its_provider),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
