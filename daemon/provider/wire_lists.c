/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in answers: models, and scores of documents. */
#include "provider/wire.h"

#include "base/cleanup.h"
#include "config/values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool names_model(const char *name, const char *model, const char *suffix)
{
        size_t len = strlen(model);

        return strncmp(name, model, len) == 0 &&
               (name[len] == '\0' || (suffix && strncmp(name + len, suffix, strlen(suffix)) == 0));
}

int wire_find_model(struct wire_answer *answer, struct json_object *list, const char *name,
                    const char *suffix, struct error *reterr)
{
        const char *model = answer->provider->config->model;

        if (!json_object_is_type(list, json_type_array))
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "its list of models is not what this kind sends; see that "
                                 "endpoint and kind fit each other");
        if (!model)
                return 0;
        answer->result->probe_model = PROBE_MODEL_ABSENT;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                struct json_object *row = json_object_array_get_idx(list, i);
                const char *id = wire_string(row, name);

                if (id && names_model(id, model, suffix)) {
                        answer->result->probe_model = PROBE_MODEL_KNOWN;
                        (void) snprintf(answer->result->model, sizeof answer->result->model, "%s",
                                        id);
                        break;
                }
        }
        return 0;
}

/* ---- Scores ---------------------------------------------------------------------------------- */

static int better_first(const void *a, const void *b)
{
        const struct rerank_score *one = a, *other = b;

        if (one->score != other->score)
                return one->score > other->score ? -1 : 1;
        return one->index < other->index ? -1 : one->index > other->index;
}

/* Some servers give log odds: the logistic function keeps their order. */
static void into_unit(struct rerank_score *scores, size_t n)
{
        bool outside = false;

        for (size_t i = 0; i < n; i++)
                outside |= scores[i].score < 0.0F || scores[i].score > 1.0F;
        for (size_t i = 0; outside && i < n; i++)
                scores[i].score = 1.0F / (1.0F + expf(-scores[i].score));
}

static bool read_score(struct json_object *row, struct rerank_score *ret)
{
        struct json_object *index = wire_member(row, "index");
        struct json_object *score = wire_member(row, "relevance_score");

        if (!score)
                score = wire_member(row, "score");
        if (!json_object_is_type(index, json_type_int) || json_object_get_int64(index) < 0 ||
            (!json_object_is_type(score, json_type_double) &&
             !json_object_is_type(score, json_type_int)))
                return false;
        ret->index = (size_t) json_object_get_int64(index);
        ret->score = (float) json_object_get_double(score);
        return isfinite(ret->score);
}

int wire_take_scores(struct wire_answer *answer, struct json_object *list, struct error *reterr)
{
        const struct rerank_request *request = &answer->request->rerank;
        cleanup_free_ struct rerank_score *scores = NULL;
        cleanup_free_ bool *seen = NULL;
        size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

        if (n == 0 || n < request->top_n || n > request->n)
                return wire_fail(answer, FAULT_GARBAGE, reterr,
                                 "%zu scores came where %zu were asked for", n, request->top_n);
        scores = calloc(n, sizeof *scores);
        seen = calloc(request->n, sizeof *seen);
        if (!scores || !seen)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                if (!read_score(json_object_array_get_idx(list, i), &scores[i]) ||
                    scores[i].index >= request->n || seen[scores[i].index])
                        return wire_fail(answer, FAULT_GARBAGE, reterr,
                                         "score %zu is not a finite number of one of the "
                                         "documents", i);
                seen[scores[i].index] = true;
        }
        into_unit(scores, n);
        qsort(scores, n, sizeof *scores, better_first);
        free(answer->result->scores);
        answer->result->scores = take_ptr(scores);
        answer->result->n_scores = request->top_n;
        return 0;
}
