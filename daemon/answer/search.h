/* SPDX-License-Identifier: Apache-2.0 */
/* Search: dense and BM25 side by side, fused, filtered before top-k, every score by its name.
 *
 * A search runs on the thread that received it: it pins one view per collection until the
 * response is freed.  Fusion: reciprocal rank fusion (Cormack, Clarke, Buettcher, SIGIR 2009)
 * and weighted sums of min-max normalised scores. */
#pragma once
#include "base/error.h"
#include "base/id.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answer;
struct filter;

#define SEARCH_COLLECTIONS_MAX 16

enum search_mode { SEARCH_HYBRID, SEARCH_DENSE, SEARCH_BM25, SEARCH_MODE_MAX, SEARCH_MODE_INVALID = -EINVAL };
enum search_score { SEARCH_SCORE_NONE, SEARCH_SCORE_DENSE, SEARCH_SCORE_BM25, SEARCH_SCORE_FUSED, SEARCH_SCORE_MAX, SEARCH_SCORE_INVALID = -EINVAL };
enum search_fusion { SEARCH_RRF, SEARCH_WEIGHTED, SEARCH_FUSION_MAX, SEARCH_FUSION_INVALID = -EINVAL };
const char *search_mode_name(enum search_mode mode);
enum search_mode search_mode_from_name(const char *name);

/* A request in the house's own terms, defaults filled in from [rag.retrieval]. */
struct search_request {
        const char *query; /* or NULL: dense only, with `vector` */
        float *vector;     /* owned; or NULL: embed the query */
        size_t vector_width;
        const char *collections[SEARCH_COLLECTIONS_MAX];
        size_t n_collections; /* 0: the collection "default" */
        uint32_t limit, offset;
        enum search_mode mode;
        enum search_fusion fusion;
        uint32_t rrf_k;
        double weight_dense, weight_bm25;
        struct filter *filter; /* owned; or NULL */
        double mmr_lambda;     /* < 0: no MMR */
        bool group_by_document;
        uint32_t group_size;
        enum search_score threshold_of;
        double threshold_min;
        bool exact, highlight, explain;
        bool include_text, include_metadata; /* default true */
        struct json_object *json; /* what strings are borrowed from; one reference held */
};
/* Reads the JSON of api.md; unknown members, NaN, wrong types: -EINVAL with the pointer.  Takes
 * its own reference of `json`. */
int search_request_parse(const struct answer *answer, struct json_object *json,
                         struct search_request *ret, struct error *reterr);
/* The same from the body's bytes: vectors are read without building a JSON number each. */
int search_request_parse_text(const struct answer *answer, const char *text, size_t len,
                              struct search_request *ret, struct error *reterr);
void search_request_done(struct search_request *request);

struct search_response;
/* -ENOENT: a collection, -ESTALE: fingerprint mismatch with the remedy, -EINVAL: wrong width. */
int search_run(struct answer *answer, struct tenant_id tenant, const struct search_request *request,
               struct search_response **ret, struct error *reterr);
struct search_response *search_response_free(struct search_response *response);

/* The response body of api.md as text (heap; free()); written straight, without a tree. */
char *search_response_text(const struct search_response *response, size_t *ret_len);
/* Number of results, and the external_id of one, for evaluation and logs. */
size_t search_response_count(const struct search_response *response);
const char *search_response_external_id(const struct search_response *response, size_t at);
