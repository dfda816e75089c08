/* SPDX-License-Identifier: Apache-2.0 */
/* An index and what it is about: vectors drawn from a cloud, some of them deleted; and questions
 * whose true answers are known by comparing with every vector.
 *
 * Everything is drawn from seeds: the same calls give the same vectors.  Functions end the
 * program when there is no memory, and where an index fails. */
#pragma once
#include "cloud.h"
#include "index/index.h"

struct stage {
        struct cloud *cloud;
        struct index_params params;
        float *rows; /* [room][dimensions], by slot */
        uint32_t slots, room;
        uint64_t random;
        roaring_bitmap_t *live;
        struct index_segment segment;
        struct index_source source;
};

/* Room for so many slots, none used yet. */
void stage_init(struct stage *stage, const struct cloud_shape *shape,
                const struct index_params *params, uint32_t room, uint64_t seed);
void stage_done(struct stage *stage);

void stage_add(struct stage *stage, uint32_t n);    /* at the end, live */
void stage_delete(struct stage *stage, uint32_t n); /* of the live ones, here and there */

/* A new index, in memory where dirfd is -1; index_free(). */
struct index *stage_open(const struct stage *stage, int dirfd);
/* index_maintain() until there is nothing more to do for now. */
void stage_settle(const struct stage *stage, struct index *index);

const float *stage_row(const struct stage *stage, uint32_t slot);
/* Higher is better, in the order of scores. */
double stage_likeness(const struct stage *stage, const float *a, const float *b);
/* What an index gives as score. */
double stage_score(const struct stage *stage, const float *a, const float *b);

/* ---- Questions -------------------------------------------------------------------------- */

#define STAGE_K 10U

struct questions {
        uint32_t n;
        float *vectors;           /* [n][dimensions] */
        double *likeness;         /* [n][stage->slots], of the last questions_answer() */
        roaring_bitmap_t **match; /* [n]: what may answer */
};

void questions_init(struct questions *questions, struct stage *stage, uint32_t n);
void questions_done(struct questions *questions);
/* Compares with each slot there is.  All that is live may answer. */
void questions_answer(struct questions *questions, const struct stage *stage);

/* Which part of the slots passes a question's filter. */
enum filter_kind {
        FILTER_ANY,     /* of no meaning */
        FILTER_NEAREST, /* most like the question */
        FILTER_FARTHEST,
        FILTER_KINDS,
};
void questions_filter(struct questions *questions, const struct stage *stage,
                      enum filter_kind kind, double share);

/* How many of the true best STAGE_K are found, of all there are.  Each hit must be one that may
 * answer, in the right place and with its true score: else the program ends.  *ret_graph, where
 * wanted: how many questions were answered by walking alone. */
double questions_recall(const struct questions *questions, const struct stage *stage,
                        struct index *index, uint32_t ef, enum index_precision precision,
                        bool filtered, uint32_t *ret_graph);
