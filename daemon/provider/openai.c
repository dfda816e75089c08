/* SPDX-License-Identifier: Apache-2.0 */
/* api.openai.com: chat and embeddings. */
#include "provider/kinds.h"

#include "provider/openai_shape.h"

static const struct openai_shape shape = { .max_completion_tokens = true, .base64 = true };

static const struct wire_ops wire = {
        .framing = FRAMING_SSE,
        .needs_model = true,
        .calls = {
                [CALL_CHAT] = { openai_shape_write_chat, openai_shape_read_chat },
                [CALL_EMBED] = { openai_shape_write_embed, openai_shape_read_embed },
                [CALL_PROBE] = { openai_shape_write_probe, openai_shape_read_models },
        },
        .read_event = openai_shape_read_event,
        .shape = &shape,
};

const struct provider_ops openai_ops = {
        .kind = "openai",
        .max_batch = 2048,
        .max_batch_tokens = 300000,
        .max_text_tokens = 8192,
        .wire = &wire,
};
