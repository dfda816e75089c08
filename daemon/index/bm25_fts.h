/* SPDX-License-Identifier: Apache-2.0 */
/* What bm25.c and bm25_fts.c share: the state of one search, which our FTS5 function fills
 * row by row.  Nobody else includes it. */
#pragma once
#include "index/best.h"
#include "index/bm25.h"

#define BM25_POINTER "ragd_bm25" /* the type name of the pointer that is bound to the query */

struct bm25_search {
        const struct bm25_query *query;
        size_t terms; /* phrases of the MATCH expression */
        struct best best;
        uint64_t candidates;
        int ended; /* what the caller's check returned */

        bool weighed; /* the fields below hold */
        double weight[BM25_QUERY_TERMS_MAX]; /* inverse document frequency */
        double average_length;
        double frequency[BM25_QUERY_TERMS_MAX]; /* of the row at hand */
};
