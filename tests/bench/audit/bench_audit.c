/* SPDX-License-Identifier: Apache-2.0 */
/* make bench-audit: what a line of the audit log costs.
 *
 * Durable lines a second with one writer and with BENCH_WRITERS (8), for BENCH_SECONDS (2) each, in
 * a folder below TMPDIR (/var/tmp); how many lines share a sync; then how fast what was written is
 * verified and searched. */
#include "audit/audit.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITERS_MAX 64

static char root[256];

static void need(int r, const struct error *error)
{
        if (r >= 0)
                return;
        (void) fprintf(stderr, "bench_audit: %s\n", error_text(error));
        (void) io_remove_tree(AT_FDCWD, root);
        exit(EXIT_FAILURE);
}

static unsigned setting(const char *name, unsigned otherwise)
{
        const char *text = getenv(name);

        return text ? (unsigned) strtoul(text, NULL, 10) : otherwise;
}

struct run {
        struct audit *audit;
        atomic_bool stop;
};

static void *write_lines(void *data)
{
        struct run *run = data;
        const struct audit_event event = {
                .action = "documents.put", .object = "collections/notes/documents/a.md",
                .tenant = "acme", .key = "k7f3m2qx", .user = "alice", .status = 202,
                .listener = "http 127.0.0.1:7420", .address = "127.0.0.1",
                .request_id = "q3j5n2k7d6c4b5a2z3y4x5w6vu", .release = 12,
        };
        struct error error = { 0 };

        while (!atomic_load(&run->stop))
                need(audit_write(run->audit, &event, &error), &error);
        return NULL;
}

static void bench_writers(struct audit *audit, unsigned writers, unsigned seconds)
{
        struct run run = { .audit = audit };
        struct audit_figures before, after;
        double lines, syncs, bytes;
        pthread_t threads[WRITERS_MAX];
        uint64_t begin = clock_monotonic_usec();
        double took;

        audit_get_figures(audit, &before);
        for (unsigned i = 0; i < writers; i++)
                (void) pthread_create(&threads[i], NULL, write_lines, &run);
        (void) usleep(seconds * 1000000);
        atomic_store(&run.stop, true);
        for (unsigned i = 0; i < writers; i++)
                (void) pthread_join(threads[i], NULL);
        took = (double) (clock_monotonic_usec() - begin) / 1e6;
        audit_get_figures(audit, &after);
        lines = (double) (after.lines - before.lines);
        syncs = (double) (after.syncs - before.syncs);
        bytes = (double) (after.bytes - before.bytes);
        (void) printf("%2u writer%s %9.0f lines/s  %6.2f lines a sync  %4.0f bytes a line\n",
                      writers, writers == 1 ? " " : "s", lines / took, lines / syncs,
                      bytes / lines);
}

static int count(void *data, const char *line, size_t len)
{
        (void) line;
        (void) len;
        ++*(uint64_t *) data;
        return 0;
}

static void bench_reading(void)
{
        const struct audit_query query = { .action = "documents.put", .tenant = "acme",
                                           .outcome = AUDIT_OUTCOME_MAX };
        const struct audit_query newest = { .outcome = AUDIT_OUTCOME_MAX, .limit = 20,
                                            .last = true };
        struct audit_verdict verdict;
        struct error error = { 0 };
        uint64_t begin = clock_monotonic_usec(), lines = 0, usec;

        need(audit_verify(root, NULL, NULL, &verdict, &error), &error);
        usec = clock_monotonic_usec() - begin;
        (void) printf("verify     %9.0f lines/s  (%s, %ju lines)\n",
                      (double) verdict.lines * 1e6 / (double) usec, audit_flaw_name(verdict.flaw),
                      (uintmax_t) verdict.lines);
        begin = clock_monotonic_usec();
        need(audit_search(root, &query, count, &lines, &error), &error);
        usec = clock_monotonic_usec() - begin;
        (void) printf("search     %9.0f lines/s  (%ju found)\n",
                      (double) verdict.lines * 1e6 / (double) usec, (uintmax_t) lines);
        begin = clock_monotonic_usec();
        need(audit_search(root, &newest, count, &lines, &error), &error);
        (void) printf("tail       %9.0f us for the newest 20\n",
                      (double) (clock_monotonic_usec() - begin));
}

int main(void)
{
        const char *base = getenv("TMPDIR");
        const struct audit_settings settings = { .path = root, .stage = "production" };
        unsigned seconds = setting("BENCH_SECONDS", 2), writers = setting("BENCH_WRITERS", 8);
        struct audit *audit = NULL;
        struct error error = { 0 };

        (void) snprintf(root, sizeof root, "%s/bench-audit-XXXXXX", base ? base : "/var/tmp");
        if (!mkdtemp(root)) {
                perror(root);
                return EXIT_FAILURE;
        }
        need(audit_open(&settings, &audit, &error), &error);
        bench_writers(audit, 1, seconds);
        bench_writers(audit, writers < WRITERS_MAX ? writers : WRITERS_MAX, seconds);
        audit = audit_close(audit);
        bench_reading();
        (void) io_remove_tree(AT_FDCWD, root);
        return EXIT_SUCCESS;
}
