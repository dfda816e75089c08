/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of tenants: what they are, and how they are found. */
#include "store/tenants.h"

#include "base/enum.h"
#include "store/registry.h"
#include "store/tenants_inside.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const char *const tenant_state_names[TENANT_STATE_MAX] = {
        [TENANT_ACTIVE] = "active",
        [TENANT_SUSPENDED] = "suspended",
        [TENANT_OFFLOADED] = "offloaded",
        [TENANT_DELETED] = "deleted",
};
DEFINE_ENUM_NAMES(tenant_state, enum tenant_state)

#define TO(state) (1U << (state))

/* One that is suspended is not offloaded: the next request would bring it back to work. */
static const unsigned moves[TENANT_STATE_MAX] = {
        [TENANT_ACTIVE] = TO(TENANT_SUSPENDED) | TO(TENANT_OFFLOADED) | TO(TENANT_DELETED),
        [TENANT_SUSPENDED] = TO(TENANT_ACTIVE) | TO(TENANT_DELETED),
        [TENANT_OFFLOADED] = TO(TENANT_ACTIVE) | TO(TENANT_SUSPENDED) | TO(TENANT_DELETED),
};

bool tenant_state_may_become(enum tenant_state from, enum tenant_state to)
{
        return (moves[from] & TO(to)) != 0;
}

const struct tenant_limit_row tenant_limits[TENANT_LIMIT_MAX] = {
        [TENANT_DOCUMENTS] = { "documents", "Documents in all collections." },
        [TENANT_BYTES] = { "bytes", "Bytes of the bodies of documents." },
        [TENANT_VECTORS] = { "vectors", "Vectors, one for each chunk." },
        [TENANT_COLLECTIONS] = { "collections", "Collections." },
        [TENANT_REQUESTS_PER_MINUTE] = { "requests_per_minute", "Requests in a minute." },
        [TENANT_INGEST_BYTES_PER_MINUTE] = { "ingest_bytes_per_minute",
                                             "Bytes of documents that are put in a minute." },
        [TENANT_CONCURRENT] = { "concurrent", "Requests carried out at the same time." },
        [TENANT_REQUESTS_PER_DAY] = { "requests_per_day", "Requests in a day (UTC)." },
        [TENANT_TOKENS_PER_DAY] = { "tokens_per_day",
                                    "Tokens of calls to providers in a day (UTC)." },
        [TENANT_MICROUSD_PER_DAY] = { "usd_per_day",
                                      "Dollars that calls to providers cost in a day (UTC)." },
};

enum tenant_limit tenant_limit_from_name(const char *name)
{
        for (size_t i = 0; i < TENANT_LIMIT_MAX; i++)
                if (strcmp(tenant_limits[i].name, name) == 0)
                        return (enum tenant_limit) i;
        return TENANT_LIMIT_INVALID;
}

void tenant_info_done(struct tenant_info *info)
{
        free(info->archive);
        info->archive = NULL;
}

struct tenant_info *tenant_infos_free(struct tenant_info *infos, size_t n)
{
        for (size_t i = 0; i < n; i++)
                tenant_info_done(&infos[i]);
        free(infos);
        return NULL;
}

/* ---- Reading ---------------------------------------------------------------------------- */

#define COLUMNS "SELECT id, name, state, created_usec, state_usec, used_usec, archive FROM tenant "

static int read_quota(struct db *db, struct tenant_id tenant, struct tenant_quota *ret,
                      struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT name, value FROM tenant_quota WHERE tenant = ?", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        while ((r = db_step(db, statement, reterr)) > 0) {
                const char *name = (const char *) sqlite3_column_text(statement, 0);
                enum tenant_limit limit = name ? tenant_limit_from_name(name)
                                               : TENANT_LIMIT_INVALID;

                if (limit == TENANT_LIMIT_INVALID)
                        continue; /* one that this ragd doesn't know */
                ret->set |= 1U << limit;
                ret->limit[limit] = sqlite3_column_type(statement, 1) == SQLITE_NULL
                                            ? TENANT_UNLIMITED
                                            : db_column_u64(statement, 1);
        }
        return r;
}

static int read_tenant(struct db *db, sqlite3_stmt *statement, struct tenant_info *ret,
                       struct error *reterr)
{
        struct tenant_info info = { .state = (enum tenant_state) db_column_u32(statement, 2),
                                    .created_usec = db_column_u64(statement, 3),
                                    .state_usec = db_column_u64(statement, 4),
                                    .used_usec = db_column_u64(statement, 5) };
        const char *name = (const char *) sqlite3_column_text(statement, 1);
        int r = db_column_bytes(db, statement, 0, info.id.id.bytes, ID_BYTES, reterr);

        if (r < 0)
                return r;
        if (!name || info.state >= TENANT_STATE_MAX)
                return error_set(reterr, -EBADMSG, "%s is damaged: a tenant has no state",
                                 db_path(db));
        (void) snprintf(info.name, sizeof info.name, "%.*s", (int) strcspn(name, "."), name);
        r = read_quota(db, info.id, &info.quota, reterr);
        if (r == 0)
                r = db_column_text(statement, 6, &info.archive, reterr);
        if (r == 0)
                *ret = info;
        return r;
}

int tenant_get(struct store *store, struct tenant_id tenant, struct tenant_info *ret,
               struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, COLUMNS "WHERE id = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        return r < 0 ? r : read_tenant(reader.db, statement, ret, reterr);
}

static int get_live(struct store *store, const char *name, struct tenant_info *ret,
                    struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, COLUMNS "WHERE name = ? AND state <> 3", &statement,
                               reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, name);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no tenant %s", name);
        return r < 0 ? r : read_tenant(reader.db, statement, ret, reterr);
}

/* Names of deleted ones are "<name>.<id>": all of one name lie between "<name>." and "<name>/". */
static int get_deleted(struct store *store, const char *name, struct tenant_info *ret,
                       struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct id id;
        bool is_id = id_parse(name, &id) == 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               COLUMNS "WHERE state = 3 AND (id = ?1 OR name = ?2"
                                       " OR (name > ?2 || '.' AND name < ?2 || '/'))"
                                       " ORDER BY id = ?1 DESC, state_usec DESC LIMIT 1",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, is_id ? id.bytes : (const uint8_t *) "", is_id ? ID_BYTES : 0);
        db_bind_text(statement, 2, name);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no deleted tenant %s", name);
        return r < 0 ? r : read_tenant(reader.db, statement, ret, reterr);
}

int tenant_get_by_name(struct store *store, const char *name, bool deleted,
                       struct tenant_info *ret, struct error *reterr)
{
        return deleted ? get_deleted(store, name, ret, reterr)
                       : get_live(store, name, ret, reterr);
}

int store_find_tenant(struct store *store, const char *name, struct tenant_id *ret,
                      struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT id FROM tenant WHERE name = ? AND state <> 3",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, name);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no tenant %s", name);
        return r < 0 ? r
                     : db_column_bytes(reader.db, statement, 0, ret->id.bytes, ID_BYTES, reterr);
}

int store_get_tenant_name(struct store *store, struct tenant_id tenant,
                          char ret[static STORE_NAME_MAX + 1], struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, "SELECT name FROM tenant WHERE id = ? AND state <> 3",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        if (r < 0)
                return r;
        (void) snprintf(ret, STORE_NAME_MAX + 1, "%s",
                        (const char *) sqlite3_column_text(statement, 0));
        return 0;
}

/* ---- Lists ------------------------------------------------------------------------------ */

static int read_all(struct db *db, sqlite3_stmt *statement, struct tenant_info **ret,
                    size_t *ret_n, struct error *reterr)
{
        struct tenant_info *infos = NULL;
        size_t n = 0, size = 0;
        int r;

        while ((r = db_step(db, statement, reterr)) > 0) {
                if (n == size) {
                        struct tenant_info *grown =
                                reallocarray(infos, size ? size * 2 : 8, sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        infos = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_tenant(db, statement, &infos[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) tenant_infos_free(infos, n);
                return r;
        }
        *ret = infos;
        *ret_n = n;
        return 0;
}

int tenant_list(struct store *store, bool deleted, const char *after, size_t limit,
                struct tenant_info **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        char from[TENANT_STORED_NAME_SIZE];
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        /* After all deleted ones of that name, where no id says which. */
        (void) snprintf(from, sizeof from, "%s%s", after ? after : "",
                        deleted && after && !strchr(after, '.') ? "/" : "");
        if (r == 0 && deleted)
                r = db_prepare(reader.db, COLUMNS "WHERE name > ? AND state = 3"
                                                  " ORDER BY name LIMIT ?", &statement, reterr);
        else if (r == 0)
                r = db_prepare(reader.db, COLUMNS "WHERE name > ? AND state <> 3"
                                                  " ORDER BY name LIMIT ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_text(statement, 1, from);
        db_bind_u64(statement, 2, limit > INT_MAX ? INT_MAX : limit);
        return read_all(reader.db, statement, ret, ret_n, reterr);
}

int tenant_list_idle(struct store *store, uint64_t before_usec, size_t limit,
                     struct tenant_info **ret, size_t *ret_n, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               COLUMNS "WHERE state = 0 AND id <> ? AND max(used_usec, state_usec)"
                                       " < ? ORDER BY max(used_usec, state_usec), id LIMIT ?",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, store->default_tenant.id.bytes, ID_BYTES);
        db_bind_u64(statement, 2, before_usec > INT64_MAX ? INT64_MAX : before_usec);
        db_bind_u64(statement, 3, limit > INT_MAX ? INT_MAX : limit);
        return read_all(reader.db, statement, ret, ret_n, reterr);
}
