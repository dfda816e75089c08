/* SPDX-License-Identifier: Apache-2.0 */
#include "store/embedding_file.h"

#include "base/checksum.h"
#include "store/embedding_file_inside.h"

#include <string.h>

/* ---- Salts -------------------------------------------------------------------------------- */

/* 1: there is one. */
static int read_salt(struct db *db, const char *tenant, uint8_t ret[static EMBEDDING_SALT_BYTES],
                     struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT salt FROM salt WHERE tenant = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, tenant);
        r = db_step(db, statement, reterr);
        if (r <= 0)
                return r;
        r = db_column_bytes(db, statement, 0, ret, EMBEDDING_SALT_BYTES, reterr);
        return r < 0 ? r : 1;
}

/* Where two processes do this at a time, the first one's counts. */
static int write_salt(struct db *db, const char *tenant,
                      const uint8_t salt[static EMBEDDING_SALT_BYTES], struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "INSERT OR IGNORE INTO salt(tenant, salt) VALUES(?,?)", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, tenant);
        db_bind_blob(statement, 2, salt, EMBEDDING_SALT_BYTES);
        return db_step(db, statement, reterr);
}

int embedding_file_salt(struct embedding_file *file, const char *tenant,
                        uint8_t salt[static EMBEDDING_SALT_BYTES], struct error *reterr)
{
        struct db *db = NULL;
        int r;

        (void) pthread_mutex_lock(&file->write_lock);
        r = embedding_file_ready(file, &db, reterr);
        if (r == 0)
                r = read_salt(db, tenant, salt, reterr);
        if (r == 0) {
                r = write_salt(db, tenant, salt, reterr);
                if (r == 0)
                        r = read_salt(db, tenant, salt, reterr);
                if (r == 0)
                        r = error_set(reterr, -EBADMSG, "%s does not keep a salt", file->path);
        }
        embedding_file_judge(file, r);
        (void) pthread_mutex_unlock(&file->write_lock);
        return r < 0 ? r : 0;
}

/* ---- Reading ------------------------------------------------------------------------------ */

static uint32_t row_checksum(const struct embedding_key *key, uint64_t written_usec,
                             const void *vector, size_t bytes)
{
        uint32_t crc = checksum_crc32c(0, key->bytes, sizeof key->bytes);

        crc = checksum_crc32c(crc, &written_usec, sizeof written_usec);
        return checksum_crc32c(crc, vector, bytes);
}

/* 1: there is a row; its vector is copied to `vector`, where it is whole. */
static int read_row(struct embedding_file *file, struct db *db, const struct embedding_key *key,
                    sqlite3_stmt *statement, float *vector, struct embedding_row *ret,
                    struct error *reterr)
{
        size_t bytes = (size_t) file->settings.dimensions * sizeof(float);
        const void *blob;
        int r;

        db_bind_blob(statement, 1, key->bytes, sizeof key->bytes);
        r = db_step(db, statement, reterr);
        if (r <= 0)
                return r;
        *ret = (struct embedding_row){
                .tenant = (const char *) sqlite3_column_text(statement, 0),
                .written_usec = db_column_u64(statement, 1),
                .used_usec = db_column_u64(statement, 2),
        };
        blob = sqlite3_column_blob(statement, 4);
        if (blob && ret->tenant && (size_t) sqlite3_column_bytes(statement, 4) == bytes &&
            db_column_u32(statement, 3) == row_checksum(key, ret->written_usec, blob, bytes)) {
                memcpy(vector, blob, bytes);
                ret->vector = vector;
        }
        return 1;
}

static int read_rows(struct embedding_file *file, struct db *db, const struct embedding_key *keys,
                     const bool *skip, size_t n,
                     void (*row)(void *data, size_t i, const struct embedding_row *row),
                     void *data, struct error *reterr)
{
        cleanup_free_ float *vector = calloc(file->settings.dimensions, sizeof *vector);
        /* One transaction for all.  Without a map: who cuts the file short ends no process. */
        int r = vector ? db_execute(db, "PRAGMA mmap_size=0; BEGIN", reterr) : error_oom(reterr);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                cleanup_statement_ sqlite3_stmt *statement = NULL;
                struct embedding_row found;

                if (skip[i])
                        continue;
                r = db_prepare(db, "SELECT tenant, written_usec, used_usec, checksum, vector"
                                   " FROM entry WHERE key = ?", &statement, reterr);
                if (r == 0)
                        r = read_row(file, db, &keys[i], statement, vector, &found, reterr);
                if (r > 0)
                        row(data, i, &found);
        }
        return r < 0 ? r : 0;
}

int embedding_file_read(struct embedding_file *file, const struct embedding_key *keys,
                        const bool *skip, size_t n,
                        void (*row)(void *data, size_t i, const struct embedding_row *row),
                        void *data, struct error *reterr)
{
        int r;

        (void) pthread_rwlock_rdlock(&file->readers_lock);
        if (file->readers) {
                cleanup_reader_ struct db_reader reader = { 0 };

                r = db_pool_take(file->readers, &reader, reterr);
                if (r == 0)
                        r = read_rows(file, reader.db, keys, skip, n, row, data, reterr);
        } else {
                r = error_set(reterr, -EBADF, "%s is not open", file->path);
        }
        (void) pthread_rwlock_unlock(&file->readers_lock);
        embedding_file_judge(file, r);
        return r;
}

/* ---- Writing ------------------------------------------------------------------------------ */

static int put(struct embedding_file *file, struct db *db, const struct embedding_op *op,
               struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        size_t bytes = (size_t) file->settings.dimensions * sizeof(float);
        int r = db_prepare(db, "INSERT INTO entry(key, space, tenant, written_usec, used_usec,"
                               " checksum, vector) VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?6)"
                               " ON CONFLICT(key) DO UPDATE SET written_usec = ?4, used_usec = ?4,"
                               " checksum = ?5, vector = ?6", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, op->key.bytes, sizeof op->key.bytes);
        db_bind_u64(statement, 2, file->space);
        db_bind_text(statement, 3, op->tenant);
        db_bind_u64(statement, 4, op->now_usec);
        db_bind_u64(statement, 5, row_checksum(&op->key, op->now_usec, op->vector, bytes));
        db_bind_blob(statement, 6, op->vector, bytes);
        return db_step(db, statement, reterr);
}

static int run_on_key(struct db *db, const char *sql, const struct embedding_op *op,
                      struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, op->key.bytes, sizeof op->key.bytes);
        if (op->act == EMBEDDING_TOUCH)
                db_bind_u64(statement, 2, op->now_usec);
        return db_step(db, statement, reterr);
}

static int carry_out(struct embedding_file *file, struct db *db, const struct embedding_op *op,
                     struct error *reterr)
{
        switch (op->act) {
        case EMBEDDING_PUT:
                return put(file, db, op, reterr);
        case EMBEDDING_TOUCH:
                return run_on_key(db, "UPDATE entry SET used_usec = max(used_usec, ?2)"
                                      " WHERE key = ?1", op, reterr);
        default:
                return run_on_key(db, "DELETE FROM entry WHERE key = ?1", op, reterr);
        }
}

static int write_all(struct embedding_file *file, struct db *db, const struct embedding_op *first,
                     uint64_t *ret_entries, struct error *reterr)
{
        uint64_t now_usec = 0;
        int r = db_begin(db, reterr);

        if (r < 0)
                return r;
        for (const struct embedding_op *op = first; r >= 0 && op; op = op->next) {
                r = carry_out(file, db, op, reterr);
                if (op->now_usec > now_usec)
                        now_usec = op->now_usec;
        }
        if (r >= 0)
                r = embedding_file_trim(file, db, now_usec, ret_entries, reterr);
        if (r >= 0)
                r = db_commit(db, reterr);
        if (r < 0)
                db_rollback(db);
        return r;
}

int embedding_file_write(struct embedding_file *file, const struct embedding_op *first,
                         uint64_t *ret_entries, struct error *reterr)
{
        struct error why = { 0 };
        struct db *db = NULL;
        int r = -EBADMSG;

        (void) pthread_mutex_lock(&file->write_lock);
        for (int i = 0; i < 2 && r == -EBADMSG; i++) { /* the second time into a new file */
                r = embedding_file_ready(file, &db, &why);
                if (r == 0)
                        r = write_all(file, db, first, ret_entries, &why);
                embedding_file_judge(file, r);
        }
        (void) pthread_mutex_unlock(&file->write_lock);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}
