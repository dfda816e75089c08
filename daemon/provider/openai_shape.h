/* SPDX-License-Identifier: Apache-2.0 */
/* The shape of OpenAI's requests and answers, which many servers speak with small differences.
 * Readers are written for all of them at once.  Private to provider/. */
#pragma once
#include "provider/wire.h"

/* In what a server differs; a kind's wire_ops point at its own. */
struct openai_shape {
        const char *const *dropped; /* of the endpoint's end, as in wire_set_url() */
        const char *prefix;         /* of every path; or NULL */
        bool max_completion_tokens; /* what token_parameter = "auto" means */
        bool base64;                /* ask for vectors in base64 */
        bool no_model;              /* the path says which */
};

/* Writers of requests with a bearer, as in wire.h; the probe lists the models. */
int openai_shape_write_chat(const struct provider *provider, const struct call_request *request,
                            struct wire_request *ret, struct error *reterr);
int openai_shape_write_embed(const struct provider *provider, const struct call_request *request,
                             struct wire_request *ret, struct error *reterr);
int openai_shape_write_rerank(const struct provider *provider, const struct call_request *request,
                              struct wire_request *ret, struct error *reterr);
int openai_shape_write_probe(const struct provider *provider, const struct call_request *request,
                             struct wire_request *ret, struct error *reterr);

/* The bodies alone. */
void openai_shape_add_chat(const struct provider *provider, const struct openai_shape *shape,
                           const struct chat_request *request, struct buf *body);
void openai_shape_add_embed(const struct provider *provider, const struct openai_shape *shape,
                            const struct embed_request *request, struct buf *body);

/* Readers, as in wire.h. */
int openai_shape_read_chat(struct wire_answer *answer, struct json_object *json,
                           struct error *reterr);
int openai_shape_read_event(struct wire_answer *answer, struct json_object *json,
                            struct error *reterr);
int openai_shape_read_embed(struct wire_answer *answer, struct json_object *json,
                            struct error *reterr);
int openai_shape_read_models(struct wire_answer *answer, struct json_object *json,
                             struct error *reterr);
