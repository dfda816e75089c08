/* SPDX-License-Identifier: Apache-2.0 */
/* What FTS5 is taught: our tokenizer and our score.
 *
 *     score = sum over terms of  idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / average))
 *     idf   = ln(1 + (N - n + 0.5) / (n + 0.5))            which is never negative
 *
 * where tf counts a word of the title twice, and length is that of title and text.  A word that
 * the question repeats counts once: measured on Cranfield, repeating it tells less. */
#include "index/bm25_fts.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define K1 1.5
#define B 0.75
#define CHECK_EVERY 1024 /* rows between two calls of the caller's check */

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
static int weigh(const Fts5ExtensionApi *api, Fts5Context *fts, struct bm25_search *search)
{
        sqlite3_int64 rows = 0, total = 0;
        int rc = api->xRowCount(fts, &rows);

        if (rc == SQLITE_OK)
                rc = api->xColumnTotalSize(fts, -1, &total);
        search->average_length = rows > 0 && total > 0 ? (double) total / (double) rows : 1.0;
        for (size_t i = 0; rc == SQLITE_OK && i < search->terms; i++) {
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
static int score_row(const Fts5ExtensionApi *api, Fts5Context *fts, struct bm25_search *search)
{
        double score = 0.0, damping;
        int instances = 0, length = 0;
        int rc = api->xInstCount(fts, &instances);

        if (rc == SQLITE_OK)
                rc = api->xColumnSize(fts, -1, &length);
        if (rc != SQLITE_OK)
                return rc;
        memset(search->frequency, 0, search->terms * sizeof search->frequency[0]);
        for (int i = 0; i < instances; i++) {
                int phrase, column, offset;

                rc = api->xInst(fts, i, &phrase, &column, &offset);
                if (rc != SQLITE_OK)
                        return rc;
                search->frequency[phrase] += column_weights[column];
        }
        damping = K1 * (1.0 - B + B * (double) length / search->average_length);
        for (size_t i = 0; i < search->terms; i++)
                score += search->weight[i] * search->frequency[i] * (K1 + 1.0) /
                         (search->frequency[i] + damping);
        best_offer(&search->best, (struct index_hit){ (uint32_t) api->xRowid(fts), (float) score });
        return SQLITE_OK;
}

/* ragd_bm25(postings, pointer): called for each row that matches; its value is always NULL. */
static void bm25_function(const Fts5ExtensionApi *api, Fts5Context *fts, sqlite3_context *context,
                          int n, sqlite3_value **values)
{
        struct bm25_search *search = n == 1 ? sqlite3_value_pointer(values[0], BM25_POINTER) : NULL;
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

/* ---- Registration ----------------------------------------------------------------------- */

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

int bm25_register(sqlite3 *db, struct error *reterr)
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
