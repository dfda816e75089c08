/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_TIMEOUT_MSEC 10000

struct cached {
        const char *sql; /* the literal's address is the key */
        sqlite3_stmt *statement;
};

struct db {
        sqlite3 *connection;
        char *path;
        const struct db_schema *schema;
        enum db_mode mode;
        struct cached *statements;
        size_t n_statements, statements_size;
        bool poisoned;
};

/* SQLite's primary result codes in the house's words; what is not listed is -EIO. */
static const struct {
        int sqlite, code;
} codes[] = {
        { SQLITE_FULL, -ENOSPC },        { SQLITE_NOMEM, -ENOMEM },
        { SQLITE_BUSY, -EBUSY },         { SQLITE_LOCKED, -EBUSY },
        { SQLITE_CONSTRAINT, -EEXIST },  { SQLITE_CORRUPT, -EBADMSG },
        { SQLITE_NOTADB, -EBADMSG },     { SQLITE_ERROR, -EBADMSG }, /* the schema is not ours */
        { SQLITE_READONLY, -EROFS },     { SQLITE_PERM, -EACCES },
        { SQLITE_INTERRUPT, -ECANCELED }, { SQLITE_TOOBIG, -EFBIG },
};

static int translate(sqlite3 *connection)
{
        int primary = sqlite3_errcode(connection) & 0xff;
        int system = sqlite3_system_errno(connection);

        if ((primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && system == ENOSPC)
                return -ENOSPC;
        if (primary == SQLITE_CANTOPEN && (system == ENOENT || system == EACCES ||
                                           system == EMFILE || system == ENFILE))
                return -system;
        if (sqlite3_extended_errcode(connection) == SQLITE_IOERR_NOMEM)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(codes); i++)
                if (codes[i].sqlite == primary)
                        return codes[i].code;
        return -EIO;
}

int db_fail(struct db *db, struct error *reterr, const char *what)
{
        int code = translate(db->connection);

        if (code == -EIO && db->mode != DB_READ)
                db->poisoned = true;
        return error_set(reterr, code, "%s %s: %s", what, db->path,
                         sqlite3_errmsg(db->connection));
}

int db_execute(struct db *db, const char *sql, struct error *reterr)
{
        if (sqlite3_exec(db->connection, sql, NULL, NULL, NULL) != SQLITE_OK)
                return db_fail(db, reterr, db->mode == DB_READ ? "cannot read" : "cannot write");
        return 0;
}

void db_take_pages_singly(void)
{
        (void) sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
}

/* ---- Opening ---------------------------------------------------------------------------- */

static int read_pragma(struct db *db, const char *sql, int64_t *ret, struct error *reterr)
{
        sqlite3_stmt *statement = NULL;
        int r = sqlite3_prepare_v2(db->connection, sql, -1, &statement, NULL);

        if (r == SQLITE_OK)
                r = sqlite3_step(statement);
        if (r != SQLITE_ROW) {
                r = db_fail(db, reterr, "cannot read");
                (void) sqlite3_finalize(statement);
                return r;
        }
        *ret = sqlite3_column_int64(statement, 0);
        (void) sqlite3_finalize(statement);
        return 0;
}

static int newest_version(const struct db_schema *schema)
{
        return schema->n_migrations ? schema->migrations[schema->n_migrations - 1].to : 0;
}

static int check_version(struct db *db, int64_t *ret_version, struct error *reterr)
{
        int64_t application, version;
        int r;

        r = read_pragma(db, "PRAGMA application_id", &application, reterr);
        if (r == 0)
                r = read_pragma(db, "PRAGMA user_version", &version, reterr);
        if (r < 0)
                return r;
        if (application != (int64_t) db->schema->application_id || version < 1)
                return error_set(reterr, -EBADMSG, "%s is damaged or was not written by ragd",
                                 db->path);
        if (version > newest_version(db->schema))
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "%s has format version %lld, this ragd knows versions up to %d: "
                                 "run the ragd that wrote it, or a newer one",
                                 db->path, (long long) version, newest_version(db->schema));
        *ret_version = version;
        return 0;
}

static int run_migration(struct db *db, const struct db_migration *migration,
                         struct error *reterr)
{
        int r;

        (void) sqlite3_db_config(db->connection, SQLITE_DBCONFIG_DEFENSIVE,
                                 !migration->edits_schema, NULL);
        r = db_execute(db, migration->sql, reterr);
        (void) sqlite3_db_config(db->connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        return r;
}

static int migrate(struct db *db, int64_t from, struct error *reterr)
{
        char sql[64];
        int r;

        if (from == newest_version(db->schema))
                return 0;
        r = db_begin(db, reterr);
        for (size_t i = 0; r == 0 && i < db->schema->n_migrations; i++)
                if (db->schema->migrations[i].to > from)
                        r = run_migration(db, &db->schema->migrations[i], reterr);
        (void) snprintf(sql, sizeof sql, "PRAGMA user_version=%d", newest_version(db->schema));
        if (r == 0)
                r = db_execute(db, sql, reterr);
        (void) snprintf(sql, sizeof sql, "PRAGMA application_id=%u", db->schema->application_id);
        if (r == 0)
                r = db_execute(db, sql, reterr);
        if (r == 0)
                r = db_commit(db, reterr);
        if (r < 0)
                db_rollback(db);
        return r;
}

static const char common_pragmas[] = "PRAGMA foreign_keys=ON;"
                                     "PRAGMA cell_size_check=ON;"
                                     "PRAGMA trusted_schema=OFF;"
                                     "PRAGMA temp_store=MEMORY;"
                                     "PRAGMA cache_size=-256;"; /* KiB */

static int connect(struct db *db, const char *path, int flags, struct error *reterr)
{
        int r = sqlite3_open_v2(path, &db->connection, flags | SQLITE_OPEN_NOMUTEX, NULL);

        if (!db->connection)
                return error_oom(reterr);
        if (r != SQLITE_OK)
                return db_fail(db, reterr, "cannot open");
        (void) sqlite3_extended_result_codes(db->connection, 1);
        (void) sqlite3_db_config(db->connection, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        (void) sqlite3_busy_timeout(db->connection, BUSY_TIMEOUT_MSEC);
        return db_execute(db, common_pragmas, reterr);
}

static void disconnect(struct db *db)
{
        for (size_t i = 0; i < db->n_statements; i++)
                (void) sqlite3_finalize(db->statements[i].statement);
        db->n_statements = 0;
        (void) sqlite3_close_v2(db->connection);
        db->connection = NULL;
}

static void remove_files(const char *path, const char *const suffixes[], size_t n)
{
        char name[PATH_MAX];

        for (size_t i = 0; i < n; i++)
                if (snprintf(name, sizeof name, "%s%s", path, suffixes[i]) < (int) sizeof name)
                        (void) unlink(name);
}

static const char *const suffixes[] = { "-wal", "-shm", "-journal", "" };

static void remove_leftovers(const char *path)
{
        remove_files(path, suffixes, ELEMENTSOF(suffixes));
}

int db_set_aside(const char *path, struct error *reterr)
{
        char aside[PATH_MAX];

        if (snprintf(aside, sizeof aside, "%s.damaged", path) >= (int) sizeof aside)
                return error_set(reterr, -ENAMETOOLONG, "the path of %s is too long", path);
        if (rename(path, aside) < 0)
                return error_set_errno(reterr, -errno, "cannot set %s aside", path);
        remove_files(path, suffixes, ELEMENTSOF(suffixes) - 1); /* but not the file's own name */
        return 0;
}

static int sync_file(const char *path)
{
        cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Makes the file complete under another name, with one fsync at the end instead of one at each
 * step, and renames it: nobody ever sees a database without its tables. */
static int create(struct db *db, struct error *reterr)
{
        char temporary[PATH_MAX], folder[PATH_MAX];
        char *slash;
        int r;

        if (snprintf(temporary, sizeof temporary, "%s.new", db->path) >= (int) sizeof temporary)
                return error_set(reterr, -ENAMETOOLONG, "the path of %s is too long", db->path);
        (void) snprintf(folder, sizeof folder, "%s", db->path);
        slash = strrchr(folder, '/');
        if (slash)
                slash[slash == folder] = '\0'; /* "/" stays */

        remove_leftovers(temporary);
        r = connect(db, temporary, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, reterr);
        if (r == 0)
                r = db_execute(db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL", reterr);
        if (r == 0)
                r = migrate(db, 0, reterr);
        disconnect(db); /* checkpoints: the temporary file is whole */
        db->poisoned = false;
        if (r == 0) {
                r = sync_file(temporary);
                if (r == 0 && rename(temporary, db->path) < 0)
                        r = -errno;
                if (r == 0)
                        r = io_sync_directory(AT_FDCWD, slash ? folder : ".");
                if (r < 0)
                        error_set_errno(reterr, r, "cannot create %s", db->path);
        }
        if (r < 0)
                remove_leftovers(temporary);
        return r;
}

static int open_existing(struct db *db, struct error *reterr)
{
        int64_t version = 0;
        int r;

        r = connect(db, db->path, SQLITE_OPEN_READWRITE, reterr);
        if (r == 0)
                r = check_version(db, &version, reterr);
        if (r < 0)
                return r;
        if (db->mode == DB_READ) {
                if (version != newest_version(db->schema))
                        return error_set(reterr, -EBADMSG, "%s has not been migrated", db->path);
                return db_execute(db, "PRAGMA mmap_size=134217728; PRAGMA query_only=ON", reterr);
        }
        r = db_execute(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                           "PRAGMA journal_size_limit=4194304; PRAGMA secure_delete=FAST",
                       reterr);
        return r < 0 ? r : migrate(db, version, reterr);
}

int db_open(const char *path, const struct db_schema *schema, enum db_mode mode, struct db **ret,
            struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = calloc(1, sizeof *db);
        struct stat st;
        int r = 0;

        if (!db || !(db->path = strdup(path)))
                return error_oom(reterr);
        db->schema = schema;
        db->mode = mode;
        if (stat(path, &st) < 0)
                r = -errno;
        else if (!S_ISREG(st.st_mode))
                return error_set(reterr, -EBADMSG, "%s is not a regular file", path);
        if (r == -ENOENT && mode == DB_WRITE)
                r = create(db, reterr);
        else if (r < 0)
                return error_set_errno(reterr, r, "cannot open %s", path);
        if (r == 0)
                r = open_existing(db, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(db);
        return 0;
}

struct db *db_close(struct db *db)
{
        if (db) {
                disconnect(db);
                free(db->statements);
                free(db->path);
                free(db);
        }
        return NULL;
}

int db_reopen(struct db *db, struct error *reterr)
{
        int r;

        disconnect(db);
        r = open_existing(db, reterr);
        db->poisoned = r < 0;
        return r;
}

sqlite3 *db_connection(struct db *db)
{
        return db->connection;
}

const char *db_path(const struct db *db)
{
        return db->path;
}

bool db_poisoned(const struct db *db)
{
        return db->poisoned;
}

/* ---- Statements ------------------------------------------------------------------------- */

int db_prepare(struct db *db, const char *sql, sqlite3_stmt **ret, struct error *reterr)
{
        sqlite3_stmt *statement;

        for (size_t i = 0; i < db->n_statements; i++)
                if (db->statements[i].sql == sql) {
                        *ret = db->statements[i].statement;
                        db_reset_cleanup(ret);
                        return 0;
                }
        if (db->n_statements == db->statements_size) {
                size_t size = db->statements_size ? db->statements_size * 2 : 16;
                struct cached *grown = reallocarray(db->statements, size, sizeof *grown);

                if (!grown)
                        return error_oom(reterr);
                db->statements = grown;
                db->statements_size = size;
        }
        if (sqlite3_prepare_v3(db->connection, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement,
                               NULL) != SQLITE_OK)
                return db_fail(db, reterr, "cannot prepare a statement on");
        db->statements[db->n_statements++] = (struct cached){ sql, statement };
        *ret = statement;
        return 0;
}

int db_step(struct db *db, sqlite3_stmt *statement, struct error *reterr)
{
        if (db->poisoned && !sqlite3_stmt_readonly(statement))
                return error_set(reterr, -EIO, "%s is closed to writes since one failed",
                                 db->path);
        switch (sqlite3_step(statement)) {
        case SQLITE_ROW:
                return 1;
        case SQLITE_DONE:
                return 0;
        default:
                return db_fail(db, reterr, db->mode == DB_READ ? "cannot read" : "cannot write");
        }
}

int db_begin(struct db *db, struct error *reterr)
{
        if (db->poisoned)
                return error_set(reterr, -EIO, "%s is closed to writes since one failed",
                                 db->path);
        return db_execute(db, "BEGIN IMMEDIATE", reterr);
}

int db_commit(struct db *db, struct error *reterr)
{
        return db_execute(db, "COMMIT", reterr);
}

void db_rollback(struct db *db)
{
        if (db->connection && !sqlite3_get_autocommit(db->connection))
                (void) sqlite3_exec(db->connection, "ROLLBACK", NULL, NULL, NULL);
}
