/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void follow(struct fixture *fixture)
{
        struct error error = { 0 };

        assert_ok(fixture_follow(fixture->collection, fixture->generation, &error));
}

static void test_a_document_is_found_once_it_was_published(void **state)
{
        struct fixture *fixture = *state;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        assert_false(fixture_finds(fixture, "kettle", "a"));
        follow(fixture);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        fixture_reopen(fixture);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        assert_int_equal(generation_applied_seq(fixture->generation), 1);
}

static void test_the_old_version_serves_until_the_new_one_is_published(void **state)
{
        struct fixture *fixture = *state;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        (void) fixture_put(fixture, "a", "iron pan", NULL);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        follow(fixture);
        assert_false(fixture_finds(fixture, "kettle", "a"));
        assert_true(fixture_finds(fixture, "pan", "a"));
}

static void test_a_pinned_view_sees_what_it_saw(void **state)
{
        struct fixture *fixture = *state;
        struct generation_view *view;
        struct error error = { 0 };
        struct index_hit hits[4];
        uint32_t n = 0;
        bool more;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        view = generation_view_ref(fixture->generation);
        (void) fixture_put(fixture, "a", "iron pan", NULL);
        follow(fixture);
        assert_ok(generation_tidy(fixture->generation, &more, &error));
        assert_ok(generation_bm25(view, "kettle", 4, NULL, NULL, hits, &n, &error));
        assert_int_equal(n, 1);
        assert_int_equal(generation_view_docver(view, hits[0].slot), 1);
        assert_int_equal(view->committed, 1);
        (void) generation_view_unref(view);
}

static void test_tidying_removes_what_nobody_sees(void **state)
{
        struct fixture *fixture = *state;
        struct generation_info info;
        struct document document;
        struct chunk chunk = { 0 };
        struct error error = { 0 };
        bool more = true;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        (void) fixture_put(fixture, "a", "iron pan", NULL);
        follow(fixture);
        assert_ok(generation_get_info(fixture->generation, &info, &error));
        assert_int_equal(info.chunks_dead, 1);
        assert_int_equal(info.chunks_live, 1);
        assert_int_equal(info.documents, 1);
        assert_ok(generation_get_chunk(fixture->generation, 0, &chunk, &error));
        assert_string_equal(chunk.text, "copper kettle");
        chunk_done(&chunk);
        assert_int_equal(docs_get_version(fixture->collection, 1, &document, &error), 0);
        document_done(&document);
        assert_ok(generation_tidy(fixture->generation, &more, &error));
        assert_false(more);
        assert_int_equal(generation_get_chunk(fixture->generation, 0, &chunk, &error), -ENOENT);
        assert_int_equal(docs_get_version(fixture->collection, 1, &document, &error), -ENOENT);
        assert_true(fixture_finds(fixture, "pan", "a"));
        fixture_reopen(fixture);
        assert_true(fixture_finds(fixture, "pan", "a"));
}

static void test_a_deleted_document_is_gone_at_once(void **state)
{
        struct fixture *fixture = *state;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        assert_ok(collection_forget_document(fixture->collection, "a", &error));
        assert_false(fixture_finds(fixture, "kettle", "a"));
        assert_int_equal(collection_forget_document(fixture->collection, "a", &error), -ENOENT);
        fixture_reopen(fixture);
        assert_false(fixture_finds(fixture, "kettle", "a"));
        follow(fixture);
        assert_int_equal(generation_applied_seq(fixture->generation), 2);
}

static void test_a_delete_that_a_crash_cut_short_is_applied_on_opening(void **state)
{
        struct fixture *fixture = *state;
        struct generation_view *view;
        struct error error = { 0 };
        struct docs_delta delta;
        uint32_t doc_no;
        uint64_t seq;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        assert_ok(docs_delete(fixture->collection, "a", &doc_no, &seq, &delta, &error));
        fixture_reopen(fixture); /* the generation was never told */
        view = generation_view_ref(fixture->generation);
        assert_true(roaring_bitmap_is_empty(view->live));
        assert_int_equal(view->applied_seq, 1);
        (void) generation_view_unref(view);
}

static void test_what_was_superseded_or_deleted_meanwhile_never_goes_live(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt first = fixture_put(fixture, "a", "copper kettle", NULL);
        struct docs_receipt other = fixture_put(fixture, "b", "iron pan", NULL);
        float vector[FIXTURE_DIMENSIONS];
        struct generation_view *view;
        struct error error = { 0 };
        struct generation_chunk chunks[2] = {
                { .docver = (uint32_t) first.doc_seq, .doc_no = 1, .text = "copper kettle",
                  .text_len = 13, .vector = vector },
                { .docver = (uint32_t) other.doc_seq, .doc_no = 2, .text = "iron pan",
                  .text_len = 8, .vector = vector },
        };
        const struct generation_change changes[2] = {
                { .doc_seq = first.doc_seq, .doc_no = 1, .docver = (uint32_t) first.doc_seq },
                { .doc_seq = other.doc_seq, .doc_no = 2, .docver = (uint32_t) other.doc_seq },
        };

        fixture_vector(1, vector);
        (void) fixture_put(fixture, "a", "copper pot", NULL);
        assert_ok(collection_forget_document(fixture->collection, "b", &error));
        assert_ok(generation_publish(fixture->generation, chunks, 2, changes, 2, &error));
        view = generation_view_ref(fixture->generation);
        assert_int_equal(view->committed, 2);
        assert_true(roaring_bitmap_is_empty(view->live));
        (void) generation_view_unref(view);
        follow(fixture);
        assert_true(fixture_finds(fixture, "pot", "a"));
        assert_false(fixture_finds(fixture, "pan", "b"));
}

static void test_staged_chunks_are_kept_over_a_restart_and_not_found(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt receipt = fixture_put(fixture, "a", "copper kettle", NULL);
        float vector[FIXTURE_DIMENSIONS];
        struct error error = { 0 };
        struct generation_chunk chunk = { .docver = (uint32_t) receipt.doc_seq,
                                          .doc_no = 1,
                                          .text = "copper",
                                          .text_len = 6,
                                          .vector = vector };
        struct generation_change change = { receipt.doc_seq, 1, chunk.docver, false };
        struct chunk *chunks;
        uint32_t count = 9;
        size_t n;

        fixture_vector(1, vector);
        assert_ok(generation_stage(fixture->generation, &chunk, 1, &error));
        fixture_reopen(fixture);
        assert_ok(generation_staged(fixture->generation, chunk.docver, &count, &error));
        assert_int_equal(count, 1);
        assert_false(fixture_finds(fixture, "copper", "a"));
        chunk.ordinal = 1;
        chunk.text = "kettle";
        assert_ok(generation_publish(fixture->generation, &chunk, 1, &change, 1, &error));
        assert_true(fixture_finds(fixture, "copper", "a"));
        assert_ok(generation_get_chunks(fixture->generation, chunk.docver, &chunks, &n, &error));
        assert_int_equal(n, 2);
        assert_string_equal(chunks[1].text, "kettle");
        assert_int_equal(chunks[1].ordinal, 1);
        (void) chunks_free(chunks, n);
}

static void test_chunks_out_of_order_and_bad_vectors_change_nothing(void **state)
{
        struct fixture *fixture = *state;
        struct docs_receipt receipt = fixture_put(fixture, "a", "copper kettle", NULL);
        float vector[FIXTURE_DIMENSIONS], zero[FIXTURE_DIMENSIONS] = { 0 };
        struct error error = { 0 };
        struct generation_chunk chunk = { .docver = (uint32_t) receipt.doc_seq,
                                          .doc_no = 1,
                                          .ordinal = 1,
                                          .text = "copper",
                                          .text_len = 6,
                                          .vector = vector };
        uint32_t count = 9;

        fixture_vector(1, vector);
        assert_int_equal(generation_stage(fixture->generation, &chunk, 1, &error), -ESTALE);
        chunk.ordinal = 0;
        chunk.vector = zero;
        assert_int_equal(generation_stage(fixture->generation, &chunk, 1, &error), -EINVAL);
        chunk.vector = vector;
        chunk.docver = 5;
        assert_ok(generation_stage(fixture->generation, &chunk, 1, &error));
        chunk.docver = 4;
        assert_int_equal(generation_stage(fixture->generation, &chunk, 1, &error), -EINVAL);
        assert_ok(generation_staged(fixture->generation, 4, &count, &error));
        assert_int_equal(count, 0);
        assert_ok(generation_scrub(fixture->generation, &error));
}

static void test_slots_of_versions_are_found_by_their_docver(void **state)
{
        struct fixture *fixture = *state;
        float vector[FIXTURE_DIMENSIONS];
        struct generation_chunk chunks[300];
        struct error error = { 0 };
        roaring_bitmap_t *docvers = roaring_bitmap_create(), *slots;
        struct generation_change change = { 1000, 1, 0, true };
        struct generation_view *view;

        fixture_vector(1, vector);
        for (uint32_t i = 0; i < 300; i++) /* three chunks of each third docver */
                chunks[i] = (struct generation_chunk){ .docver = 3 + i / 3 * 3, .ordinal = i % 3,
                                                       .doc_no = i / 3, .text = "x", .text_len = 1,
                                                       .vector = vector };
        assert_ok(generation_publish(fixture->generation, chunks, 300, &change, 1, &error));
        view = generation_view_ref(fixture->generation);
        roaring_bitmap_add(docvers, 1);
        roaring_bitmap_add(docvers, 3);
        roaring_bitmap_add(docvers, 4);
        roaring_bitmap_add(docvers, 150);
        roaring_bitmap_add(docvers, 300);
        roaring_bitmap_add(docvers, 999);
        slots = generation_view_slots(view, docvers);
        assert_non_null(slots);
        assert_int_equal(roaring_bitmap_get_cardinality(slots), 9);
        assert_true(roaring_bitmap_contains_range(slots, 0, 3));
        assert_true(roaring_bitmap_contains_range(slots, 147, 150));
        assert_true(roaring_bitmap_contains_range(slots, 297, 300));
        assert_int_equal(generation_view_ordinal(view, 299), 2);
        roaring_bitmap_free(slots);
        roaring_bitmap_free(docvers);
        (void) generation_view_unref(view);
}

static void test_a_torn_tail_is_cut_off(void **state)
{
        struct fixture *fixture = *state;
        char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE];
        struct error error = { 0 };
        struct stat before, after;

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, "g0001/vectors.0001", file));
        fixture_close(fixture);
        assert_int_equal(stat(path, &before), 0);
        {
                cleanup_close_ int fd = open(path, O_WRONLY | O_APPEND);

                assert_int_equal(io_write_all(fd, "half a record", 13), 0);
        }
        fixture_open(fixture);
        assert_int_equal(stat(path, &after), 0);
        assert_int_equal(after.st_size, before.st_size);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        follow(fixture);
        assert_true(fixture_finds(fixture, "kettle", "a"));
        assert_true(fixture_finds(fixture, "pan", "b"));
        assert_ok(generation_scrub(fixture->generation, &error));
}

static void test_a_flipped_bit_is_found_by_scrub_and_check(void **state)
{
        struct fixture *fixture = *state;
        char file[FIXTURE_PATH_SIZE];
        struct generation_view *view;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        (void) fixture_put(fixture, "b", "iron pan", NULL);
        follow(fixture);
        fixture_damage(fixture, fixture_file(fixture, "g0001/vectors.0001", file), 4096 + 64 + 5,
                       "\xff", 1);
        assert_int_equal(generation_scrub(fixture->generation, &error), -EBADMSG);
        assert_non_null(strstr(error_text(&error), "slot 1"));
        view = generation_view_ref(fixture->generation);
        assert_int_equal(generation_view_check(view, 0, &error), 0);
        assert_int_equal(generation_view_check(view, 1, &error), -EBADMSG);
        (void) generation_view_unref(view);
}

static void expect_set_aside(struct fixture *fixture, const char *damaged_file, off_t length)
{
        char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE];
        struct generation *built;
        struct error error = { 0 };

        (void) fixture_put(fixture, "a", "copper kettle", NULL);
        follow(fixture);
        (void) snprintf(path, sizeof path, "%s/%s", fixture->path,
                        fixture_file(fixture, damaged_file, file));
        fixture_close(fixture);
        if (length < 0)
                assert_int_equal(unlink(path), 0);
        else
                assert_int_equal(truncate(path, length), 0);
        fixture_open(fixture);
        assert_null(fixture->generation);
        assert_non_null(collection_get_damage(fixture->collection));
        assert_non_null(strstr(collection_get_damage(fixture->collection), "g0001.damaged"));
        assert_ok(collection_new_generation(fixture->collection, &fixture_spec, &built, &error));
        assert_int_equal(generation_number(built), 2); /* numbers are never used again */
        assert_ok(fixture_follow(fixture->collection, built, &error));
        assert_ok(collection_finish_generation(fixture->collection, 2, &error));
        fixture->generation = built;
        assert_true(fixture_finds(fixture, "kettle", "a"));
        fixture_reopen(fixture);
        assert_null(collection_get_damage(fixture->collection));
        assert_true(fixture_finds(fixture, "kettle", "a"));
}

static void test_a_generation_with_a_short_segment_is_set_aside_and_rebuilt(void **state)
{
        expect_set_aside(*state, "g0001/vectors.0001", 4096 + 10);
}

static void test_a_generation_without_its_segment_is_set_aside_and_rebuilt(void **state)
{
        expect_set_aside(*state, "g0001/vectors.0001", -1);
}

static void test_a_generation_without_its_manifest_is_set_aside_and_rebuilt(void **state)
{
        expect_set_aside(*state, "g0001/MANIFEST", -1);
}

static void test_a_generation_with_an_empty_database_is_set_aside_and_rebuilt(void **state)
{
        expect_set_aside(*state, "g0001/gen.db", 0);
}

static void test_a_newer_format_is_refused_and_left_alone(void **state)
{
        static const struct {
                const char *file;
                long offset;
                const char *bytes;
                size_t len;
        } cases[] = {
                { "g0001/gen.db", 60, "\0\0\0\x63", 4 }, /* user_version, big endian */
                { "docs.db", 60, "\0\0\0\x63", 4 },
                { "g0001/vectors.0001", 12, "\x63\0\0\0", 4 },
                { "g0001/MANIFEST", 0, "{\"ragd_generation\":9,", 21 },
        };
        struct fixture *fixture = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char file[FIXTURE_PATH_SIZE], path[2 * FIXTURE_PATH_SIZE];
                cleanup_free_ char *before = NULL;
                struct error error = { 0 };
                size_t len;

                (void) fixture_put(fixture, "a", "copper kettle", NULL);
                follow(fixture);
                (void) fixture_file(fixture, cases[i].file, file);
                (void) snprintf(path, sizeof path, "%s/%s", fixture->path, file);
                fixture_close(fixture);
                assert_ok(io_read_file(AT_FDCWD, path, 1 << 24, &before, &len, &error));
                fixture_damage(fixture, file, cases[i].offset, cases[i].bytes, cases[i].len);
                assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
                assert_int_equal(collection_open(fixture->store, fixture->tenant, "things",
                                                 &fixture->collection, &error),
                                 -EPROTONOSUPPORT);
                assert_non_null(strstr(error_text(&error), "version"));
                fixture->store = store_close(fixture->store);
                fixture_damage(fixture, file, cases[i].offset, before + cases[i].offset,
                               cases[i].len);
                fixture_open(fixture);
                assert_true(fixture_finds(fixture, "kettle", "a"));
        }
}

static void test_the_identity_depends_on_every_field(void **state)
{
        uint8_t base[GENERATION_IDENTITY_BYTES], other[GENERATION_IDENTITY_BYTES];
        struct generation_spec spec = fixture_spec;
        char text[192];

        (void) state;
        generation_identity(&spec, base);
        spec.fingerprint.dimensions = 9;
        generation_identity(&spec, other);
        assert_memory_not_equal(base, other, sizeof base);
        spec = fixture_spec;
        spec.fingerprint.query_prefix = "x";
        generation_identity(&spec, other);
        assert_memory_not_equal(base, other, sizeof base);
        spec.fingerprint.query_prefix = NULL;
        spec.fingerprint.document_prefix = "x";
        generation_identity(&spec, base);
        assert_memory_not_equal(base, other, sizeof base);
        assert_string_equal(generation_describe(&fixture_spec, text),
                            "hashing v1, 8 dimensions, normalised");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
        const struct CMUnitTest tests[] = {
                TEST(test_a_document_is_found_once_it_was_published),
                TEST(test_the_old_version_serves_until_the_new_one_is_published),
                TEST(test_a_pinned_view_sees_what_it_saw),
                TEST(test_tidying_removes_what_nobody_sees),
                TEST(test_a_deleted_document_is_gone_at_once),
                TEST(test_a_delete_that_a_crash_cut_short_is_applied_on_opening),
                TEST(test_what_was_superseded_or_deleted_meanwhile_never_goes_live),
                TEST(test_staged_chunks_are_kept_over_a_restart_and_not_found),
                TEST(test_chunks_out_of_order_and_bad_vectors_change_nothing),
                TEST(test_slots_of_versions_are_found_by_their_docver),
                TEST(test_a_torn_tail_is_cut_off),
                TEST(test_a_flipped_bit_is_found_by_scrub_and_check),
                TEST(test_a_generation_with_a_short_segment_is_set_aside_and_rebuilt),
                TEST(test_a_generation_without_its_segment_is_set_aside_and_rebuilt),
                TEST(test_a_generation_without_its_manifest_is_set_aside_and_rebuilt),
                TEST(test_a_generation_with_an_empty_database_is_set_aside_and_rebuilt),
                TEST(test_a_newer_format_is_refused_and_left_alone),
                TEST(test_the_identity_depends_on_every_field),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
