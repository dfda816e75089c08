/* SPDX-License-Identifier: Apache-2.0 */
/* Profiles from files: those that ship, those of the original project, what extends what, and
 * how mistakes are told. */
#include "profile.h"

#include "base/json.h"
#include "config/effective.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64];

static int make_scratch(void **state)
{
        (void) state;
        (void) snprintf(scratch, sizeof scratch, "/tmp/ragd-test-load-XXXXXX");
        return mkdtemp(scratch) ? 0 : -1;
}

static const char *file_of(const char *name)
{
        static char path[2][256];
        static size_t turn;

        turn = !turn;
        (void) snprintf(path[turn], sizeof path[turn], "%s/%s", scratch, name);
        return path[turn];
}

static const char *write_file(const char *name, const char *text)
{
        const char *path = file_of(name);
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        return path;
}

static int remove_scratch(void **state)
{
        char command[128];

        (void) state;
        (void) snprintf(command, sizeof command, "rm -rf %s", scratch);
        return system(command);
}

/* Loads `path`, and compares everything that is said with `expected`, in which @ stands for
 * the scratch folder. */
static struct config *load_file(const char *path, const char *expected)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config_load_options options = test_options;
        struct buf said = BUF_EMPTY, wanted = BUF_EMPTY;
        struct config *config = NULL;
        int r;

        options.profile_dir = file_of("installed");
        r = config_load(path, &options, &config, &diagnostics, NULL);
        for (size_t i = 0; i < diagnostics.count; i++)
                config_diagnostic_format(&diagnostics.items[i], &said);
        for (; *expected; expected++) {
                if (*expected == '@')
                        buf_append_text(&wanted, scratch);
                else
                        buf_append_char(&wanted, *expected);
        }
        assert_string_equal(buf_text(&said), buf_text(&wanted));
        assert_int_equal(r < 0, diagnostics.errors > 0);
        assert_int_equal(config == NULL, r < 0);
        config_diagnostics_done(&diagnostics);
        buf_done(&said);
        buf_done(&wanted);
        return config;
}

/* ---- Profiles that ship, and those of the original project -------------------------------- */

static void test_the_profiles_that_ship_are_valid_and_without_warnings(void **state)
{
        static const struct {
                const char *name;
                enum stage stage;
        } profiles[] = {
                { "development", STAGE_DEVELOPMENT }, { "testing", STAGE_TESTING },
                { "staging", STAGE_STAGING },         { "production", STAGE_PRODUCTION },
                { "basic", STAGE_DEVELOPMENT },       { "performance", STAGE_DEVELOPMENT },
                { "multi-tenant", STAGE_DEVELOPMENT },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
                struct buf text = BUF_EMPTY;
                struct config *config;
                char path[512];

                (void) snprintf(path, sizeof path, "%s/config-profiles/%s.toml", source_folder(),
                                profiles[i].name);
                config = load_file(path, "");
                assert_true(config->enabled);
                assert_int_equal(config->stage, profiles[i].stage);
                config_write_effective(config, &text);
                config_free(load_valid(buf_text(&text)));
                buf_done(&text);
                config_free(config);
        }
}

static void test_the_original_projects_profiles_are_accepted(void **state)
{
        static const struct {
                const char *name, *warning;
        } profiles[] = {
                { "development", NULL },
                { "basic", "W_MEMORY" },
                { "production", "W_MEMORY" },
                { "multi-tenant", "W_MEMORY" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(profiles); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                struct config *config = NULL;
                char path[512];

                (void) snprintf(path, sizeof path, "%s/tests/fixtures/original/%s.toml",
                                source_folder(), profiles[i].name);
                assert_int_equal(config_load(path, &test_options, &config, &diagnostics, NULL), 0);
                assert_int_equal(diagnostics.count, profiles[i].warning ? 1 : 0);
                if (profiles[i].warning)
                        assert_string_equal(diagnostics.items[0].code, profiles[i].warning);
                config_diagnostics_done(&diagnostics);
                config_free(config);
        }
}

static void test_the_original_performance_profile_is_refused_at_its_line(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config *config = NULL;
        struct error error = { 0 };
        char path[512];

        (void) state;
        (void) snprintf(path, sizeof path, "%s/tests/fixtures/original/performance.toml",
                        source_folder());
        assert_int_equal(config_load(path, &test_options, &config, &diagnostics, &error), -EBADMSG);
        assert_null(config);
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].code, "E_SYNTAX");
        assert_int_equal(diagnostics.items[0].line, 24);
        assert_int_equal(diagnostics.items[0].column, 17);
        config_diagnostics_done(&diagnostics);
}

/* ---- Mistakes ------------------------------------------------------------------------------ */

static void test_all_mistakes_are_told_at_once_by_position(void **state)
{
        const char *path = write_file(
                "bad.toml",
                "stage = \"prod\"\n"
                "[rag]\n"
                "enabled = \"yes\"\n"
                "[rag.embeding]\n"
                "batch_size = 1\n"
                "[rag.embedding]\n"
                "default_provider = \"client\"\n"
                "batchsize = 1\n"
                "batch_size = 4096\n"
                "[rag.chunking]\n"
                "chunk_size = 100\n"
                "overlap = 200\n"
                "min_chunk_size = 10\n");

        (void) state;
        load_file(path,
                  "@/bad.toml:1:9: error: stage: \"prod\" is not a value of this key (allowed: "
                  "development, testing, staging, production)\n"
                  "@/bad.toml:3:11: error: rag.enabled: expected true or false, found a string "
                  "(write it without quotes)\n"
                  "@/bad.toml:4:6: error: rag.embeding: unknown table (did you mean embedding?)\n"
                  "@/bad.toml:8:1: error: rag.embedding.batchsize: unknown key (did you mean "
                  "batch_size?)\n"
                  "@/bad.toml:9:14: error: rag.embedding.batch_size: 4096 is out of range "
                  "(allowed: 1 to 2048 texts)\n"
                  "@/bad.toml:12:11: error: rag.chunking.overlap: 200 tokens are not less than "
                  "chunk_size, 100\n");
}

static void test_a_syntax_error_stands_alone(void **state)
{
        (void) state;
        load_file(write_file("syntax.toml", "[rag]\nenabld = true\nenabled = maybe\n"),
                  "@/syntax.toml:3:11: error: while parsing value: could not determine value type\n");
}

static void test_files_that_cannot_be_read_get_one_clear_word(void **state)
{
        char *large = malloc(1200000);

        (void) state;
        load_file(file_of("absent.toml"),
                  "@/absent.toml: error: cannot read @/absent.toml: No such file or directory\n");
        load_file(scratch, "@: error: @ is a directory, not a file\n");
        load_file(write_file("empty.toml", ""),
                  "@/empty.toml: error: the profile is empty (it needs at least [rag] with enabled "
                  "= true)\n");
        load_file(write_file("comment.toml", "# nothing\n"),
                  "@/comment.toml: error: the profile is empty (it needs at least [rag] with "
                  "enabled = true)\n");
        assert_non_null(large);
        memset(large, '#', 1199999);
        large[1199999] = 0;
        load_file(write_file("large.toml", large),
                  "@/large.toml: error: @/large.toml is larger than 1048576 bytes\n");
        free(large);
}

/* Each unknown key is told with this hint. */
static const struct {
        const char *key, *hint;
} unknown[] = {
        { "rag.embeddings.batch_size", "did you mean rag.embedding?" },
        { "rag.storage.path", "did you mean rag.vector_storage?" },
        { "rag.retrieval.similarity_threshold",
          "did you mean rag.retrieval.min_score? with min_score_of = \"dense\"" },
        { "rag.retrieval.enable_reranking",
          "did you mean rag.retrieval.rerank_provider? naming a provider turns reranking on" },
        { "rag.retrieval.context_window_size",
          "did you mean rag.retrieval.default_top_k? the context is as long as that many chunks" },
        { "rag.sessions.auto_cleanup", "there are no session collections: create a collection "
                                       "for a session and delete it afterwards" },
        { "rag.chunking.chunk_overlap", "did you mean rag.chunking.overlap?" },
        { "rag.chunking.split_by", "did you mean rag.chunking.strategy?" },
        { "rag.cache.capacity", "did you mean rag.cache.search_cache_size?" },
        { "rag.cache.hit_rate_target", "the hit rate is measured, not set: see /metrics" },
        { "rag.cache.embedding_cache_enabled", "did you mean rag.embedding.cache_enabled?" },
        { "rag.vector_storage.hnsw.max_connections", "did you mean rag.vector_storage.hnsw.m?" },
        { "rag.vector_storage.hnsw.distance_metric",
          "did you mean rag.vector_storage.hnsw.metric?" },
        { "rag.vector_storage.hnsw.enable_pruning", "links are always pruned" },
        { "rag.embedding.model", "did you mean rag.providers.NAME.model?" },
        { "rag.vector_storage.persist_path",
          "did you mean rag.vector_storage.persistence_path?" },
        { "rag.provider", "did you mean rag.embedding.default_provider?" },
        { "rag.embedding_model", "did you mean rag.providers.NAME.model?" },
        { "rag.vector_dimensions", "did you mean rag.vector_storage.dimensions?" },
        { "rag.chunk_size", "did you mean rag.chunking.chunk_size?" },
        { "rag.chunk_overlap", "did you mean rag.chunking.overlap?" },
        { "rag.persistence_path", "did you mean rag.vector_storage.persistence_path?" },
        { "rag.max_vectors", "did you mean rag.vector_storage.hnsw.max_elements?" },
        { "rag.search_threshold", "did you mean rag.retrieval.min_score?" },
        { "rag.default_collection",
          "requests name their collection; without one it is \"default\"" },
        { "rag.profiles.fast.backend",
          "each stage has a profile file of its own; extends takes over another one" },
        { "tenancy.quotas.max_vectors",
          "did you mean rag.multi_tenant_settings.max_vectors_per_tenant?" },
        { "rag.tenancy.quotas.max_queries_per_minute",
          "did you mean rag.multi_tenant_settings.rate_limit_per_minute?" },
        { "tenancy.lifecycle.purge_deleted_after_days",
          "did you mean rag.security.purge_deleted_after_days?" },
        { "tenancy.quotas.billing_enabled", "tokens and prices are always counted" },
        { "server.listen", "did you mean rag.server?" },
        { "providers.openai.model", "did you mean rag.providers.NAME?" },
        { "rag.ef_search", "did you mean rag.vector_storage.hnsw.ef_search?" },
        { "rag.providers.openai.apikey", "did you mean api_key?" },
        { "rag.entirely_invented", NULL },
};

static void test_unknown_keys_are_told_with_what_was_meant(void **state)
{
        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(unknown); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                char text[256];

                (void) snprintf(text, sizeof text, "rag.enabled = true\n%s = 1\n", unknown[i].key);
                assert_null(load(text, &diagnostics));
                assert_int_equal(diagnostics.count, 1);
                assert_string_equal(diagnostics.items[0].code, "E_UNKNOWN");
                assert_int_equal(diagnostics.items[0].line, 2);
                if (unknown[i].hint)
                        assert_string_equal(diagnostics.items[0].hint, unknown[i].hint);
                else
                        assert_null(diagnostics.items[0].hint);
                config_diagnostics_done(&diagnostics);
        }
}

static void test_a_metric_in_a_foreign_spelling_is_told_the_right_one(void **state)
{
        static const char *const spellings[][2] = { { "inner_product", "innerproduct" },
                                                    { "Cosine", "cosine" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(spellings); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                char text[128], hint[128];

                (void) snprintf(text, sizeof text,
                                "rag.enabled = true\nrag.vector_storage.hnsw.metric = \"%s\"\n",
                                spellings[i][0]);
                (void) snprintf(hint, sizeof hint, "did you mean \"%s\"?", spellings[i][1]);
                assert_null(load(text, &diagnostics));
                assert_int_equal(diagnostics.count, 1);
                assert_memory_equal(diagnostics.items[0].hint, hint, strlen(hint));
                config_diagnostics_done(&diagnostics);
        }
}

static void test_a_secret_is_never_repeated(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct buf said = BUF_EMPTY;

        (void) state;
        assert_null(load("rag.enabled = true\nrag.providers.openai.api_key = \"sk-verysecret\"\n",
                         &diagnostics));
        config_diagnostics_format(&diagnostics, CONFIG_ERROR, &said);
        assert_null(strstr(buf_text(&said), "verysecret"));
        assert_non_null(strstr(buf_text(&said), "credential:NAME"));
        assert_non_null(strstr(buf_text(&said), "file:/PATH"));
        assert_non_null(strstr(buf_text(&said), "env:NAME"));
        buf_done(&said);
        config_diagnostics_done(&diagnostics);
}

static void test_sections_and_keys_are_not_mistaken_for_each_other(void **state)
{
        static const char *const texts[] = {
                "rag = 1\n",
                "rag.enabled = true\nrag.embedding = \"openai\"\n",
                "rag.enabled = true\nrag.providers = 1\n",
                "rag.enabled = true\nrag.providers.x = \"openai\"\n",
                "rag.enabled = true\n[rag.providers.\"a b\"]\nkind = \"mock\"\n",
                "rag.enabled = true\n[[rag.embedding]]\nbatch_size = 1\n",
                "[rag.enabled]\nx = 1\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;

                assert_null(load(texts[i], &diagnostics));
                assert_int_equal(diagnostics.errors, 1);
                assert_true(find(&diagnostics, "E_TYPE") || find(&diagnostics, "E_NAME"));
                config_diagnostics_done(&diagnostics);
        }
}

static void test_diagnostics_as_json_say_the_same(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct json_object *json;

        (void) state;
        assert_null(load("rag.enabled = true\nrag.chunking.overlp = 3\n", &diagnostics));
        json = config_diagnostics_json(&diagnostics);
        assert_string_equal(json_text(json, NULL),
                            "[{\"severity\":\"error\",\"code\":\"E_UNKNOWN\",\"file\":\"test.toml\","
                            "\"line\":2,\"col\":14,\"path\":\"rag.chunking.overlp\","
                            "\"message\":\"unknown key\",\"hint\":\"did you mean overlap?\"}]");
        json_object_put(json);
        config_diagnostics_done(&diagnostics);
}

static void test_what_is_told_fits_on_one_line(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct buf said = BUF_EMPTY;

        (void) state;
        assert_null(load("rag.enabled = true\n\"a\\nb\\u001b[31m\" = 3\nstage = \"x\\ny\"\n",
                         &diagnostics));
        config_diagnostics_format(&diagnostics, CONFIG_ERROR, &said);
        assert_int_equal(diagnostics.count, 2);
        for (size_t i = 0, lines = 0; i < said.len; i++) {
                lines += said.data[i] == '\n';
                assert_true(lines <= 2);
                assert_true(said.data[i] == '\n' || (unsigned char) said.data[i] >= 0x20);
        }
        buf_done(&said);
        config_diagnostics_done(&diagnostics);
}

/* ---- Extends ------------------------------------------------------------------------------- */

static void test_what_a_profile_does_not_say_comes_from_what_it_extends(void **state)
{
        struct config *config;
        const char *file;
        uint32_t line;

        (void) state;
        (void) write_file("base.toml", "stage = \"testing\"\n"
                                       "[rag]\nenabled = true\n"
                                       "[rag.embedding]\nbatch_size = 7\ncache_size = 5\n"
                                       "[rag.providers.p]\nkind = \"mock\"\nmax_retries = 9\n"
                                       "[rag.canary]\nsteps = [1, 2, 3]\n");
        config = load_file(write_file("child.toml",
                                      "extends = \"base\"\n"
                                      "[rag.embedding]\ndefault_provider = \"p\"\n"
                                      "batch_size = 32\n"
                                      "[rag.providers.p]\ntimeout_seconds = 4\n"
                                      "[rag.canary]\nsteps = [50]\n"),
                           "");
        assert_int_equal(config->stage, STAGE_TESTING);
        assert_int_equal(config->embedding.batch_size, 32); /* back to its default */
        assert_int_equal(config->embedding.cache_size, 5);
        assert_int_equal(config->provider_count, 1);
        assert_int_equal(config->providers[0].max_retries, 9);
        assert_int_equal(config->providers[0].timeout_seconds, 4);
        assert_int_equal(config->canary.steps.count, 1);
        assert_string_equal(config->extends, "base");

        assert_int_equal(config_origin(config, "rag.embedding.cache_size", &file, &line), 0);
        assert_string_equal(file, file_of("base.toml"));
        assert_int_equal(line, 6);
        assert_int_equal(config_origin(config, "rag.embedding.batch_size", &file, &line), 0);
        assert_string_equal(file, file_of("child.toml"));
        assert_int_equal(config_origin(config, "rag.cache.search_cache_size", &file, &line), 0);
        assert_null(file);
        assert_int_equal(config_origin(config, "rag.no.such", &file, &line), -ENOENT);
        config_free(config);
}

static void test_mistakes_of_an_extended_profile_are_told_in_its_own_file(void **state)
{
        (void) state;
        (void) write_file("wrong.toml", "[rag]\nenabled = true\n[rag.chunking]\noverlap = 600\n"
                                        "chunk_siz = 1\n");
        load_file(write_file("child2.toml", "extends = \"wrong\"\nstage = 1\n"
                                            "rag.embedding.default_provider = \"client\"\n"),
                  "@/child2.toml:2:9: error: stage: expected a word in quotes, found an integer\n"
                  "@/wrong.toml:4:11: error: rag.chunking.overlap: 600 tokens are not less than "
                  "chunk_size, 512\n"
                  "@/wrong.toml:5:1: error: rag.chunking.chunk_siz: unknown key (did you mean "
                  "chunk_size?)\n");
}

static void test_extends_goes_one_level_deep_and_names_a_profile(void **state)
{
        (void) state;
        (void) write_file("base.toml", "[rag]\nenabled = true\n");
        (void) write_file("middle.toml", "extends = \"base\"\n[rag]\nenabled = true\n");
        load_file(write_file("top.toml", "extends = \"middle\"\nrag.enabled = true\n"
                                         "rag.embedding.default_provider = \"client\"\n"),
                  "@/middle.toml:1:11: error: extends: an extended profile may not extend another "
                  "one (extends goes one level deep)\n");
        load_file(write_file("self.toml", "extends = \"self\"\nrag.enabled = true\n"
                                          "rag.embedding.default_provider = \"client\"\n"),
                  "@/self.toml:1:11: error: extends: a profile cannot extend itself\n");
        load_file(write_file("lost.toml", "extends = \"nowhere\"\nrag.enabled = true\n"
                                          "rag.embedding.default_provider = \"client\"\n"),
                  "@/lost.toml:1:11: error: extends: there is no such profile (looked beside this "
                  "file and among the installed profiles)\n");
        load_file(write_file("path.toml", "extends = \"../base.toml\"\nrag.enabled = true\n"
                                          "rag.embedding.default_provider = \"client\"\n"),
                  "@/path.toml:1:11: error: extends: not the name of a profile (write it without "
                  "folder and without .toml: \"basic\")\n");
}

static void test_what_a_profile_extends_may_be_sent_with_it(void **state)
{
        static const char own[] = "extends = \"away\"\nstage = \"testing\"\n";
        static const char base[] = "rag.enabled = true\nrag.retrieval.default_top_k = 7\n";
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct config_load_options options = test_options;
        struct config *config = NULL;
        const char *file = NULL;
        uint32_t line = 0;

        (void) state;
        options.base_name = "/home/me/away.toml";
        options.base_text = base;
        options.base_len = strlen(base);
        assert_int_equal(config_load_memory("/home/me/own.toml", own, strlen(own), &options,
                                            &config, &diagnostics, NULL), 0);
        assert_true(config->enabled);
        assert_int_equal(config->retrieval.default_top_k, 7);
        assert_int_equal(config_origin(config, "rag.retrieval.default_top_k", &file, &line), 0);
        assert_string_equal(file, "/home/me/away.toml");
        assert_int_equal(line, 2);
        config_diagnostics_done(&diagnostics);
        config_free(config);
}

static void test_an_installed_profile_is_found_when_there_is_no_sibling(void **state)
{
        struct config *config;

        (void) state;
        assert_int_equal(mkdir(file_of("installed"), 0700), 0);
        (void) write_file("installed/far.toml", "[rag]\nenabled = true\n");
        config = load_file(write_file("near.toml",
                                      "extends = \"far\"\nrag.embedding.default_provider = \"client\"\n"),
                           "");
        assert_true(config->enabled);
        config_free(config);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_profiles_that_ship_are_valid_and_without_warnings),
                cmocka_unit_test(test_the_original_projects_profiles_are_accepted),
                cmocka_unit_test(test_the_original_performance_profile_is_refused_at_its_line),
                cmocka_unit_test(test_all_mistakes_are_told_at_once_by_position),
                cmocka_unit_test(test_a_syntax_error_stands_alone),
                cmocka_unit_test(test_files_that_cannot_be_read_get_one_clear_word),
                cmocka_unit_test(test_unknown_keys_are_told_with_what_was_meant),
                cmocka_unit_test(test_a_metric_in_a_foreign_spelling_is_told_the_right_one),
                cmocka_unit_test(test_a_secret_is_never_repeated),
                cmocka_unit_test(test_sections_and_keys_are_not_mistaken_for_each_other),
                cmocka_unit_test(test_diagnostics_as_json_say_the_same),
                cmocka_unit_test(test_what_is_told_fits_on_one_line),
                cmocka_unit_test(test_what_a_profile_does_not_say_comes_from_what_it_extends),
                cmocka_unit_test(test_mistakes_of_an_extended_profile_are_told_in_its_own_file),
                cmocka_unit_test(test_extends_goes_one_level_deep_and_names_a_profile),
                cmocka_unit_test(test_what_a_profile_extends_may_be_sent_with_it),
                cmocka_unit_test(test_an_installed_profile_is_found_when_there_is_no_sibling),
        };

        return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
