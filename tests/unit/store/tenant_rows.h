/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of tenants' rows share. */
#pragma once
#include "fixture.h"

#include "base/io.h"
#include "store/keys.h"
#include "store/tenants.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static inline struct tenant_info tenant_put(struct fixture *fixture, const char *name)
{
        struct tenant_info info = { 0 };
        struct error error = { 0 };

        assert_ok(tenant_insert(fixture->store, name, &info, &error));
        return info;
}

static inline struct key_info key_put(struct fixture *fixture, struct tenant_id tenant,
                                  const char *name)
{
        struct key_info key = { .tenant = tenant, .scopes = KEY_READ, .created_usec = 1 };
        struct id id = id_random();
        struct error error = { 0 };

        memcpy(key.id.bytes, id.bytes, sizeof key.id.bytes);
        (void) snprintf(key.name, sizeof key.name, "%s", name);
        assert_ok(key_insert(fixture->store, &key, &error));
        return key;
}

static inline enum tenant_state tenant_state_of(struct fixture *fixture, struct tenant_id tenant)
{
        struct tenant_info info = { 0 };
        struct error error = { 0 };

        assert_ok(tenant_get(fixture->store, tenant, &info, &error));
        tenant_info_done(&info);
        return info.state;
}

static inline void tenant_go(struct fixture *fixture, struct tenant_id tenant,
                             enum tenant_state state)
{
        struct error error = { 0 };

        assert_ok(tenant_move(fixture->store, tenant, state, NULL, NULL, &error));
}

static inline void file_put(struct fixture *fixture, const char *path, const char *text)
{
        char folder[64];
        struct error error = { 0 };

        (void) snprintf(folder, sizeof folder, "%.*s", (int) strcspn(path, "/"), path);
        (void) mkdirat(store_dirfd(fixture->store), folder, 0700);
        assert_ok(io_replace_file(store_dirfd(fixture->store), path, text, strlen(text), 0600,
                                  &error));
}

static inline bool file_exists(struct fixture *fixture, const char *path)
{
        return faccessat(store_dirfd(fixture->store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
