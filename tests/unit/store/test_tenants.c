/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants as rows: named, moved, limited, counted. */
#include "tenant_rows.h"

#include "base/clock.h"

/* ---- Names and states ------------------------------------------------------------------- */

static void test_a_name_belongs_to_one_tenant(void **state)
{
        static const char *const bad[] = { "", "A", "a.b", "../x", "a/b", "-a", "a b", "a'b",
                                           "ä" };
        struct fixture *fixture = *state;
        struct tenant_info info = tenant_put(fixture, "acme"), other, got = { 0 };
        struct tenant_id id;
        char name[STORE_NAME_MAX + 1];
        struct error error = { 0 };

        assert_int_equal(tenant_insert(fixture->store, "acme", &other, &error), -EEXIST);
        assert_int_equal(tenant_insert(fixture->store, "default", &other, &error), -EEXIST);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(tenant_insert(fixture->store, bad[i], &other, &error), -EINVAL);
        assert_int_equal(info.state, TENANT_ACTIVE);
        assert_int_equal(info.used_usec, 0);
        assert_ok(store_find_tenant(fixture->store, "acme", &id, &error));
        assert_true(id_equal(id.id, info.id.id));
        assert_ok(store_get_tenant_name(fixture->store, id, name, &error));
        assert_string_equal(name, "acme");
        assert_ok(tenant_get_by_name(fixture->store, "acme", false, &got, &error));
        assert_true(id_equal(got.id.id, info.id.id));
        assert_int_equal(got.created_usec, info.created_usec);
        assert_int_equal(got.state_usec, info.created_usec);
        assert_int_equal(tenant_get_by_name(fixture->store, "acme", true, &got, &error), -ENOENT);
}

static void test_states_become_only_what_the_table_says(void **state)
{
        static const bool may[TENANT_STATE_MAX][TENANT_STATE_MAX] = {
                [TENANT_ACTIVE] = { false, true, true, true },
                [TENANT_SUSPENDED] = { true, false, false, true },
                [TENANT_OFFLOADED] = { true, true, false, true },
                [TENANT_DELETED] = { false, false, false, false },
        };
        struct fixture *fixture = *state;
        struct error error = { 0 };
        char name[32];

        for (int from = 0; from < TENANT_STATE_MAX; from++) {
                assert_int_equal(tenant_state_from_name(tenant_state_name(from)), from);
                for (int to = 0; to < TENANT_STATE_MAX; to++) {
                        struct tenant_info info;
                        int r;

                        assert_int_equal(tenant_state_may_become(from, to), may[from][to]);
                        (void) snprintf(name, sizeof name, "t%d%d", from, to);
                        info = tenant_put(fixture, name);
                        if (from != TENANT_ACTIVE)
                                tenant_go(fixture, info.id, from);
                        r = tenant_move(fixture->store, info.id, to, NULL, NULL, &error);
                        assert_int_equal(r, may[from][to] ? 0 : -EPROTO);
                        assert_int_equal(tenant_state_of(fixture, info.id), r == 0 ? to : from);
                }
        }
        assert_int_equal(tenant_move(fixture->store, fixture->tenant, TENANT_SUSPENDED, NULL, NULL,
                                     &error), -EPERM);
        assert_int_equal(tenant_move(fixture->store, (struct tenant_id){ id_random() },
                                     TENANT_SUSPENDED, NULL, NULL, &error), -ENOENT);
}

static void test_a_deleted_tenant_gives_its_name_back_and_loses_its_keys(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info first = tenant_put(fixture, "acme"), second, got = { 0 };
        struct key_info key = key_put(fixture, first.id, "robot"), none;
        struct tenant_id id;
        char name[STORE_NAME_MAX + 1], text[ID_TEXT_SIZE], stored[128];
        struct error error = { 0 };

        assert_ok(tenant_move(fixture->store, first.id, TENANT_DELETED, "deleted/a.tar.gz", NULL,
                              &error));
        assert_int_equal(key_get(fixture->store, key.id, &none, &error), -ENOENT);
        assert_int_equal(store_find_tenant(fixture->store, "acme", &id, &error), -ENOENT);
        assert_int_equal(store_get_tenant_name(fixture->store, first.id, name, &error), -ENOENT);
        (void) snprintf(stored, sizeof stored, "acme.%s", id_format(first.id.id, text));
        assert_int_equal(store_find_tenant(fixture->store, stored, &id, &error), -ENOENT);
        assert_int_equal(tenant_get_by_name(fixture->store, stored, false, &got, &error), -ENOENT);
        assert_int_equal(key_insert(fixture->store, &key, &error), -ENOENT);

        second = tenant_put(fixture, "acme");
        assert_ok(tenant_get_by_name(fixture->store, "acme", false, &got, &error));
        assert_true(id_equal(got.id.id, second.id.id));
        assert_ok(tenant_get_by_name(fixture->store, "acme", true, &got, &error));
        assert_true(id_equal(got.id.id, first.id.id));
        assert_string_equal(got.name, "acme");
        assert_string_equal(got.archive, "deleted/a.tar.gz");
        tenant_info_done(&got);

        (void) usleep(2000); /* the later one is told by its time */
        tenant_go(fixture, second.id, TENANT_DELETED);
        assert_ok(tenant_get_by_name(fixture->store, "acme", true, &got, &error));
        assert_true(id_equal(got.id.id, second.id.id));
        tenant_info_done(&got);
        assert_ok(tenant_get_by_name(fixture->store, text, true, &got, &error));
        assert_true(id_equal(got.id.id, first.id.id));
        tenant_info_done(&got);
}

static void test_lists_go_on_after_a_name_and_keep_deleted_ones_apart(void **state)
{
        static const char *const live[] = { "a", "a-b", "a_b", "ab", "b", "default" };
        struct fixture *fixture = *state;
        struct tenant_info *infos = NULL;
        const char *after = NULL;
        char last[STORE_NAME_MAX + 1];
        struct error error = { 0 };
        size_t n = 0;

        for (size_t i = 0; i + 1 < ELEMENTSOF(live); i++)
                (void) tenant_put(fixture, live[i]);
        for (size_t i = 0; i < 3; i++)
                tenant_go(fixture, tenant_put(fixture, i == 2 ? "gone-2" : "gone").id,
                          TENANT_DELETED);
        for (size_t i = 0; i < ELEMENTSOF(live); i++) {
                assert_ok(tenant_list(fixture->store, false, after, 1, &infos, &n, &error));
                assert_int_equal(n, 1);
                assert_string_equal(infos[0].name, live[i]);
                (void) snprintf(last, sizeof last, "%s", infos[0].name);
                after = last;
                infos = tenant_infos_free(infos, n);
        }
        assert_ok(tenant_list(fixture->store, false, after, 10, &infos, &n, &error));
        assert_int_equal(n, 0);
        infos = tenant_infos_free(infos, n);
        assert_ok(tenant_list(fixture->store, true, NULL, 10, &infos, &n, &error));
        assert_int_equal(n, 3);
        assert_string_equal(infos[0].name, "gone-2");
        assert_string_equal(infos[1].name, "gone");
        infos = tenant_infos_free(infos, n);
        assert_ok(tenant_list(fixture->store, true, "gone-2", 10, &infos, &n, &error));
        assert_int_equal(n, 2);
        infos = tenant_infos_free(infos, n);
        assert_ok(tenant_list(fixture->store, true, "gone", 10, &infos, &n, &error));
        assert_int_equal(n, 0);
        (void) tenant_infos_free(infos, n);
}

static void test_idle_ones_are_active_and_not_used_since(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a"), b = tenant_put(fixture, "b"),
                           c = tenant_put(fixture, "c"), *infos = NULL;
        uint64_t later = clock_wall_usec() + 10 * USEC_PER_SEC;
        struct tenant_day day = { .tenant = b.id, .used_usec = later };
        struct error error = { 0 };
        size_t n = 0;

        tenant_go(fixture, c.id, TENANT_SUSPENDED);
        assert_ok(tenant_set_days(fixture->store, &day, 1, &error));
        assert_ok(tenant_list_idle(fixture->store, a.created_usec, 10, &infos, &n, &error));
        assert_int_equal(n, 0);
        infos = tenant_infos_free(infos, n);
        assert_ok(tenant_list_idle(fixture->store, later, 10, &infos, &n, &error));
        assert_int_equal(n, 1);
        assert_true(id_equal(infos[0].id.id, a.id.id));
        infos = tenant_infos_free(infos, n);
        assert_ok(tenant_list_idle(fixture->store, later + 1, 10, &infos, &n, &error));
        assert_int_equal(n, 2);
        assert_true(id_equal(infos[1].id.id, b.id.id));
        (void) tenant_infos_free(infos, n);
}

static void test_garbage_of_a_move_is_swept_and_a_place_in_use_is_not(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a");
        char id[ID_TEXT_SIZE], folder[64], file[96];
        struct error error = { 0 };

        (void) snprintf(folder, sizeof folder, "tenants/%s", id_format(a.id.id, id));
        (void) snprintf(file, sizeof file, "%s/x", folder);
        assert_int_equal(mkdirat(store_dirfd(fixture->store), folder, 0700), 0);
        file_put(fixture, file, "x");
        file_put(fixture, "offloaded/a.tar.gz", "x");
        assert_ok(tenant_move(fixture->store, a.id, TENANT_OFFLOADED, "offloaded/a.tar.gz", folder,
                              &error));
        /* Back before anybody swept: then its folder is none of the garbage. */
        assert_ok(tenant_move(fixture->store, a.id, TENANT_ACTIVE, NULL, "offloaded/a.tar.gz",
                              &error));
        assert_ok(tenant_sweep(fixture->store, &error));
        assert_true(file_exists(fixture, file));
        assert_false(file_exists(fixture, "offloaded/a.tar.gz"));

        file_put(fixture, "offloaded/a.tar.gz", "x");
        assert_ok(tenant_move(fixture->store, a.id, TENANT_OFFLOADED, "offloaded/a.tar.gz", folder,
                              &error));
        fixture->store = store_close(fixture->store); /* a crash before it was swept */
        assert_ok(store_open(fixture->path, &fixture_limits, &fixture->store, &error));
        assert_false(file_exists(fixture, folder));
        assert_true(file_exists(fixture, "offloaded/a.tar.gz"));
}

/* ---- Limits and days -------------------------------------------------------------------- */

static void test_limits_are_set_and_unset_one_by_one(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a"), got = { 0 };
        struct tenant_quota quota = { .set = 1U << TENANT_DOCUMENTS | 1U << TENANT_BYTES |
                                             1U << TENANT_VECTORS };
        struct error error = { 0 };

        quota.limit[TENANT_DOCUMENTS] = 0;
        quota.limit[TENANT_BYTES] = TENANT_UNLIMITED;
        quota.limit[TENANT_VECTORS] = 1000000;
        assert_ok(tenant_set_quota(fixture->store, a.id, &quota, 0, &error));
        assert_ok(tenant_get(fixture->store, a.id, &got, &error));
        assert_int_equal(got.quota.set, quota.set);
        assert_int_equal(got.quota.limit[TENANT_DOCUMENTS], 0);
        assert_true(got.quota.limit[TENANT_BYTES] == TENANT_UNLIMITED);
        assert_int_equal(got.quota.limit[TENANT_VECTORS], 1000000);

        quota.set = 1U << TENANT_VECTORS;
        quota.limit[TENANT_VECTORS] = 7;
        assert_ok(tenant_set_quota(fixture->store, a.id, &quota, 1U << TENANT_BYTES, &error));
        assert_ok(tenant_get(fixture->store, a.id, &got, &error));
        assert_int_equal(got.quota.set, 1U << TENANT_DOCUMENTS | 1U << TENANT_VECTORS);
        assert_int_equal(got.quota.limit[TENANT_VECTORS], 7);
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++)
                assert_int_equal(tenant_limit_from_name(tenant_limits[i].name), i);
        assert_int_equal(tenant_limit_from_name("wishes"), TENANT_LIMIT_INVALID);
        tenant_go(fixture, a.id, TENANT_DELETED);
        assert_int_equal(tenant_set_quota(fixture->store, a.id, &quota, 0, &error), -ENOENT);
}

static void test_requests_of_a_day_only_fall_to_an_exact_count(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a"), got = { 0 };
        struct tenant_day days[] = { { a.id, 5, 100, false, 9000 }, { a.id, 6, 7, false, 8000 },
                                     { { id_random() }, 5, 3, false, 1 } };
        struct error error = { 0 };
        uint64_t requests = 1;

        assert_ok(tenant_get_requests(fixture->store, a.id, 5, &requests, &error));
        assert_int_equal(requests, 0);
        assert_ok(tenant_set_days(fixture->store, days, ELEMENTSOF(days), &error));
        days[0].requests = 50;
        assert_ok(tenant_set_days(fixture->store, days, 1, &error));
        assert_ok(tenant_get_requests(fixture->store, a.id, 5, &requests, &error));
        assert_int_equal(requests, 100);
        days[0].exact = true; /* all that was counted */
        assert_ok(tenant_set_days(fixture->store, days, 1, &error));
        assert_ok(tenant_get_requests(fixture->store, a.id, 5, &requests, &error));
        assert_int_equal(requests, 50);
        assert_ok(tenant_get_requests(fixture->store, a.id, 6, &requests, &error));
        assert_int_equal(requests, 7);
        assert_ok(tenant_get_requests(fixture->store, days[2].tenant, 5, &requests, &error));
        assert_int_equal(requests, 0); /* nobody's */
        assert_ok(tenant_get(fixture->store, a.id, &got, &error));
        assert_int_equal(got.used_usec, 9000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_name_belongs_to_one_tenant),
                TEST(test_states_become_only_what_the_table_says),
                TEST(test_a_deleted_tenant_gives_its_name_back_and_loses_its_keys),
                TEST(test_lists_go_on_after_a_name_and_keep_deleted_ones_apart),
                TEST(test_idle_ones_are_active_and_not_used_since),
                TEST(test_garbage_of_a_move_is_swept_and_a_place_in_use_is_not),
                TEST(test_limits_are_set_and_unset_one_by_one),
                TEST(test_requests_of_a_day_only_fall_to_an_exact_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
