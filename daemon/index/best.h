/* SPDX-License-Identifier: Apache-2.0 */
/* The best k of a stream of hits: a heap in the caller's array whose root is the worst that is
 * kept.  Higher scores win, equal ones by the lower slot; NaN and infinity never enter.  Nothing to
 * free; one thread. */
#pragma once
#include "index/index.h"

struct best {
        struct index_hit *hits;
        size_t count, room; /* room is at least 1 */
};

void best_offer(struct best *best, struct index_hit hit);

/* Leaves the best first; nothing is offered after that. */
void best_sort(struct best *best);
