/* SPDX-License-Identifier: Apache-2.0 */
#include "life.h"

#include "base/io.h"
#include "config/values.h"
#include "store/collection.h"
#include "store/docs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void tell(struct life *life, const char *word)
{
        size_t len = strlen(life->told);

        (void) snprintf(life->told + len, sizeof life->told - len, "%s ", word);
}

static int on_close(void *data, struct tenant_id tenant, struct error *reterr)
{
        struct life *life = data;

        (void) tenant;
        tell(life, "close");
        return life->close_result < 0 ? error_set(reterr, life->close_result, "it does not close")
                                      : 0;
}

static void on_open(void *data, struct tenant_id tenant)
{
        (void) tenant;
        tell(data, "open");
}

/* Noted in a file, since a crash may come between. */
static int on_erase(void *data, struct tenant_id tenant, const char *name, struct error *reterr)
{
        struct life *life = data;

        (void) tenant;
        assert_string_equal(name, "acme");
        tell(life, "erase");
        return io_replace_file(store_dirfd(life->store), "erased", "", 0, 0600, reterr);
}

static void on_news(void *data, struct tenant_id tenant, const char *name, const char *what,
                    const struct error *error_or_null)
{
        (void) tenant;
        (void) name;
        tell(data, error_or_null ? "failed:" : "news:");
        tell(data, what);
}

static void on_wanted(void *data)
{
        struct life *life = data;

        life->wanted++;
}

void life_open(struct life *life)
{
        static const struct store_limits limits = { .max_open_collections = 4 };
        const struct tenant_room room = { "room", on_close, on_open, on_erase, life };
        struct multi_tenant_settings_config settings = { .strict_isolation = true };
        struct security_config security = { .rate_limit_per_user = 100 };
        struct keyring_settings keyring = { .stage = STAGE_TESTING };
        struct lifecycle_settings lifecycle = { .wanted = on_wanted, .rooms = &room, .n_rooms = 1,
                                                .news = on_news, .data = life };
        struct tenants_settings tenants = { .max_rates = 64 };
        char backups[160];
        struct error error = { 0 };

        assert_ok(store_open(life->path, &limits, &life->store, &error));
        tenants.store = keyring.store = lifecycle.store = life->store;
        assert_ok(tenants_new(&tenants, &life->tenants, &error));
        tenants_configure(life->tenants, true, &settings, &security);
        assert_ok(keyring_new(&keyring, &life->keyring, &error));
        (void) snprintf(backups, sizeof backups, "%s/backups", life->path);
        lifecycle.backup_path = backups;
        lifecycle.tenants = life->tenants;
        lifecycle.keyring = life->keyring;
        assert_ok(lifecycle_new(&lifecycle, &life->lifecycle, &error));
        lifecycle_configure(life->lifecycle, true, 1, 30);
}

void life_close(struct life *life)
{
        life->lifecycle = lifecycle_free(life->lifecycle);
        life->keyring = keyring_free(life->keyring);
        life->tenants = tenants_free(life->tenants);
        life->store = store_close(life->store);
}

struct life *life_new(void)
{
        struct life *life = calloc(1, sizeof *life);
        struct tenant_info info = { 0 };
        struct error error = { 0 };

        assert_non_null(life);
        assert_true(sodium_init() >= 0);
        (void) unsetenv("CREDENTIALS_DIRECTORY");
        (void) snprintf(life->path, sizeof life->path, "/tmp/ragd-life-XXXXXX");
        assert_non_null(mkdtemp(life->path));
        life_open(life);
        assert_ok(lifecycle_create(life->lifecycle, "acme", &info, &error));
        life->acme = info.id;
        life_fill(life, life->acme, "what acme wrote");
        return life;
}

void life_free(struct life *life)
{
        life_close(life);
        assert_int_equal(io_remove_tree(AT_FDCWD, life->path), 0);
        free(life);
}

int life_setup(void **state)
{
        *state = life_new();
        return 0;
}

int life_teardown(void **state)
{
        life_free(*state);
        return 0;
}

void life_fill(struct life *life, struct tenant_id tenant, const char *text)
{
        struct document_input input = { .external_id = "a", .mime = "text/plain", .body = text,
                                        .body_len = strlen(text) };
        struct collection *collection = NULL;
        struct collection_info info = { 0 };
        struct docs_receipt receipt;
        struct error error = { 0 };

        assert_ok(collection_create(life->store, tenant, "notes", NULL, NULL, &info, &error));
        collection_info_done(&info);
        assert_ok(collection_open(life->store, tenant, "notes", &collection, &error));
        assert_ok(docs_put(collection, &input, 1, (struct job_id){ 0 }, &receipt, &error));
        (void) collection_unref(collection);
}

char *life_read(struct life *life, struct tenant_id tenant)
{
        struct collection *collection = NULL;
        struct document found = { 0 }, whole = { 0 };
        struct error error = { 0 };
        char *body;

        assert_ok(collection_open(life->store, tenant, "notes", &collection, &error));
        assert_ok(docs_get(collection, "a", &found, &error));
        assert_ok(docs_get_body(collection, found.docver, &whole, &error));
        body = strdup(whole.body);
        document_done(&found);
        document_done(&whole);
        (void) collection_unref(collection);
        return body;
}

enum tenant_state life_state(struct life *life, struct tenant_id tenant)
{
        struct tenant_info info = { 0 };
        int r = tenant_get(life->store, tenant, &info, NULL);

        tenant_info_done(&info);
        return r < 0 ? TENANT_STATE_INVALID : info.state;
}

unsigned life_count(struct life *life, const char *folder)
{
        int fd = openat(store_dirfd(life->store), folder, O_RDONLY | O_DIRECTORY);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        unsigned n = 0;

        for (struct dirent *entry; dir && (entry = readdir(dir));)
                n += entry->d_name[0] != '.';
        if (dir)
                (void) closedir(dir);
        return n;
}

bool life_exists(struct life *life, const char *path)
{
        return faccessat(store_dirfd(life->store), path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool life_has_folder(struct life *life, struct tenant_id tenant)
{
        char path[64], id[ID_TEXT_SIZE];

        (void) snprintf(path, sizeof path, "tenants/%s", id_format(tenant.id, id));
        return life_exists(life, path);
}
