/* SPDX-License-Identifier: Apache-2.0 */
/* BM25 over an FTS5 table of SQLite, with our terms and our score: what the postings of
 * index/postings.h are compared with.
 *
 * The table lies in memory and is contentless: a slot's title and text must be given again to
 * delete it.  One thread at a time. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/postings.h"

struct bm25_fts5;

/* `language` as text_analyzer_new() takes it. */
int bm25_fts5_new(const char *language, struct bm25_fts5 **ret, struct error *reterr);
void bm25_fts5_free(struct bm25_fts5 *fts);
DEFINE_CLEANUP(struct bm25_fts5 *, bm25_fts5_free)

/* Many changes between these two are one transaction. */
void bm25_fts5_begin(struct bm25_fts5 *fts);
void bm25_fts5_commit(struct bm25_fts5 *fts);

/* A slot must not be there already. */
int bm25_fts5_add(struct bm25_fts5 *fts, const struct postings_text *text, struct error *reterr);
/* Exactly the title and text with which the slot was added. */
int bm25_fts5_delete(struct bm25_fts5 *fts, const struct postings_text *text,
                     struct error *reterr);

/* As postings_search(); `candidates` are the rows that hold any of the words. */
int bm25_fts5_search(struct bm25_fts5 *fts, const struct bm25_query *query,
                     struct index_hit *ret_hits, size_t *ret_count, struct index_stats *ret_stats,
                     struct error *reterr);
