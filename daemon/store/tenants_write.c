/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tenants: made, moved from state to state, limited, counted by day. */
#include "store/tenants.h"

#include "base/clock.h"
#include "store/registry.h"
#include "store/tenants_inside.h"

#include <stdio.h>
#include <string.h>

int tenant_execute(struct db *db, const char *sql, struct tenant_id tenant, uint64_t *ret_rows,
                   struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r == 0 && ret_rows)
                *ret_rows += (uint64_t) sqlite3_changes(db_connection(db));
        return r;
}

int tenant_read_state(struct db *db, struct tenant_id tenant, enum tenant_state *ret,
                      struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT state FROM tenant WHERE id = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        if (r < 0)
                return r;
        *ret = (enum tenant_state) db_column_u32(statement, 0);
        return *ret < TENANT_STATE_MAX
                       ? 0
                       : error_set(reterr, -EBADMSG, "%s is damaged: a tenant has no state",
                                   db_path(db));
}

/* ---- Making ----------------------------------------------------------------------------- */

static int apply_insert(struct db *db, void *data, struct error *reterr)
{
        const struct tenant_info *info = data;
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO tenant(id, name, created_usec, state_usec)"
                               " VALUES(?1, ?2, ?3, ?3)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, info->id.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, info->name);
        db_bind_u64(statement, 3, info->created_usec);
        r = db_step(db, statement, reterr);
        if (r == -EEXIST)
                return error_set(reterr, r, "there is already a tenant %s", info->name);
        return r;
}

int tenant_insert(struct store *store, const char *name, struct tenant_info *ret,
                  struct error *reterr)
{
        struct tenant_info info = { .id.id = id_random(), .created_usec = clock_wall_usec() };
        int r = store_check_name("tenant", name, reterr);

        if (r < 0)
                return r;
        (void) snprintf(info.name, sizeof info.name, "%s", name);
        info.state_usec = info.created_usec;
        r = committer_run(store->registry, apply_insert, &info, reterr);
        if (r == 0)
                *ret = info;
        return r;
}

/* ---- Moving ----------------------------------------------------------------------------- */

struct move {
        struct tenant_id tenant;
        enum tenant_state state;
        const char *archive, *garbage;
        uint64_t now_usec;
};

static int set_state(struct db *db, const struct move *move, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "UPDATE tenant SET state = ?2, state_usec = ?3, archive = ?4"
                               " WHERE id = ?1", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, move->tenant.id.bytes, ID_BYTES);
        db_bind_u64(statement, 2, move->state);
        db_bind_u64(statement, 3, move->now_usec);
        db_bind_text(statement, 4, move->archive);
        return db_step(db, statement, reterr);
}

static int give_name_back(struct db *db, struct tenant_id tenant, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        char id[ID_TEXT_SIZE];
        int r = db_prepare(db, "UPDATE tenant SET name = name || '.' || ?2 WHERE id = ?1",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, id_format(tenant.id, id));
        r = db_step(db, statement, reterr);
        return r < 0 ? r : tenant_execute(db, "DELETE FROM key WHERE tenant = ?", tenant, NULL,
                                          reterr);
}

/* What the tenant lies in from now on is no garbage, what it leaves is. */
static int set_garbage(struct db *db, const struct move *move, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *remove = NULL, *add = NULL;
        char folder[COLLECTION_PATH_SIZE], id[ID_TEXT_SIZE];
        bool in_folder = move->state == TENANT_ACTIVE || move->state == TENANT_SUSPENDED;
        int r = db_prepare(db, "DELETE FROM garbage WHERE path IN (?, ?)", &remove, reterr);

        if (r < 0)
                return r;
        (void) snprintf(folder, sizeof folder, "tenants/%s", id_format(move->tenant.id, id));
        db_bind_text(remove, 1, in_folder ? folder : NULL);
        db_bind_text(remove, 2, move->archive);
        r = db_step(db, remove, reterr);
        if (r < 0 || !move->garbage)
                return r;
        r = db_prepare(db, "INSERT OR REPLACE INTO garbage(path, of_tenant) VALUES(?, 1)", &add,
                       reterr);
        if (r < 0)
                return r;
        db_bind_text(add, 1, move->garbage);
        return db_step(db, add, reterr);
}

static int apply_move(struct db *db, void *data, struct error *reterr)
{
        const struct move *move = data;
        enum tenant_state from = TENANT_STATE_INVALID;
        int r = tenant_read_state(db, move->tenant, &from, reterr);

        if (r < 0)
                return r;
        if (!tenant_state_may_become(from, move->state))
                return error_set(reterr, -EPROTO, "a tenant that is %s cannot become %s",
                                 tenant_state_name(from), tenant_state_name(move->state));
        r = set_state(db, move, reterr);
        if (r == 0 && move->state == TENANT_DELETED)
                r = give_name_back(db, move->tenant, reterr);
        return r < 0 ? r : set_garbage(db, move, reterr);
}

int tenant_move(struct store *store, struct tenant_id tenant, enum tenant_state state,
                const char *archive, const char *garbage, struct error *reterr)
{
        struct move move = { tenant, state, archive, garbage, clock_wall_usec() };

        if (id_equal(tenant.id, store->default_tenant.id))
                return error_set(reterr, -EPERM, "the default tenant is always active");
        return committer_run(store->registry, apply_move, &move, reterr);
}

int tenant_sweep(struct store *store, struct error *reterr)
{
        return registry_sweep(store, true, reterr);
}

/* ---- Limits ----------------------------------------------------------------------------- */

struct quota_change {
        struct tenant_id tenant;
        const struct tenant_quota *quota;
        uint32_t unset;
};

static int write_limit(struct db *db, const struct quota_change *change, size_t limit,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        uint64_t value = change->quota->limit[limit];
        int r = db_prepare(db, "INSERT OR REPLACE INTO tenant_quota(tenant, name, value)"
                               " VALUES(?, ?, ?)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, change->tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, tenant_limits[limit].name);
        if (value != TENANT_UNLIMITED) /* else NULL */
                db_bind_u64(statement, 3, value > INT64_MAX ? INT64_MAX : value);
        return db_step(db, statement, reterr);
}

static int remove_limit(struct db *db, const struct quota_change *change, size_t limit,
                        struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "DELETE FROM tenant_quota WHERE tenant = ? AND name = ?",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, change->tenant.id.bytes, ID_BYTES);
        db_bind_text(statement, 2, tenant_limits[limit].name);
        return db_step(db, statement, reterr);
}

static int apply_quota(struct db *db, void *data, struct error *reterr)
{
        const struct quota_change *change = data;
        enum tenant_state state = TENANT_DELETED;
        int r = tenant_read_state(db, change->tenant, &state, reterr);

        if (r == 0 && state == TENANT_DELETED)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        for (size_t i = 0; r == 0 && i < TENANT_LIMIT_MAX; i++)
                if (change->quota->set & 1U << i)
                        r = write_limit(db, change, i, reterr);
                else if (change->unset & 1U << i)
                        r = remove_limit(db, change, i, reterr);
        return r;
}

int tenant_set_quota(struct store *store, struct tenant_id tenant, const struct tenant_quota *quota,
                     uint32_t unset, struct error *reterr)
{
        struct quota_change change = { tenant, quota, unset };

        return committer_run(store->registry, apply_quota, &change, reterr);
}

/* ---- Days ------------------------------------------------------------------------------- */

struct days {
        const struct tenant_day *rows;
        size_t n;
};

static int write_requests(struct db *db, const struct tenant_day *day, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT INTO tenant_day(day, tenant, requests)"
                               " SELECT ?1, id, ?3 FROM tenant WHERE id = ?2"
                               " ON CONFLICT(day, tenant) DO UPDATE"
                               " SET requests = CASE WHEN ?4 THEN excluded.requests"
                               " ELSE max(requests, excluded.requests) END",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, day->day);
        db_bind_blob(statement, 2, day->tenant.id.bytes, ID_BYTES);
        db_bind_u64(statement, 3, day->requests > INT64_MAX ? INT64_MAX : day->requests);
        db_bind_u64(statement, 4, day->exact);
        return db_step(db, statement, reterr);
}

static int write_used(struct db *db, const struct tenant_day *day, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "UPDATE tenant SET used_usec = ?2 WHERE id = ?1 AND used_usec < ?2",
                           &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, day->tenant.id.bytes, ID_BYTES);
        db_bind_u64(statement, 2, day->used_usec);
        return db_step(db, statement, reterr);
}

static int apply_days(struct db *db, void *data, struct error *reterr)
{
        const struct days *days = data;
        int r = 0;

        for (size_t i = 0; r == 0 && i < days->n; i++) {
                if (days->rows[i].requests > 0 || days->rows[i].exact)
                        r = write_requests(db, &days->rows[i], reterr);
                if (r == 0 && days->rows[i].used_usec > 0)
                        r = write_used(db, &days->rows[i], reterr);
        }
        return r;
}

int tenant_set_days(struct store *store, const struct tenant_day *days, size_t n,
                    struct error *reterr)
{
        struct days all = { days, n };

        return n == 0 ? 0 : committer_run(store->registry, apply_days, &all, reterr);
}

int tenant_get_requests(struct store *store, struct tenant_id tenant, uint32_t day, uint64_t *ret,
                        struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT requests FROM tenant_day"
                                          " WHERE day = ? AND tenant = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_u64(statement, 1, day);
        db_bind_blob(statement, 2, tenant.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r >= 0)
                *ret = r > 0 ? db_column_u64(statement, 0) : 0;
        return r < 0 ? r : 0;
}
