/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an index, shared by the engines and nobody else. */
#pragma once
#include "base/cleanup.h"
#include "index/best.h"
#include "index/index.h"
#include "index/kernel.h"

struct index {
        const struct index_ops *ops;
        struct index_params params;
        const struct kernel_ops *kernels; /* never NULL */
        void *state;                      /* the engine's own; ops->done() frees it */
};

DEFINE_CLEANUP(roaring_bitmap_t *, roaring_bitmap_free)

/* Asks for a line to be brought as far as the second-level cache.  On its way into the first it
 * would hold one of few buffers, and whoever finds none left waits: that cost walks a third of
 * their time (make bench-index). */
#define PREFETCH(address) __builtin_prefetch((address), 0, 2)

extern const struct index_ops hnsw_ops;

/* The exact scan: an engine by itself and every engine's fallback. */
extern const struct index_ops flat_ops;

int flat_search(struct index *index, const struct index_source *source,
                const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                struct index_stats *ret_stats, struct error *reterr);

/* The parts of a scan, for engines that scan a part of the slots.  `best` holds keys, which order
 * like scores, until flat_finish() sorts it and makes them scores. */
int flat_scan(const struct index *index, const struct index_source *source, uint32_t from_slot,
              const roaring_bitmap_t *wanted, const struct index_query *query, struct best *best,
              uint64_t *ret_compared, struct error *reterr);
void flat_offer(const struct index *index, const struct index_source *source, const float *query,
                const uint32_t *slots, size_t n, struct best *best);
void flat_finish(const struct index *index, struct best *best);

/* The row of a slot, or NULL where none is lent. */
const float *flat_row(const struct index_source *source, uint32_t slot);

void flat_score(const struct index *index, const struct index_source *source, const float *query,
               const uint32_t *slots, size_t count, float *ret_scores);
