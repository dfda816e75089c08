/* SPDX-License-Identifier: Apache-2.0 */
/* Where a term stands in its list of one segment, and what its postings add to scores.
 *
 * Each posting's share of a score is rounded to a multiple of one small number (some 2^-50 of
 * what all terms can add), so that sums are exact whatever their order: documents with the same
 * words and lengths have the same score.
 *
 * One search's, so one thread's; nothing to free. */
#pragma once
#include "base/error.h"
#include "index/postings_segment.h"

/* What scores are worked out with. */
struct postings_scoring {
        double norm, norm_per_term; /* k1 * (1 - b), k1 * b / average */
        double rounding; /* adding it and taking it off again leaves a multiple of `unit` */
        double unit;
        const void *lengths; /* of the segment's documents */
        uint32_t length_bytes;
        uint64_t decoded; /* postings, so far */
};

/* For terms of these weights, idf * (k1 + 1), in texts of this average length. */
void postings_scoring_init(struct postings_scoring *scoring, const double *weights, size_t n,
                           double average);

struct postings_cursor {
        struct postings_segment *segment; /* NULL: it does not hold the term */
        struct postings_list list;
        const struct postings_block *blocks;
        double weight, drift; /* what bounds are multiplied with */
        double most;          /* that it can add to a score in the window */
        uint32_t postings;    /* in the blocks of the window, about */
        uint32_t block;       /* the first that is not below the window, or the last looked at */
        uint32_t decoded;     /* which block `documents` holds */
        uint32_t n, at;
        bool worked_out; /* `shares` are those of `documents` */
        struct postings_frequencies frequencies;
        uint32_t documents[POSTINGS_BLOCK];
        double shares[POSTINGS_BLOCK];
};

/* `average` is that of the segment against that of all: bounds were made with the one. */
void postings_cursor_begin(struct postings_cursor *cursor, struct postings_segment *segment,
                           const struct postings_list *list, double weight, double average);

/* Finds the most that the term can add in [begin, end) of the documents, what is rounded on the
 * way included, and how many postings there are; 0: none.  Windows come one after the other. */
void postings_cursor_enter(struct postings_cursor *cursor, const struct postings_scoring *scoring,
                           uint32_t begin, uint32_t end);

/* Adds the shares of all postings in [begin, end), the window, to sums[document - begin].
 * -EBADMSG. */
int postings_cursor_add(struct postings_cursor *cursor, struct postings_scoring *scoring,
                        uint32_t begin, uint32_t end, double *sums, struct error *reterr);

/* Adds the share of one document of the window, if it holds the term, to *sum.  Documents come by
 * rising number.  -EBADMSG. */
int postings_cursor_look(struct postings_cursor *cursor, struct postings_scoring *scoring,
                         uint32_t document, double *sum, struct error *reterr);
