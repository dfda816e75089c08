/* SPDX-License-Identifier: Apache-2.0 */
#include "store/tarball.h"

#include "base/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct tarball_writer {
        const char *what;
        int fd, failure; /* of writing to fd, negative errno: what follows is thrown away */
        struct archive *archive;
        struct archive_entry *entry;
        time_t time;
        struct tarball_list list;
        crypto_hash_sha256_state hash; /* of the member that is being written */
        struct tarball_member member;
        bool finished;
};

/* Never fails in libarchive's eyes, which would leak its compressor then. */
static la_ssize_t write_out(struct archive *archive, void *data, const void *bytes, size_t len)
{
        struct tarball_writer *writer = data;

        (void) archive;
        if (writer->failure == 0)
                writer->failure = io_write_all(writer->fd, bytes, len);
        return (la_ssize_t) len;
}

static int failed(const struct tarball_writer *writer, struct error *reterr)
{
        const char *text = archive_error_string(writer->archive);
        int code = archive_errno(writer->archive);

        if (writer->failure < 0)
                return error_set_errno(reterr, writer->failure, "cannot write the %s",
                                       writer->what);
        return error_set(reterr, code > 0 ? -code : -EIO, "cannot write the %s: %s", writer->what,
                         text ? text : "unknown fault");
}

static int check(const struct tarball_writer *writer, bool done, struct error *reterr)
{
        return done && writer->failure == 0 ? 0 : failed(writer, reterr);
}

static int begin(struct tarball_writer *writer, int level, struct error *reterr)
{
        char options[64];

        (void) snprintf(options, sizeof options, "gzip:!timestamp,gzip:compression-level=%d",
                        level);
        writer->archive = archive_write_new();
        writer->entry = archive_entry_new();
        if (!writer->archive || !writer->entry)
                return error_oom(reterr);
        if (archive_write_add_filter_gzip(writer->archive) != ARCHIVE_OK ||
            archive_write_set_format_ustar(writer->archive) != ARCHIVE_OK ||
            archive_write_set_options(writer->archive, options) != ARCHIVE_OK ||
            archive_write_set_bytes_in_last_block(writer->archive, 1) != ARCHIVE_OK ||
            archive_write_open(writer->archive, writer, NULL, write_out, NULL) != ARCHIVE_OK)
                return failed(writer, reterr);
        return 0;
}

int tarball_writer_new(const char *what, int fd, int level, int64_t time_sec,
                       struct tarball_writer **ret, struct error *reterr)
{
        struct tarball_writer *writer = calloc(1, sizeof *writer);
        int r;

        if (!writer)
                return error_oom(reterr);
        writer->what = what;
        writer->fd = fd;
        writer->time = (time_t) time_sec;
        r = begin(writer, level, reterr);
        if (r < 0)
                (void) tarball_writer_free(writer);
        else
                *ret = writer;
        return r;
}

struct tarball_writer *tarball_writer_free(struct tarball_writer *writer)
{
        if (!writer)
                return NULL;
        if (!writer->finished) /* what libarchive still holds is thrown away */
                writer->failure = -ECANCELED;
        archive_entry_free(writer->entry);
        (void) archive_write_free(writer->archive);
        tarball_list_done(&writer->list);
        free(writer);
        return NULL;
}

/* ---- Members ---------------------------------------------------------------------------- */

static int begin_member(struct tarball_writer *writer, const char *name, uint64_t size,
                        struct error *reterr)
{
        if (strlen(name) >= TARBALL_NAME_MAX)
                return error_set(reterr, -ENAMETOOLONG, "the %s cannot hold %s", writer->what,
                                 name);
        writer->member = (struct tarball_member){ .size = size };
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

static int write_bytes(struct tarball_writer *writer, const void *data, size_t len,
                       struct error *reterr)
{
        (void) crypto_hash_sha256_update(&writer->hash, data, len);
        return check(writer,
                     len == 0 ||
                             archive_write_data(writer->archive, data, len) == (la_ssize_t) len,
                     reterr);
}

static int end_member(struct tarball_writer *writer, struct error *reterr)
{
        int r = check(writer, archive_write_finish_entry(writer->archive) == ARCHIVE_OK, reterr);

        (void) crypto_hash_sha256_final(&writer->hash, writer->member.sha256);
        return r < 0 ? r : tarball_list_add(&writer->list, &writer->member, reterr);
}

int tarball_add_bytes(struct tarball_writer *writer, const char *name, const void *data, size_t len,
                      struct error *reterr)
{
        int r = begin_member(writer, name, len, reterr);

        if (r == 0)
                r = write_bytes(writer, data, len, reterr);
        return r < 0 ? r : end_member(writer, reterr);
}

int tarball_add_file(struct tarball_writer *writer, const char *name, int fd, uint64_t from,
                     uint64_t size, struct error *reterr)
{
        char block[16 << 10];
        uint64_t done = 0;
        int r = begin_member(writer, name, size, reterr);

        while (r == 0 && done < size) {
                size_t wanted = size - done < sizeof block ? (size_t) (size - done) : sizeof block;
                ssize_t n = pread(fd, block, wanted, (off_t) (from + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return error_set_errno(reterr, n < 0 ? -errno : -EIO, "cannot read %s",
                                               name);
                r = write_bytes(writer, block, (size_t) n, reterr);
                done += (uint64_t) n;
        }
        return r < 0 ? r : end_member(writer, reterr);
}

int tarball_add_manifest(struct tarball_writer *writer, struct error *reterr)
{
        cleanup_(buf_done) struct buf manifest = BUF_EMPTY;

        tarball_list_manifest(&writer->list, &manifest);
        if (buf_failed(&manifest))
                return error_oom(reterr);
        return tarball_add_bytes(writer, "MANIFEST.json", buf_text(&manifest), manifest.len,
                                 reterr);
}

const struct tarball_list *tarball_added(const struct tarball_writer *writer)
{
        return &writer->list;
}

int tarball_finish(struct tarball_writer *writer, struct error *reterr)
{
        int r = check(writer, archive_write_close(writer->archive) == ARCHIVE_OK, reterr);

        writer->finished = r == 0;
        return r;
}
