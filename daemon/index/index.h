/* SPDX-License-Identifier: Apache-2.0 */
/* Nearest vectors: one interface, one row of functions per engine.
 *
 * An index finds slots; the vectors themselves belong to the store, which lends them as mapped
 * segments.  The vectors are the truth: whatever an engine keeps beside them (a graph, codes)
 * is derived, can be thrown away and is rebuilt, and where it is missing the exact scan serves.
 *
 * A fresh slot needs no call: what the engine has not taken in is scanned exactly, and
 * index_maintain() takes it in.  A dead slot needs none either: it is not in `live`.
 *
 * Invariants: a slot at or beyond `committed` is never read; a slot that is not in `live`
 * never comes back; the filter decides before the best k are chosen, not after.
 *
 * Threads: searches may run side by side and beside one writer (index_maintain), each on the
 * vectors and bitmaps of the view it pinned.  A search takes no lock. */
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
        uint32_t unsettled; /* of the last so many below it, those that are not live yet may
                               become so; any other that is not live is dead for ever */
};

struct kernel_ops;
struct index_budget;

enum index_quantization {
        INDEX_QUANTIZATION_INT8, /* searched on codes, scored on floats */
        INDEX_QUANTIZATION_NONE, /* searched on floats */
        INDEX_QUANTIZATION_MAX,
        INDEX_QUANTIZATION_INVALID = -EINVAL,
};

const char *index_quantization_name(enum index_quantization quantization);
enum index_quantization index_quantization_from_name(const char *name);

struct index_params {
        enum index_backend backend;
        enum index_metric metric;
        uint32_t dimensions; /* 1 to VECTOR_DIMENSIONS_MAX */
        const struct kernel_ops *kernels; /* of index/kernel.h; NULL: the fastest there is */

        /* Of the graph; 0 takes the default that stands behind it. */
        enum index_quantization quantization;
        uint32_t m;               /* links per node and layer, twice as many at the bottom: 16 */
        uint32_t ef_construction; /* candidates kept while linking: 200 */
        uint32_t max_layers;      /* without the bottom: as many as chance gives */
        uint64_t seed;            /* of the layers; the same seed, slots and m give the same graph,
                                     whatever the threads */

        /* Of the work on it; neither changes what the graph is. */
        uint32_t threads;         /* that link side by side: one per processor */
        uint32_t batch;           /* vectors linked together, at most: 128 */
        uint32_t max_elements;    /* nodes; what is beyond is scanned: no limit */
        bool keep_deleted;        /* a dead node's place is not given to a new one */
        bool map_files;           /* leave the files to the page cache, else copy into memory */
        uint32_t checkpoint_seconds; /* between two checkpoints of the file: 60 */
        struct index_budget *budget; /* of hot memory, shared by many; NULL: no limit; borrowed */
};

/* Hot memory that all indexes of a process may use together: codes, links, what belongs to
 * them; not the files' page cache.  Any thread. */
int index_budget_new(uint64_t max_bytes, struct index_budget **ret, struct error *reterr);
void index_budget_free(struct index_budget *budget);
uint64_t index_budget_used(const struct index_budget *budget);
/* Another limit from now on.  What is held beyond a lower one stays; nothing is taken until it has
 * shrunk.  Any thread. */
void index_budget_set(struct index_budget *budget, uint64_t max_bytes);
uint64_t index_budget_max(const struct index_budget *budget); /* UINT64_MAX: there is none */
DEFINE_CLEANUP(struct index_budget *, index_budget_free)

/* Asked every few thousand vectors while something long runs; anything but 0 ends it and is
 * what the caller gets: -ETIMEDOUT beyond a deadline, -ECANCELED when nobody waits any more.
 * NULL function: never ends early. */
struct index_check {
        int (*check)(void *userdata);
        void *userdata;
};

/* What a walk through the graph compares by; what leaves the index is scored on floats. */
enum index_precision {
        INDEX_PRECISION_AUTO, /* the engine's choice */
        INDEX_PRECISION_4BIT,
        INDEX_PRECISION_8BIT,
        INDEX_PRECISION_FLOAT,
        INDEX_PRECISION_MAX,
};

struct index_query {
        const float *vector; /* prepared */
        uint32_t dimensions;
        uint32_t k;                      /* 1 to INDEX_K_MAX */
        uint32_t ef;                     /* candidates a graph search keeps; an exact scan has
                                            no use for it */
        bool exact;                      /* scan, whatever the engine */
        enum index_precision precision;  /* mostly AUTO */
        const roaring_bitmap_t *filter;  /* NULL: every slot */
        const roaring_bitmap_t *live;    /* NULL: every slot */
        struct index_check check;
};

/* Higher is better for every metric: the cosine, the inner product, or 1 / (1 + distance). */
struct index_hit {
        uint32_t slot;
        float score;
};

/* How an answer was found. */
enum index_plan {
        INDEX_PLAN_SCAN,       /* every slot that may answer was compared */
        INDEX_PLAN_GRAPH,      /* the graph was walked, what it lacks was scanned */
        INDEX_PLAN_GRAPH_SCAN, /* the walk found too few that pass the filter, then a scan */
        INDEX_PLAN_MAX,
        INDEX_PLAN_INVALID = -EINVAL,
};

const char *index_plan_name(enum index_plan plan); /* "scan", "graph", "graph+scan" */

struct index_stats {
        uint64_t candidates; /* vectors compared with the query */
        enum index_plan plan;
        bool exhausted;      /* nothing is left that could match: fewer than k means there are
                                no more */
        bool exact;          /* the answer is the true top k */
};

/* What an index is, for people and metrics. */
struct index_status {
        const char *engine; /* "flat", "hnsw" */
        bool serving_graph; /* false: every search scans */
        uint64_t nodes;     /* slots taken in */
        uint64_t unindexed; /* live slots that are scanned */
        uint64_t dead;      /* nodes whose slot is dead */
        uint64_t hot_bytes; /* in memory */
        uint64_t file_bytes;
        uint32_t file_number; /* of graph.NNNN; 0: none */
        bool at_limit;      /* max_elements or the budget keeps slots out */
};

struct index;

/* One bounded step of the work behind the searches: train, link fresh slots, mend around dead
 * ones, verify a file that was opened, checkpoint.  Called again and again by whoever owns the
 * index, one call at a time, with a view pinned. */
enum index_step {
        INDEX_REST,  /* nothing to do until slots come or die */
        INDEX_AGAIN, /* more to do now */
        INDEX_LATER, /* something is due when time passes: a checkpoint */
};

/* One engine.  NULL means that the engine has nothing to do there. */
struct index_ops {
        const char *name;
        int (*open)(struct index *index, int dirfd, char **ret_damage, struct error *reterr);
        int (*maintain)(struct index *index, const struct index_source *source,
                        const roaring_bitmap_t *live, const struct index_check *check,
                        struct error *reterr);
        int (*search)(struct index *index, const struct index_source *source,
                      const struct index_query *query, struct index_hit *ret_hits,
                      size_t *ret_count, struct index_stats *ret_stats, struct error *reterr);
        int (*save)(struct index *index, struct error *reterr);
        void (*status)(struct index *index, const struct index_source *source,
                       const roaring_bitmap_t *live, struct index_status *ret);
        void (*done)(struct index *index);
};

/* Opens what the engine keeps in the generation's folder, by mapping, in constant time; `dirfd`
 * is copied (-1: nothing is kept, the index lives in memory).  A damaged or foreign file is set
 * aside as graph.NNNN.damaged and the index opens without it: *ret_damage, where wanted, is
 * then a text for the log (heap; else NULL).  -EINVAL: dimensions or metric out of range. */
int index_open(const struct index_params *params, int dirfd, struct index **ret,
               char **ret_damage, struct error *reterr);
/* No search and no maintenance runs any more.  What was not saved is linked again next time. */
void index_free(struct index *index);
DEFINE_CLEANUP(struct index *, index_free)

/* The engine that answers: "flat" is the exact scan. */
const char *index_engine(const struct index *index);
const struct index_params *index_get_params(const struct index *index);
/* Constant time: a search may ask. */
void index_get_status(struct index *index, const struct index_source *source,
                      const roaring_bitmap_t *live, struct index_status *ret);

/* enum index_step, or -errno: what the check returned (the work done so far is kept), -ENOMEM,
 * -ENOSPC and what else the disk says of a checkpoint; -EBADMSG: the file that was opened turned
 * out damaged: it was set aside, scans serve, and the next calls build anew. */
int index_maintain(struct index *index, const struct index_source *source,
                   const roaring_bitmap_t *live, const struct index_check *check,
                   struct error *reterr);

/* index_maintain() until nothing is left to do, and a checkpoint. */
int index_build(struct index *index, const struct index_source *source,
                const roaring_bitmap_t *live, const struct index_check *check,
                struct error *reterr);

/* Checkpoints what was linked since the last one, durably: before a stop.  Not beside
 * index_maintain(). */
int index_save(struct index *index, struct error *reterr);

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
