/* SPDX-License-Identifier: Apache-2.0 */
/* Anthropic's Messages API: the system prompt stands beside the messages, a stream has typed events
 * and no [DONE]. */
#include "provider/kinds.h"

#include "base/cleanup.h"
#include "config/values.h"
#include "provider/wire.h"

#include <string.h>

#define VERSION_HEADER "anthropic-version: 2023-06-01"

static const char *const dropped[] = { "/v1", NULL };

/* ---- Requests -------------------------------------------------------------------------------- */

static void begin(const struct provider *provider, const char *path, struct wire_request *ret)
{
        wire_set_url(ret, provider, dropped, path);
        if (provider->key)
                wire_add_header(ret, "x-api-key: %s", provider->key);
        wire_add_header(ret, "%s", VERSION_HEADER);
}

static int write_chat(const struct provider *provider, const struct call_request *request,
                      struct wire_request *ret, struct error *reterr)
{
        const struct chat_request *chat = &request->chat;
        const struct provider_config *config = provider->config;
        struct buf *body = &ret->body;

        (void) reterr;
        begin(provider, "/v1/messages", ret);
        buf_append_char(body, '{');
        wire_add_string(body, "model", config->model);
        wire_add_number(body, "max_tokens", chat->max_tokens);
        if (chat->system && *chat->system && !config->fold_system_prompt)
                wire_add_string(body, "system", chat->system);
        wire_add_messages(body, chat, false, config->fold_system_prompt);
        if (config->send_sampling) {
                wire_add_number(body, "temperature",
                                chat->temperature < 1.0 ? chat->temperature : 1.0);
                if (chat->top_p < 1.0) /* newer models refuse to be told both */
                        wire_add_number(body, "top_p", chat->top_p);
        }
        wire_add_stops(body, "stop_sequences", chat);
        if (chat->stream)
                buf_append_text(body, ",\"stream\":true");
        buf_append_char(body, '}');
        return 0;
}

static int write_probe(const struct provider *provider, const struct call_request *request,
                       struct wire_request *ret, struct error *reterr)
{
        (void) request;
        (void) reterr;
        begin(provider, "/v1/models?limit=1000", ret);
        return 0;
}

/* ---- Answers --------------------------------------------------------------------------------- */

static const struct wire_finish finishes[] = {
        { "max_tokens", CHAT_FINISH_LENGTH },
        { "model_context_window_exceeded", CHAT_FINISH_LENGTH },
        { "refusal", CHAT_FINISH_FILTER },
};

static void take_finish(struct wire_answer *answer, struct json_object *object)
{
        wire_take_finish(answer, wire_string(object, "stop_reason"), finishes,
                         ELEMENTSOF(finishes));
}

/* What was written to and read from the prompt cache are input tokens as well.  Counts of a stream
 * are sums until then: they replace what came before. */
static void take_usage(struct wire_answer *answer, struct json_object *usage)
{
        static const char *const names[] = { "input_tokens", "cache_creation_input_tokens",
                                             "cache_read_input_tokens" };
        uint64_t sum = 0;
        bool any = false;

        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                uint64_t count = 0;

                wire_take_count(usage, names[i], &count, &any);
                sum += count;
        }
        if (any && wire_member(usage, "input_tokens")) {
                answer->result->input_tokens = sum;
                answer->counted_input = true;
        }
        wire_take_count(usage, "output_tokens", &answer->result->output_tokens,
                        &answer->counted_output);
}

static int read_chat(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *content = wire_member(json, "content");

        if (!json_object_is_type(content, json_type_array))
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "its answer holds no content; see that endpoint and kind fit each "
                                 "other");
        wire_take_model(answer, json);
        take_usage(answer, wire_member(json, "usage"));
        take_finish(answer, json);
        for (size_t i = 0; i < json_object_array_length(content); i++) {
                struct json_object *block = json_object_array_get_idx(content, i);
                struct json_object *text = wire_member(block, "text");
                const char *type = wire_string(block, "type");
                int r;

                if (!type || strcmp(type, "text") != 0 ||
                    !json_object_is_type(text, json_type_string))
                        continue;
                r = wire_take_text(answer, text, reterr);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int read_start(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *message = wire_member(json, "message");

        (void) reterr;
        wire_take_model(answer, message);
        take_usage(answer, wire_member(message, "usage"));
        return 0;
}

static int read_block_delta(struct wire_answer *answer, struct json_object *json,
                            struct error *reterr)
{
        struct json_object *delta = wire_member(json, "delta"), *text = wire_member(delta, "text");
        const char *type = wire_string(delta, "type");

        if (!type || strcmp(type, "text_delta") != 0 ||
            !json_object_is_type(text, json_type_string))
                return 0;
        return wire_take_text(answer, text, reterr);
}

static int read_delta(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        (void) reterr;
        take_usage(answer, wire_member(json, "usage"));
        take_finish(answer, wire_member(json, "delta"));
        return 0;
}

static int read_stop(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        (void) json;
        (void) reterr;
        answer->ended = true;
        return 0;
}

/* Other types of events, also new ones, say nothing that is wanted here. */
static const struct {
        const char *type;
        wire_reader read;
} events[] = {
        { "message_start", read_start },
        { "content_block_delta", read_block_delta },
        { "message_delta", read_delta },
        { "message_stop", read_stop },
};

static int read_event(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        const char *type = wire_string(json, "type");

        if (!type)
                return wire_fail(answer, FAULT_GARBAGE, reterr, "an event has no type");
        for (size_t i = 0; i < ELEMENTSOF(events); i++)
                if (strcmp(events[i].type, type) == 0)
                        return events[i].read(answer, json, reterr);
        return 0;
}

/* Dated names of a model stand for the undated one. */
static int read_probe(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        return wire_find_model(answer, wire_member(json, "data"), "id", "-20", reterr);
}

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .needs_model = true,
        .calls = {
                [CALL_CHAT] = { write_chat, read_chat },
                [CALL_PROBE] = { write_probe, read_probe },
        },
        .read_event = read_event,
};

const struct provider_ops anthropic_ops = {
        .kind = "anthropic",
        .wire = &wire,
};
