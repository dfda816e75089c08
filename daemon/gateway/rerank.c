/* SPDX-License-Identifier: Apache-2.0 */
/* Reranking: a built-in model here and now, another one by a call. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/ask.h"
#include "gateway/inside.h"
#include "gateway/price.h"

#include <math.h>
#include <string.h>

/* Enough scores, each of another document, finite. */
static int check_scores(const struct rerank_request *request, const struct call_result *result,
                        struct error *reterr)
{
        cleanup_free_ bool *seen = calloc(request->n, sizeof *seen);

        if (!seen)
                return error_oom(reterr);
        if (result->n_scores < request->top_n)
                return error_set(reterr, -EBADMSG, "it scored %zu documents, %zu were asked for",
                                 result->n_scores, request->top_n);
        for (size_t i = 0; i < result->n_scores; i++) {
                const struct rerank_score *score = &result->scores[i];

                if (score->index >= request->n || seen[score->index])
                        return error_set(reterr, -EBADMSG, "it scored document %zu, which was %s",
                                         score->index, score->index >= request->n
                                                               ? "not sent" : "scored before");
                if (!isfinite(score->score))
                        return error_set(reterr, -EBADMSG, "the score of document %zu is no number",
                                         score->index);
                seen[score->index] = true;
        }
        return 0;
}

static int on_check(void *data, const struct lane *lane, struct call_result *result,
                    struct error *reterr)
{
        (void) lane;
        return check_scores(data, result, reterr);
}

static int rerank_here(struct provider *provider, const struct rerank_request *request,
                       struct rerank_score *ret_scores, struct error *reterr)
{
        struct call_result result = { 0 };
        int r = provider->ops->rerank(provider, request, &result, reterr);

        if (r == 0)
                r = check_scores(request, &result, reterr);
        if (r == 0)
                memcpy(ret_scores, result.scores, request->top_n * sizeof *ret_scores);
        call_result_done(&result);
        return r < 0 ? error_prefix(reterr, r, "provider %s", provider->config->name) : 0;
}

static int rerank_there(struct gateway *gateway, struct tenant_id tenant,
                        const struct rerank_request *request, const struct gateway_terms *terms,
                        struct rerank_score *ret_scores, struct error *reterr)
{
        const struct embedding_config *embedding = gateway->settings.embedding;
        const struct call_request subject = { .kind = CALL_RERANK, .rerank = *request };
        uint64_t now = clock_monotonic_usec();
        struct rerank_request asked = *request;
        struct ask_end end = { 0 };
        const struct call_settings settings = {
                .tenant = tenant,
                .request = &subject,
                .lanes = &gateway->reranker,
                .n_lanes = 1,
                .user = gateway_user(terms),
                .begin_usec = now,
                .deadline_usec = gateway_deadline(terms, now),
                .timeout_seconds = embedding->timeout_seconds,
                .max_retries = embedding->max_retries,
                .input_tokens = price_estimate_tokens(strlen(request->query)) * request->n +
                                price_estimate_texts(request->documents, request->n),
                .low_priority = terms && terms->low_priority,
                .attempt = terms ? terms->attempt : NULL,
                .attempt_data = terms ? terms->data : NULL,
        };
        int r = ask_and_wait(gateway, &settings, on_check, &asked, &end, reterr);

        if (r == 0)
                memcpy(ret_scores, end.result.scores, request->top_n * sizeof *ret_scores);
        call_result_done(&end.result);
        return r;
}

int gateway_rerank(struct gateway *gateway, struct tenant_id tenant,
                   const struct rerank_request *request, const struct gateway_terms *terms,
                   struct rerank_score *ret_scores, struct error *reterr)
{
        struct provider *provider;
        int r;

        if (!gateway->reranker)
                return error_set(reterr, -EOPNOTSUPP, "no reranker is configured: set "
                                 "rag.retrieval.rerank_provider");
        provider = gateway->reranker->provider;
        if (provider && provider->ops->rerank)
                return rerank_here(provider, request, ret_scores, reterr);
        r = gateway_enter(gateway, reterr);
        if (r < 0)
                return r;
        r = rerank_there(gateway, tenant, request, terms, ret_scores, reterr);
        gateway_leave(gateway);
        return r;
}
