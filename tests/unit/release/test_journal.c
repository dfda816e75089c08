/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/release/recording.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/json.h"
#include "release/journal.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct pending pending = { .id = "c7", .base = 41, .base_was_active = true,
                                        .candidate = 42, .deadline_usec = UINT64_C(1769860800123456) };

static void test_active_is_a_link_to_its_release(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        char target[64] = "";
        uint32_t number = 0;

        assert_int_equal(active_read(r->dirfd, &number, &error), -ENOENT);
        assert_ok(active_write(r->dirfd, 42, &error));
        assert_int_equal(readlinkat(r->dirfd, "active", target, sizeof target), 15);
        assert_string_equal(target, "releases/000042");
        assert_ok(active_write(r->dirfd, 1000007, &error));
        assert_ok(active_read(r->dirfd, &number, &error));
        assert_int_equal(number, 1000007);
        assert_ok(active_remove(r->dirfd, &error));
        assert_ok(active_remove(r->dirfd, &error));
        assert_int_equal(active_read(r->dirfd, &number, &error), -ENOENT);
}

static void test_a_link_to_something_else_is_damage(void **state)
{
        static const char *const targets[] = { "releases/42", "releases/000042/x", "/etc",
                                               "releases/000000", "releases/00042a",
                                               "../releases/000042", "releases/0000042" };
        struct recording *r = *state;
        uint32_t number = 0;

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                assert_int_equal(symlinkat(targets[i], r->dirfd, "active"), 0);
                assert_int_equal(active_read(r->dirfd, &number, NULL), -EBADMSG);
                assert_int_equal(unlinkat(r->dirfd, "active", 0), 0);
        }
        recording_overwrite(r, "active", "releases/000042");
        assert_int_equal(active_read(r->dirfd, &number, NULL), -EBADMSG);
        assert_int_equal(number, 0);
}

static void test_tries_are_full_where_nothing_says_otherwise(void **state)
{
        static const char *const strange[] = { "", "2", "4\n", "-1\n", "1\n\n", "x\n" };
        struct recording *r = *state;
        struct error error = { 0 };

        assert_int_equal(boot_tries_read(r->dirfd), BOOT_TRIES);
        for (uint32_t tries = 0; tries <= BOOT_TRIES; tries++) {
                assert_ok(boot_tries_write(r->dirfd, tries, &error));
                assert_int_equal(boot_tries_read(r->dirfd), tries);
        }
        for (size_t i = 0; i < ELEMENTSOF(strange); i++) {
                recording_overwrite(r, "boot_tries", strange[i]);
                assert_int_equal(boot_tries_read(r->dirfd), BOOT_TRIES);
        }
        assert_ok(boot_tries_write(r->dirfd, 1, &error));
        assert_ok(active_write(r->dirfd, 1, &error));
        assert_int_equal(boot_tries_read(r->dirfd), BOOT_TRIES);
}

static void test_a_journal_reads_back(void **state)
{
        struct recording *r = *state;
        struct pending read = { 0 };
        struct error error = { 0 };

        assert_int_equal(pending_read(r->dirfd, &read, &error), -ENOENT);
        assert_ok(pending_remove(r->dirfd, &error));
        assert_ok(pending_write(r->dirfd, &pending, &error));
        assert_ok(pending_read(r->dirfd, &read, &error));
        assert_string_equal(read.id, "c7");
        assert_int_equal(read.base, 41);
        assert_true(read.base_was_active);
        assert_int_equal(read.candidate, 42);
        assert_int_equal(read.deadline_usec, pending.deadline_usec);
        assert_ok(pending_remove(r->dirfd, &error));
        assert_false(recording_has(r, "pending.json"));
}

/* A journal of which one bit differs never names other releases than those it was written for. */
static void test_no_flipped_bit_and_no_cut_of_a_journal_is_believed(void **state)
{
        struct recording *r = *state;
        cleanup_free_ char *text = NULL;
        struct error error = { 0 };
        size_t len;

        assert_ok(pending_write(r->dirfd, &pending, &error));
        assert_ok(io_read_file(r->dirfd, "pending.json", 4096, &text, &len, &error));
        for (size_t bit = 0; bit < 8 * len; bit++) {
                struct pending read = { 0 };
                int result;

                text[bit / 8] = (char) (text[bit / 8] ^ (1 << (bit % 8)));
                assert_ok(io_replace_file(r->dirfd, "pending.json", text, len, 0600, &error));
                result = pending_read(r->dirfd, &read, &error);
                if (result == 0) { /* the deadline in words: for people */
                        assert_int_equal(read.base, 41);
                        assert_int_equal(read.candidate, 42);
                        assert_true(read.base_was_active);
                } else {
                        assert_int_equal(result, -EBADMSG);
                        assert_non_null(strstr(error.message, "pending.json"));
                }
                text[bit / 8] = (char) (text[bit / 8] ^ (1 << (bit % 8)));
        }
        for (size_t cut = 0; cut < len; cut++) {
                struct pending read = { 0 };

                assert_ok(io_replace_file(r->dirfd, "pending.json", text, cut, 0600, &error));
                assert_int_equal(pending_read(r->dirfd, &read, &error), -EBADMSG);
        }
}

static void test_what_can_be_read_of_a_broken_journal_is_told(void **state)
{
        struct recording *r = *state;
        struct pending read = { 0 };

        recording_overwrite(r, "pending.json", "{\"id\":\"c7\",\"base\":41,\"candidate\":4");
        assert_int_equal(pending_read(r->dirfd, &read, NULL), -EBADMSG);
        assert_int_equal(read.base, 41);
        assert_int_equal(read.candidate, 4);
        recording_overwrite(r, "pending.json", "");
        assert_int_equal(pending_read(r->dirfd, &read, NULL), -EBADMSG);
        assert_int_equal(read.base, 0);
        assert_int_equal(read.candidate, 0);
}

static void test_a_disk_that_fails_leaves_pointer_and_journal_as_they_were(void **state)
{
        struct recording *r = *state;
        struct error error = { 0 };
        uint32_t number = 0;

        assert_ok(active_write(r->dirfd, 1, &error));
        for (unsigned nth = 1; nth <= 2; nth++) {
                faultfs_fail(nth, ENOSPC, true);
                assert_int_equal(active_write(r->dirfd, 2, &error), -ENOSPC);
                assert_int_equal(pending_write(r->dirfd, &pending, &error), -ENOSPC);
                faultfs_fail(0, 0, false);
                assert_ok(active_read(r->dirfd, &number, &error));
                assert_int_equal(number, 1);
                assert_false(recording_has(r, "pending.json"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, recording_setup, recording_teardown)
                TEST(test_active_is_a_link_to_its_release),
                TEST(test_a_link_to_something_else_is_damage),
                TEST(test_tries_are_full_where_nothing_says_otherwise),
                TEST(test_a_journal_reads_back),
                TEST(test_no_flipped_bit_and_no_cut_of_a_journal_is_believed),
                TEST(test_what_can_be_read_of_a_broken_journal_is_told),
                TEST(test_a_disk_that_fails_leaves_pointer_and_journal_as_they_were),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
