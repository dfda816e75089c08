/* SPDX-License-Identifier: Apache-2.0 */
/* A member is written only where its name, kind, order and size are such as a bundle's may be, into
 * a fresh folder that goes away with the first fault. */
#include "release/bundle_inside.h"

#include "base/io.h"
#include "base/json.h"
#include "release/record.h"
#include "release/record_files.h"
#include "store/store.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define MEMBERS_MAX 10240U
#define HEADER_BYTES_MAX (64U << 10U)
#define LIST_BYTES_MAX (4U << 20U)
#define RELEASE_BYTES_MAX (64U << 20U) /* of all its files */
#define FREE_BYTES_MIN (UINT64_C(64) << 20)

struct unpacking {
        struct tarball_reader *reader;
        int folder_fd;
        uint64_t release_bytes;
        enum bundle_kind kind; /* of the last member */
        unsigned pieces;
        struct bundle *bundle; /* being filled */
};

static void unpacking_done(struct unpacking *unpacking)
{
        (void) tarball_reader_free(unpacking->reader);
        if (unpacking->folder_fd >= 0)
                (void) close(unpacking->folder_fd);
}

/* ---- What a header may say --------------------------------------------------------------- */

static int check_order(const struct unpacking *unpacking, enum bundle_kind kind, const char *name,
                       struct error *reterr)
{
        const struct tarball_list *list = tarball_taken(unpacking->reader);

        if ((int) kind < 0)
                return error_set(reterr, -EBADMSG, "%.64s: no bundle has a member of this name",
                                 name);
        if (tarball_list_find(list, name))
                return error_set(reterr, -EBADMSG, "%s: it is there twice", name);
        if (list->n == 0 ? kind != BUNDLE_HEADER : kind < unpacking->kind)
                return error_set(reterr, -EBADMSG, "%s: it is out of order", name);
        if (list->n >= MEMBERS_MAX)
                return error_set(reterr, -EBADMSG, "%s: there are too many members", name);
        if (kind == BUNDLE_VECTORS) {
                char wanted[TARBALL_NAME_MAX], identity[65];

                (void) snprintf(wanted, sizeof wanted, "vectors/%s.%04u.jsonl",
                                sodium_bin2hex(identity, sizeof identity,
                                               unpacking->bundle->identity, 32),
                                unpacking->pieces + 1);
                if (!unpacking->bundle->vectors || strcmp(name, wanted) != 0)
                        return error_set(reterr, -EBADMSG, "%s: HEADER.json announces no such "
                                                           "vectors", name);
        }
        return 0;
}

static int check_size(struct unpacking *unpacking, enum bundle_kind kind, const char *name,
                      uint64_t size, struct error *reterr)
{
        static const uint64_t most[BUNDLE_KIND_MAX] = {
                [BUNDLE_HEADER] = HEADER_BYTES_MAX,      [BUNDLE_RELEASE] = RECORD_FILE_BYTES_MAX,
                [BUNDLE_VECTORS] = BUNDLE_PIECE_BYTES_MAX, [BUNDLE_SUMS] = LIST_BYTES_MAX,
                [BUNDLE_MANIFEST] = LIST_BYTES_MAX,
        };
        struct statvfs st;

        if (kind == BUNDLE_RELEASE)
                unpacking->release_bytes += size;
        if (size > most[kind] || unpacking->release_bytes > RELEASE_BYTES_MAX)
                return error_set(reterr, -EBADMSG, "%s: it is larger than a bundle's may be", name);
        if (fstatvfs(unpacking->folder_fd, &st) == 0 &&
            size + FREE_BYTES_MIN > (uint64_t) st.f_bavail * st.f_frsize)
                return error_set(reterr, -ENOSPC, "no room to unpack %s", name);
        return 0;
}

/* ---- Members ---------------------------------------------------------------------------- */

static int read_header(struct unpacking *unpacking, struct error *reterr);

static int unpack_member(struct unpacking *unpacking, const struct tarball_member *member,
                         struct error *reterr)
{
        enum bundle_kind kind = bundle_kind_of(member->name);
        cleanup_close_ int fd = -1;
        int r = check_order(unpacking, kind, member->name, reterr);

        if (r == 0)
                r = check_size(unpacking, kind, member->name, member->size, reterr);
        if (r < 0)
                return r;
        fd = openat(unpacking->folder_fd, member->name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot unpack %s", member->name);
        r = tarball_take(unpacking->reader, fd, reterr);
        if (r < 0)
                return r;
        unpacking->kind = kind;
        unpacking->pieces += kind == BUNDLE_VECTORS;
        return kind == BUNDLE_HEADER ? read_header(unpacking, reterr) : 0;
}

static int unpack(struct unpacking *unpacking, struct error *reterr)
{
        struct tarball_member member;
        int r;

        while ((r = tarball_next(unpacking->reader, &member, reterr)) > 0) {
                r = unpack_member(unpacking, &member, reterr);
                if (r < 0)
                        return r;
        }
        return r;
}

/* ---- What it says of itself --------------------------------------------------------------- */

/* The first member: what is to come, and in which format. */
static int read_header(struct unpacking *unpacking, struct error *reterr)
{
        static const char *const known[] = { "format",              "ragd",    "stage", "release",
                                             "generation_identity", "vectors", NULL };
        static const char path[] = "HEADER.json";
        cleanup_json_ struct json_object *header = NULL;
        struct bundle *bundle = unpacking->bundle;
        uint64_t format = 0, release = 0;
        int r = record_read_json(unpacking->folder_fd, path, &header, reterr);

        if (r < 0)
                return r;
        r = json_get_u64(header, "format", 1, UINT32_MAX, &format, reterr);
        if (r > 0 && format > BUNDLE_FORMAT)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "the bundle has format %llu, this ragd reads up to %d",
                                 (unsigned long long) format, BUNDLE_FORMAT);
        if (r > 0)
                r = json_refuse_unknown(header, known, reterr);
        if (r == 0)
                r = json_get_u64(header, "release", 1, UINT32_MAX, &release, reterr);
        if (r > 0)
                r = json_get_bool(header, "vectors", &bundle->vectors, reterr);
        if (r == 0)
                r = error_set(reterr, -EBADMSG, "a member is missing");
        if (r < 0)
                return record_damaged(path, r, reterr);
        bundle->number = (uint32_t) release;
        r = record_get_text(header, path, "ragd", bundle->version, sizeof bundle->version, reterr);
        if (r == 0)
                r = record_get_text(header, path, "stage", bundle->stage, sizeof bundle->stage,
                                    reterr);
        if (r == 0)
                r = record_get_hex(header, path, "generation_identity", bundle->identity,
                                   sizeof bundle->identity, reterr);
        return r;
}

/* The last two members against what was unpacked: each lists those before it. */
static int check_lists(const struct unpacking *unpacking, struct error *reterr)
{
        static const struct {
                const char *path;
                void (*write)(const struct tarball_list *list, struct buf *buf);
                size_t lines_before;
        } lists[] = {
                { "SHA256SUMS", tarball_list_sums, 0 },
                { "MANIFEST.json", tarball_list_manifest, 1 },
        };
        const struct tarball_list *list = tarball_taken(unpacking->reader);
        struct tarball_list before = *list; /* borrowed */

        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if (!tarball_list_find(list, lists[i].path))
                        return error_set(reterr, -EBADMSG, "%s: it is missing", lists[i].path);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                cleanup_(buf_done) struct buf wanted = BUF_EMPTY;
                cleanup_free_ char *text = NULL;
                size_t len = 0;
                int r;

                before.n = list->n - ELEMENTSOF(lists) + i;
                lists[i].write(&before, &wanted);
                if (buf_failed(&wanted))
                        return error_oom(reterr);
                r = io_read_file(unpacking->folder_fd, lists[i].path, LIST_BYTES_MAX, &text, &len,
                                 reterr);
                if (r == 0)
                        r = tarball_list_compare(&before, lists[i].path, text, len, &wanted,
                                                 lists[i].lines_before, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Every file of the release is one that its own manifest names, and there is no other. */
static int check_release(const struct unpacking *unpacking, struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { .number =
                                                                         unpacking->bundle->number };
        cleanup_json_ struct json_object *manifest = NULL;
        const struct tarball_list *list = tarball_taken(unpacking->reader);
        const struct bundle *bundle = unpacking->bundle;
        struct json_object *files;
        int r = record_read_manifest(unpacking->folder_fd, "release", &manifest, reterr);

        if (r == -ENOENT)
                return error_set(reterr, -EBADMSG, "release/manifest.json: it is missing");
        if (r == 0)
                r = record_check_files(unpacking->folder_fd, "release", manifest, true, reterr);
        if (r == 0)
                r = record_read_facts(unpacking->folder_fd, "release", manifest, &info, reterr);
        if (r < 0)
                return r;
        files = json_object_object_get(manifest, "files");
        for (size_t i = 0; i < list->n; i++) {
                const char *name = list->members[i].name;
                const char *file = name + strlen("release/");

                if (bundle_kind_of(name) == BUNDLE_RELEASE &&
                    !json_object_object_get_ex(files, file, NULL) &&
                    strcmp(file, "manifest.json") != 0 && strcmp(file, "meta.json") != 0)
                        return error_set(reterr, -EBADMSG, "%s: the release has no such file",
                                         name);
        }
        if (strcmp(info.version, bundle->version) != 0 || strcmp(info.stage, bundle->stage) != 0 ||
            memcmp(info.identity, bundle->identity, sizeof info.identity) != 0)
                return error_set(reterr, -EBADMSG, "HEADER.json: it is of another release");
        return 0;
}

/* ---- The bundle --------------------------------------------------------------------------- */

static int make_folder(struct store *store, struct bundle *bundle, int *ret_fd,
                       struct error *reterr)
{
        static const char *const inside[] = { "release", "release/source", "vectors" };
        cleanup_(buf_done) struct buf path = BUF_EMPTY;
        int dirfd = store_dirfd(store);
        char name[64];

        if (mkdirat(dirfd, "incoming", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create incoming");
        (void) snprintf(name, sizeof name, "incoming/%08x%08x", randombytes_random(),
                        randombytes_random());
        buf_append_format(&path, "%s/%s", store_path(store), name);
        bundle->folder = buf_take(&path);
        if (!bundle->folder)
                return error_oom(reterr);
        if (mkdirat(dirfd, name, 0700) < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", name);
        *ret_fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (*ret_fd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s", name);
        for (size_t i = 0; i < ELEMENTSOF(inside); i++)
                if (mkdirat(*ret_fd, inside[i], 0700) < 0)
                        return error_set_errno(reterr, -errno, "cannot create %s/%s", name,
                                               inside[i]);
        return 0;
}

void bundle_done(struct bundle *bundle)
{
        if (bundle->folder)
                (void) io_remove_tree(AT_FDCWD, bundle->folder);
        free(bundle->folder);
        *bundle = (struct bundle){ 0 };
}

int bundle_open(struct store *store, int fd, struct bundle *ret, struct error *reterr)
{
        cleanup_(bundle_done) struct bundle bundle = { 0 };
        cleanup_(unpacking_done) struct unpacking unpacking = { .folder_fd = -1,
                                                                .bundle = &bundle };
        int r = make_folder(store, &bundle, &unpacking.folder_fd, reterr);

        if (r == 0)
                r = tarball_reader_new("bundle", fd, &unpacking.reader, reterr);
        if (r == 0)
                r = unpack(&unpacking, reterr);
        if (r == 0)
                r = check_lists(&unpacking, reterr);
        if (r == 0)
                r = check_release(&unpacking, reterr);
        if (r < 0)
                return r;
        *ret = bundle;
        bundle = (struct bundle){ 0 };
        return 0;
}
