/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tenant_archive_inside.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "store/registry.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LEVEL 1 /* vectors hardly shrink, and text does at any */

struct archiving {
        struct store *store;
        struct tarball_writer *writer;
        int folder_fd; /* tenants/<id> */
        char **paths;  /* below it, sorted */
        size_t n, room;
        struct tenant_archive_info info;
};

static void archiving_done(struct archiving *archiving)
{
        for (size_t i = 0; i < archiving->n; i++)
                free(archiving->paths[i]);
        free(archiving->paths);
        (void) tarball_writer_free(archiving->writer);
        if (archiving->folder_fd >= 0)
                (void) close(archiving->folder_fd);
}

bool tenant_archive_is_path(const char *path)
{
        static const char alphabet[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789._-/";
        size_t len = strlen(path);
        unsigned depth = 1;

        if (len == 0 || len > TENANT_ARCHIVE_PATH_MAX || strspn(path, alphabet) != len ||
            strcmp(path, "HEADER.json") == 0 || strcmp(path, "MANIFEST.json") == 0)
                return false;
        for (size_t i = 0; i < len; i++) {
                bool begins = i == 0 || path[i - 1] == '/';

                if (begins && (path[i] == '.' || path[i] == '/'))
                        return false;
                depth += path[i] == '/';
        }
        return path[len - 1] != '/' && depth <= TENANT_ARCHIVE_DEPTH;
}

/* ---- The rows ---------------------------------------------------------------------------- */

static struct json_object *generations_json(struct db *db, const void *collection, bool *failed)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        struct json_object *array = json_object_new_array();
        int r = db_prepare(db, "SELECT number, state, hex(identity) FROM generation"
                               " WHERE collection = ? ORDER BY number", &statement, NULL);

        if (r == 0) {
                db_bind_blob(statement, 1, collection, ID_BYTES);
                while ((r = db_step(db, statement, NULL)) > 0) {
                        struct json_object *row = json_object_new_object();

                        json_add_u64(row, "number", db_column_u64(statement, 0));
                        json_add_u64(row, "state", db_column_u64(statement, 1));
                        json_add_string(row, "identity",
                                        (const char *) sqlite3_column_text(statement, 2));
                        json_add(array, NULL, row);
                }
        }
        *failed |= r < 0 || !array;
        return array;
}

static int add_collections(struct db *db, struct tenant_id tenant, struct json_object *array,
                           struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        bool failed = false;
        int r = db_prepare(db, "SELECT id, name, language, description, created_usec, last_number"
                               " FROM collection WHERE tenant = ? ORDER BY name", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, tenant.id.bytes, ID_BYTES);
        while ((r = db_step(db, statement, reterr)) > 0) {
                struct json_object *row = json_object_new_object();
                char text[ID_TEXT_SIZE];
                struct id id;

                r = db_column_bytes(db, statement, 0, id.bytes, ID_BYTES, reterr);
                json_add(array, NULL, row);
                if (r < 0)
                        return r;
                json_add_string(row, "id", id_format(id, text));
                json_add_string(row, "name", (const char *) sqlite3_column_text(statement, 1));
                json_add_string(row, "language", (const char *) sqlite3_column_text(statement, 2));
                json_add_string(row, "description",
                                (const char *) sqlite3_column_text(statement, 3));
                json_add_u64(row, "created_usec", db_column_u64(statement, 4));
                json_add_u64(row, "last_number", db_column_u64(statement, 5));
                json_add(row, "generations", generations_json(db, id.bytes, &failed));
                if (failed)
                        return error_set(reterr, -EIO, "cannot read the rows of generations");
        }
        return r;
}

static int read_tenant(struct db *db, struct tenant_archive_info *info, struct json_object *object,
                       struct error *reterr)
{
        cleanup_statement_ sqlite3_stmt *statement = NULL;
        char text[ID_TEXT_SIZE];
        int r = db_prepare(db, "SELECT name, created_usec FROM tenant WHERE id = ?", &statement,
                           reterr);

        if (r < 0)
                return r;
        db_bind_blob(statement, 1, info->tenant.id.bytes, ID_BYTES);
        r = db_step(db, statement, reterr);
        if (r == 0)
                return error_set(reterr, -ENOENT, "there is no such tenant");
        if (r < 0)
                return r;
        (void) snprintf(info->name, sizeof info->name, "%s",
                        (const char *) sqlite3_column_text(statement, 0));
        json_add_string(object, "id", id_format(info->tenant.id, text));
        json_add_string(object, "name", info->name);
        json_add_u64(object, "created_usec", db_column_u64(statement, 1));
        return 0;
}

static int add_header(struct archiving *archiving, struct error *reterr)
{
        cleanup_json_ struct json_object *header = json_object_new_object();
        struct json_object *tenant = json_object_new_object();
        struct json_object *collections = json_object_new_array();
        cleanup_reader_ struct db_reader reader = { 0 };
        const char *text = NULL;
        size_t len = 0;
        int r = db_pool_take(archiving->store->registry_readers, &reader, reterr);

        json_add_u64(header, "format", TENANT_ARCHIVE_FORMAT);
        json_add_u64(header, "ragd_state", STORE_FORMAT);
        json_add(header, "tenant", tenant);
        json_add_u64(header, "made_usec", archiving->info.made_usec);
        json_add(header, "collections", collections);
        if (r == 0)
                r = read_tenant(reader.db, &archiving->info, tenant, reterr);
        if (r == 0)
                r = add_collections(reader.db, archiving->info.tenant, collections, reterr);
        if (r < 0)
                return r;
        text = header && tenant && collections ? json_text(header, &len) : NULL;
        return text ? tarball_add_bytes(archiving->writer, "HEADER.json", text, len, reterr)
                    : error_oom(reterr);
}

/* ---- The files --------------------------------------------------------------------------- */

static int note_path(struct archiving *archiving, const char *path, struct error *reterr)
{
        if (archiving->n == archiving->room) {
                size_t room = archiving->room ? 2 * archiving->room : 64;
                char **more = reallocarray(archiving->paths, room, sizeof *more);

                if (!more)
                        return error_oom(reterr);
                archiving->paths = more;
                archiving->room = room;
        }
        archiving->paths[archiving->n] = strdup(path);
        if (!archiving->paths[archiving->n])
                return error_oom(reterr);
        archiving->n++;
        return 0;
}

static bool ends_with(const char *text, const char *end)
{
        size_t len = strlen(text), end_len = strlen(end);

        return len > end_len && strcmp(text + len - end_len, end) == 0;
}

/* Brings a log that a kill left behind into its database.  What cannot be brought in is kept as it
 * is, database and log: nobody writes either. */
static void settle_database(const struct archiving *archiving, const char *path)
{
        char whole[PATH_MAX + 512], id[ID_TEXT_SIZE];
        struct stat st;
        sqlite3 *db = NULL;

        (void) snprintf(whole, sizeof whole, "%s-wal", path);
        if (fstatat(archiving->folder_fd, whole, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0)
                return;
        (void) snprintf(whole, sizeof whole, "%s/tenants/%s/%s", archiving->store->path,
                        id_format(archiving->info.tenant.id, id), path);
        if (sqlite3_open_v2(whole, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL) ==
            SQLITE_OK)
                (void) sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        (void) sqlite3_close(db);
}

/* Shared memory is made anew from the log, and an empty log says nothing. */
static bool is_left_out(const char *name, const struct stat *st)
{
        return ends_with(name, ".db-shm") || (ends_with(name, ".db-wal") && st->st_size == 0);
}

static int collect(struct archiving *archiving, const char *below, bool databases, unsigned depth,
                   struct error *reterr);

static int collect_entry(struct archiving *archiving, const char *path, bool databases,
                         unsigned depth, struct error *reterr)
{
        struct stat st;

        if (fstatat(archiving->folder_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr, -errno, "cannot look at %s",
                                                             path);
        if (S_ISDIR(st.st_mode) && depth < TENANT_ARCHIVE_DEPTH)
                return collect(archiving, path, databases, depth + 1, reterr);
        if (databases) {
                if (S_ISREG(st.st_mode) && ends_with(path, ".db"))
                        settle_database(archiving, path);
                return 0;
        }
        if (is_left_out(path, &st))
                return 0;
        if (!S_ISREG(st.st_mode) || !tenant_archive_is_path(path))
                return error_set(reterr, -EMEDIUMTYPE, "%.128s: an archive holds no such file",
                                 path);
        return note_path(archiving, path, reterr);
}

/* Twice: first the databases are settled, which makes and removes files, then all is noted. */
static int collect(struct archiving *archiving, const char *below, bool databases, unsigned depth,
                   struct error *reterr)
{
        int fd = openat(archiving->folder_fd, *below ? below : ".",
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int r = dir ? 0 : error_set_errno(reterr, -errno, "cannot read the folder %s", below);

        if (!dir && fd >= 0)
                (void) close(fd);
        for (struct dirent *entry; r == 0 && dir && (entry = readdir(dir));) {
                char path[PATH_MAX];

                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                (void) snprintf(path, sizeof path, "%s%s%s", below, *below ? "/" : "",
                                entry->d_name);
                r = collect_entry(archiving, path, databases, depth, reterr);
        }
        if (dir)
                (void) closedir(dir);
        return r;
}

static int compare_paths(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int add_path(struct archiving *archiving, const char *path, struct error *reterr)
{
        cleanup_close_ int fd = openat(archiving->folder_fd, path,
                                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        uint64_t done = 0, size;
        struct stat st;
        int r = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot read %s", path);
        size = (uint64_t) st.st_size;
        for (unsigned piece = 1; r == 0 && (piece == 1 || done < size); piece++) {
                uint64_t len = size - done < TENANT_ARCHIVE_PIECE ? size - done
                                                                  : TENANT_ARCHIVE_PIECE;
                char name[TARBALL_NAME_MAX];

                if (piece == 1)
                        (void) snprintf(name, sizeof name, "%s", path);
                else
                        (void) snprintf(name, sizeof name, "%s@%04u", path, piece);
                r = tarball_add_file(archiving->writer, name, fd, done, len, reterr);
                done += len;
                archiving->info.files++;
                archiving->info.bytes += len;
        }
        return r;
}

static int add_files(struct archiving *archiving, struct error *reterr)
{
        char folder[sizeof "tenants/" + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        int r;

        (void) snprintf(folder, sizeof folder, "tenants/%s",
                        id_format(archiving->info.tenant.id, id));
        archiving->folder_fd = openat(archiving->store->dirfd, folder,
                                      O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (archiving->folder_fd < 0 && errno == ENOENT) /* it never had a collection */
                return 0;
        if (archiving->folder_fd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s/%s", archiving->store->path,
                                       folder);
        r = collect(archiving, "", true, 1, reterr);
        if (r == 0)
                r = collect(archiving, "", false, 1, reterr);
        if (r == 0 && archiving->n > 0)
                qsort(archiving->paths, archiving->n, sizeof *archiving->paths, compare_paths);
        for (size_t i = 0; r == 0 && i < archiving->n; i++)
                r = add_path(archiving, archiving->paths[i], reterr);
        return r;
}

/* ---- The archive -------------------------------------------------------------------------- */

static int write_content(struct archiving *archiving, int fd, struct error *reterr)
{
        int r = tarball_writer_new(TENANT_ARCHIVE_WORD, fd, LEVEL,
                                   (int64_t) (archiving->info.made_usec / USEC_PER_SEC),
                                   &archiving->writer, reterr);

        if (r == 0)
                r = add_header(archiving, reterr);
        if (r == 0)
                r = add_files(archiving, reterr);
        if (r == 0)
                r = tarball_add_manifest(archiving->writer, reterr);
        return r < 0 ? r : tarball_finish(archiving->writer, reterr);
}

static int write_partial(struct archiving *archiving, const char *partial, struct error *reterr)
{
        cleanup_close_ int fd = openat(archiving->store->dirfd, partial,
                                       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        struct stat st;
        int r;

        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", partial);
        r = write_content(archiving, fd, reterr);
        if (r == 0 && (fsync(fd) < 0 || fstat(fd, &st) < 0))
                r = error_set_errno(reterr, -errno, "cannot write %s", partial);
        if (r == 0)
                archiving->info.archive_bytes = (uint64_t) st.st_size;
        return r;
}

int tenant_archive_write(struct store *store, struct tenant_id tenant, const char *path,
                         struct tenant_archive_info *ret, struct error *reterr)
{
        cleanup_(archiving_done) struct archiving archiving = {
                .store = store,
                .folder_fd = -1,
                .info = { .tenant = tenant, .made_usec = clock_wall_usec() },
        };
        char partial[PATH_MAX + 16], folder[PATH_MAX];
        const char *slash = strrchr(path, '/');
        int r;

        (void) snprintf(partial, sizeof partial, "%s.partial", path);
        (void) snprintf(folder, sizeof folder, "%.*s", (int) (slash ? slash - path : 0), path);
        if (slash && mkdirat(store->dirfd, folder, 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create %s/%s", store->path, folder);
        r = write_partial(&archiving, partial, reterr);
        if (r == 0) {
                crash_point("archive.partial");
                if (renameat(store->dirfd, partial, store->dirfd, path) < 0)
                        r = -errno;
                if (r == 0)
                        r = io_sync_directory(store->dirfd, slash ? folder : ".");
                if (r == 0 && slash)
                        r = io_sync_directory(store->dirfd, ".");
                if (r < 0) {
                        error_set_errno(reterr, r, "cannot write %s", path);
                        (void) unlinkat(store->dirfd, path, 0);
                }
        }
        if (r < 0) {
                (void) unlinkat(store->dirfd, partial, 0);
                return r;
        }
        *ret = archiving.info;
        return 0;
}
