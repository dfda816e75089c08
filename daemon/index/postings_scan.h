/* SPDX-License-Identifier: Apache-2.0 */
/* The best documents of one segment for the terms of a question.
 *
 * Documents are looked at window by window.  Of each term the window's blocks tell the most that
 * it can add to a score there (Ding and Suel 2011).  Terms that together cannot lift a document
 * above the worst that is kept are not essential (Turtle and Flood 1995, "Query evaluation:
 * strategies and optimizations": MaxScore): the postings of the others are added up, and only
 * documents whose sum may still be enough are looked for in the rest.  MaxScore and not WAND,
 * because it does little for each posting, and whole questions have many terms: WAND sorts its
 * terms anew for each document. */
#pragma once
#include "index/best.h"
#include "index/postings.h"
#include "index/postings_cursor.h"

struct postings_scan_list {
        struct postings_segment *segment; /* what holds the list; borrowed */
        struct postings_list list; /* documents 0: nothing */
};

struct postings_scan_query {
        const struct bm25_query *query;
        size_t n; /* terms, up to BM25_QUERY_TERMS_MAX */
        const double *weights; /* of each term: idf * (k1 + 1), above 0 */
        double average; /* length of the documents of all segments */
};

struct postings_scan; /* memory that the segments of a search use one after the other */

/* `query` is borrowed; NULL: no memory. */
struct postings_scan *postings_scan_new(const struct postings_scan_query *query);
void postings_scan_free(struct postings_scan *scan);
DEFINE_CLEANUP(struct postings_scan *, postings_scan_free)

/* Offers to `best` what the segment has, by rising slot; its lists are those of each term.
 * Segments come by rising slot.  -EBADMSG: damaged; or what the query's check returned. */
int postings_scan_segment(struct postings_scan *scan, const struct postings_segment *segment,
                          const struct postings_scan_list *lists, struct best *best,
                          struct error *reterr);
uint64_t postings_scan_candidates(const struct postings_scan *scan);
