/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: found at once, in the file soon, gone when they are old. */
#include "fixture.h"

#include "store/tenants.h"
#include "store/traces.h"
#include "tests/lib/faultfs.h"

#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define THREADS 4
#define PUTS 200

static struct tenant_id another(struct fixture *fixture)
{
        struct tenant_info info = { 0 };
        struct error error = { 0 };

        assert_ok(tenant_insert(fixture->store, "another", &info, &error));
        return info.id;
}

static struct trace_id put(struct fixture *fixture, struct tenant_id tenant, uint64_t wall_usec,
                           const char *json)
{
        struct trace_id id = { id_random() };
        struct error error = { 0 };

        assert_ok(traces_put(fixture->store, tenant, id, wall_usec, json, strlen(json), &error));
        return id;
}

static void check(struct fixture *fixture, struct tenant_id tenant, struct trace_id id,
                  const char *json)
{
        cleanup_free_ char *found = NULL;
        struct error error = { 0 };
        size_t len;

        assert_ok(traces_get(fixture->store, tenant, id, &found, &len, &error));
        assert_string_equal(found, json);
        assert_int_equal(len, strlen(json));
}

static void check_absent(struct fixture *fixture, struct tenant_id tenant, struct trace_id id)
{
        char *found = NULL;
        struct error error = { 0 };
        size_t len;

        assert_int_equal(traces_get(fixture->store, tenant, id, &found, &len, &error), -ENOENT);
        assert_null(found);
}

static const char *file_of(struct fixture *fixture, struct tenant_id tenant,
                           char path[static 2 * FIXTURE_PATH_SIZE])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(path, 2 * FIXTURE_PATH_SIZE, "%s/tenants/%s/traces.db", fixture->path,
                        id_format(tenant.id, id));
        return path;
}

static void reopen(struct fixture *fixture)
{
        struct error error = { 0 };

        fixture->store = store_close(fixture->store);
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
}

static void test_a_trace_is_found_before_and_after_it_is_written(void **state)
{
        struct fixture *fixture = *state;
        struct trace_id id = put(fixture, fixture->tenant, 5, "{\"a\":1}");
        struct error error = { 0 };

        check(fixture, fixture->tenant, id, "{\"a\":1}");
        assert_ok(traces_flush(fixture->store, &error));
        check(fixture, fixture->tenant, id, "{\"a\":1}");
        reopen(fixture);
        check(fixture, fixture->tenant, id, "{\"a\":1}");
        check_absent(fixture, fixture->tenant, (struct trace_id){ id_random() });
        assert_int_equal(traces_dropped(fixture->store), 0);
}

static void test_a_close_writes_what_waits(void **state)
{
        struct fixture *fixture = *state;
        struct trace_id id = put(fixture, fixture->tenant, 5, "{}");

        reopen(fixture);
        check(fixture, fixture->tenant, id, "{}");
}

static void test_a_trace_is_written_without_being_asked(void **state)
{
        static const struct timespec pause = { .tv_nsec = 20L * 1000 * 1000 };
        struct fixture *fixture = *state;
        char path[2 * FIXTURE_PATH_SIZE];
        struct stat st;

        (void) put(fixture, fixture->tenant, 5, "{}");
        (void) file_of(fixture, fixture->tenant, path);
        while (stat(path, &st) < 0) /* the test's own time limit ends it otherwise */
                (void) nanosleep(&pause, NULL);
}

static void test_the_last_trace_of_an_id_counts(void **state)
{
        struct fixture *fixture = *state;
        struct trace_id id = put(fixture, fixture->tenant, 5, "{\"n\":1}");
        struct error error = { 0 };

        assert_ok(traces_put(fixture->store, fixture->tenant, id, 6, "{\"n\":2}", 7, &error));
        check(fixture, fixture->tenant, id, "{\"n\":2}");
        assert_ok(traces_flush(fixture->store, &error));
        check(fixture, fixture->tenant, id, "{\"n\":2}");
}

static void test_tenants_do_not_see_each_other(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id other = another(fixture);
        struct trace_id id = put(fixture, fixture->tenant, 5, "{}");
        struct trace_info *infos = NULL;
        struct error error = { 0 };
        size_t n;

        check_absent(fixture, other, id);
        assert_ok(traces_list(fixture->store, other, 10, &infos, &n, &error));
        assert_int_equal(n, 0);
        free(infos);
        check_absent(fixture, other, id);
        check(fixture, fixture->tenant, id, "{}");

        struct trace_id own = put(fixture, fixture->tenant, 5, "{}");
        struct trace_id others = put(fixture, other, 5, "{}");

        assert_ok(traces_flush(fixture->store, &error)); /* both at once */
        check_absent(fixture, other, own);
        check_absent(fixture, fixture->tenant, others);
        check(fixture, other, others, "{}");
}

static void test_the_newest_are_listed_first(void **state)
{
        struct fixture *fixture = *state;
        struct trace_id middle = put(fixture, fixture->tenant, 20, "{}");
        struct trace_id newest = put(fixture, fixture->tenant, 30, "{}");
        cleanup_free_ struct trace_info *infos = NULL;
        struct error error = { 0 };
        size_t n;

        (void) put(fixture, fixture->tenant, 10, "{}");
        assert_ok(traces_list(fixture->store, fixture->tenant, 2, &infos, &n, &error));
        assert_int_equal(n, 2);
        assert_true(id_equal(infos[0].id.id, newest.id));
        assert_int_equal(infos[0].wall_usec, 30);
        assert_true(id_equal(infos[1].id.id, middle.id));
}

/* One that is gone, or lies in its archive, gets no folder for them. */
static void test_traces_of_nobody_make_no_folder(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id nobody = { id_random() };
        char path[64], id[ID_TEXT_SIZE];
        struct error error = { 0 };

        (void) put(fixture, nobody, 5, "{}");
        assert_int_equal(traces_flush(fixture->store, &error), -ENOENT);
        assert_int_equal(traces_dropped(fixture->store), 1);
        (void) snprintf(path, sizeof path, "tenants/%s", id_format(nobody.id, id));
        assert_int_not_equal(faccessat(store_dirfd(fixture->store), path, F_OK, 0), 0);
}

static void test_old_traces_of_every_tenant_go(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id other = another(fixture);
        struct trace_id old = put(fixture, fixture->tenant, 99, "{}");
        struct trace_id kept = put(fixture, fixture->tenant, 100, "{}");
        struct error error = { 0 };
        uint64_t n = 0;

        for (int i = 0; i < 1500; i++) /* more than go in one transaction */
                (void) put(fixture, other, 50, "{}");
        assert_ok(traces_expire(fixture->store, 100, &n, &error));
        assert_int_equal(n, 1501);
        check_absent(fixture, fixture->tenant, old);
        check(fixture, fixture->tenant, kept, "{}");
        assert_ok(traces_expire(fixture->store, 100, &n, &error));
        assert_int_equal(n, 0);
}

static void test_too_many_push_the_oldest_out(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ char *large = malloc(1024 * 1024 + 2);
        struct trace_id first, last;
        struct error error = { 0 };

        assert_non_null(large);
        memset(large, ' ', 1024 * 1024 + 1);
        large[1024 * 1024 + 1] = '\0';
        assert_int_equal(traces_put(fixture->store, fixture->tenant, (struct trace_id){ 0 }, 1,
                                    large, 1024 * 1024 + 1, &error), -EFBIG);
        large[1024 * 1024] = '\0';
        faultfs_fail(1, EIO, true); /* nothing gets out meanwhile */
        first = put(fixture, fixture->tenant, 1, large);
        for (int i = 0; i < 40; i++)
                last = put(fixture, fixture->tenant, 2, large);
        assert_true(traces_dropped(fixture->store) >= 9);
        check_absent(fixture, fixture->tenant, first);
        faultfs_fail(0, 0, false);
        last = put(fixture, fixture->tenant, 3, "{}");
        assert_ok(traces_flush(fixture->store, &error));
        check(fixture, fixture->tenant, last, "{}");
}

static void test_what_a_full_disk_does_not_take_is_counted(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_id other = another(fixture);
        struct trace_id id;
        struct error error = { 0 };

        id = put(fixture, fixture->tenant, 1, "{}");
        (void) put(fixture, other, 1, "{}");
        (void) put(fixture, fixture->tenant, 1, "{}");
        faultfs_fail(1, ENOSPC, true);
        assert_true(traces_flush(fixture->store, &error) < 0);
        faultfs_fail(0, 0, false);
        assert_int_equal(traces_dropped(fixture->store), 3);
        check_absent(fixture, fixture->tenant, id);
        id = put(fixture, fixture->tenant, 1, "{}");
        assert_ok(traces_flush(fixture->store, &error));
        check(fixture, fixture->tenant, id, "{}");
}

static void test_a_damaged_file_is_set_aside(void **state)
{
        struct fixture *fixture = *state;
        char path[3 * FIXTURE_PATH_SIZE], id[ID_TEXT_SIZE], file[FIXTURE_PATH_SIZE];
        struct trace_id trace;
        struct stat st;
        struct error error = { 0 };

        (void) put(fixture, fixture->tenant, 1, "{}");
        assert_ok(traces_flush(fixture->store, &error));
        (void) snprintf(file, sizeof file, "tenants/%s/traces.db",
                        id_format(fixture->tenant.id, id));
        fixture_damage(fixture, file, 0, "not a database at all", 21);
        trace = put(fixture, fixture->tenant, 2, "{}");
        assert_ok(traces_flush(fixture->store, &error));
        check(fixture, fixture->tenant, trace, "{}");
        (void) snprintf(path, sizeof path, "%s/%s.damaged", fixture->path, file);
        assert_int_equal(stat(path, &st), 0);
}

static void *put_many(void *data)
{
        struct fixture *fixture = data;

        for (int i = 0; i < PUTS; i++) {
                struct trace_id id = put(fixture, fixture->tenant, 7, "{\"x\":\"y\"}");

                if (i % 7 == 0)
                        check(fixture, fixture->tenant, id, "{\"x\":\"y\"}");
                if (i % 50 == 0)
                        assert_int_equal(traces_flush(fixture->store, NULL), 0);
        }
        return NULL;
}

static void test_many_threads_lose_nothing(void **state)
{
        struct fixture *fixture = *state;
        cleanup_free_ struct trace_info *infos = NULL;
        pthread_t threads[THREADS];
        struct error error = { 0 };
        size_t n;

        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, put_many, fixture), 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(traces_list(fixture->store, fixture->tenant, 10000, &infos, &n, &error));
        assert_int_equal(n, THREADS * PUTS);
        assert_int_equal(traces_dropped(fixture->store), 0);
}

int main(void)
{
#define STORE_TEST(name) \
        cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)
        const struct CMUnitTest tests[] = {
                STORE_TEST(test_a_trace_is_found_before_and_after_it_is_written),
                STORE_TEST(test_a_close_writes_what_waits),
                STORE_TEST(test_a_trace_is_written_without_being_asked),
                STORE_TEST(test_the_last_trace_of_an_id_counts),
                STORE_TEST(test_tenants_do_not_see_each_other),
                STORE_TEST(test_traces_of_nobody_make_no_folder),
                STORE_TEST(test_the_newest_are_listed_first),
                STORE_TEST(test_old_traces_of_every_tenant_go),
                STORE_TEST(test_too_many_push_the_oldest_out),
                STORE_TEST(test_what_a_full_disk_does_not_take_is_counted),
                STORE_TEST(test_a_damaged_file_is_set_aside),
                STORE_TEST(test_many_threads_lose_nothing),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
