/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways of two releases side by side: what they remember, and what is recorded. */
#include "network.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXTS 8

static const struct embed_text texts[TEXTS] = { { "a", 1 }, { "bb", 2 }, { "ccc", 3 }, { "d", 1 },
                                                { "ee", 2 }, { "fff", 3 }, { "g", 1 }, { "h", 1 } };

struct pair {
        struct network *older, *newer;
};

static int set_up(void **state)
{
        struct pair *pair = calloc(1, sizeof *pair);

        assert_non_null(pair);
        (void) network_set_up((void **) &pair->older);
        (void) network_set_up((void **) &pair->newer);
        pair->newer->beside = pair->older;
        *state = pair;
        return 0;
}

static int tear_down(void **state)
{
        struct pair *pair = *state;

        (void) network_tear_down((void **) &pair->newer);
        (void) network_tear_down((void **) &pair->older); /* its store goes last */
        free(pair);
        return 0;
}

/* How many tokens it cost. */
static uint64_t embed(struct network *network)
{
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage = { 0 };
        struct error error = { 0 };

        if (gateway_embed(network->gateway, network->tenant, EMBED_DOCUMENT, texts, TEXTS, NULL,
                          vectors[0], &usage, &error) < 0)
                fail_msg("%s", error.message);
        for (size_t i = 0; i < TEXTS; i++) {
                const char *prefix = network->embedding.document_prefix;
                size_t more = prefix ? strlen(prefix) : 0;

                assert_true(vectors[i][0] == (float) (texts[i].len + more));
        }
        return usage.tokens;
}

static void open_both(struct pair *pair, bool with_file)
{
        pair->older->with_store = true;
        pair->older->embed_remotely = pair->newer->embed_remotely = true;
        pair->older->with_cache_file = pair->newer->with_cache_file = with_file;
        network_open(pair->older);
        network_open(pair->newer);
}

static void test_vectors_are_remembered_for_both(void **state)
{
        struct pair *pair = *state;
        struct gateway_figures figures;

        open_both(pair, false); /* in memory: it must be the same one */
        assert_true(embed(pair->older) > 0);
        assert_int_equal(embed(pair->newer), 0);
        gateway_get_figures(pair->newer->gateway, &figures);
        assert_int_equal(figures.embedding_hits, TEXTS);
        pair->older->gateway = gateway_free(pair->older->gateway);
        assert_int_equal(embed(pair->newer), 0);
        assert_int_equal(fake_calls(pair->older->fake[0]), 1);
}

static void test_other_vectors_lie_in_the_same_file(void **state)
{
        static char prefix[] = "passage: ";
        struct pair *pair = *state;
        uint64_t tokens;

        pair->newer->embedding.document_prefix = prefix;
        open_both(pair, true);
        tokens = embed(pair->older);
        assert_true(tokens > 0);
        assert_int_equal(embed(pair->newer), tokens);
        assert_int_equal(embed(pair->older), 0);
        assert_int_equal(embed(pair->newer), 0);
        pair->older->gateway = gateway_free(pair->older->gateway);
        pair->newer->gateway = gateway_free(pair->newer->gateway);
        network_open(pair->older); /* from the disk */
        network_open(pair->newer);
        assert_int_equal(embed(pair->newer), 0);
        assert_int_equal(embed(pair->older), 0);
        assert_int_equal(fake_calls(pair->older->fake[0]), 2);
}

struct writing {
        struct network *network;
        struct embed_text texts[TEXTS];
        char bytes[TEXTS][16];
};

static void *write_many(void *data)
{
        struct writing *writing = data;
        float vectors[TEXTS][NETWORK_WIDTH];
        struct embed_usage usage;

        for (unsigned round = 0; round < 50; round++) {
                for (unsigned i = 0; i < TEXTS; i++) {
                        int len = snprintf(writing->bytes[i], sizeof writing->bytes[i], "%u",
                                           round * TEXTS + i);

                        writing->texts[i] = (struct embed_text){ writing->bytes[i], (size_t) len };
                }
                assert_int_equal(gateway_embed(writing->network->gateway, writing->network->tenant,
                                               EMBED_DOCUMENT, writing->texts, TEXTS, NULL,
                                               vectors[0], &usage, NULL), 0);
        }
        return NULL;
}

static void test_two_write_to_one_file_at_once(void **state)
{
        static char prefix[] = "passage: ";
        struct pair *pair = *state;
        struct writing writings[2] = { { .network = pair->older }, { .network = pair->newer } };
        pthread_t threads[2];
        unsigned calls;

        pair->newer->embedding.document_prefix = prefix;
        open_both(pair, true);
        for (size_t i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writings[i]), 0);
        for (size_t i = 0; i < 2; i++)
                (void) pthread_join(threads[i], NULL);
        calls = fake_calls(pair->older->fake[0]);
        assert_int_equal(calls, 100);
        pair->newer->gateway = gateway_free(pair->newer->gateway);
        pair->older->gateway = gateway_free(pair->older->gateway);
        network_open(pair->older);
        network_open(pair->newer);
        (void) write_many(&writings[0]);
        (void) write_many(&writings[1]);
        assert_int_equal(fake_calls(pair->older->fake[0]), calls);
}

static void test_a_tenant_is_forgotten_by_both(void **state)
{
        static char prefix[] = "passage: ";
        struct pair *pair = *state;
        struct talk talk1 = { 0 };
        unsigned calls;

        pair->newer->embedding.document_prefix = prefix;
        pair->older->cache.response_cache_enabled = true;
        pair->newer->cache.response_cache_enabled = true;
        open_both(pair, true);
        assert_true(embed(pair->older) > 0);
        assert_true(embed(pair->newer) > 0);
        assert_int_equal(talk(pair->older, &talk1, "a", false), 0);
        assert_int_equal(talk(pair->newer, &talk1, "a", false), 0);
        assert_int_equal(gateway_forget(pair->older->gateway, pair->older->tenant, NULL, NULL), 0);
        calls = fake_calls(pair->older->fake[0]);
        assert_int_equal(talk(pair->older, &talk1, "a", false), 0);
        assert_false(talk1.answer.cached);
        assert_int_equal(talk(pair->newer, &talk1, "a", false), 0);
        assert_false(talk1.answer.cached);
        assert_true(embed(pair->older) > 0);
        assert_true(embed(pair->newer) > 0);
        assert_int_equal(fake_calls(pair->older->fake[0]), calls + 4);
}

static size_t lines_of(const char *path)
{
        char bytes[16384];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n;
        size_t lines = 0;

        assert_true(fd >= 0);
        n = read(fd, bytes, sizeof bytes);
        (void) close(fd);
        for (ssize_t i = 0; i < n; i++)
                lines += bytes[i] == '\n';
        return lines;
}

static void test_a_recording_goes_on_through_a_reload(void **state)
{
        struct pair *pair = *state;
        struct talk talk1 = { 0 };
        char *path = NULL, *same = NULL;

        pair->older->with_store = true;
        network_open(pair->older);
        assert_int_equal(gateway_record(pair->older->gateway, "one", true, &path, NULL), 0);
        assert_int_equal(talk(pair->older, &talk1, "a", false), 0);
        network_open(pair->newer);
        pair->older->gateway = gateway_free(pair->older->gateway);
        assert_int_equal(talk(pair->newer, &talk1, "b", false), 0);
        assert_int_equal(lines_of(path), 2);
        assert_int_equal(gateway_record(pair->newer->gateway, "one", false, &same, NULL), 0);
        assert_string_equal(path, same);
        assert_int_equal(talk(pair->newer, &talk1, "c", false), 0);
        assert_int_equal(lines_of(path), 2);
        free(path);
        free(same);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                WITH(test_vectors_are_remembered_for_both),
                WITH(test_other_vectors_lie_in_the_same_file),
                WITH(test_two_write_to_one_file_at_once),
                WITH(test_a_tenant_is_forgotten_by_both),
                WITH(test_a_recording_goes_on_through_a_reload),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
