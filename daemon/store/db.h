/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite connection with the rules that every database of the house obeys.
 *
 * WAL mode and synchronous=FULL: what was committed survives a power cut.  The schema version
 * lies in user_version; older ones are migrated in one transaction, newer ones refused.  A
 * commit that failed for I/O is never retried: the connection is poisoned (-EIO for every
 * write) until it is closed and opened again through SQLite's recovery.
 *
 * A connection belongs to one thread at a time; its statements are prepared once, keyed by the
 * address of their static SQL text, and reset by db_done(). */
#pragma once
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
};

struct db_schema {
        uint32_t application_id; /* in the file's header: another program's file is refused */
        const struct db_migration *migrations;
        size_t n_migrations;
        int (*prepare)(sqlite3 *connection, struct error *reterr); /* tokenizers …; may be NULL */
};

enum db_mode {
        DB_WRITE, /* creates the file where it is absent, migrates */
        DB_READ,  /* query_only; the file and its schema must be there */
};

/* -ENOENT, -EBADMSG: damaged or not ours, -EPROTONOSUPPORT: a newer version, -ENOSPC, -EIO. */
int db_open(const char *path, const struct db_schema *schema, enum db_mode mode, struct db **ret,
            struct error *reterr);
struct db *db_close(struct db *db); /* accepts NULL; returns NULL */

sqlite3 *db_connection(struct db *db);

/* A cached statement, reset and without bindings.  `sql` must be a string literal. */
int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct error *reterr);

/* 1: a row, 0: done, negative: the errno of the failure. */
int db_step(struct db *db, sqlite3_stmt *statement, struct error *reterr);

int db_begin(struct db *db, struct error *reterr); /* BEGIN IMMEDIATE */
int db_commit(struct db *db, struct error *reterr);
void db_rollback(struct db *db);
int db_execute(struct db *db, const char *sql, struct error *reterr);

/* The errno of SQLite's last error on this connection: -ENOSPC, -EIO, -ENOMEM, -EBUSY,
 * -EEXIST (constraint), -EBADMSG (corrupt), with the text of `what`. */
int db_fail(struct db *db, struct error *reterr, const char *what);

bool db_poisoned(const struct db *db);
