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

/* The nearest rank: the smallest that at least this share does not exceed. */
static uint64_t percentile(const uint64_t *sorted, size_t n, double share)
{
        size_t rank = (size_t) ceil(share * (double) n);

        return n == 0 ? 0 : sorted[rank > 0 ? rank - 1 : 0];
}

/* ---- What the collection lacks --------------------------------------------------------------- */

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static int count_missing(struct collection *collection, const char **names, size_t n,
                         uint64_t *ret, struct error *reterr)
{
        *ret = 0;
        qsort(names, n, sizeof *names, compare_names);
        for (size_t i = 0; i < n; i++) {
                struct document document = { 0 };
                int r;

                if (i > 0 && strcmp(names[i], names[i - 1]) == 0)
                        continue;
                r = docs_get(collection, names[i], &document, reterr);
                if (r == -ENOENT)
                        ++*ret;
                else if (r < 0)
                        return r;
                else
                        document_done(&document);
        }
        return 0;
}

static int find_missing(struct answer *answer, struct tenant_id tenant, const char *name,
                        const struct golden_set *set, uint64_t *ret, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_free_ const char **names = NULL;
        size_t n = 0, room = 1;
        int r = collection_open(answer->settings.store, tenant, name, &collection, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < set->n_questions; i++)
                room += set->questions[i].n_relevant;
        names = calloc(room, sizeof *names);
        if (!names)
                return error_oom(reterr);
        for (size_t i = 0; i < set->n_questions; i++)
                for (size_t j = 0; j < set->questions[i].n_relevant; j++)
                        if (set->questions[i].relevant[j].gain >= RELEVANT)
                                names[n++] = set->questions[i].relevant[j].external_id;
        return count_missing(collection, names, n, ret, reterr);
}

/* ---- The run --------------------------------------------------------------------------------- */

static int ask(struct answer *answer, struct tenant_id tenant,
               const struct search_request *request, const struct golden_question *question,
               struct eval_figures *sums, uint64_t *ret_usec, struct error *reterr)
{
        cleanup_(search_response_free_cleanup) struct search_response *response = NULL;
        double ndcg = 0, recall = 0;
        int r = search_run(answer, tenant, request, &response, reterr);

        if (r >= 0)
                r = measure(question, response, &ndcg, &recall, reterr);
        if (r < 0)
                return r;
        sums->ndcg_at_10 += ndcg;
        sums->recall_at_100 += recall;
        *ret_usec = search_response_took_usec(response);
        return 0;
}

int eval_run(struct answer *answer, struct tenant_id tenant, const char *collection,
             const struct golden_set *set, enum search_mode mode,
             int (*progress)(void *data, size_t done, size_t total), void *data,
             struct eval_figures *ret, struct error *reterr)
{
        cleanup_free_ uint64_t *times = calloc(set->n_questions + 1, sizeof *times);
        struct eval_figures figures = { .questions = set->n_questions };
        struct search_request request;
        int r;

        if (!times)
                return error_oom(reterr);
        search_request_defaults(answer, &request);
        request.collections[0] = collection;
        request.n_collections = 1;
        request.mode = mode;
        request.limit = DEPTH;
        request.group_by_document = true;
        request.group_size = 1;
        request.include_text = request.include_metadata = request.include_position = false;
        r = find_missing(answer, tenant, collection, set, &figures.missing, reterr);
        for (size_t i = 0; r >= 0 && i < set->n_questions; i++) {
                request.query = set->questions[i].query;
                r = ask(answer, tenant, &request, &set->questions[i], &figures, &times[i], reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "question %zu", i + 1);
                if (progress && progress(data, i + 1, set->n_questions) != 0)
                        return error_set(reterr, -ECANCELED, "the evaluation was stopped");
        }
        if (r < 0)
                return r;
        qsort(times, set->n_questions, sizeof *times, compare_times);
        figures.p50_usec = percentile(times, set->n_questions, 0.50);
        figures.p99_usec = percentile(times, set->n_questions, 0.99);
        if (set->n_questions > 0) {
                figures.ndcg_at_10 /= (double) set->n_questions;
                figures.recall_at_100 /= (double) set->n_questions;
        }
        *ret = figures;
        return 0;
}
