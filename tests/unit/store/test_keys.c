/* SPDX-License-Identifier: Apache-2.0 */
/* Keys as rows: their scopes in words, read as written, revoked once. */
#include "tenant_rows.h"

static void test_scopes_are_words(void **state)
{
        static const struct {
                const char *text, *again;
                uint32_t scopes;
        } good[] = {
                { "read", "read", KEY_READ },
                { "write,read", "read,write", KEY_READ | KEY_WRITE },
                { "operator,admin,write,read", "read,write,admin,operator", KEY_SCOPES_ALL },
        };
        static const char *const bad[] = { "", ",", "read,", ",read", "Read", "read write",
                                           "reader", "rea", "read,,write", "*" };
        char text[KEY_SCOPES_TEXT_SIZE];
        struct error error = { 0 };
        uint32_t scopes = 99;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_ok(key_scopes_parse(good[i].text, &scopes, &error));
                assert_int_equal(scopes, good[i].scopes);
                assert_string_equal(key_scopes_format(scopes, text), good[i].again);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(key_scopes_parse(bad[i], &scopes, &error), -EINVAL);
        assert_string_equal(key_scopes_format(0, text), "");
}

static void test_a_key_is_read_as_it_was_written(void **state)
{
        static char one[] = "one", two[] = "two";
        char *names[] = { one, two, NULL }, *none[] = { NULL };
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a");
        struct key_info key = { .id = { { 9, 8, 7 } }, .tenant = a.id, .name = "robot",
                                .scopes = KEY_READ | KEY_WRITE, .collections = names,
                                .hash = { 1, 2, 3 }, .requests_per_minute = 77,
                                .created_usec = 10, .expires_usec = 20 };
        struct key_info got = { 0 }, *list = NULL;
        char text[KEY_ID_TEXT_SIZE];
        struct error error = { 0 };
        struct key_id id;
        size_t n = 0;

        assert_ok(key_insert(fixture->store, &key, &error));
        assert_int_equal(key_insert(fixture->store, &key, &error), -EEXIST);
        assert_ok(key_get(fixture->store, key.id, &got, &error));
        assert_string_equal(got.name, "robot");
        assert_int_equal(got.scopes, key.scopes);
        assert_string_equal(got.collections[0], "one");
        assert_string_equal(got.collections[1], "two");
        assert_null(got.collections[2]);
        assert_memory_equal(got.hash, key.hash, KEY_HASH_BYTES);
        assert_int_equal(got.requests_per_minute, 77);
        assert_int_equal(got.expires_usec, 20);
        key_info_done(&got);

        key.id.bytes[0] = 1;
        key.created_usec = 5;
        key.collections = none; /* no collection is not every collection */
        assert_ok(key_insert(fixture->store, &key, &error));
        assert_ok(key_list(fixture->store, a.id, &list, &n, &error));
        assert_int_equal(n, 2);
        assert_int_equal(list[0].created_usec, 5); /* oldest first */
        assert_non_null(list[0].collections);
        assert_null(list[0].collections[0]);
        (void) key_infos_free(list, n);

        assert_int_equal(key_id_parse(key_id_format(key.id, text), &id), 0);
        assert_memory_equal(id.bytes, key.id.bytes, KEY_ID_BYTES);
        assert_int_equal(key_id_parse("aaaaaaaaaaaaaaa", &id), -EINVAL);
        assert_int_equal(key_id_parse("aaaaaaaaaaaaaaa1", &id), -EINVAL);
        key.id.bytes[0] = 2;
        key.tenant.id = id_random();
        assert_int_equal(key_insert(fixture->store, &key, &error), -ENOENT);
}

static void test_a_key_is_revoked_once_and_by_its_own_tenant(void **state)
{
        struct fixture *fixture = *state;
        struct tenant_info a = tenant_put(fixture, "a"), b = tenant_put(fixture, "b");
        struct key_info key = key_put(fixture, a.id, "robot"), got = { 0 };
        struct key_used used = { key.id, 500 };
        struct error error = { 0 };

        assert_int_equal(key_revoke(fixture->store, b.id, key.id, &error), -ENOENT);
        assert_ok(key_get(fixture->store, key.id, &got, &error));
        assert_int_equal(got.revoked_usec, 0);
        assert_ok(key_revoke(fixture->store, a.id, key.id, &error));
        assert_int_equal(key_revoke(fixture->store, a.id, key.id, &error), -EALREADY);
        assert_ok(key_set_used(fixture->store, &used, 1, &error));
        used.used_usec = 400;
        assert_ok(key_set_used(fixture->store, &used, 1, &error));
        assert_ok(key_get(fixture->store, key.id, &got, &error));
        assert_true(got.revoked_usec > 0);
        assert_int_equal(got.used_usec, 500);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup_store, fixture_teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_scopes_are_words),
                TEST(test_a_key_is_read_as_it_was_written),
                TEST(test_a_key_is_revoked_once_and_by_its_own_tenant),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
