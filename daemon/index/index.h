/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest vectors: one interface, one row of functions per engine.
 *
 * An index finds slots; the vectors themselves belong to the store, which lends them as mapped
 * segments.  The vectors are the truth: whatever an engine keeps beside them (a graph, codes)
 * is derived, can be thrown away and is rebuilt, and where it is missing the exact scan serves.
 *
 * Invariants: a slot at or beyond `committed` is never read; a slot that is not in `live`
 * never comes back; the filter decides before the best k are chosen, not after.
 *
 * Threads: searches may run side by side and beside one writer (build, insert, remove, save),
 * each on the vectors and bitmaps of the view it pinned. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/vector.h"

#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_K_MAX 100000

/* The engines a profile can ask for; `index_backend_name()` gives the configuration's word. */
enum index_backend {
        INDEX_BACKEND_HNSW,
        INDEX_BACKEND_FLAT,
        INDEX_BACKEND_MAX,
        INDEX_BACKEND_INVALID = -EINVAL,
};

const char *index_backend_name(enum index_backend backend);
enum index_backend index_backend_from_name(const char *name);

/* Rows of float32 in prepared form (vector_prepare), lent by the store: row i, which is slot
 * first_slot + i, lies at base + i * stride_bytes, aligned to 4 bytes. */
struct index_segment {
        const void *base;
        uint32_t first_slot;
        uint32_t count;
        uint32_t stride_bytes; /* at least 4 * dimensions, a multiple of 4 */
};

/* Segments ascend by first_slot and do not overlap; slots between them do not exist. */
struct index_source {
        const struct index_segment *segments;
        size_t segment_count;
        uint32_t committed; /* slots from here on are ignored */
};

struct kernel_ops;

struct index_params {
        enum index_backend backend;
        enum index_metric metric;
        uint32_t dimensions; /* 1 to VECTOR_DIMENSIONS_MAX */
        const struct kernel_ops *kernels; /* of index/kernel.h; NULL: the fastest there is */
};

/* Asked every few thousand vectors while something long runs; anything but 0 ends it and is
 * what the caller gets: -ETIMEDOUT beyond a deadline, -ECANCELED when nobody waits any more.
 * NULL function: never ends early. */
struct index_check {
        int (*check)(void *userdata);
        void *userdata;
};

struct index_query {
        const float *vector; /* prepared */
        uint32_t dimensions;
        uint32_t k;                      /* 1 to INDEX_K_MAX */
        uint32_t ef;                     /* candidates a graph search keeps; an exact scan has
                                            no use for it */
        bool exact;                      /* scan, whatever the engine */
        const roaring_bitmap_t *filter;  /* NULL: every slot */
        const roaring_bitmap_t *live;    /* NULL: every slot */
        struct index_check check;
};

/* Higher is better for every metric: the cosine, the inner product, or 1 / (1 + distance). */
struct index_hit {
        uint32_t slot;
        float score;
};

struct index_stats {
        uint64_t candidates; /* vectors compared with the query */
        bool exhausted;      /* nothing is left that could match: fewer than k means there are
                                no more */
        bool exact;          /* the answer is the true top k */
};

struct index;

/* One engine.  NULL means that the engine has nothing to do there. */
struct index_ops {
        const char *name;
        int (*open)(struct index *index, int dirfd, struct error *reterr);
        int (*build)(struct index *index, const struct index_source *source,
                     const roaring_bitmap_t *live, const struct index_check *check,
                     struct error *reterr);
        int (*insert)(struct index *index, const struct index_source *source,
                      uint32_t first_slot, uint32_t count, struct error *reterr);
        int (*remove)(struct index *index, uint32_t slot, struct error *reterr);
        int (*search)(struct index *index, const struct index_source *source,
                      const struct index_query *query, struct index_hit *ret_hits,
                      size_t *ret_count, struct index_stats *ret_stats, struct error *reterr);
        int (*save)(struct index *index, int dirfd, struct error *reterr);
        void (*done)(struct index *index);
};

/* Opens what the engine keeps in the generation's folder `dirfd` (borrowed, -1: nothing was
 * saved), by mapping, in constant time.  -EINVAL: dimensions or metric out of range; -EBADMSG:
 * a damaged file, after which the caller may throw it away and build. */
int index_open(const struct index_params *params, int dirfd, struct index **ret,
               struct error *reterr);
void index_free(struct index *index);
DEFINE_CLEANUP(struct index *, index_free)

/* The engine that answers: "flat" is the exact scan. */
const char *index_engine(const struct index *index);
const struct index_params *index_get_params(const struct index *index);

/* Builds anew from every live slot. */
int index_build(struct index *index, const struct index_source *source,
                const roaring_bitmap_t *live, const struct index_check *check,
                struct error *reterr);

/* Takes in the slots [first_slot, first_slot + count), which `source` holds.  A slot may come
 * again with other content once no view that knew the old one is pinned. */
int index_insert(struct index *index, const struct index_source *source, uint32_t first_slot,
                 uint32_t count, struct error *reterr);

/* The slot left the live bitmap: the engine may mend what leaned on it. */
int index_remove(struct index *index, uint32_t slot, struct error *reterr);

/* Writes the derived files durably into `dirfd`. */
int index_save(struct index *index, int dirfd, struct error *reterr);

/* The best k of the slots that are committed, live and pass the filter: sorted by falling
 * score, ties by rising slot.  `ret_hits` has room for k; *ret_count says how many came.
 * -EINVAL: a query of another width, k out of range; or what the check returned. */
int index_search(struct index *index, const struct index_source *source,
                 const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                 struct index_stats *ret_stats, struct error *reterr);

/* Scores of given slots against the query, exact, for hits that another leg found: ret_scores
 * receives `count` values, NaN where the slot holds no vector. */
int index_score(struct index *index, const struct index_source *source,
                const struct index_query *query, const uint32_t *slots, size_t count,
                float *ret_scores, struct error *reterr);
