/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/io.h"
#include "base/nearest.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void test_an_error_keeps_its_context_in_order_and_never_overflows(void **state)
{
        struct error error = { 0 };
        char longer[2 * ERROR_MESSAGE_MAX];

        (void) state;
        assert_int_equal(error_set(&error, -ERANGE, "%d is too much", 7), -ERANGE);
        assert_int_equal(error_prefix(&error, -ERANGE, "reading %s", "x"), -ERANGE);
        assert_string_equal(error.message, "reading x: 7 is too much");
        memset(longer, 'a', sizeof longer);
        longer[sizeof longer - 1] = '\0';
        assert_int_equal(error_prefix(&error, -ERANGE, "%s", longer), -ERANGE);
        assert_int_equal(strlen(error.message), ERROR_MESSAGE_MAX - 1);
        assert_int_equal(error_set(NULL, -EIO, "nobody listens"), -EIO);
}

static void test_a_cut_message_is_still_utf8(void **state)
{
        struct error error = { 0 };
        char text[ERROR_MESSAGE_MAX + 8];

        (void) state;
        memset(text, 'a', sizeof text);
        memcpy(text + ERROR_MESSAGE_MAX - 3, "\xE2\x82\xAC", 3); /* its last byte is cut off */
        text[ERROR_MESSAGE_MAX] = '\0';
        (void) error_set(&error, -EIO, "%s", text);
        assert_int_equal(strlen(error.message), ERROR_MESSAGE_MAX - 3);
}

static void test_ids_survive_the_way_to_text_and_back(void **state)
{
        char text[ID_TEXT_SIZE];

        (void) state;
        for (int i = 0; i < 100; i++) {
                struct id id = id_random(), back;

                assert_int_equal(strlen(id_format(id, text)), ID_TEXT_SIZE - 1);
                assert_int_equal(id_parse(text, &back), 0);
                assert_true(id_equal(id, back));
        }
}

static void test_texts_that_are_no_ids_are_refused(void **state)
{
        static const char *const bad[] = { "", "a", "aaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                           "Aaaaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaa1",
                                           "aaaaaaaaaaaaaaaaaaaaaaaaab" };
        struct id id;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (id_parse(bad[i], &id) != -EINVAL)
                        fail_msg("\"%s\" was taken for an id", bad[i]);
}

static void test_a_buffer_grows_consumes_and_hands_over(void **state)
{
        cleanup_(buf_done) struct buf buf = BUF_EMPTY;
        cleanup_free_ char *taken = NULL;

        (void) state;
        assert_string_equal(buf_text(&buf), "");
        for (int i = 0; i < 1000; i++)
                buf_append_format(&buf, "%d,", i);
        buf_consume(&buf, 4);
        assert_memory_equal(buf_text(&buf), "2,3,", 4);
        assert_false(buf_failed(&buf));
        taken = buf_take(&buf);
        assert_int_equal(strlen(taken), 10 * 2 + 90 * 3 + 900 * 4 - 4);
        assert_int_equal(buf.len, 0);
        assert_null(buf_reserve(&buf, SIZE_MAX - 2));
        assert_true(buf_failed(&buf));
}

static void test_json_strings_are_escaped_and_mended(void **state)
{
        cleanup_(buf_done) struct buf buf = BUF_EMPTY;

        (void) state;
        buf_append_json_string(&buf, "a\"\\\n\x01\xff\xC3\xA4", 8);
        assert_string_equal(buf_text(&buf), "\"a\\\"\\\\\\n\\u0001\xEF\xBF\xBD\xC3\xA4\"");
}

static void test_time_is_written_as_rfc3339(void **state)
{
        char text[CLOCK_TEXT_SIZE];

        (void) state;
        assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000Z");
        assert_string_equal(clock_format(UINT64_C(1767225599123456), text), "2025-12-31T23:59:59.123Z");
}

static void test_the_nearest_name_is_near(void **state)
{
        static const char *const known[] = { "chunk_size", "overlap", "max_chunk_size", NULL };

        (void) state;
        assert_string_equal(nearest_name("chunk_sise", known), "chunk_size");
        assert_string_equal(nearest_name("Overlap", known), "overlap");
        assert_string_equal(nearest_name("chunk-size", known), "chunk_size");
        assert_null(nearest_name("bananas", known));
        assert_int_equal(nearest_distance("ab", "ba"), 1);
        assert_int_equal(nearest_distance("kitten", "sitting"), 3);
}

static void test_files_are_replaced_whole_and_trees_removed_without_following_links(void **state)
{
        char folder[] = "/tmp/ragd-io-XXXXXX", path[64];
        cleanup_free_ char *data = NULL;
        struct error error = { 0 };
        struct stat st;
        size_t len;
        int dirfd;

        (void) state;
        assert_non_null(mkdtemp(folder));
        dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(io_replace_file(dirfd, "a", "one", 3, 0600, NULL), 0);
        assert_int_equal(io_replace_file(dirfd, "a", "three", 5, 0600, NULL), 0);
        assert_int_equal(io_read_file(dirfd, "a", 5, &data, &len, NULL), 0);
        assert_string_equal(data, "three");
        assert_int_equal(fstatat(dirfd, "a.tmp", &st, 0), -1);

        assert_int_equal(io_read_file(dirfd, "a", 4, &data, &len, &error), -EFBIG);
        assert_int_equal(io_read_file(dirfd, ".", 4, &data, &len, &error), -EISDIR);
        assert_non_null(strstr(error.message, "is a directory"));
        assert_int_equal(io_read_file(dirfd, "absent", 4, &data, &len, &error), -ENOENT);

        (void) snprintf(path, sizeof path, "%s/x/y/z", folder);
        assert_int_equal(io_make_directories(path, 0700, NULL), 0);
        assert_int_equal(symlinkat("../a", dirfd, "x/link"), 0);
        assert_int_equal(io_remove_tree(dirfd, "x"), 0);
        assert_int_equal(fstatat(dirfd, "a", &st, 0), 0);
        assert_int_equal(io_remove_tree(dirfd, "x"), 0);
        (void) close(dirfd);
        assert_int_equal(io_remove_tree(AT_FDCWD, folder), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_an_error_keeps_its_context_in_order_and_never_overflows),
                cmocka_unit_test(test_a_cut_message_is_still_utf8),
                cmocka_unit_test(test_ids_survive_the_way_to_text_and_back),
                cmocka_unit_test(test_texts_that_are_no_ids_are_refused),
                cmocka_unit_test(test_a_buffer_grows_consumes_and_hands_over),
                cmocka_unit_test(test_json_strings_are_escaped_and_mended),
                cmocka_unit_test(test_time_is_written_as_rfc3339),
                cmocka_unit_test(test_the_nearest_name_is_near),
                cmocka_unit_test(test_files_are_replaced_whole_and_trees_removed_without_following_links),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
