/* SPDX-License-Identifier: Apache-2.0 */
#include "release/bundle_inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"
#include "release/record.h"
#include "release/record_files.h"
#include "store/store.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct writer {
        int fd, failure; /* of writing to fd, negative errno: what follows is thrown away */
        struct archive *archive;
        struct archive_entry *entry;
        time_t time;
        struct bundle_list list;
        crypto_hash_sha256_state hash; /* of the member that is being written */
        struct bundle_member member;
};

static void writer_done(struct writer *writer)
{
        archive_entry_free(writer->entry);
        (void) archive_write_free(writer->archive);
        bundle_list_done(&writer->list);
}

/* Never fails in libarchive's eyes, which would leak its compressor then. */
static la_ssize_t write_out(struct archive *archive, void *data, const void *bytes, size_t len)
{
        struct writer *writer = data;

        (void) archive;
        if (writer->failure == 0)
                writer->failure = io_write_all(writer->fd, bytes, len);
        return (la_ssize_t) len;
}

static int failed(const struct writer *writer, struct error *reterr)
{
        const char *text = archive_error_string(writer->archive);
        int code = archive_errno(writer->archive);

        if (writer->failure < 0)
                return error_set_errno(reterr, writer->failure, "cannot write the bundle");
        return error_set(reterr, code > 0 ? -code : -EIO, "cannot write the bundle: %s",
                         text ? text : "unknown fault");
}

static int check(const struct writer *writer, bool done, struct error *reterr)
{
        return done && writer->failure == 0 ? 0 : failed(writer, reterr);
}

static int writer_begin(struct writer *writer, struct error *reterr)
{
        writer->archive = archive_write_new();
        writer->entry = archive_entry_new();
        if (!writer->archive || !writer->entry)
                return error_oom(reterr);
        if (archive_write_add_filter_gzip(writer->archive) != ARCHIVE_OK ||
            archive_write_set_format_ustar(writer->archive) != ARCHIVE_OK ||
            archive_write_set_options(writer->archive, "gzip:!timestamp,gzip:compression-level=6") !=
                    ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(writer->archive, 1) != ARCHIVE_OK ||
            archive_write_open(writer->archive, writer, NULL, write_out, NULL) != ARCHIVE_OK)
                return failed(writer, reterr);
        return 0;
}

/* ---- Members ---------------------------------------------------------------------------- */

static int begin_member(struct writer *writer, const char *name, uint64_t size,
                        struct error *reterr)
{
        if ((int) bundle_kind_of(name) < 0)
                return error_set(reterr, -ENAMETOOLONG, "a bundle cannot hold %s", name);
        writer->member = (struct bundle_member){ .size = size };
        (void) strcpy(writer->member.name, name);
        (void) crypto_hash_sha256_init(&writer->hash);
        (void) archive_entry_clear(writer->entry);
        archive_entry_set_pathname(writer->entry, name);
        archive_entry_set_filetype(writer->entry, AE_IFREG);
        archive_entry_set_perm(writer->entry, 0600);
        archive_entry_set_size(writer->entry, (la_int64_t) size);
        archive_entry_set_mtime(writer->entry, writer->time, 0);
        return check(writer, archive_write_header(writer->archive, writer->entry) == ARCHIVE_OK,
                     reterr);
}

static int write_bytes(struct writer *writer, const void *data, size_t len, struct error *reterr)
{
        (void) crypto_hash_sha256_update(&writer->hash, data, len);
        return check(writer,
                     len == 0 ||
                             archive_write_data(writer->archive, data, len) == (la_ssize_t) len,
                     reterr);
}

static int end_member(struct writer *writer, struct error *reterr)
{
        int r = check(writer, archive_write_finish_entry(writer->archive) == ARCHIVE_OK, reterr);

        (void) crypto_hash_sha256_final(&writer->hash, writer->member.sha256);
        return r < 0 ? r : bundle_list_add(&writer->list, &writer->member, reterr);
}

static int add_bytes(struct writer *writer, const char *name, const void *data, size_t len,
                     struct error *reterr)
{
        int r = begin_member(writer, name, len, reterr);

        if (r == 0)
                r = write_bytes(writer, data, len, reterr);
        return r < 0 ? r : end_member(writer, reterr);
}

static int add_piece(void *data, const char *name, int fd, uint64_t size, struct error *reterr)
{
        struct writer *writer = data;
        char block[16 << 10];
        uint64_t at = 0;
        int r = begin_member(writer, name, size, reterr);

        while (r == 0 && at < size) {
                size_t wanted = size - at < sizeof block ? (size_t) (size - at) : sizeof block;
                ssize_t n = pread(fd, block, wanted, (off_t) at);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return error_set_errno(reterr, n < 0 ? -errno : -EIO,
                                               "cannot read the vectors back");
                r = write_bytes(writer, block, (size_t) n, reterr);
                at += (uint64_t) n;
        }
        return r < 0 ? r : end_member(writer, reterr);
}

/* ---- The bundle ------------------------------------------------------------------------- */

static int add_header(struct writer *writer, const struct release_info *info, bool vectors,
                      struct error *reterr)
{
        cleanup_json_ struct json_object *header = json_object_new_object();
        char identity[2 * sizeof info->identity + 1];
        const char *text;
        size_t len = 0;

        json_add_u64(header, "format", BUNDLE_FORMAT);
        json_add_string(header, "ragd", info->version);
        json_add_string(header, "stage", info->stage);
        json_add_u64(header, "release", info->number);
        json_add_string(header, "generation_identity",
                        sodium_bin2hex(identity, sizeof identity, info->identity,
                                       sizeof info->identity));
        json_add_bool(header, "vectors", vectors);
        text = header ? json_text(header, &len) : NULL;
        return text ? add_bytes(writer, "HEADER.json", text, len, reterr) : error_oom(reterr);
}

static int add_file(struct writer *writer, int state_dirfd, uint32_t number, const char *file,
                    struct error *reterr)
{
        char path[RECORD_PATH_SIZE], name[RECORD_PATH_SIZE];
        cleanup_free_ char *text = NULL;
        size_t len = 0;
        int r = io_read_file(state_dirfd, record_path(number, file, path), RECORD_FILE_BYTES_MAX,
                             &text, &len, reterr);

        (void) snprintf(name, sizeof name, "release/%.160s", file);
        return r < 0 ? r : add_bytes(writer, name, text, len, reterr);
}

static int add_release(struct writer *writer, int state_dirfd, uint32_t number,
                       struct error *reterr)
{
        cleanup_json_ struct json_object *manifest = NULL;
        struct json_object *files;
        char path[RECORD_PATH_SIZE];
        int r = record_read_manifest(state_dirfd, record_path(number, NULL, path), &manifest,
                                     reterr);

        if (r == 0)
                r = add_file(writer, state_dirfd, number, "manifest.json", reterr);
        if (r < 0)
                return r;
        files = json_object_object_get(manifest, "files");
        if (!json_object_object_get_ex(files, "meta.json", NULL)) /* of an early release */
                r = add_file(writer, state_dirfd, number, "meta.json", reterr);
        json_object_object_foreach(files, file, row)
        {
                (void) row;
                if (r == 0)
                        r = add_file(writer, state_dirfd, number, file, reterr);
        }
        return r;
}

/* The two lists; the manifest has the sums as well. */
static int add_lists(struct writer *writer, struct error *reterr)
{
        cleanup_(buf_done) struct buf sums = BUF_EMPTY, manifest = BUF_EMPTY;
        int r;

        bundle_list_sums(&writer->list, &sums);
        if (buf_failed(&sums))
                return error_oom(reterr);
        r = add_bytes(writer, "SHA256SUMS", buf_text(&sums), sums.len, reterr);
        if (r < 0)
                return r;
        bundle_list_manifest(&writer->list, &manifest);
        if (buf_failed(&manifest))
                return error_oom(reterr);
        return add_bytes(writer, "MANIFEST.json", buf_text(&manifest), manifest.len, reterr);
}

static int write_all(struct writer *writer, struct store *store, const struct release_info *info,
                     bool vectors, struct error *reterr)
{
        const struct bundle_sink sink = { .piece = add_piece, .data = writer };
        int r = writer_begin(writer, reterr);

        if (r == 0)
                r = add_header(writer, info, vectors, reterr);
        if (r == 0)
                r = add_release(writer, store_dirfd(store), info->number, reterr);
        if (r == 0 && vectors)
                r = bundle_export_vectors(store, info->number, info->identity, &sink, reterr);
        if (r == 0)
                r = add_lists(writer, reterr);
        if (r == 0)
                r = check(writer, archive_write_close(writer->archive) == ARCHIVE_OK, reterr);
        if (r < 0) /* what was written stays a bundle that is cut off */
                writer->failure = r;
        return r;
}

int bundle_export(struct store *store, uint32_t number, bool vectors, int fd, struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { 0 };
        cleanup_(writer_done) struct writer writer = { .fd = fd };
        int r = release_verify(store_dirfd(store), number, reterr);

        if (r == 0)
                r = release_read(store_dirfd(store), number, &info, reterr);
        if (r < 0)
                return r;
        if (!info.was_stable)
                return error_set(reterr, -EPERM, "release %u was never stable: it is %s", number,
                                 release_state_name(info.state));
        writer.time = (time_t) (info.created_usec / USEC_PER_SEC);
        return write_all(&writer, store, &info, vectors, reterr);
}
