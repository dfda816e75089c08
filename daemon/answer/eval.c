/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/eval.h"

#include "answer/inside.h"
#include "store/collection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 100  /* results of a question */
#define CUT 10     /* of nDCG */
#define RELEVANT 1 /* the least gain that counts for recall */

DEFINE_CLEANUP(struct collection *, collection_unref)

/* ---- Measures -------------------------------------------------------------------------------- */

static double discounted(uint32_t gain, size_t rank)
{
        return (exp2((double) gain) - 1) / log2((double) rank + 1);
}

static int compare_gains(const void *a, const void *b)
{
        const uint32_t left = *(const uint32_t *) a, right = *(const uint32_t *) b;

        return (left < right) - (left > right);
}

double eval_ndcg(const uint32_t *gains, size_t n_gains, const uint32_t *judged, size_t n_judged,
                 size_t k)
{
        uint32_t *ideal = malloc((n_judged ? n_judged : 1) * sizeof *ideal);
        double got = 0, best = 0;

        if (!ideal)
                return 0;
        if (n_judged > 0)
                memcpy(ideal, judged, n_judged * sizeof *ideal);
        qsort(ideal, n_judged, sizeof *ideal, compare_gains);
        for (size_t i = 0; i < n_gains && i < k; i++)
                got += discounted(gains[i], i + 1);
        for (size_t i = 0; i < n_judged && i < k; i++)
                best += discounted(ideal[i], i + 1);
        free(ideal);
        return best > 0 ? got / best : 0;
}

static uint32_t gain_of(const struct golden_question *question, const char *external_id)
{
        for (size_t i = 0; i < question->n_relevant; i++)
                if (strcmp(question->relevant[i].external_id, external_id) == 0)
                        return question->relevant[i].gain;
        return 0;
}

static int measure(const struct golden_question *question, const struct search_response *response,
                   double *ret_ndcg, double *ret_recall, struct error *reterr)
{
        cleanup_free_ uint32_t *judged = calloc(question->n_relevant + 1, sizeof *judged);
        uint32_t gains[DEPTH] = { 0 };
        size_t found = 0, relevant = 0, n = search_response_count(response);

        if (!judged)
                return error_oom(reterr);
        for (size_t i = 0; i < question->n_relevant; i++) {
                judged[i] = question->relevant[i].gain;
                relevant += judged[i] >= RELEVANT;
        }
        for (size_t i = 0; i < n && i < DEPTH; i++) {
                gains[i] = gain_of(question, search_response_external_id(response, i));
                found += gains[i] >= RELEVANT;
        }
        *ret_ndcg = eval_ndcg(gains, n < DEPTH ? n : DEPTH, judged, question->n_relevant, CUT);
        *ret_recall = relevant > 0 ? (double) found / (double) relevant : 0;
        return 0;
}

static int compare_times(const void *a, const void *b)
{
        const uint64_t left = *(const uint64_t *) a, right = *(const uint64_t *) b;

        return (left > right) - (left < right);
}

void eval_sort_times(uint64_t *times, size_t n)
{
        qsort(times, n, sizeof *times, compare_times);
}

uint64_t eval_percentile(const uint64_t *sorted, size_t n, double share)
{
        size_t rank = (size_t) ceil(share * (double) n);

        return n == 0 ? 0 : sorted[rank > 0 ? rank - 1 : 0];
}

/* ---- What the collections lack --------------------------------------------------------------- */

struct wanted_document {
        const char *collection, *external_id;
};

static int compare_wanted(const void *a, const void *b)
{
        const struct wanted_document *left = a, *right = b;
        int order = strcmp(left->collection, right->collection);

        return order ? order : strcmp(left->external_id, right->external_id);
}

static int count_missing(struct store *store, struct tenant_id tenant,
                         struct wanted_document *wanted, size_t n, struct eval_missing *ret,
                         struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;

        *ret = (struct eval_missing){ 0 };
        qsort(wanted, n, sizeof *wanted, compare_wanted);
        for (size_t i = 0; i < n; i++) {
                struct document document = { 0 };
                bool other = i == 0 || strcmp(wanted[i].collection, wanted[i - 1].collection) != 0;
                int r = 0;

                if (!other && strcmp(wanted[i].external_id, wanted[i - 1].external_id) == 0)
                        continue;
                if (other) {
                        collection = collection_unref(collection);
                        r = collection_open(store, tenant, wanted[i].collection, &collection,
                                            reterr);
                }
                if (r < 0)
                        return r;
                r = docs_get(collection, wanted[i].external_id, &document, reterr);
                if (r < 0 && r != -ENOENT)
                        return r;
                if (r == -ENOENT && ret->n++ == 0)
                        ret->first = wanted[i].external_id;
                if (r >= 0)
                        document_done(&document);
        }
        return 0;
}

int eval_find_missing(struct store *store, struct tenant_id tenant, const char *collection,
                      const struct golden_set *set, struct eval_missing *ret,
                      struct error *reterr)
{
        cleanup_free_ struct wanted_document *wanted = NULL;
        size_t n = 0, room = 1;

        for (size_t i = 0; i < set->n_questions; i++)
                room += set->questions[i].n_relevant;
        wanted = calloc(room, sizeof *wanted);
        if (!wanted)
                return error_oom(reterr);
        for (size_t i = 0; i < set->n_questions; i++) {
                const struct golden_question *question = &set->questions[i];

                for (size_t j = 0; j < question->n_relevant; j++)
                        if (question->relevant[j].gain >= RELEVANT)
                                wanted[n++] = (struct wanted_document){
                                        question->collection ? question->collection : collection,
                                        question->relevant[j].external_id,
                                };
        }
        return count_missing(store, tenant, wanted, n, ret, reterr);
}

/* ---- The run --------------------------------------------------------------------------------- */

static int search(struct answer *answer, struct tenant_id tenant, const char *collection,
                  const char *query, enum search_mode mode, struct search_response **ret,
                  struct error *reterr)
{
        struct search_request request;

        search_request_defaults(answer, &request);
        request.query = query;
        request.collections[0] = collection;
        request.n_collections = 1;
        if (mode != SEARCH_MODE_INVALID)
                request.mode = mode;
        request.limit = DEPTH;
        request.group_by_document = true;
        request.group_size = 1;
        request.include_text = request.include_metadata = request.include_position = false;
        return search_untold(answer, tenant, &request, ret, reterr);
}

int eval_probe(struct answer *answer, struct tenant_id tenant, const char *collection,
               const char *query, struct document_id document, bool *ret_found,
               struct error *reterr)
{
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        int r = search(answer, tenant, collection, query, SEARCH_MODE_INVALID, &response, reterr);

        if (r < 0)
                return r;
        *ret_found = false;
        for (size_t i = 0; i < response->n_rows; i++)
                *ret_found |= id_equal(response->rows[i].document->id.id, document.id);
        return 0;
}

int eval_ask(struct answer *answer, struct tenant_id tenant, const char *collection,
             const struct golden_question *question, enum search_mode mode,
             struct eval_asked *ret, struct error *reterr)
{
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        struct eval_asked asked;
        int r = search(answer, tenant, question->collection ? question->collection : collection,
                       question->query, mode, &response, reterr);

        if (r >= 0)
                r = measure(question, response, &asked.ndcg_at_10, &asked.recall_at_100, reterr);
        if (r < 0)
                return r;
        asked.took_usec = search_response_took_usec(response);
        asked.degraded = response_is_degraded(response);
        asked.degraded_code = response->degraded_code;
        *ret = asked;
        return 0;
}

int eval_run(struct answer *answer, struct tenant_id tenant, const char *collection,
             const struct golden_set *set, enum search_mode mode,
             int (*progress)(void *data, size_t done, size_t total), void *data,
             struct eval_figures *ret, struct error *reterr)
{
        cleanup_free_ uint64_t *times = calloc(set->n_questions + 1, sizeof *times);
        struct eval_figures figures = { .questions = set->n_questions };
        struct eval_missing missing = { 0 };
        int r;

        if (!times)
                return error_oom(reterr);
        r = eval_find_missing(answer->settings.store, tenant, collection, set, &missing, reterr);
        figures.missing = missing.n;
        for (size_t i = 0; r >= 0 && i < set->n_questions; i++) {
                struct eval_asked asked = { 0 };

                r = eval_ask(answer, tenant, collection, &set->questions[i], mode, &asked, reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "question %zu", i + 1);
                figures.ndcg_at_10 += asked.ndcg_at_10;
                figures.recall_at_100 += asked.recall_at_100;
                times[i] = asked.took_usec;
                if (progress && progress(data, i + 1, set->n_questions) != 0)
                        return error_set(reterr, -ECANCELED, "the evaluation was stopped");
        }
        if (r < 0)
                return r;
        eval_sort_times(times, set->n_questions);
        figures.p50_usec = eval_percentile(times, set->n_questions, 0.50);
        figures.p99_usec = eval_percentile(times, set->n_questions, 0.99);
        if (set->n_questions > 0) {
                figures.ndcg_at_10 /= (double) set->n_questions;
                figures.recall_at_100 /= (double) set->n_questions;
        }
        *ret = figures;
        return 0;
}
