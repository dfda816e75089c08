/* SPDX-License-Identifier: Apache-2.0 */
/* Ollama's own API, for its OpenAI-shaped one cannot be told how much context to make room for: a
 * prompt that does not fit is cut in silence. */
#include "provider/kinds.h"

#include "base/cleanup.h"
#include "config/providers.h"
#include "config/values.h"
#include "provider/embeddings.h"
#include "provider/wire.h"

#include <string.h>

#define CONTEXT_MIN 4096U
#define CONTEXT_MAX (1U << 20)

static const char *const dropped[] = { "/v1", "/api", NULL };

/* ---- Requests -------------------------------------------------------------------------------- */

/* The model is loaded anew for each other size, so sizes are powers of two. */
static uint32_t context_tokens(const struct provider *provider, const struct call_request *request)
{
        uint64_t need = wire_estimate_input(request) * 4 / 3 + request->chat.max_tokens;
        uint32_t tokens = CONTEXT_MIN;

        if (provider->config->context_tokens)
                return provider->config->context_tokens;
        while (tokens < need && tokens < CONTEXT_MAX)
                tokens *= 2;
        return tokens;
}

static int write_chat(const struct provider *provider, const struct call_request *request,
                      struct wire_request *ret, struct error *reterr)
{
        const struct chat_request *chat = &request->chat;
        struct buf *body = &ret->body, options = BUF_EMPTY;

        (void) reterr;
        wire_set_url(ret, provider, dropped, "/api/chat");
        wire_add_bearer(ret, provider);
        buf_append_char(&options, '{');
        wire_add_number(&options, "num_ctx", context_tokens(provider, request));
        wire_add_number(&options, "num_predict", chat->max_tokens);
        if (provider->config->send_sampling) {
                wire_add_number(&options, "temperature", chat->temperature);
                wire_add_number(&options, "top_p", chat->top_p);
        }
        wire_add_stops(&options, "stop", chat);
        buf_append_char(&options, '}');

        buf_append_char(body, '{');
        wire_add_string(body, "model", provider->config->model);
        wire_add_messages(body, chat, true, provider->config->fold_system_prompt);
        buf_append_text(body, chat->stream ? ",\"stream\":true" : ",\"stream\":false");
        wire_add_name(body, "options");
        buf_append(body, buf_text(&options), options.len);
        buf_append_char(body, '}');
        ret->failed |= buf_failed(&options);
        buf_done(&options);
        return 0;
}

/* A width is asked for only of models that can be cut; a text that is too long for the model is
 * cut, for that serves a search better than no vector at all. */
static int write_embed(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        struct buf *body = &ret->body;
        const char *widths;

        (void) reterr;
        wire_set_url(ret, provider, dropped, "/api/embed");
        wire_add_bearer(ret, provider);
        buf_append_char(body, '{');
        wire_add_string(body, "model", provider->config->model);
        wire_add_texts(body, "input", request->embed.texts, request->embed.n);
        buf_append_text(body, ",\"truncate\":true");
        if (provider_gives_width(provider->config, provider->dimensions, &widths) == 1)
                wire_add_number(body, "dimensions", provider->dimensions);
        buf_append_char(body, '}');
        return 0;
}

static int write_probe(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        (void) request;
        (void) reterr;
        wire_set_url(ret, provider, dropped, "/api/tags");
        wire_add_bearer(ret, provider);
        return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* A prompt that the model still remembers is not counted again: then it is estimated. */
static int read_chat(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *text = wire_member(wire_member(json, "message"), "content");
        const char *reason = wire_string(json, "done_reason");

        if (!wire_member(json, "message") && !wire_member(json, "done"))
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "its answer holds no message; see that endpoint and kind fit each "
                                 "other");
        wire_take_model(answer, json);
        wire_take_count(json, "prompt_eval_count", &answer->result->input_tokens,
                        &answer->counted_input);
        wire_take_count(json, "eval_count", &answer->result->output_tokens,
                        &answer->counted_output);
        if (json_object_is_type(wire_member(json, "done"), json_type_boolean) &&
            json_object_get_boolean(wire_member(json, "done"))) {
                answer->finished = answer->ended = true;
                answer->result->finish = reason && strcmp(reason, "length") == 0
                                                 ? CHAT_FINISH_LENGTH
                                                 : CHAT_FINISH_STOP;
        }
        return json_object_is_type(text, json_type_string) ? wire_take_text(answer, text, reterr)
                                                           : 0;
}

static int read_embed(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        wire_take_model(answer, json);
        wire_take_count(json, "prompt_eval_count", &answer->result->input_tokens,
                        &answer->counted_input);
        return embeddings_take_arrays(answer, wire_member(json, "embeddings"), reterr);
}

/* "x" means "x:latest", and a tag may be all that is told apart. */
static int read_probe(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        return wire_find_model(answer, wire_member(json, "models"), "name", ":latest", reterr);
}

static const struct wire_ops wire = {
        .framing = FRAMING_NDJSON,
        .needs_model = true,
        .calls = {
                [CALL_CHAT] = { write_chat, read_chat },
                [CALL_EMBED] = { write_embed, read_embed },
                [CALL_PROBE] = { write_probe, read_probe },
        },
        .read_event = read_chat,
};

const struct provider_ops ollama_ops = {
        .kind = "ollama",
        .max_batch = 64,
        .wire = &wire,
};
