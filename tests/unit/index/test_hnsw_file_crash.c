/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints of the graph on a disk that fails, and ended by a crash. */
#include "tests/unit/index/graph_fixture.h"

#include "base/io.h"
#include "tests/lib/faultfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct graph_answer exact[GRAPH_QUERIES], found[GRAPH_QUERIES];

static void check_recall(struct graph_fixture *f)
{
        graph_fixture_ask(f, NULL, true, exact);
        graph_fixture_ask(f, NULL, false, found);
        assert_true(graph_recall(exact, found) > 0.95);
}

/* ---- A disk that fails ------------------------------------------------------------------ */

static void test_a_failed_checkpoint_leaves_the_former_file(void **state)
{
        static const int errors[] = { ENOSPC, EIO, EDQUOT };
        static const bool sticky[] = { false, true };
        struct graph_fixture f;
        unsigned int nth = 1;
        bool failed = true;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        graph_fixture_grow(&f, GRAPH_ROWS + 100);
        graph_fixture_open(&f, NULL);
        (void) graph_fixture_maintain(&f, NULL, NULL);
        for (; failed; nth++) {
                struct error error = { 0 };
                unsigned int before = faultfs_failures();
                int code = errors[nth % (sizeof errors / sizeof errors[0])], r;

                faultfs_fail(nth, code, sticky[nth % 2]);
                r = index_save(f.index, &error);
                faultfs_fail(0, 0, false);
                failed = faultfs_failures() > before;
                assert_int_equal(r, failed ? -code : 0);
                assert_int_equal(graph_fixture_has(&f, "graph.0001"), failed);
                assert_int_equal(graph_fixture_has(&f, "graph.0002"), !failed);
                assert_false(graph_fixture_has(&f, "graph.0002.partial"));
                if (failed)
                        assert_non_null(strstr(error_text(&error), "cannot write graph.0002"));
        }
        assert_true(nth > 5);
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_status(&f, NULL).nodes, GRAPH_ROWS + 100);
        check_recall(&f);
        graph_fixture_done(&f);
}

static void test_a_failure_is_told_once_and_tried_again_later(void **state)
{
        struct graph_fixture f;

        (void) state;
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        graph_fixture_grow(&f, GRAPH_ROWS + 5);
        f.params.checkpoint_seconds = 1;
        graph_fixture_open(&f, NULL);
        (void) usleep(1100 * 1000);
        faultfs_fail(2, ENOSPC, true);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), -ENOSPC);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_LATER);
        check_recall(&f);
        faultfs_fail(0, 0, false);
        (void) usleep(1100 * 1000);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_REST);
        assert_int_equal(graph_fixture_status(&f, NULL).file_number, 2);
        graph_fixture_done(&f);
}

/* Ends the process in the middle of a file. */
static int die(void *userdata)
{
        unsigned int *left = userdata;

        if ((*left)-- == 0)
                _exit(0);
        return 0;
}

static void die_while_saving(struct graph_fixture *f, unsigned int after, const char *shadow)
{
        struct index_check check = { die, &after };
        int r;

        faultfs_shadow(f->folder, shadow);
        r = index_maintain(f->index, &f->source, NULL, &check, NULL);
        _exit(r == INDEX_REST ? 2 : 1); /* it was done before */
}

/* Another opening of a folder: it finds what the one file holds or the other. */
static void check_folder(const struct graph_fixture *of, const char *folder)
{
        struct graph_fixture f = *of;
        uint64_t nodes;

        f.index = NULL;
        f.params.checkpoint_seconds = 3600; /* it writes nothing itself */
        f.dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f.dirfd >= 0);
        graph_fixture_open(&f, NULL);
        nodes = graph_fixture_status(&f, NULL).nodes;
        assert_true(nodes == GRAPH_ROWS || nodes == GRAPH_ROWS + 50);
        assert_false(graph_fixture_has(&f, "graph.0002.partial"));
        assert_true(graph_fixture_maintain(&f, NULL, NULL) >= 0);
        check_recall(&f);
        index_free(f.index);
        (void) unlinkat(f.dirfd, "graph.0002", 0);
        (void) close(f.dirfd);
}

static void copy_first(const struct graph_fixture *f, const char *to)
{
        struct graph_fixture copy = { .dirfd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
        size_t len = 0;
        uint8_t *bytes = graph_fixture_read(f, "graph.0001", &len);

        assert_true(bytes && copy.dirfd >= 0);
        graph_fixture_write(&copy, "graph.0001", bytes, len);
        (void) close(copy.dirfd);
        free(bytes);
}

/* What is left after the process died, and after the power went. */
static void test_a_crash_leaves_one_whole_file(void **state)
{
        char shadow[] = "/tmp/test-graph-shadow-XXXXXX";
        struct graph_fixture f;
        int status = 0;
        unsigned int after = 0;

        (void) state;
        assert_non_null(mkdtemp(shadow));
        graph_fixture_init_plain(&f);
        graph_fixture_build(&f, NULL);
        copy_first(&f, shadow);
        graph_fixture_grow(&f, GRAPH_ROWS + 50);
        f.params.checkpoint_seconds = 1;
        graph_fixture_open(&f, NULL);
        assert_int_equal(graph_fixture_maintain(&f, NULL, NULL), INDEX_LATER);
        (void) usleep(1100 * 1000);
        for (; status == 0; after++) {
                pid_t pid = fork();

                if (pid == 0)
                        die_while_saving(&f, after, shadow);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
                check_folder(&f, f.folder);
                check_folder(&f, shadow);
        }
        assert_true(after > 3);
        assert_int_equal(io_remove_tree(AT_FDCWD, shadow), 0);
        graph_fixture_done(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_failed_checkpoint_leaves_the_former_file),
                cmocka_unit_test(test_a_failure_is_told_once_and_tried_again_later),
                cmocka_unit_test(test_a_crash_leaves_one_whole_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
