/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks: right and wrong keys, those that ended, and what is kept of them. */
#include "config.h"

#include "keyring_fixture.h"

#include <json-c/json.h>
#include <stdatomic.h>
#include <unistd.h>

/* How often the registry was asked, and how often two hashes were compared. */
static atomic_uint reads, comparisons;
/* Revokes the key that was read, before whoever read it goes on. */
static struct fixture *revoking;

int __real_key_get(struct store *store, struct key_id id, struct key_info *ret,
                   struct error *reterr);
int __wrap_key_get(struct store *store, struct key_id id, struct key_info *ret,
                   struct error *reterr);
int __wrap_key_get(struct store *store, struct key_id id, struct key_info *ret,
                   struct error *reterr)
{
        struct fixture *fixture = take_ptr(revoking);
        int r = __real_key_get(store, id, ret, reterr);

        (void) atomic_fetch_add(&reads, 1);
        if (fixture)
                assert_int_equal(keyring_revoke(fixture->keyring, fixture->tenant.id, id, NULL),
                                 0);
        return r;
}

int __real_sodium_memcmp(const void *a, const void *b, size_t len);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t len);
int __wrap_sodium_memcmp(const void *a, const void *b, size_t len)
{
        (void) atomic_fetch_add(&comparisons, 1);
        return __real_sodium_memcmp(a, b, len);
}

/* ---- Checking --------------------------------------------------------------------------- */

static void test_a_key_tells_its_tenant_and_what_it_may_do(void **state)
{
        static char one[] = "one", two[] = "two";
        char *names[] = { one, two, NULL }, *none[] = { NULL };
        struct fixture *fixture = *state;
        struct key_info wish = draft(fixture), info = { 0 };
        const struct principal *principal = NULL;
        char text[KEY_TEXT_MAX];
        struct key_id id = { 0 };
        bool has_id = false;

        wish.collections = names;
        wish.requests_per_minute = 12;
        assert_int_equal(keyring_create(fixture->keyring, &wish, &info, text, NULL), 0);
        assert_memory_equal(text, "ragd_staging_", 13);
        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW, &principal, &id,
                                       &has_id, NULL), 0);
        assert_true(has_id);
        assert_memory_equal(id.bytes, info.id.bytes, KEY_ID_BYTES);
        assert_true(id_equal(principal->tenant.id, fixture->tenant.id.id));
        assert_memory_equal(principal->key.bytes, info.id.bytes, KEY_ID_BYTES);
        assert_int_equal(principal->scopes, KEY_READ | KEY_WRITE);
        assert_int_equal(principal->requests_per_minute, 12);
        assert_true(principal_may_use(principal, "one"));
        assert_true(principal_may_use(principal, "two"));
        assert_false(principal_may_use(principal, "three"));
        assert_false(principal_may_use(principal, ""));
        (void) principal_unref(principal);
        key_info_done(&info);

        wish.collections = none;
        assert_int_equal(keyring_create(fixture->keyring, &wish, &info, text, NULL), 0);
        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW, &principal, NULL,
                                       NULL, NULL), 0);
        assert_false(principal_may_use(principal, "one"));
        (void) principal_unref(principal);
        key_info_done(&info);

        (void) create(fixture, text);
        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW, &principal, NULL,
                                       NULL, NULL), 0);
        assert_true(principal_may_use(principal, "anything"));
        (void) principal_unref(principal);
}

static void test_a_key_of_another_stage_is_refused_by_name(void **state)
{
        struct fixture *fixture = *state;
        const struct principal *principal = NULL;
        struct key_id id = { { 1, 2, 3 } }, got = { 0 };
        struct error error = { 0 };
        char text[KEY_TEXT_MAX];
        bool has_id = false;

        (void) forge(STAGE_PRODUCTION, id, text);
        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW, &principal, &got,
                                       &has_id, &error), -EXDEV);
        assert_non_null(strstr(error_text(&error), "production"));
        assert_non_null(strstr(error_text(&error), "staging"));
        assert_true(has_id);
        assert_memory_equal(got.bytes, id.bytes, KEY_ID_BYTES);
}

static void test_wrong_secrets_and_unknown_ids_are_refused_alike(void **state)
{
        struct fixture *fixture = *state;
        struct error wrong = { 0 }, unknown = { 0 }, cut = { 0 };
        char text[KEY_TEXT_MAX], other[KEY_TEXT_MAX];
        struct key_id id = create(fixture, text);
        bool has_id = true;

        assert_int_equal(check(fixture, forge(STAGE_STAGING, id, other), NOW, &wrong), -EACCES);
        id.bytes[0] ^= 1;
        assert_int_equal(check(fixture, forge(STAGE_STAGING, id, other), NOW, &unknown), -EACCES);
        assert_string_equal(error_text(&wrong), error_text(&unknown));
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        text[strlen(text) - 1] ^= 1;
        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW,
                                       &(const struct principal *){ NULL }, NULL, &has_id, &cut),
                         -EINVAL);
        assert_false(has_id);
        assert_null(strstr(error_text(&cut), text));
}

static void test_unknown_ids_take_as_many_steps_as_known_ones(void **state)
{
        struct fixture *fixture = *state;
        char known[KEY_TEXT_MAX], unknown[KEY_TEXT_MAX];
        struct key_id id = create(fixture, known);

        (void) forge(STAGE_STAGING, id, known); /* its secret is wrong */
        id.bytes[5] ^= 1;
        (void) forge(STAGE_STAGING, id, unknown);
        for (unsigned round = 0; round < 3; round++)
                for (int which = 0; which < 2; which++) {
                        atomic_store(&reads, 0);
                        atomic_store(&comparisons, 0);
                        assert_int_equal(check(fixture, which ? known : unknown, NOW, NULL),
                                         -EACCES);
                        assert_int_equal(atomic_load(&reads), round == 0); /* then remembered */
                        assert_int_equal(atomic_load(&comparisons), 1);
                }
}

static void test_however_many_ids_are_guessed_no_key_is_pushed_out(void **state)
{
        struct fixture *fixture = *state;
        char text[KEY_TEXT_MAX], other[KEY_TEXT_MAX];

        (void) create(fixture, text);
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        for (int i = 0; i < 10 * MAX_ENTRIES; i++) {
                struct key_id id;

                randombytes_buf(id.bytes, sizeof id.bytes);
                assert_int_equal(check(fixture, forge(STAGE_STAGING, id, other), NOW, NULL),
                                 -EACCES);
        }
        atomic_store(&reads, 0);
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        assert_int_equal(atomic_load(&reads), 0);
}

static void test_more_keys_than_the_table_holds_are_read_again(void **state)
{
        static char texts[3 * MAX_ENTRIES][KEY_TEXT_MAX];
        struct fixture *fixture = *state;

        for (size_t i = 0; i < 3 * MAX_ENTRIES; i++)
                (void) create(fixture, texts[i]);
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < 3 * MAX_ENTRIES; i++)
                        assert_int_equal(check(fixture, texts[i], NOW, NULL), 0);
}

/* ---- Ends ------------------------------------------------------------------------------- */

static void test_a_revoked_key_is_refused_by_the_next_check(void **state)
{
        struct fixture *fixture = *state;
        const struct principal *principal = NULL;
        struct error error = { 0 };
        char text[KEY_TEXT_MAX];
        struct key_id id = create(fixture, text);

        assert_int_equal(keyring_check(fixture->keyring, text, strlen(text), NOW, &principal, NULL,
                                       NULL, NULL), 0);
        assert_int_equal(keyring_revoke(fixture->keyring, store_default_tenant(fixture->store), id,
                                        &error), -ENOENT);
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        assert_int_equal(keyring_revoke(fixture->keyring, fixture->tenant.id, id, &error), 0);
        assert_int_equal(check(fixture, text, NOW, &error), -EACCES);
        assert_non_null(strstr(error_text(&error), "revoked"));
        assert_int_equal(keyring_revoke(fixture->keyring, fixture->tenant.id, id, &error),
                         -EALREADY);
        /* Whoever was let in before goes on. */
        assert_true(id_equal(principal->tenant.id, fixture->tenant.id.id));
        assert_true(principal_may_use(principal, "anything"));
        (void) principal_unref(principal);
        close_all(fixture);
        open_all(fixture);
        assert_int_equal(check(fixture, text, NOW, NULL), -EACCES);
}

static void test_a_row_that_was_read_before_a_revocation_is_not_kept(void **state)
{
        struct fixture *fixture = *state;
        char text[KEY_TEXT_MAX];

        (void) create(fixture, text);
        revoking = fixture;
        assert_int_equal(check(fixture, text, NOW, NULL), 0); /* it began before */
        assert_null(revoking);
        assert_int_equal(check(fixture, text, NOW, NULL), -EACCES);
}

static void test_a_key_ends_at_its_time(void **state)
{
        struct fixture *fixture = *state;
        struct key_info wish = draft(fixture), info = { 0 };
        struct error error = { 0 };
        char text[KEY_TEXT_MAX], other[KEY_TEXT_MAX];

        wish.expires_usec = NOW;
        assert_int_equal(keyring_create(fixture->keyring, &wish, &info, text, NULL), 0);
        assert_int_equal(check(fixture, text, NOW - 1, NULL), 0);
        assert_int_equal(check(fixture, text, NOW, &error), -EKEYEXPIRED);
        assert_non_null(strstr(error_text(&error), "2033-05-18T03:33:20"));
        /* Nobody else learns that it ever was one. */
        assert_int_equal(check(fixture, forge(STAGE_STAGING, info.id, other), NOW, NULL), -EACCES);
        key_info_done(&info);
}

static void test_keys_of_a_deleted_tenant_are_refused(void **state)
{
        struct fixture *fixture = *state;
        char text[KEY_TEXT_MAX];

        (void) create(fixture, text);
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        assert_int_equal(tenant_move(fixture->store, fixture->tenant.id, TENANT_DELETED, NULL, NULL,
                                     NULL), 0);
        keyring_forget_tenant(fixture->keyring, fixture->tenant.id);
        assert_int_equal(check(fixture, text, NOW, NULL), -EACCES);
}

/* ---- Making ----------------------------------------------------------------------------- */

static void test_a_draft_that_promises_too_much_is_refused(void **state)
{
        static char bad_name[] = "../x";
        char *bad[] = { bad_name, NULL };
        struct fixture *fixture = *state;
        struct key_info wishes[6], info = { 0 };
        struct error error = { 0 };
        char text[KEY_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(wishes); i++)
                wishes[i] = draft(fixture);
        wishes[0].scopes = 0;
        wishes[1].scopes = KEY_SCOPES_ALL + 1;
        wishes[2].scopes = KEY_OPERATOR;
        wishes[3].expires_usec = 1;
        wishes[4].collections = bad;
        (void) snprintf(wishes[5].name, sizeof wishes[5].name, "a b");
        for (size_t i = 0; i < ELEMENTSOF(wishes); i++)
                assert_int_equal(keyring_create(fixture->keyring, &wishes[i], &info, text, &error),
                                 -EINVAL);
        wishes[2].tenant = store_default_tenant(fixture->store);
        assert_int_equal(keyring_create(fixture->keyring, &wishes[2], &info, text, &error), 0);
        key_info_done(&info);
        wishes[2].scopes = KEY_READ;
        wishes[2].tenant.id = id_random();
        assert_int_equal(keyring_create(fixture->keyring, &wishes[2], &info, text, &error),
                         -ENOENT);
}

static bool is_in_file(struct fixture *fixture, const char *file, const void *what, size_t len)
{
        char *data = NULL;
        size_t size = 0;
        bool found;

        if (io_read_file(store_dirfd(fixture->store), file, 1U << 28U, &data, &size, NULL) < 0)
                return false;
        found = memmem(data, size, what, len) != NULL;
        free(data);
        return found;
}

static void test_keys_under_another_pepper_are_counted(void **state)
{
        struct fixture *fixture = *state;
        const struct keyring_settings settings = { .store = fixture->store,
                                                   .stage = STAGE_STAGING };
        const struct principal *principal = NULL;
        char lost[KEY_TEXT_MAX], revoked[KEY_TEXT_MAX], fresh[KEY_TEXT_MAX];
        uint64_t n = 99;

        (void) create(fixture, lost);
        assert_int_equal(keyring_revoke(fixture->keyring, fixture->tenant.id,
                                        create(fixture, revoked), NULL), 0);
        assert_int_equal(keyring_count_foreign(fixture->keyring, NOW, &n, NULL), 0);
        assert_int_equal(n, 0);

        fixture->keyring = keyring_free(fixture->keyring);
        assert_int_equal(unlinkat(store_dirfd(fixture->store), "secrets/keys.pepper", 0), 0);
        assert_int_equal(keyring_new(&settings, &fixture->keyring, NULL), 0);
        assert_int_equal(keyring_count_foreign(fixture->keyring, NOW, &n, NULL), 0);
        assert_int_equal(n, 1);
        assert_int_equal(keyring_check(fixture->keyring, lost, strlen(lost), NOW, &principal, NULL,
                                       NULL, NULL), -EACCES);
        (void) create(fixture, fresh); /* one that can be used does not hide the others */
        assert_int_equal(keyring_count_foreign(fixture->keyring, NOW, &n, NULL), 0);
        assert_int_equal(n, 1);
}

static void test_neither_secret_nor_token_is_in_the_registry(void **state)
{
        static const char *const files[] = { "registry.db", "registry.db-wal" };
        struct fixture *fixture = *state;
        struct key_text key;
        char text[KEY_TEXT_MAX];
        bool id_is_there = false;

        (void) create(fixture, text);
        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        assert_int_equal(keyring_flush(fixture->keyring, NULL), 0);
        assert_int_equal(key_text_parse(text, strlen(text), &key, NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                const char *secret = text + strlen(text) - 61;

                id_is_there |= is_in_file(fixture, files[i], key.id.bytes, KEY_ID_BYTES);
                assert_false(is_in_file(fixture, files[i], key.secret, KEY_SECRET_BYTES));
                assert_false(is_in_file(fixture, files[i], key.secret, 8));
                assert_false(is_in_file(fixture, files[i], secret, 52));
                assert_false(is_in_file(fixture, files[i], secret, 12));
        }
        assert_true(id_is_there); /* the test looks where rows are */
}

static void test_a_key_is_shown_without_its_hash(void **state)
{
        struct fixture *fixture = *state;
        static char one[] = "one";
        char *names[] = { one, NULL };
        struct key_info info = draft(fixture);
        struct json_object *object;

        info.created_usec = NOW;
        info.expires_usec = NOW + 5;
        info.collections = names;
        object = key_json(&info, "acme", NOW);
        assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                            "{\"id\":\"aaaaaaaaaaaaaaaa\",\"tenant\":\"acme\",\"name\":\"robot\","
                            "\"scopes\":[\"read\",\"write\"],\"collections\":[\"one\"],"
                            "\"state\":\"live\",\"requests_per_minute\":null,"
                            "\"created_at\":\"2033-05-18T03:33:20.000Z\","
                            "\"expires_at\":\"2033-05-18T03:33:20.000Z\"}");
        (void) json_object_put(object);
        object = key_json(&info, "acme", NOW + 5);
        assert_string_equal(json_object_get_string(json_object_object_get(object, "state")),
                            "expired");
        (void) json_object_put(object);
        info.revoked_usec = NOW;
        object = key_json(&info, "acme", NOW + 5);
        assert_string_equal(json_object_get_string(json_object_object_get(object, "state")),
                            "revoked");
        (void) json_object_put(object);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_a_key_tells_its_tenant_and_what_it_may_do),
                TEST(test_a_key_of_another_stage_is_refused_by_name),
                TEST(test_wrong_secrets_and_unknown_ids_are_refused_alike),
                TEST(test_unknown_ids_take_as_many_steps_as_known_ones),
                TEST(test_however_many_ids_are_guessed_no_key_is_pushed_out),
                TEST(test_more_keys_than_the_table_holds_are_read_again),
                TEST(test_a_revoked_key_is_refused_by_the_next_check),
                TEST(test_a_row_that_was_read_before_a_revocation_is_not_kept),
                TEST(test_a_key_ends_at_its_time),
                TEST(test_keys_of_a_deleted_tenant_are_refused),
                TEST(test_a_draft_that_promises_too_much_is_refused),
                TEST(test_neither_secret_nor_token_is_in_the_registry),
                TEST(test_keys_under_another_pepper_are_counted),
                TEST(test_a_key_is_shown_without_its_hash),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
