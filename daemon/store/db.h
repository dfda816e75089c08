/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite connection with the rules that every database of the house obeys.
 *
 * WAL mode and synchronous=FULL: what was committed survives a power cut.  A new file is made
 * complete under another name and then renamed, so a database is either absent or whole.  The
 * schema version lies in user_version; older ones are migrated in one transaction, newer ones
 * refused.  A write that failed for I/O is never retried: the connection is poisoned (-EIO for
 * every write) until db_reopen().
 *
 * A connection belongs to one thread at a time; its statements are prepared once, keyed by the
 * address of their static SQL text, and reset by cleanup_statement_: a statement left standing
 * on a row would hold the log back from being checkpointed. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;

/* Version `to` is reached by running `sql` on a database of version to-1. */
struct db_migration {
        int to;
        const char *sql;
        bool edits_schema; /* it writes sqlite_schema: drops what its module can't open */
};

struct db_schema {
        uint32_t application_id; /* in the file's header: another program's file is refused */
        const struct db_migration *migrations;
        size_t n_migrations;
};

enum db_mode {
        DB_WRITE,          /* creates the file where it is absent, migrates */
        DB_WRITE_EXISTING, /* migrates; -ENOENT where the file is absent */
        DB_READ,           /* query_only; the file and its schema must be there */
};

/* For a process that has many connections open, most of which read a few pages: no cache is given
 * room for twenty pages at once, 88 KiB.  Before the first one is opened. */
void db_take_pages_singly(void);

/* -ENOENT, -EBADMSG: damaged or not ours, -EPROTONOSUPPORT: a newer version, -ENOSPC, -EIO. */
int db_open(const char *path, const struct db_schema *schema, enum db_mode mode, struct db **ret,
            struct error *reterr);
struct db *db_close(struct db *db); /* accepts NULL; returns NULL */
DEFINE_CLEANUP(struct db *, db_close)

/* Closes and opens again in place, through SQLite's own recovery; ends the poisoning.  On
 * failure the connection stays poisoned. */
int db_reopen(struct db *db, struct error *reterr);

/* For files that can be done without: renames a damaged one to "<path>.damaged", over one that was
 * set aside before, and removes its log, so that the next db_open() makes it anew. */
int db_set_aside(const char *path, struct error *reterr);

sqlite3 *db_connection(struct db *db);
const char *db_path(const struct db *db);

/* A cached statement, reset and without bindings.  `sql` must be a string literal. */
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct error *reterr);

/* 1: a row, 0: done, negative: the errno of the failure. */
int db_step(struct db *db, sqlite3_stmt *statement, struct error *reterr);

static inline void db_reset_cleanup(sqlite3_stmt **statement)
{
        if (*statement) {
                (void) sqlite3_reset(*statement);
                (void) sqlite3_clear_bindings(*statement);
        }
}
#define cleanup_statement_ cleanup_(db_reset_cleanup)

int db_begin(struct db *db, struct error *reterr); /* BEGIN IMMEDIATE */
int db_commit(struct db *db, struct error *reterr);
void db_rollback(struct db *db);
int db_execute(struct db *db, const char *sql, struct error *reterr);

/* Writes the file anew without what was deleted from it, and cuts its log to nothing; outside of a
 * transaction.  -EBUSY: somebody went on reading what was there before; the log is as it was. */
int db_compact(struct db *db, struct error *reterr);
int db_cut_log(struct db *db, struct error *reterr); /* the log alone */

/* The errno of SQLite's last error on this connection: -ENOSPC, -EIO, -ENOMEM, -EBUSY,
 * -EEXIST (constraint), -EBADMSG (corrupt), with the text of `what`. */
int db_fail(struct db *db, struct error *reterr, const char *what);

bool db_poisoned(const struct db *db);

/* ---- Columns and parameters ------------------------------------------------------------- */

/* NULL binds and reads as NULL.  Bound memory is borrowed until the statement is reset. */
void db_bind_text(sqlite3_stmt *statement, int at, const char *text);
void db_bind_blob(sqlite3_stmt *statement, int at, const void *bytes, size_t len);
void db_bind_u64(sqlite3_stmt *statement, int at, uint64_t value);

/* Heap copies; *ret is NULL where the column is.  -ENOMEM. */
int db_column_text(sqlite3_stmt *statement, int at, char **ret, struct error *reterr);
uint64_t db_column_u64(sqlite3_stmt *statement, int at); /* negative reads as 0 */
uint32_t db_column_u32(sqlite3_stmt *statement, int at); /* out of range reads as 0 */
/* -EBADMSG: the column is not a blob of exactly `len` bytes. */
int db_column_bytes(struct db *db, sqlite3_stmt *statement, int at, void *ret, size_t len,
                    struct error *reterr);

/* ---- A pool of read connections --------------------------------------------------------- */

/* Idle read connections of one database, lent to one thread at a time.  Taking never waits for
 * a writer, nor for another reader: where none is idle, one more is opened. */
struct db_pool;

struct db_reader {
        struct db_pool *pool;
        struct db *db;
};

int db_pool_new(const char *path, const struct db_schema *schema, struct db_pool **ret,
                struct error *reterr);
struct db_pool *db_pool_free(struct db_pool *pool); /* everything lent was given back */
int db_pool_take(struct db_pool *pool, struct db_reader *ret, struct error *reterr);
void db_reader_done(struct db_reader *reader); /* gives it back; empty is accepted */
uint32_t db_pool_count(struct db_pool *pool); /* connections that are open, lent ones too */
#define cleanup_reader_ cleanup_(db_reader_done)
