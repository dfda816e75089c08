/* SPDX-License-Identifier: Apache-2.0 */
#include "index/bm25_fts.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bm25 {
        sqlite3 *db; /* borrowed */
        struct text_analyzer *analyzer;
        sqlite3_stmt *add, *delete, *search;
};

static int fail(sqlite3 *db, struct error *reterr, const char *what)
{
        static const struct {
                int rc, code;
        } table[] = {
                { SQLITE_NOMEM, -ENOMEM },   { SQLITE_FULL, -ENOSPC },     { SQLITE_BUSY, -EBUSY },
                { SQLITE_LOCKED, -EBUSY },   { SQLITE_CORRUPT, -EBADMSG }, { SQLITE_NOTADB, -EBADMSG },
                { SQLITE_READONLY, -EROFS }, { SQLITE_TOOBIG, -EFBIG },
        };
        int rc = sqlite3_errcode(db) & 0xFF, code = -EIO;

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].rc == rc)
                        code = table[i].code;
        return error_set(reterr, code, "%s: %s", what, sqlite3_errmsg(db));
}

/* ---- The table -------------------------------------------------------------------------- */

int bm25_create(sqlite3 *db, const char *language, struct error *reterr)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *known = NULL;
        char sql[sizeof BM25_CREATE_SQL("") + 64];
        int r = text_analyzer_new(language, &known, reterr); /* and so it is plain letters */

        if (r < 0)
                return r;
        (void) snprintf(sql, sizeof sql, BM25_CREATE_SQL("%s"), language ? language : "none");
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
                return fail(db, reterr, "create the postings");
        return 0;
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct error *reterr)
{
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
                return fail(db, reterr, "prepare the postings");
        return 0;
}

int bm25_open(sqlite3 *db, const char *language, struct bm25 **ret, struct error *reterr)
{
        cleanup_(bm25_free_cleanup) struct bm25 *bm25 = calloc(1, sizeof *bm25);
        int r;

        if (!bm25)
                return error_oom(reterr);
        bm25->db = db;
        r = text_analyzer_new(language, &bm25->analyzer, reterr);
        if (r >= 0)
                r = prepare(db, "INSERT INTO postings(rowid, title, text) VALUES (?1, ?2, ?3)",
                            &bm25->add, reterr);
        if (r >= 0)
                r = prepare(db,
                            "INSERT INTO postings(postings, rowid, title, text)"
                            " VALUES ('delete', ?1, ?2, ?3)",
                            &bm25->delete, reterr);
        if (r >= 0)
                r = prepare(db,
                            "SELECT ragd_bm25(postings, ?2) FROM postings WHERE postings MATCH ?1",
                            &bm25->search, reterr);
        if (r < 0)
                return r;
        *ret = take_ptr(bm25);
        return 0;
}

void bm25_free(struct bm25 *bm25)
{
        if (!bm25)
                return;
        (void) sqlite3_finalize(bm25->add);
        (void) sqlite3_finalize(bm25->delete);
        (void) sqlite3_finalize(bm25->search);
        text_analyzer_free(bm25->analyzer);
        free(bm25);
}

static void rewind_statement(sqlite3_stmt *statement)
{
        (void) sqlite3_reset(statement);
        (void) sqlite3_clear_bindings(statement);
}

static int change(struct bm25 *bm25, sqlite3_stmt *statement, uint32_t slot, const char *title,
                  size_t title_len, const char *text, size_t text_len, struct error *reterr)
{
        int r = 0;

        if (title_len > INT_MAX || text_len > INT_MAX)
                return error_set(reterr, -EFBIG, "a text of more than 2 GiB");
        if (sqlite3_bind_int64(statement, 1, slot) != SQLITE_OK ||
            sqlite3_bind_text(statement, 2, title ? title : "", title ? (int) title_len : 0,
                              SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_bind_text(statement, 3, text, (int) text_len, SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_step(statement) != SQLITE_DONE)
                r = fail(bm25->db, reterr, "change the postings");
        rewind_statement(statement);
        return r;
}

int bm25_add(struct bm25 *bm25, uint32_t slot, const char *title, size_t title_len,
             const char *text, size_t text_len, struct error *reterr)
{
        return change(bm25, bm25->add, slot, title, title_len, text, text_len, reterr);
}

int bm25_delete(struct bm25 *bm25, uint32_t slot, const char *title, size_t title_len,
                const char *text, size_t text_len, struct error *reterr)
{
        return change(bm25, bm25->delete, slot, title, title_len, text, text_len, reterr);
}

/* ---- Questions -------------------------------------------------------------------------- */

/* Collects the distinct terms, without the stop words or with them. */
static int read_terms(struct bm25 *bm25, const struct bm25_query *query, bool stop_words,
                      struct text_term terms[static BM25_QUERY_TERMS_MAX], size_t *ret_n)
{
        struct text_terms iterator;
        struct text_term term;
        size_t n = 0;
        int r = 0;

        text_terms_begin(bm25->analyzer, TEXT_FOR_QUERY, query->text, query->len, &iterator);
        while (n < BM25_QUERY_TERMS_MAX && (r = text_terms_next(&iterator, &term)) > 0) {
                size_t i = 0;

                if (term.stop && !stop_words)
                        continue;
                while (i < n && (terms[i].prefix != term.prefix ||
                                 strcmp(terms[i].text, term.text) != 0))
                        i++;
                if (i == n)
                        terms[n++] = term;
        }
        *ret_n = n;
        return r < 0 ? r : 0;
}

/* Each term is one quoted string: FTS5's own language has no say. */
static void append_term(struct buf *match, const struct text_term *term)
{
        if (match->len > 0)
                buf_append_text(match, " OR ");
        buf_append_char(match, '"');
        for (uint32_t i = 0; i < term->len; i++) {
                if (term->text[i] == '"')
                        buf_append_char(match, '"');
                buf_append_char(match, term->text[i]);
        }
        buf_append_text(match, term->prefix ? "\" *" : "\"");
}

/* The MATCH expression; empty when the question holds no word. */
static int compile(struct bm25 *bm25, const struct bm25_query *query, struct bm25_search *search,
                   struct buf *match, struct error *reterr)
{
        cleanup_free_ struct text_term *terms = calloc(BM25_QUERY_TERMS_MAX, sizeof *terms);
        size_t n = 0;

        if (!terms || read_terms(bm25, query, false, terms, &n) < 0 ||
            (n == 0 && read_terms(bm25, query, true, terms, &n) < 0))
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                append_term(match, &terms[i]);
        search->terms = n;
        return buf_failed(match) ? error_oom(reterr) : 0;
}

static int run(struct bm25 *bm25, const struct buf *match, struct bm25_search *search,
               struct error *reterr)
{
        int rc, r = 0;

        if (sqlite3_bind_text(bm25->search, 1, match->data, (int) match->len, SQLITE_STATIC) !=
                    SQLITE_OK ||
            sqlite3_bind_pointer(bm25->search, 2, search, BM25_POINTER, NULL) != SQLITE_OK)
                r = fail(bm25->db, reterr, "bind the question");
        if (r == 0) {
                do
                        rc = sqlite3_step(bm25->search);
                while (rc == SQLITE_ROW);
                if (search->ended < 0)
                        r = error_set(reterr, search->ended, "the search was ended early");
                else if (rc != SQLITE_DONE)
                        r = fail(bm25->db, reterr, "search the postings");
        }
        rewind_statement(bm25->search);
        return r;
}

int bm25_search(struct bm25 *bm25, const struct bm25_query *query, struct index_hit *ret_hits,
                size_t *ret_count, struct index_stats *ret_stats, struct error *reterr)
{
        struct bm25_search search = { .query = query };
        struct buf match = BUF_EMPTY;
        int r;

        if (query->k < 1 || query->k > INDEX_K_MAX)
                return error_set(reterr, -EINVAL, "k is %u: 1 to %d can be asked for", query->k,
                                 INDEX_K_MAX);
        search.best = (struct best){ .hits = ret_hits, .room = query->k };
        r = compile(bm25, query, &search, &match, reterr);
        if (r == 0 && search.terms > 0)
                r = run(bm25, &match, &search, reterr);
        buf_done(&match);
        if (r < 0)
                return r;
        best_sort(&search.best);
        *ret_count = search.best.count;
        *ret_stats = (struct index_stats){ .candidates = search.candidates, .exhausted = true,
                                           .exact = true };
        return 0;
}
