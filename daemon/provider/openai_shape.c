/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/openai_shape.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "provider/embeddings.h"

#include <string.h>

/* ---- Requests -------------------------------------------------------------------------------- */

static void add_model(const struct provider *provider, const struct openai_shape *shape,
                      struct buf *body)
{
        if (!shape->no_model && wire_model(provider))
                wire_add_string(body, "model", wire_model(provider));
}

static const char *token_parameter(const struct provider_config *config,
                                   const struct openai_shape *shape)
{
        bool completion = config->token_parameter == TOKEN_PARAMETER_MAX_COMPLETION_TOKENS ||
                          (config->token_parameter == TOKEN_PARAMETER_AUTO &&
                           shape->max_completion_tokens);

        return completion ? "max_completion_tokens" : "max_tokens";
}

void openai_shape_add_chat(const struct provider *provider, const struct openai_shape *shape,
                           const struct chat_request *request, struct buf *body)
{
        const struct provider_config *config = provider->config;

        buf_append_char(body, '{');
        add_model(provider, shape, body);
        wire_add_messages(body, request, true, config->fold_system_prompt);
        wire_add_number(body, token_parameter(config, shape), request->max_tokens);
        if (config->send_sampling) {
                wire_add_number(body, "temperature", request->temperature);
                wire_add_number(body, "top_p", request->top_p);
        }
        wire_add_stops(body, "stop", request);
        if (request->stream)
                buf_append_text(body,
                                ",\"stream\":true,\"stream_options\":{\"include_usage\":true}");
        buf_append_char(body, '}');
}

/* One family alone is known to take a width; others refuse to be asked for theirs. */
static bool takes_width(const struct provider_config *config)
{
        return config->model && strstr(config->model, "text-embedding-3") != NULL;
}

void openai_shape_add_embed(const struct provider *provider, const struct openai_shape *shape,
                            const struct embed_request *request, struct buf *body)
{
        buf_append_char(body, '{');
        add_model(provider, shape, body);
        wire_add_texts(body, "input", request->texts, request->n);
        if (takes_width(provider->config))
                wire_add_number(body, "dimensions", provider->dimensions);
        if (shape->base64)
                wire_add_string(body, "encoding_format", "base64");
        buf_append_char(body, '}');
}

static const struct openai_shape *begin(const struct provider *provider, const char *path,
                                        struct wire_request *ret)
{
        const struct openai_shape *shape = provider->ops->wire->shape;

        wire_set_url(ret, provider, shape->dropped, shape->prefix ? shape->prefix : "");
        buf_append_text(&ret->url, path);
        wire_add_bearer(ret, provider);
        return shape;
}

int openai_shape_write_chat(const struct provider *provider, const struct call_request *request,
                            struct wire_request *ret, struct error *reterr)
{
        (void) reterr;
        openai_shape_add_chat(provider, begin(provider, "/chat/completions", ret), &request->chat,
                              &ret->body);
        return 0;
}

int openai_shape_write_embed(const struct provider *provider, const struct call_request *request,
                             struct wire_request *ret, struct error *reterr)
{
        (void) reterr;
        openai_shape_add_embed(provider, begin(provider, "/embeddings", ret), &request->embed,
                               &ret->body);
        return 0;
}

int openai_shape_write_rerank(const struct provider *provider, const struct call_request *request,
                              struct wire_request *ret, struct error *reterr)
{
        const struct rerank_request *rerank = &request->rerank;
        const struct openai_shape *shape = begin(provider, "/rerank", ret);

        (void) reterr;
        buf_append_char(&ret->body, '{');
        add_model(provider, shape, &ret->body);
        wire_add_string(&ret->body, "query", rerank->query);
        wire_add_texts(&ret->body, "documents", rerank->documents, rerank->n);
        wire_add_number(&ret->body, "top_n", (double) rerank->top_n);
        buf_append_char(&ret->body, '}');
        return 0;
}

int openai_shape_write_probe(const struct provider *provider, const struct call_request *request,
                             struct wire_request *ret, struct error *reterr)
{
        (void) request;
        (void) reterr;
        (void) begin(provider, "/models", ret);
        return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static const struct wire_finish finishes[] = {
        { "length", CHAT_FINISH_LENGTH },
        { "max_tokens", CHAT_FINISH_LENGTH },
        { "content_filter", CHAT_FINISH_FILTER },
};

static void take_finish(struct wire_answer *answer, struct json_object *choice)
{
        wire_take_finish(answer, wire_string(choice, "finish_reason"), finishes,
                         ELEMENTSOF(finishes));
}

/* The last that is told counts, for some servers tell it in each event. */
static void take_usage(struct wire_answer *answer, struct json_object *json)
{
        struct json_object *usage = wire_member(json, "usage");

        if (!usage)
                usage = wire_member(wire_member(json, "x_groq"), "usage");
        wire_take_count(usage, "prompt_tokens", &answer->result->input_tokens,
                        &answer->counted_input);
        wire_take_count(usage, "completion_tokens", &answer->result->output_tokens,
                        &answer->counted_output);
        if (answer->request->kind != CALL_CHAT && !answer->counted_input)
                wire_take_count(usage, "total_tokens", &answer->result->input_tokens,
                                &answer->counted_input);
}

/* A string, or a list of parts of which those of type text count. */
static int take_content(struct wire_answer *answer, struct json_object *content,
                        struct error *reterr)
{
        if (json_object_is_type(content, json_type_string))
                return wire_take_text(answer, content, reterr);
        if (!json_object_is_type(content, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(content); i++) {
                struct json_object *part = json_object_array_get_idx(content, i);
                struct json_object *text = wire_member(part, "text");
                const char *type = wire_string(part, "type");
                int r;

                if ((type && strcmp(type, "text") != 0) ||
                    !json_object_is_type(text, json_type_string))
                        continue;
                r = wire_take_text(answer, text, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int take_message(struct wire_answer *answer, struct json_object *message,
                        struct error *reterr)
{
        const char *refusal = wire_string(message, "refusal");

        if (refusal && *refusal)
                answer->refused = true;
        return take_content(answer, wire_member(message, "content"), reterr);
}

static struct json_object *first_choice(struct json_object *json)
{
        struct json_object *choices = wire_member(json, "choices");

        return json_object_is_type(choices, json_type_array) &&
                               json_object_array_length(choices) > 0
                       ? json_object_array_get_idx(choices, 0)
                       : NULL;
}

int openai_shape_read_chat(struct wire_answer *answer, struct json_object *json,
                           struct error *reterr)
{
        struct json_object *choice = first_choice(json);

        if (!wire_member(choice, "message"))
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "its answer holds no message; see that endpoint and kind fit "
                                 "each other");
        wire_take_model(answer, json);
        take_usage(answer, json);
        take_finish(answer, choice);
        return take_message(answer, wire_member(choice, "message"), reterr);
}

int openai_shape_read_event(struct wire_answer *answer, struct json_object *json,
                            struct error *reterr)
{
        struct json_object *choice = first_choice(json);

        if (wire_string(wire_member(json, "x_groq"), "error"))
                return wire_fail(answer, FAULT_SERVER, reterr, "%.100s",
                                 wire_string(wire_member(json, "x_groq"), "error"));
        if (!json_object_is_type(json, json_type_object))
                return wire_fail(answer, FAULT_GARBAGE, reterr, "an event is not an object");
        wire_take_model(answer, json);
        take_usage(answer, json);
        take_finish(answer, choice);
        return take_message(answer, wire_member(choice, "delta"), reterr);
}

int openai_shape_read_embed(struct wire_answer *answer, struct json_object *json,
                            struct error *reterr)
{
        struct json_object *list = json_object_is_type(json, json_type_array)
                                           ? json
                                           : wire_member(json, "data");

        wire_take_model(answer, json);
        take_usage(answer, json);
        return embeddings_take_objects(answer, list, reterr);
}

int openai_shape_read_models(struct wire_answer *answer, struct json_object *json,
                             struct error *reterr)
{
        return wire_find_model(answer, wire_member(json, "data"), "id", NULL, reterr);
}
