/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that were computed elsewhere are found as if they had been asked for here. */
#include "network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXTS 3
#define MANY 20000

static const struct embed_text texts[TEXTS] = { { "a", 1 }, { "bb", 2 }, { "ccc", 3 } };
static const float brought[TEXTS][NETWORK_WIDTH] = { { 3, 0, 4, 0 },
                                                     { 0, 2, 0, 0 },
                                                     { 1, 1, 1, 1 } };

static void open_network(struct network *network)
{
        network->with_store = true;
        network->embed_remotely = true;
        network->with_cache_file = true;
        network_open(network);
}

static void take_all(struct network *network)
{
        struct error error = { 0 };

        for (size_t i = 0; i < TEXTS; i++)
                if (gateway_take_vector(network->gateway, network->tenant, &texts[i], brought[i],
                                        NETWORK_WIDTH, &error) < 0)
                        fail_msg("%s", error_text(&error));
        if (gateway_flush_vectors(network->gateway, &error) < 0)
                fail_msg("%s", error_text(&error));
}

static void embed(struct network *network, enum embed_purpose purpose,
                  float vectors[TEXTS][NETWORK_WIDTH])
{
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        if (gateway_embed(network->gateway, network->tenant, purpose, texts, TEXTS, NULL,
                          vectors[0], &usage, &error) < 0)
                fail_msg("%s", error_text(&error));
}

static void test_the_embedder_is_not_asked_for_what_was_taken(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];

        open_network(network);
        assert_int_equal(gateway_expect_vectors(network->gateway, TEXTS, NULL), 0);
        take_all(network);
        embed(network, EMBED_DOCUMENT, vectors);
        assert_memory_equal(vectors, brought, sizeof brought); /* raw, as the profile wants them */
        assert_int_equal(fake_calls(network->fake[0]), 0);
        embed(network, EMBED_QUERY, vectors); /* that is another vector */
        assert_int_equal(fake_calls(network->fake[0]), 1);
}

static void test_a_prefix_of_documents_is_not_part_of_the_text(void **state)
{
        static char prefix[] = "passage: ";
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];

        network->embedding.document_prefix = prefix;
        open_network(network);
        take_all(network);
        embed(network, EMBED_DOCUMENT, vectors);
        assert_memory_equal(vectors, brought, sizeof brought);
        assert_int_equal(fake_calls(network->fake[0]), 0);
}

static void test_vectors_are_normalised_as_the_profile_says(void **state)
{
        struct network *network = *state;
        float vectors[TEXTS][NETWORK_WIDTH];

        network->embedding.normalize = true;
        open_network(network);
        take_all(network);
        embed(network, EMBED_DOCUMENT, vectors);
        assert_int_equal(fake_calls(network->fake[0]), 0);
        assert_true(vectors[0][0] == 0.6F && vectors[0][2] == 0.8F);
        assert_true(vectors[1][1] == 1.0F);
        assert_true(vectors[2][0] == 0.5F && vectors[2][3] == 0.5F);
}

/* So many that the thread that writes them is behind. */
static void take_many(struct network *network)
{
        static const float vector[NETWORK_WIDTH] = { 1, 0, 0, 0 };
        char bytes[16];

        for (int i = 0; i < MANY; i++) {
                const struct embed_text text = {
                        bytes, (size_t) snprintf(bytes, sizeof bytes, "number %d", i),
                };

                assert_int_equal(gateway_take_vector(network->gateway, network->tenant, &text,
                                                     vector, NETWORK_WIDTH, NULL),
                                 0);
        }
}

/* Another process has the same file open: what it finds lies on the disk. */
static void test_what_was_flushed_is_in_the_file(void **state)
{
        struct network *network = *state;
        struct embedding_config *embedding = &network->embedding;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct gateway *first;

        embedding->cache_size = MANY + TEXTS;
        open_network(network);
        take_many(network);
        take_all(network);
        first = network->gateway;
        embedding->cache_size++; /* so that it is not the one that is open already */
        const struct gateway_settings settings = {
                .providers = network->tables,
                .n_providers = 1,
                .embedder = &network->providers[0],
                .embedding = embedding,
                .cache = &network->cache,
                .dimensions = NETWORK_WIDTH,
                .release = 2,
                .store = network->store,
                .cache_path = network->cache_path,
        };
        assert_int_equal(gateway_new(&settings, &network->gateway, NULL), 0);
        embed(network, EMBED_DOCUMENT, vectors);
        assert_memory_equal(vectors, brought, sizeof brought);
        assert_int_equal(fake_calls(network->fake[0]), 0);
        (void) gateway_free(network->gateway);
        network->gateway = first;
}

static void test_a_cache_that_is_too_small_is_told_before_anything_is_taken(void **state)
{
        struct network *network = *state;
        struct error error = { 0 };

        network->embedding.cache_size = 2;
        open_network(network);
        assert_int_equal(gateway_expect_vectors(network->gateway, 2, NULL), 0);
        assert_int_equal(gateway_expect_vectors(network->gateway, 3, &error), -E2BIG);
        assert_non_null(strstr(error_text(&error), "holds 2 vectors"));
        assert_non_null(strstr(error_text(&error), "rag.embedding.cache_size to 3"));
}

static void test_a_cache_that_is_off_is_told(void **state)
{
        struct network *network = *state;
        struct error error = { 0 };

        network->embedding.cache_enabled = false;
        open_network(network);
        assert_int_equal(gateway_expect_vectors(network->gateway, 3, &error), -E2BIG);
        assert_non_null(strstr(error_text(&error), "rag.embedding.cache_enabled"));
        assert_int_equal(gateway_take_vector(network->gateway, network->tenant, &texts[0],
                                             brought[0], NETWORK_WIDTH, NULL),
                         -EOPNOTSUPP);
}

static void test_a_cache_without_a_file_takes_none(void **state)
{
        struct network *network = *state;

        network->with_store = true;
        network->embed_remotely = true;
        network_open(network);
        assert_int_equal(gateway_expect_vectors(network->gateway, 3, NULL), -EIO);
}

static void test_a_built_in_embedder_takes_none(void **state)
{
        struct network *network = *state;

        network->with_store = true;
        network_open(network);
        assert_int_equal(gateway_expect_vectors(network->gateway, 3, NULL), -EOPNOTSUPP);
}

static void test_vectors_that_are_none_are_refused(void **state)
{
        static const float bad[][NETWORK_WIDTH] = { { 1, NAN, 0, 0 }, { 0, 0, 0, 0 },
                                                    { INFINITY, 0, 0, 0 } };
        struct network *network = *state;

        open_network(network);
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
                assert_int_equal(gateway_take_vector(network->gateway, network->tenant, &texts[0],
                                                     bad[i], NETWORK_WIDTH, NULL),
                                 -EBADMSG);
        assert_int_equal(gateway_take_vector(network->gateway, network->tenant, &texts[0],
                                             brought[0], NETWORK_WIDTH - 1, NULL),
                         -EBADMSG);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, network_set_up, network_tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH(test_the_embedder_is_not_asked_for_what_was_taken),
                WITH(test_a_prefix_of_documents_is_not_part_of_the_text),
                WITH(test_vectors_are_normalised_as_the_profile_says),
                WITH(test_what_was_flushed_is_in_the_file),
                WITH(test_a_cache_that_is_too_small_is_told_before_anything_is_taken),
                WITH(test_a_cache_that_is_off_is_told),
                WITH(test_a_cache_without_a_file_takes_none),
                WITH(test_a_built_in_embedder_takes_none),
                WITH(test_vectors_that_are_none_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
