/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "tests/unit/audit/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct found {
        uint64_t seqs[1000];
        unsigned n, stop;
};

static int note(void *data, const char *line, size_t len)
{
        struct found *found = data;

        assert_true(len > 0 && line[len - 1] == '}');
        found->seqs[found->n++] = strtoull(line + strlen("{\"seq\":"), NULL, 10);
        return found->stop == found->n ? 7 : 0;
}

static unsigned search(struct fixture *fixture, struct audit_query query, struct found *ret)
{
        memset(ret, 0, sizeof *ret);
        if (query.outcome == AUDIT_OK && !query.action) /* not asked for */
                query.outcome = AUDIT_OUTCOME_MAX;
        assert_int_equal(audit_search(fixture->path, &query, note, ret, NULL), 0);
        for (unsigned i = 1; i < ret->n; i++)
                assert_true(ret->seqs[i - 1] < ret->seqs[i]);
        return ret->n;
}

static void fill(struct fixture *fixture, uint64_t segment_bytes, unsigned lines)
{
        struct audit *audit = fixture_open(fixture, segment_bytes);

        fixture_write(audit, 0, lines);
        (void) audit_close(audit);
}

static void test_each_filter_finds_its_lines(void **state)
{
        struct fixture *fixture = *state;
        struct found found;

        fill(fixture, 3000, 90);
        assert_int_equal(search(fixture, (struct audit_query){ .tenant = "acme" }, &found), 45);
        assert_int_equal(search(fixture, (struct audit_query){ .tenant = "acm" }, &found), 0);
        assert_int_equal(search(fixture, (struct audit_query){ .outcome = AUDIT_DENIED }, &found),
                         30);
        assert_int_equal(search(fixture, (struct audit_query){ .action = "auth",
                                                               .outcome = AUDIT_OUTCOME_MAX },
                                &found), 30);
        assert_int_equal(search(fixture, (struct audit_query){ .action = "documents.*",
                                                               .outcome = AUDIT_OUTCOME_MAX },
                                &found), 60);
        assert_int_equal(search(fixture, (struct audit_query){ .action = "auth", .tenant = "acme",
                                                               .outcome = AUDIT_DENIED },
                                &found), 15);
        assert_int_equal(search(fixture,
                                (struct audit_query){ .object = "collections/c/documents/8" },
                                &found), 11);
        assert_int_equal(search(fixture, (struct audit_query){ .user = "nobody" }, &found), 0);
        assert_int_equal(search(fixture, (struct audit_query){ .since_usec = UINT64_MAX }, &found),
                         0);
        assert_int_equal(search(fixture, (struct audit_query){ .until_usec = 1 }, &found), 0);
}

static void test_the_newest_are_found_from_the_end(void **state)
{
        struct fixture *fixture = *state;
        struct found all, last;

        fill(fixture, 3000, 90);
        (void) search(fixture, (struct audit_query){ 0 }, &all);
        for (unsigned limit = 1; limit < 60; limit += 7) {
                assert_int_equal(search(fixture,
                                        (struct audit_query){ .limit = limit, .last = true },
                                        &last), limit);
                assert_memory_equal(last.seqs, all.seqs + all.n - limit,
                                    limit * sizeof all.seqs[0]);
                assert_int_equal(search(fixture, (struct audit_query){ .limit = limit }, &last),
                                 limit);
                assert_memory_equal(last.seqs, all.seqs, limit * sizeof all.seqs[0]);
        }
        (void) search(fixture, (struct audit_query){ .last = true }, &last);
        assert_memory_equal(&last, &all, sizeof all);
}

static void test_pages_make_the_whole(void **state)
{
        struct fixture *fixture = *state;
        struct found all, page;
        uint64_t after = 0;
        unsigned n = 0;

        fill(fixture, 2000, 60);
        (void) search(fixture, (struct audit_query){ 0 }, &all);
        while (search(fixture, (struct audit_query){ .after_seq = after, .limit = 7 }, &page) > 0) {
                assert_memory_equal(page.seqs, all.seqs + n, page.n * sizeof all.seqs[0]);
                n += page.n;
                after = page.seqs[page.n - 1];
                /* from the other end, the same lines are left out */
                assert_int_equal(search(fixture, (struct audit_query){ .after_seq = after,
                                                                       .last = true }, &page),
                                 all.n - n);
        }
        assert_int_equal(n, all.n);
}

/* 600 KB of garbage in one line, before, between and behind. */
static void test_lines_that_are_none_are_passed_over(void **state)
{
        struct fixture *fixture = *state;
        struct found found;
        char *text, *garbage;
        size_t len;

        fill(fixture, 0, 20);
        text = fixture_read(fixture, "000001.jsonl", &len);
        garbage = malloc(len + 1200010);
        memset(garbage, '{', 600000);
        garbage[600000] = '\n';
        memcpy(garbage + 600001, text, len);
        memset(garbage + 600001 + len, '"', 600000);
        fixture_put(fixture, "000001.jsonl", garbage, len + 1200001);
        assert_int_equal(search(fixture, (struct audit_query){ 0 }, &found), 21);
        assert_int_equal(search(fixture, (struct audit_query){ .last = true, .limit = 30 }, &found),
                         21);
        free(garbage);
        free(text);
}

static void test_whoever_is_told_may_end_it(void **state)
{
        struct fixture *fixture = *state;
        const struct audit_query query = { .outcome = AUDIT_OUTCOME_MAX };
        struct found found = { .stop = 3 };

        fill(fixture, 0, 20);
        assert_int_equal(audit_search(fixture->path, &query, note, &found, NULL), 7);
        assert_int_equal(found.n, 3);
        assert_int_equal(audit_search("/nonexistent", &query, note, &found, NULL), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_each_filter_finds_its_lines),
                TEST(test_the_newest_are_found_from_the_end),
                TEST(test_pages_make_the_whole),
                TEST(test_lines_that_are_none_are_passed_over),
                TEST(test_whoever_is_told_may_end_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
