/* SPDX-License-Identifier: Apache-2.0 */
/* What one walk through a graph needs for itself: marks of the nodes it has seen, the pool of the
 * best candidates, the asking side's code.  Walkers are kept and lent, one to each walk.
 *
 * A walker out on a walk holds an epoch: memory that was unlinked before it started is not in its
 * way, what is unlinked later waits for it (epoch-based reclamation, Fraser 2004).  Taking,
 * giving back and asking take no lock; any thread. */
#pragma once
#include "index/graph.h"

#include <stdatomic.h>

struct candidate {
        float key;
        uint32_t id; /* a node, or an entry in the upper layers; see CANDIDATE_EXPANDED */
};

#define CANDIDATE_EXPANDED (UINT32_C(1) << 31) /* its neighbours were looked at */

struct walker {
        _Atomic uint64_t epoch; /* 0: not walking */
        struct walker *next;    /* of all that were ever made */

        uint8_t *seen; /* by id: equal to `mark` where this walk was */
        size_t seen_size;
        uint8_t mark;

        struct candidate *pool; /* sorted by falling key; room for pool_room */
        size_t pool_room;
        struct candidate *frontier; /* a heap, of a walk under a filter */
        size_t frontier_room;

        struct code_query query;
        size_t query_bytes; /* room at query.codes, aligned to 64 */
};

#define WALKERS_IDLE 64

struct walkers {
        _Atomic(struct walker *) idle[WALKERS_IDLE];
        _Atomic(struct walker *) all;
        _Atomic uint64_t epoch; /* begins at 1 */
};

void walkers_init(struct walkers *walkers);
void walkers_done(struct walkers *walkers); /* none is out */

/* NULL: no memory.  The walker is in the current epoch: load the graph's pointer after this. */
struct walker *walkers_take(struct walkers *walkers);
void walkers_give(struct walkers *walkers, struct walker *walker);

/* Begins a new epoch and returns the one that ended: what was unlinked before can be reused or
 * freed once walkers_passed() says so. */
uint64_t walkers_advance(struct walkers *walkers);
bool walkers_passed(struct walkers *walkers, uint64_t epoch);

/* Room for `ids` marks, all unset, `pool` candidates, and a code of `code_bytes`.  -ENOMEM. */
int walker_prepare(struct walker *walker, size_t ids, size_t pool, size_t code_bytes);
/* Frees what a walker of the caller's own memory (zeroed at first) has collected. */
void walker_done(struct walker *walker);
/* All marks unset again. */
void walker_forget(struct walker *walker);

/* ---- A walk (walk.c) -------------------------------------------------------------------- */

/* One asking side on its way. */
struct walk {
        const struct graph *graph;
        const struct index_source *source; /* where floats are read; NULL with codes */
        struct walker *walker;
        enum index_precision precision; /* not AUTO */
        const struct code_query *query; /* of codes */
        const float *vector;            /* of floats */
        uint64_t compared;
        uint64_t met, met_wanted; /* by walk_matching(): near enough to be walked on from */
};

/* Makes a node the asking side; precision is 8 bits with codes, floats without.  Its keys plus
 * its bias compare with those of other nodes that ask: they are alike in both directions. */
void walk_ask_node(struct walk *walk, uint32_t node);
/* The precision to walk with: half the bytes where they tell enough. */
#define WALK_FINE_BELOW 256 /* dimensions: measured, see make bench-index */
static inline enum index_precision walk_precision(const struct graph *graph)
{
        return !graph->coded                                 ? INDEX_PRECISION_FLOAT
               : graph->params->dimensions < WALK_FINE_BELOW ? INDEX_PRECISION_8BIT
                                                             : INDEX_PRECISION_4BIT;
}
static inline float walk_bias(const struct walk *walk, uint32_t node)
{
        return walk->graph->coded ? walk->graph->factors[node].bias : 0;
}

/* The keys of up to WALK_AT_ONCE nodes; both arrays have room for three more. */
#define WALK_AT_ONCE 400 /* two nodes have at most so many neighbours */
void walk_keys(struct walk *walk, uint32_t *nodes, size_t n, float *ret_keys);
/* Fetches what walk_keys() will read. */
void walk_prefetch(const struct walk *walk, uint32_t node);

/* From the top down: the nearest found in layer `to`, by climbing from neighbour to neighbour.
 * An entry's number, or a node's for layer 0.  The graph is not empty. */
uint32_t walk_descend(struct walk *walk, uint32_t to);

/* Algorithm 2 from the paper: the best `ef` of layer `layer` around `start`, into walker->pool.
 * Returns how many.  The marks are used up.  -ECANCELED and so on: what the check returned. */
int walk_layer(struct walk *walk, uint32_t layer, uint32_t start, uint32_t ef,
               const struct index_check *check);

/* Looks at candidates again by the walk's precision, which may have changed, and sorts them. */
void walk_rescore(struct walk *walk, uint32_t layer, struct candidate *pool, size_t n);

/* The best `ef` of the layer whose slot is wanted, however many others lie between.  It gives up
 * (*ret_gave_up) after `budget` comparisons. */
int walk_matching(struct walk *walk, uint32_t layer, uint32_t start, uint32_t ef,
                  const roaring_bitmap_t *wanted, uint64_t budget, const struct index_check *check,
                  bool *ret_gave_up);
