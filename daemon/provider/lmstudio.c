/* SPDX-License-Identifier: Apache-2.0 */
/* LM Studio: OpenAI's shape on this machine.  It answers paths that it does not know with status
 * 200, so an answer counts only by its members; the endpoint may be given with or without /v1. */
#include "provider/kinds.h"

#include "provider/openai_shape.h"

static const char *const dropped[] = { "/v1", NULL };
static const struct openai_shape shape = { .dropped = dropped, .prefix = "/v1" };

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

const struct provider_ops lmstudio_ops = {
        .kind = "lmstudio",
        .max_batch = 256,
        .wire = &wire,
};
