/* SPDX-License-Identifier: Apache-2.0 */
/* Presets of the graph: their values, what overrides them, and what is said about both. */
#include "profile.h"

#include "base/json.h"
#include "config/effective.h"
#include "config/schema.h"

#include <inttypes.h>
#include <unistd.h>

#define CLIENT "rag.enabled = true\nrag.embedding.default_provider = \"client\"\n"
#define HNSW "rag.vector_storage.hnsw."

/* The table of the documentation, written down once more: a slip in the other shows here. */
static const struct {
        const char *name;
        uint32_t m, ef_construction, ef_search;
} presets[] = {
        { "small", 12, 100, 50 },    { "medium", 16, 200, 100 }, { "large", 32, 400, 200 },
        { "speed", 8, 50, 25 },      { "accuracy", 48, 500, 300 }, { "real-time", 12, 100, 40 },
};

static void test_each_preset_sets_its_three_keys(void **state)
{
        (void) state;
        assert_int_equal(ELEMENTSOF(presets), HNSW_PRESET_MAX);
        for (size_t i = 0; i < ELEMENTSOF(presets); i++) {
                const struct hnsw_config *hnsw;
                struct config *config;
                char text[256];

                (void) snprintf(text, sizeof text, CLIENT HNSW "preset = \"%s\"\n",
                                presets[i].name);
                config = load_valid(text);
                hnsw = &config->vector_storage.hnsw;
                assert_int_equal(hnsw->m, presets[i].m);
                assert_int_equal(hnsw->ef_construction, presets[i].ef_construction);
                assert_int_equal(hnsw->ef_search, presets[i].ef_search);
                config_free(config);
        }
}

static void test_a_written_key_counts_more_than_the_preset(void **state)
{
        struct config *config = load_valid(CLIENT HNSW "ef_search = 70\n"
                                                  HNSW "preset = \"large\"\n");

        (void) state;
        assert_int_equal(config->vector_storage.hnsw.ef_search, 70);
        assert_int_equal(config->vector_storage.hnsw.m, 32);
        config_free(config);
}

static void test_the_origin_names_the_preset(void **state)
{
        struct config *config = load_valid(CLIENT HNSW "ef_search = 70\n"
                                                  HNSW "preset = \"real-time\"\n");
        cleanup_json_ struct json_object *keys = config_show_json(config, true);
        struct buf text = BUF_EMPTY;
        bool seen = false;

        (void) state;
        config_show(config, true, true, &text);
        assert_non_null(strstr(buf_text(&text), "hnsw.m = 12 "));
        assert_non_null(strstr(buf_text(&text), "  # preset real-time\n"));
        assert_non_null(strstr(buf_text(&text), "  # test.toml:3\n"));
        buf_done(&text);
        for (size_t i = 0; i < json_object_array_length(keys); i++) {
                struct json_object *key = json_object_array_get_idx(keys, i), *member;

                assert_true(json_object_object_get_ex(key, "key", &member));
                if (strcmp(json_object_get_string(member), HNSW "ef_construction") != 0)
                        continue;
                assert_true(json_object_object_get_ex(key, "implied_by", &member));
                assert_string_equal(json_object_get_string(member), "preset real-time");
                assert_true(json_object_object_get_ex(key, "value", &member));
                assert_int_equal(json_object_get_int(member), 100);
                seen = true;
        }
        assert_true(seen);
        config_free(config);
}

/* What a release stores is complete: it says the same without knowing the presets' values. */
static void test_the_effective_profile_holds_the_values(void **state)
{
        struct config *config = load_valid(CLIENT HNSW "preset = \"accuracy\"\n"), *again;
        struct buf text = BUF_EMPTY, second = BUF_EMPTY;

        (void) state;
        config_write_effective(config, &text);
        assert_non_null(strstr(buf_text(&text), "\nm = 48\n"));
        assert_non_null(strstr(buf_text(&text), "\npreset = \"accuracy\"\n"));
        again = load_valid(buf_text(&text));
        config_write_effective(again, &second);
        assert_string_equal(buf_text(&text), buf_text(&second));
        buf_done(&text);
        buf_done(&second);
        config_free(config);
        config_free(again);
}

static void test_an_unknown_preset_is_refused_with_the_nearest(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;

        (void) state;
        assert_null(load(CLIENT HNSW "preset = \"realtime\"\n", &diagnostics));
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].code, "E_VALUE");
        assert_non_null(strstr(diagnostics.items[0].hint, "did you mean \"real-time\"?"));
        assert_int_equal(diagnostics.items[0].line, 3);
        config_diagnostics_done(&diagnostics);
}

/* A rule that a preset's value breaks is said at what was written. */
static void test_rules_judge_the_values_of_a_preset(void **state)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;

        (void) state;
        assert_null(load(CLIENT HNSW "preset = \"speed\"\n" HNSW "m = 64\n", &diagnostics));
        assert_int_equal(diagnostics.count, 1);
        assert_string_equal(diagnostics.items[0].code, "E_EF_CONSTRUCTION");
        assert_string_equal(diagnostics.items[0].message, "50 is less than m, 64");
        assert_int_equal(diagnostics.items[0].line, 4);
        config_diagnostics_done(&diagnostics);
}

static void write_file(const char *folder, const char *name, const char *text)
{
        char path[256];
        FILE *file;

        (void) snprintf(path, sizeof path, "%s/%s", folder, name);
        file = fopen(path, "we");
        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

/* Who extends a profile and chooses a preset wants it, whatever the base says. */
static void test_a_preset_overrides_what_the_extended_profile_says(void **state)
{
        static const struct {
                const char *base, *own;
                uint32_t m, ef_search;
        } cases[] = {
                { HNSW "m = 20\n", HNSW "preset = \"large\"\n", 32, 200 },
                { HNSW "m = 20\n", HNSW "preset = \"large\"\n" HNSW "m = 24\n", 24, 200 },
                { HNSW "preset = \"large\"\n", HNSW "m = 24\n", 24, 200 },
                { HNSW "preset = \"large\"\n" HNSW "m = 20\n", "", 20, 200 },
                { HNSW "preset = \"large\"\n" HNSW "m = 20\n", HNSW "preset = \"speed\"\n", 8,
                  25 },
        };
        char folder[] = "/tmp/ragd-preset-XXXXXX", path[256];

        (void) state;
        assert_non_null(mkdtemp(folder));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
                struct config *config = NULL;
                char text[512];

                (void) snprintf(text, sizeof text, CLIENT "%s", cases[i].base);
                write_file(folder, "base.toml", text);
                (void) snprintf(text, sizeof text, "extends = \"base\"\n%s", cases[i].own);
                write_file(folder, "own.toml", text);
                (void) snprintf(path, sizeof path, "%s/own.toml", folder);
                assert_int_equal(config_load(path, &test_options, &config, &diagnostics, NULL), 0);
                assert_int_equal(config->vector_storage.hnsw.m, cases[i].m);
                assert_int_equal(config->vector_storage.hnsw.ef_search, cases[i].ef_search);
                config_diagnostics_done(&diagnostics);
                config_free(config);
        }
        assert_int_equal(unlink(path), 0);
        (void) snprintf(path, sizeof path, "%s/base.toml", folder);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0);
}

static void test_the_documentation_gives_each_presets_values(void **state)
{
        const char *doc = config_row_find(HNSW "preset")->doc;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(presets); i++) {
                char text[64];

                (void) snprintf(text, sizeof text, "; %s %" PRIu32 "/%" PRIu32 "/%" PRIu32,
                                presets[i].name, presets[i].m, presets[i].ef_construction,
                                presets[i].ef_search);
                assert_non_null(strstr(doc, text));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_preset_sets_its_three_keys),
                cmocka_unit_test(test_a_written_key_counts_more_than_the_preset),
                cmocka_unit_test(test_the_origin_names_the_preset),
                cmocka_unit_test(test_the_effective_profile_holds_the_values),
                cmocka_unit_test(test_an_unknown_preset_is_refused_with_the_nearest),
                cmocka_unit_test(test_rules_judge_the_values_of_a_preset),
                cmocka_unit_test(test_a_preset_overrides_what_the_extended_profile_says),
                cmocka_unit_test(test_the_documentation_gives_each_presets_values),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
