/* SPDX-License-Identifier: Apache-2.0 */
/* The books: what was added is what is summed, to the last token. */
#include "fixture.h"

#include "base/clock.h"
#include "store/db.h"
#include "store/ledger.h"
#include "tests/lib/faultfs.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define THREADS 8
#define ADDITIONS 40

static struct ledger_entry entry(uint32_t day, struct tenant_id tenant, const char *provider,
                                 const char *kind, uint64_t n)
{
        struct ledger_entry made = { .day = day, .tenant = tenant, .requests = n,
                                     .errors = n / 10, .input_tokens = 100 * n,
                                     .output_tokens = 10 * n, .estimated_tokens = n / 2,
                                     .cost_microusd = 7 * n };

        (void) snprintf(made.provider, sizeof made.provider, "%s", provider);
        (void) snprintf(made.kind, sizeof made.kind, "%s", kind);
        return made;
}

static void add(struct fixture *fixture, struct ledger_entry one)
{
        struct error error = { 0 };

        assert_ok(ledger_add(fixture->store, &one, 1, &error));
}

static size_t sum(struct fixture *fixture, const struct ledger_query *query,
                  struct ledger_entry **ret)
{
        struct error error = { 0 };
        size_t n = SIZE_MAX;

        assert_ok(ledger_sum(fixture->store, query, ret, &n, &error));
        return n;
}

static uint64_t total_requests(struct fixture *fixture)
{
        cleanup_free_ struct ledger_entry *entries = NULL;

        if (sum(fixture, &(struct ledger_query){ .last_day = UINT32_MAX }, &entries) == 0)
                return 0;
        return entries[0].requests;
}

static void test_what_is_added_is_summed_and_survives(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct ledger_entry *entries = NULL;
        const struct ledger_query query = { .first_day = 20000, .last_day = 20000 };

        assert_int_equal(sum(fixture, &query, &entries), 0);
        add(fixture, entry(20000, fixture->tenant, "a", "chat", 30));
        add(fixture, entry(20000, fixture->tenant, "a", "chat", 12));
        fixture->store = store_close(fixture->store);

        struct error error = { 0 };

        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        free(take_ptr(entries));
        assert_int_equal(sum(fixture, &query, &entries), 1);
        assert_int_equal(entries[0].requests, 42);
        assert_int_equal(entries[0].errors, 4);
        assert_int_equal(entries[0].input_tokens, 4200);
        assert_int_equal(entries[0].output_tokens, 420);
        assert_int_equal(entries[0].estimated_tokens, 21);
        assert_int_equal(entries[0].cost_microusd, 294);
        assert_string_equal(entries[0].provider, ""); /* it was not asked for */
}

static void test_sums_are_grouped_and_chosen(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id other = { id_random() };
        static const struct {
                unsigned by;
                size_t n;
        } rows[] = {
                { 0, 1 },
                { LEDGER_BY_DAY, 2 },
                { LEDGER_BY_TENANT, 2 },
                { LEDGER_BY_PROVIDER, 2 },
                { LEDGER_BY_KIND, 2 },
                { LEDGER_BY_DAY | LEDGER_BY_PROVIDER, 4 },
                { LEDGER_BY_DAY | LEDGER_BY_TENANT | LEDGER_BY_PROVIDER | LEDGER_BY_KIND, 5 },
        };

        add(fixture, entry(100, fixture->tenant, "b", "chat", 1));
        add(fixture, entry(100, fixture->tenant, "a", "chat", 2));
        add(fixture, entry(101, fixture->tenant, "a", "embed", 4));
        add(fixture, entry(101, other, "a", "embed", 8));
        add(fixture, entry(101, other, "b", "chat", 16));
        add(fixture, entry(200, other, "b", "chat", 32)); /* on no day that is asked for */
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                cleanup_free_ struct ledger_entry *entries = NULL;
                struct ledger_query query = { .first_day = 100, .last_day = 101,
                                              .by = rows[i].by };
                uint64_t requests = 0;

                assert_int_equal(sum(fixture, &query, &entries), rows[i].n);
                for (size_t j = 0; j < rows[i].n; j++)
                        requests += entries[j].requests;
                assert_int_equal(requests, 31);
        }

        cleanup_free_ struct ledger_entry *entries = NULL;

        assert_int_equal(sum(fixture, &(struct ledger_query){ .first_day = 0, .last_day = 150,
                                                              .provider = "a",
                                                              .tenant = &fixture->tenant,
                                                              .by = LEDGER_BY_DAY |
                                                                    LEDGER_BY_KIND }, &entries), 2);
        assert_int_equal(entries[0].day, 100);
        assert_string_equal(entries[0].kind, "chat");
        assert_int_equal(entries[0].requests, 2);
        assert_int_equal(entries[1].day, 101);
        assert_string_equal(entries[1].kind, "embed");
        assert_int_equal(entries[1].requests, 4);
}

static int count_rows(struct fixture *fixture, const char *where)
{
        char path[2 * FIXTURE_PATH_SIZE], sql[128];
        sqlite3_stmt *statement = NULL;
        sqlite3 *db = NULL;
        int n;

        (void) snprintf(path, sizeof path, "%s/registry.db", fixture->path);
        (void) snprintf(sql, sizeof sql, "SELECT count(*) FROM ledger WHERE %s", where);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
        n = sqlite3_column_int(statement, 0);
        assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        return n;
}

static void test_numbers_stay_at_the_largest(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct ledger_entry *entries = NULL;
        struct ledger_entry huge = entry(7, fixture->tenant, "a", "chat", 1);

        huge.input_tokens = UINT64_MAX;
        huge.cost_microusd = (uint64_t) INT64_MAX - 5;
        add(fixture, huge);
        add(fixture, huge);
        add(fixture, entry(8, fixture->tenant, "a", "chat", 1));
        assert_int_equal(sum(fixture, &(struct ledger_query){ .last_day = 7 }, &entries), 1);
        assert_true(entries[0].input_tokens == INT64_MAX);
        assert_true(entries[0].cost_microusd == INT64_MAX);
        assert_int_equal(entries[0].requests, 2);
        free(take_ptr(entries));
        assert_int_equal(sum(fixture, &(struct ledger_query){ .last_day = 8 }, &entries), 1);
        assert_true(entries[0].input_tokens == INT64_MAX); /* of two rows, too */
        assert_int_equal(entries[0].requests, 3);
        assert_int_equal(count_rows(fixture, "typeof(cost_microusd) != 'integer'"), 0);
}

static void test_sums_beyond_32_bits_are_exact(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct ledger_entry *entries = NULL;
        struct ledger_entry one = entry(7, fixture->tenant, "a", "chat", 0);

        one.cost_microusd = 0xffffffff;
        for (uint32_t day = 0; day < 10; day++) {
                one.day = day;
                add(fixture, one);
        }
        one.cost_microusd = UINT64_C(0x1234567890abcd);
        add(fixture, one);
        assert_int_equal(sum(fixture, &(struct ledger_query){ .last_day = 9 }, &entries), 1);
        assert_true(entries[0].cost_microusd ==
                    UINT64_C(0x1234567890abcd) + UINT64_C(10) * 0xffffffff);
}

static void test_a_long_name_is_cut_between_characters(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct ledger_entry *entries = NULL;
        struct ledger_entry one = entry(7, fixture->tenant, "", "chat", 1);

        memset(one.provider, 'a', sizeof one.provider); /* not even ended */
        one.provider[LEDGER_PROVIDER_MAX - 2] = (char) 0xc3;
        one.provider[LEDGER_PROVIDER_MAX - 1] = (char) 0xa4;
        add(fixture, one);
        assert_int_equal(sum(fixture, &(struct ledger_query){ .last_day = 7,
                                                              .by = LEDGER_BY_PROVIDER },
                             &entries), 1);
        assert_int_equal(strlen(entries[0].provider), LEDGER_PROVIDER_MAX - 2);
}

static void *add_many(void *data)
{
        struct fixture *fixture = data;

        for (int i = 0; i < ADDITIONS; i++)
                add(fixture, entry((uint32_t) (i % 3), fixture->tenant, "a", "chat", 1));
        return NULL;
}

static void test_many_threads_lose_nothing(void **state)
{
        struct fixture *fixture = *state;
        pthread_t threads[THREADS];

        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, add_many, fixture), 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(total_requests(fixture), THREADS * ADDITIONS);
}

static void test_a_full_disk_adds_nothing_and_says_so(void **state)
{
        struct fixture *fixture = *state;
        struct ledger_entry two[2] = { entry(1, fixture->tenant, "a", "chat", 1),
                                       entry(2, fixture->tenant, "a", "chat", 1) };
        struct error error = { 0 };

        add(fixture, two[0]);
        for (unsigned nth = 1; nth < 4; nth++) {
                faultfs_fail(nth, ENOSPC, true);
                assert_true(ledger_add(fixture->store, two, 2, &error) < 0);
                faultfs_fail(0, 0, false);
                assert_int_equal(total_requests(fixture), 1);
        }
        assert_ok(ledger_add(fixture->store, two, 2, &error));
        assert_int_equal(total_requests(fixture), 3);
}

static void test_a_registry_from_before_the_books_gets_them(void **state)
{
        static const char undo[] =
                "DROP TABLE behind; DROP TABLE key; DROP TABLE tenant_day; DROP TABLE tenant_quota;"
                "ALTER TABLE garbage DROP COLUMN of_tenant;"
                "ALTER TABLE tenant DROP COLUMN archive; ALTER TABLE tenant DROP COLUMN used_usec;"
                "ALTER TABLE tenant DROP COLUMN state_usec; ALTER TABLE tenant DROP COLUMN state;"
                "DROP TABLE ledger; PRAGMA user_version=1";
        struct fixture *fixture = *state;
        char path[2 * FIXTURE_PATH_SIZE];
        struct error error = { 0 };
        sqlite3 *old = NULL;

        fixture->store = store_close(fixture->store);
        (void) snprintf(path, sizeof path, "%s/registry.db", fixture->path);
        assert_int_equal(sqlite3_open(path, &old), SQLITE_OK);
        assert_int_equal(sqlite3_exec(old, undo, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(old), SQLITE_OK);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_true(id_equal(fixture->tenant.id, store_default_tenant(fixture->store).id));
        add(fixture, entry(1, fixture->tenant, "a", "chat", 5));
        assert_int_equal(total_requests(fixture), 5);
}

static void test_days_are_those_of_the_calendar(void **state)
{
        static const struct {
                const char *text;
                uint32_t day, begin, days;
        } rows[] = {
                { "1970-01-01", 0, 0, 31 },
                { "1970-02-01", 31, 31, 28 },
                { "2000-02-29", 11016, 10988, 29 },
                { "2026-11-21", 20778, 20758, 30 },
                { "2026-12-31", 20818, 20788, 31 },
                { "9999-12-31", 2932896, 2932866, 31 },
        };
        static const char *const bad[] = {
                "",           "2026-11-31", "2026-02-29", "2026-13-01", "2026-00-01", "2026-01-00",
                "1969-12-31", "2026-1-01",  "2026/01/01", "2026-01-1 ", "+026-01-01", "2026-01-011",
        };
        char text[LEDGER_DAY_TEXT_SIZE];
        uint32_t day;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                assert_int_equal(ledger_day_parse(rows[i].text, &day), 0);
                assert_int_equal(day, rows[i].day);
                assert_string_equal(ledger_day_format(day, text), rows[i].text);
                assert_int_equal(ledger_month_begin(day), rows[i].begin);
                assert_int_equal(ledger_month_days(day), rows[i].days);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(ledger_day_parse(bad[i], &day), -EINVAL);
        assert_int_equal(ledger_day(UINT64_C(86400) * USEC_PER_SEC - 1), 0);
        assert_int_equal(ledger_day(UINT64_C(86400) * USEC_PER_SEC), 1);
        (void) ledger_day_format(UINT32_MAX, text); /* fits */
}

int main(void)
{
#define STORE_TEST(name) \
        cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)
        const struct CMUnitTest tests[] = {
                STORE_TEST(test_what_is_added_is_summed_and_survives),
                STORE_TEST(test_sums_are_grouped_and_chosen),
                STORE_TEST(test_numbers_stay_at_the_largest),
                STORE_TEST(test_sums_beyond_32_bits_are_exact),
                STORE_TEST(test_a_long_name_is_cut_between_characters),
                STORE_TEST(test_many_threads_lose_nothing),
                STORE_TEST(test_a_full_disk_adds_nothing_and_says_so),
                STORE_TEST(test_a_registry_from_before_the_books_gets_them),
                cmocka_unit_test(test_days_are_those_of_the_calendar),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
