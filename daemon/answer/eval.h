/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieval quality against a golden set: nDCG@10 (Järvelin and Kekäläinen 2002, gain 2^g - 1,
 * discount log2(rank + 1), ideal over all judged documents) and recall@100, per mode. */
#pragma once
#include "answer/answer.h"
#include "store/golden.h"

/* JSON Lines of {query, relevant: {external_id: gain}, collection}, gains 0 to GOLDEN_GAIN_MAX, the
 * collection where it is another than the asker's.  -EINVAL or -EBADMSG with the line in the
 * error's origin and its words; -ENODATA: no line at all. */
int golden_set_parse(const char *text, size_t len, struct golden_set *ret, struct error *reterr);

/* nDCG@k of a ranking: `gains` are those of the results in order (0: not judged), `judged`
 * those of all judged documents, in any order.  0 where nothing is relevant. */
double eval_ndcg(const uint32_t *gains, size_t n_gains, const uint32_t *judged, size_t n_judged,
                 size_t k);

/* One question as a search of the 100 best documents.  `mode` SEARCH_MODE_INVALID: the profile's.
 * A question that names its collection is asked of that, in all of these. */
struct eval_asked {
        double ndcg_at_10, recall_at_100;
        uint64_t took_usec;
        bool degraded;
        int degraded_code; /* of the model that failed; or 0 */
};
int eval_ask(struct answer *answer, struct tenant_id tenant, const char *collection,
             const struct golden_question *question, enum search_mode mode,
             struct eval_asked *ret, struct error *reterr);
/* The documents that answer its questions and are not there; the first by name is borrowed from the
 * set, NULL where none is missing.  -ENOENT: a collection. */
struct eval_missing {
        uint64_t n;
        const char *first;
};
int eval_find_missing(struct store *store, struct tenant_id tenant, const char *collection,
                      const struct golden_set *set, struct eval_missing *ret,
                      struct error *reterr);
/* Whether a search of the words, in the profile's mode, finds this document: for probes of what
 * must not be found.  Told to nobody.  Errors as search_run(). */
int eval_probe(struct answer *answer, struct tenant_id tenant, const char *collection,
               const char *query, struct document_id document, bool *ret_found,
               struct error *reterr);
/* The nearest rank: the smallest that at least this share does not exceed; 0 of none. */
void eval_sort_times(uint64_t *times, size_t n);
uint64_t eval_percentile(const uint64_t *sorted, size_t n, double share);

struct eval_figures {
        double ndcg_at_10, recall_at_100;
        uint64_t questions, missing; /* relevant documents that the collection does not hold */
        uint64_t p50_usec, p99_usec;
};
/* Means over all questions, each asked as a search of the 100 best documents; the times are
 * those searches'.  `progress` may be NULL; a non-zero return from it stops with -ECANCELED. */
int eval_run(struct answer *answer, struct tenant_id tenant, const char *collection,
             const struct golden_set *set, enum search_mode mode,
             int (*progress)(void *data, size_t done, size_t total), void *data,
             struct eval_figures *ret, struct error *reterr);
