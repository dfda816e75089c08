/* SPDX-License-Identifier: Apache-2.0 */
/* The best candidates ordered anew by a model that reads question and passage together. */
#include "answer/inside.h"

#include "base/clock.h"
#include "gateway/gateway.h"

#include <math.h>
#include <string.h>

#define RERANK_USEC (10 * USEC_PER_SEC) /* at most, and half of the time that is left */

/* What the model said of a candidate.  A search that goes deeper asks for candidates again, and
 * finds its scores here. */
struct rerank_known {
        uint32_t pin, slot;
        float score;
};

struct reranking {
        struct row *rows; /* candidate and text of each that is asked about */
        struct embed_text *texts;
        struct rerank_score *scores;
        size_t n;
};

uint32_t rerank_top(const struct search_request *request)
{
        return request->rerank_top_n ? request->rerank_top_n : SEARCH_RERANK_TOP;
}

static void reranking_done(struct reranking *reranking)
{
        for (size_t i = 0; reranking->rows && i < reranking->n; i++)
                (void) kept_unref(reranking->rows[i].of_chunk);
        free(reranking->rows);
        free(reranking->texts);
        free(reranking->scores);
}

static int read_texts(struct answer *answer, const struct search_response *response, size_t top,
                      struct reranking *reranking, struct error *reterr)
{
        reranking->rows = calloc(top + 1, sizeof *reranking->rows);
        reranking->texts = calloc(top + 1, sizeof *reranking->texts);
        reranking->scores = calloc(top + 1, sizeof *reranking->scores);
        if (!reranking->rows || !reranking->texts || !reranking->scores)
                return error_oom(reterr);
        for (size_t i = 0; i < top; i++) {
                struct row *row = &reranking->rows[reranking->n];
                int r;

                row->candidate = response->candidates.items[i];
                r = row_read_chunk(answer, response, row, reterr);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                reranking->texts[reranking->n++] =
                        (struct embed_text){ row->chunk.text, row->chunk.text_len };
        }
        return 0;
}

static uint64_t time_for_it(const struct search_request *request, uint64_t now)
{
        uint64_t left = request->deadline_usec > now ? (request->deadline_usec - now) / 2 : 0;

        if (request->deadline_usec == 0 || left > RERANK_USEC)
                left = RERANK_USEC;
        return now + left;
}

static int ask(struct answer *answer, struct tenant_id tenant,
               const struct search_request *request, struct reranking *reranking,
               struct error *reterr)
{
        const struct rerank_request asked = { .query = request->query,
                                              .documents = reranking->texts,
                                              .n = reranking->n,
                                              .top_n = reranking->n };
        const struct gateway_terms terms = {
                .deadline_usec = time_for_it(request, clock_monotonic_usec()),
                .attempt = request->attempt,
                .data = request->attempt_data,
        };

        return gateway_rerank(answer->settings.gateway, tenant, &asked, &terms, reranking->scores,
                              reterr);
}

static int keep_scores(const struct reranking *reranking, struct search_response *response,
                       struct error *reterr)
{
        response->reranked = calloc(reranking->n + 1, sizeof *response->reranked);
        if (!response->reranked)
                return error_oom(reterr);
        for (size_t i = 0; i < reranking->n; i++) {
                const struct rerank_score *score = &reranking->scores[i];

                if (score->index < reranking->n && isfinite(score->score))
                        response->reranked[response->n_reranked++] = (struct rerank_known){
                                reranking->rows[score->index].candidate.pin,
                                reranking->rows[score->index].candidate.slot, score->score
                        };
        }
        return 0;
}

static int learn(struct answer *answer, struct tenant_id tenant,
                 const struct search_request *request, struct search_response *response,
                 struct error *reterr)
{
        cleanup_(reranking_done) struct reranking reranking = { .n = 0 };
        size_t top = rerank_top(request);
        struct error why = { 0 };
        int r;

        if (top > response->candidates.n)
                top = response->candidates.n;
        candidates_order(&response->candidates, top);
        r = read_texts(answer, response, top, &reranking, reterr);
        if (r < 0 || reranking.n == 0)
                return r;
        r = ask(answer, tenant, request, &reranking, &why);
        if (r == -ENOMEM)
                return error_oom(reterr);
        response->degraded_rerank = r < 0;
        if (r < 0 && !response->degraded_code)
                response->degraded_code = foreign_code(r);
        return r < 0 ? 0 : keep_scores(&reranking, response, reterr);
}

int rerank_candidates(struct answer *answer, struct tenant_id tenant,
                      const struct search_request *request, struct search_response *response,
                      struct error *reterr)
{
        struct candidates *candidates = &response->candidates;
        uint64_t begin = clock_monotonic_usec();
        int r = 0;

        if (candidates->n == 0)
                return 0;
        if (!response->reranked)
                r = learn(answer, tenant, request, response, reterr);
        for (size_t i = 0; r >= 0 && i < response->n_reranked; i++) {
                const struct rerank_known *known = &response->reranked[i];
                struct candidate *item = candidates_find(candidates, known->pin, known->slot);

                if (item)
                        item->rerank = known->score;
        }
        candidates->reranked = response->n_reranked > 0;
        response->phase_usec[PHASE_RERANK] += clock_monotonic_usec() - begin;
        return r;
}
