/* SPDX-License-Identifier: Apache-2.0 */
/* How an answer came about, as store/traces.h keeps it: identities, scores, attempts, figures
 * and times, and no text of a question, a document or an answer.
 *
 * Attempts are added on the provider thread while the call that makes them goes on; everything
 * else happens before or after it, so there is no lock. */
#pragma once
#include "gateway/gateway.h"
#include "store/traces.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct search_response;

#define TRACE_ATTEMPTS_MAX 128 /* further ones are counted only */

enum trace_outcome {
        TRACE_GENERATED, /* a model answered */
        TRACE_EXTRACTED, /* quoted */
        TRACE_FAILED,
        TRACE_CANCELED, /* the client went away */
        TRACE_OUTCOME_MAX,
        TRACE_OUTCOME_INVALID = -EINVAL,
};
const char *trace_outcome_name(enum trace_outcome outcome);

struct trace {
        struct trace_id id;
        uint64_t wall_usec, begin_usec; /* begin: monotonic */
        struct gateway_attempt *attempts; /* heap */
        size_t n_attempts, room, dropped;
};

void trace_begin(struct trace *trace, uint64_t wall_usec, uint64_t monotonic_usec);
void trace_done(struct trace *trace);
/* For struct gateway_terms, with the trace as data. */
void trace_attempt(void *trace, const struct gateway_attempt *attempt);
/* What all attempts cost; of the generation at the least what its answer says. */
uint64_t trace_cost(const struct trace *trace, const struct gateway_answer *generated_or_null);

/* What is known at the end; what is not, is NULL or 0. */
struct trace_facts {
        enum trace_outcome outcome;
        int code; /* negative errno of a failure */
        uint32_t release;
        const char *stage;
        const char *question;
        const struct search_response *response;
        const uint8_t *prompt_hash; /* PROMPT_HASH_BYTES of them */
        size_t n_passages;          /* that the model was given */
        const struct gateway_answer *generated;
        uint64_t embedding_tokens, cost_microusd;
        size_t n_citations;
        bool grounded;
        uint64_t search_usec, generation_usec, first_usec; /* first: piece, from the beginning */
        uint64_t now_usec;                                 /* monotonic */
};
/* A new reference; NULL: no memory. */
struct json_object *trace_json(const struct trace *trace, const struct trace_facts *facts);
