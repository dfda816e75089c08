/* SPDX-License-Identifier: Apache-2.0 */
/* gzip and the blocks of the tar are checked as they pass; libarchive says what a header holds. */
#include "store/tarball_inside.h"

#include "base/io.h"

#include <archive.h>
#include <archive_entry.h>
#include <sodium.h>
#include <string.h>

#define END_BYTES_MAX (64U << 10U) /* of zeros behind the last member */

struct tarball_reader {
        const char *what;
        struct gunzip *gunzip;
        struct tarball_blocks blocks;
        struct archive *archive;
        struct error fault; /* of the input, since libarchive passes none through */
        uint64_t at;        /* where the next header must begin */
        struct tarball_member member; /* the present one */
        struct tarball_list list;
};

struct tarball_reader *tarball_reader_free(struct tarball_reader *reader)
{
        if (!reader)
                return NULL;
        (void) archive_read_free(reader->archive);
        gunzip_free(reader->gunzip);
        tarball_list_done(&reader->list);
        free(reader);
        return NULL;
}

static int next_bytes(struct tarball_reader *reader, const void **ret, size_t *ret_len,
                      struct error *reterr)
{
        int r = gunzip_read(reader->gunzip, ret, ret_len, reterr);

        return r < 0 ? r : tarball_blocks_pass(&reader->blocks, *ret, *ret_len, reterr);
}

static la_ssize_t read_in(struct archive *archive, void *data, const void **ret)
{
        struct tarball_reader *reader = data;
        size_t len = 0;
        int r = next_bytes(reader, ret, &len, &reader->fault);

        if (r == 0)
                return (la_ssize_t) len;
        archive_set_error(archive, -r, "cannot read it");
        return -1;
}

static int failed(const struct tarball_reader *reader, struct error *reterr)
{
        const char *text = archive_error_string(reader->archive);

        if (reader->fault.code < 0) {
                if (reterr)
                        *reterr = reader->fault;
                return reader->fault.code;
        }
        if (archive_errno(reader->archive) == ENOMEM)
                return error_oom(reterr);
        return error_set(reterr, -EBADMSG, "the %s's tar is damaged%s%.128s", reader->what,
                         text ? ": " : "", text ? text : "");
}

/* A fault in a member's bytes is told with its name. */
static int failed_within(const struct tarball_reader *reader, struct error *reterr)
{
        int r = failed(reader, reterr);

        return r == -EBADMSG ? error_prefix(reterr, r, "%s", reader->member.name) : r;
}

int tarball_reader_new(const char *what, int fd, struct tarball_reader **ret,
                       struct error *reterr)
{
        cleanup_(tarball_reader_free_cleanup) struct tarball_reader *reader =
                calloc(1, sizeof *reader);
        int r;

        if (!reader)
                return error_oom(reterr);
        reader->what = reader->blocks.what = what;
        r = gunzip_new(what, fd, &reader->gunzip, reterr);
        if (r < 0)
                return r;
        reader->archive = archive_read_new();
        if (!reader->archive)
                return error_oom(reterr);
        if (archive_read_support_format_tar(reader->archive) != ARCHIVE_OK ||
            archive_read_open(reader->archive, reader, NULL, read_in, NULL) != ARCHIVE_OK)
                return failed(reader, reterr);
        *ret = take_ptr(reader);
        return 0;
}

/* ---- Members ---------------------------------------------------------------------------- */

/* The same again that the blocks were checked for, as libarchive understood it. */
static int check_entry(const struct tarball_reader *reader, struct archive_entry *entry,
                       const char *name, struct error *reterr)
{
        if (archive_format(reader->archive) == ARCHIVE_FORMAT_TAR_USTAR &&
            archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry) &&
            !archive_entry_symlink(entry) && archive_entry_size_is_set(entry) &&
            archive_entry_size(entry) >= 0 && archive_entry_sparse_count(entry) == 0 &&
            archive_read_header_position(reader->archive) == (la_int64_t) reader->at)
                return 0;
        return error_set(reterr, -EBADMSG, "%.64s: it is not a plain file", name);
}

/* Nothing but the zeros that end a tar. */
static int check_end(struct tarball_reader *reader, struct error *reterr)
{
        for (;;) {
                const void *data;
                size_t len = 0;
                int r = next_bytes(reader, &data, &len, reterr);

                if (r < 0)
                        return r;
                if (gunzip_total(reader->gunzip) > reader->at + END_BYTES_MAX)
                        return error_set(reterr, -EBADMSG,
                                         "something follows the last member of the %s",
                                         reader->what);
                if (len == 0)
                        break;
        }
        if (gunzip_total(reader->gunzip) < reader->at + 2 * (uint64_t) TARBALL_BLOCK)
                return error_set(reterr, -EBADMSG, "the %s's tar has no end", reader->what);
        return 0;
}

int tarball_next(struct tarball_reader *reader, struct tarball_member *ret, struct error *reterr)
{
        struct archive_entry *entry;
        const char *name;
        uint64_t size;
        int r, a = archive_read_next_header(reader->archive, &entry);

        if (a == ARCHIVE_EOF && reader->fault.code == 0)
                return check_end(reader, reterr);
        if (a != ARCHIVE_OK)
                return failed(reader, reterr);
        name = archive_entry_pathname(entry);
        if (!name)
                return error_set(reterr, -EBADMSG, "a member of the %s has no name",
                                 reader->what);
        r = check_entry(reader, entry, name, reterr);
        if (r < 0)
                return r;
        if (strlen(name) >= TARBALL_NAME_MAX)
                return error_set(reterr, -EBADMSG, "%.64s: no %s has a member of this name", name,
                                 reader->what);
        size = (uint64_t) archive_entry_size(entry);
        reader->member = (struct tarball_member){ .size = size };
        (void) strcpy(reader->member.name, name);
        reader->at += TARBALL_BLOCK +
                      (size + TARBALL_BLOCK - 1) / TARBALL_BLOCK * TARBALL_BLOCK;
        *ret = reader->member;
        return 1;
}

static int hand_on(const struct tarball_member *member, int fd, struct buf *buf, const void *data,
                   size_t len, struct error *reterr)
{
        int r = fd >= 0 ? io_write_all(fd, data, len) : 0;

        if (r < 0)
                return error_set_errno(reterr, r, "cannot unpack %s", member->name);
        if (buf)
                buf_append(buf, data, len);
        return 0;
}

static int take(struct tarball_reader *reader, int fd, struct buf *buf, struct error *reterr)
{
        struct tarball_member *member = &reader->member;
        crypto_hash_sha256_state hash;
        uint64_t done = 0;

        (void) crypto_hash_sha256_init(&hash);
        for (;;) {
                const void *data;
                la_int64_t offset;
                size_t len;
                int r = archive_read_data_block(reader->archive, &data, &len, &offset);

                if (r == ARCHIVE_EOF)
                        break;
                if (r != ARCHIVE_OK)
                        return failed_within(reader, reterr);
                if ((uint64_t) offset != done || len > member->size - done)
                        return error_set(reterr, -EBADMSG, "%s: it is sparse", member->name);
                r = hand_on(member, fd, buf, data, len, reterr);
                if (r < 0)
                        return r;
                (void) crypto_hash_sha256_update(&hash, data, len);
                done += len;
        }
        if (done != member->size)
                return error_set(reterr, -EBADMSG, "%s: it is cut off", member->name);
        (void) crypto_hash_sha256_final(&hash, member->sha256);
        return tarball_list_add(&reader->list, member, reterr);
}

int tarball_take(struct tarball_reader *reader, int fd, struct error *reterr)
{
        return take(reader, fd, NULL, reterr);
}

int tarball_take_bytes(struct tarball_reader *reader, struct buf *buf, struct error *reterr)
{
        int r = take(reader, -1, buf, reterr);

        return r == 0 && buf_failed(buf) ? error_oom(reterr) : r;
}

const struct tarball_list *tarball_taken(const struct tarball_reader *reader)
{
        return &reader->list;
}
