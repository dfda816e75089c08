/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of answers share: a state folder with the collections "rivers" and "lakes",
 * embedded by the hashing embedder, one chunk for each document. */
#pragma once
#include "answer/answer.h"
#include "base/cleanup.h"
#include "config/values.h"
#include "gateway/gateway.h"
#include "store/generation.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above it */
#include <cmocka.h>

#define FIXTURE_DIMENSIONS 64

struct fixture {
        char path[512];
        struct store *store;
        struct gateway *gateway;
        struct answer *answer;
        struct tenant_id tenant;
        struct provider_config provider;
        struct embedding_config embedding;
        struct provider_config model; /* of kind mock, named "mock" */
        struct provider_config broken; /* a model that is nowhere, named "broken" */
        const struct provider_config *providers[3];
        char *generators[2];
        struct cache_config cache;
        struct resilience_config resilience;
        struct retrieval_config retrieval;
        struct generation_config generation;
        struct generation_spec spec;
        uint32_t ef_search;
        size_t cache_bytes;
        struct workers *workers;
        double recall_audit_ratio;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* The answer object again, after its configuration was changed. */
void fixture_renew(struct fixture *fixture);
/* The gateway, too: `generators` are asked in their order ("mock", "broken"; NULL: none), and the
 * mock reranks where that is wanted. */
void fixture_models(struct fixture *fixture, const char *first, const char *second, bool rerank);
void fixture_collection(struct fixture *fixture, const char *name);
void fixture_put(struct fixture *fixture, const char *collection, const char *external_id,
                 const char *title, const char *text, const char *metadata);

/* The response to a JSON request, as JSON; NULL and *ret_error where it is refused. */
struct json_object *fixture_search(struct fixture *fixture, const char *request,
                                   struct error *ret_error);
struct json_object *fixture_ask(struct fixture *fixture, const char *request,
                                const struct answer_sink *sink, struct error *ret_error);

/* Members by a path: "results/0/scores/dense"; NULL where there is none. */
struct json_object *fixture_at(struct json_object *json, const char *path);
const char *fixture_text(struct json_object *json, const char *path); /* "" for none */

#define assert_ok(call)                                                          \
        do {                                                                     \
                int assert_ok_ = (call);                                         \
                if (assert_ok_ < 0)                                              \
                        fail_msg("%s: %d, %s", #call, assert_ok_, error_text(&error)); \
        } while (0)
