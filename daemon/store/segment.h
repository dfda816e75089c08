/* SPDX-License-Identifier: Apache-2.0 */
/* The vector segments of one generation: files vectors.0001, vectors.0002, …, each a header
 * page and then records of the same stride, one per slot:
 *
 *     float32[dimensions]  u32 docver  u32 ordinal  u32 crc32c  padding to 64 bytes
 *
 * The checksum covers the slot's number and what stands before it, so a record in the wrong
 * place is as bad as a flipped bit.  Numbers are in the byte order of the machine that wrote;
 * another machine's file is refused.  How many records a segment has room for follows from the
 * dimensions, so a slot's place is arithmetic.
 *
 * Each file is mapped once, read-only and as long as it may ever grow; what lies at or beyond
 * the committed slots must not be touched, for the file may end there.  Mappings stay where they
 * are until segments_close(): readers keep a description made by the writer, and what they read
 * of struct segments itself never changes.
 *
 * One writer; any number of readers of committed slots. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEGMENT_VERSION 1
#define SEGMENT_HEADER_BYTES 4096
#define SEGMENT_RECORDS_BYTES (UINT64_C(64) << 20) /* at most, of one segment */

struct segments;

struct segment_record {
        const float *vector;
        uint32_t docver, ordinal;
};

/* Maps the segments that hold the first `committed` slots and cuts off what lies behind them.
 * -EBADMSG: a segment is missing, too short, or not of this shape; -EPROTONOSUPPORT: a newer
 * format.  `folder` is the path of `dirfd` for messages; both are copied. */
int segments_open(int dirfd, const char *folder, uint32_t dimensions, uint32_t committed,
                  struct segments **ret, struct error *reterr);
struct segments *segments_close(struct segments *segments);
DEFINE_CLEANUP(struct segments *, segments_close)

/* Writes the records of slots [first_slot, first_slot + n) and makes them durable.  Slots at or
 * behind first_slot may have been written before, when that was not committed. */
int segments_append(struct segments *segments, uint32_t first_slot,
                    const struct segment_record *records, size_t n, struct error *reterr);

/* After a failed append: forgets the open tail, so that the next append opens it afresh. */
void segments_recover(struct segments *segments);

/* How many index_segments describe `committed` slots, and (the writer only) filling them. */
size_t segments_count(const struct segments *segments, uint32_t committed);
void segments_describe(const struct segments *segments, uint32_t committed,
                       struct index_segment *ret);

/* Of a slot that `described` holds. */
uint32_t segments_docver(const struct segments *segments, const struct index_segment *described,
                         uint32_t slot);
uint32_t segments_ordinal(const struct segments *segments, const struct index_segment *described,
                          uint32_t slot);
/* -EBADMSG: the record's checksum is wrong. */
int segments_check(const struct segments *segments, const struct index_segment *described,
                   uint32_t slot, struct error *reterr);

/* Reads all records up to `committed` with read(2), so that a disk that cannot read gives -EIO;
 * -EBADMSG names the first damaged slot. */
int segments_scrub(const struct segments *segments, uint32_t committed, struct error *reterr);
