/* SPDX-License-Identifier: Apache-2.0 */
/* Taking slots into a graph, a batch at a time, with several threads and the same result for any
 * number of them (after the batch insertion of Dobson et al., "Scaling Graph-Based ANNS
 * Algorithms to Billion-Size Datasets", arXiv 2305.04359).
 *
 * First each new node looks for its neighbours, in the graph as it was before the batch and among
 * the others of its batch; nothing but its own links is written.  Then the other direction: the
 * new links are sorted by whom they lead to, and each target's links are written by one thread.
 * Walks go on meanwhile. */
#pragma once
#include "index/crew.h"
#include "index/walker.h"

struct linker;

struct linkers {
        struct graph *graph;
        const struct index_source *source;
        const roaring_bitmap_t *live; /* no link leads to what is not in it; NULL: all are live */
        struct crew *crew;            /* borrowed */
        struct linker *each;          /* one for each thread */
        struct batch *batch;
};

#define LINK_BATCH_MAX 1024

int linkers_init(struct linkers *linkers, struct graph *graph, const struct index_source *source,
                 const roaring_bitmap_t *live, struct crew *crew, struct error *reterr);
void linkers_done(struct linkers *linkers);

/* Takes in `n` (at most LINK_BATCH_MAX) ascending slots that are not in the graph.  On failure
 * (-EDQUOT, -ENOMEM) none is. */
int link_batch(struct linkers *linkers, const uint32_t *slots, size_t n, struct error *reterr);

/* ---- For those who change links (link.c, mend.c) ---------------------------------------- */

/* Replaces a row of links of room `room`. */
void link_write_row(graph_link *row, const struct candidate *candidates, size_t n, size_t room);
