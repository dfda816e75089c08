/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying and restoring are one way: what is unpacked is compared with the manifest when all of it
 * was read, and only then gets its name. */
#include "store/tenant_archive_inside.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "store/registry.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define HEADER_BYTES_MAX (64U << 20U)
#define MANIFEST_BYTES_MAX (256U << 20U)
#define FREE_BYTES_MIN (UINT64_C(16) << 20)

struct unarchiving {
        struct store *store;
        struct tarball_reader *reader;
        int folder_fd;   /* where to; -1: nowhere */
        struct tenant_archive_info info;
        bool ended;      /* by the manifest */
        char path[TENANT_ARCHIVE_PATH_MAX + 1]; /* of the last file; "": none yet */
        unsigned piece;                         /* of it */
        int fd;                                 /* that it is written to, or -1 */
        uint64_t piece_size;
};

static void unarchiving_done(struct unarchiving *unarchiving)
{
        (void) tarball_reader_free(unarchiving->reader);
        if (unarchiving->fd >= 0)
                (void) close(unarchiving->fd);
        if (unarchiving->folder_fd >= 0)
                (void) close(unarchiving->folder_fd);
}

/* ---- The header --------------------------------------------------------------------------- */

static int damaged_header(struct error *reterr)
{
        return error_set(reterr, -EBADMSG, "HEADER.json: it is not that of a tenant's archive");
}

static int read_tenant(struct json_object *header, struct tenant_archive_info *info,
                       struct error *reterr)
{
        struct json_object *tenant = NULL;
        const char *id = NULL, *name = NULL;

        if (json_get_object(header, "tenant", &tenant, NULL) <= 0 ||
            json_get_string(tenant, "id", &id, NULL) <= 0 ||
            json_get_string(tenant, "name", &name, NULL) <= 0 ||
            id_parse(id, &info->tenant.id) < 0 || store_check_name("tenant", name, NULL) < 0 ||
            json_get_u64(header, "made_usec", 0, INT64_MAX, &info->made_usec, NULL) <= 0)
                return damaged_header(reterr);
        (void) snprintf(info->name, sizeof info->name, "%s", name);
        return 0;
}

static int take_header(struct unarchiving *unarchiving, const struct tarball_member *member,
                       struct error *reterr)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        cleanup_json_ struct json_object *header = NULL;
        uint64_t format = 0, state = 0;
        int r;

        if (strcmp(member->name, "HEADER.json") != 0)
                return error_set(reterr, -EBADMSG, "%.96s: HEADER.json must stand before it",
                                 member->name);
        if (member->size > HEADER_BYTES_MAX)
                return damaged_header(reterr);
        r = tarball_take_bytes(unarchiving->reader, &text, reterr);
        if (r < 0)
                return r;
        if (json_parse(buf_text(&text), text.len, &header, NULL) < 0 ||
            json_get_u64(header, "format", 1, UINT32_MAX, &format, NULL) <= 0 ||
            json_get_u64(header, "ragd_state", 1, UINT32_MAX, &state, NULL) <= 0)
                return damaged_header(reterr);
        if (format > TENANT_ARCHIVE_FORMAT || state > STORE_FORMAT)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "the archive has format %llu of state %llu, this ragd reads up to "
                                 "%d of %d", (unsigned long long) format,
                                 (unsigned long long) state, TENANT_ARCHIVE_FORMAT, STORE_FORMAT);
        return read_tenant(header, &unarchiving->info, reterr);
}

/* ---- Files -------------------------------------------------------------------------------- */

static int check_room(const struct unarchiving *unarchiving, const struct tarball_member *member,
                      struct error *reterr)
{
        struct statvfs st;

        if (unarchiving->folder_fd >= 0 && fstatvfs(unarchiving->folder_fd, &st) == 0 &&
            member->size + FREE_BYTES_MIN > (uint64_t) st.f_bavail * st.f_frsize)
                return error_set(reterr, -ENOSPC, "no room to unpack %s", member->name);
        return 0;
}

/* The folders on the way; those before it were made for files before it. */
static int make_parents(const struct unarchiving *unarchiving, struct error *reterr)
{
        char part[TENANT_ARCHIVE_PATH_MAX + 1];

        (void) snprintf(part, sizeof part, "%s", unarchiving->path);
        for (char *at = strchr(part, '/'); at; at = strchr(at + 1, '/')) {
                *at = '\0';
                if (mkdirat(unarchiving->folder_fd, part, 0700) < 0 && errno != EEXIST)
                        return error_set_errno(reterr, -errno, "cannot unpack %s", part);
                *at = '/';
        }
        return 0;
}

static int end_file(struct unarchiving *unarchiving, struct error *reterr)
{
        int r = 0;

        if (unarchiving->fd < 0)
                return 0;
        if (fsync(unarchiving->fd) < 0)
                r = error_set_errno(reterr, -errno, "cannot write %s", unarchiving->path);
        (void) close(unarchiving->fd);
        unarchiving->fd = -1;
        return r;
}

static int begin_file(struct unarchiving *unarchiving, const char *name, struct error *reterr)
{
        int r = end_file(unarchiving, reterr);

        if (r < 0)
                return r;
        (void) snprintf(unarchiving->path, sizeof unarchiving->path, "%.96s", name);
        unarchiving->piece = 1;
        if (unarchiving->folder_fd < 0)
                return 0;
        r = make_parents(unarchiving, reterr);
        if (r < 0)
                return r;
        unarchiving->fd = openat(unarchiving->folder_fd, name,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return unarchiving->fd >= 0
                       ? 0
                       : error_set_errno(reterr, -errno, "cannot unpack %s", name);
}

/* Files rise by name, so that none is there twice; a piece follows the one before it, which was
 * full. */
static int check_order(const struct unarchiving *unarchiving, const struct tarball_member *member,
                       bool piece, struct error *reterr)
{
        char wanted[TARBALL_NAME_MAX];

        (void) snprintf(wanted, sizeof wanted, "%s@%04u", unarchiving->path,
                        unarchiving->piece + 1);
        if (piece ? strcmp(member->name, wanted) == 0 && member->size > 0 &&
                            unarchiving->piece_size == TENANT_ARCHIVE_PIECE
                  : tenant_archive_is_path(member->name) &&
                            strcmp(member->name, unarchiving->path) > 0)
                return member->size <= TENANT_ARCHIVE_PIECE
                               ? 0
                               : error_set(reterr, -EBADMSG, "%s: it is larger than an archive's "
                                           "may be", member->name);
        return error_set(reterr, -EBADMSG, "%.96s: %s", member->name,
                         strcmp(member->name, unarchiving->path) == 0
                                 ? "it is there twice"
                                 : "no archive has a member of this name here");
}

static int take_file(struct unarchiving *unarchiving, const struct tarball_member *member,
                     struct error *reterr)
{
        bool piece = strchr(member->name, '@');
        int r = check_order(unarchiving, member, piece, reterr);

        if (r == 0)
                r = check_room(unarchiving, member, reterr);
        if (r == 0 && piece)
                unarchiving->piece++;
        else if (r == 0)
                r = begin_file(unarchiving, member->name, reterr);
        if (r == 0)
                r = tarball_take(unarchiving->reader, unarchiving->fd, reterr);
        unarchiving->piece_size = member->size;
        unarchiving->info.files++;
        unarchiving->info.bytes += member->size;
        return r;
}

/* ---- The manifest ------------------------------------------------------------------------- */

static int take_manifest(struct unarchiving *unarchiving, const struct tarball_member *member,
                         struct error *reterr)
{
        struct tarball_list before = *tarball_taken(unarchiving->reader); /* borrowed */
        cleanup_(buf_done) struct buf wanted = BUF_EMPTY, text = BUF_EMPTY;
        int r;

        tarball_list_manifest(&before, &wanted);
        if (buf_failed(&wanted))
                return error_oom(reterr);
        if (member->size > MANIFEST_BYTES_MAX)
                return error_set(reterr, -EBADMSG, "%s: it is larger than an archive's may be",
                                 member->name);
        r = tarball_take_bytes(unarchiving->reader, &text, reterr);
        if (r < 0)
                return r;
        before = *tarball_taken(unarchiving->reader);
        before.n--; /* but itself */
        unarchiving->ended = true;
        return tarball_list_compare(&before, member->name, buf_text(&text), text.len, &wanted, 1,
                                    reterr);
}

static int take_members(struct unarchiving *unarchiving, struct error *reterr)
{
        struct tarball_member member;
        int r;

        while ((r = tarball_next(unarchiving->reader, &member, reterr)) > 0) {
                if (unarchiving->ended)
                        return error_set(reterr, -EBADMSG, "%.96s: it stands behind the manifest",
                                         member.name);
                if (tarball_taken(unarchiving->reader)->n == 0)
                        r = take_header(unarchiving, &member, reterr);
                else if (strcmp(member.name, "MANIFEST.json") == 0)
                        r = take_manifest(unarchiving, &member, reterr);
                else
                        r = take_file(unarchiving, &member, reterr);
                if (r < 0)
                        return r;
        }
        if (r == 0 && !unarchiving->ended)
                return error_set(reterr, -EBADMSG, "MANIFEST.json: it is missing");
        return r < 0 ? r : end_file(unarchiving, reterr);
}

static int read_all(struct unarchiving *unarchiving, const char *path, struct error *reterr)
{
        cleanup_close_ int fd = openat(unarchiving->store->dirfd, path,
                                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot read %s", path);
        unarchiving->info.archive_bytes = (uint64_t) st.st_size;
        r = tarball_reader_new(TENANT_ARCHIVE_WORD, fd, &unarchiving->reader, reterr);
        if (r == 0)
                r = take_members(unarchiving, reterr);
        return r < 0 ? error_prefix(reterr, r, "%s", path) : 0;
}

int tenant_archive_verify(struct store *store, const char *path, struct tenant_archive_info *ret,
                          struct error *reterr)
{
        cleanup_(unarchiving_done) struct unarchiving unarchiving = { .store = store,
                                                                      .folder_fd = -1,
                                                                      .fd = -1 };
        int r = read_all(&unarchiving, path, reterr);

        if (r == 0 && ret)
                *ret = unarchiving.info;
        return r;
}

/* ---- Restoring ---------------------------------------------------------------------------- */

static int make_staging(struct unarchiving *unarchiving, const char *staging, struct error *reterr)
{
        int dirfd = unarchiving->store->dirfd;
        int r = io_remove_tree(dirfd, staging);

        if (r == 0 && mkdirat(dirfd, "incoming", 0700) < 0 && errno != EEXIST)
                r = -errno;
        if (r == 0 && mkdirat(dirfd, staging, 0700) < 0)
                r = -errno;
        if (r == 0) {
                unarchiving->folder_fd = openat(dirfd, staging,
                                                O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                r = unarchiving->folder_fd < 0 ? -errno : 0;
        }
        return r < 0 ? error_set_errno(reterr, r, "cannot create %s", staging) : 0;
}

/* Files were synced one by one; their names are in folders, which are synced here. */
static int sync_folders(const struct unarchiving *unarchiving, const char *staging,
                        struct error *reterr)
{
        const struct tarball_list *list = tarball_taken(unarchiving->reader);
        char last[TARBALL_NAME_MAX] = "", part[TARBALL_NAME_MAX];
        int r = io_sync_directory(unarchiving->folder_fd, ".");

        for (size_t i = 0; r == 0 && i < list->n; i++) {
                char *slash;

                (void) snprintf(part, sizeof part, "%s", list->members[i].name);
                while (r == 0 && (slash = strrchr(part, '/'))) {
                        *slash = '\0';
                        if (strncmp(part, last, strlen(part)) == 0 &&
                            (last[strlen(part)] == '\0' || last[strlen(part)] == '/'))
                                break;
                        r = io_sync_directory(unarchiving->folder_fd, part);
                        (void) snprintf(last, sizeof last, "%s", part);
                }
        }
        return r < 0 ? error_set_errno(reterr, r, "cannot write %s", staging) : 0;
}

static int put_in_place(struct store *store, const char *staging, const char *folder,
                        struct error *reterr)
{
        int r = renameat(store->dirfd, staging, store->dirfd, folder) < 0 ? -errno : 0;

        if (r == -EEXIST || r == -ENOTEMPTY)
                return error_set(reterr, -EEXIST, "%s/%s is there already", store->path, folder);
        if (r == 0) {
                crash_point("restore.renamed");
                r = io_sync_directory(store->dirfd, "tenants");
        }
        return r < 0 ? error_set_errno(reterr, r, "cannot write %s/%s", store->path, folder) : 0;
}

int tenant_archive_restore(struct store *store, struct tenant_id tenant, const char *path,
                           struct error *reterr)
{
        cleanup_(unarchiving_done) struct unarchiving unarchiving = { .store = store,
                                                                      .folder_fd = -1,
                                                                      .fd = -1 };
        char staging[sizeof "incoming/tenant-" + ID_TEXT_SIZE];
        char folder[sizeof "tenants/" + ID_TEXT_SIZE], id[ID_TEXT_SIZE];
        int r;

        (void) snprintf(staging, sizeof staging, "incoming/tenant-%s", id_format(tenant.id, id));
        (void) snprintf(folder, sizeof folder, "tenants/%s", id);
        r = make_staging(&unarchiving, staging, reterr);
        if (r == 0)
                r = read_all(&unarchiving, path, reterr);
        if (r == 0 && !id_equal(unarchiving.info.tenant.id, tenant.id))
                r = error_set(reterr, -EBADMSG, "%s: HEADER.json: it is of another tenant", path);
        if (r == 0)
                r = sync_folders(&unarchiving, staging, reterr);
        if (r == 0) {
                crash_point("restore.staged");
                r = put_in_place(store, staging, folder, reterr);
        }
        if (r < 0)
                (void) io_remove_tree(store->dirfd, staging);
        return r;
}
