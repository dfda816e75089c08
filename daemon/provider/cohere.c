/* SPDX-License-Identifier: Apache-2.0 */
/* Cohere: embeddings, which differ for documents and queries, and reranking. */
#include "provider/kinds.h"

#include "config/values.h"
#include "provider/embeddings.h"
#include "provider/wire.h"

#include <string.h>

static const char *const dropped[] = { "/v1", "/v2", NULL };

static void begin(const struct provider *provider, const char *path, struct wire_request *ret)
{
        wire_set_url(ret, provider, dropped, path);
        wire_add_bearer(ret, provider);
        wire_add_header(ret, "X-Client-Name: ragd");
}

/* From the fourth generation on a width can be asked for.  A text that is too long is cut at its
 * end, for that serves a search better than no vector at all. */
static int write_embed(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        const char *model = provider->config->model;
        struct buf *body = &ret->body;

        (void) reterr;
        begin(provider, "/v2/embed", ret);
        buf_append_char(body, '{');
        wire_add_string(body, "model", model);
        wire_add_texts(body, "texts", request->embed.texts, request->embed.n);
        wire_add_string(body, "input_type",
                        request->embed.purpose == EMBED_QUERY ? "search_query" : "search_document");
        buf_append_text(body, ",\"embedding_types\":[\"float\"]");
        if (strstr(model, "embed-v4"))
                wire_add_number(body, "output_dimension", provider->dimensions);
        wire_add_string(body, "truncate", "END");
        buf_append_char(body, '}');
        return 0;
}

static int write_rerank(const struct provider *provider, const struct call_request *request,
                        struct wire_request *ret, struct error *reterr)
{
        const struct rerank_request *rerank = &request->rerank;
        struct buf *body = &ret->body;

        (void) reterr;
        begin(provider, "/v2/rerank", ret);
        buf_append_char(body, '{');
        wire_add_string(body, "model", provider->config->model);
        wire_add_string(body, "query", rerank->query);
        wire_add_texts(body, "documents", rerank->documents, rerank->n);
        wire_add_number(body, "top_n", (double) rerank->top_n);
        buf_append_char(body, '}');
        return 0;
}

static int write_probe(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        (void) request;
        (void) reterr;
        begin(provider, "/v1/check-api-key", ret);
        ret->method = "POST";
        buf_append_text(&ret->body, "{}");
        return 0;
}

/* Reranking is billed by the search, not by tokens. */
static void take_usage(struct wire_answer *answer, struct json_object *json)
{
        struct json_object *units = wire_member(wire_member(json, "meta"), "billed_units");

        wire_take_count(units, "input_tokens", &answer->result->input_tokens,
                        &answer->counted_input);
        if (wire_member(units, "search_units"))
                answer->counted_input = true;
}

/* Vectors by type, or, from older servers, alone. */
static int read_embed(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *embeddings = wire_member(json, "embeddings");

        take_usage(answer, json);
        if (json_object_is_type(embeddings, json_type_object))
                embeddings = wire_member(embeddings, "float");
        return embeddings_take_arrays(answer, embeddings, reterr);
}

static int read_rerank(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        take_usage(answer, json);
        return wire_take_scores(answer, wire_member(json, "results"), reterr);
}

/* The key is looked at; which models there are is not told. */
static int read_probe(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *valid = wire_member(json, "valid");

        if (!json_object_is_type(valid, json_type_boolean))
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "it did not say whether the key is valid; see that endpoint and "
                                 "kind fit each other");
        if (!json_object_get_boolean(valid))
                return wire_fail(answer, FAULT_KEY, reterr,
                                 "refused the key of %.80s; put a valid key there, then ragctl "
                                 "reload",
                                 answer->provider->config->api_key
                                         ? answer->provider->config->api_key
                                         : "(none)");
        return 0;
}

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .needs_model = true,
        .calls = {
                [CALL_EMBED] = { write_embed, read_embed },
                [CALL_RERANK] = { write_rerank, read_rerank },
                [CALL_PROBE] = { write_probe, read_probe },
        },
};

const struct provider_ops cohere_ops = {
        .kind = "cohere",
        .max_batch = 96,
        .wire = &wire,
};
