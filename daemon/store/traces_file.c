/* SPDX-License-Identifier: Apache-2.0 */
/* tenants/<id>/traces.db. */
#include "store/traces_file.h"

#include "store/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define EXPIRE_ROWS 1024 /* removed in one transaction */

static const struct db_migration migrations[] = {
        { .to = 1,
          .sql =
          "CREATE TABLE trace("
          " id BLOB NOT NULL UNIQUE, wall_usec INTEGER NOT NULL, json TEXT NOT NULL);"
          "CREATE INDEX trace_age ON trace(wall_usec);" },
};
static const struct db_schema traces_schema = {
        .application_id = 0x52476474, /* "RGdt" */
        .migrations = migrations,
        .n_migrations = ELEMENTSOF(migrations),
};

static const char *file_path(const struct store *store, struct tenant_id tenant,
                             char path[static PATH_MAX])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(path, PATH_MAX, "%s/tenants/%s/traces.db", store->path,
                        id_format(tenant.id, id));
        return path;
}

/* A damaged one makes room for a new one. */
static int open_file(struct store *store, struct tenant_id tenant, struct db **ret,
                     struct error *reterr)
{
        char path[PATH_MAX], folder[sizeof "tenants/" + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        struct error why = { 0 };
        int r;

        r = store_check_present(store, tenant, reterr);
        if (r < 0)
                return r;
        (void) snprintf(folder, sizeof folder, "tenants/%s", id_format(tenant.id, id));
        if (mkdirat(store->dirfd, folder, 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create %s/%s", store->path, folder);
        r = db_open(file_path(store, tenant, path), &traces_schema, DB_WRITE, ret, &why);
        if (r == -EBADMSG && db_set_aside(path, &why) == 0)
                r = db_open(path, &traces_schema, DB_WRITE, ret, &why);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int insert(struct db *db, const struct trace_waiting *trace, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT OR REPLACE INTO trace(id, wall_usec, json) VALUES(?,?,?)",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, trace->id.id.bytes, ID_BYTES);
        db_bind_u64(statement, 2, trace->wall_usec);
        (void) sqlite3_bind_text64(statement, 3, trace->json, trace->len, SQLITE_STATIC,
                                   SQLITE_UTF8);
        return db_step(db, statement, reterr);
}

int trace_file_write(struct store *store, struct trace_waiting *first, size_t *ret_n,
                     struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        int r = open_file(store, first->tenant, &db, reterr);
        size_t n = 0;

        if (r == 0)
                r = db_begin(db, reterr);
        for (struct trace_waiting *at = first; at; at = at->next) {
                if (!id_equal(at->tenant.id, first->tenant.id))
                        continue;
                if (r >= 0)
                        r = insert(db, at, reterr);
                at->seen_to = true;
                n++;
        }
        if (r >= 0)
                r = db_commit(db, reterr);
        if (r < 0 && db)
                db_rollback(db);
        *ret_n = n;
        return r < 0 ? r : 0;
}

int trace_file_get(const struct store *store, struct tenant_id tenant, struct trace_id id,
                   char **ret_json, size_t *ret_len, struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        char path[PATH_MAX], text[ID_TEXT_SIZE];
        int r = db_open(file_path(store, tenant, path), &traces_schema, DB_READ, &db, reterr);

        if (r == 0)
                r = db_prepare(db, "SELECT json FROM trace WHERE id = ?", &statement, reterr);
        if (r == 0) {
                db_bind_blob(statement, 1, id.id.bytes, ID_BYTES);
                r = db_step(db, statement, reterr);
                if (r == 0)
                        r = -ENOENT;
        }
        if (r == -ENOENT)
                return error_set(reterr, r, "there is no trace %s, or no longer",
                                 id_format(id.id, text));
        if (r > 0)
                r = db_column_text(statement, 0, ret_json, reterr);
        if (r == 0)
                *ret_len = (size_t) sqlite3_column_bytes(statement, 0);
        return r;
}

static int list_rows(struct db *db, size_t limit, struct trace_info *infos, size_t *ret_n,
                     struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        size_t n = 0;
        int r = db_prepare(db, "SELECT id, wall_usec FROM trace"
                               " ORDER BY wall_usec DESC, rowid DESC LIMIT ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, limit);
        while (n < limit && (r = db_step(db, statement, reterr)) > 0) {
                infos[n].wall_usec = db_column_u64(statement, 1);
                r = db_column_bytes(db, statement, 0, infos[n].id.id.bytes, ID_BYTES, reterr);
                if (r < 0)
                        break;
                n++;
        }
        *ret_n = n;
        return r < 0 ? r : 0;
}

int trace_file_list(const struct store *store, struct tenant_id tenant, size_t limit,
                    struct trace_info *ret, size_t *ret_n, struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        char path[PATH_MAX];
        int r = db_open(file_path(store, tenant, path), &traces_schema, DB_READ, &db, reterr);

        *ret_n = 0;
        if (r == 0)
                return list_rows(db, limit, ret, ret_n, reterr);
        return r == -ENOENT ? 0 : r;
}

static int expire_file(const char *path, uint64_t before_wall_usec, uint64_t *removed,
                       struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        int n = EXPIRE_ROWS;
        int r = db_open(path, &traces_schema, DB_WRITE_EXISTING, &db, reterr);

        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while (r >= 0 && n == EXPIRE_ROWS) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;

                r = db_prepare(db, "DELETE FROM trace WHERE rowid IN (SELECT rowid FROM trace"
                                   " WHERE wall_usec < ? LIMIT ?)", &statement, reterr);
                if (r < 0)
                        return r;
                db_bind_u64(statement, 1, before_wall_usec);
                (void) sqlite3_bind_int(statement, 2, EXPIRE_ROWS);
                r = db_step(db, statement, reterr);
                n = r < 0 ? 0 : sqlite3_changes(db_connection(db));
                *removed += (uint64_t) n;
        }
        return r;
}

static int expire_all(struct store *store, DIR *tenants, uint64_t before_wall_usec,
                      uint64_t *removed, struct error *reterr)
{
        struct dirent *entry;
        int result = 0;

        while ((entry = readdir(tenants))) {
                struct tenant_id tenant;
                char path[PATH_MAX];
                int r;

                if (id_parse(entry->d_name, &tenant.id) < 0 ||
                    store_is_tenant_closed(store, tenant)) /* it is moved, traces and all */
                        continue;
                r = expire_file(file_path(store, tenant, path), before_wall_usec, removed, reterr);
                if (r < 0) /* those of others go none the less */
                        result = r;
        }
        return result;
}

int trace_files_expire(struct store *store, uint64_t before_wall_usec, uint64_t *ret_n,
                       struct error *reterr)
{
        int fd = openat(store->dirfd, "tenants", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *tenants = fd < 0 ? NULL : fdopendir(fd);
        int r;

        *ret_n = 0;
        if (!tenants) {
                r = -errno;
                if (fd >= 0)
                        (void) close(fd);
                return error_set_errno(reterr, r, "cannot open %s/tenants", store->path);
        }
        r = expire_all(store, tenants, before_wall_usec, ret_n, reterr);
        (void) closedir(tenants);
        return r;
}
