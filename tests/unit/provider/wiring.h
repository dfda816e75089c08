/* SPDX-License-Identifier: Apache-2.0 */
/* A provider of any kind, and an answer that is read, for the tests of wire formats. */
#pragma once
#include "config/values.h"
#include "provider/wire.h"

#define WIRING_WIDTH 2 /* of vectors */

extern char wiring_endpoint[], wiring_v1[]; /* http://host, and with /v1/ behind it */
extern char wiring_model[];                 /* "m" */

/* Two turns and a third question. */
struct call_request wiring_chat(bool stream);
extern const struct call_request wiring_embed; /* of a query: "a" and "b\"" */
extern const struct call_request wiring_rerank, wiring_probe;

/* With the key "KEY". */
void wiring_make(struct provider *provider, struct provider_config *config,
                 const struct provider_ops *ops, char *endpoint, char *model);

struct reading {
        struct provider_config config;
        struct provider provider;
        struct call_request request;
        struct call_result result;
        struct wire_answer answer;
        struct error error;
};

void wiring_begin(struct reading *reading, const struct provider_ops *ops,
                  const struct call_request *request);
/* The whole answer, to its end. */
int wiring_read(struct reading *reading, const struct provider_ops *ops,
                const struct call_request *request, const char *body);
