/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways in which passages are found, each over every pinned collection: dense first,
 * then BM25, on the same thread. */
#include "answer/inside.h"

#include "base/clock.h"
#include "gateway/gateway.h"
#include "store/collection.h"

#include <math.h>
#include <string.h>

struct leg_hit {
        float score;
        uint32_t slot;
        uint32_t pin;
};

struct leg {
        struct leg_hit *hits; /* the best `depth` of all collections, in order */
        size_t n;
        bool full;
};

void legs_done(struct legs *legs)
{
        free(legs->vector);
        memset(legs, 0, sizeof *legs);
}

/* ---- Which legs ---------------------------------------------------------------------------- */

static const struct index_params *params_of(const struct search_response *response)
{
        for (size_t i = 0; i < response->n_pins; i++)
                if (response->pins[i].view)
                        return index_get_params(response->pins[i].view->index);
        return NULL;
}

static int query_vector(struct answer *answer, struct tenant_id tenant,
                        const struct search_request *request, float *vector, uint32_t width,
                        uint64_t *ret_tokens, struct error *reterr)
{
        struct embed_text text = { request->query, request->query ? strlen(request->query) : 0 };
        const struct gateway_terms terms = { .deadline_usec = request->deadline_usec,
                                             .attempt = request->attempt,
                                             .data = request->attempt_data };
        struct embed_usage usage = { 0 };
        int r = 0;

        if (request->vector) {
                if (request->vector_width != width)
                        r = error_set(reterr, -EINVAL,
                                      "the vector has %zu components, the profile's are %u wide",
                                      request->vector_width, width);
                else
                        memcpy(vector, request->vector, width * sizeof *vector);
                if (r >= 0)
                        r = gateway_admit_vector(answer->settings.gateway, vector, width, reterr);
                if (r < 0)
                        error_set_origin(reterr, NULL, "/vector", 0, 0);
                return r;
        }
        r = gateway_embed(answer->settings.gateway, tenant, EMBED_QUERY, &text, 1, &terms, vector,
                          &usage, reterr);
        *ret_tokens = usage.tokens;
        if (r < 0 && reterr)
                reterr->code = foreign_code(r);
        return foreign_code(r);
}

/* Whether the dense leg can run at all; a refusal where the mode leaves no other. */
static int want_dense(const struct answer *answer, const struct search_request *request,
                      struct search_response *response, bool *ret, struct error *reterr)
{
        *ret = false;
        if (request->mode == SEARCH_BM25)
                return 0;
        if (request->vector || !gateway_embedder(answer->settings.gateway)->from_client) {
                *ret = request->vector != NULL || request->query != NULL;
                return 0;
        }
        if (request->mode == SEARCH_DENSE)
                return error_set(reterr, -EINVAL,
                                 "this profile's vectors come from the client: send "
                                 "\"vector\" or \"vector_base64\", or use mode bm25");
        response->degraded_dense = true;
        return 0;
}

int legs_prepare(struct answer *answer, struct tenant_id tenant,
                 const struct search_request *request, struct search_response *response,
                 struct legs *ret, struct error *reterr)
{
        const struct index_params *params = params_of(response);
        struct legs legs = { .bm25 = request->query && request->mode != SEARCH_DENSE };
        bool dense;
        int r = want_dense(answer, request, response, &dense, reterr);

        if (r < 0)
                return r;
        if (!dense && !legs.bm25)
                return error_set(reterr, -EINVAL, request->mode == SEARCH_BM25
                                 ? "mode bm25 needs a query"
                                 : "a search needs a query or a vector");
        response->dense = dense && !params; /* it would find nothing: there is nothing */
        if (dense && params) {
                legs.dimensions = params->dimensions;
                legs.vector = malloc(legs.dimensions * sizeof *legs.vector);
                if (!legs.vector)
                        return error_oom(reterr);
                r = query_vector(answer, tenant, request, legs.vector, legs.dimensions,
                                 &response->embedded_tokens, reterr);
                if (r < 0) {
                        legs_done(&legs);
                        /* Words still find something when no model answers. */
                        if (request->vector || request->mode == SEARCH_DENSE || !request->query ||
                            r == -ENOMEM)
                                return r;
                        legs.bm25 = response->degraded_dense = true;
                        response->degraded_code = r;
                } else {
                        vector_prepare(params->metric, legs.vector, legs.dimensions);
                }
        }
        *ret = legs;
        return 0;
}

/* ---- Running them -------------------------------------------------------------------------- */

static int compare_hits(const void *left, const void *right)
{
        const struct leg_hit *a = left, *b = right;

        if (a->score < b->score || a->score > b->score)
                return a->score < b->score ? 1 : -1;
        if (a->pin != b->pin)
                return a->pin < b->pin ? -1 : 1;
        return (a->slot > b->slot) - (a->slot < b->slot);
}

static void take_hits(struct leg *leg, size_t pin, const struct index_hit *hits, size_t n,
                      uint32_t depth)
{
        for (size_t i = 0; i < n; i++)
                leg->hits[leg->n++] = (struct leg_hit){ hits[i].score, hits[i].slot,
                                                        (uint32_t) pin };
        leg->full |= n == depth;
}

/* Of several collections the best are kept. */
static void merge_hits(struct leg *leg, size_t pins, uint32_t depth)
{
        if (pins > 1)
                qsort(leg->hits, leg->n, sizeof *leg->hits, compare_hits);
        if (leg->n > depth)
                leg->n = depth;
}

/* Several collections may have gone different ways. */
static enum index_plan join_plans(enum index_plan plan, enum index_plan next)
{
        return plan == INDEX_PLAN_INVALID || plan == next ? next : INDEX_PLAN_GRAPH_SCAN;
}

static bool has_nothing(const struct pin *pin)
{
        return !pin->view || (pin->filter && roaring_bitmap_is_empty(pin->filter));
}

static int run_dense(const struct answer *answer, const struct search_request *request,
                     struct search_response *response, const struct legs *legs, uint32_t depth,
                     struct index_hit *hits, struct leg *leg, struct error *reterr)
{
        uint32_t ef = request->ef_search ? request->ef_search : answer->settings.ef_search;

        response->ef_search = ef > depth ? ef : depth;
        for (size_t i = 0; i < response->n_pins; i++) {
                const struct pin *pin = &response->pins[i];
                struct index_query query = {
                        .vector = legs->vector,
                        .dimensions = legs->dimensions,
                        .k = depth,
                        .ef = response->ef_search,
                        .exact = request->exact,
                        .filter = pin->filter,
                        .check = request->check,
                };
                struct index_stats stats = { 0 };
                size_t n = 0;
                int r;

                if (has_nothing(pin))
                        continue;
                query.live = pin->filter ? NULL : pin->view->live; /* the filter is live already */
                r = index_search(pin->view->index, &pin->view->source, &query, hits, &n, &stats,
                                 reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "collection \"%s\"",
                                            collection_get(pin->collection)->name);
                recall_note(response->sample, i, hits, n);
                take_hits(leg, i, hits, n, depth);
                response->compared += stats.candidates;
                response->plan = join_plans(response->plan, stats.plan);
                response->exact &= stats.exact;
                response->exhausted &= stats.exhausted;
        }
        merge_hits(leg, response->n_pins, depth);
        return 0;
}

static int run_bm25(const struct search_request *request, struct search_response *response,
                    uint32_t depth, struct index_hit *hits, struct leg *leg, struct error *reterr)
{
        for (size_t i = 0; i < response->n_pins; i++) {
                const struct pin *pin = &response->pins[i];
                uint32_t n = 0;
                int r;

                if (has_nothing(pin))
                        continue;
                r = generation_bm25(pin->view, request->query, depth, pin->filter, &request->check,
                                    hits, &n, reterr);
                if (r < 0)
                        return error_prefix(reterr, r, "collection \"%s\"",
                                            collection_get(pin->collection)->name);
                take_hits(leg, i, hits, n, depth);
                response->degraded_bm25 |= !generation_view_bm25_complete(pin->view);
        }
        merge_hits(leg, response->n_pins, depth);
        return 0;
}

/* A model may have taken all the time that there was. */
static int still_wanted(const struct search_request *request, struct error *reterr)
{
        int r = request->check.check ? request->check.check(request->check.userdata) : 0;

        return r < 0 ? error_set(reterr, r, "the search was ended early") : 0;
}

static int collect(struct search_response *response, const struct leg *dense,
                   const struct leg *bm25, struct error *reterr)
{
        int r = candidates_begin(&response->candidates, dense->n + bm25->n, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < dense->n; i++) {
                struct candidate *item = candidates_at(&response->candidates, dense->hits[i].pin,
                                                       dense->hits[i].slot);

                item->dense = dense->hits[i].score;
                item->dense_rank = (uint32_t) i + 1;
        }
        for (size_t i = 0; i < bm25->n; i++) {
                struct candidate *item = candidates_at(&response->candidates, bm25->hits[i].pin,
                                                       bm25->hits[i].slot);

                item->bm25 = bm25->hits[i].score;
                item->bm25_rank = (uint32_t) i + 1;
        }
        return 0;
}

int legs_run(struct answer *answer, const struct search_request *request,
             struct search_response *response, struct legs *legs, uint32_t depth,
             struct error *reterr)
{
        size_t room = (size_t) depth * (response->n_pins ? response->n_pins : 1);
        cleanup_free_ struct leg_hit *merged = malloc(2 * room * sizeof *merged);
        cleanup_free_ struct index_hit *hits = malloc((size_t) depth * sizeof *hits);
        struct leg dense = { .hits = merged }, bm25 = { .hits = merged ? merged + room : NULL };
        uint64_t before = clock_monotonic_usec(), now;
        int r;

        if (!merged || !hits)
                return error_oom(reterr);
        r = still_wanted(request, reterr);
        if (r < 0)
                return r;
        response->exact = response->exhausted = true;
        response->plan = INDEX_PLAN_INVALID;
        response->compared = 0;
        if (legs->vector) {
                r = run_dense(answer, request, response, legs, depth, hits, &dense, reterr);
                if (r < 0)
                        return r;
                response->dense = true;
        }
        now = clock_monotonic_usec();
        response->phase_usec[PHASE_DENSE] += now - before;
        before = now;
        if (legs->bm25) {
                r = run_bm25(request, response, depth, hits, &bm25, reterr);
                /* Damaged postings are derived data: the vectors still answer. */
                if (r < 0 && (!response->dense || r == -ENOMEM))
                        return r;
                response->bm25 = r >= 0;
                response->degraded_bm25 |= r < 0;
                if (r < 0)
                        bm25.n = 0;
        }
        response->phase_usec[PHASE_BM25] += clock_monotonic_usec() - before;
        /* What a leg that is down would have found is missing. */
        response->exhausted &= !response->degraded_dense && !response->degraded_bm25;
        legs->full = dense.full || bm25.full;
        return collect(response, &dense, &bm25, reterr);
}

/* ---- Scores of what BM25 alone found --------------------------------------------------------- */

int legs_score(struct search_response *response, const struct legs *legs, size_t n,
               struct error *reterr)
{
        cleanup_free_ uint32_t *slots = NULL;
        cleanup_free_ float *scores = NULL;

        if (!legs->vector || n == 0)
                return 0;
        slots = malloc(n * sizeof *slots);
        scores = malloc(n * sizeof *scores);
        if (!slots || !scores)
                return error_oom(reterr);
        for (size_t i = 0; i < response->n_pins; i++) {
                const struct pin *pin = &response->pins[i];
                const struct index_query query = { .vector = legs->vector,
                                                   .dimensions = legs->dimensions };
                size_t count = 0, at = 0;
                int r;

                for (size_t j = 0; j < n; j++)
                        if (response->candidates.items[j].pin == i &&
                            isnan(response->candidates.items[j].dense))
                                slots[count++] = response->candidates.items[j].slot;
                if (count == 0)
                        continue;
                r = index_score(pin->view->index, &pin->view->source, &query, slots, count,
                                scores, reterr);
                if (r < 0)
                        return r;
                for (size_t j = 0; j < n; j++)
                        if (response->candidates.items[j].pin == i &&
                            isnan(response->candidates.items[j].dense))
                                response->candidates.items[j].dense = scores[at++];
        }
        return 0;
}
