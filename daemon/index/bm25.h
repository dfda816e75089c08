/* SPDX-License-Identifier: Apache-2.0 */
/* Best passages by their words: Okapi BM25 (Robertson and Zaragoza 2009, "The Probabilistic
 * Relevance Framework") over the terms of base/text.h.
 *
 * The postings lie in an FTS5 table of the generation's database, written with a tokenizer and
 * scored with a function of our own; nothing of FTS5's query language is reachable from
 * outside.  The table is contentless: a slot's title and text must be given again to delete
 * it.  A slot that is not live, not committed or not in the filter is left out before the best
 * k are chosen.
 *
 * Everything belongs to one SQLite connection and is used by one thread at a time. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/postings.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Creates the table `postings`; `language` is a string literal as text_analyzer_new() takes it.
 * Runs on a connection on which bm25_register() was called. */
#define BM25_CREATE_SQL(language)                                                      \
        "CREATE VIRTUAL TABLE postings USING fts5(title, text, content='', "           \
        "tokenize='ragd " language "');"

/* Teaches a connection the tokenizer and the score.  Comes before any statement that touches
 * the table; once per connection.  -ENOTSUP: this SQLite lacks FTS5. */
int bm25_register(sqlite3 *db, struct error *reterr);

/* The same table as BM25_CREATE_SQL for a language known at run time.  -EINVAL: unknown
 * language. */
int bm25_create(sqlite3 *db, const char *language, struct error *reterr);

struct bm25;

/* Prepares the statements on `db`, which is borrowed and outlives it; `language` is the one the
 * table was created with. */
int bm25_open(sqlite3 *db, const char *language, struct bm25 **ret, struct error *reterr);
void bm25_free(struct bm25 *bm25);
DEFINE_CLEANUP(struct bm25 *, bm25_free)

/* Within the caller's transaction.  `title` may be NULL.  A slot must not be there already. */
int bm25_add(struct bm25 *bm25, uint32_t slot, const char *title, size_t title_len,
             const char *text, size_t text_len, struct error *reterr);

/* Exactly the title and text with which the slot was added. */
int bm25_delete(struct bm25 *bm25, uint32_t slot, const char *title, size_t title_len,
                const char *text, size_t text_len, struct error *reterr);

/* The best k slots that hold any of the question's words, stop words set aside unless there is
 * nothing else: sorted by falling score (always above 0), ties by rising slot.  `ret_hits` has
 * room for k.  A question without words finds nothing and is no error.  -EINVAL: k out of
 * range; -EIO, -EBADMSG, -EBUSY: what SQLite reports; or what the check returned. */
int bm25_search(struct bm25 *bm25, const struct bm25_query *query, struct index_hit *ret_hits,
                size_t *ret_count, struct index_stats *ret_stats, struct error *reterr);
