/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/candidates.h"

#include "base/cleanup.h"
#include "index/kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int candidates_begin(struct candidates *candidates, size_t room, struct error *reterr)
{
        size_t slots = 16;

        while (slots < 2 * room)
                slots *= 2;
        if (room > candidates->room) {
                candidates_done(candidates);
                candidates->items = malloc(room * sizeof *candidates->items);
                candidates->table = malloc(slots * sizeof *candidates->table);
                if (!candidates->items || !candidates->table) {
                        candidates_done(candidates);
                        return error_oom(reterr);
                }
                candidates->room = room;
                candidates->mask = slots - 1;
        }
        if (candidates->table)
                memset(candidates->table, 0, (candidates->mask + 1) * sizeof *candidates->table);
        candidates->n = 0;
        candidates->reranked = false;
        return 0;
}

void candidates_done(struct candidates *candidates)
{
        free(candidates->items);
        free(candidates->table);
        memset(candidates, 0, sizeof *candidates);
}

struct candidate *candidates_at(struct candidates *candidates, uint32_t pin, uint32_t slot)
{
        uint64_t key = ((uint64_t) pin << 32 | slot) * UINT64_C(0x9E3779B97F4A7C15);
        size_t at = (size_t) (key >> 32) & candidates->mask;
        struct candidate *item;

        for (; candidates->table[at]; at = (at + 1) & candidates->mask) {
                item = &candidates->items[candidates->table[at] - 1];
                if (item->slot == slot && item->pin == pin)
                        return item;
        }
        item = &candidates->items[candidates->n++];
        candidates->table[at] = (uint32_t) candidates->n;
        *item = (struct candidate){ .pin = pin, .slot = slot, .dense = NAN, .bm25 = NAN,
                                    .rerank = NAN };
        return item;
}

struct candidate *candidates_find(struct candidates *candidates, uint32_t pin, uint32_t slot)
{
        for (size_t i = 0; i < candidates->n; i++)
                if (candidates->items[i].slot == slot && candidates->items[i].pin == pin)
                        return &candidates->items[i];
        return NULL;
}

/* ---- Fusion ------------------------------------------------------------------------------- */

static void fuse_ranks(struct candidates *candidates, double k, double dense, double bm25)
{
        double best = (dense + bm25) / (k + 1);

        for (size_t i = 0; i < candidates->n; i++) {
                struct candidate *item = &candidates->items[i];
                double sum = 0;

                if (item->dense_rank > 0)
                        sum += dense / (k + item->dense_rank);
                if (item->bm25_rank > 0)
                        sum += bm25 / (k + item->bm25_rank);
                item->fused = (float) (sum / best);
        }
}

struct range {
        double low, high;
};

static void widen(struct range *range, float score)
{
        if (isnan(score))
                return;
        if ((double) score < range->low)
                range->low = (double) score;
        if ((double) score > range->high)
                range->high = (double) score;
}

/* All the same: all as good as the best. */
static double within(const struct range *range, float score)
{
        if (isnan(score))
                return 0;
        return range->high > range->low
                       ? ((double) score - range->low) / (range->high - range->low)
                       : 1;
}

static void fuse_scores(struct candidates *candidates, double dense, double bm25)
{
        struct range of_dense = { INFINITY, -INFINITY }, of_bm25 = of_dense;

        for (size_t i = 0; i < candidates->n; i++) {
                widen(&of_dense, candidates->items[i].dense);
                widen(&of_bm25, candidates->items[i].bm25);
        }
        for (size_t i = 0; i < candidates->n; i++) {
                struct candidate *item = &candidates->items[i];
                double sum = dense * within(&of_dense, item->dense) +
                             bm25 * within(&of_bm25, item->bm25);

                item->fused = (float) (sum / (dense + bm25));
        }
}

void candidates_fuse(struct candidates *candidates, const struct fusion_rule *rule)
{
        double dense = rule->dense ? rule->weight_dense : 0;
        double bm25 = rule->bm25 ? rule->weight_bm25 : 0;

        if (dense + bm25 <= 0) { /* what ran has no weight: it is all there is */
                dense = rule->dense;
                bm25 = rule->bm25;
        }
        if (dense + bm25 <= 0)
                return;
        if (rule->method == SEARCH_RRF)
                fuse_ranks(candidates, rule->rrf_k, dense, bm25);
        else
                fuse_scores(candidates, dense, bm25);
}

/* ---- Thresholds and order ------------------------------------------------------------------ */

void candidates_threshold(struct candidates *candidates, enum search_score score, double min)
{
        size_t kept = 0;

        for (size_t i = 0; i < candidates->n; i++) {
                const struct candidate *item = &candidates->items[i];
                float value = score == SEARCH_SCORE_DENSE    ? item->dense
                              : score == SEARCH_SCORE_BM25   ? item->bm25
                              : score == SEARCH_SCORE_RERANK ? item->rerank
                                                             : item->fused;

                if ((double) value >= min) /* never a NAN */
                        candidates->items[kept++] = *item;
        }
        candidates->n = kept;
}

static int compare_scores(float a, float b)
{
        if (isnan(a) || isnan(b))
                return isnan(a) - isnan(b);
        return (a < b) - (a > b);
}

/* Whether `a` comes before `b`: a total order, so that no order of arrival shows. */
static bool is_better(const struct candidate *a, const struct candidate *b)
{
        int order = compare_scores(a->rerank, b->rerank);

        if (order == 0)
                order = compare_scores(a->fused, b->fused);
        if (order == 0)
                order = compare_scores(a->dense, b->dense);
        if (order == 0)
                order = compare_scores(a->bm25, b->bm25);
        if (order != 0)
                return order < 0;
        return a->pin != b->pin ? a->pin < b->pin : a->slot < b->slot;
}

/* Heap with the worst of the kept on top. */
static void sift_down(struct candidate *heap, size_t n, size_t at)
{
        struct candidate moving = heap[at];

        for (;;) {
                size_t child = 2 * at + 1;

                if (child >= n)
                        break;
                if (child + 1 < n && is_better(&heap[child], &heap[child + 1]))
                        child++;
                if (!is_better(&moving, &heap[child]))
                        break;
                heap[at] = heap[child];
                at = child;
        }
        heap[at] = moving;
}

void candidates_order(struct candidates *candidates, size_t top)
{
        struct candidate *items = candidates->items;

        if (top > candidates->n)
                top = candidates->n;
        if (top == 0)
                return;
        for (size_t i = top / 2; i-- > 0;)
                sift_down(items, top, i);
        for (size_t i = top; i < candidates->n; i++)
                if (is_better(&items[i], &items[0])) {
                        struct candidate worst = items[0];

                        items[0] = items[i];
                        items[i] = worst;
                        sift_down(items, top, 0);
                }
        for (size_t n = top - 1; n > 0; n--) {
                struct candidate worst = items[0];

                items[0] = items[n];
                items[n] = worst;
                sift_down(items, n, 0);
        }
}

/* ---- MMR ----------------------------------------------------------------------------------- */

struct pool {
        const struct kernel_ops *kernels;
        const float *const *vectors;
        size_t dimensions;
        double norm[MMR_POOL]; /* 0: no vector */
};

static float relevance(const struct candidates *candidates, size_t at)
{
        const struct candidate *item = &candidates->items[at];

        return candidates->reranked ? item->rerank : item->fused;
}

static double cosine(const struct pool *pool, size_t a, size_t b)
{
        double norms = pool->norm[a] * pool->norm[b];

        return norms > 0 ? (double) pool->kernels->dot(pool->vectors[a], pool->vectors[b],
                                                       pool->dimensions) / norms
                         : 0;
}

void candidates_diversify(struct candidates *candidates, const float *const *vectors,
                          size_t dimensions, double lambda)
{
        size_t n = candidates->n < MMR_POOL ? candidates->n : MMR_POOL;
        struct range range = { INFINITY, -INFINITY };
        struct pool pool = { .kernels = kernel_best(), .vectors = vectors,
                             .dimensions = dimensions };
        struct candidate picked[MMR_POOL];
        double likeness[MMR_POOL];
        bool taken[MMR_POOL] = { false };

        for (size_t i = 0; i < n; i++) {
                widen(&range, relevance(candidates, i));
                likeness[i] = 0;
                if (vectors[i])
                        pool.norm[i] = sqrt((double) pool.kernels->dot(vectors[i], vectors[i],
                                                                       dimensions));
        }
        for (size_t k = 0; k < n; k++) {
                double best_value = -INFINITY;
                size_t best = 0;

                for (size_t i = 0; i < n; i++) {
                        double value = lambda * within(&range, relevance(candidates, i)) -
                                       (1 - lambda) * likeness[i];

                        if (!taken[i] && value > best_value) {
                                best_value = value;
                                best = i;
                        }
                }
                taken[best] = true;
                picked[k] = candidates->items[best];
                for (size_t i = 0; i < n; i++) {
                        double like = taken[i] ? 0 : cosine(&pool, i, best);

                        if (like > likeness[i])
                                likeness[i] = like;
                }
        }
        if (n > 0)
                memcpy(candidates->items, picked, n * sizeof picked[0]);
}

/* ---- Groups -------------------------------------------------------------------------------- */

/* Which group each passage belongs to, in order of the groups' best: open addressing on the
 * owner. */
static int number_groups(const uint64_t *owner, size_t n, uint32_t *group, size_t *ret_groups,
                         struct error *reterr)
{
        size_t slots = 16, groups = 0;
        uint32_t *table; /* index + 1 of the first passage of an owner */

        while (slots < 2 * n)
                slots *= 2;
        table = calloc(slots, sizeof *table);
        if (!table)
                return error_oom(reterr);
        for (size_t i = 0; i < n; i++) {
                size_t at = (size_t) (owner[i] * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (slots - 1);

                while (table[at] && owner[table[at] - 1] != owner[i])
                        at = (at + 1) & (slots - 1);
                if (!table[at]) {
                        table[at] = (uint32_t) i + 1;
                        group[i] = (uint32_t) groups++;
                } else {
                        group[i] = group[table[at] - 1];
                }
        }
        free(table);
        *ret_groups = groups;
        return 0;
}

struct group {
        size_t start, count, given;
};

/* Each group's passages stand together, in their order. */
static size_t place(const uint32_t *number, size_t n, size_t offset, size_t limit, size_t size,
                    struct group *groups, uint32_t *ret_chosen)
{
        size_t chosen = 0;

        for (size_t i = 0; i < n; i++)
                if (number[i] >= offset && number[i] - offset < limit &&
                    groups[number[i] - offset].count < size)
                        groups[number[i] - offset].count++;
        for (size_t g = 0; g < limit; g++) {
                groups[g].start = chosen;
                chosen += groups[g].count;
        }
        for (size_t i = 0; i < n; i++) {
                struct group *group;

                if (number[i] < offset || number[i] - offset >= limit)
                        continue;
                group = &groups[number[i] - offset];
                if (group->given < group->count)
                        ret_chosen[group->start + group->given++] = (uint32_t) i;
        }
        return chosen;
}

int candidates_group(const uint64_t *owner, size_t n, size_t offset, size_t limit, size_t size,
                     uint32_t *ret_chosen, size_t *ret_n, bool *ret_more, struct error *reterr)
{
        cleanup_free_ uint32_t *number = malloc((n ? n : 1) * sizeof *number);
        cleanup_free_ struct group *groups = calloc(limit ? limit : 1, sizeof *groups);
        size_t count = 0;
        int r;

        if (!number || !groups)
                return error_oom(reterr);
        r = number_groups(owner, n, number, &count, reterr);
        if (r < 0)
                return r;
        *ret_n = place(number, n, offset, limit, size, groups, ret_chosen);
        *ret_more = count > offset && count - offset > limit;
        return 0;
}
