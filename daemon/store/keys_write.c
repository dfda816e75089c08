/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of keys: made, revoked, used. */
#include "store/keys.h"

#include "base/buf.h"
#include "base/clock.h"
#include "store/registry.h"
#include "store/tenants_inside.h"

#include <string.h>

struct insertion {
        const struct key_info *info;
        const char *collections; /* or NULL */
};

static int apply_insert(struct db *db, void *data, struct error *reterr)
{
        const struct insertion *insertion = data;
        const struct key_info *info = insertion->info;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        enum tenant_state state = TENANT_DELETED;
        int r = tenant_read_state(db, info->tenant, &state, reterr);

        if (r == 0 && state == TENANT_DELETED)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        if (r == 0)
                r = db_prepare(db, "INSERT INTO key(id, tenant, name, scopes, collections, hash,"
                                   " requests_per_minute, created_usec, expires_usec,"
                                   " revoked_usec, used_usec, pepper)"
                                   " VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, info->id.bytes, KEY_ID_BYTES);
        db_bind_blob(statement, 2, info->tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 3, info->name);
        db_bind_u64(statement, 4, info->scopes);
        db_bind_text(statement, 5, insertion->collections);
        db_bind_blob(statement, 6, info->hash, KEY_HASH_BYTES);
        db_bind_u64(statement, 7, info->requests_per_minute);
        db_bind_u64(statement, 8, info->created_usec);
        db_bind_u64(statement, 9, info->expires_usec);
        db_bind_u64(statement, 10, info->revoked_usec);
        db_bind_u64(statement, 11, info->used_usec);
        db_bind_blob(statement, 12, info->pepper, KEY_PEPPER_ID_BYTES);
        r = db_step(db, statement, reterr);
        return r == -EEXIST ? error_set(reterr, r, "there is already a key of this id") : r;
}

int key_insert(struct store *store, const struct key_info *info, struct error *reterr)
{
        cleanup_(buf_done) struct buf names = { 0 };
        struct insertion insertion = { .info = info };

        for (size_t i = 0; info->collections && info->collections[i]; i++) {
                if (i > 0)
                        buf_append_char(&names, ',');
                buf_append_text(&names, info->collections[i]);
        }
        if (buf_failed(&names))
                return error_oom(reterr);
        insertion.collections = info->collections ? buf_text(&names) : NULL;
        return committer_run(store->registry, apply_insert, &insertion, reterr);
}

/* ---- Revoking --------------------------------------------------------------------------- */

struct revocation {
        struct tenant_id tenant;
        struct key_id id;
        uint64_t now_usec;
};

static int find_revoked(struct db *db, const struct revocation *revocation, uint64_t *ret_usec,
                        struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT revoked_usec FROM key WHERE id = ? AND tenant = ?",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, revocation->id.bytes, KEY_ID_BYTES);
        db_bind_blob(statement, 2, revocation->tenant.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r > 0)
                *ret_usec = db_column_u64(statement, 0);
        return r;
}

static int apply_revoke(struct db *db, void *data, struct error *reterr)
{
        const struct revocation *revocation = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint64_t revoked_usec = 0;
        int r = find_revoked(db, revocation, &revoked_usec, reterr);

        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such key");
        if (r > 0 && revoked_usec > 0)
                return error_set(reterr, -EALREADY, "the key is revoked already");
        if (r > 0)
                r = db_prepare(db, "UPDATE key SET revoked_usec = ? WHERE id = ?", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, revocation->now_usec);
        db_bind_blob(statement, 2, revocation->id.bytes, KEY_ID_BYTES);
        return db_step(db, statement, reterr);
}

int key_revoke(struct store *store, struct tenant_id tenant, struct key_id id,
               struct error *reterr)
{
        struct revocation revocation = { tenant, id, clock_wall_usec() };

        return committer_run(store->registry, apply_revoke, &revocation, reterr);
}

/* ---- Used ------------------------------------------------------------------------------- */

struct uses {
        const struct key_used *used;
        size_t n;
};

static int apply_used(struct db *db, void *data, struct error *reterr)
{
        const struct uses *uses = data;
        int r = 0;

        for (size_t i = 0; r == 0 && i < uses->n; i++) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;

                r = db_prepare(db, "UPDATE key SET used_usec = ?2 WHERE id = ?1"
                                   " AND used_usec < ?2", &statement, reterr);
                if (r < 0)
                        break;
                db_bind_blob(statement, 1, uses->used[i].id.bytes, KEY_ID_BYTES);
                db_bind_u64(statement, 2, uses->used[i].used_usec);
                r = db_step(db, statement, reterr);
        }
        return r;
}

int key_set_used(struct store *store, const struct key_used *used, size_t n, struct error *reterr)
{
        struct uses uses = { used, n };

        return n == 0 ? 0 : committer_run(store->registry, apply_used, &uses, reterr);
}
