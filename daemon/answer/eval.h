/* SPDX-License-Identifier: Apache-2.0 */
/* Retrieval quality against a golden set: nDCG@10 (Järvelin and Kekäläinen 2002, gain 2^g - 1,
 * discount log2(rank + 1), ideal over all judged documents) and recall@100, per mode. */
#pragma once
#include "answer/answer.h"

struct golden_question {
        char *query;
        struct golden_gain {
                char *external_id;
                uint32_t gain; /* 0: judged and not relevant */
        } *relevant;
        size_t n_relevant;
};
struct golden_set {
        struct golden_question *questions;
        size_t n_questions;
};
/* JSON Lines of {query, relevant: {external_id: gain}}, gains 0 to GOLDEN_GAIN_MAX.  -EINVAL or
 * -EBADMSG with the line in the error's origin and its words; -ENODATA: no line at all. */
#define GOLDEN_GAIN_MAX 30
int golden_set_parse(const char *text, size_t len, struct golden_set *ret, struct error *reterr);
void golden_set_done(struct golden_set *set);

/* nDCG@k of a ranking: `gains` are those of the results in order (0: not judged), `judged`
 * those of all judged documents, in any order.  0 where nothing is relevant. */
double eval_ndcg(const uint32_t *gains, size_t n_gains, const uint32_t *judged, size_t n_judged,
                 size_t k);

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
