/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of live validation share.  Nothing outside live*.c includes it. */
#pragma once
#include "config/values.h"
#include "release/live.h"
#include "release/models.h"

#include <stdint.h>

struct ingest_forecast;

struct live {
        const struct live_settings *settings;
        const struct config *config;
        struct models models; /* empty where no embedder can be chosen */
        struct config_diagnostics *diagnostics;
};

/* At the key's place, or where the profile begins. */
void live_report(struct live *live, enum config_severity severity, const char *code,
                 const char *key, const char *format, ...) __attribute__((format(printf, 5, 6)));
#define live_hint(live, ...) config_diagnostics_hint((live)->diagnostics, __VA_ARGS__)
/* "rag.providers.NAME.LEAF" in memory of the caller. */
#define LIVE_KEY_SIZE 256
const char *live_provider_key(const char *provider, const char *leaf,
                              char text[static LIVE_KEY_SIZE]);

/* live_listen.c: the addresses of the profile. */
void live_listen(struct live *live);
/* live_try.c: providers, and room for what the change needs. */
int live_try(struct live *live, struct error *reterr);
/* `available`: memory that programs may still get; 0: not known. */
void live_judge_room(struct live *live, const struct ingest_forecast *forecast,
                     uint64_t free_bytes, uint64_t available_bytes);
