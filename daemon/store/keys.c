/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of keys: their ids and scopes in words, and how they are read. */
#include "store/keys.h"

#include "base/base32.h"
#include "store/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(BASE32_LEN(KEY_ID_BYTES) + 1 == KEY_ID_TEXT_SIZE, "the text of a key's id");

const char *key_id_format(struct key_id id, char text[static KEY_ID_TEXT_SIZE])
{
        base32_encode(id.bytes, sizeof id.bytes, text);
        text[KEY_ID_TEXT_SIZE - 1] = '\0';
        return text;
}

int key_id_parse(const char *text, struct key_id *ret)
{
        struct key_id id = { 0 };

        if (strlen(text) != KEY_ID_TEXT_SIZE - 1 ||
            base32_decode(text, id.bytes, sizeof id.bytes) < 0)
                return -EINVAL;
        *ret = id;
        return 0;
}

/* ---- Scopes ----------------------------------------------------------------------------- */

static const struct {
        enum key_scope scope;
        const char *name;
} scopes_table[] = {
        { KEY_READ, "read" },
        { KEY_WRITE, "write" },
        { KEY_ADMIN, "admin" },
        { KEY_OPERATOR, "operator" },
};

static uint32_t scope_of(const char *name, size_t len)
{
        for (size_t i = 0; i < ELEMENTSOF(scopes_table); i++)
                if (strlen(scopes_table[i].name) == len &&
                    memcmp(scopes_table[i].name, name, len) == 0)
                        return scopes_table[i].scope;
        return 0;
}

int key_scopes_parse(const char *text, uint32_t *ret, struct error *reterr)
{
        uint32_t scopes = 0;

        for (const char *at = text;; at++) {
                size_t len = strcspn(at, ",");
                uint32_t scope = scope_of(at, len);

                if (scope == 0)
                        return error_set(reterr, -EINVAL, "\"%.*s\" is no scope: they are read, "
                                                          "write, admin and operator",
                                         len > 32 ? 32 : (int) len, at);
                scopes |= scope;
                at += len;
                if (*at == '\0')
                        break;
        }
        *ret = scopes;
        return 0;
}

const char *key_scopes_format(uint32_t scopes, char text[static KEY_SCOPES_TEXT_SIZE])
{
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < ELEMENTSOF(scopes_table); i++)
                if (scopes & scopes_table[i].scope)
                        len += (size_t) snprintf(text + len, KEY_SCOPES_TEXT_SIZE - len, "%s%s",
                                                 len > 0 ? "," : "", scopes_table[i].name);
        return text;
}

/* ---- Reading ---------------------------------------------------------------------------- */

void key_info_done(struct key_info *info)
{
        for (size_t i = 0; info->collections && info->collections[i]; i++)
                free(info->collections[i]);
        free(info->collections);
        info->collections = NULL;
}

struct key_info *key_infos_free(struct key_info *infos, size_t n)
{
        for (size_t i = 0; i < n; i++)
                key_info_done(&infos[i]);
        free(infos);
        return NULL;
}

/* "a,b" → { "a", "b", NULL }; "" → { NULL }. */
static char **split(const char *text)
{
        size_t n = 0, size = 2;
        char **names;

        for (const char *at = text; *at; at++)
                size += *at == ',';
        names = calloc(size, sizeof *names);
        for (const char *at = text; names && *at; at += *at == ',') {
                size_t len = strcspn(at, ",");

                names[n] = strndup(at, len);
                if (!names[n++]) {
                        for (size_t i = 0; i < n; i++)
                                free(names[i]);
                        free(names);
                        return NULL;
                }
                at += len;
        }
        return names;
}

#define COLUMNS                                                                        \
        "SELECT id, tenant, name, scopes, collections, hash, requests_per_minute,"     \
        " created_usec, expires_usec, revoked_usec, used_usec, pepper FROM key "

static int read_key(struct db *db, sqlite3_stmt *statement, struct key_info *ret,
                    struct error *reterr)
{
        struct key_info info = { .scopes = db_column_u32(statement, 3),
                                 .requests_per_minute = db_column_u32(statement, 6),
                                 .created_usec = db_column_u64(statement, 7),
                                 .expires_usec = db_column_u64(statement, 8),
                                 .revoked_usec = db_column_u64(statement, 9),
                                 .used_usec = db_column_u64(statement, 10) };
        const char *name = (const char *) sqlite3_column_text(statement, 2);
        const char *collections = (const char *) sqlite3_column_text(statement, 4);
        int r = db_column_bytes(db, statement, 0, info.id.bytes, KEY_ID_BYTES, reterr);

        if (r == 0)
                r = db_column_bytes(db, statement, 1, info.tenant.id.bytes, ID_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 5, info.hash, KEY_HASH_BYTES, reterr);
        if (r == 0)
                r = db_column_bytes(db, statement, 11, info.pepper, KEY_PEPPER_ID_BYTES, reterr);
        if (r < 0)
                return r;
        (void) snprintf(info.name, sizeof info.name, "%s", name ? name : "");
        /* NULL means every collection: lack of memory must not read as that. */
        if (sqlite3_column_type(statement, 4) != SQLITE_NULL &&
            (!collections || !(info.collections = split(collections))))
                return error_oom(reterr);
        *ret = info;
        return 0;
}

int key_get(struct store *store, struct key_id id, struct key_info *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, COLUMNS "WHERE id = ?", &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, id.bytes, KEY_ID_BYTES);
        r = db_step(reader.db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such key");
        return r < 0 ? r : read_key(reader.db, statement, ret, reterr);
}

int key_count_foreign(struct store *store, const uint8_t pepper[static KEY_PEPPER_ID_BYTES],
                      uint64_t now_wall_usec, uint64_t *ret, struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db,
                               "SELECT count(*) FROM key WHERE pepper != ? AND revoked_usec = 0"
                               " AND (expires_usec = 0 OR expires_usec > ?)",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, pepper, KEY_PEPPER_ID_BYTES);
        db_bind_u64(statement, 2, now_wall_usec);
        r = db_step(reader.db, statement, reterr);
        if (r > 0)
                *ret = db_column_u64(statement, 0);
        return r < 0 ? r : 0;
}

int key_list(struct store *store, struct tenant_id tenant, struct key_info **ret, size_t *ret_n,
             struct error *reterr)
{
        cleanup_reader_ struct db_reader reader = { 0 };
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct key_info *infos = NULL;
        size_t n = 0, size = 0;
        int r = db_pool_take(store->registry_readers, &reader, reterr);

        if (r == 0)
                r = db_prepare(reader.db, COLUMNS "WHERE tenant = ? ORDER BY created_usec, id",
                               &statement, reterr);
        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        while ((r = db_step(reader.db, statement, reterr)) > 0) {
                if (n == size) {
                        struct key_info *grown =
                                reallocarray(infos, size ? size * 2 : 8, sizeof *grown);

                        if (!grown) {
                                r = error_oom(reterr);
                                break;
                        }
                        infos = grown;
                        size = size ? size * 2 : 8;
                }
                r = read_key(reader.db, statement, &infos[n], reterr);
                if (r < 0)
                        break;
                n++;
        }
        if (r < 0) {
                (void) key_infos_free(infos, n);
                return r;
        }
        *ret = infos;
        *ret_n = n;
        return 0;
}
