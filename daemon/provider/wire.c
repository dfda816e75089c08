/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "provider/wire.h"

#include "base/json.h"
#include "base/text.h"
#include "config/values.h"
#include "provider/fault.h"

#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define CHAT_MAX_BYTES (16 * MIB)
#define EMBED_MAX_BYTES (64 * MIB)
#define PROBE_MAX_BYTES (8 * MIB)
#define NUMBER_MAX_BYTES 48 /* of a vector, with what stands around it */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t bytes_of(const struct embed_text *texts, size_t n)
{
        uint64_t sum = 0;

        for (size_t i = 0; i < n; i++)
                sum += texts[i].len;
        return sum;
}

uint64_t wire_estimate_input(const struct call_request *request)
{
        uint64_t bytes = 0;

        if (request->kind == CALL_CHAT) {
                bytes = request->chat.system ? strlen(request->chat.system) : 0;
                for (size_t i = 0; i < request->chat.n_messages; i++)
                        bytes += strlen(request->chat.messages[i].text);
        } else if (request->kind == CALL_EMBED) {
                bytes = bytes_of(request->embed.texts, request->embed.n);
        } else if (request->kind == CALL_RERANK) {
                bytes = strlen(request->rerank.query) +
                        bytes_of(request->rerank.documents, request->rerank.n);
        } else {
                return 0;
        }
        return bytes / 4 + 1;
}

/* Read JSON takes many times its bytes in memory: no more is read than the answer can need. */
uint64_t wire_max_bytes(const struct provider *provider, const struct call_request *request)
{
        switch (request->kind) {
        case CALL_CHAT:
                return request->chat.stream
                               ? CHAT_MAX_BYTES + (uint64_t) request->chat.max_tokens * 1024
                               : min_u64(CHAT_MAX_BYTES,
                                         MIB + (uint64_t) request->chat.max_tokens * 64);
        case CALL_EMBED: /* Cohere sends the texts back */
                return min_u64(EMBED_MAX_BYTES,
                               MIB + request->embed.n * ((uint64_t) provider->dimensions *
                                                                 NUMBER_MAX_BYTES + 256) +
                                       bytes_of(request->embed.texts, request->embed.n) * 6);
        case CALL_RERANK:
                return min_u64(CHAT_MAX_BYTES,
                               MIB + request->rerank.n * 512 +
                                       bytes_of(request->rerank.documents, request->rerank.n) * 6);
        default:
                return PROBE_MAX_BYTES;
        }
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct json_object *wire_member(struct json_object *object, const char *name)
{
        struct json_object *value = NULL;

        return json_object_object_get_ex(object, name, &value) ? value : NULL;
}

const char *wire_string(struct json_object *object, const char *name)
{
        struct json_object *value = wire_member(object, name);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int wire_fail(struct wire_answer *answer, enum fault_class class, struct error *reterr,
              const char *format, ...)
{
        char text[ERROR_MESSAGE_MAX];
        va_list list;

        va_start(list, format);
        (void) vsnprintf(text, sizeof text, format, list);
        va_end(list);
        answer->class = class;
        answer->has_class = true;
        return error_set(reterr, fault_class_traits(class)->code, "provider %.63s: %s",
                         answer->provider->config->name, text);
}

static int garbage(struct wire_answer *answer, struct error *reterr, const char *what)
{
        return wire_fail(answer, FAULT_GARBAGE, reterr, "%s; %s", what,
                         fault_class_traits(FAULT_GARBAGE)->remedy);
}

/* An error in place of an answer, whatever the status says. */
static bool is_error(struct json_object *json)
{
        struct json_object *error = wire_member(json, "error");
        const char *object = wire_string(json, "object"), *type = wire_string(json, "type");

        return json_object_is_type(error, json_type_object) ||
               json_object_is_type(error, json_type_string) ||
               (object && strcmp(object, "error") == 0) || (type && strcmp(type, "error") == 0);
}

static int read_with(struct wire_answer *answer, wire_reader read, const char *text, size_t len,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *json = NULL;
        struct error error;
        int r = json_parse(text, len, &json, &error);

        answer->has_class = false;
        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                return wire_fail(answer, FAULT_GARBAGE, reterr, "its answer is %.160s; %s",
                                 error.message, fault_class_traits(FAULT_GARBAGE)->remedy);
        if (is_error(json))
                return -EREMOTEIO;
        return read(answer, json, reterr);
}

int wire_read(struct wire_answer *answer, const char *body, size_t len, struct error *reterr)
{
        int r = read_with(answer,
                          answer->provider->ops->wire->calls[answer->request->kind].read, body, len,
                          reterr);

        if (r == 0 && answer->request->kind == CALL_CHAT)
                answer->finished = true;
        return r;
}

int wire_read_event(struct wire_answer *answer, const char *event, size_t len,
                    struct error *reterr)
{
        size_t blank = strspn(event, " \t\n");

        if (answer->ended || blank == len)
                return 0;
        if (len - blank >= 6 && memcmp(event + blank, "[DONE]", 6) == 0) {
                answer->ended = true;
                return 0;
        }
        return read_with(answer, answer->provider->ops->wire->read_event, event, len, reterr);
}

static int tell(void *data, const char *text, size_t len)
{
        struct wire_answer *answer = data;

        buf_append(&answer->result->text, text, len);
        if (buf_failed(&answer->result->text))
                return -ENOMEM;
        return answer->text && answer->text(answer->data, text, len) < 0 ? -ECANCELED : 0;
}

static int told(struct wire_answer *answer, int r, struct error *reterr)
{
        if (r == -ENOMEM)
                return error_oom(reterr);
        if (r < 0)
                return wire_fail(answer, FAULT_LOCAL, reterr, "the answer is no longer wanted");
        return 0;
}

int wire_take_text(struct wire_answer *answer, struct json_object *text, struct error *reterr)
{
        const char *bytes = json_object_get_string(text);
        size_t len = (size_t) json_object_get_string_len(text);

        if (memchr(bytes, '\0', len) || utf8_valid_prefix(bytes, len) < len)
                return garbage(answer, reterr, "a character that no text may hold");
        return told(answer, think_feed(&answer->think, bytes, len, tell, answer), reterr);
}

void wire_take_model(struct wire_answer *answer, struct json_object *json)
{
        const char *model = wire_string(json, "model");

        if (model && *model)
                (void) snprintf(answer->result->model, sizeof answer->result->model, "%.*s",
                                (int) utf8_cut(model, strlen(model),
                                               sizeof answer->result->model - 1), model);
}

void wire_take_count(struct json_object *object, const char *name, uint64_t *ret, bool *ret_has)
{
        struct json_object *value = wire_member(object, name);
        double number = json_object_is_type(value, json_type_int) ||
                                        json_object_is_type(value, json_type_double)
                                ? json_object_get_double(value)
                                : 0.0;

        if (!(number >= 1.0 && number < 1e12))
                return;
        *ret = (uint64_t) number;
        *ret_has = true;
}

void wire_take_finish(struct wire_answer *answer, const char *word,
                      const struct wire_finish *rows, size_t n)
{
        if (!word || !*word)
                return;
        answer->finished = true;
        answer->result->finish = CHAT_FINISH_STOP;
        for (size_t i = 0; i < n; i++)
                if (strcmp(rows[i].word, word) == 0)
                        answer->result->finish = rows[i].finish;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void estimate(struct wire_answer *answer)
{
        struct call_result *result = answer->result;

        if (answer->request->kind == CALL_PROBE)
                return;
        if (!answer->counted_input)
                result->input_tokens = wire_estimate_input(answer->request);
        if (!answer->counted_output && answer->request->kind == CALL_CHAT)
                result->output_tokens = result->text.len / 4 + (result->text.len > 0);
        result->estimated = !answer->counted_input ||
                            (!answer->counted_output && answer->request->kind == CALL_CHAT);
}

static int end_chat(struct wire_answer *answer, struct error *reterr)
{
        struct call_result *result = answer->result;
        int r = told(answer, think_end(&answer->think, tell, answer), reterr);

        if (r < 0)
                return r;
        if (!answer->finished && !answer->ended)
                return wire_fail(answer, FAULT_BROKEN, reterr,
                                 "the answer ended in the midst: the connection was cut");
        if (answer->refused || (result->finish == CHAT_FINISH_FILTER && result->text.len == 0))
                return wire_fail(answer, FAULT_REFUSED, reterr, "the model refused to answer");
        if (result->text.len == 0 && result->finish == CHAT_FINISH_LENGTH)
                return wire_fail(answer, FAULT_REQUEST, reterr,
                                 "no word of the answer came within max_tokens; raise it for a "
                                 "model that thinks first");
        return result->text.len > 0 ? 0 : garbage(answer, reterr, "the answer is empty");
}

int wire_end(struct wire_answer *answer, struct error *reterr)
{
        answer->has_class = false;
        estimate(answer);
        return answer->request->kind == CALL_CHAT ? end_chat(answer, reterr) : 0;
}

void wire_count_fault(const struct wire_answer *answer, struct fault *fault)
{
        const struct call_result *result = answer->result;

        if (!answer->counted_input && !answer->counted_output && result->text.len == 0)
                return;
        fault->input_tokens = answer->counted_input ? result->input_tokens
                                                    : wire_estimate_input(answer->request);
        fault->output_tokens = answer->counted_output ? result->output_tokens
                                                      : result->text.len / 4 +
                                                                (result->text.len > 0);
        fault->estimated = !answer->counted_input || !answer->counted_output;
}
