/* SPDX-License-Identifier: Apache-2.0 */
/* The passages that the legs of a search found, before they are results: fused, ordered,
 * diversified, grouped.
 *
 * One block of memory for all of them; nothing is allocated per passage.  Plain values: the
 * same hits give the same order, in whatever order the legs delivered them.  One thread. */
#pragma once
#include "answer/search.h"

#include <stddef.h>
#include <stdint.h>

#define MMR_POOL 50 /* candidates that MMR chooses from */

struct candidate {
        uint32_t pin; /* which collection of the request */
        uint32_t slot;
        uint32_t dense_rank, bm25_rank; /* from 1; 0: that leg did not find it */
        float dense, bm25;              /* NAN: not known */
        float fused;                    /* 0 to 1 */
        float rerank;                   /* NAN: nothing reranked it */
};

struct candidates {
        struct candidate *items;
        size_t n, room;
        uint32_t *table; /* open addressing: index + 1 of an item, 0: free */
        bool reranked;   /* the best have a rerank score, which goes before the fused one */
        size_t mask;
};

/* Makes room for `room` of them; what was there is forgotten, memory is reused. */
int candidates_begin(struct candidates *candidates, size_t room, struct error *reterr);
void candidates_done(struct candidates *candidates);

/* The candidate of that slot, new or already there; at most `room` different ones. */
struct candidate *candidates_at(struct candidates *candidates, uint32_t pin, uint32_t slot);

/* The one that is there, wherever ordering has put it; or NULL.  Looks at all of them. */
struct candidate *candidates_find(struct candidates *candidates, uint32_t pin, uint32_t slot);

struct fusion_rule {
        enum search_fusion method;
        uint32_t rrf_k;
        double weight_dense, weight_bm25;
        bool dense, bm25; /* the legs that ran */
};

/* Gives each its fused score.
 * RRF: the sum of weight / (k + rank) over the legs that found it, divided by what rank 1 in
 * every leg would get.  Weighted: the weighted mean of the scores, each min-max normalised over
 * the candidates that have it; a leg that does not know a candidate gives 0. */
void candidates_fuse(struct candidates *candidates, const struct fusion_rule *rule);

/* Drops those whose score is unknown or below `min`. */
void candidates_threshold(struct candidates *candidates, enum search_score score, double min);

/* Brings the best `top` to the front, in order: by rerank score, those without behind those
 * with one; then by fused, dense and BM25 score; then by collection and slot.  The rest follows
 * in no order. */
void candidates_order(struct candidates *candidates, size_t top);

/* Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) over the first MMR_POOL, of
 * which the best come first, in order: picks by lambda * relevance - (1 - lambda) * the greatest
 * likeness to what was picked.  Relevance is the fused score, or the rerank score where the best
 * were reranked, min-max normalised over the pool.
 * `vectors` has the pool's vectors, NULL where there is none; likeness is their cosine. */
void candidates_diversify(struct candidates *candidates, const float *const *vectors,
                          size_t dimensions, double lambda);

/* Chooses from ordered candidates: `owner[i]` says which document the i-th belongs to.  Skips
 * `offset` documents, then takes up to `limit`, each with at most `size` of its passages that
 * stand together, best first.  Writes the indices; *ret_more: further documents follow. */
int candidates_group(const uint64_t *owner, size_t n, size_t offset, size_t limit, size_t size,
                     uint32_t *ret_chosen, size_t *ret_n, bool *ret_more, struct error *reterr);
