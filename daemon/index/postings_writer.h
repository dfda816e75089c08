/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a segment, into memory or into a file: terms in ascending order, each with its
 * documents in ascending order.  What fails is remembered and said at the end.
 *
 * One thread; memory is the writer's until postings_writer_end(). */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "index/postings_segment.h"

struct postings_writer {
        int fd; /* -1: into memory; borrowed */
        struct postings_header header;
        const void *lengths; /* as they will lie in the segment; borrowed */
        struct buf data, blocks, terms, names;
        uint64_t flushed; /* bytes of the data that are in the file */
        uint32_t data_crc;
        int failure;

        uint32_t documents[POSTINGS_BLOCK], frequencies[POSTINGS_BLOCK]; /* the block at hand */
        uint32_t n, base;
        uint32_t term_documents;
        double norm_per_term; /* k1 * b / average */
        double bound;
};

/* `lengths` is as it will lie in the segment of [first_slot, end_slot), and borrowed until the
 * end. */
void postings_writer_begin(struct postings_writer *writer, int fd, const char *language,
                           uint32_t first_slot, uint32_t end_slot, const void *lengths,
                           uint32_t length_bytes);

/* The postings of a term, then its name: a term without any leaves no trace. */
void postings_writer_add(struct postings_writer *writer, uint32_t document, uint32_t frequency);
void postings_writer_term(struct postings_writer *writer, const char *name, size_t len);

/* Ends the segment.  In memory: *ret_base is its heap memory, aligned, of *ret_bytes.  In a file
 * both are left alone, and nothing was synced yet.  -EFBIG: more than a segment can hold;
 * -ENOMEM; what the disk says. */
int postings_writer_end(struct postings_writer *writer, uint8_t **ret_base, size_t *ret_bytes,
                        struct error *reterr);
void postings_writer_done(struct postings_writer *writer);

/* One list alone, over the documents of `segment`, which it borrows: of *ret only the data and
 * the blocks, which are heap, the lengths and what the header says of documents are there. */
void postings_writer_begin_list(struct postings_writer *writer,
                                const struct postings_segment *segment);
int postings_writer_end_list(struct postings_writer *writer, struct postings_segment **ret,
                             struct postings_list *ret_list, struct error *reterr);
