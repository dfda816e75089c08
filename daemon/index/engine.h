/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an index, shared by the engines and nobody else. */
#pragma once
#include "index/index.h"
#include "index/kernel.h"

struct index {
        const struct index_ops *ops;
        struct index_params params;
        const struct kernel_ops *kernels; /* never NULL */
        void *state;                      /* the engine's own; ops->done() frees it */
};

/* The exact scan: an engine by itself and every engine's fallback. */
extern const struct index_ops flat_ops;

int flat_search(struct index *index, const struct index_source *source,
                const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                struct index_stats *ret_stats, struct error *reterr);
void flat_score(const struct index *index, const struct index_source *source, const float *query,
               const uint32_t *slots, size_t count, float *ret_scores);
