/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a provider's answer.  The first byte says which kind and which call, the second how
 * it comes: whole, as a stream cut in two, or as a refusal.  What is let through holds what it
 * promises; what is not is a fault that says why, in valid UTF-8, without the key. */
#include "config.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "config/values.h"
#include "provider/fault.h"
#include "provider/hints.h"
#include "provider/kinds.h"
#include "provider/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 2
#define KEY   "sk-0123456789"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct provider_ops *const kinds[] = {
        &openai_ops, &azure_openai_ops, &anthropic_ops,         &groq_ops,
        &ollama_ops, &lmstudio_ops,     &openai_compatible_ops, &cohere_ops,
};
static const struct chat_message messages[] = { { CHAT_USER, "Why?" } };
static const struct embed_text texts[] = { { "one", 3 }, { "two", 3 } };
static const struct call_request requests[CALL_KIND_MAX] = {
        [CALL_CHAT] = { CALL_CHAT, .chat = { .messages = messages,
                                             .n_messages = 1,
                                             .max_tokens = 9,
                                             .stream = true } },
        [CALL_EMBED] = { CALL_EMBED, .embed = { EMBED_QUERY, texts, 2 } },
        [CALL_RERANK] = { CALL_RERANK, .rerank = { "q", texts, 2, 1 } },
        [CALL_PROBE] = { .kind = CALL_PROBE },
};

struct reading {
        struct wire_answer answer;
        struct error error;
        size_t told;
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

static int on_text(void *data, const char *text, size_t len)
{
        struct reading *reading = data;

        must(len > 0 && utf8_valid_prefix(text, len) == len);
        reading->told += len;
        return 0;
}

static int on_event(void *data, const char *event, size_t len)
{
        struct reading *reading = data;

        return wire_read_event(&reading->answer, event, len, &reading->error);
}

static int read_stream(struct reading *reading, const char *bytes, size_t len, size_t cut)
{
        struct framing framing = { .kind = reading->answer.provider->ops->wire->framing };
        int r;

        cut = len > 0 ? cut % len : 0;
        r = framing_feed(&framing, bytes, cut, on_event, reading, &reading->error);
        if (r == 0)
                r = framing_feed(&framing, bytes + cut, len - cut, on_event, reading,
                                 &reading->error);
        if (r == 0)
                r = framing_end(&framing, on_event, reading, &reading->error);
        framing_done(&framing);
        return r;
}

static void check_result(const struct reading *reading, enum call_kind kind)
{
        const struct call_result *result = reading->answer.result;

        must(utf8_valid_prefix(buf_text(&result->text), result->text.len) == result->text.len);
        if (kind == CALL_CHAT)
                must(result->text.len > 0 && reading->told == result->text.len);
        for (size_t i = 0; kind == CALL_EMBED && i < WIDTH * ELEMENTSOF(texts); i++)
                must(isfinite(result->vectors[i]));
        if (kind == CALL_RERANK)
                must(result->n_scores == 1 && result->scores[0].index < ELEMENTSOF(texts) &&
                     result->scores[0].score >= 0.0F && result->scores[0].score <= 1.0F);
        must(kind == CALL_PROBE || result->estimated || result->input_tokens > 0 ||
             kind == CALL_RERANK);
}

static void check_fault(const struct provider *provider, int status, const char *bytes, size_t len)
{
        struct fault fault = { 0 };
        struct error error = { 0 };
        int r = fault_read(provider, status, bytes, len, &fault, &error);

        must(r < 0 && r == fault_class_traits(fault.class)->code);
        must(utf8_valid_prefix(error.message, strlen(error.message)) == strlen(error.message) ||
             strlen(error.message) == ERROR_MESSAGE_MAX - 1);
        must(!strstr(error.message, "01234567"));
}

static void check_hints(const char *bytes, size_t len)
{
        cleanup_free_ char *text = strndup(bytes, len);
        uint64_t usec;

        must(text != NULL);
        if (hint_wait(text, UINT64_C(1755780000000000), &usec) == 0)
                must(usec <= HINT_MAX_USEC);
        if (hint_in_sentence(text, &usec) == 0)
                must(usec <= HINT_MAX_USEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static char name[] = "p", model[] = "m", key[] = KEY, endpoint[] = "http://host";
        static const int statuses[] = { 200, 400, 401, 404, 413, 429, 500, 498 };
        struct provider_config config = { .name = name, .model = model, .endpoint = endpoint };
        struct provider provider = { .config = &config, .dimensions = WIDTH, .key = key };
        struct call_result result = { 0 };
        struct reading reading = { 0 };
        const struct call_request *request;
        const char *bytes;
        int r;

        if (size < 2)
                return 0;
        provider.ops = kinds[data[0] % ELEMENTSOF(kinds)];
        config.kind = provider_kind_from_name(provider.ops->kind);
        request = &requests[data[0] / ELEMENTSOF(kinds) % CALL_KIND_MAX];
        bytes = (const char *) data + 2;
        size -= 2;
        reading.answer = (struct wire_answer){ .provider = &provider,
                                               .request = request,
                                               .result = &result,
                                               .text = on_text,
                                               .data = &reading };
        if (data[1] % 4 == 0) {
                check_fault(&provider, statuses[data[1] / 4 % ELEMENTSOF(statuses)], bytes, size);
                check_hints(bytes, size);
        } else if (provider_can(&provider, request->kind)) {
                r = request->kind == CALL_CHAT && data[1] % 4 == 1
                            ? read_stream(&reading, bytes, size, data[1])
                            : wire_read(&reading.answer, bytes, size, &reading.error);
                if (r == 0)
                        r = wire_end(&reading.answer, &reading.error);
                if (r == 0)
                        check_result(&reading, request->kind);
                else
                        must(r == -EREMOTEIO || reading.error.message[0]);
        }
        call_result_done(&result);
        return 0;
}
