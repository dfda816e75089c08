/* SPDX-License-Identifier: Apache-2.0 */
/* The extractive answer: choose sentences, quote, cite. */
#include "answer/writing.h"

#include "gateway/gateway.h"
#include "store/collection.h"

#include <string.h>

#define OPEN_QUOTE "\xE2\x80\x9C"  /* “ */
#define CLOSE_QUOTE "\xE2\x80\x9D" /* ” */

/* Of the sources where they are numbered already, else of all rows. */
static size_t row_of(const struct writing *writing, size_t passage)
{
        return writing->told ? writing->order[passage] : passage;
}

static int choose_quotes(const struct writing *writing, struct quotes *quotes,
                         struct error *reterr)
{
        const struct search_response *response = writing->response;
        const struct quotes_rule rule = {
                .max_tokens = writing->max_tokens,
                .trust_rank = response->dense &&
                              !gateway_embedder(writing->answer->settings.gateway)->lexical,
        };
        size_t n = writing->told ? writing->n_sources : response->n_rows;
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_free_ struct passage *passages = NULL;
        struct query_terms terms;
        int r;

        if (n == 0)
                return 0;
        passages = calloc(n, sizeof *passages);
        if (!passages)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                const struct row *row = &response->rows[row_of(writing, i)];

                passages[i] = (struct passage){ row->chunk.text, row->chunk.text_len };
        }
        r = text_analyzer_new(collection_get(response->pins[0].collection)->language, &analyzer,
                              reterr);
        if (r >= 0)
                r = query_terms_read(analyzer, writing->question, strlen(writing->question),
                                     &terms, reterr);
        if (r >= 0)
                r = quotes_choose(analyzer, &terms, passages, n, &rule, quotes, reterr);
        return r;
}

/* The cited ones first, in the order of their citations; then what else was found.  Without a
 * quote nothing is a source. */
static int number_sources(struct writing *writing, const struct quotes *quotes,
                          struct error *reterr)
{
        size_t n_rows = writing->response->n_rows;
        cleanup_free_ bool *numbered = NULL;

        if (writing->told)
                return 0;
        free(writing->order);
        writing->order = NULL;
        writing->n_sources = 0;
        if (quotes->n == 0)
                return 0;
        writing->order = calloc(n_rows, sizeof *writing->order);
        numbered = calloc(n_rows, sizeof *numbered);
        if (!writing->order || !numbered)
                return error_oom(reterr);
        for (size_t i = 0; i < quotes->n; i++) {
                if (!numbered[quotes->items[i].passage])
                        writing->order[writing->n_sources++] = quotes->items[i].passage;
                numbered[quotes->items[i].passage] = true;
        }
        for (size_t row = 0; row < n_rows; row++)
                if (!numbered[row])
                        writing->order[writing->n_sources++] = row;
        return 0;
}

static uint32_t number_of(const struct writing *writing, size_t passage)
{
        size_t row = row_of(writing, passage), at = 0;

        while (at < writing->n_sources && writing->order[at] != row)
                at++;
        return (uint32_t) at + 1;
}

static void write_quotes(struct writing *writing, struct quotes *quotes)
{
        struct buf *text = &writing->text;

        for (size_t i = 0; i < quotes->n; i++) {
                struct quote *quote = &quotes->items[i];
                struct citation *citation = &writing->citations[i];

                citation->number = number_of(writing, quote->passage);
                if (i > 0)
                        buf_append_char(text, '\n');
                buf_append_text(text, OPEN_QUOTE);
                citation->start = text->len;
                buf_append(text, quote->text, quote->len);
                citation->end = text->len;
                buf_append_format(text, CLOSE_QUOTE " [%u]", citation->number);
                citation->quote = take_ptr(quote->text);
                writing->piece_ends[i] = text->len;
                writing->quoted_tokens += quote->tokens;
        }
        writing->n_citations = quotes->n;
}

static void write_nothing(struct writing *writing)
{
        struct buf *text = &writing->text;

        buf_append_text(text, "No passage in ");
        for (size_t i = 0; i < writing->response->n_pins; i++)
                buf_append_format(text, "%s\"%s\"", i ? ", " : "",
                                  collection_get(writing->response->pins[i].collection)->name);
        buf_append_text(text, writing->filtered ? " that passes the filter matches the question."
                                                : " matches the question.");
}

int writing_extract(struct writing *writing, struct error *reterr)
{
        cleanup_(quotes_done) struct quotes quotes = { .n = 0 };
        int r = choose_quotes(writing, &quotes, reterr);

        if (r >= 0)
                r = number_sources(writing, &quotes, reterr);
        if (r < 0)
                return r;
        if (quotes.n > 0)
                write_quotes(writing, &quotes);
        else
                write_nothing(writing);
        return buf_failed(&writing->text) ? error_oom(reterr) : 0;
}
