/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/writing.h"

#include "base/clock.h"
#include "base/json.h"
#include "config/values.h"
#include "gateway/gateway.h"

#include <string.h>

void writing_done(struct writing *writing)
{
        writing->response = search_response_free(writing->response);
        free(writing->question);
        free(writing->order);
        buf_done(&writing->text);
        for (size_t i = 0; i < QUOTES_MAX; i++)
                free(writing->citations[i].quote);
        memset(writing, 0, sizeof *writing);
}

int writing_number_rows(struct writing *writing, size_t n, struct error *reterr)
{
        free(writing->order);
        writing->order = calloc(n + 1, sizeof *writing->order);
        if (!writing->order)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++)
                writing->order[i] = i;
        writing->n_sources = n;
        return 0;
}

/* ---- Sources and citations ------------------------------------------------------------------- */

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

struct json_object *writing_citation_json(const struct writing *writing,
                                          const struct citation *citation)
{
        struct json_object *object = json_object_new_object();
        struct json_object *span = json_object_new_object();

        json_add_u64(object, "n", citation->number);
        add_row(object, writing, writing->order[citation->number - 1]);
        json_add_string(object, "quote", citation->quote);
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
        json_add_float(scores, "rerank", row->candidate.rerank);
        json_add(object, "scores", scores);
        return object;
}

static struct json_object *sources_array(const struct writing *writing)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; i < writing->n_sources; i++)
                json_add(array, NULL, source_json(writing, i));
        return array;
}

struct json_object *writing_sources_json(const struct writing *writing)
{
        struct json_object *object = json_object_new_object();

        json_add(object, "sources", sources_array(writing));
        return object;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static struct json_object *provider_json(const struct writing_facts *facts)
{
        const struct gateway_answer *generated = facts->generated;
        struct json_object *object = json_object_new_object();

        json_add_string(object, "name", generated ? generated->provider : "extractive");
        json_add_string(object, "model", generated ? generated->model : NULL);
        json_add_string(object, "fallback_from",
                        generated ? generated->fallback_from : facts->fallback_from);
        json_add_string(object, "reason", generated ? generated->reason : facts->reason);
        return object;
}

static struct json_object *degraded_json(const struct search_response *response,
                                         const struct writing_facts *facts)
{
        struct json_object *array = json_object_new_array();

        if (facts->degraded)
                json_add_string(array, NULL, "generation");
        if (response->degraded_dense)
                json_add_string(array, NULL, "dense");
        if (response->degraded_bm25)
                json_add_string(array, NULL, "bm25");
        if (response->degraded_rerank)
                json_add_string(array, NULL, "rerank");
        return array;
}

static struct json_object *usage_json(const struct writing *writing,
                                      const struct writing_facts *facts)
{
        const struct gateway_answer *generated = facts->generated;
        struct json_object *object = json_object_new_object();

        json_add_u64(object, "embedding_tokens", writing->response->embedded_tokens);
        json_add_u64(object, "input_tokens", generated ? generated->input_tokens : 0);
        json_add_u64(object, "output_tokens", generated ? generated->output_tokens : 0);
        json_add_bool(object, "estimated", generated && generated->estimated);
        json_add_u64(object, "quoted_tokens", writing->quoted_tokens);
        json_add_u64(object, "cost_microusd", facts->cost_microusd);
        json_add_bool(object, "cached", generated && generated->cached);
        return object;
}

struct json_object *writing_whole_json(const struct writing *writing,
                                       const struct writing_facts *facts)
{
        const struct answer_settings *settings = &writing->answer->settings;
        struct json_object *object = json_object_new_object();
        struct json_object *citations = json_object_new_array();
        char trace_id[ID_TEXT_SIZE];

        json_add(object, "answer", json_object_new_string_len(facts->text, (int) facts->len));
        for (size_t i = 0; i < facts->n_citations; i++)
                json_add(citations, NULL, writing_citation_json(writing, &facts->citations[i]));
        json_add(object, "citations", citations);
        json_add(object, "sources", sources_array(writing));
        json_add_bool(object, "grounded", facts->grounded);
        json_add_string(object, "finish",
                        facts->generated ? chat_finish_name(facts->generated->finish) : NULL);
        json_add(object, "provider", provider_json(facts));
        json_add(object, "degraded", degraded_json(writing->response, facts));
        json_add(object, "usage", usage_json(writing, facts));
        json_add_string(object, "trace_id", id_format(facts->trace_id, trace_id));
        json_add_u64(object, "release", settings->release);
        json_add_string(object, "stage", settings->stage);
        json_add_double(object, "took_ms", (double) facts->took_usec / (double) USEC_PER_MSEC);
        return object;
}
