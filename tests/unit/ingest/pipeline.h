/* SPDX-License-Identifier: Apache-2.0 */
/* A state folder with everything from the store up to ingest, for tests. */
#pragma once
#include "base/error.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "ingest/ingest.h"
#include "scheduler/workers.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct pipeline {
        char path[64];
        struct provider_config provider;
        struct embedding_config embedding;
        struct generation_spec spec;
        struct ingest_settings settings;
        struct store_limits limits;
        struct gateway *gateway;
        struct ingest_release release; /* that serves, when it was opened */
        struct workers *workers;
        struct store *store;
        struct ingest *ingest;
        struct tenant_id tenant;
};

/* cmocka fixtures: *state is a struct pipeline with an open, empty state folder. */
int pipeline_set_up(void **state);
int pipeline_tear_down(void **state);

void pipeline_open(struct pipeline *pipeline);
void pipeline_close(struct pipeline *pipeline); /* the folder stays */
void pipeline_reopen(struct pipeline *pipeline);

void pipeline_create(struct pipeline *pipeline, const char *collection);
struct ingest_receipt pipeline_put(struct pipeline *pipeline, const char *collection,
                                   const char *external_id, const char *text);
/* Waits for the end of a job and returns its row; job_done() frees it. */
struct job pipeline_wait(struct pipeline *pipeline, struct job_id job);
/* Waits and checks that it succeeded. */
void pipeline_succeeded(struct pipeline *pipeline, struct job_id job);
/* How many live chunks the serving generation has, and how many documents. */
uint64_t pipeline_chunks(struct pipeline *pipeline, const char *collection,
                         uint64_t *ret_documents);
/* How many chunks of the serving generation hold this word. */
uint32_t pipeline_find(struct pipeline *pipeline, const char *collection, const char *word);

#define assert_ok(call) assert_int_equal((call), 0)
