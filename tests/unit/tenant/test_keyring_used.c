/* SPDX-License-Identifier: Apache-2.0 */
/* When keys were last used, and many threads that check while keys are revoked. */
#include "keyring_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/* ---- Used ------------------------------------------------------------------------------- */

static uint64_t used(struct fixture *fixture, struct key_id id)
{
        struct key_info info = { 0 };

        assert_int_equal(key_get(fixture->store, id, &info, NULL), 0);
        key_info_done(&info);
        return info.used_usec;
}

static void test_when_a_key_was_last_used_is_written(void **state)
{
        struct fixture *fixture = *state;
        char text[KEY_TEXT_MAX], other[KEY_TEXT_MAX];
        struct key_id id = create(fixture, text), second = create(fixture, other);

        assert_int_equal(check(fixture, text, NOW, NULL), 0);
        assert_int_equal(check(fixture, text, NOW + 7, NULL), 0);
        assert_int_equal(used(fixture, id), 0);
        assert_int_equal(keyring_flush(fixture->keyring, NULL), 0);
        assert_int_equal(used(fixture, id), NOW + 7);
        assert_int_equal(used(fixture, second), 0);
        /* A wrong secret is no use of it. */
        assert_int_equal(check(fixture, forge(STAGE_STAGING, second, other), NOW, NULL), -EACCES);
        assert_int_equal(check(fixture, text, NOW + 9, NULL), 0);
        close_all(fixture); /* writes what waits */
        open_all(fixture);
        assert_int_equal(used(fixture, id), NOW + 9);
        assert_int_equal(used(fixture, second), 0);
}

static void test_uses_of_keys_that_left_the_table_are_written(void **state)
{
        static char texts[4 * MAX_ENTRIES][KEY_TEXT_MAX];
        static struct key_id ids[4 * MAX_ENTRIES];
        struct fixture *fixture = *state;

        for (size_t i = 0; i < 4 * MAX_ENTRIES; i++) {
                ids[i] = create(fixture, texts[i]);
                assert_int_equal(check(fixture, texts[i], NOW + i, NULL), 0);
        }
        assert_int_equal(keyring_flush(fixture->keyring, NULL), 0);
        for (size_t i = 0; i < 4 * MAX_ENTRIES; i++)
                assert_int_equal(used(fixture, ids[i]), NOW + i);
}

/* ---- Threads ---------------------------------------------------------------------------- */

#define THREADS 8
#define KEYS 40

struct shared {
        struct fixture *fixture;
        char texts[KEYS][KEY_TEXT_MAX];
        struct key_id ids[KEYS];
        atomic_bool revoked[KEYS]; /* keyring_revoke() has returned */
        atomic_bool over;
        atomic_uint failures, accepted, refused;
        atomic_uint number;
};

static void *check_all(void *data)
{
        struct shared *shared = data;
        const struct principal *kept = NULL;
        unsigned at = atomic_fetch_add(&shared->number, 1);

        while (!atomic_load(&shared->over)) {
                const struct principal *principal = NULL;
                unsigned which = at++ % KEYS;
                bool revoked = atomic_load(&shared->revoked[which]);
                int r = keyring_check(shared->fixture->keyring, shared->texts[which],
                                      strlen(shared->texts[which]), NOW + at, &principal, NULL,
                                      NULL, NULL);

                if ((r == 0 && revoked) || (r < 0 && r != -EACCES))
                        (void) atomic_fetch_add(&shared->failures, 1);
                (void) atomic_fetch_add(r == 0 ? &shared->accepted : &shared->refused, 1);
                if (principal && !id_equal(principal->tenant.id, shared->fixture->tenant.id.id))
                        (void) atomic_fetch_add(&shared->failures, 1);
                if (principal) {
                        (void) principal_unref(kept);
                        kept = principal;
                }
        }
        (void) principal_unref(kept);
        return NULL;
}

static void test_no_thread_is_let_in_after_a_key_was_revoked(void **state)
{
        static struct shared shared;
        pthread_t threads[THREADS];

        shared.fixture = *state;
        for (size_t i = 0; i < KEYS; i++)
                shared.ids[i] = create(shared.fixture, shared.texts[i]);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, check_all, &shared), 0);
        for (size_t i = 0; i < KEYS; i++) {
                while (atomic_load(&shared.accepted) < (i + 1) * KEYS)
                        (void) sched_yield();
                assert_int_equal(keyring_revoke(shared.fixture->keyring,
                                                shared.fixture->tenant.id, shared.ids[i], NULL),
                                 0);
                atomic_store(&shared.revoked[i], true);
                assert_int_equal(keyring_flush(shared.fixture->keyring, NULL), 0);
                if (i == KEYS / 2)
                        keyring_forget_tenant(shared.fixture->keyring, shared.fixture->tenant.id);
        }
        while (atomic_load(&shared.refused) < KEYS * THREADS)
                (void) sched_yield();
        atomic_store(&shared.over, true);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(atomic_load(&shared.failures), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(test_when_a_key_was_last_used_is_written),
                TEST(test_uses_of_keys_that_left_the_table_are_written),
                TEST(test_no_thread_is_let_in_after_a_key_was_revoked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
