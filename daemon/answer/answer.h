/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with citations.  Retrieval, then generation by a language model where one is
 * configured; where none is, the extractive answer: the passages that best cover the question,
 * quoted and cited, marked degraded ["generation"].  The server numbers the sources and
 * validates every citation; the same objects come streamed or not. */
#pragma once
#include "answer/search.h"

struct answer;
struct gateway;
struct generation_config;
struct ingest;
struct retrieval_config;
struct store;
struct workers;

struct answer_settings {
        struct store *store;
        struct gateway *gateway;
        const struct retrieval_config *retrieval;
        const struct generation_config *generation;
        const struct generation_spec *spec; /* the profile's: what a collection must match */
        uint32_t release;                   /* number carried by every answer */
        const char *stage;
        uint32_t ef_search;         /* of [rag.vector_storage.hnsw]; raised to a search's depth */
        size_t cache_bytes;         /* of documents and texts that were shown; 0: none are kept */
        size_t max_input_bytes;     /* of a question; 0: 100 KiB */
        struct workers *workers;    /* replay what the recall audit chooses; NULL: no audit */
        double recall_audit_ratio;  /* the share of dense searches that are replayed exactly */
        uint32_t slow_query_ms;     /* longer searches are told to `slow`; 0: none */
        void (*slow)(void *data, const char *query, uint64_t took_usec);
        void *data;
};

/* The settings are copied; what they point at is borrowed. */
int answer_new(const struct answer_settings *settings, struct answer **ret, struct error *reterr);
struct answer *answer_free(struct answer *answer);
/* Of the cache of documents and texts: look-ups that found something, that did not, bytes held. */
void answer_get_cache(struct answer *answer, uint64_t *ret_hits, uint64_t *ret_misses,
                      uint64_t *ret_bytes);
DEFINE_CLEANUP(struct answer *, answer_free)

struct answer_request {
        struct search_request search; /* its query: the question, unless it says otherwise */
        const char *question;
        uint32_t max_tokens;
        bool stream;
        struct json_object *json; /* strings are borrowed from it; one reference held */
};
/* {question, messages[], search{…}, profile, stream, max_tokens}: -EINVAL with the pointer.
 * Without `question`, the last message of the user is it.  `profile` may name the stage that
 * answers, nothing else. */
int answer_request_parse(const struct answer *answer, struct json_object *json,
                         struct answer_request *ret, struct error *reterr);
void answer_request_done(struct answer_request *request);

/* Where the parts of an answer go, in this order: sources, then deltas and citations, then
 * done.  Each gets a borrowed JSON object; a negative return (the client is gone) stops. */
struct answer_sink {
        int (*event)(void *data, const char *name, struct json_object *json);
        void *data;
};
/* `sources` is {sources[]}, `delta` {text}, `citation` one citation; `done` and *ret (a new
 * reference) are the whole answer of api.md.  The deltas' texts together are its `answer`; spans
 * count bytes of it.  -EHOSTUNREACH: providers are configured, none can answer, and
 * rag.generation.degraded is "error"; else as search_run(), or what the sink returned. */
int answer_run(struct answer *answer, struct tenant_id tenant, const struct answer_request *request,
               const struct answer_sink *sink_or_null, struct json_object **ret,
               struct error *reterr);
