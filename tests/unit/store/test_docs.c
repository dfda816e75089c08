/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/json.h"
#include "index/filter.h"
#include "store/docs_totals.h"

#include <stdlib.h>
#include <string.h>

static const struct job_id no_job;

static void test_a_document_is_read_as_it_was_put(void **state)
{
        struct fixture *fixture = *state;
        struct document_input input = {
                .external_id = "doc/1",
                .mime = "text/markdown",
                .title = "Kettles",
                .source_url = "https://example.org/k",
                .metadata = "{\"year\":1999,\"kind\":\"pot\"}",
                .chunking = "{\"strategy\":\"sentence\"}",
                .body = "copper kettle",
                .body_len = 13,
        };
        struct docs_receipt receipt;
        struct document document;
        struct job_id job = { id_random() };
        struct error error = { 0 };

        assert_ok(docs_put(fixture->collection, &input, 1, job, &receipt, &error));
        assert_false(receipt.unchanged);
        assert_int_equal(receipt.version, 1);
        assert_int_equal(docs_last_seq(fixture->collection), receipt.doc_seq);
        fixture_reopen(fixture);
        assert_int_equal(docs_last_seq(fixture->collection), receipt.doc_seq);
        assert_ok(docs_get(fixture->collection, "doc/1", &document, &error));
        assert_true(id_equal(document.id.id, receipt.id.id));
        assert_true(id_equal(document.job.id, job.id));
        assert_string_equal(document.title, "Kettles");
        assert_string_equal(document.source_url, input.source_url);
        assert_string_equal(document.metadata, input.metadata);
        assert_string_equal(document.chunking, input.chunking);
        assert_string_equal(document.mime, input.mime);
        assert_int_equal(document.size_bytes, 13);
        assert_memory_equal(document.sha256, receipt.sha256, 32);
        document_done(&document);
        assert_ok(docs_get_by_id(fixture->collection, receipt.id, &document, &error));
        assert_string_equal(document.external_id, "doc/1");
        document_done(&document);
        assert_ok(docs_get_body(fixture->collection, (uint32_t) receipt.doc_seq, &document,
                                &error));
        assert_string_equal(document.body, "copper kettle");
        document_done(&document);
}

static void test_the_same_document_again_is_unchanged(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt first = fixture_put(fixture, "a", "copper", "{\"n\":1}");
        struct docs_receipt again = fixture_put(fixture, "a", "copper", "{\"n\":1}");
        struct docs_receipt other = fixture_put(fixture, "a", "copper", "{\"n\":2}");
        struct docs_receipt third = fixture_put(fixture, "a", "iron", "{\"n\":2}");

        assert_true(again.unchanged);
        assert_int_equal(again.doc_seq, first.doc_seq);
        assert_int_equal(again.version, 1);
        assert_true(id_equal(first.id.id, third.id.id));
        assert_false(other.unchanged);
        assert_int_equal(other.version, 2);
        assert_int_equal(third.version, 3);
        assert_true(third.doc_seq > other.doc_seq);
}

static void test_a_failed_version_may_be_tried_again(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt first = fixture_put(fixture, "a", "copper", NULL), again;
        struct docs_counts counts;
        struct document document;
        struct error error = { 0 };

        assert_ok(docs_set_failed(fixture->collection, (uint32_t) first.doc_seq, "no words",
                                  &error));
        assert_ok(docs_set_failed(fixture->collection, (uint32_t) first.doc_seq, "no words",
                                  &error));
        assert_ok(docs_count(fixture->collection, &counts, &error));
        assert_int_equal(counts.failed, 1);
        assert_int_equal(counts.pending, 0);
        assert_ok(docs_get(fixture->collection, "a", &document, &error));
        assert_true(document.failed);
        assert_string_equal(document.error, "no words");
        document_done(&document);
        again = fixture_put(fixture, "a", "copper", NULL);
        assert_false(again.unchanged);
        assert_ok(docs_count(fixture->collection, &counts, &error));
        assert_int_equal(counts.failed, 0);
        assert_int_equal(counts.pending, 1);
}

static void test_counts_follow_puts_and_deletes(void **state)
{
        struct fixture *fixture = *state;
        struct docs_counts counts;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "12345", NULL);
        (void) fixture_put(fixture, "b", "123", NULL);
        (void) fixture_put(fixture, "a", "1234567", NULL);
        assert_ok(docs_count(fixture->collection, &counts, &error));
        assert_int_equal(counts.documents, 2);
        assert_int_equal(counts.bytes, 10);
        assert_int_equal(counts.pending, 2);
        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
        assert_ok(collection_forget_document(fixture->collection, "a", &error));
        assert_ok(docs_count(fixture->collection, &counts, &error));
        assert_int_equal(counts.documents, 1);
        assert_int_equal(counts.bytes, 3);
        assert_int_equal(counts.pending, 0);
}

static void test_a_document_deleted_and_put_again_is_another_one(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt first = fixture_put(fixture, "a", "copper", NULL), again;
        struct document document;
        struct error error = { 0 };

        assert_ok(collection_forget_document(fixture->collection, "a", &error));
        assert_int_equal(docs_get(fixture->collection, "a", &document, &error), -ENOENT);
        assert_int_equal(docs_get_body(fixture->collection, (uint32_t) first.doc_seq, &document,
                                       &error), -ENOENT);
        again = fixture_put(fixture, "a", "copper", NULL);
        assert_false(again.unchanged);
        assert_int_equal(again.version, 1);
        assert_false(id_equal(first.id.id, again.id.id));
}

static void test_the_log_tells_what_is_superseded(void **state)
{
        struct fixture *fixture = *state;
        struct docs_change *changes;
        struct document document;
        struct error error = { 0 };
        size_t n;

        (void) fixture_put(fixture, "a", "one", NULL);
        (void) fixture_put(fixture, "b", "two", NULL);
        (void) fixture_put(fixture, "a", "three", NULL);
        assert_ok(collection_forget_document(fixture->collection, "b", &error));
        assert_ok(docs_changes(fixture->collection, 0, 10, &changes, &n, &error));
        assert_int_equal(n, 4);
        assert_true(changes[0].superseded);
        assert_true(changes[1].superseded);
        assert_false(changes[2].superseded);
        assert_int_equal(changes[2].docver, 3);
        assert_int_equal(changes[2].doc_no, changes[0].doc_no);
        assert_int_equal(changes[3].docver, 0);
        assert_false(changes[3].superseded);
        free(changes);
        assert_ok(docs_changes(fixture->collection, 2, 1, &changes, &n, &error));
        assert_int_equal(n, 1);
        assert_int_equal(changes[0].doc_seq, 3);
        free(changes);
        assert_int_equal(docs_get_body(fixture->collection, 1, &document, &error), -ENOENT);
}

static void test_a_batch_is_one_transaction(void **state)
{
        struct fixture *fixture = *state;
        struct document_input inputs[3] = {
                { .external_id = "a", .mime = "text/plain", .body = "1", .body_len = 1 },
                { .external_id = "a", .mime = "text/plain", .body = "1", .body_len = 1 },
                { .external_id = "b\n", .mime = "text/plain", .body = "2", .body_len = 1 },
        };
        struct docs_receipt receipts[3];
        struct document document;
        struct error error = { 0 };

        assert_int_equal(docs_put(fixture->collection, inputs, 3, no_job, receipts, &error),
                         -EINVAL);
        assert_string_equal(error.origin.key, "external_id");
        assert_int_equal(docs_get(fixture->collection, "a", &document, &error), -ENOENT);
        inputs[2].external_id = "b";
        assert_ok(docs_put(fixture->collection, inputs, 3, no_job, receipts, &error));
        assert_false(receipts[0].unchanged);
        assert_true(receipts[1].unchanged);
        assert_int_equal(receipts[1].doc_seq, receipts[0].doc_seq);
        assert_int_equal(receipts[2].version, 1);
}

static void test_documents_are_listed_in_pages(void **state)
{
        struct fixture *fixture = *state;
        struct document *documents;
        struct error error = { 0 };
        size_t n;

        (void) fixture_put(fixture, "c", "1", NULL);
        (void) fixture_put(fixture, "a", "2", NULL);
        (void) fixture_put(fixture, "b", "3", NULL);
        assert_ok(docs_list(fixture->collection, NULL, 2, &documents, &n, &error));
        assert_int_equal(n, 2);
        assert_string_equal(documents[0].external_id, "a");
        assert_string_equal(documents[1].external_id, "b");
        (void) documents_free(documents, n);
        assert_ok(docs_list(fixture->collection, "b", 2, &documents, &n, &error));
        assert_int_equal(n, 1);
        assert_string_equal(documents[0].external_id, "c");
        (void) documents_free(documents, n);
}

static void test_versions_come_in_the_order_they_were_asked_for(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt one = fixture_put(fixture, "one", "1", NULL);
        struct docs_receipt two = fixture_put(fixture, "two", "2", NULL);
        const uint32_t docvers[] = { (uint32_t) two.doc_seq, 4000, (uint32_t) one.doc_seq,
                                     (uint32_t) two.doc_seq };
        struct document documents[4];
        struct error error = { 0 };

        assert_ok(docs_get_versions(fixture->collection, docvers, 4, documents, &error));
        assert_string_equal(documents[0].external_id, "two");
        assert_null(documents[1].external_id);
        assert_int_equal(documents[1].docver, 0);
        assert_string_equal(documents[2].external_id, "one");
        assert_string_equal(documents[3].external_id, "two");
        for (size_t i = 0; i < 4; i++)
                document_done(&documents[i]);
        /* The connection is back without a transaction: a write is seen by the next read. */
        assert_ok(docs_get_versions(fixture->collection, docvers, 0, documents, &error));
        one = fixture_put(fixture, "one", "more", NULL);
        assert_ok(docs_get_versions(fixture->collection, &(uint32_t){ (uint32_t) one.doc_seq }, 1,
                                    documents, &error));
        assert_int_equal(documents[0].version, 2);
        document_done(&documents[0]);
}

static void test_metadata_is_checked(void **state)
{
        static const struct {
                const char *text, *pointer;
        } bad[] = {
                { "[1]", "" },
                { "{\"a\":[1]}", "/metadata/a" },
                { "{\"a\":{}}", "/metadata/a" },
                { "{\"a\":null}", "/metadata/a" },
                { "{\"\":1}", "/metadata/" },
                { "{\"a\":1", "" },
                { "{\"a\":NaN}", "" },
                { "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,"
                  "\"j\":1,\"k\":1,\"l\":1,\"m\":1,\"n\":1,\"o\":1,\"p\":1,\"q\":1}", "" },
        };
        char longest[DOCUMENT_ATTRIBUTE_TEXT_MAX + 16];

        (void) state;
        assert_int_equal(docs_check_metadata(NULL, NULL), 0);
        assert_int_equal(docs_check_metadata("{\"a\":true,\"b\":1.5,\"c\":\"x\"}", NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                struct error error = { 0 };

                assert_int_equal(docs_check_metadata(bad[i].text, &error), -EINVAL);
                assert_int_equal(error.code, -EINVAL);
                if (bad[i].pointer[0])
                        assert_string_equal(error.origin.key, bad[i].pointer);
        }
        memset(longest, 'x', sizeof longest);
        memcpy(longest, "{\"a\":\"", 6);
        memcpy(longest + 6 + DOCUMENT_ATTRIBUTE_TEXT_MAX, "\"}", 3);
        assert_int_equal(docs_check_metadata(longest, NULL), 0);
        memcpy(longest + 6 + DOCUMENT_ATTRIBUTE_TEXT_MAX, "x\"}", 4);
        assert_int_equal(docs_check_metadata(longest, NULL), -EINVAL);
}

static void test_vectors_that_a_client_brought_come_back(void **state)
{
        struct fixture *fixture = *state;
        float values[2][FIXTURE_DIMENSIONS];
        const struct document_vector vectors[] = { { "first", values[0], 0 },
                                                   { "second", values[1], 0 } };
        struct document_input input = { .external_id = "a", .mime = "text/plain", .body = "x",
                                        .body_len = 1, .vectors = vectors, .n_vectors = 2 };
        struct docs_receipt receipt;
        struct document_vector *found;
        struct error error = { 0 };
        size_t n;

        fixture_vector(1, values[0]);
        fixture_vector(2, values[1]);
        assert_ok(docs_put(fixture->collection, &input, 1, no_job, &receipt, &error));
        assert_ok(docs_get_vectors(fixture->collection, (uint32_t) receipt.doc_seq, &found, &n,
                                   &error));
        assert_int_equal(n, 2);
        assert_string_equal(found[1].text, "second");
        assert_int_equal(found[1].dimensions, FIXTURE_DIMENSIONS);
        assert_memory_equal(found[1].values, values[1], sizeof values[1]);
        (void) docs_vectors_free(found, n);
        assert_ok(docs_put(fixture->collection, &input, 1, no_job, &receipt, &error));
        assert_true(receipt.unchanged);
        values[1][0] += 0.5F;
        assert_ok(docs_put(fixture->collection, &input, 1, no_job, &receipt, &error));
        assert_false(receipt.unchanged);
}

static void test_a_job_knows_its_extent(void **state)
{
        struct fixture *fixture = *state;
        struct job_id job = { id_random() };
        struct document_input inputs[2] = {
                { .external_id = "a", .mime = "text/plain", .body = "1", .body_len = 1 },
                { .external_id = "b", .mime = "text/plain", .body = "2", .body_len = 1 },
        };
        struct docs_receipt receipts[2];
        uint64_t total, last, failed;
        struct error error = { 0 };

        (void) fixture_put(fixture, "z", "0", NULL);
        assert_ok(docs_put(fixture->collection, inputs, 2, job, receipts, &error));
        (void) fixture_put(fixture, "y", "0", NULL);
        assert_ok(docs_set_failed(fixture->collection, (uint32_t) receipts[0].doc_seq, "x",
                                  &error));
        assert_ok(docs_job_extent(fixture->collection, job, &total, &last, &failed, &error));
        assert_int_equal(total, 2);
        assert_int_equal(last, receipts[1].doc_seq);
        assert_int_equal(failed, 1);
}

static void expect_totals(struct fixture *fixture, uint64_t documents, uint64_t bytes,
                          uint64_t vectors)
{
        struct docs_totals totals = { 0 };
        struct error error = { 0 };

        assert_ok(docs_read_totals(fixture->store, fixture->tenant,
                                   collection_get(fixture->collection)->id, &totals, &error));
        assert_int_equal(totals.documents, documents);
        assert_int_equal(totals.bytes, bytes);
        assert_int_equal(totals.vectors, vectors);
}

static void test_totals_are_exact_through_puts_replacements_and_deletes(void **state)
{
        struct fixture *fixture = *state;
        struct document_input inputs[3] = {
                { .external_id = "a", .body = "12345", .body_len = 5, .chunks = 3 },
                { .external_id = "b", .body = "123", .body_len = 3, .chunks = 2 },
                { .external_id = "a", .body = "1", .body_len = 1, .chunks = 1 },
        };
        struct docs_receipt receipts[3];
        struct docs_delta most = { .documents = 2, .bytes = 4, .vectors = 2 }, gone;
        struct document document;
        struct error error = { 0 };

        /* together they add 2 documents, 4 bytes, 3 chunks */
        assert_int_equal(docs_put_within(fixture->collection, inputs, 3, no_job, &most, receipts,
                                         NULL), -ESTALE);
        expect_totals(fixture, 0, 0, 0);
        most.vectors = 3;
        assert_ok(docs_put_within(fixture->collection, inputs, 3, no_job, &most, receipts,
                                  &error));
        expect_totals(fixture, 2, 4, 3);
        assert_int_equal(receipts[0].delta.documents, 1);
        assert_int_equal(receipts[0].delta.vectors, 3);
        assert_int_equal(receipts[2].delta.documents, 0);
        assert_int_equal(receipts[2].delta.bytes, -4);
        assert_int_equal(receipts[2].delta.vectors, -2);
        assert_ok(docs_get(fixture->collection, "b", &document, &error));
        assert_int_equal(document.chunks, 2);
        document_done(&document);
        assert_ok(docs_put(fixture->collection, &inputs[2], 1, no_job, receipts, &error));
        assert_true(receipts[0].unchanged);
        assert_int_equal(receipts[0].delta.bytes, 0);
        fixture_reopen(fixture);
        expect_totals(fixture, 2, 4, 3);
        assert_ok(collection_forget_counted(fixture->collection, "b", &gone, &error));
        assert_true(gone.documents == -1 && gone.bytes == -3 && gone.vectors == -2);
        expect_totals(fixture, 1, 1, 1);
        assert_ok(collection_forget_document(fixture->collection, "a", &error));
        expect_totals(fixture, 0, 0, 0);
}

static uint64_t matches(struct fixture *fixture, const char *json)
{
        cleanup_json_ struct json_object *object = NULL;
        roaring_bitmap_t *docvers = NULL;
        struct filter *filter;
        struct error error = { 0 };
        uint64_t bits = 0;

        assert_ok(json_parse(json, strlen(json), &object, &error));
        assert_ok(filter_parse(object, "", &filter, &error));
        assert_ok(docs_filter(fixture->collection, filter, &docvers, &error));
        for (uint32_t i = 0; i < 64; i++)
                bits |= (uint64_t) roaring_bitmap_contains(docvers, i) << i;
        roaring_bitmap_free(docvers);
        filter_free(filter);
        return bits;
}

static void test_filters_see_each_version_from_its_put_on(void **state)
{
        static const char eq[] = "{\"type\":\"eq\",\"key\":\"kind\",\"value\":\"pot\"}";
        static const char gt[] = "{\"type\":\"gt\",\"key\":\"year\",\"value\":1990}";
        static const char ne[] = "{\"type\":\"ne\",\"key\":\"good\",\"value\":true}";
        struct fixture *fixture = *state;

        (void) fixture_put(fixture, "a", "1", "{\"kind\":\"pot\",\"year\":1980}");
        (void) fixture_put(fixture, "b", "2", "{\"kind\":\"pan\",\"year\":2000.5}");
        assert_int_equal(matches(fixture, eq), 1U << 1);
        assert_int_equal(matches(fixture, gt), 1U << 2);
        (void) fixture_put(fixture, "a", "3", "{\"kind\":\"pot\",\"good\":true}");
        assert_int_equal(matches(fixture, eq), 1U << 1 | 1U << 3);
        assert_int_equal(matches(fixture, ne), 1U << 1 | 1U << 2);
        fixture_reopen(fixture);
        assert_int_equal(matches(fixture, eq), 1U << 1 | 1U << 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_document_is_read_as_it_was_put),
                TEST(test_the_same_document_again_is_unchanged),
                TEST(test_a_failed_version_may_be_tried_again),
                TEST(test_counts_follow_puts_and_deletes),
                TEST(test_a_document_deleted_and_put_again_is_another_one),
                TEST(test_the_log_tells_what_is_superseded),
                TEST(test_a_batch_is_one_transaction),
                TEST(test_documents_are_listed_in_pages),
                TEST(test_versions_come_in_the_order_they_were_asked_for),
                TEST(test_metadata_is_checked),
                TEST(test_vectors_that_a_client_brought_come_back),
                TEST(test_a_job_knows_its_extent),
                TEST(test_totals_are_exact_through_puts_replacements_and_deletes),
                TEST(test_filters_see_each_version_from_its_put_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
