/* SPDX-License-Identifier: Apache-2.0 */
/* registry.db: its schema, and the statements on garbage and collections. */
#include "store/registry.h"

#include "base/io.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const struct db_migration migrations[] = {
        { .to = 1,
          .sql =
          "CREATE TABLE tenant("
          " id BLOB PRIMARY KEY NOT NULL, name TEXT NOT NULL UNIQUE,"
          " created_usec INTEGER NOT NULL) WITHOUT ROWID;"
          "INSERT INTO tenant VALUES(randomblob(16), 'default',"
          " CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER));"

          "CREATE TABLE collection("
          " id BLOB PRIMARY KEY NOT NULL, tenant BLOB NOT NULL REFERENCES tenant(id),"
          " name TEXT NOT NULL, language TEXT NOT NULL, description TEXT,"
          " created_usec INTEGER NOT NULL,"
          " serving INTEGER NOT NULL DEFAULT 0," /* not used: generations are found by identity */
          " last_number INTEGER NOT NULL DEFAULT 0,"
          " UNIQUE(tenant, name)) WITHOUT ROWID;"

          "CREATE TABLE generation("
          " collection BLOB NOT NULL REFERENCES collection(id) ON DELETE CASCADE,"
          " number INTEGER NOT NULL, state INTEGER NOT NULL, identity BLOB NOT NULL,"
          " PRIMARY KEY(collection, number)) WITHOUT ROWID;"

          "CREATE TABLE garbage(path TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID;"

          "CREATE TABLE job("
          " seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,"
          " tenant BLOB NOT NULL, collection BLOB NOT NULL,"
          " type INTEGER NOT NULL, status INTEGER NOT NULL, final INTEGER NOT NULL,"
          " total INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL,"
          " unchanged INTEGER NOT NULL, chunks INTEGER NOT NULL, tokens INTEGER NOT NULL,"
          " attempts INTEGER NOT NULL, created_usec INTEGER NOT NULL,"
          " started_usec INTEGER NOT NULL, finished_usec INTEGER NOT NULL,"
          " pause_reason TEXT NOT NULL, errors TEXT);"
          "CREATE INDEX job_tenant ON job(tenant, seq);"
          "CREATE INDEX job_open ON job(seq) WHERE final = 0;"

          "CREATE TABLE idempotency("
          " tenant BLOB NOT NULL, key TEXT NOT NULL, hash BLOB NOT NULL,"
          " created_usec INTEGER NOT NULL, status INTEGER NOT NULL, location TEXT,"
          " body BLOB NOT NULL, PRIMARY KEY(tenant, key));"
          "CREATE INDEX idempotency_age ON idempotency(created_usec);" },
        { .to = 2,
          .sql =
          "CREATE TABLE ledger("
          " day INTEGER NOT NULL, tenant BLOB NOT NULL, provider TEXT NOT NULL,"
          " kind TEXT NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL,"
          " input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL,"
          " estimated_tokens INTEGER NOT NULL, cost_microusd INTEGER NOT NULL,"
          " PRIMARY KEY(day, tenant, provider, kind)) WITHOUT ROWID;" },
        { .to = 3,
          .sql =
          "ALTER TABLE tenant ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
          "ALTER TABLE tenant ADD COLUMN state_usec INTEGER NOT NULL DEFAULT 0;"
          "ALTER TABLE tenant ADD COLUMN used_usec INTEGER NOT NULL DEFAULT 0;"
          "ALTER TABLE tenant ADD COLUMN archive TEXT;"
          "UPDATE tenant SET state_usec = created_usec;"

          /* What tenant_sweep() may remove at any time; the rest only when the store is opened. */
          "ALTER TABLE garbage ADD COLUMN of_tenant INTEGER NOT NULL DEFAULT 0;"

          "CREATE TABLE tenant_quota("
          " tenant BLOB NOT NULL REFERENCES tenant(id), name TEXT NOT NULL,"
          " value INTEGER," /* NULL: unlimited */
          " PRIMARY KEY(tenant, name)) WITHOUT ROWID;"

          "CREATE TABLE tenant_day("
          " day INTEGER NOT NULL, tenant BLOB NOT NULL, requests INTEGER NOT NULL,"
          " PRIMARY KEY(day, tenant)) WITHOUT ROWID;"

          "CREATE TABLE key("
          " id BLOB PRIMARY KEY NOT NULL, tenant BLOB NOT NULL REFERENCES tenant(id),"
          " name TEXT NOT NULL, scopes INTEGER NOT NULL,"
          " collections TEXT," /* names with ',' between them; NULL: all */
          " hash BLOB NOT NULL, pepper BLOB NOT NULL," /* which one, not what it is */
          " requests_per_minute INTEGER NOT NULL,"
          " created_usec INTEGER NOT NULL, expires_usec INTEGER NOT NULL,"
          " revoked_usec INTEGER NOT NULL, used_usec INTEGER NOT NULL) WITHOUT ROWID;"
          "CREATE INDEX key_tenant ON key(tenant, created_usec);" },
        { .to = 4, /* see collection_behind.c; nobody knows of those that are there */
          .sql =
          "CREATE TABLE behind("
          " collection BLOB PRIMARY KEY NOT NULL"
          " REFERENCES collection(id) ON DELETE CASCADE) WITHOUT ROWID;"
          "INSERT INTO behind SELECT id FROM collection;" },
};

const struct db_schema registry_schema = {
        .application_id = 0x52476472, /* "RGdr" */
        .migrations = migrations,
        .n_migrations = ELEMENTSOF(migrations),
};

const char *collection_path(struct tenant_id tenant, struct collection_id id,
                            char text[static COLLECTION_PATH_SIZE])
{
        char owner[ID_TEXT_SIZE], own[ID_TEXT_SIZE];

        (void) snprintf(text, COLLECTION_PATH_SIZE, "tenants/%s/%s", id_format(tenant.id, owner),
                        id_format(id.id, own));
        return text;
}

int registry_open(struct store *store, struct error *reterr)
{
        char path[PATH_MAX];
        struct db *db = NULL;
        int r;

        (void) snprintf(path, sizeof path, "%s/registry.db", store->path);
        r = db_open(path, &registry_schema, DB_WRITE, &db, reterr);
        if (r == 0)
                r = committer_new(db, &store->registry, reterr);
        if (r == 0)
                r = db_pool_new(path, &registry_schema, &store->registry_readers, reterr);
        return r < 0 ? r : store_find_tenant(store, "default", &store->default_tenant, reterr);
}

/* ---- Garbage ---------------------------------------------------------------------------- */

static int run_with_path(struct db *db, const char *sql, const char *path, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, path);
        return db_step(db, statement, reterr);
}

static int insert_garbage(struct db *db, const char *path, struct error *reterr)
{
        return run_with_path(db, "INSERT OR IGNORE INTO garbage(path) VALUES(?)", path, reterr);
}

static int delete_garbage(struct db *db, const char *path, struct error *reterr)
{
        return run_with_path(db, "DELETE FROM garbage WHERE path = ?", path, reterr);
}

static int apply_add_garbage(struct db *db, void *data, struct error *reterr)
{
        return insert_garbage(db, data, reterr);
}

static int apply_forget_garbage(struct db *db, void *data, struct error *reterr)
{
        return delete_garbage(db, data, reterr);
}

int registry_add_garbage(struct store *store, const char *path, struct error *reterr)
{
        return committer_run(store->registry, apply_add_garbage, (void *) (uintptr_t) path, reterr);
}

/* The files are gone for good before the row that would have them removed goes. */
int registry_remove_garbage(struct store *store, const char *path, struct error *reterr)
{
        char folder[PATH_MAX];
        const char *slash = strrchr(path, '/');
        int r = io_remove_tree(store->dirfd, path);

        (void) snprintf(folder, sizeof folder, "%.*s", slash ? (int) (slash - path) : 1,
                        slash ? path : ".");
        if (r == 0) {
                r = io_sync_directory(store->dirfd, folder);
                r = r == -ENOENT ? 0 : r;
        }
        if (r < 0)
                return error_set_errno(reterr, r, "cannot remove %s/%s", store->path, path);
        return committer_run(store->registry, apply_forget_garbage, (void *) (uintptr_t) path,
                             reterr);
}

static int next_garbage(struct store *store, bool tenants_only, char **ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT path FROM garbage WHERE of_tenant >= ? LIMIT 1",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, tenants_only);
        r = db_step(reader.db, statement, reterr);
        if (r > 0 && db_column_text(statement, 0, ret, reterr) < 0)
                return -ENOMEM;
        return r;
}

int registry_sweep(struct store *store, bool tenants_only, struct error *reterr)
{
        for (;;) {
                cleanup_free_ char *path = NULL;
                int r = next_garbage(store, tenants_only, &path, reterr);

                if (r > 0)
                        r = registry_remove_garbage(store, path, reterr);
                else
                        return r;
                if (r < 0)
                        return r;
        }
}

/* ---- Collections ------------------------------------------------------------------------ */

struct collection_change {
        struct store *store;
        const struct collection_info *info;
        const char *path;
};

static int apply_add_collection(struct db *db, void *data, struct error *reterr)
{
        const struct collection_change *change = data;
        const struct collection_info *info = change->info;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO collection(id, tenant, name, language, description,"
                               " created_usec) VALUES(?,?,?,?,?,?)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, info->id.id.bytes, ID_BYTES);
        db_bind_blob(statement, 2, info->tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 3, info->name);
        db_bind_text(statement, 4, info->language);
        db_bind_text(statement, 5, info->description);
        db_bind_u64(statement, 6, info->created_usec);
        r = db_step(db, statement, reterr);
        if (r == -EEXIST)
                return error_set(reterr, r, "there is already a collection %s", info->name);
        return r < 0 ? r : delete_garbage(db, change->path, reterr);
}

static int apply_remove_collection(struct db *db, void *data, struct error *reterr)
{
        const struct collection_change *change = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "DELETE FROM collection WHERE id = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, change->info->id.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r < 0)
                return r;
        if (sqlite3_changes(db_connection(db)) == 0)
                return error_set(reterr, -ENOENT, "there is no collection %s", change->info->name);
        return insert_garbage(db, change->path, reterr);
}

int registry_add_collection(struct store *store, const struct collection_info *info,
                            const char *path, struct error *reterr)
{
        struct collection_change change = { store, info, path };

        return committer_run(store->registry, apply_add_collection, &change, reterr);
}

int registry_remove_collection(struct store *store, const struct collection_info *info,
                               const char *path, struct error *reterr)
{
        struct collection_change change = { store, info, path };

        return committer_run(store->registry, apply_remove_collection, &change, reterr);
}

#define COLLECTION_COLUMNS "id, tenant, name, language, description, created_usec"

static int read_collection(struct store *store, struct db *db, sqlite3_stmt *statement,
                           struct collection_info *ret, struct error *reterr)
{
        struct collection_info info = { 0 };
        const char *text;
        int r;

        r = db_column_bytes(db, statement, 0, info.id.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 1, info.tenant.id.bytes, ID_BYTES, reterr);
        if (r < 0)
                return r;
        text = (const char *) sqlite3_column_text(statement, 2);
        (void) snprintf(info.name, sizeof info.name, "%s", text ? text : "");
        text = (const char *) sqlite3_column_text(statement, 3);
        (void) snprintf(info.language, sizeof info.language, "%s", text ? text : "");
        info.created_usec = db_column_u64(statement, 5);
        r = registry_find_serving(store, db, &info, &info.serving_generation, reterr);
        if (r == 0)
                r = db_column_text(statement, 4, &info.description, reterr);
        if (r == 0)
                *ret = info;
        return r;
}

int registry_find_collection(struct store *store, struct tenant_id tenant, const char *name,
                             const struct collection_id *id, struct collection_info *ret,
                             struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0 && name)
                r = db_prepare(reader.db, "SELECT " COLLECTION_COLUMNS " FROM collection"
                                          " WHERE tenant = ? AND name = ?", &statement, reterr);
        else if (r == 0)
                r = db_prepare(reader.db, "SELECT " COLLECTION_COLUMNS " FROM collection"
                                          " WHERE tenant = ? AND id = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        if (name)
                db_bind_text(statement, 2, name);
        else
                db_bind_blob(statement, 2, id->id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r == 0 && name)
                return error_set(reterr, -ENOENT, "there is no collection %s", name);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such collection");
        return r < 0 ? r : read_collection(store, reader.db, statement, ret, reterr);
}

int collection_get_info(struct store *store, struct tenant_id tenant, const char *name,
                        struct collection_info *ret, struct error *reterr)
{
        return registry_find_collection(store, tenant, name, NULL, ret, reterr);
}

int collection_list(struct store *store, struct tenant_id tenant, const char *after, size_t limit,
                    struct collection_info **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct collection_info *infos = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT " COLLECTION_COLUMNS " FROM collection"
                                          " WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, after ? after : "");
        db_bind_u64(statement, 3, limit > INT_MAX ? INT_MAX : limit);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct collection_info *grown =
                                reallocarray(infos, size ? size * 2 : 8, sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        infos = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_collection(store, reader.db, statement, &infos[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) collection_infos_free(infos, n);
                return r;
        }
        *ret = infos;
        *ret_n = n;
        return 0;
}

int store_list_collections(struct store *store, struct store_collection **ret, size_t *ret_n,
                           struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        cleanup_free_ struct store_collection *all = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT c.tenant, c.id FROM collection c"
                                          " JOIN tenant t ON t.id = c.tenant WHERE t.state < 2" /* see tenants_inside.h */
                                          " ORDER BY c.tenant, c.name",
                               &statement, reterr);
        if (r < 0)
                return r;
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct store_collection *grown =
                                reallocarray(all, size ? size * 2 : 16, sizeof *grown);

                        if (!grown)
                                return error_oom(reterr);
                        all = grown;
                        size = size ? size * 2 : 16;
                }
                r = db_column_bytes(reader.db, statement, 0, all[n].tenant.id.bytes, ID_BYTES,
                                    reterr);
                if (r == 0)
                        r = db_column_bytes(reader.db, statement, 1, all[n].collection.id.bytes,
                                            ID_BYTES, reterr);
                if (r < 0)
                        return r;
                n++;
        }
        if (r < 0)
                return r;
        *ret = take_ptr(all);
        *ret_n = n;
        return 0;
}

void collection_info_done(struct collection_info *info)
{
        free(info->description);
        info->description = NULL;
}

struct collection_info *collection_infos_free(struct collection_info *infos, size_t n)
{
        for (size_t i = 0; i < n; i++)
                collection_info_done(&infos[i]);
        free(infos);
        return NULL;
}
