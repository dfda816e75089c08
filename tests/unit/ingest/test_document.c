/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/json.h"
#include "ingest/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static int parse(const char *text, const char *external_id, struct ingest_document *ret,
                 struct error *error)
{
        struct json_object *json = NULL;
        int r;

        assert_int_equal(json_parse(text, strlen(text), &json, NULL), 0);
        r = ingest_document_parse(json, external_id, ret, error);
        if (r == 0)
                ret->json = json; /* lives as long as the document */
        else
                json_object_put(json);
        return r;
}

static void test_all_members_are_read(void **state)
{
        struct ingest_document document = { 0 };
        const struct document_input *input = &document.input;

        (void) state;
        assert_int_equal(parse("{\"external_id\":\"a\",\"text\":\"# Head\\n\\nbody\","
                               "\"mime\":\"text/markdown\",\"source_url\":\"http://x\","
                               "\"metadata\":{\"n\":1},\"chunking\":{\"max_tokens\":9}}",
                               NULL, &document, NULL), 0);
        assert_string_equal(input->external_id, "a");
        assert_string_equal(input->mime, "text/markdown");
        assert_string_equal(input->title, "Head");
        assert_string_equal(input->source_url, "http://x");
        assert_string_equal(input->metadata, "{\"n\":1}");
        assert_string_equal(input->chunking, "{\"max_tokens\":9}");
        assert_int_equal(input->body_len, 12);
        assert_int_equal(input->n_vectors, 0);
        ingest_document_done(&document);

        assert_int_equal(parse("{\"content_base64\":\"Y29w\\r\\ncGVy\",\"title\":\"T\"}", "b",
                               &document, NULL), 0);
        assert_string_equal(input->external_id, "b");
        assert_string_equal(input->title, "T");
        assert_string_equal(input->mime, "text/plain");
        assert_memory_equal(input->body, "copper", 6);
        ingest_document_done(&document);
}

static void test_vectors_come_as_numbers_or_base64_alone_or_by_chunk(void **state)
{
        struct ingest_document document = { 0 };
        const struct document_input *input = &document.input;

        (void) state;
        assert_int_equal(parse("{\"text\":\"a\",\"vector\":[1,-2.5,3e2]}", "a", &document, NULL), 0);
        assert_int_equal(input->n_vectors, 1);
        assert_null(input->vectors[0].text);
        assert_int_equal(input->vectors[0].dimensions, 3);
        assert_true(input->vectors[0].values[2] == 300.0F);
        ingest_document_done(&document);

        assert_int_equal(parse("{\"chunks\":[{\"text\":\"one\",\"vector\":[1,2]},"
                               "{\"text\":\"two\",\"vector_base64\":\"AACAPwAAAEA=\"},"
                               "{\"text\":\"three\",\"vector_base64\":\"AACAPwAAAEA\"}]}",
                               "a", &document, NULL), 0);
        assert_int_equal(input->n_vectors, 3);
        assert_int_equal(input->body_len, 15);
        assert_memory_equal(input->body, "one\n\ntwo\n\nthree", 15);
        for (size_t i = 0; i < 3; i++) {
                assert_int_equal(input->vectors[i].dimensions, 2);
                assert_true(input->vectors[i].values[0] == 1.0F);
                assert_true(input->vectors[i].values[1] == 2.0F);
        }
        ingest_document_done(&document);
}

static void test_what_is_wrong_is_refused_with_its_name(void **state)
{
        static const struct {
                const char *json;
                int code;
                const char *key, *phrase;
        } cases[] = {
                { "[]", -EINVAL, "", "object" },
                { "5", -EINVAL, "", "object" },
                { "{}", -EINVAL, "text", "missing" },
                { "{\"text\":5}", -EINVAL, "text", "string" },
                { "{\"text\":\"a\\u0000b\"}", -EINVAL, "text", "NUL" },
                { "{\"text\":\"a\",\"content_base64\":\"YQ==\"}", -EINVAL, "text", "exclude" },
                { "{\"content_base64\":\"Y*==\"}", -EINVAL, "content_base64", "base64" },
                { "{\"content_base64\":\"/w==\"}", -EILSEQ, "", "byte 0" },
                { "{\"content_base64\":\"YQBi\"}", -EILSEQ, "", "NUL" },
                { "{\"text\":\"a\",\"external_id\":\"other\"}", -EINVAL, "external_id", "differs" },
                { "{\"text\":\"a\",\"url\":\"http://x\"}", -EINVAL, "url", "source_url" },
                { "{\"text\":\"a\",\"mime\":\"application/pdf\"}", -EMEDIUMTYPE, "mime", "text/plain" },
                { "{\"text\":\"a\",\"metadata\":[]}", -EINVAL, "metadata", "object" },
                { "{\"text\":\"a\",\"chunking\":\"small\"}", -EINVAL, "chunking", "object" },
                { "{\"text\":\"a\",\"titel\":\"x\"}", -EINVAL, "titel", "title" },
                { "{\"text\":\"a\",\"vector\":[]}", -EINVAL, "vector", "1 to" },
                { "{\"text\":\"a\",\"vector\":\"x\"}", -EINVAL, "vector", "array" },
                { "{\"text\":\"a\",\"vector\":[1,\"2\"]}", -EINVAL, "vector", "numbers" },
                { "{\"text\":\"a\",\"vector\":[1,null]}", -EINVAL, "vector", "numbers" },
                { "{\"text\":\"a\",\"vector\":[1e39]}", -EINVAL, "vector", "float32" },
                { "{\"text\":\"a\",\"vector\":[1],\"vector_base64\":\"AACAPw==\"}", -EINVAL, "vector",
                  "exclude" },
                { "{\"text\":\"a\",\"vector_base64\":\"AADAfw==\"}", -EINVAL, "vector_base64", "finite" },
                { "{\"text\":\"a\",\"vector_base64\":\"AACA\"}", -EINVAL, "vector_base64", "float32" },
                { "{\"text\":\"a\",\"vector_base64\":\"\"}", -EINVAL, "vector_base64", "float32" },
                { "{\"text\":\"a\",\"vector_base64\":\"@@@@\"}", -EINVAL, "vector_base64", "base64" },
                { "{\"chunks\":[]}", -EINVAL, "chunks", "1 to" },
                { "{\"chunks\":[5]}", -EINVAL, "chunks/0", "object" },
                { "{\"chunks\":[{\"text\":\"a\"}]}", -EINVAL, "chunks/0", "vector" },
                { "{\"chunks\":[{\"text\":\"a\",\"vector\":[1]},{\"vector\":[1]}]}", -EINVAL, "chunks/1",
                  "text" },
                { "{\"chunks\":[{\"text\":\"a\",\"vector\":[1],\"x\":1}]}", -EINVAL, "chunks/0", "x" },
                { "{\"chunks\":[{\"text\":\"a\",\"vector\":[1]}],\"vector\":[1]}", -EINVAL, "vector",
                  "each" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct ingest_document document = { 0 };
                struct error error = { 0 };

                if (parse(cases[i].json, "a", &document, &error) != cases[i].code)
                        fail_msg("%s: %d %s", cases[i].json, error.code, error.message);
                if (!strstr(error.message, cases[i].phrase) ||
                    strcmp(error.origin.key, cases[i].key) != 0)
                        fail_msg("%s: %s (%s)", cases[i].json, error.message, error.origin.key);
                assert_null(document.input.external_id);
        }
}

static void test_an_external_id_must_come_from_somewhere(void **state)
{
        struct ingest_document document = { 0 };
        struct error error = { 0 };

        (void) state;
        assert_int_equal(parse("{\"text\":\"a\"}", NULL, &document, &error), -EINVAL);
        assert_string_equal(error.origin.key, "external_id");
        assert_int_equal(parse("{\"text\":\"a\",\"external_id\":\"a\"}", "a", &document, &error), 0);
        ingest_document_done(&document);
}

static void test_raw_bodies_are_taken_by_their_type(void **state)
{
        struct ingest_document document = { 0 };
        struct error error = { 0 };

        (void) state;
        assert_int_equal(ingest_document_from_body("a", "text/markdown; charset=utf-8", "# T\n", 4,
                                                   &document, &error), 0);
        assert_string_equal(document.input.title, "T");
        assert_string_equal(document.input.mime, "text/markdown");
        ingest_document_done(&document);
        assert_int_equal(ingest_document_from_body("a", "application/json", "{\"text\":\"b\"}", 12,
                                                   &document, &error), 0);
        assert_memory_equal(document.input.body, "b", 1);
        assert_string_equal(document.input.mime, "text/plain");
        ingest_document_done(&document);
        assert_int_equal(ingest_document_from_body("a", "application/json", "{", 1, &document,
                                                   &error), -EBADMSG);
        assert_int_equal(ingest_document_from_body("a", "text/plain", "\xff", 1, &document, &error),
                         -EILSEQ);
        assert_int_equal(ingest_document_from_body("a", "image/png", "x", 1, &document, &error),
                         -EMEDIUMTYPE);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_members_are_read),
                cmocka_unit_test(test_vectors_come_as_numbers_or_base64_alone_or_by_chunk),
                cmocka_unit_test(test_what_is_wrong_is_refused_with_its_name),
                cmocka_unit_test(test_an_external_id_must_come_from_somewhere),
                cmocka_unit_test(test_raw_bodies_are_taken_by_their_type),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
