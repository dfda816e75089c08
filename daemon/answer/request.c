/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/request.h"

#include "base/enum.h"
#include "base/json.h"
#include "config/values.h"
#include "index/filter.h"

#include <stdio.h>
#include <string.h>

static const char *const search_mode_names[SEARCH_MODE_MAX] = {
        [SEARCH_HYBRID] = "hybrid",
        [SEARCH_DENSE] = "dense",
        [SEARCH_BM25] = "bm25",
};
DEFINE_ENUM_NAMES(search_mode, enum search_mode)

static const char *const search_score_names[SEARCH_SCORE_MAX] = {
        [SEARCH_SCORE_DENSE] = "dense",
        [SEARCH_SCORE_BM25] = "bm25",
        [SEARCH_SCORE_FUSED] = "fused",
        [SEARCH_SCORE_RERANK] = "rerank",
};
DEFINE_ENUM_NAMES(search_score, enum search_score)

static const char *const search_fusion_names[SEARCH_FUSION_MAX] = {
        [SEARCH_RRF] = "rrf",
        [SEARCH_WEIGHTED] = "weighted",
};
DEFINE_ENUM_NAMES(search_fusion, enum search_fusion)

int request_fault(int code, const char *pointer, struct error *reterr)
{
        char whole[ERROR_ORIGIN_MAX];

        if (code >= 0 || !reterr || reterr->origin.key[0] == '\0')
                return code;
        (void) snprintf(whole, sizeof whole, "%s/%.*s", pointer, ERROR_ORIGIN_MAX - 32,
                        reterr->origin.key);
        error_set_origin(reterr, NULL, whole, 0, 0);
        return code;
}

static int refuse(struct error *reterr, const char *member, const char *why)
{
        (void) error_set(reterr, -EINVAL, "\"%s\" %s", member, why);
        error_set_origin(reterr, NULL, member, 0, 0);
        return -EINVAL;
}

/* ---- Defaults --------------------------------------------------------------------------- */

void request_defaults(const struct request_rules *rules, struct search_request *ret)
{
        static const enum search_mode modes[RETRIEVAL_MODE_MAX] = {
                [RETRIEVAL_MODE_HYBRID] = SEARCH_HYBRID,
                [RETRIEVAL_MODE_DENSE] = SEARCH_DENSE,
                [RETRIEVAL_MODE_BM25] = SEARCH_BM25,
        };
        static const enum search_score scores[SCORE_KIND_MAX] = {
                [SCORE_KIND_DENSE] = SEARCH_SCORE_DENSE,
                [SCORE_KIND_BM25] = SEARCH_SCORE_BM25,
                [SCORE_KIND_FUSED] = SEARCH_SCORE_FUSED,
                [SCORE_KIND_RERANK] = SEARCH_SCORE_RERANK,
        };
        const struct retrieval_config *retrieval = rules->retrieval;

        *ret = (struct search_request){
                .limit = retrieval->default_top_k,
                .mode = modes[retrieval->mode],
                .fusion = retrieval->fusion == FUSION_METHOD_WEIGHTED ? SEARCH_WEIGHTED
                                                                      : SEARCH_RRF,
                .rrf_k = retrieval->rrf_k,
                .weight_dense = retrieval->vector_weight,
                .weight_bm25 = retrieval->keyword_weight,
                .mmr_lambda = retrieval->has_mmr_lambda ? retrieval->mmr_lambda : -1,
                .rerank = retrieval->rerank_provider != NULL,
                .group_by_document = retrieval->group_by_document,
                .group_size = 1,
                .include_text = true,
                .include_metadata = true,
                .include_position = true,
        };
        if (retrieval->has_min_score) {
                ret->threshold_of = scores[retrieval->min_score_of];
                ret->threshold_min = retrieval->min_score;
        }
}

/* ---- Members that are objects ------------------------------------------------------------ */

struct reading {
        const struct request_rules *rules;
        struct json_object *json; /* the whole request */
        struct search_request *request;
        const char *pointer; /* of the request, for the filter */
};

static int read_fusion(struct reading *reading, struct json_object *object, struct error *reterr)
{
        static const char *const known[] = { "method", "k", "weights", NULL };
        static const char *const known_weights[] = { "dense", "bm25", NULL };
        struct search_request *request = reading->request;
        struct json_object *weights = NULL;
        const char *method = NULL;
        uint64_t k = request->rrf_k;
        int r = json_refuse_unknown(object, known, reterr);

        if (r >= 0)
                r = json_get_string(object, "method", &method, reterr);
        if (r > 0) {
                request->fusion = search_fusion_from_name(method);
                if (request->fusion < 0)
                        return refuse(reterr, "method", "must be rrf or weighted");
        }
        if (r >= 0)
                r = json_get_u64(object, "k", 1, 10000, &k, reterr);
        if (r >= 0)
                r = json_get_object(object, "weights", &weights, reterr);
        request->rrf_k = (uint32_t) k;
        if (r <= 0)
                return r;
        r = json_refuse_unknown(weights, known_weights, reterr);
        if (r >= 0)
                r = json_get_double(weights, "dense", 0, 1e6, &request->weight_dense, reterr);
        if (r >= 0)
                r = json_get_double(weights, "bm25", 0, 1e6, &request->weight_bm25, reterr);
        if (r < 0)
                return request_fault(r, "weights", reterr);
        if (request->weight_dense + request->weight_bm25 <= 0)
                return refuse(reterr, "weights", "must not both be 0");
        return 0;
}

static int read_threshold(struct reading *reading, struct json_object *object,
                          struct error *reterr)
{
        static const char *const known[] = { "score", "min", NULL };
        struct search_request *request = reading->request;
        const char *name = NULL;
        double min = 0;
        int r = json_refuse_unknown(object, known, reterr);

        if (r >= 0)
                r = json_get_string(object, "score", &name, reterr);
        if (r < 0)
                return r;
        if (!name)
                return refuse(reterr, "score", "is missing: a threshold names its score, one of "
                                               "dense, bm25, fused");
        request->threshold_of = search_score_from_name(name);
        if (request->threshold_of < 0)
                return refuse(reterr, "score", "must be dense, bm25, fused or rerank");
        if (request->threshold_of == SEARCH_SCORE_RERANK && !request->rerank)
                return refuse(reterr, "score", "is rerank, but nothing reranks this search");
        r = json_get_double(object, "min", -1e30, 1e30, &min, reterr);
        if (r == 0)
                return refuse(reterr, "min", "is missing");
        request->threshold_min = min;
        request->threshold_given = true;
        return r;
}

static int read_mmr(struct reading *reading, struct json_object *object, struct error *reterr)
{
        static const char *const known[] = { "lambda", NULL };
        double lambda = reading->request->mmr_lambda;
        int r = json_refuse_unknown(object, known, reterr);

        if (r >= 0)
                r = json_get_double(object, "lambda", 0, 1, &lambda, reterr);
        if (r >= 0 && lambda < 0)
                return refuse(reterr, "lambda",
                              "is missing: 1 is relevance alone, 0 novelty alone");
        reading->request->mmr_lambda = lambda;
        return r;
}

static int read_rerank(struct reading *reading, struct json_object *object, struct error *reterr)
{
        static const char *const known[] = { "profile", "top_n", NULL };
        const char *configured = reading->rules->retrieval->rerank_provider, *profile = NULL;
        uint64_t top_n = 0;
        int r = json_refuse_unknown(object, known, reterr);

        if (r >= 0)
                r = json_get_string(object, "profile", &profile, reterr);
        if (r >= 0)
                r = json_get_u64(object, "top_n", 1, reading->rules->retrieval->max_top_k, &top_n,
                                 reterr);
        if (profile && configured && strcmp(profile, configured) != 0)
                return refuse(reterr, "profile",
                              "must name the provider of rag.retrieval.rerank_provider");
        reading->request->rerank = true;
        reading->request->rerank_top_n = (uint32_t) top_n;
        return r;
}

static int read_filter(struct reading *reading, struct json_object *object, struct error *reterr)
{
        char pointer[ERROR_ORIGIN_MAX];

        (void) snprintf(pointer, sizeof pointer, "%s/filter", reading->pointer);
        return filter_parse(object, pointer, &reading->request->filter, reterr);
}

/* In this order: a threshold may speak of what rerank brings. */
static const struct {
        const char *member;
        int (*read)(struct reading *reading, struct json_object *object, struct error *reterr);
        bool names_pointer; /* its errors carry the whole pointer already */
} object_members[] = {
        { "fusion", read_fusion, false }, { "rerank", read_rerank, false },
        { "mmr", read_mmr, false },       { "threshold", read_threshold, false },
        { "filter", read_filter, true },
};

/* ---- Other members ----------------------------------------------------------------------- */

static int read_text_member(struct json_object *json, const char *member, size_t max_bytes,
                            const char **ret, struct error *reterr)
{
        int r = json_get_string(json, member, ret, reterr);

        if (r > 0 && strlen(*ret) > max_bytes) {
                (void) error_set(reterr, -EINVAL, "\"%s\" has %zu bytes, %zu are allowed", member,
                                 strlen(*ret), max_bytes);
                error_set_origin(reterr, NULL, member, 0, 0);
                return -EINVAL;
        }
        return r;
}

static int read_collections(struct reading *reading, struct error *reterr)
{
        struct search_request *request = reading->request;
        struct json_object *array = NULL;
        int r = json_get_array(reading->json, "collections", &array, reterr);
        size_t n;

        if (r <= 0)
                return r;
        n = json_object_array_length(array);
        if (n == 0)
                return refuse(reterr, "collections", "is empty: name one, or leave it out");
        if (n > SEARCH_COLLECTIONS_MAX)
                return refuse(reterr, "collections", "names more than 16 collections");
        for (size_t i = 0; i < n; i++) {
                struct json_object *item = json_object_array_get_idx(array, i);
                const char *name = json_object_get_string(item);

                if (!json_object_is_type(item, json_type_string) ||
                    strlen(name) != (size_t) json_object_get_string_len(item))
                        return refuse(reterr, "collections", "must hold names only");
                for (size_t j = 0; j < i; j++)
                        if (strcmp(name, request->collections[j]) == 0)
                                return refuse(reterr, "collections", "names a collection twice");
                request->collections[i] = name;
        }
        request->n_collections = n;
        return 0;
}

static int read_include(struct reading *reading, struct error *reterr)
{
        struct search_request *request = reading->request;
        struct json_object *array = NULL;
        int r = json_get_array(reading->json, "include", &array, reterr);

        if (r <= 0)
                return r;
        request->include_text = request->include_metadata = request->include_position = false;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                struct json_object *item = json_object_array_get_idx(array, i);
                const char *name = json_object_is_type(item, json_type_string)
                                           ? json_object_get_string(item)
                                           : "";

                if (strcmp(name, "text") == 0)
                        request->include_text = true;
                else if (strcmp(name, "metadata") == 0)
                        request->include_metadata = true;
                else if (strcmp(name, "position") == 0)
                        request->include_position = true;
                else
                        return refuse(reterr, "include",
                                      "may hold \"text\", \"metadata\" and \"position\"");
        }
        return 0;
}

static int read_scalars(struct reading *reading, struct error *reterr)
{
        struct search_request *request = reading->request;
        struct json_object *json = reading->json;
        const char *mode = NULL, *group = NULL;
        uint64_t limit = request->limit, group_size = request->group_size, ef = 0;
        struct json_object *value;
        int r = json_get_string(json, "mode", &mode, reterr);

        if (r > 0) {
                request->mode = search_mode_from_name(mode);
                if (request->mode < 0)
                        return refuse(reterr, "mode", "must be hybrid, dense or bm25");
        }
        if (r >= 0)
                r = json_get_u64(json, "limit", 1, reading->rules->retrieval->max_top_k, &limit,
                                 reterr);
        if (r >= 0)
                r = json_get_u64(json, "group_size", 1, REQUEST_GROUP_SIZE_MAX, &group_size,
                                 reterr);
        if (r >= 0)
                r = json_get_u64(json, "ef_search", 1, REQUEST_EF_SEARCH_MAX, &ef, reterr);
        if (r >= 0 && json_object_object_get_ex(json, "group_by", &value)) {
                r = json_get_string(json, "group_by", &group, reterr);
                if (r > 0 && strcmp(group, "document") != 0)
                        return refuse(reterr, "group_by", "must be \"document\" or null");
                request->group_by_document = group != NULL;
        }
        if (r >= 0 && json_object_object_get_ex(json, "rerank", &value) && !value)
                request->rerank = false; /* null: not even where the profile does */
        if (r >= 0)
                r = json_get_bool(json, "exact", &request->exact, reterr);
        if (r >= 0)
                r = json_get_bool(json, "highlight", &request->highlight, reterr);
        if (r >= 0)
                r = json_get_bool(json, "explain", &request->explain, reterr);
        request->limit = (uint32_t) limit;
        request->group_size = (uint32_t) group_size;
        request->ef_search = (uint32_t) ef;
        return r < 0 ? r : 0;
}

static int read_cursor(struct reading *reading, struct error *reterr)
{
        struct search_request *request = reading->request;
        const uint32_t max = reading->rules->retrieval->max_top_k;
        const char *cursor = NULL;
        int r;

        request->digest = request_digest(reading->json, request);
        r = json_get_string(reading->json, "cursor", &cursor, reterr);
        if (r <= 0)
                return r;
        if (cursor_parse(cursor, request->digest, &request->offset) < 0)
                return refuse(reterr, "cursor", "is not one that this search returned");
        if (request->offset >= max)
                return refuse(reterr, "cursor", "lies beyond rag.retrieval.max_top_k");
        if (request->limit > max - request->offset)
                request->limit = max - request->offset;
        return 0;
}

/* ---- The whole ---------------------------------------------------------------------------- */

static const char *const search_members[] = {
        "query",      "vector",    "vector_base64", "collections", "limit",   "cursor",
        "mode",       "fusion",    "filter",        "rerank",      "mmr",     "group_by",
        "group_size", "threshold", "exact",         "highlight",   "explain", "include",
        "ef_search",  NULL,
};

static int read_objects(struct reading *reading, struct error *reterr)
{
        for (size_t i = 0; i < ELEMENTSOF(object_members); i++) {
                struct json_object *object = NULL;
                const char *member = object_members[i].member;
                char pointer[ERROR_ORIGIN_MAX];
                int r = json_get_object(reading->json, member, &object, reterr);

                if (r < 0)
                        return request_fault(r, reading->pointer, reterr);
                if (r == 0)
                        continue;
                r = object_members[i].read(reading, object, reterr);
                if (r < 0 && object_members[i].names_pointer)
                        return r;
                (void) snprintf(pointer, sizeof pointer, "%s/%s", reading->pointer, member);
                if (r < 0)
                        return request_fault(r, pointer, reterr);
        }
        return 0;
}

static int read_members(struct reading *reading, bool needs_query, struct error *reterr)
{
        struct search_request *request = reading->request;
        int r = json_refuse_unknown(reading->json, search_members, reterr);

        if (r >= 0)
                r = read_text_member(reading->json, "query", reading->rules->max_input_bytes,
                                     &request->query, reterr);
        if (r >= 0)
                r = request_read_vector(reading->rules, reading->json, &request->vector,
                                        &request->vector_width, reterr);
        if (r >= 0 && needs_query && !request->query && !request->vector)
                r = refuse(reterr, "query", "is missing: a search needs a query or a vector");
        if (r >= 0)
                r = read_scalars(reading, reterr);
        if (r >= 0)
                r = read_collections(reading, reterr);
        if (r >= 0)
                r = read_include(reading, reterr);
        return r < 0 ? request_fault(r, reading->pointer, reterr) : 0;
}

int request_parse(const struct request_rules *rules, struct json_object *json,
                  const char *pointer, bool needs_query, float *vector, size_t width,
                  struct search_request *ret, struct error *reterr)
{
        struct search_request request;
        struct reading reading = { rules, json, &request, pointer };
        int r = 0;

        request_defaults(rules, &request);
        request.vector = vector;
        request.vector_width = width;
        if (!json_object_is_type(json, json_type_object))
                r = error_set(reterr, -EINVAL, "a search is a JSON object");
        if (r >= 0)
                r = read_members(&reading, needs_query, reterr);
        if (r >= 0)
                r = read_objects(&reading, reterr);
        if (r >= 0)
                r = request_fault(read_cursor(&reading, reterr), pointer, reterr);
        if (r < 0) {
                search_request_done(&request);
                return r;
        }
        request.json = json_object_get(json);
        *ret = request;
        return 0;
}

void search_request_done(struct search_request *request)
{
        free(request->vector);
        filter_free(request->filter);
        json_object_put(request->json);
        memset(request, 0, sizeof *request);
}
