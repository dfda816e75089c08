/* SPDX-License-Identifier: Apache-2.0 */
/* Search: dense and BM25 side by side, fused, filtered before top-k, every score by its name.
 *
 * A search runs on the thread that received it: it pins one view per collection until the
 * response is freed.  Fusion: reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)
 * and weighted sums of min-max normalised scores. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"
#include "index/index.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer;
struct filter;
struct gateway_attempt;

#define SEARCH_COLLECTIONS_MAX 16
#define SEARCH_RERANK_TOP 50
#define SEARCH_HASH_BYTES 32

enum search_mode {
        SEARCH_HYBRID,
        SEARCH_DENSE,
        SEARCH_BM25,
        SEARCH_MODE_MAX,
        SEARCH_MODE_INVALID = -EINVAL,
};

/* The scores of a result, by the names that a threshold uses. */
enum search_score {
        SEARCH_SCORE_NONE,
        SEARCH_SCORE_DENSE,
        SEARCH_SCORE_BM25,
        SEARCH_SCORE_FUSED, /* 0 to 1, in every mode */
        SEARCH_SCORE_RERANK,
        SEARCH_SCORE_MAX,
        SEARCH_SCORE_INVALID = -EINVAL,
};

enum search_fusion {
        SEARCH_RRF,
        SEARCH_WEIGHTED,
        SEARCH_FUSION_MAX,
        SEARCH_FUSION_INVALID = -EINVAL,
};

const char *search_mode_name(enum search_mode mode);
enum search_mode search_mode_from_name(const char *name);
const char *search_score_name(enum search_score score);
enum search_score search_score_from_name(const char *name);
const char *search_fusion_name(enum search_fusion fusion);
enum search_fusion search_fusion_from_name(const char *name);

/* A request in the house's own terms, defaults filled in from [rag.retrieval]. */
struct search_request {
        const char *query; /* or NULL: dense only, with `vector` */
        float *vector;     /* owned; or NULL: embed the query */
        size_t vector_width;
        const char *collections[SEARCH_COLLECTIONS_MAX];
        size_t n_collections; /* 0: the collection "default" */
        uint32_t limit, offset; /* passages, or documents where they are grouped */
        uint32_t ef_search;     /* candidates that a graph keeps; 0: the profile's */
        enum search_mode mode;
        enum search_fusion fusion;
        uint32_t rrf_k;
        double weight_dense, weight_bm25; /* at least one above 0 */
        struct filter *filter;            /* owned; or NULL */
        double mmr_lambda;                /* < 0: no MMR; 1: relevance alone, 0: novelty alone */
        bool rerank;                      /* asked for */
        uint32_t rerank_top_n;            /* candidates that are reranked; 0: SEARCH_RERANK_TOP */
        bool group_by_document;
        uint32_t group_size; /* passages of one document */
        enum search_score threshold_of;
        double threshold_min;
        bool threshold_given; /* by the request, not by the profile */
        bool exact, highlight, explain;
        bool include_text, include_metadata, include_position; /* default true */
        uint64_t digest;          /* of what a cursor must belong to */
        /* The response may be one that was sent before: then it has text and count, and no
         * rows.  Only of requests that were read by search_request_parse_text(). */
        bool remember;
        uint8_t body_hash[SEARCH_HASH_BYTES]; /* where `remember` */
        /* The door's, not the request's: asked while it runs; how long to wait for other
         * machines (monotonic; 0: as long as the profile says); who is told of each attempt, see
         * struct gateway_terms. */
        uint32_t arm; /* told back when it ended: see struct answer_ended */
        /* Of an answer: `arm` is that of its search, which is told by itself as one, and the
         * answer's is 0. */
        bool told_alone;
        struct index_check check;
        uint64_t deadline_usec;
        void (*attempt)(void *data, const struct gateway_attempt *attempt);
        void *attempt_data;
        struct json_object *json; /* what strings are borrowed from; one reference held */
};

/* What a request is when it says nothing, from [rag.retrieval]; query NULL. */
void search_request_defaults(const struct answer *answer, struct search_request *ret);

/* Reads the JSON of api.md; unknown members, NaN, a vector of another width than the profile's,
 * wrong types: -EINVAL, with the JSON pointer in the error's origin.key.  Takes its own
 * reference of `json`. */
int search_request_parse(const struct answer *answer, struct json_object *json,
                         struct search_request *ret, struct error *reterr);
/* The same from the body's bytes: a vector is read without building a JSON number for each of
 * its components.  -EBADMSG with line and column: not JSON. */
int search_request_parse_text(const struct answer *answer, const char *text, size_t len,
                              struct search_request *ret, struct error *reterr);
/* The same where the body is the vector itself, as little-endian float32, and `options` holds
 * the other members. */
int search_request_parse_vector(const struct answer *answer, struct json_object *options,
                                const void *bytes, size_t len, struct search_request *ret,
                                struct error *reterr);
void search_request_done(struct search_request *request);

struct search_response;
/* -ENOENT: a collection; -EAGAIN: its index is just being made for this release;
 * -EINVAL: a vector of the wrong width, a mode that cannot be served; the gateway's errors where
 * the mode is dense; or what the request's check returned.  Blocks while another machine embeds
 * or reranks: where answer_waits(), not on a thread that serves many. */
int search_run(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
               struct search_response **ret, struct error *reterr);
struct search_response *search_response_free(struct search_response *response);
DEFINE_CLEANUP(struct search_response *, search_response_free)

/* The response body of api.md as text (heap; free()); written straight, without a tree.  NULL:
 * out of memory.  All offsets into texts count bytes of UTF-8. */
char *search_response_text(const struct search_response *response, size_t *ret_len);
/* Number of results, and the external_id of one, for evaluation and logs. */
size_t search_response_count(const struct search_response *response);
const char *search_response_external_id(const struct search_response *response, size_t at);
uint64_t search_response_took_usec(const struct search_response *response);
