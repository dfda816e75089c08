/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a search or as a question: refused with a word, or read; and a vector that is
 * read straight from the text is the one that the JSON parser finds. */
#include "answer/request.h"
#include "base/json.h"
#include "config/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct retrieval_config retrieval = { .default_top_k = 10,
                                                   .max_top_k = 1000,
                                                   .rrf_k = 60,
                                                   .vector_weight = 0.7,
                                                   .keyword_weight = 0.3 };

static void check(const struct request_rules *rules, const struct search_request *request)
{
        if (request->ef_search > REQUEST_EF_SEARCH_MAX || request->limit < 1 || request->offset + request->limit > retrieval.max_top_k ||
            !(request->weight_dense + request->weight_bm25 > 0) || request->rrf_k < 1 ||
            request->group_size < 1 || request->n_collections > SEARCH_COLLECTIONS_MAX)
                abort();
        if (request->vector && request->vector_width != rules->dimensions)
                abort();
        for (size_t i = 0; request->vector && i < request->vector_width; i++)
                if (!isfinite(request->vector[i]))
                        abort();
}

static bool same(const struct search_request *a, const struct search_request *b)
{
        if (!a->vector != !b->vector || a->vector_width != b->vector_width ||
            a->digest != b->digest || a->limit != b->limit || a->ef_search != b->ef_search)
                return false;
        return !a->vector ||
               memcmp(a->vector, b->vector, a->vector_width * sizeof *a->vector) == 0;
}

/* The same bytes as a vector. */
static void check_vector(const struct request_rules *rules, const uint8_t *data, size_t size)
{
        cleanup_json_ struct json_object *options = json_object_new_object();
        struct search_request request;
        struct error error = { 0 };
        bool whole = size == rules->dimensions * sizeof(float);

        if (request_parse_vector(rules, options, data, size, &request, &error) >= 0) {
                if (!whole || !request.vector)
                        abort();
                check(rules, &request);
                search_request_done(&request);
        } else if (error.message[0] == '\0') {
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct request_rules rules = { .retrieval = &retrieval,
                                             .dimensions = 4,
                                             .max_input_bytes = 1024,
                                             .max_tokens = 1024,
                                             .stage = "testing" };
        cleanup_json_ struct json_object *json = NULL;
        struct search_request from_text, from_json;
        struct answer_request question;
        struct error error = { 0 };
        int text, tree = -EBADMSG;

        check_vector(&rules, data, size);
        text = request_parse_text(&rules, (const char *) data, size, &from_text, &error);
        if (text < 0 && error.message[0] == '\0')
                abort();
        if (json_parse((const char *) data, size, &json, NULL) >= 0)
                tree = request_parse(&rules, json, "", true, NULL, 0, &from_json, NULL);
        if (text != tree)
                abort();
        if (text >= 0) {
                check(&rules, &from_text);
                if (!same(&from_text, &from_json))
                        abort();
                search_request_done(&from_text);
                search_request_done(&from_json);
        }
        memset(&error, 0, sizeof error);
        if (!json)
                return 0;
        if (request_parse_answer(&rules, json, &question, &error) >= 0) {
                check(&rules, &question.search);
                if (!question.question || !question.search.query)
                        abort();
                answer_request_done(&question);
        } else if (error.message[0] == '\0') {
                abort();
        }
        return 0;
}
