/* SPDX-License-Identifier: Apache-2.0 */
/* A segment: the postings of the documents in a range of slots, immutable, the same bytes in
 * memory and in a file.  All numbers are in the machine's byte order; offsets count from the
 * beginning, so it works wherever it lies.
 *
 *     header      struct postings_header
 *     data        the blocks' bytes (postings_pack.h), one behind the other
 *     blocks      struct postings_block, each term's in a row, and one more for the end
 *     terms       struct postings_term, ascending by name, and one more for the end
 *     names       the terms' bytes, one behind the other
 *     lengths     u16 or u32 by document: one more than its terms; 0: the slot has no text
 *
 * A document is its slot less first_slot.  A block's bound is the smallest value, over its
 * postings, of norm / tf at the segment's own average length, rounded down: a score is at most
 * weight / (1 + bound), and at another average at most weight / (1 + bound * min(1, own average /
 * other average)).  So the bounds of a block-max index (Ding and Suel 2011, "Faster top-k
 * document retrieval using block-max indexes") hold while the collection changes, and are tight
 * while it changes little.
 *
 * A file may be damaged before postings_maintain() has compared its checksums.  Whatever is read
 * from one is checked where it is read; what does not fit is -EBADMSG, and the segment is
 * marked.  Wrong numbers that fit give wrong scores until then, nothing worse.
 *
 * Counted references from any thread; the rest is immutable. */
#pragma once
#include "base/error.h"
#include "index/postings_pack.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POSTINGS_MAGIC "RAGDPST\n"
#define POSTINGS_BYTE_ORDER 0x01020304U
#define POSTINGS_VERSION 1
#define POSTINGS_ALIGNMENT 64
#define POSTINGS_AREA_MAX (UINT32_MAX - (1U << 20)) /* bytes of data or names */

/* k1 and b of BM25. */
#define BM25_K1 1.5
#define BM25_B 0.75

enum postings_area {
        POSTINGS_DATA,
        POSTINGS_BLOCKS,
        POSTINGS_TERMS,
        POSTINGS_NAMES,
        POSTINGS_LENGTHS,
        POSTINGS_AREA_COUNT,
};

struct postings_header {
        char magic[8];
        uint32_t byte_order;
        uint32_t version;
        uint32_t text_rule; /* TEXT_RULE_VERSION */
        uint32_t first_slot, end_slot;
        uint32_t documents; /* slots with a text */
        uint32_t terms, blocks;
        uint32_t length_bytes; /* 2 or 4 */
        float average;         /* length that the bounds were made with */
        uint64_t length_sum;   /* of all documents */
        uint64_t bytes;        /* of the whole segment */
        char language[32];
        struct {
                uint64_t offset, bytes;
                uint32_t crc, zero;
        } areas[POSTINGS_AREA_COUNT];
        uint32_t zero;
        uint32_t crc; /* of what stands before */
};

struct postings_block {
        uint32_t last;   /* its last document */
        uint32_t offset; /* in the data */
        float bound;
};

struct postings_term {
        uint32_t name;      /* offset in the names */
        uint32_t documents; /* that hold it: so many in full blocks but for the last */
        uint32_t block;     /* its first */
};

struct postings_segment {
        atomic_uint refs;
        atomic_bool damaged; /* a search or a merge stumbled */
        bool busy;           /* a merge reads it: under the writer's lock */
        bool verified;       /* checksums were compared, or it was made here: the maintainer's */
        uint32_t number;     /* of its file; 0: it lies in memory */
        const uint8_t *base;
        size_t mapped; /* bytes to unmap; 0: `base` is heap */
        struct postings_header header;
        const uint8_t *data;
        const struct postings_block *blocks;
        const struct postings_term *terms;
        const char *names;
        const void *lengths;
};

/* A term of one segment: where its postings lie. */
struct postings_list {
        uint32_t documents, block, n_blocks;
};

/* Takes over `base`: heap memory where mapped is 0, else a mapping of as many bytes.  On failure
 * it stays the caller's.  -EBADMSG: damaged; -EPROTONOSUPPORT: a newer format; -EINVAL: of
 * another byte order, language or rule; -ENOMEM. */
int postings_segment_new(const uint8_t *base, size_t bytes, size_t mapped, const char *language,
                struct postings_segment **ret, struct error *reterr);
/* Of what was just written: takes over `base` in any case. */
int postings_segment_new_in_memory(uint8_t *base, size_t bytes, const char *language,
                                   struct postings_segment **ret, struct error *reterr);
struct postings_segment *postings_segment_ref(struct postings_segment *segment);
struct postings_segment *postings_segment_unref(struct postings_segment *segment);

/* Compares the checksums of [from, from + bytes) of the areas laid end to end; *crc goes on from
 * call to call, 0 at first.  1: more is left; 0: all is well; -EBADMSG. */
int postings_segment_verify(struct postings_segment *segment, uint64_t from, uint64_t bytes,
                            uint32_t *crc, struct error *reterr);

/* Marks the segment and says so. */
int postings_segment_is_damaged(struct postings_segment *segment, struct error *reterr);

/* By bytes, a beginning before what goes on. */
int postings_segment_compare_names(const char *a, size_t a_len, const char *b, size_t b_len);
/* The first term that is not below `name`: 0 to header.terms.  -EBADMSG. */
int postings_segment_find(struct postings_segment *segment, const char *name, size_t len,
                          uint32_t *ret_term, struct error *reterr);
/* Borrowed; -EBADMSG.  `term` is below header.terms. */
int postings_segment_name(struct postings_segment *segment, uint32_t term, const char **ret_name,
                          size_t *ret_len, struct error *reterr);
int postings_segment_list(struct postings_segment *segment, uint32_t term,
                          struct postings_list *ret, struct error *reterr);

/* Decodes block `at` of the list into documents below header.end_slot - first_slot; returns how
 * many, or -EBADMSG. */
int postings_segment_decode(struct postings_segment *segment, const struct postings_list *list,
                            uint32_t at, uint32_t ret_documents[static POSTINGS_BLOCK],
                            struct postings_frequencies *ret_frequencies, struct error *reterr);

/* What `lengths` says of the document. */
static inline uint32_t postings_segment_length(const void *lengths, uint32_t length_bytes,
                                               uint32_t document)
{
        return length_bytes == 2 ? ((const uint16_t *) lengths)[document]
                                 : ((const uint32_t *) lengths)[document];
}

static inline uint32_t postings_segment_slots(const struct postings_segment *segment)
{
        return segment->header.end_slot - segment->header.first_slot;
}
