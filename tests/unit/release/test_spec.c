/* SPDX-License-Identifier: Apache-2.0 */
/* Every key of the index reaches what an index is opened with, or the generation's identity. */
#include "release/spec.h"

#include "config/load.h"
#include "config/providers.h"
#include "provider/provider.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char *const common = "rag.enabled = true\n"
                                  "rag.embedding.default_provider = \"client\"\n";

static struct config *load(const char *text)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;
        char whole[1024];
        int n = snprintf(whole, sizeof whole, "%s%s", common, text);

        assert_int_equal(config_load_memory("test.toml", whole, (size_t) n, NULL, &config,
                                            &diagnostics, NULL),
                         0);
        config_diagnostics_done(&diagnostics);
        return config;
}

static struct index_params params_of(const char *text, struct index_budget *budget)
{
        struct config *config = load(text);
        struct index_params params;

        release_index(config, budget, &params);
        config_free(config);
        return params;
}

static void test_defaults_leave_the_engines_own(void **state)
{
        struct index_params params = params_of("", NULL);

        (void) state;
        assert_int_equal(params.threads, 0);
        assert_int_equal(params.max_layers, 0);
        assert_int_equal(params.seed, 0);
        assert_int_equal(params.batch, 128);
        assert_int_equal(params.max_elements, 1000000);
        assert_int_equal(params.checkpoint_seconds, 60);
        assert_false(params.keep_deleted);
        assert_false(params.map_files);
        assert_null(params.budget);
}

static void test_every_key_arrives(void **state)
{
        cleanup_(index_budget_free_cleanup) struct index_budget *budget = NULL;
        struct index_params params;

        (void) state;
        assert_int_equal(index_budget_new(1, &budget, NULL), 0);
        params = params_of("[rag.vector_storage.hnsw]\n"
                           "max_elements = 4000000000\nallow_replace_deleted = false\n"
                           "num_threads = 3\nseed = 12345678901\nnb_layers = 5\n"
                           "parallel_batch_size = 77\nenable_mmap = true\n"
                           "mmap_sync_interval = 9\n",
                           budget);
        assert_int_equal(params.max_elements, 4000000000U);
        assert_true(params.keep_deleted);
        assert_int_equal(params.threads, 3);
        assert_int_equal(params.seed, 12345678901);
        assert_int_equal(params.max_layers, 5);
        assert_int_equal(params.batch, 77);
        assert_true(params.map_files);
        assert_int_equal(params.checkpoint_seconds, 9);
        assert_ptr_equal(params.budget, budget);
}

static void test_memory_is_counted_in_mebibytes(void **state)
{
        struct config *config = load("rag.vector_storage.max_memory_mb = 4097\n");

        (void) state;
        assert_int_equal(release_index_bytes(config), UINT64_C(4097) * 1048576);
        config_free(config);
}

/* Each of these keys makes another generation; the others do not. */
static void test_what_the_graph_is_belongs_to_the_identity(void **state)
{
        static const struct {
                const char *text;
                bool another;
        } cases[] = {
                { "rag.vector_storage.backend = \"flat\"\n", true },
                { "rag.vector_storage.quantization = \"none\"\n", true },
                { "rag.vector_storage.hnsw.metric = \"euclidean\"\n", true },
                { "rag.vector_storage.hnsw.m = 17\n", true },
                { "rag.vector_storage.hnsw.ef_construction = 201\n", true },
                { "rag.vector_storage.hnsw.preset = \"large\"\n", true },
                { "rag.vector_storage.hnsw.preset = \"medium\"\n", false },
                { "rag.vector_storage.hnsw.ef_search = 51\n", false },
                { "rag.vector_storage.hnsw.max_elements = 5\n", false },
                { "rag.vector_storage.max_memory_mb = 5\n", false },
        };
        static const struct provider_ops ops = { .algorithm = 0 };
        uint8_t usual[GENERATION_IDENTITY_BYTES], identity[GENERATION_IDENTITY_BYTES];

        (void) state;
        for (size_t i = 0; i <= ELEMENTSOF(cases); i++) {
                struct config *config = load(i ? cases[i - 1].text : "");
                const struct provider_config *embedder = NULL;
                struct generation_spec spec;

                assert_int_equal(config_embedder(config, &embedder, NULL), 0);
                release_spec(config, embedder, &ops, &spec);
                generation_identity(&spec, i ? identity : usual);
                if (i)
                        assert_int_equal(memcmp(identity, usual, sizeof usual) != 0,
                                         cases[i - 1].another);
                config_free(config);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults_leave_the_engines_own),
                cmocka_unit_test(test_every_key_arrives),
                cmocka_unit_test(test_memory_is_counted_in_mebibytes),
                cmocka_unit_test(test_what_the_graph_is_belongs_to_the_identity),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
