/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and columns of statements, compaction, and the pool that lends read connections. */
#include "store/db.h"

#include <pthread.h>
#include <string.h>

void db_bind_text(sqlite3_stmt *statement, int at, const char *text)
{
        if (text)
                (void) sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
        else
                (void) sqlite3_bind_null(statement, at);
}

void db_bind_blob(sqlite3_stmt *statement, int at, const void *bytes, size_t len)
{
        if (bytes)
                (void) sqlite3_bind_blob64(statement, at, bytes, len, SQLITE_STATIC);
        else
                (void) sqlite3_bind_null(statement, at);
}

void db_bind_u64(sqlite3_stmt *statement, int at, uint64_t value)
{
        (void) sqlite3_bind_int64(statement, at, (int64_t) value);
}

int db_column_text(sqlite3_stmt *statement, int at, char **ret, struct error *reterr)
{
        const unsigned char *text = sqlite3_column_text(statement, at);
        size_t len = text ? (size_t) sqlite3_column_bytes(statement, at) : 0;
        char *copy = NULL;

        if (text || sqlite3_column_type(statement, at) != SQLITE_NULL) {
                copy = text ? malloc(len + 1) : NULL;
                if (!copy)
                        return error_oom(reterr);
                memcpy(copy, text, len);
                copy[len] = '\0';
        }
        *ret = copy;
        return 0;
}

uint64_t db_column_u64(sqlite3_stmt *statement, int at)
{
        int64_t value = sqlite3_column_int64(statement, at);

        return value < 0 ? 0 : (uint64_t) value;
}

uint32_t db_column_u32(sqlite3_stmt *statement, int at)
{
        uint64_t value = db_column_u64(statement, at);

        return value > UINT32_MAX ? 0 : (uint32_t) value;
}

int db_column_bytes(struct db *db, sqlite3_stmt *statement, int at, void *ret, size_t len,
                    struct error *reterr)
{
        const void *bytes = sqlite3_column_blob(statement, at);

        if (!bytes || (size_t) sqlite3_column_bytes(statement, at) != len)
                return error_set(reterr, -EBADMSG, "%s is damaged: a value has the wrong length",
                                 db_path(db));
        memcpy(ret, bytes, len);
        return 0;
}

/* ---- Compaction ------------------------------------------------------------------------- */

int db_cut_log(struct db *db, struct error *reterr)
{
        int r = sqlite3_wal_checkpoint_v2(db_connection(db), NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
                                          NULL);

        if (r == SQLITE_BUSY)
                return error_set(reterr, -EBUSY, "%s is being read: its log cannot be cut now",
                                 db_path(db));
        return r == SQLITE_OK ? 0 : db_fail(db, reterr, "cannot write");
}

int db_compact(struct db *db, struct error *reterr)
{
        int r = db_execute(db, "VACUUM", reterr);

        return r < 0 ? r : db_cut_log(db, reterr);
}

/* ---- Pool ------------------------------------------------------------------------------- */

#define POOL_IDLE_MAX 4 /* more are closed when given back: each holds its own page cache */

struct db_pool {
        pthread_mutex_t lock;
        char *path;
        const struct db_schema *schema;
        struct db *idle[POOL_IDLE_MAX];
        size_t n_idle;
        uint32_t n_open; /* lent ones too */
};

int db_pool_new(const char *path, const struct db_schema *schema, struct db_pool **ret,
                struct error *reterr)
{
        struct db_pool *pool = calloc(1, sizeof *pool);

        if (!pool || !(pool->path = strdup(path))) {
                free(pool);
                return error_oom(reterr);
        }
        pool->schema = schema;
        (void) pthread_mutex_init(&pool->lock, NULL);
        *ret = pool;
        return 0;
}

struct db_pool *db_pool_free(struct db_pool *pool)
{
        if (pool) {
                for (size_t i = 0; i < pool->n_idle; i++)
                        (void) db_close(pool->idle[i]);
                (void) pthread_mutex_destroy(&pool->lock);
                free(pool->path);
                free(pool);
        }
        return NULL;
}

static int open_another(struct db_pool *pool, struct db **ret, struct error *reterr)
{
        int r = db_open(pool->path, pool->schema, DB_READ, ret, reterr);

        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&pool->lock);
        pool->n_open++;
        (void) pthread_mutex_unlock(&pool->lock);
        return 0;
}

int db_pool_take(struct db_pool *pool, struct db_reader *ret, struct error *reterr)
{
        struct db *db = NULL;
        int r = 0;

        (void) pthread_mutex_lock(&pool->lock);
        if (pool->n_idle > 0)
                db = pool->idle[--pool->n_idle];
        (void) pthread_mutex_unlock(&pool->lock);
        if (!db)
                r = open_another(pool, &db, reterr);
        if (r == 0)
                *ret = (struct db_reader){ pool, db };
        return r;
}

uint32_t db_pool_count(struct db_pool *pool)
{
        uint32_t n;

        (void) pthread_mutex_lock(&pool->lock);
        n = pool->n_open;
        (void) pthread_mutex_unlock(&pool->lock);
        return n;
}

void db_reader_done(struct db_reader *reader)
{
        struct db *db = take_ptr(reader->db);
        struct db_pool *pool = reader->pool;

        if (!db)
                return;
        db_rollback(db);
        (void) pthread_mutex_lock(&pool->lock);
        if (pool->n_idle < POOL_IDLE_MAX)
                pool->idle[pool->n_idle++] = take_ptr(db);
        else
                pool->n_open--;
        (void) pthread_mutex_unlock(&pool->lock);
        (void) db_close(db);
}
