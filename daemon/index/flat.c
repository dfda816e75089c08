/* SPDX-License-Identifier: Apache-2.0 */
/* The exact scan: every vector that may answer is compared.  It keeps nothing beside the
 * vectors, so there is nothing to build, save or repair. */
#include "index/engine.h"

#include "base/cleanup.h"
#include "index/best.h"

#include <math.h>
#include <stdlib.h>

#define BATCH 256U      /* slots that are looked up before they are compared */
#define CHECK_EVERY 16U /* batches between two calls of the caller's check */
#define LINE 64U        /* bytes that one prefetch fetches */

/* ---- Which rows ------------------------------------------------------------------------- */

/* The slots to compare, ascending: those of `wanted`, or all that the segments hold. */
struct rows {
        const struct index_source *source;
        size_t segment;
        uint32_t next; /* the next slot, where all are wanted */
        roaring_uint32_iterator_t wanted;
        bool all;
};

static inline const float *row_of(const struct index_segment *segment, uint32_t slot)
{
        return (const float *) (const void *) ((const char *) segment->base +
                                               (size_t) (slot - segment->first_slot) *
                                                       segment->stride_bytes);
}

static void rows_begin(struct rows *rows, const struct index_source *source,
                       const roaring_bitmap_t *wanted, uint32_t from_slot)
{
        *rows = (struct rows){ .source = source, .next = from_slot, .all = wanted == NULL };
        if (wanted) {
                roaring_init_iterator(wanted, &rows->wanted);
                if (from_slot > 0)
                        (void) roaring_move_uint32_iterator_equalorlarger(&rows->wanted,
                                                                          from_slot);
        }
}

static size_t next_of_all(struct rows *rows, uint32_t slots[static BATCH],
                          const float *vectors[static BATCH])
{
        const struct index_source *source = rows->source;
        size_t n = 0;

        while (n < BATCH && rows->segment < source->segment_count) {
                const struct index_segment *segment = &source->segments[rows->segment];
                uint32_t end = segment->first_slot + segment->count;

                if (end > source->committed)
                        end = source->committed;
                if (rows->next < segment->first_slot)
                        rows->next = segment->first_slot;
                for (; n < BATCH && rows->next < end; rows->next++) {
                        slots[n] = rows->next;
                        vectors[n++] = row_of(segment, rows->next);
                }
                if (rows->next >= end)
                        rows->segment++;
        }
        return n;
}

static size_t next_of_wanted(struct rows *rows, uint32_t slots[static BATCH],
                             const float *vectors[static BATCH])
{
        const struct index_source *source = rows->source;
        size_t n = 0;

        while (n == 0 && rows->wanted.has_value) {
                uint32_t read = roaring_read_uint32_iterator(&rows->wanted, slots, BATCH);

                for (uint32_t i = 0; i < read; i++) {
                        uint32_t slot = slots[i];
                        const struct index_segment *segment;

                        while (rows->segment < source->segment_count &&
                               slot - source->segments[rows->segment].first_slot >=
                                       source->segments[rows->segment].count &&
                               slot >= source->segments[rows->segment].first_slot)
                                rows->segment++;
                        if (slot >= source->committed || rows->segment >= source->segment_count)
                                return n; /* slots ascend: none of the rest is there */
                        segment = &source->segments[rows->segment];
                        if (slot < segment->first_slot)
                                continue; /* between two segments */
                        slots[n] = slot;
                        vectors[n++] = row_of(segment, slot);
                }
        }
        return n;
}

/* ---- The scan --------------------------------------------------------------------------- */

/* What a distance is worth: higher is better. */
static float score_of(enum index_metric metric, float key)
{
        switch (metric) {
        case INDEX_COSINE: /* rounding may carry it past the ends */
                return key > 1.0F ? 1.0F : key < -1.0F ? -1.0F : key;
        case INDEX_EUCLIDEAN:
                return 1.0F / (1.0F + sqrtf(-key));
        default:
                return key;
        }
}

/* Keys order like scores, without the root: the product, or minus the squared distance. */
static void compare_batch(const struct index *index, const float *query,
                          const float *const vectors[KERNEL_BATCH], float keys[KERNEL_BATCH])
{
        size_t n = index->params.dimensions;

        if (index->params.metric != INDEX_EUCLIDEAN) {
                index->kernels->dot_batch(query, vectors, n, keys);
                return;
        }
        index->kernels->l2sq_batch(query, vectors, n, keys);
        for (int i = 0; i < KERNEL_BATCH; i++)
                keys[i] = -keys[i];
}

/* Rows picked here and there are not read ahead by the machine itself. */
static void prefetch(const float *const *vectors, size_t n, size_t bytes)
{
        for (size_t i = 0; i < n; i++)
                for (size_t at = 0; at < bytes; at += LINE)
                        PREFETCH((const char *) vectors[i] + at);
}

static void scan(const struct index *index, const float *query, const uint32_t *slots,
                 const float **vectors, size_t n, bool picked, struct best *best)
{
        size_t bytes = (size_t) index->params.dimensions * sizeof(float);

        /* The last group is filled up with a row that it has. */
        for (size_t i = n; i % KERNEL_BATCH != 0; i++)
                vectors[i] = vectors[n - 1];
        if (picked)
                prefetch(vectors, n < KERNEL_BATCH ? n : KERNEL_BATCH, bytes);
        for (size_t i = 0; i < n; i += KERNEL_BATCH) {
                float keys[KERNEL_BATCH];

                if (picked && i + 2 * KERNEL_BATCH <= n)
                        prefetch(vectors + i + KERNEL_BATCH, KERNEL_BATCH, bytes);
                compare_batch(index, query, vectors + i, keys);
                for (size_t j = 0; j < KERNEL_BATCH && i + j < n; j++)
                        best_offer(best, (struct index_hit){ slots[i + j], keys[j] });
        }
}

void flat_offer(const struct index *index, const struct index_source *source, const float *query,
                const uint32_t *slots, size_t n, struct best *best)
{
        for (size_t done = 0; done < n;) {
                const float *vectors[BATCH];
                uint32_t found[BATCH];
                size_t count = 0;

                for (; done < n && count < BATCH; done++) {
                        vectors[count] = flat_row(source, slots[done]);
                        found[count] = slots[done];
                        count += vectors[count] != NULL;
                }
                if (count > 0)
                        scan(index, query, found, vectors, count, true, best);
        }
}

int flat_scan(const struct index *index, const struct index_source *source, uint32_t from_slot,
              const roaring_bitmap_t *wanted, const struct index_query *query, struct best *best,
              uint64_t *ret_compared, struct error *reterr)
{
        const float *vectors[BATCH];
        uint32_t slots[BATCH];
        struct rows rows;
        size_t n;

        rows_begin(&rows, source, wanted, from_slot);
        for (uint32_t turn = 1;; turn++) {
                n = rows.all ? next_of_all(&rows, slots, vectors)
                             : next_of_wanted(&rows, slots, vectors);
                if (n == 0)
                        break;
                scan(index, query->vector, slots, vectors, n, !rows.all, best);
                *ret_compared += n;
                if (turn % CHECK_EVERY == 0 && query->check.check) {
                        int r = query->check.check(query->check.userdata);

                        if (r < 0)
                                return error_set(reterr, r, "the search was ended early");
                }
        }
        return 0;
}

void flat_finish(const struct index *index, struct best *best)
{
        best_sort(best);
        for (size_t i = 0; i < best->count; i++)
                best->hits[i].score = score_of(index->params.metric, best->hits[i].score);
}

int flat_search(struct index *index, const struct index_source *source,
                const struct index_query *query, struct index_hit *ret_hits, size_t *ret_count,
                struct index_stats *ret_stats, struct error *reterr)
{
        cleanup_(roaring_bitmap_free_cleanup) roaring_bitmap_t *both = NULL;
        const roaring_bitmap_t *wanted = query->filter ? query->filter : query->live;
        struct best best = { .hits = ret_hits, .room = query->k };
        struct index_stats stats = { .plan = INDEX_PLAN_SCAN, .exhausted = true, .exact = true };
        int r;

        if (query->filter && query->live) {
                wanted = both = roaring_bitmap_and(query->filter, query->live);
                if (!both)
                        return error_oom(reterr);
        }
        r = flat_scan(index, source, 0, wanted, query, &best, &stats.candidates, reterr);
        if (r < 0)
                return r;
        flat_finish(index, &best);
        *ret_count = best.count;
        *ret_stats = stats;
        return 0;
}

/* ---- Single slots ----------------------------------------------------------------------- */

const float *flat_row(const struct index_source *source, uint32_t slot)
{
        size_t low = 0, high = source->segment_count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const struct index_segment *segment = &source->segments[middle];

                if (slot < segment->first_slot)
                        high = middle;
                else if (slot - segment->first_slot >= segment->count)
                        low = middle + 1;
                else
                        return slot < source->committed ? row_of(segment, slot) : NULL;
        }
        return NULL;
}

void flat_score(const struct index *index, const struct index_source *source, const float *query,
                const uint32_t *slots, size_t count, float *ret_scores)
{
        size_t n = index->params.dimensions;

        for (size_t i = 0; i < count; i++) {
                const float *row = flat_row(source, slots[i]);

                if (!row)
                        ret_scores[i] = NAN;
                else if (index->params.metric == INDEX_EUCLIDEAN)
                        ret_scores[i] = score_of(INDEX_EUCLIDEAN,
                                                 -index->kernels->l2sq(query, row, n));
                else
                        ret_scores[i] = score_of(index->params.metric,
                                                 index->kernels->dot(query, row, n));
        }
}

const struct index_ops flat_ops = {
        .name = "flat",
        .search = flat_search,
};
