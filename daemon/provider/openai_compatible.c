/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever speaks OpenAI's shape at an address of the operator's: vLLM, llama.cpp's server,
 * LiteLLM, Voyage, Jina, sentence-transformers behind any of several servers. */
#include "provider/kinds.h"

#include "provider/openai_shape.h"

#include <string.h>

static const struct openai_shape shape = { 0 };

static int read_rerank(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *list = wire_member(json, "results");
        struct json_object *usage = wire_member(json, "usage");

        wire_take_model(answer, json);
        wire_take_count(usage, "total_tokens", &answer->result->input_tokens,
                        &answer->counted_input);
        return wire_take_scores(answer, list ? list : wire_member(json, "data"), reterr);
}

/* llama.cpp serves one model, whatever it is called. */
static int read_probe(struct wire_answer *answer, struct json_object *json, struct error *reterr)
{
        struct json_object *list = wire_member(json, "data");
        const char *owner;
        int r = openai_shape_read_models(answer, json, reterr);

        if (r < 0 || answer->result->probe_model != PROBE_MODEL_ABSENT ||
            json_object_array_length(list) != 1)
                return r;
        owner = wire_string(json_object_array_get_idx(list, 0), "owned_by");
        if (owner && strcmp(owner, "llamacpp") == 0)
                answer->result->probe_model = PROBE_MODEL_KNOWN;
        return 0;
}

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .lists_partly = true,
        .calls = {
                [CALL_CHAT] = { openai_shape_write_chat, openai_shape_read_chat },
                [CALL_EMBED] = { openai_shape_write_embed, openai_shape_read_embed },
                [CALL_RERANK] = { openai_shape_write_rerank, read_rerank },
                [CALL_PROBE] = { openai_shape_write_probe, read_probe },
        },
        .read_event = openai_shape_read_event,
        .shape = &shape,
};

const struct provider_ops openai_compatible_ops = {
        .kind = "openai-compatible",
        .max_batch = 2048,
        .wire = &wire,
};
