/* SPDX-License-Identifier: Apache-2.0 */
/* Every row of the schema: it says what it is, loads a value, writes it back, is found by the
 * comparison with its impact, and refuses what is out of range at the right place. */
#include "profile.h"

#include "base/json.h"
#include "config/diff.h"
#include "config/document.h"
#include "config/effective.h"
#include "config/schema.h"

#include <inttypes.h>

/* What each text begins with, so that nothing but the key in question is remarkable. */
#define BASE_ENABLED "rag.enabled = true\n"
#define BASE_PROVIDER "rag.embedding.default_provider = \"client\"\n"
#define BASE_TABLE "rag.providers.p.kind = \"mock\"\n"

/* Values that the general rule below cannot find, and what they need beside them. */
static const struct sample {
        const char *key, *value, *beside;
} samples[] = {
        { "stage", "\"testing\"", "" },
        { "description", "\"a \\\"quoted\\\" word, a tab\\t and an umlaut ä\"", "" },
        { "rag.enabled", "false", "" },
        { "rag.server.listen", "[\"[::1]:80\", \"unix:/run/ragd.sock\", \"systemd\"]", "" },
        { "rag.server.tls_cert", "\"/c.pem\"", "rag.server.tls_key = \"/k.pem\"\n" },
        { "rag.server.tls_key", "\"/k.pem\"", "rag.server.tls_cert = \"/c.pem\"\n" },
        { "rag.server.metrics_listen", "\"127.0.0.1:9\"", "" },
        { "rag.providers.NAME.kind", "\"client\"", "" },
        { "rag.providers.NAME.endpoint", "\"https://example.com/v1\"", "" },
        { "rag.providers.NAME.api_key", "\"credential:key\"", "" },
        { "rag.providers.NAME.proxy", "\"http://127.0.0.1:3128\"", "" },
        { "rag.providers.NAME.ca_file", "\"/etc/ca.pem\"", "" },
        { "rag.providers.NAME.burst", "5", "rag.providers.p.requests_per_minute = 30\n" },
        { "rag.vector_storage.backend", "\"flat\"", "" },
        { "rag.vector_storage.endpoint", "\"http://127.0.0.1:1\"",
          "rag.vector_storage.backend = \"qdrant\"\n" },
        { "rag.vector_storage.api_key", "\"file:/etc/key\"", "" },
        { "rag.vector_storage.read_only_key", "\"env:KEY\"", "" },
        { "rag.vector_storage.hnsw.ef_search", "51", "" },
        { "rag.vector_storage.hnsw.seed", "0", "" },
        { "rag.embedding.default_provider", "\"hashing\"", "" },
        { "rag.embedding.providers", "[\"client\", \"hashing\"]", "" },
        { "rag.embedding.fallback", "[\"p\"]",
          "rag.providers.client.model = \"m\"\nrag.providers.p.model = \"m\"\n" },
        { "rag.generation.providers", "[\"p\"]", "" },
        { "rag.generation.prompt_template", "\"{context}\\n{question}\"", "" },
        { "rag.generation.routing.strategy", "\"conditional\"",
          "rag.generation.routing.simple = \"p\"\nrag.generation.routing.complex = \"p\"\n" },
        { "rag.generation.routing.simple", "\"p\"", "" },
        { "rag.generation.routing.complex", "\"p\"", "" },
        { "rag.retrieval.min_score", "-0.25", "" },
        { "rag.retrieval.rerank_provider", "\"p\"", "" },
        { "rag.promotion.max_avg_latency_seconds", "4.5", "" },
        { "rag.promotion.rollback_avg_latency_seconds", "9.25", "" },
        { "rag.canary.steps", "[1, 10, 100]", "" },
        { "rag.backup.encrypt", "\"credential:backup-key\"", "" },
};

static const struct sample *sample_of(const char *key)
{
        for (size_t i = 0; i < ELEMENTSOF(samples); i++)
                if (strcmp(samples[i].key, key) == 0)
                        return &samples[i];
        return NULL;
}

/* A valid value that is not the default. */
static void general_value(const struct config_row *row, struct buf *buf)
{
        double base = row->dflt ? strtod(row->dflt, NULL) : config_row_min(row);

        switch (row->type) {
        case CONFIG_BOOL:
                buf_append_text(buf, strcmp(row->dflt, "true") == 0 ? "false" : "true");
                break;
        case CONFIG_U32:
        case CONFIG_U64:
                buf_append_format(buf, "%.0f", base + 1 <= config_row_max(row) ? base + 1
                                                                               : base - 1);
                break;
        case CONFIG_DOUBLE:
                buf_append_format(buf, "%.17g", row->dflt && base > 0 ? base * 0.75 : 0.125);
                break;
        case CONFIG_STRINGS:
                buf_append_text(buf, "[\"one\", \"two\"]");
                break;
        case CONFIG_ENUM:
                buf_append_format(buf, "\"%s\"", row->names[1]);
                break;
        default:
                buf_append_text(buf, "\"some text\"");
                break;
        }
}

/* The key as a line of the file, with the provider table p in place of NAME. */
static void line_key(const struct config_row *row, struct buf *buf)
{
        if (config_row_is_provider(row))
                buf_append_format(buf, "rag.providers.p.%s", config_row_leaf(row));
        else
                buf_append_text(buf, row->key);
}

static void begin(const struct config_row *row, const char *beside, struct buf *buf)
{
        if (strcmp(row->key, "rag.enabled") != 0)
                buf_append_text(buf, BASE_ENABLED);
        if (strcmp(row->key, "rag.embedding.default_provider") != 0 &&
            strcmp(row->key, "rag.embedding.providers") != 0)
                buf_append_text(buf, BASE_PROVIDER);
        if (strcmp(row->key, "rag.providers.NAME.kind") != 0)
                buf_append_text(buf, BASE_TABLE);
        else
                buf_append_text(buf, "rag.providers.p.max_retries = 3\n");
        buf_append_text(buf, beside);
}

static void each_row(void (*visit)(const struct config_row *row))
{
        for (size_t i = 0; i < config_section_count; i++)
                for (size_t j = 0; j < *config_sections[i].count; j++)
                        visit(&config_sections[i].rows[j]);
}

/* ---- What a row says -------------------------------------------------------------------- */

static void complete(const struct config_row *row)
{
        const char *end = row->doc ? row->doc + strlen(row->doc) - 1 : NULL;

        if (!row->doc || *end != '.' || !row->since || row->impact >= IMPACT_MAX ||
            row->field_type != row->type || (row->type == CONFIG_ENUM) != (row->names != NULL) ||
            (row->type == CONFIG_BOOL && !row->dflt) ||
            (row->dflt && (row->min != 0 || row->max != 0) && row->type != CONFIG_NUMBERS &&
             (strtod(row->dflt, NULL) < row->min || strtod(row->dflt, NULL) > row->max)))
                fail_msg("the row of %s is not complete", row->key);
        assert_ptr_equal(config_row_find(row->key), row);
}

static void test_every_row_has_impact_doc_and_the_type_of_its_field(void **state)
{
        (void) state;
        each_row(complete);
}

static void belongs(const struct config_row *row)
{
        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];

                if (row < section->rows || row >= section->rows + *section->count)
                        continue;
                assert_memory_equal(row->key, section->path, strlen(section->path));
                assert_string_equal(row->key + strlen(section->path) + (*section->path ? 1 : 0),
                                    config_row_leaf(row));
        }
}

static void test_every_row_stands_in_its_section(void **state)
{
        (void) state;
        each_row(belongs);
}

/* ---- Round trip -------------------------------------------------------------------------- */

static void assert_same(const struct config *a, const struct config *b, const char *what)
{
        struct config_diff diff;

        assert_int_equal(config_diff(a, b, &diff), 0);
        if (diff.count > 0)
                fail_msg("%s: %s is %s, was %s", what, diff.items[0].key, diff.items[0].after,
                         diff.items[0].before);
        config_diff_done(&diff);
}

/* Writing a config and reading it again changes nothing, down to the bytes. */
static void assert_stable(const struct config *config, const char *what)
{
        struct buf first = BUF_EMPTY, second = BUF_EMPTY;
        char digest[2][CONFIG_DIGEST_SIZE];
        struct config *again;

        config_write_effective(config, &first);
        again = load_valid(buf_text(&first));
        assert_same(config, again, what);
        config_write_effective(again, &second);
        assert_string_equal(buf_text(&first), buf_text(&second));
        assert_int_equal(config_digest(config, digest[0]), 0);
        assert_int_equal(config_digest(again, digest[1]), 0);
        assert_string_equal(digest[0], digest[1]);
        config_free(again);
        buf_done(&first);
        buf_done(&second);
}

static void assert_differs(const struct config *from, const struct config *to,
                           const struct config_row *row, const char *key)
{
        const struct config_difference *found = NULL;
        struct config_diff diff;

        assert_int_equal(config_diff(from, to, &diff), 0);
        for (size_t i = 0; i < diff.count; i++)
                if (strcmp(diff.items[i].key, key) == 0)
                        found = &diff.items[i];
        if (!found)
                fail_msg("%s: the comparison does not find it", key);
        assert_int_equal(found->impact, row->impact);
        assert_true(diff.impact >= row->impact);
        config_diff_done(&diff);
}

static void round_trip(const struct config_row *row)
{
        const struct sample *sample = sample_of(row->key);
        struct buf text = BUF_EMPTY, key = BUF_EMPTY;
        struct config *plain, *changed;
        const char *file;
        uint32_t line;

        if (row->flags & CONFIG_SOURCE_ONLY)
                return;
        begin(row, sample ? sample->beside : "", &text);
        plain = load_valid(BASE_ENABLED BASE_PROVIDER BASE_TABLE);
        line_key(row, &key);
        buf_append_format(&text, "%s = ", buf_text(&key));
        if (sample)
                buf_append_text(&text, sample->value);
        else
                general_value(row, &text);
        buf_append_char(&text, '\n');

        changed = load_valid(buf_text(&text));
        assert_differs(plain, changed, row, buf_text(&key));
        assert_stable(changed, row->key);
        assert_int_equal(config_origin(changed, buf_text(&key), &file, &line), 0);
        assert_string_equal(file, "test.toml");

        config_free(plain);
        config_free(changed);
        buf_done(&text);
        buf_done(&key);
}

static void test_every_key_loads_is_written_is_read_again_and_differs_with_its_impact(void **state)
{
        (void) state;
        each_row(round_trip);
}

static void test_the_defaults_alone_survive_writing_and_reading(void **state)
{
        struct config *config = load_valid("[rag]\nenabled = true\n");

        (void) state;
        assert_stable(config, "defaults");
        config_free(config);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

/* `value` for the row is refused with this code where it stands, and only there. */
static void assert_refused(const struct config_row *row, const char *value, const char *code)
{
        struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        struct buf text = BUF_EMPTY, key = BUF_EMPTY;
        uint32_t line = 1;

        begin(row, "", &text);
        for (size_t i = 0; i < text.len; i++)
                line += text.data[i] == '\n';
        line_key(row, &key);
        buf_append_format(&text, "%s = %s\n", buf_text(&key), value);

        assert_null(load(buf_text(&text), &diagnostics));
        if (diagnostics.errors != 1 || strcmp(diagnostics.items[0].code, code) != 0)
                fail_msg("%s = %s: %zu errors, the first %s", row->key, value, diagnostics.errors,
                         diagnostics.count ? diagnostics.items[0].code : "none");
        assert_string_equal(diagnostics.items[0].path, buf_text(&key));
        assert_int_equal(diagnostics.items[0].line, line);
        assert_int_equal(diagnostics.items[0].column, key.len + 4);
        config_diagnostics_done(&diagnostics);
        buf_done(&text);
        buf_done(&key);
}

static void refuse_range(const struct config_row *row)
{
        char text[64];

        if (row->type != CONFIG_U32 && row->type != CONFIG_U64 && row->type != CONFIG_DOUBLE)
                return;
        if (config_row_max(row) < 1e18) {
                (void) snprintf(text, sizeof text, "%.0f", config_row_max(row) + 1);
                assert_refused(row, text, "E_RANGE");
        }
        if (row->type == CONFIG_DOUBLE) {
                assert_refused(row, "nan", "E_RANGE");
                assert_refused(row, "inf", "E_RANGE");
        } else {
                (void) snprintf(text, sizeof text, "%.0f", config_row_min(row) - 1);
                assert_refused(row, text, "E_RANGE");
        }
}

static void test_every_number_out_of_range_is_refused_where_it_stands(void **state)
{
        (void) state;
        each_row(refuse_range);
}

static void refuse_type(const struct config_row *row)
{
        bool text = row->type == CONFIG_STRING || row->type == CONFIG_ENUM;

        assert_refused(row, "1979-05-27", "E_TYPE");
        assert_refused(row, "{}", "E_TYPE");
        assert_refused(row, text ? "1" : "\"1\"", "E_TYPE");
        if (row->type == CONFIG_ENUM)
                assert_refused(row, "\"no such word\"", "E_VALUE");
        if (row->flags & CONFIG_SECRET)
                assert_refused(row, "\"sk-123456\"", "E_SECRET");
}

static void test_every_key_refuses_another_type_where_it_stands(void **state)
{
        (void) state;
        each_row(refuse_type);
}

/* ---- What is made from the rows ------------------------------------------------------------ */

static struct json_object *member(struct json_object *object, const char *name)
{
        struct json_object *found = NULL;

        return json_object_object_get_ex(object, name, &found) ? found : NULL;
}

static struct json_object *schema;

static void in_schema(const struct config_row *row)
{
        struct json_object *table = schema, *property;
        const char *key = row->key;
        char name[128];

        for (;;) {
                size_t len = strcspn(key, ".");

                (void) snprintf(name, sizeof name, "%.*s", (int) len, key);
                table = strcmp(name, "NAME") == 0 ? member(table, "additionalProperties")
                                                  : member(member(table, "properties"), name);
                assert_non_null(table);
                if (!key[len])
                        break;
                key += len + 1;
        }
        property = table;
        assert_non_null(member(property, "type"));
        assert_string_equal(json_object_get_string(member(property, "description")), row->doc);
        assert_string_equal(json_object_get_string(member(property, "x-impact")),
                            config_impact_name(row->impact));
}

static void test_the_json_schema_has_every_key(void **state)
{
        (void) state;
        schema = config_schema_json();
        assert_non_null(schema);
        each_row(in_schema);
        json_object_put(schema);
}

static struct buf written;

static void in_text(const struct config_row *row)
{
        assert_non_null(strstr(buf_text(&written), config_row_leaf(row)));
}

static void test_manual_keys_and_dictionary_have_every_key(void **state)
{
        static void (*const writers[])(struct buf *) = { config_write_man, config_write_keys,
                                                         config_write_dictionary };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(writers); i++) {
                writers[i](&written);
                assert_false(buf_failed(&written));
                each_row(in_text);
                buf_done(&written);
        }
}

static void test_showing_names_the_origin_of_each_value(void **state)
{
        struct config *config = load_valid("[rag]\nenabled = true\n");
        struct buf text = BUF_EMPTY;
        struct json_object *json;

        (void) state;
        config_show(config, false, true, &text);
        assert_non_null(strstr(buf_text(&text), "rag.enabled = true"));
        assert_non_null(strstr(buf_text(&text), "# test.toml:2"));
        assert_null(strstr(buf_text(&text), "default"));
        buf_clear(&text);
        config_show(config, true, true, &text);
        assert_non_null(strstr(buf_text(&text), "rag.embedding.batch_size = 32"));
        assert_non_null(strstr(buf_text(&text), "# default"));
        buf_done(&text);

        json = config_show_json(config, true);
        assert_true(json_object_array_length(json) > 150);
        json_object_put(json);
        json = config_show_json(config, false);
        assert_int_equal(json_object_array_length(json), 1);
        json_object_put(json);
        config_free(config);
}

static void test_raising_ef_search_is_told_to_be_slower(void **state)
{
        struct config *from = load_valid("[rag]\nenabled = true\n");
        struct config *to = load_valid("rag.enabled = true\nrag.vector_storage.hnsw.ef_search = 99\n");
        struct config_diff diff;
        struct json_object *json;

        (void) state;
        assert_int_equal(config_diff(from, to, &diff), 0);
        assert_int_equal(diff.count, 1);
        assert_non_null(strstr(diff.items[0].note, "slower"));
        assert_string_equal(diff.items[0].before, "50");
        assert_string_equal(diff.items[0].after, "99");
        json = config_diff_json(&diff);
        assert_int_equal(json_object_array_length(json), 1);
        json_object_put(json);
        config_diff_done(&diff);
        config_free(from);
        config_free(to);
}

static void test_a_provider_that_comes_or_goes_is_a_difference(void **state)
{
        struct config *from = load_valid("rag.enabled = true\nrag.providers.a.kind = \"mock\"\n");
        struct config *to = load_valid("rag.enabled = true\nrag.providers.b.kind = \"mock\"\n");
        struct config_diff diff;

        (void) state;
        assert_int_equal(config_diff(from, to, &diff), 0);
        assert_string_equal(diff.items[0].key, "rag.providers.a.kind");
        assert_string_equal(diff.items[0].after, "unset");
        assert_string_equal(diff.items[diff.count - 1].before, "unset");
        config_diff_done(&diff);
        config_free(from);
        config_free(to);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_row_has_impact_doc_and_the_type_of_its_field),
                cmocka_unit_test(test_every_row_stands_in_its_section),
                cmocka_unit_test(test_every_key_loads_is_written_is_read_again_and_differs_with_its_impact),
                cmocka_unit_test(test_the_defaults_alone_survive_writing_and_reading),
                cmocka_unit_test(test_every_number_out_of_range_is_refused_where_it_stands),
                cmocka_unit_test(test_every_key_refuses_another_type_where_it_stands),
                cmocka_unit_test(test_the_json_schema_has_every_key),
                cmocka_unit_test(test_manual_keys_and_dictionary_have_every_key),
                cmocka_unit_test(test_showing_names_the_origin_of_each_value),
                cmocka_unit_test(test_raising_ef_search_is_told_to_be_slower),
                cmocka_unit_test(test_a_provider_that_comes_or_goes_is_a_difference),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
