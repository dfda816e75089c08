/* SPDX-License-Identifier: Apache-2.0 */
/* Taking dead nodes out of a graph without holes where they were (the consolidation of
 * FreshDiskANN, Singh et al., arXiv 2105.09613, with edges replaced one by one as in IP-DiskANN,
 * arXiv 2502.13826).
 *
 * A sweep begins by fixing the set of the nodes that are dead now.  Then, a slice at a time, each
 * row that leads to some of them gets links to their live neighbours instead, which link back
 * where they have room.  When no row leads to them any more they wait until no walk that began
 * before is under way, and become free: their places are given to new nodes and entries, unless
 * params->keep_deleted.
 *
 * Between two slices the graph is whole: slots may be linked, the file may be saved, the sweep may
 * be given up.  What is linked meanwhile leads to no dead node, since the linker leaves out what
 * is not live.
 *
 * The writer's; walks go on meanwhile.  The same calls give the same graph for any number of
 * threads. */
#pragma once
#include "index/crew.h"
#include "index/graph.h"
#include "index/walker.h"

struct mend;

enum mend_state {
        MEND_MORE, /* another slice is to be done */
        MEND_WAIT, /* done but for walks that began before */
        MEND_DONE, /* the dead nodes are free: mend_free() */
};

/* Nodes whose slot is not in `live`, and that are still part of the graph. */
uint64_t mend_count_dead(const struct graph *graph, const roaring_bitmap_t *live);

/* Begins a sweep.  -ENOMEM. */
int mend_new(struct graph *graph, const roaring_bitmap_t *live, struct mend **ret,
             struct error *reterr);
void mend_free(struct mend *mend);
DEFINE_CLEANUP(struct mend *, mend_free)

/* One slice; `live` is of the newest view.  enum mend_state, -ENOMEM, or what the check
 * returned: the next call goes on where this one ended. */
int mend_step(struct mend *mend, struct walkers *walkers, const struct index_source *source,
              const roaring_bitmap_t *live, struct crew *crew, const struct index_check *check,
              struct error *reterr);
