/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCORE_ERROR 1e-4

static _Noreturn void give_up(const char *what, const struct error *error)
{
        (void) fprintf(stderr, "%s%s%s\n", what, error ? ": " : "", error ? error->message : "");
        exit(1);
}

static void *room_for(size_t n, size_t each)
{
        void *memory = calloc(n, each);

        if (!memory)
                give_up("out of memory", NULL);
        return memory;
}

/* ---- Vectors ---------------------------------------------------------------------------- */

void stage_init(struct stage *stage, const struct cloud_shape *shape,
                const struct index_params *params, uint32_t room, uint64_t seed)
{
        *stage = (struct stage){ .cloud = cloud_new(shape, seed), .params = *params, .room = room,
                                 .random = seed, .live = roaring_bitmap_create() };
        if (!stage->cloud || !stage->live)
                give_up("out of memory", NULL);
        stage->rows = room_for((size_t) room * params->dimensions, sizeof(float));
        stage->segment = (struct index_segment){
                .base = stage->rows, .stride_bytes = params->dimensions * (uint32_t) sizeof(float) };
        stage->source = (struct index_source){ .segments = &stage->segment, .segment_count = 1 };
}

void stage_done(struct stage *stage)
{
        cloud_free(stage->cloud);
        free(stage->rows);
        roaring_bitmap_free(stage->live);
}

const float *stage_row(const struct stage *stage, uint32_t slot)
{
        return stage->rows + (size_t) slot * stage->params.dimensions;
}

void stage_add(struct stage *stage, uint32_t n)
{
        if (n > stage->room - stage->slots)
                give_up("the stage is full", NULL);
        roaring_bitmap_add_range(stage->live, stage->slots, (uint64_t) stage->slots + n);
        for (; n > 0; n--, stage->slots++)
                (void) cloud_draw(stage->cloud, stage->params.metric, &stage->random,
                                  stage->rows +
                                          (size_t) stage->slots * stage->params.dimensions);
        stage->segment.count = stage->source.committed = stage->slots;
}

void stage_delete(struct stage *stage, uint32_t n)
{
        uint32_t left = (uint32_t) roaring_bitmap_get_cardinality(stage->live), slot;

        for (; n > 0 && left > 0; n--, left--)
                if (roaring_bitmap_select(stage->live, random_below(&stage->random, left), &slot))
                        roaring_bitmap_remove(stage->live, slot);
}

double stage_likeness(const struct stage *stage, const float *a, const float *b)
{
        float sum = 0.0F;

        for (uint32_t i = 0; i < stage->params.dimensions; i++) {
                float difference = a[i] - b[i];

                sum += stage->params.metric == INDEX_EUCLIDEAN ? -difference * difference
                                                               : a[i] * b[i];
        }
        return (double) sum;
}

double stage_score(const struct stage *stage, const float *a, const float *b)
{
        double likeness = stage_likeness(stage, a, b);

        return stage->params.metric == INDEX_EUCLIDEAN ? 1.0 / (1.0 + sqrt(-likeness)) : likeness;
}

/* ---- The index -------------------------------------------------------------------------- */

struct index *stage_open(const struct stage *stage, int dirfd)
{
        struct error error = { 0 };
        struct index *index = NULL;
        char *damage = NULL;

        if (index_open(&stage->params, dirfd, &index, &damage, &error) < 0)
                give_up("cannot open", &error);
        if (damage)
                give_up(damage, NULL);
        return index;
}

void stage_settle(const struct stage *stage, struct index *index)
{
        struct error error = { 0 };
        int r;

        do
                r = index_maintain(index, &stage->source, stage->live, NULL, &error);
        while (r == INDEX_AGAIN);
        if (r == INDEX_LATER) /* walks are over, too: there are none */
                r = index_maintain(index, &stage->source, stage->live, NULL, &error);
        if (r < 0)
                give_up("cannot maintain", &error);
}

/* ---- Questions -------------------------------------------------------------------------- */

static const float *question(const struct questions *questions, const struct stage *stage,
                             uint32_t q)
{
        return questions->vectors + (size_t) q * stage->params.dimensions;
}

static void forget_matches(struct questions *questions)
{
        for (uint32_t q = 0; q < questions->n; q++) {
                if (questions->match[q])
                        roaring_bitmap_free(questions->match[q]);
                questions->match[q] = NULL;
        }
}

void questions_init(struct questions *questions, struct stage *stage, uint32_t n)
{
        *questions = (struct questions){ .n = n };
        questions->vectors = room_for((size_t) n * stage->params.dimensions, sizeof(float));
        questions->match = room_for(n, sizeof *questions->match);
        for (uint32_t q = 0; q < n; q++)
                (void) cloud_draw(stage->cloud, stage->params.metric, &stage->random,
                                  questions->vectors + (size_t) q * stage->params.dimensions);
}

void questions_done(struct questions *questions)
{
        forget_matches(questions);
        free(questions->vectors);
        free(questions->likeness);
        free(questions->match);
}

void questions_answer(struct questions *questions, const struct stage *stage)
{
        free(questions->likeness);
        questions->likeness = room_for((size_t) questions->n * stage->slots,
                                       sizeof *questions->likeness);
        forget_matches(questions);
        for (uint32_t q = 0; q < questions->n; q++) {
                double *likeness = questions->likeness + (size_t) q * stage->slots;

                for (uint32_t slot = 0; slot < stage->slots; slot++)
                        likeness[slot] = stage_likeness(stage, question(questions, stage, q),
                                                        stage_row(stage, slot));
                questions->match[q] = roaring_bitmap_copy(stage->live);
                if (!questions->match[q])
                        give_up("out of memory", NULL);
        }
}

/* The likeness that so large a part of the slots does not exceed (Hoare's quickselect). */
static double quantile(const double *likeness, uint32_t n, double part)
{
        double *values = room_for(n, sizeof *values), result;
        size_t at = (size_t) (part * (n - 1)), low = 0, high = n - 1;

        memcpy(values, likeness, n * sizeof *values);
        while (low < high) {
                double middle = values[low + (high - low) / 2];
                size_t i = low, j = high;

                for (;; i++, j--) {
                        double swapped;

                        while (values[i] < middle)
                                i++;
                        while (values[j] > middle)
                                j--;
                        if (i >= j)
                                break;
                        swapped = values[i];
                        values[i] = values[j];
                        values[j] = swapped;
                }
                if (at <= j)
                        high = j;
                else
                        low = j + 1;
        }
        result = values[at];
        free(values);
        return result;
}

void questions_filter(struct questions *questions, const struct stage *stage,
                      enum filter_kind kind, double share)
{
        uint64_t random = 17;

        forget_matches(questions);
        for (uint32_t q = 0; q < questions->n; q++) {
                const double *likeness = questions->likeness + (size_t) q * stage->slots;
                roaring_bitmap_t *match = roaring_bitmap_create();
                double border = kind == FILTER_ANY ? 0
                                : quantile(likeness, stage->slots,
                                           kind == FILTER_NEAREST ? 1.0 - share : share);

                if (!match)
                        give_up("out of memory", NULL);
                for (uint32_t slot = 0; slot < stage->slots; slot++)
                        if (kind == FILTER_ANY       ? random_unit(&random) <= share
                            : kind == FILTER_NEAREST ? likeness[slot] >= border
                                                     : likeness[slot] <= border)
                                roaring_bitmap_add(match, slot);
                questions->match[q] = match;
        }
}

/* ---- Answers ---------------------------------------------------------------------------- */

/* The likeness of the last one of a true answer; how many are in it. */
static uint32_t true_answer(const struct questions *questions, const struct stage *stage,
                            uint32_t q, double *ret_last)
{
        const double *likeness = questions->likeness + (size_t) q * stage->slots;
        double best[STAGE_K];
        uint32_t n = 0;
        roaring_uint32_iterator_t at;

        roaring_init_iterator(questions->match[q], &at);
        for (; at.has_value; (void) roaring_advance_uint32_iterator(&at)) {
                uint32_t slot = at.current_value, place;

                if (!roaring_bitmap_contains(stage->live, slot) ||
                    (n == STAGE_K && likeness[slot] <= best[n - 1]))
                        continue;
                for (place = n < STAGE_K ? n++ : n - 1;
                     place > 0 && best[place - 1] < likeness[slot]; place--)
                        best[place] = best[place - 1];
                best[place] = likeness[slot];
        }
        *ret_last = n > 0 ? best[n - 1] : 0;
        return n;
}

static void check_hit(const struct questions *questions, const struct stage *stage, uint32_t q,
                      const struct index_hit *hits, size_t i)
{
        uint32_t slot = hits[i].slot;
        double score = stage_score(stage, question(questions, stage, q), stage_row(stage, slot));

        if (slot >= stage->slots || !roaring_bitmap_contains(stage->live, slot) ||
            !roaring_bitmap_contains(questions->match[q], slot))
                give_up("a slot that must not answer did", NULL);
        if (fabs((double) hits[i].score - score) > SCORE_ERROR)
                give_up("a score is wrong", NULL);
        if (i > 0 && (hits[i].score > hits[i - 1].score || slot == hits[i - 1].slot))
                give_up("an answer is not sorted", NULL);
}

double questions_recall(const struct questions *questions, const struct stage *stage,
                        struct index *index, uint32_t ef, enum index_precision precision,
                        bool filtered, uint32_t *ret_graph)
{
        uint64_t wanted = 0, found = 0;
        uint32_t graph = 0;

        for (uint32_t q = 0; q < questions->n; q++) {
                const double *likeness = questions->likeness + (size_t) q * stage->slots;
                struct index_query query = {
                        .vector = question(questions, stage, q),
                        .dimensions = stage->params.dimensions, .k = STAGE_K, .ef = ef,
                        .precision = precision, .live = stage->live,
                        .filter = filtered ? questions->match[q] : NULL };
                struct index_hit hits[STAGE_K];
                struct index_stats stats;
                struct error error = { 0 };
                size_t count;
                double last;

                if (index_search(index, &stage->source, &query, hits, &count, &stats, &error) < 0)
                        give_up("cannot search", &error);
                wanted += true_answer(questions, stage, q, &last);
                graph += stats.plan == INDEX_PLAN_GRAPH;
                for (size_t i = 0; i < count; i++) {
                        check_hit(questions, stage, q, hits, i);
                        found += likeness[hits[i].slot] >= last - 1e-6;
                }
        }
        if (ret_graph)
                *ret_graph = graph;
        return wanted > 0 ? (double) found / (double) wanted : 1.0;
}
