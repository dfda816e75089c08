/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the embedding cache: opening it, setting it aside, and what leaves it. */
#include "base/io.h"
#include "store/embedding_file_inside.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define LOCK_TRIES 40
#define LOCK_PAUSE_NSEC (50L * 1000 * 1000)
#define EXPIRE_ROWS 64 /* too old ones that go with each transaction */
#define PURGE_ROWS 1024
#define FOR_EVER_USEC ((uint64_t) INT64_MAX / 2)

static const struct db_migration migrations[] = {
        { .to = 1,
          .sql =
          "CREATE TABLE salt(tenant TEXT PRIMARY KEY NOT NULL, salt BLOB NOT NULL) WITHOUT ROWID;"

          "CREATE TABLE space("
          " id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, dimensions INTEGER NOT NULL,"
          " ttl_usec INTEGER NOT NULL, entries INTEGER NOT NULL DEFAULT 0,"
          " UNIQUE(fingerprint, dimensions));"

          "CREATE TABLE entry("
          " key BLOB NOT NULL UNIQUE, space INTEGER NOT NULL, tenant TEXT NOT NULL,"
          " written_usec INTEGER NOT NULL, used_usec INTEGER NOT NULL,"
          " checksum INTEGER NOT NULL, vector BLOB NOT NULL);"
          "CREATE INDEX entry_use ON entry(space, used_usec);"
          "CREATE INDEX entry_tenant ON entry(tenant);"
          "CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN"
          " UPDATE space SET entries = entries + 1 WHERE id = NEW.space; END;"
          "CREATE TRIGGER entry_gone AFTER DELETE ON entry BEGIN"
          " UPDATE space SET entries = entries - 1 WHERE id = OLD.space; END;" },
};
static const struct db_schema schema = {
        .application_id = 0x52476465, /* "RGde" */
        .migrations = migrations,
        .n_migrations = ELEMENTSOF(migrations),
};

/* ---- Opening ------------------------------------------------------------------------------ */

/* Held until the descriptor is closed.  Who holds it longer than this has hung. */
static int lock_file(const char *path, struct error *reterr)
{
        static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NSEC };
        cleanup_close_ int fd = -1;
        char name[PATH_MAX];

        if (snprintf(name, sizeof name, "%s.lock", path) >= (int) sizeof name)
                return error_set(reterr, -ENAMETOOLONG, "the path of %s is too long", path);
        fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s", name);
        for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
                if (errno != EWOULDBLOCK || i == LOCK_TRIES)
                        return error_set_errno(reterr, -errno, "cannot lock %s", name);
                (void) nanosleep(&pause, NULL);
        }
        return take_fd(fd);
}

/* Log and shared memory take over the file's mode where SQLite makes them. */
static int restrict_files(const char *path, struct error *reterr)
{
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        char name[PATH_MAX];

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                (void) snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
                if (chmod(name, 0600) < 0 && errno != ENOENT)
                        return error_set_errno(reterr, -errno, "cannot restrict %s", name);
        }
        return 0;
}

static int find_space(struct embedding_file *file, struct db *db, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *insert = NULL, *find = NULL;
        uint64_t ttl_usec = file->settings.ttl_usec;
        int r = db_prepare(db, "INSERT INTO space(fingerprint, dimensions, ttl_usec) VALUES(?,?,?)"
                               " ON CONFLICT(fingerprint, dimensions) DO UPDATE"
                               " SET ttl_usec = excluded.ttl_usec", &insert, reterr);

        if (r == 0)
                r = db_prepare(db, "SELECT id FROM space WHERE fingerprint = ? AND dimensions = ?",
                               &find, reterr);
        if (r < 0)
                return r;
        db_bind_text(insert, 1, file->settings.fingerprint);
        db_bind_u64(insert, 2, file->settings.dimensions);
        db_bind_u64(insert, 3,
                    ttl_usec == 0 || ttl_usec > FOR_EVER_USEC ? FOR_EVER_USEC : ttl_usec);
        r = db_step(db, insert, reterr);
        if (r < 0)
                return r;
        db_bind_text(find, 1, file->settings.fingerprint);
        db_bind_u64(find, 2, file->settings.dimensions);
        r = db_step(db, find, reterr);
        if (r == 0)
                return error_set(reterr, -EBADMSG, "%s does not keep a row", file->path);
        if (r < 0)
                return r;
        file->space = db_column_u64(find, 0);
        return 0;
}

/* A new file is made, closed and restricted before there is anything in it to keep secret. */
static int open_writer(struct embedding_file *file, struct db **ret, struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        struct stat st;
        int r = 0;

        if (stat(file->path, &st) < 0 && errno == ENOENT) {
                r = db_open(file->path, &schema, DB_WRITE, &db, reterr);
                db = db_close(db);
        }
        if (r == 0)
                r = restrict_files(file->path, reterr);
        if (r == 0)
                r = db_open(file->path, &schema, DB_WRITE, &db, reterr);
        if (r == 0)
                r = db_execute(db, "PRAGMA synchronous=NORMAL", reterr);
        if (r == 0)
                r = find_space(file, db, reterr);
        if (r == 0 && stat(file->path, &st) < 0)
                r = error_set_errno(reterr, -errno, "cannot open %s", file->path);
        if (r < 0)
                return r;
        file->device = st.st_dev;
        file->inode = st.st_ino;
        *ret = take_ptr(db);
        return 0;
}

static bool is_ours(const struct embedding_file *file)
{
        struct stat st;

        return stat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode;
}

static bool is_regular(const char *path)
{
        struct stat st;

        return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int set_aside(struct embedding_file *file, struct error *reterr)
{
        int r = db_set_aside(file->path, reterr);

        if (r == 0)
                file->damages++;
        return r;
}

/* Under write_lock, with no writer. */
static int open_file(struct embedding_file *file, struct error *reterr)
{
        cleanup_close_ int lock = lock_file(file->path, reterr);
        struct error why = { 0 };
        int r = lock < 0 ? lock : 0;

        /* What another process made in its place in the meantime is whole. */
        if (r == 0 && file->damaged && is_ours(file))
                r = set_aside(file, reterr);
        if (r < 0)
                return r;
        r = open_writer(file, &file->db, &why);
        if (r == -EBADMSG && is_regular(file->path)) {
                r = set_aside(file, &why);
                if (r == 0)
                        r = open_writer(file, &file->db, &why);
        }
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return r;
        }
        file->damaged = false;
        file->generation++;
        (void) pthread_rwlock_wrlock(&file->readers_lock);
        r = db_pool_new(file->path, &schema, &file->readers, reterr);
        (void) pthread_rwlock_unlock(&file->readers_lock);
        if (r < 0)
                file->db = db_close(file->db);
        return r;
}

static void close_file(struct embedding_file *file)
{
        (void) pthread_rwlock_wrlock(&file->readers_lock);
        file->readers = db_pool_free(file->readers);
        (void) pthread_rwlock_unlock(&file->readers_lock);
        file->db = db_close(file->db);
}

int embedding_file_ready(struct embedding_file *file, struct db **ret, struct error *reterr)
{
        int r = 0;

        if (!file->db || file->damaged || db_poisoned(file->db) || !is_ours(file)) {
                close_file(file);
                r = open_file(file, reterr);
        }
        if (r == 0)
                *ret = file->db;
        return r;
}

void embedding_file_judge(struct embedding_file *file, int result)
{
        if (result == -EBADMSG)
                file->damaged = true;
}

int embedding_file_open(const struct embedding_cache_settings *settings,
                        struct embedding_file **ret, struct error *reterr)
{
        struct embedding_file *file = calloc(1, sizeof *file);
        const char *slash = strrchr(settings->path, '/');
        cleanup_free_ char *folder = NULL;
        int r = 0;

        if (!file)
                return error_oom(reterr);
        file->settings = *settings;
        file->path = settings->path;
        (void) pthread_mutex_init(&file->write_lock, NULL);
        (void) pthread_rwlock_init(&file->readers_lock, NULL);
        if (slash && slash != settings->path) {
                folder = strndup(settings->path, (size_t) (slash - settings->path));
                r = folder ? io_make_directories(folder, 0700, reterr) : error_oom(reterr);
        }
        if (r == 0)
                r = open_file(file, reterr);
        if (r < 0) {
                (void) embedding_file_close(file);
                return r;
        }
        *ret = file;
        return 0;
}

struct embedding_file *embedding_file_close(struct embedding_file *file)
{
        if (!file)
                return NULL;
        close_file(file);
        (void) pthread_rwlock_destroy(&file->readers_lock);
        (void) pthread_mutex_destroy(&file->write_lock);
        free(file);
        return NULL;
}

int embedding_file_repair(struct embedding_file *file, struct error *reterr)
{
        struct db *db = NULL;
        int r;

        (void) pthread_mutex_lock(&file->write_lock);
        r = embedding_file_ready(file, &db, reterr);
        (void) pthread_mutex_unlock(&file->write_lock);
        return r;
}

uint64_t embedding_file_generation(const struct embedding_file *file)
{
        return file->generation;
}

uint64_t embedding_file_damages(const struct embedding_file *file)
{
        return file->damages;
}

/* ---- What leaves -------------------------------------------------------------------------- */

/* The least recently used of a space, or of all spaces what is older than its own ttl.  An entry
 * that is used and too old counts as absent where it is read, and is then written anew. */
static const char trim_sql[] =
        "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE space = ?1"
        " ORDER BY used_usec LIMIT ?2)";
static const char expire_sql[] =
        "DELETE FROM entry WHERE rowid IN (SELECT e.rowid FROM space s CROSS JOIN entry e"
        " ON e.space = s.id AND e.used_usec < ?1 - s.ttl_usec LIMIT ?2)";

static int remove_rows(struct db *db, const char *sql, uint64_t first, uint64_t limit,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, sql, &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, first);
        db_bind_u64(statement, 2, limit);
        return db_step(db, statement, reterr);
}

static int count_entries(struct embedding_file *file, struct db *db, uint64_t *ret,
                         struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "SELECT entries FROM space WHERE id = ?", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_u64(statement, 1, file->space);
        r = db_step(db, statement, reterr);
        if (r > 0)
                *ret = db_column_u64(statement, 0);
        return r < 0 ? r : 0;
}

int embedding_file_trim(struct embedding_file *file, struct db *db, uint64_t now_usec,
                        uint64_t *ret_entries, struct error *reterr)
{
        uint64_t n = 0;
        int r = remove_rows(db, expire_sql, now_usec, EXPIRE_ROWS, reterr);

        if (r == 0)
                r = count_entries(file, db, &n, reterr);
        if (r == 0 && n > file->settings.max_entries) {
                r = remove_rows(db, trim_sql, file->space, n - file->settings.max_entries, reterr);
                n = file->settings.max_entries;
        }
        *ret_entries = n;
        return r;
}

static int purge_some(struct db *db, const char *tenant, int *ret_n, struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        int r = db_prepare(db, "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry"
                               " WHERE tenant = ? LIMIT ?)", &statement, reterr);

        if (r < 0)
                return r;
        db_bind_text(statement, 1, tenant);
        (void) sqlite3_bind_int(statement, 2, PURGE_ROWS);
        r = db_step(db, statement, reterr);
        *ret_n = sqlite3_changes(db_connection(db));
        return r;
}

static int purge_all(struct db *db, const char *tenant, uint64_t *ret_n, struct error *reterr)
{
        int n = PURGE_ROWS, r = db_execute(db, "PRAGMA secure_delete=ON", reterr);

        *ret_n = 0;
        while (r == 0 && n == PURGE_ROWS) {
                r = purge_some(db, tenant, &n, reterr);
                *ret_n += n > 0 ? (uint64_t) n : 0;
        }
        return r;
}

/* Pages keep what once lay in them: only a file that is written anew holds nothing of it, and a log
 * that is cut.  The copy goes through a file, for it may be large. */
static int write_anew(struct db *db, struct error *reterr)
{
        int r = db_execute(db, "PRAGMA temp_store=FILE; VACUUM; PRAGMA temp_store=MEMORY", reterr);

        if (r == 0 && sqlite3_wal_checkpoint_v2(db_connection(db), NULL, SQLITE_CHECKPOINT_TRUNCATE,
                                                NULL, NULL) != SQLITE_OK)
                r = db_fail(db, reterr, "cannot write");
        return r;
}

int embedding_file_purge(struct embedding_file *file, const char *tenant, uint64_t *ret_entries,
                         struct error *reterr)
{
        struct db *db = NULL;
        uint64_t n;
        int r;

        (void) pthread_mutex_lock(&file->write_lock);
        r = embedding_file_ready(file, &db, reterr);
        if (r == 0)
                r = purge_all(db, tenant, &n, reterr);
        if (r == 0)
                r = count_entries(file, db, ret_entries, reterr);
        if (r == 0)
                r = write_anew(db, reterr);
        embedding_file_judge(file, r);
        /* Who read one of the rows before has told of it when this returns. */
        (void) pthread_rwlock_wrlock(&file->readers_lock);
        (void) pthread_rwlock_unlock(&file->readers_lock);
        (void) pthread_mutex_unlock(&file->write_lock);
        return r;
}

int embedding_cache_erase(const char *path, const char *tenant, struct error *reterr)
{
        cleanup_(db_close_cleanup) struct db *db = NULL;
        cleanup_close_ int lock = -1;
        uint64_t n = 0;
        int r;

        if (!path || (access(path, F_OK) < 0 && errno == ENOENT))
                return 0;
        lock = lock_file(path, reterr); /* nobody sets it aside meanwhile */
        r = lock < 0 ? lock : db_open(path, &schema, DB_WRITE_EXISTING, &db, reterr);
        if (r == 0)
                r = purge_all(db, tenant, &n, reterr);
        if (r == 0 && n > 0)
                r = write_anew(db, reterr);
        return r;
}

uint64_t embedding_file_entries(struct embedding_file *file)
{
        uint64_t n = 0;

        (void) pthread_mutex_lock(&file->write_lock);
        if (file->db)
                (void) count_entries(file, file->db, &n, NULL);
        (void) pthread_mutex_unlock(&file->write_lock);
        return n;
}
