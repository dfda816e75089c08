/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of postings when disks are full, power is cut, memory ends and work is stopped. */
#include "postings_fixture.h"
#include "tests/lib/faultfs.h"
#include "tests/lib/faultmem.h"

#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Disks and power -------------------------------------------------------------------- */

static void test_a_full_disk_leaves_everything_as_it_was(void **state)
{
        static const int errors[] = { ENOSPC, EIO };
        unsigned nth;

        (void) state;
        for (size_t e = 0; e < 2; e++) {
                struct fixture *f = fixture_with_file(17, 3000);

                fixture_invent(f, 4500, 5, false);
                fixture_catch_up(f);
                for (nth = 1; nth < 60; nth++) {
                        struct error error = { 0 };
                        int r;

                        faultfs_fail(nth, errors[e], false);
                        while ((r = postings_maintain(f->postings, NULL, NULL, &error)) ==
                               INDEX_AGAIN)
                                ;
                        faultfs_fail(0, 0, false);
                        if (r == INDEX_REST)
                                break;
                        assert_int_equal(r, -errors[e]);
                        assert_int_equal(postings_end(f->postings), f->next);
                        assert_int_equal(fixture_count_files(f, "postings.", ""), 1);
                        fixture_compare(f, 1);
                }
                assert_true(nth > 3 && nth < 60);
                fixture_compare(f, 10);
                assert_null(fixture_reopen(f));
                assert_int_equal(postings_end(f->postings), f->next);
                fixture_free(f);
        }
}

/* Whatever was synced at any time opens, and lacks a tail at most. */
static void test_a_power_cut_at_any_time_loses_a_tail_at_most(void **state)
{
        struct fixture *f = fixture_new(19);
        char shadow[80];

        (void) state;
        (void) snprintf(shadow, sizeof shadow, "%s-shadow", f->folder);
        assert_int_equal(mkdir(shadow, 0700), 0);
        faultfs_shadow(f->folder, shadow);
        for (unsigned round = 0; round < 8; round++) {
                int r = INDEX_AGAIN;

                fixture_invent(f, 3000, 5, true);
                fixture_catch_up(f);
                while (r == INDEX_AGAIN) {
                        struct postings *postings = NULL;
                        int dirfd = open(shadow, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        char *damage = NULL;

                        r = postings_maintain(f->postings, NULL, NULL, NULL);
                        assert_int_equal(postings_open(dirfd, "english", &postings, &damage, NULL),
                                         0);
                        assert_null(damage);
                        if (r == INDEX_REST)
                                assert_true(f->next - postings_end(postings) < POSTINGS_TAIL);
                        while (r == INDEX_REST && postings_maintain(postings, NULL, NULL, NULL) !=
                                                          INDEX_REST)
                                ;
                        postings_free(postings);
                        (void) close(dirfd);
                }
        }
        faultfs_shadow("", "");
        assert_int_equal(io_remove_tree(AT_FDCWD, shadow), 0);
        fixture_free(f);
}

static int stop_at_once(void *userdata)
{
        (void) userdata;
        return -ECANCELED;
}

static void test_maintaining_is_interrupted_and_goes_on(void **state)
{
        const struct index_check check = { stop_at_once, NULL };
        struct fixture *f = fixture_new(21);

        (void) state;
        fixture_invent(f, 12000, 40, false);
        fixture_catch_up(f);
        assert_int_equal(postings_maintain(f->postings, NULL, NULL, NULL), INDEX_AGAIN);
        assert_int_equal(postings_maintain(f->postings, NULL, &check, NULL), -ECANCELED);
        fixture_compare(f, 3);
        (void) fixture_maintain(f, NULL);
        fixture_compare(f, 3);
        fixture_free(f);
}

/* A merge under way is given up: nothing of it stays. */
static void test_freeing_and_saving_in_the_middle_of_a_merge(void **state)
{
        struct fixture *f = fixture_new(25);

        (void) state;
        fixture_invent(f, 30000, 50, false);
        fixture_catch_up(f);
        assert_int_equal(postings_maintain(f->postings, NULL, NULL, NULL), INDEX_AGAIN);
        assert_int_equal(fixture_count_files(f, "postings.", ".tmp"), 1);
        assert_null(fixture_reopen(f));
        assert_int_equal(fixture_count_files(f, "postings.", ""), 0);
        fixture_catch_up(f);
        assert_int_equal(postings_maintain(f->postings, NULL, NULL, NULL), INDEX_AGAIN);
        assert_int_equal(postings_save(f->postings, NULL), 0);
        assert_int_equal(fixture_count_files(f, "postings.", ".tmp"), 0);
        assert_null(fixture_reopen(f));
        assert_int_equal(postings_end(f->postings), f->next);
        fixture_compare(f, 3);
        fixture_free(f);
}

/* ---- Memory ----------------------------------------------------------------------------- */

static void test_without_memory_nothing_has_happened(void **state)
{
        struct fixture *f = fixture_with_file(27, 300);
        const struct postings_keep keep = { f->live, UINT32_MAX };
        unsigned nth, failures = 0;
        int r;

        (void) state;
        fixture_invent(f, 200, 20, true);
        for (nth = 1; nth < 2000; nth++) { /* adding */
                faultmem_fail(nth);
                r = fixture_add(f, 300, 500, NULL);
                faultmem_fail(0);
                if (r == 0)
                        break;
                assert_int_equal(r, -ENOMEM);
                assert_int_equal(postings_end(f->postings), 300);
                failures++;
        }
        assert_true(failures > 10 && nth < 2000);
        fixture_compare(f, 10);

        for (nth = 1, r = -ENOMEM; r == -ENOMEM; nth++) { /* searching */
                cleanup_(postings_unref_cleanup) struct postings_view *view =
                        postings_ref(f->postings);
                struct bm25_query query = { .text = "w5e w100e 水", .len = 15, .k = 5,
                                            .committed = f->next };
                struct index_stats stats;
                struct index_hit hits[5];
                size_t n;

                query.len = strlen(query.text);
                faultmem_fail(nth);
                r = postings_search(view, &query, hits, &n, &stats, NULL);
                faultmem_fail(0);
        }
        assert_int_equal(r, 0);
        assert_true(nth > 4);

        for (nth = 1, r = -ENOMEM; r == -ENOMEM; nth++) { /* saving */
                faultmem_fail(nth);
                r = postings_save(f->postings, NULL);
                faultmem_fail(0);
                assert_int_equal(fixture_count_files(f, "postings.", ".tmp"), 0);
        }
        assert_int_equal(r, 0);
        assert_true(nth > 10);
        fixture_compare(f, 10);

        for (nth = 1, r = -ENOMEM; r == -ENOMEM; nth++) { /* opening */
                postings_free(f->postings);
                f->postings = NULL;
                faultmem_fail(nth);
                r = postings_open(f->dirfd, "english", &f->postings, NULL, NULL);
                faultmem_fail(0);
        }
        assert_int_equal(r, 0);
        assert_true(nth > 5);
        assert_int_equal(postings_end(f->postings), f->next);
        fixture_compare(f, 10);

        roaring_bitmap_remove_range(f->live, 0, 250); /* a merge */
        for (nth = 1, r = -ENOMEM; r == -ENOMEM; nth++) {
                faultmem_fail(nth);
                while ((r = postings_maintain(f->postings, &keep, NULL, NULL)) == INDEX_AGAIN)
                        ;
                faultmem_fail(0);
        }
        assert_int_equal(r, INDEX_REST);
        fixture_follow_drops(f);
        assert_false(f->in_reference[100]);
        fixture_compare(f, 10);
        fixture_free(f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_full_disk_leaves_everything_as_it_was),
                cmocka_unit_test(test_a_power_cut_at_any_time_loses_a_tail_at_most),
                cmocka_unit_test(test_maintaining_is_interrupted_and_goes_on),
                cmocka_unit_test(test_freeing_and_saving_in_the_middle_of_a_merge),
                cmocka_unit_test(test_without_memory_nothing_has_happened),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
