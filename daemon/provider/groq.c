/* SPDX-License-Identifier: Apache-2.0 */
/* api.groq.com: chat in OpenAI's shape; its limits of requests are per day, of tokens per
 * minute. */
#include "provider/kinds.h"

#include "provider/openai_shape.h"

static const struct openai_shape shape = { .max_completion_tokens = true };

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .needs_model = true,
        .requests_per_day = true,
        .calls = {
                [CALL_CHAT] = { openai_shape_write_chat, openai_shape_read_chat },
                [CALL_PROBE] = { openai_shape_write_probe, openai_shape_read_models },
        },
        .read_event = openai_shape_read_event,
        .shape = &shape,
};

const struct provider_ops groq_ops = {
        .kind = "groq",
        .wire = &wire,
};
