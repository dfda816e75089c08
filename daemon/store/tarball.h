/* SPDX-License-Identifier: Apache-2.0 */
/* tar.gz files that plain tar reads, written in one way and read strictly: what bundles of releases
 * and archives of tenants are made of.
 *
 * One gzip member of ustar headers for regular files.  MANIFEST.json, the last member, has one
 * spelling, which follows from the members before it: name, size and SHA-256 of each.  The reader
 * takes no link, device or extension header, no byte more or less, no second gzip member; which
 * names, sizes and order there may be is its user's to say before he takes a member's bytes, and
 * that none is there twice.  What it does not look at: time, level and system in gzip's header, and
 * which of its ways deflate took to spell the same bytes.
 *
 * Nothing here is shared between threads. */
#pragma once
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Members ---------------------------------------------------------------------------- */

#define TARBALL_NAME_MAX 128
#define TARBALL_DIGEST_BYTES 32

struct tarball_member {
        char name[TARBALL_NAME_MAX];
        uint64_t size;
        uint8_t sha256[TARBALL_DIGEST_BYTES];
};
struct tarball_list {
        struct tarball_member *members;
        size_t n, room;
};
void tarball_list_done(struct tarball_list *list);
int tarball_list_add(struct tarball_list *list, const struct tarball_member *member,
                     struct error *reterr);
const struct tarball_member *tarball_list_find(const struct tarball_list *list, const char *name);
/* The one spelling of SHA256SUMS and MANIFEST.json for these members. */
void tarball_list_sums(const struct tarball_list *list, struct buf *buf);
void tarball_list_manifest(const struct tarball_list *list, struct buf *buf);
/* -EBADMSG: `text`, a member called `path`, is not `wanted`, the spelling for `list` with
 * `lines_before` lines before that of its first member; the member that differs is named. */
int tarball_list_compare(const struct tarball_list *list, const char *path, const char *text,
                         size_t len, const struct buf *wanted, size_t lines_before,
                         struct error *reterr);

/* ---- Writing ---------------------------------------------------------------------------- */

struct tarball_writer;

/* `fd` is written from its position on; `what` ("bundle", borrowed) stands in messages; `level`: of
 * deflate, 1 to 9; `time_sec`: of all members. */
int tarball_writer_new(const char *what, int fd, int level, int64_t time_sec,
                       struct tarball_writer **ret, struct error *reterr);
/* Without tarball_finish(): what was written stays a file that is cut off. */
struct tarball_writer *tarball_writer_free(struct tarball_writer *writer);
DEFINE_CLEANUP(struct tarball_writer *, tarball_writer_free)

int tarball_add_bytes(struct tarball_writer *writer, const char *name, const void *data, size_t len,
                      struct error *reterr);
/* Bytes [from, from + size) of `fd`.  -EIO: there are fewer. */
int tarball_add_file(struct tarball_writer *writer, const char *name, int fd, uint64_t from,
                     uint64_t size, struct error *reterr);
int tarball_add_manifest(struct tarball_writer *writer, struct error *reterr);
/* What was added so far. */
const struct tarball_list *tarball_added(const struct tarball_writer *writer);
/* Ends the archive; syncing `fd` is the caller's. */
int tarball_finish(struct tarball_writer *writer, struct error *reterr);

/* ---- Reading ---------------------------------------------------------------------------- */

struct tarball_reader;

int tarball_reader_new(const char *what, int fd, struct tarball_reader **ret,
                       struct error *reterr);
struct tarball_reader *tarball_reader_free(struct tarball_reader *reader);
DEFINE_CLEANUP(struct tarball_reader *, tarball_reader_free)

/* 1: the next member, its name and size (its digest comes with its bytes); 0: there is none, and
 * the end is as it should be.  The member before was taken.  -EBADMSG. */
int tarball_next(struct tarball_reader *reader, struct tarball_member *ret, struct error *reterr);
/* Its bytes, to `fd` (-1: nowhere), or to `buf`; then it is in the list. */
int tarball_take(struct tarball_reader *reader, int fd, struct error *reterr);
int tarball_take_bytes(struct tarball_reader *reader, struct buf *buf, struct error *reterr);
/* What was taken so far. */
const struct tarball_list *tarball_taken(const struct tarball_reader *reader);
