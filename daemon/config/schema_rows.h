/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of each section, by file; schema.c puts them in their order.  Private to config/. */
#pragma once
#include "config/schema.h"

#define CONFIG_ROWS(section)                        \
        extern const struct config_row section##_rows[]; \
        extern const size_t section##_row_count;

/* schema_server.c */
CONFIG_ROWS(top)
CONFIG_ROWS(rag)
CONFIG_ROWS(server)
CONFIG_ROWS(security)
CONFIG_ROWS(multi_tenant_settings)

/* schema_provider.c */
CONFIG_ROWS(provider)
CONFIG_ROWS(resilience)
CONFIG_ROWS(budget)

/* schema_storage.c */
CONFIG_ROWS(vector_storage)
CONFIG_ROWS(hnsw)
CONFIG_ROWS(chunking)
CONFIG_ROWS(cache)

/* schema_answer.c */
CONFIG_ROWS(embedding)
CONFIG_ROWS(generation)
CONFIG_ROWS(routing)
CONFIG_ROWS(retrieval)

/* schema_operations.c */
CONFIG_ROWS(promotion)
CONFIG_ROWS(canary)
CONFIG_ROWS(release)
CONFIG_ROWS(backup)
CONFIG_ROWS(monitoring)
CONFIG_ROWS(performance)
CONFIG_ROWS(debug)
