/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: a process that writes with eight threads is killed at any moment; the chain is never
 * broken, and no acknowledged line is missing.  KILLS (12) times. */
#include "tests/unit/audit/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITERS 8

struct writer {
        struct audit *audit;
        unsigned number;
        int pipe;
};

/* Tells each line through the pipe once it is acknowledged. */
static void *write_forever(void *data)
{
        struct writer *writer = data;

        for (unsigned i = 0;; i++) {
                struct audit_event event = { .action = "test", .tenant = "acme" };
                char object[64];

                (void) snprintf(object, sizeof object, "line/%u-%u", writer->number, i);
                event.object = object;
                if (audit_write(writer->audit, &event, NULL) < 0)
                        _exit(3);
                if (write(writer->pipe, &(unsigned[2]){ writer->number, i }, 8) != 8)
                        _exit(4);
        }
        return NULL;
}

static void run_writers(struct fixture *fixture, unsigned round, int to)
{
        struct audit_settings settings = { .path = fixture->path, .stage = "testing",
                                           .segment_bytes = 20000 };
        struct writer writers[WRITERS];
        struct audit *audit;

        if (audit_open(&settings, &audit, NULL) < 0)
                _exit(2);
        for (unsigned i = 0; i < WRITERS; i++) {
                pthread_t thread;

                writers[i] = (struct writer){ audit, round * WRITERS + i, to };
                if (pthread_create(&thread, NULL, write_forever, &writers[i]) != 0)
                        _exit(5);
        }
        for (;;)
                (void) pause();
}

struct book {
        unsigned *told; /* lines of each writer that were acknowledged */
        unsigned *next; /* of each writer, as the log has them */
        unsigned writers;
};

static int check_line(void *data, const char *line, size_t len)
{
        static const char object[] = "\"object\":\"line/";
        struct book *book = data;
        char text[1024], *end;
        const char *at;
        unsigned writer;

        (void) snprintf(text, sizeof text, "%.*s", (int) len, line);
        at = strstr(text, object);
        if (!at)
                return 0;
        writer = (unsigned) strtoul(at + strlen(object), &end, 10);
        assert_true(writer < book->writers);
        assert_int_equal(strtoul(end + 1, NULL, 10), book->next[writer]++);
        return 0;
}

static void kill_one(struct fixture *fixture, struct book *book, unsigned round)
{
        int pipes[2], status;
        unsigned told[2];
        pid_t child;

        assert_int_equal(pipe(pipes), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
                (void) close(pipes[0]);
                run_writers(fixture, round, pipes[1]);
        }
        (void) close(pipes[1]);
        for (unsigned n = 0, stop = 40 + round * 37 % 400; ; n++) {
                if (n == stop)
                        (void) kill(child, SIGKILL);
                if (read(pipes[0], told, sizeof told) != (ssize_t) sizeof told)
                        break;
                book->told[told[0]] = told[1] + 1;
        }
        (void) close(pipes[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void check(struct fixture *fixture, struct book *book)
{
        const struct audit_query all = { .outcome = AUDIT_OUTCOME_MAX };
        struct audit_verdict verdict;

        assert_int_equal(audit_verify(fixture->path, NULL, NULL, &verdict, NULL), 0);
        if (verdict.flaw != AUDIT_SOUND || !verdict.macs)
                fail_msg("%s at %ju (segment %u, line %u): %s", audit_flaw_name(verdict.flaw),
                         (uintmax_t) verdict.seq, verdict.segment, verdict.line, verdict.what);
        memset(book->next, 0, book->writers * sizeof *book->next);
        assert_int_equal(audit_search(fixture->path, &all, check_line, book, NULL), 0);
        for (unsigned i = 0; i < book->writers; i++)
                assert_true(book->next[i] >= book->told[i]);
}

static void test_a_killed_writer_leaves_a_whole_chain(void **state)
{
        const char *text = getenv("KILLS");
        unsigned kills = text ? (unsigned) strtoul(text, NULL, 10) : 12, lines = 0;
        struct book book = { .writers = kills * WRITERS };

        book.told = calloc(book.writers, sizeof *book.told);
        book.next = calloc(book.writers, sizeof *book.next);
        for (unsigned i = 0; i < kills; i++) {
                kill_one(*state, &book, i);
                check(*state, &book);
        }
        for (unsigned i = 0; i < book.writers; i++)
                lines += book.told[i];
        print_message("%u kills, %u acknowledged lines\n", kills, lines);
        free(book.told);
        free(book.next);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_a_killed_writer_leaves_a_whole_chain,
                                                fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
