/* SPDX-License-Identifier: Apache-2.0 */
/* The extractive answer: retrieve, choose sentences, quote, cite.
 *
 * The whole answer exists before its first part is told, so that streamed and whole answers are
 * the same objects, and no citation is sent that was not validated. */
#include "answer/inside.h"
#include "answer/quotes.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "store/collection.h"

#include <stdio.h>
#include <string.h>

#define OPEN_QUOTE "\xE2\x80\x9C"  /* “ */
#define CLOSE_QUOTE "\xE2\x80\x9D" /* ” */

struct citation {
        uint32_t number; /* of its source, from 1 */
        size_t row;
        const struct quote *quote;
        size_t start, end; /* of the quote in the answer */
        size_t piece_end;  /* where the answer is told up to with it */
};

struct writing {
        const struct search_response *response;
        struct quotes quotes;
        struct citation citations[QUOTES_MAX];
        size_t n_citations;
        size_t *order; /* heap: the row of each source */
        size_t n_sources;
        struct buf text;
        uint32_t tokens;
};

static void writing_done(struct writing *writing)
{
        quotes_done(&writing->quotes);
        free(writing->order);
        buf_done(&writing->text);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int choose_quotes(struct answer *answer, const struct answer_request *request,
                         struct writing *writing, struct error *reterr)
{
        const struct search_response *response = writing->response;
        const struct quotes_rule rule = {
                .max_tokens = request->max_tokens,
                .trust_rank = response->dense &&
                              !gateway_embedder(answer->settings.gateway)->lexical,
        };
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_free_ struct passage *passages = NULL;
        struct query_terms terms;
        int r;

        if (response->n_rows == 0)
                return 0;
        passages = calloc(response->n_rows, sizeof *passages);
        if (!passages)
                return error_oom(reterr);
        for (size_t i = 0; i < response->n_rows; i++)
                passages[i] = (struct passage){ response->rows[i].chunk.text,
                                                response->rows[i].chunk.text_len };
        r = text_analyzer_new(collection_get(response->pins[0].collection)->language, &analyzer,
                              reterr);
        if (r >= 0)
                r = query_terms_read(analyzer, request->question, strlen(request->question),
                                     &terms, reterr);
        if (r >= 0)
                r = quotes_choose(analyzer, &terms, passages, response->n_rows, &rule,
                                  &writing->quotes, reterr);
        return r;
}

/* The cited ones first, in the order of their citations; then what else was found. */
static int number_sources(struct writing *writing, struct error *reterr)
{
        size_t n_rows = writing->response->n_rows;
        bool *numbered;

        if (writing->quotes.n == 0)
                return 0;
        writing->order = calloc(n_rows, sizeof *writing->order);
        numbered = calloc(n_rows, sizeof *numbered);
        if (!writing->order || !numbered) {
                free(numbered);
                return error_oom(reterr);
        }
        for (size_t i = 0; i < writing->quotes.n; i++) {
                size_t row = writing->quotes.items[i].passage;

                if (!numbered[row])
                        writing->order[writing->n_sources++] = row;
                numbered[row] = true;
                writing->citations[writing->n_citations++] = (struct citation){
                        .number = (uint32_t) writing->n_sources,
                        .row = row,
                        .quote = &writing->quotes.items[i],
                };
        }
        for (size_t row = 0; row < n_rows; row++)
                if (!numbered[row])
                        writing->order[writing->n_sources++] = row;
        free(numbered);
        return 0;
}

static void write_quotes(struct writing *writing)
{
        struct buf *text = &writing->text;

        for (size_t i = 0; i < writing->n_citations; i++) {
                struct citation *citation = &writing->citations[i];

                if (i > 0)
                        buf_append_char(text, '\n');
                buf_append_text(text, OPEN_QUOTE);
                citation->start = text->len;
                buf_append(text, citation->quote->text, citation->quote->len);
                citation->end = text->len;
                buf_append_format(text, CLOSE_QUOTE " [%u]", citation->number);
                citation->piece_end = text->len;
                writing->tokens += citation->quote->tokens;
        }
}

static void write_nothing(const struct search_request *request, struct writing *writing)
{
        struct buf *text = &writing->text;

        buf_append_text(text, "No passage in ");
        for (size_t i = 0; i < writing->response->n_pins; i++)
                buf_append_format(text, "%s\"%s\"", i ? ", " : "",
                                  collection_get(writing->response->pins[i].collection)->name);
        buf_append_text(text, request->filter ? " that passes the filter matches the question."
                                              : " matches the question.");
}

/* Every citation names a source and says in the answer exactly what it claims to. */
static bool is_grounded(const struct writing *writing)
{
        for (size_t i = 0; i < writing->n_citations; i++) {
                const struct citation *citation = &writing->citations[i];

                if (citation->number < 1 || citation->number > writing->n_sources ||
                    writing->order[citation->number - 1] != citation->row ||
                    citation->end > writing->text.len ||
                    citation->end - citation->start != citation->quote->len ||
                    memcmp(writing->text.data + citation->start, citation->quote->text,
                           citation->quote->len) != 0)
                        return false;
        }
        return writing->n_citations > 0;
}

/* ---- As JSON --------------------------------------------------------------------------------- */

static void add_row(struct json_object *object, const struct writing *writing, size_t row)
{
        const struct row *of = &writing->response->rows[row];
        char chunk_id[CHUNK_ID_TEXT_SIZE], id[ID_TEXT_SIZE];

        json_add_string(object, "chunk_id", row_chunk_id(writing->response, of, chunk_id));
        json_add_string(object, "document_id", id_format(of->document->id.id, id));
        json_add_string(object, "external_id", of->document->external_id);
        json_add_string(object, "title", of->document->title);
        json_add_string(object, "url", of->document->source_url);
}

static struct json_object *citation_json(const struct writing *writing,
                                         const struct citation *citation)
{
        struct json_object *object = json_object_new_object();
        struct json_object *span = json_object_new_object();

        json_add_u64(object, "n", citation->number);
        add_row(object, writing, citation->row);
        json_add_string(object, "quote", citation->quote->text);
        json_add_u64(span, "start", citation->start);
        json_add_u64(span, "end", citation->end);
        json_add(object, "answer_span", span);
        return object;
}

static struct json_object *source_json(const struct writing *writing, size_t at)
{
        struct json_object *object = json_object_new_object();
        struct json_object *scores = json_object_new_object();
        struct json_object *position = json_object_new_object();
        const struct row *row = &writing->response->rows[writing->order[at]];

        json_add_u64(object, "n", at + 1);
        add_row(object, writing, writing->order[at]);
        json_add_string(object, "text", row->chunk.text);
        json_add_u64(position, "start", row->chunk.start);
        json_add_u64(position, "end", row->chunk.end);
        json_add(position, "page", NULL);
        json_add(object, "position", position);
        json_add_float(scores, "dense", row->candidate.dense);
        json_add_float(scores, "bm25", row->candidate.bm25);
        json_add_float(scores, "fused", row->candidate.fused);
        json_add(scores, "rerank", NULL);
        json_add(object, "scores", scores);
        return object;
}

static struct json_object *sources_json(const struct writing *writing)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; i < writing->n_sources; i++)
                json_add(array, NULL, source_json(writing, i));
        return array;
}

static struct json_object *provider_json(const struct answer *answer)
{
        struct json_object *object = json_object_new_object();

        json_add_string(object, "name", "extractive");
        json_add_string(object, "model", NULL);
        json_add_string(object, "fallback_from",
                        answer->settings.generation->providers.count
                                ? answer->settings.generation->providers.items[0]
                                : NULL);
        json_add_string(object, "reason",
                        answer->settings.generation->providers.count
                                ? "no configured provider can generate text"
                                : "no language model is configured");
        return object;
}

static struct json_object *degraded_json(const struct search_response *response)
{
        struct json_object *array = json_object_new_array();

        json_add_string(array, NULL, "generation");
        if (response->degraded_dense)
                json_add_string(array, NULL, "dense");
        if (response->degraded_bm25)
                json_add_string(array, NULL, "bm25");
        if (response->degraded_rerank)
                json_add_string(array, NULL, "rerank");
        return array;
}

static struct json_object *usage_json(const struct writing *writing)
{
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "embedding_tokens", writing->response->embedded_tokens);
        json_add_u64(object, "input_tokens", 0);
        json_add_u64(object, "output_tokens", 0);
        json_add_u64(object, "quoted_tokens", writing->tokens);
        json_add_u64(object, "cost_microusd", 0);
        return object;
}

static struct json_object *answer_json(const struct answer *answer, const struct writing *writing,
                                       uint64_t begin_usec)
{
        struct json_object *object = json_object_new_object();
        struct json_object *citations = json_object_new_array();
        char trace_id[ID_TEXT_SIZE];

        json_add_string(object, "answer", buf_text(&writing->text));
        for (size_t i = 0; i < writing->n_citations; i++)
                json_add(citations, NULL, citation_json(writing, &writing->citations[i]));
        json_add(object, "citations", citations);
        json_add(object, "sources", sources_json(writing));
        json_add_bool(object, "grounded", is_grounded(writing));
        json_add(object, "provider", provider_json(answer));
        json_add(object, "degraded", degraded_json(writing->response));
        json_add(object, "usage", usage_json(writing));
        json_add_string(object, "trace_id", id_format(id_random(), trace_id));
        json_add_u64(object, "release", answer->settings.release);
        json_add_string(object, "stage", answer->settings.stage);
        json_add_double(object, "took_ms",
                        (double) (clock_monotonic_usec() - begin_usec) / 1000.0);
        return object;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static int tell(const struct answer_sink *sink, const char *name, struct json_object *takes_json)
{
        int r = sink->event(sink->data, name, takes_json);

        json_object_put(takes_json);
        return r;
}

static int tell_piece(const struct answer_sink *sink, const struct writing *writing, size_t start,
                      size_t end)
{
        struct json_object *delta = json_object_new_object();

        json_add(delta, "text", json_object_new_string_len(buf_text(&writing->text) + start,
                                                           (int) (end - start)));
        return tell(sink, "delta", delta);
}

/* Sources, then each piece with what it cites, then the whole. */
static int tell_all(const struct answer_sink *sink, const struct writing *writing,
                    struct json_object *whole)
{
        struct json_object *sources = json_object_new_object();
        size_t told = 0;
        int r;

        json_add(sources, "sources", sources_json(writing));
        r = tell(sink, "sources", sources);
        for (size_t i = 0; r >= 0 && i < writing->n_citations; i++) {
                r = tell_piece(sink, writing, told, writing->citations[i].piece_end);
                told = writing->citations[i].piece_end;
                if (r >= 0)
                        r = tell(sink, "citation", citation_json(writing, &writing->citations[i]));
        }
        if (r >= 0 && told < writing->text.len)
                r = tell_piece(sink, writing, told, writing->text.len);
        return r < 0 ? r : sink->event(sink->data, "done", whole);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static int write_answer(struct answer *answer, const struct answer_request *request,
                        struct writing *writing, struct error *reterr)
{
        int r = choose_quotes(answer, request, writing, reterr);

        if (r >= 0)
                r = number_sources(writing, reterr);
        if (r < 0)
                return r;
        if (writing->n_citations > 0)
                write_quotes(writing);
        else
                write_nothing(&request->search, writing);
        return buf_failed(&writing->text) ? error_oom(reterr) : 0;
}

int answer_run(struct answer *answer, struct tenant_id tenant, const struct answer_request *request,
               const struct answer_sink *sink, struct json_object **ret, struct error *reterr)
{
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        cleanup_(writing_done) struct writing writing = { .text = BUF_EMPTY };
        cleanup_json_ struct json_object *whole = NULL;
        struct search_request search = request->search; /* borrows what the request owns */
        uint64_t begin = clock_monotonic_usec();
        int r;

        if (answer->settings.generation->providers.count > 0 &&
            answer->settings.generation->degraded == DEGRADED_MODE_ERROR)
                return error_set(reterr, -EHOSTUNREACH,
                                 "no provider can answer (rag.generation.providers); with "
                                 "rag.generation.degraded = \"context\" passages are quoted");
        search.include_text = search.include_position = true;
        search.highlight = false;
        r = search_run(answer, tenant, &search, &response, reterr);
        if (r < 0)
                return r;
        writing.response = response;
        r = write_answer(answer, request, &writing, reterr);
        if (r < 0)
                return r;
        whole = answer_json(answer, &writing, begin);
        if (sink) {
                r = tell_all(sink, &writing, whole);
                if (r < 0)
                        return error_set(reterr, r, "the answer was not taken to its end");
        }
        *ret = take_ptr(whole);
        return 0;
}
