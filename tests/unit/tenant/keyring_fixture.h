/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the keyring share: a registry with a tenant, and a keyring of few places. */
#pragma once
#include "base/clock.h"
#include "base/io.h"
#include "store/tenants.h"
#include "tenant/keyring.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants setjmp.h, stdarg.h, stddef.h above it */
#include <cmocka.h>

#define NOW (UINT64_C(2000000000) * USEC_PER_SEC)
#define MAX_ENTRIES 64

struct fixture {
        char path[64];
        struct store *store;
        struct keyring *keyring;
        struct tenant_info tenant;
};

static inline void open_all(struct fixture *fixture)
{
        const struct store_limits limits = { .max_open_collections = 2 };
        struct keyring_settings settings = { .stage = STAGE_STAGING, .max_entries = MAX_ENTRIES };
        struct error error = { 0 };

        if (store_open(fixture->path, &limits, &fixture->store, &error) < 0)
                fail_msg("%s", error_text(&error));
        settings.store = fixture->store;
        if (keyring_new(&settings, &fixture->keyring, &error) < 0)
                fail_msg("%s", error_text(&error));
}

static inline void close_all(struct fixture *fixture)
{
        fixture->keyring = keyring_free(fixture->keyring);
        fixture->store = store_close(fixture->store);
}

static inline int set_up(void **state)
{
        struct fixture *fixture = calloc(1, sizeof *fixture);

        assert_non_null(fixture);
        assert_true(sodium_init() >= 0);
        (void) unsetenv("CREDENTIALS_DIRECTORY");
        (void) snprintf(fixture->path, sizeof fixture->path, "/tmp/ragd-test-XXXXXX");
        assert_non_null(mkdtemp(fixture->path));
        open_all(fixture);
        assert_int_equal(tenant_insert(fixture->store, "acme", &fixture->tenant, NULL), 0);
        *state = fixture;
        return 0;
}

static inline int tear_down(void **state)
{
        struct fixture *fixture = *state;

        close_all(fixture);
        assert_int_equal(io_remove_tree(AT_FDCWD, fixture->path), 0);
        free(fixture);
        return 0;
}

static inline struct key_info draft(struct fixture *fixture)
{
        return (struct key_info){ .tenant = fixture->tenant.id, .name = "robot",
                                  .scopes = KEY_READ | KEY_WRITE };
}

static inline struct key_id create(struct fixture *fixture, char text[static KEY_TEXT_MAX])
{
        struct key_info info = { 0 }, wish = draft(fixture);
        struct error error = { 0 };

        if (keyring_create(fixture->keyring, &wish, &info, text, &error) < 0)
                fail_msg("%s", error_text(&error));
        key_info_done(&info);
        return info.id;
}

/* The verdict alone; `error` may be NULL. */
static inline int check(struct fixture *fixture, const char *text, uint64_t now_usec,
                 struct error *error)
{
        const struct principal *principal = NULL;
        int r = keyring_check(fixture->keyring, text, strlen(text), now_usec, &principal, NULL,
                              NULL, error);

        assert_int_equal(r == 0, principal != NULL);
        (void) principal_unref(principal);
        return r;
}

/* A whole key of this stage, id and secret. */
static inline const char *forge(enum stage stage, struct key_id id, char text[static KEY_TEXT_MAX])
{
        struct key_text key = { .stage = stage, .id = id };

        randombytes_buf(key.secret, sizeof key.secret);
        return key_text_format(&key, text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
