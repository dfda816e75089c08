/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/bm25_fts5.h"

#include "base/buf.h"
#include "base/text.h"
#include "index/best.h"

#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define K1 1.5
#define B 0.75
#define CHECK_EVERY 1024 /* rows between two calls of the caller's check */
#define POINTER "ragd_bm25" /* the type name of the pointer that is bound to the query */

struct bm25_fts5 {
        sqlite3 *db;
        struct text_analyzer *analyzer;
        sqlite3_stmt *add, *delete, *search;
};

/* One search, which the function below fills row by row. */
struct search {
        const struct bm25_query *query;
        size_t n; /* phrases of the MATCH expression */
        struct best best;
        uint64_t candidates;
        int ended; /* what the caller's check returned */

        bool weighed; /* the fields below hold */
        double weight[BM25_QUERY_TERMS_MAX]; /* inverse document frequency */
        double average_length;
        double frequency[BM25_QUERY_TERMS_MAX]; /* of the row at hand */
};

static int fail(sqlite3 *db, struct error *reterr, const char *what)
{
        int code = sqlite3_errcode(db) == SQLITE_NOMEM ? -ENOMEM : -EIO;

        return error_set(reterr, code, "%s: %s", what, sqlite3_errmsg(db));
}

/* ---- What FTS5 is taught: our tokenizer and our score ------------------------------------ */

static const double column_weights[] = { 2.0, 1.0 }; /* title, text */

/* ---- Tokenizer -------------------------------------------------------------------------- */

static int tokenizer_create(void *context, const char **arguments, int n, Fts5Tokenizer **ret)
{
        struct text_analyzer *analyzer;
        int r = text_analyzer_new(n > 0 ? arguments[0] : "english", &analyzer, NULL);

        (void) context;
        if (r < 0)
                return r == -ENOMEM ? SQLITE_NOMEM : SQLITE_ERROR;
        *ret = (Fts5Tokenizer *) analyzer;
        return SQLITE_OK;
}

static void tokenizer_delete(Fts5Tokenizer *tokenizer)
{
        text_analyzer_free((struct text_analyzer *) tokenizer);
}

typedef int (*emit_token)(void *context, int flags, const char *token, int len, int start,
                          int end);

/* Documents are cut into terms.  A query's strings are terms already, one each: stemming a
 * stem again could make another word of it. */
static int tokenizer_run(Fts5Tokenizer *tokenizer, void *context, int flags, const char *text,
                         int len, emit_token emit)
{
        struct text_terms terms;
        struct text_term term;
        int r;

        if (!text || len <= 0)
                return SQLITE_OK;
        if (flags & FTS5_TOKENIZE_QUERY)
                return emit(context, 0, text, len, 0, len);
        text_terms_begin((struct text_analyzer *) tokenizer, TEXT_FOR_DOCUMENT, text, (size_t) len,
                         &terms);
        while ((r = text_terms_next(&terms, &term)) > 0) {
                int rc = emit(context, 0, term.text, (int) term.len, (int) term.start,
                              (int) term.end);

                if (rc != SQLITE_OK)
                        return rc;
        }
        return r < 0 ? SQLITE_NOMEM : SQLITE_OK;
}

/* ---- Score ------------------------------------------------------------------------------ */

static int count_row(const Fts5ExtensionApi *api, Fts5Context *fts, void *userdata)
{
        (void) api;
        (void) fts;
        (*(uint64_t *) userdata)++;
        return SQLITE_OK;
}

/* Once per search: how rare each term is, how long a row is on average. */
static int weigh(const Fts5ExtensionApi *api, Fts5Context *fts, struct search *search)
{
        sqlite3_int64 rows = 0, total = 0;
        int rc = api->xRowCount(fts, &rows);

        if (rc == SQLITE_OK)
                rc = api->xColumnTotalSize(fts, -1, &total);
        search->average_length = rows > 0 && total > 0 ? (double) total / (double) rows : 1.0;
        for (size_t i = 0; rc == SQLITE_OK && i < search->n; i++) {
                uint64_t holding = 0;

                rc = api->xQueryPhrase(fts, (int) i, &holding, count_row);
                search->weight[i] = log1p(((double) rows - (double) holding + 0.5) /
                                          ((double) holding + 0.5));
        }
        search->weighed = rc == SQLITE_OK;
        return rc;
}

static bool wanted(const struct bm25_query *query, sqlite3_int64 row)
{
        uint32_t slot = (uint32_t) row;

        if (row < 0 || row >= (sqlite3_int64) query->committed)
                return false;
        return (!query->live || roaring_bitmap_contains(query->live, slot)) &&
               (!query->filter || roaring_bitmap_contains(query->filter, slot));
}

/* Scores the row that FTS5 stands on and offers it. */
static int score_row(const Fts5ExtensionApi *api, Fts5Context *fts, struct search *search)
{
        double score = 0.0, damping;
        int instances = 0, length = 0;
        int rc = api->xInstCount(fts, &instances);

        if (rc == SQLITE_OK)
                rc = api->xColumnSize(fts, -1, &length);
        if (rc != SQLITE_OK)
                return rc;
        memset(search->frequency, 0, search->n * sizeof search->frequency[0]);
        for (int i = 0; i < instances; i++) {
                int phrase, column, offset;

                rc = api->xInst(fts, i, &phrase, &column, &offset);
                if (rc != SQLITE_OK)
                        return rc;
                search->frequency[phrase] += column_weights[column];
        }
        damping = K1 * (1.0 - B + B * (double) length / search->average_length);
        for (size_t i = 0; i < search->n; i++)
                score += search->weight[i] * search->frequency[i] * (K1 + 1.0) /
                         (search->frequency[i] + damping);
        best_offer(&search->best, (struct index_hit){ (uint32_t) api->xRowid(fts), (float) score });
        return SQLITE_OK;
}

/* ragd_bm25(postings, pointer): called for each row that matches; its value is always NULL. */
static void bm25_function(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                          int n, sqlite3_value **values)
{
        struct search *search = n == 1 ? sqlite3_value_pointer(values[0], POINTER) : NULL;
        int rc = SQLITE_OK;

        if (!search) {
                sqlite3_result_error(context, "ragd_bm25() is not for queries by hand", -1);
                return;
        }
        if (!search->weighed)
                rc = weigh(api, fts, search);
        if (rc == SQLITE_OK && wanted(search->query, api->xRowid(fts)))
                rc = score_row(api, fts, search);
        if (++search->candidates % CHECK_EVERY == 0 && search->query->check.check) {
                search->ended = search->query->check.check(search->query->check.userdata);
                if (search->ended < 0)
                        rc = SQLITE_INTERRUPT;
        }
        if (rc != SQLITE_OK)
                sqlite3_result_error_code(context, rc);
}

static fts5_api *find_api(sqlite3 *db)
{
        sqlite3_stmt *statement = NULL;
        fts5_api *api = NULL;

        if (sqlite3_prepare_v2(db, "SELECT fts5(?1)", -1, &statement, NULL) == SQLITE_OK &&
            sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", NULL) == SQLITE_OK)
                (void) sqlite3_step(statement);
        (void) sqlite3_finalize(statement);
        return api;
}

static int teach(sqlite3 *db, struct error *reterr)
{
        fts5_tokenizer tokenizer = { tokenizer_create, tokenizer_delete, tokenizer_run };
        fts5_api *api = find_api(db);

        if (!api)
                return error_set(reterr, -ENOTSUP, "this SQLite was built without FTS5");
        if (api->xCreateTokenizer(api, "ragd", NULL, &tokenizer, NULL) != SQLITE_OK ||
            api->xCreateFunction(api, "ragd_bm25", NULL, bm25_function, NULL) != SQLITE_OK)
                return error_oom(reterr);
        return 0;
}

/* ---- The table -------------------------------------------------------------------------- */

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, struct error *reterr)
{
        if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL) != SQLITE_OK)
                return fail(db, reterr, "prepare the postings");
        return 0;
}

int bm25_fts5_new(const char *language, struct bm25_fts5 **ret, struct error *reterr)
{
        cleanup_(bm25_fts5_free_cleanup) struct bm25_fts5 *fts = calloc(1, sizeof *fts);
        char sql[160];
        int r;

        if (!fts)
                return error_oom(reterr);
        r = text_analyzer_new(language, &fts->analyzer, reterr);
        if (r < 0)
                return r;
        (void) snprintf(sql, sizeof sql, "CREATE VIRTUAL TABLE postings USING fts5(title, text,"
                                         " content='', tokenize='ragd %s')", language);
        if (sqlite3_open(":memory:", &fts->db) != SQLITE_OK)
                return error_oom(reterr);
        r = teach(fts->db, reterr);
        if (r == 0 && sqlite3_exec(fts->db, sql, NULL, NULL, NULL) != SQLITE_OK)
                r = fail(fts->db, reterr, "create the postings");
        if (r == 0)
                r = prepare(fts->db, "INSERT INTO postings(rowid, title, text) VALUES (?1, ?2, ?3)",
                            &fts->add, reterr);
        if (r == 0)
                r = prepare(fts->db, "INSERT INTO postings(postings, rowid, title, text)"
                                     " VALUES ('delete', ?1, ?2, ?3)", &fts->delete, reterr);
        if (r == 0)
                r = prepare(fts->db,
                            "SELECT ragd_bm25(postings, ?2) FROM postings WHERE postings MATCH ?1",
                            &fts->search, reterr);
        if (r == 0)
                *ret = take_ptr(fts);
        return r;
}

void bm25_fts5_free(struct bm25_fts5 *fts)
{
        if (!fts)
                return;
        (void) sqlite3_finalize(fts->add);
        (void) sqlite3_finalize(fts->delete);
        (void) sqlite3_finalize(fts->search);
        (void) sqlite3_close(fts->db);
        text_analyzer_free(fts->analyzer);
        free(fts);
}

void bm25_fts5_begin(struct bm25_fts5 *fts)
{
        (void) sqlite3_exec(fts->db, "BEGIN", NULL, NULL, NULL);
}

void bm25_fts5_commit(struct bm25_fts5 *fts)
{
        (void) sqlite3_exec(fts->db, "COMMIT", NULL, NULL, NULL);
}

static void rewind_statement(sqlite3_stmt *statement)
{
        (void) sqlite3_reset(statement);
        (void) sqlite3_clear_bindings(statement);
}

static int change(struct bm25_fts5 *fts, sqlite3_stmt *statement,
                  const struct postings_text *text, struct error *reterr)
{
        int r = 0;

        if (text->title_len > INT_MAX || text->text_len > INT_MAX)
                return error_set(reterr, -EFBIG, "a text of more than 2 GiB");
        if (sqlite3_bind_int64(statement, 1, text->slot) != SQLITE_OK ||
            sqlite3_bind_text(statement, 2, text->title ? text->title : "",
                              text->title ? (int) text->title_len : 0,
                              SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_bind_text(statement, 3, text->text, (int) text->text_len,
                              SQLITE_STATIC) != SQLITE_OK ||
            sqlite3_step(statement) != SQLITE_DONE)
                r = fail(fts->db, reterr, "change the postings");
        rewind_statement(statement);
        return r;
}

int bm25_fts5_add(struct bm25_fts5 *fts, const struct postings_text *text, struct error *reterr)
{
        return change(fts, fts->add, text, reterr);
}

int bm25_fts5_delete(struct bm25_fts5 *fts, const struct postings_text *text,
                     struct error *reterr)
{
        return change(fts, fts->delete, text, reterr);
}

/* ---- Questions -------------------------------------------------------------------------- */

/* Collects the distinct terms, without the stop words or with them. */
static int read_terms(struct bm25_fts5 *fts, const struct bm25_query *query, bool stop_words,
                      struct text_term terms[static BM25_QUERY_TERMS_MAX], size_t *ret_n)
{
        struct text_terms iterator;
        struct text_term term;
        size_t n = 0;
        int r = 0;

        text_terms_begin(fts->analyzer, TEXT_FOR_QUERY, query->text, query->len, &iterator);
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
static int compile(struct bm25_fts5 *fts, const struct bm25_query *query, struct search *search,
                   struct buf *match, struct error *reterr)
{
        cleanup_free_ struct text_term *terms = calloc(BM25_QUERY_TERMS_MAX, sizeof *terms);
        size_t n = 0;

        if (!terms || read_terms(fts, query, false, terms, &n) < 0 ||
            (n == 0 && read_terms(fts, query, true, terms, &n) < 0))
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                append_term(match, &terms[i]);
        search->n = n;
        return buf_failed(match) ? error_oom(reterr) : 0;
}

static int run(struct bm25_fts5 *fts, const struct buf *match, struct search *search,
               struct error *reterr)
{
        int rc, r = 0;

        if (sqlite3_bind_text(fts->search, 1, match->data, (int) match->len, SQLITE_STATIC) !=
                    SQLITE_OK ||
            sqlite3_bind_pointer(fts->search, 2, search, POINTER, NULL) != SQLITE_OK)
                r = fail(fts->db, reterr, "bind the question");
        if (r == 0) {
                do
                        rc = sqlite3_step(fts->search);
                while (rc == SQLITE_ROW);
                if (search->ended < 0)
                        r = error_set(reterr, search->ended, "the search was ended early");
                else if (rc != SQLITE_DONE)
                        r = fail(fts->db, reterr, "search the postings");
        }
        rewind_statement(fts->search);
        return r;
}

int bm25_fts5_search(struct bm25_fts5 *fts, const struct bm25_query *query,
                     struct index_hit *ret_hits, size_t *ret_count, struct index_stats *ret_stats,
                     struct error *reterr)
{
        struct search search = { .query = query };
        struct buf match = BUF_EMPTY;
        int r;

        if (query->k < 1 || query->k > INDEX_K_MAX)
                return error_set(reterr, -EINVAL, "k is %u: 1 to %d can be asked for", query->k,
                                 INDEX_K_MAX);
        search.best = (struct best){ .hits = ret_hits, .room = query->k };
        r = compile(fts, query, &search, &match, reterr);
        if (r == 0 && search.n > 0)
                r = run(fts, &match, &search, reterr);
        buf_done(&match);
        if (r < 0)
                return r;
        best_sort(&search.best);
        *ret_count = search.best.count;
        *ret_stats = (struct index_stats){ .candidates = search.candidates, .exhausted = true,
                                           .exact = true };
        return 0;
}
