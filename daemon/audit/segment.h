/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the log: names, lists, lines read forwards and backwards with a window of 64 KiB,
 * never a whole segment.  A line that is longer than any the log writes is given as an empty one,
 * so that nobody takes a piece of it for a line. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_NUMBER_MAX 999999
#define SEGMENT_NAME_SIZE 16

/* "000042.jsonl"; returns `ret`. */
const char *segment_name(uint32_t number, char ret[static SEGMENT_NAME_SIZE]);
/* The numbers of those that are there, rising; *ret is the caller's to free. */
int segment_list(int dirfd, uint32_t **ret, size_t *ret_n, struct error *reterr);
/* Opens one for reading; a descriptor, or a negative errno.  -EINVAL: no regular file. */
int segment_open(int dirfd, uint32_t number, struct error *reterr);
/* Its first `bytes` bytes as a file of its own in place of it: what was synced, without what could
 * not be.  A descriptor for reading and writing. */
int segment_rewrite(int dirfd, uint32_t number, uint64_t bytes, struct error *reterr);

struct segment_line {
        const char *text; /* without its newline; borrowed until the next call */
        size_t len;
        uint64_t offset;  /* of its first byte */
        bool whole;       /* it ends in a newline */
};

struct segment_reader;
/* Takes the descriptor, also on failure. */
int segment_reader_new(int takes_fd, struct segment_reader **ret, struct error *reterr);
struct segment_reader *segment_reader_free(struct segment_reader *reader);
DEFINE_CLEANUP(struct segment_reader *, segment_reader_free)

/* Where the next line begins, or the one before ends. */
void segment_reader_seek(struct segment_reader *reader, uint64_t offset);
/* To the end of the file as it is now. */
int segment_reader_seek_end(struct segment_reader *reader, struct error *reterr);
uint64_t segment_reader_tell(const struct segment_reader *reader);
/* 1: a line; 0: no more. */
int segment_reader_next(struct segment_reader *reader, struct segment_line *ret,
                        struct error *reterr);
int segment_reader_previous(struct segment_reader *reader, struct segment_line *ret,
                            struct error *reterr);
