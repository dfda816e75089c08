/* SPDX-License-Identifier: Apache-2.0 */
/* Rules across keys.  Each function judges one section and hangs on the section's row in
 * schema.c; what it finds is said at the key that was written.  Private to config/. */
#pragma once
#include "config/diagnostics.h"
#include "config/value.h"

#include <stdint.h>

struct config_check {
        const struct config *config;
        struct config_diagnostics *diagnostics;
        uint64_t machine_memory_bytes; /* 0: unknown */
};

/* Runs every section's rules. */
void config_check(const struct config *config, uint64_t machine_memory_bytes,
                  struct config_diagnostics *diagnostics);

/* Adds a diagnostic.  `keys` are full names, the first is the one to mend; it stands at the
 * first of them that was written, else at the beginning of the file.  Nothing is added where
 * one of them was refused already.  True where it was added. */
bool config_check_report(struct config_check *check, enum config_severity severity,
                         const char *code, const char *const keys[], const char *format, ...)
        __attribute__((format(printf, 5, 6)));

/* Whether the key stands in the profile. */
bool config_check_written(const struct config_check *check, const char *key);

#define KEYS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define check_error(check, code, keys, ...) \
        config_check_report((check), CONFIG_ERROR, (code), keys, __VA_ARGS__)
#define check_warning(check, code, keys, ...) \
        config_check_report((check), CONFIG_WARNING, (code), keys, __VA_ARGS__)
#define check_hint(check, ...) config_diagnostics_hint((check)->diagnostics, __VA_ARGS__)

/* "rag.providers.<name>.<leaf>" in memory of the caller. */
#define CHECK_KEY_SIZE 128
const char *check_provider_key(const struct provider_config *provider, const char *leaf,
                               char text[static CHECK_KEY_SIZE]);

/* check_server.c */
void check_rag(struct config_check *check);
void check_server(struct config_check *check);
void check_security(struct config_check *check);

/* check_provider.c */
void check_providers(struct config_check *check);
void check_embedding(struct config_check *check);
void check_generation(struct config_check *check);
void check_routing(struct config_check *check);
void check_retrieval(struct config_check *check);

/* check_storage.c */
void check_vector_storage(struct config_check *check);
void check_hnsw(struct config_check *check);
void check_chunking(struct config_check *check);
void check_backup(struct config_check *check);

/* check.c */
void check_resilience(struct config_check *check);
void check_budget(struct config_check *check);
void check_promotion(struct config_check *check);
void check_canary(struct config_check *check);
