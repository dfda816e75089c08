/* SPDX-License-Identifier: Apache-2.0 */
/* A search, in the order of the house: pin the views, evaluate the filter, embed, dense, BM25,
 * fuse, diversify, group, fetch what is left. */
#include "answer/inside.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/gateway.h"

#include <stdio.h>
#include <string.h>

#define HYBRID_DEPTH 100U /* hits of each leg that are fused at the least */
#define DEPTH_MAX ((uint32_t) INDEX_K_MAX)

/* ---- Ranking --------------------------------------------------------------------------------- */

static void end_phase(struct search_response *response, enum search_phase phase, uint64_t *since)
{
        uint64_t now = clock_monotonic_usec();

        response->phase_usec[phase] += now - *since;
        *since = now;
}

static uint32_t first_depth(const struct search_request *request, bool fused)
{
        uint64_t depth = (uint64_t) request->offset + request->limit + 1;

        if (fused)
                depth = 2 * depth < HYBRID_DEPTH ? HYBRID_DEPTH : 2 * depth;
        if (request->mmr_lambda >= 0 && depth < MMR_POOL)
                depth = MMR_POOL;
        if (request->rerank && depth < rerank_top(request))
                depth = rerank_top(request);
        if (request->group_by_document)
                depth *= 4;
        return depth < DEPTH_MAX ? (uint32_t) depth : DEPTH_MAX;
}

/* A threshold on a score that this search does not have: the request's own is a mistake, the
 * profile's is for other modes, and a leg that is down is named in `degraded`. */
static int check_threshold(const struct search_request *request,
                           struct search_response *response, bool *ret_apply,
                           struct error *reterr)
{
        const bool known[SEARCH_SCORE_MAX] = {
                [SEARCH_SCORE_DENSE] = response->dense,
                [SEARCH_SCORE_BM25] = response->bm25,
                [SEARCH_SCORE_FUSED] = true,
        };
        bool down = (request->threshold_of == SEARCH_SCORE_DENSE && response->degraded_dense) ||
                    (request->threshold_of == SEARCH_SCORE_BM25 && response->degraded_bm25) ||
                    request->threshold_of == SEARCH_SCORE_RERANK;

        *ret_apply = known[request->threshold_of];
        if (!*ret_apply && request->threshold_given && !down) {
                (void) error_set(reterr, -EINVAL,
                                 "the threshold is on the %s score, which this search does not "
                                 "compute",
                                 search_score_name(request->threshold_of));
                error_set_origin(reterr, NULL, "/threshold/score", 0, 0);
                return -EINVAL;
        }
        return 0;
}

static void diversify(const struct search_request *request, struct search_response *response)
{
        struct candidates *candidates = &response->candidates;
        const float *vectors[MMR_POOL] = { NULL };
        size_t dimensions = 0;

        candidates_order(candidates, MMR_POOL);
        for (size_t i = 0; i < candidates->n && i < MMR_POOL; i++) {
                const struct pin *pin = &response->pins[candidates->items[i].pin];

                vectors[i] = view_vector(pin->view, candidates->items[i].slot);
                dimensions = generation_dimensions(pin->generation);
        }
        candidates_diversify(candidates, vectors, dimensions, request->mmr_lambda);
}

/* From the legs' hits to candidates in their final order, as far as results need it. */
static int rank(struct answer *answer, struct tenant_id tenant,
                const struct search_request *request, struct search_response *response,
                const struct legs *legs, size_t wanted, struct error *reterr)
{
        const struct fusion_rule rule = {
                .method = request->fusion,
                .rrf_k = request->rrf_k,
                .weight_dense = request->weight_dense,
                .weight_bm25 = request->weight_bm25,
                .dense = response->dense,
                .bm25 = response->bm25,
        };
        bool apply;
        int r = check_threshold(request, response, &apply, reterr);

        if (r < 0)
                return r;
        /* Everybody's dense score counts here; elsewhere only the results show theirs. */
        if (request->fusion == SEARCH_WEIGHTED ||
            (apply && request->threshold_of == SEARCH_SCORE_DENSE))
                r = legs_score(response, legs, response->candidates.n, reterr);
        if (r < 0)
                return r;
        candidates_fuse(&response->candidates, &rule);
        if (apply)
                candidates_threshold(&response->candidates, request->threshold_of,
                                     request->threshold_min);
        if (request->rerank && !response->degraded_rerank)
                r = rerank_candidates(answer, tenant, request, response, reterr);
        if (r < 0)
                return r;
        if (response->candidates.reranked && request->threshold_of == SEARCH_SCORE_RERANK)
                candidates_threshold(&response->candidates, SEARCH_SCORE_RERANK,
                                     request->threshold_min);
        if (request->mmr_lambda < 0) {
                candidates_order(&response->candidates, wanted);
                return 0;
        }
        if (wanted > MMR_POOL)
                candidates_order(&response->candidates, wanted);
        diversify(request, response);
        return 0;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

struct choice {
        uint32_t *items; /* heap */
        size_t n;
        bool more;
};

static int choose_groups(const struct search_request *request, struct search_response *response,
                         struct choice *choice, struct error *reterr)
{
        const struct candidates *candidates = &response->candidates;
        cleanup_free_ uint64_t *owner = malloc((candidates->n + 1) * sizeof *owner);

        if (!owner)
                return error_oom(reterr);
        for (size_t i = 0; i < candidates->n; i++) {
                const struct candidate *item = &candidates->items[i];

                owner[i] = (uint64_t) item->pin << 32 |
                           generation_view_docver(response->pins[item->pin].view, item->slot);
        }
        return candidates_group(owner, candidates->n, request->offset, request->limit,
                                request->group_size, choice->items, &choice->n, &choice->more,
                                reterr);
}

static int choose(const struct search_request *request, struct search_response *response,
                  struct choice *choice, struct error *reterr)
{
        size_t n = response->candidates.n;

        free(choice->items);
        choice->items = malloc((n + 1) * sizeof *choice->items);
        if (!choice->items)
                return error_oom(reterr);
        if (request->group_by_document)
                return choose_groups(request, response, choice, reterr);
        choice->n = 0;
        for (size_t i = request->offset; i < n && choice->n < request->limit; i++)
                choice->items[choice->n++] = (uint32_t) i;
        choice->more = n > (size_t) request->offset + request->limit;
        return 0;
}

/* Passages of few documents may fill the legs: then they are asked for more. */
static int retrieve(struct answer *answer, struct tenant_id tenant,
                    const struct search_request *request, struct search_response *response,
                    struct legs *legs, struct choice *choice, struct error *reterr)
{
        size_t wanted = (size_t) request->offset + request->limit + 1;
        uint32_t depth = first_depth(request, legs->vector && legs->bm25);

        for (;;) {
                uint64_t since, reranked = response->phase_usec[PHASE_RERANK];
                int r = legs_run(answer, request, response, legs, depth, reterr);

                if (r < 0)
                        return r;
                since = clock_monotonic_usec();
                r = rank(answer, tenant, request, response, legs,
                         request->group_by_document ? response->candidates.n : wanted, reterr);
                if (r >= 0)
                        r = choose(request, response, choice, reterr);
                end_phase(response, PHASE_FUSE, &since);
                response->phase_usec[PHASE_FUSE] -= response->phase_usec[PHASE_RERANK] - reranked;
                if (r < 0)
                        return r;
                if (!request->group_by_document || choice->more || !legs->full ||
                    depth == DEPTH_MAX)
                        return 0;
                depth = depth < DEPTH_MAX / 4 ? depth * 4 : DEPTH_MAX;
        }
}

/* The results' missing dense scores; the chosen stand anywhere, so all up to the last are. */
static int score_chosen(struct search_response *response, const struct legs *legs,
                        const struct choice *choice, struct error *reterr)
{
        size_t last = 0;

        for (size_t i = 0; i < choice->n; i++)
                if (choice->items[i] >= last)
                        last = (size_t) choice->items[i] + 1;
        return legs_score(response, legs, last, reterr);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static void remember(const struct answer *answer, const struct search_request *request,
                     struct search_response *response)
{
        response->asked.mode = request->mode;
        response->asked.fusion = request->fusion;
        response->asked.rrf_k = request->rrf_k;
        response->asked.weight_dense = request->weight_dense;
        response->asked.weight_bm25 = request->weight_bm25;
        response->asked.explain = request->explain;
        response->asked.text = request->include_text;
        response->asked.metadata = request->include_metadata;
        response->asked.position = request->include_position;
        response->asked.highlight = request->highlight;
        /* Where nothing reranks, or there are no words to compare with. */
        response->degraded_rerank =
                (request->rerank || request->threshold_of == SEARCH_SCORE_RERANK) &&
                !(request->rerank && request->query &&
                  gateway_reranks(answer->settings.gateway));
        (void) generation_describe(answer->settings.spec, response->fingerprint);
}

static int run(struct answer *answer, struct tenant_id tenant,
               const struct search_request *request, struct search_response *response,
               struct legs *legs, struct choice *choice, struct error *reterr)
{
        uint64_t since = clock_monotonic_usec();
        int r = pins_open(answer, tenant, request, response, reterr);

        end_phase(response, PHASE_PIN, &since);
        if (r >= 0 && request->remember &&
            response_find_remembered(answer, tenant, request, response))
                return 0;
        if (r >= 0)
                r = pins_filter(request, response, reterr);
        end_phase(response, PHASE_FILTER, &since);
        if (r >= 0)
                r = legs_prepare(answer, tenant, request, response, legs, reterr);
        end_phase(response, PHASE_EMBED, &since);
        if (r >= 0 && legs->vector && !request->exact)
                response->sample = recall_choose(answer->recall, legs->vector, legs->dimensions,
                                                 request->offset + request->limit,
                                                 response->n_pins);
        if (r >= 0)
                r = retrieve(answer, tenant, request, response, legs, choice, reterr);
        since = clock_monotonic_usec();
        if (r >= 0)
                r = score_chosen(response, legs, choice, reterr);
        if (r >= 0)
                r = rows_fetch(answer, request, response, choice->items, choice->n, reterr);
        end_phase(response, PHASE_FETCH, &since);
        return r;
}

int search_untold(struct answer *answer, struct tenant_id tenant,
                  const struct search_request *request, struct search_response **ret,
                  struct error *reterr)
{
        cleanup_(search_response_free_cleanup) struct search_response *response =
                calloc(1, sizeof *response);
        uint64_t begin = clock_monotonic_usec();
        uint64_t next = (uint64_t) request->offset + request->limit;
        struct choice choice = { 0 };
        struct legs legs = { 0 };
        int r;

        if (!response)
                return error_oom(reterr);
        remember(answer, request, response);
        r = run(answer, tenant, request, response, &legs, &choice, reterr);
        legs_done(&legs);
        free(choice.items);
        if (r < 0)
                return r;
        if (!response->remembered && choice.more && next < answer->settings.retrieval->max_top_k)
                (void) cursor_format((uint32_t) next, request->digest, response->next_cursor);
        response->took_usec = clock_monotonic_usec() - begin;
        if (answer->settings.slow && answer->settings.slow_query_ms > 0 &&
            response->took_usec > answer->settings.slow_query_ms * USEC_PER_MSEC)
                answer->settings.slow(answer->settings.data,
                                      request->query ? request->query : "(a vector)",
                                      response->took_usec);
        response->complete = true;
        *ret = take_ptr(response);
        return 0;
}

struct search_response *search_response_free(struct search_response *response)
{
        if (!response)
                return NULL;
        if (response->sample && response->complete)
                recall_submit(response->sample, response->pins, response->n_pins);
        else
                recall_discard(response->sample);
        rows_done(response);
        free(response->reranked);
        (void) remembered_unref(response->remembered);
        candidates_done(&response->candidates);
        for (size_t i = 0; i < response->n_pins; i++)
                pin_done(&response->pins[i]);
        free(response);
        return NULL;
}

size_t search_response_count(const struct search_response *response)
{
        return response->remembered ? remembered_results(response->remembered) : response->n_rows;
}

const char *search_response_external_id(const struct search_response *response, size_t at)
{
        return at < response->n_rows ? response->rows[at].document->external_id : NULL;
}

uint64_t search_response_took_usec(const struct search_response *response)
{
        return response->took_usec;
}
