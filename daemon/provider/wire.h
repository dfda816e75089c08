/* SPDX-License-Identifier: Apache-2.0 */
/* A kind that speaks HTTP, as pure functions: write the request of a call, read its answer, read an
 * event of a streamed one.  No clock, no socket: call.c does the exchange.  Private to provider/,
 * and to its tests.
 *
 * Readers take what each vendor and its imitators send: unknown members are passed over, missing
 * ones too where the answer stands without them. */
#pragma once
#include "base/buf.h"
#include "base/error.h"
#include "provider/framing.h"
#include "provider/provider.h"
#include "provider/think.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_HEADERS_MAX 7

/* ---- Requests -------------------------------------------------------------------------------- */

struct wire_request {
        const char *method;
        struct buf url, body;
        char *headers[WIRE_HEADERS_MAX + 1]; /* NULL at the end */
        size_t n_headers;
        bool failed; /* out of memory */
};
/* Overwrites the key before it frees. */
void wire_request_done(struct wire_request *request);

/* The table's endpoint without a slash at its end and without the first of `dropped` (NULL at the
 * end, or NULL) that it ends in, then the path. */
void wire_set_url(struct wire_request *request, const struct provider *provider,
                  const char *const *dropped, const char *path);
void wire_add_header(struct wire_request *request, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
/* "Authorization: Bearer KEY", where there is a key. */
void wire_add_bearer(struct wire_request *request, const struct provider *provider);

/* What requests call the model: its name, or that of its deployment; NULL: neither is set. */
const char *wire_model(const struct provider *provider);

/* ,"name":value with the comma where something stands before it. */
void wire_add_name(struct buf *body, const char *name);
void wire_add_string(struct buf *body, const char *name, const char *value);
void wire_add_number(struct buf *body, const char *name, double value);
void wire_add_texts(struct buf *body, const char *name, const struct embed_text *texts, size_t n);
void wire_add_stops(struct buf *body, const char *name, const struct chat_request *chat);
/* "messages":[…]: with `fold` the system prompt stands before the first question, else with
 * `system_role` it is a message of its own, else it is left out. */
void wire_add_messages(struct buf *body, const struct chat_request *chat, bool system_role,
                       bool fold);

/* What the request's texts may come to, in tokens: a fourth of their bytes. */
uint64_t wire_estimate_input(const struct call_request *request);

/* ---- Answers --------------------------------------------------------------------------------- */

/* An answer that is being read. */
struct wire_answer {
        const struct provider *provider;
        const struct call_request *request;
        struct call_result *result; /* begins as zeros */
        int (*text)(void *data, const char *text, size_t len); /* pieces, or NULL */
        void *data;

        struct think think;
        bool finished;      /* it said why it ended */
        bool ended;         /* the stream's end marker came */
        bool refused;       /* it said that it will not answer */
        bool counted_input, counted_output;
        bool has_class;
        enum fault_class class; /* of the last failure, where the code does not tell */
};

/* 0; -EREMOTEIO: it is an error of the provider, for fault_read(); -EBADMSG: not of the shape;
 * -ECANCELED: text() stopped; -ENOMEM; or with has_class set. */
typedef int (*wire_reader)(struct wire_answer *answer, struct json_object *json,
                           struct error *reterr);

struct openai_shape;

struct wire_ops {
        enum framing_kind framing; /* of streamed chats */
        bool needs_model;
        bool requests_per_day; /* what x-ratelimit-*-requests count */
        bool lists_partly;     /* a probe that finds no list is none the worse */
        struct {
                int (*write)(const struct provider *provider, const struct call_request *request,
                             struct wire_request *ret, struct error *reterr);
                wire_reader read;
        } calls[CALL_KIND_MAX];
        wire_reader read_event;
        const struct openai_shape *shape; /* of kinds that speak OpenAI's */
};

/* Writes the request: method, URL, headers with the key, body.  -EOPNOTSUPP; -EINVAL: the table
 * lacks what the kind needs; -ENOMEM. */
int wire_write(const struct provider *provider, const struct call_request *request,
               struct wire_request *ret, struct error *reterr);
/* The largest answer that is read. */
uint64_t wire_max_bytes(const struct provider *provider, const struct call_request *request);

/* A whole answer, or one event of a stream; as wire_reader. */
int wire_read(struct wire_answer *answer, const char *body, size_t len, struct error *reterr);
int wire_read_event(struct wire_answer *answer, const char *event, size_t len,
                    struct error *reterr);
/* Once, behind the last: nothing of a chat is missing; what was not counted is estimated.
 * -ECONNRESET: the stream broke; a refusal; an empty answer: has_class is set. */
int wire_end(struct wire_answer *answer, struct error *reterr);
/* What was used until now, for a fault. */
void wire_count_fault(const struct wire_answer *answer, struct fault *fault);

/* ---- For the readers of kinds ---------------------------------------------------------------- */

int wire_fail(struct wire_answer *answer, enum fault_class class, struct error *reterr,
              const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Text of the answer; thinking aloud is left out.  An invalid character is -EBADMSG. */
int wire_take_text(struct wire_answer *answer, struct json_object *text, struct error *reterr);
void wire_take_model(struct wire_answer *answer, struct json_object *json);
/* Takes a count where the member is a number above 0. */
void wire_take_count(struct json_object *object, const char *name, uint64_t *ret, bool *ret_has);
/* Why the answer ended, in the provider's word: of those that are no plain end, the rows.  No word:
 * it has not ended. */
struct wire_finish {
        const char *word;
        enum chat_finish finish;
};
void wire_take_finish(struct wire_answer *answer, const char *word_or_null,
                      const struct wire_finish *rows, size_t n);
/* [{<name>:"…"}, …]: whether the table's model is one of them; what begins with `suffix` (or
 * NULL) may follow it.  -EBADMSG: not an array. */
int wire_find_model(struct wire_answer *answer, struct json_object *list, const char *name,
                    const char *suffix, struct error *reterr);
/* [{index, relevance_score}, …] */
int wire_take_scores(struct wire_answer *answer, struct json_object *list, struct error *reterr);

/* The member, or NULL: absent, null, or not in an object. */
struct json_object *wire_member(struct json_object *object, const char *name);
/* Its text, or NULL where it is none. */
const char *wire_string(struct json_object *object, const char *name);
