/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds, each in a file of its own; provider.c lists them.  Inside provider/. */
#pragma once
#include "provider/provider.h"

extern const struct provider_ops openai_ops, azure_openai_ops, anthropic_ops, groq_ops, ollama_ops,
        lmstudio_ops, openai_compatible_ops, cohere_ops;               /* over HTTP */
extern const struct provider_ops hashing_ops, client_ops, mock_ops, recorded_ops; /* built in */
