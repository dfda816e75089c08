/* SPDX-License-Identifier: Apache-2.0 */
/* Recall of every engine against exact search, per metric and kernel, at rest and after half
 * of the slots were replaced.  An engine that says "exact" must reach 1. */
#include "index/index.h"
#include "index/kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 4000U
#define DIMENSIONS 48U
#define QUERIES 40
#define K 10U
#define FLOOR 1.0 /* of the exact scan, which serves every backend */

static float noise(unsigned int *seed)
{
        return (float) rand_r(seed) / (float) RAND_MAX * 2.0F - 1.0F;
}

static void random_vector(unsigned int *seed, enum index_metric metric, float *ret)
{
        for (uint32_t i = 0; i < DIMENSIONS; i++)
                ret[i] = noise(seed);
        vector_prepare(metric, ret, DIMENSIONS);
}

static double closeness(enum index_metric metric, const float *a, const float *b)
{
        double sum = 0.0;

        for (uint32_t i = 0; i < DIMENSIONS; i++) {
                double x = (double) a[i], y = (double) b[i];

                sum += metric == INDEX_EUCLIDEAN ? -(x - y) * (x - y) : x * y;
        }
        return sum;
}

/* How many of the hits are among the true best K: those not farther than the K-th. */
static size_t count_true(enum index_metric metric, const float *rows, const float *query,
                         const roaring_bitmap_t *live, const struct index_hit *hits, size_t count)
{
        double best[K];
        size_t n = 0, found = 0;

        for (uint32_t slot = 0; slot < SLOTS; slot++) {
                double c = closeness(metric, query, rows + (size_t) slot * DIMENSIONS);
                size_t at;

                if (!roaring_bitmap_contains(live, slot) || (n == K && c <= best[K - 1]))
                        continue;
                for (at = n < K ? n++ : K - 1; at > 0 && best[at - 1] < c; at--)
                        best[at] = best[at - 1];
                best[at] = c;
        }
        for (size_t i = 0; i < count; i++)
                found += roaring_bitmap_contains(live, hits[i].slot) &&
                         closeness(metric, query, rows + (size_t) hits[i].slot * DIMENSIONS) >=
                                 best[K - 1] - 1e-5;
        return found;
}

static double measure(struct index *index, enum index_metric metric, const float *rows,
                      const roaring_bitmap_t *live, unsigned int *seed)
{
        const struct index_segment segment = { rows, 0, SLOTS, DIMENSIONS * sizeof(float) };
        const struct index_source source = { &segment, 1, SLOTS };
        size_t found = 0;

        for (int q = 0; q < QUERIES; q++) {
                float vector[DIMENSIONS];
                struct index_query query = { .vector = vector, .dimensions = DIMENSIONS, .k = K,
                                             .ef = 50, .live = live };
                struct index_hit hits[K];
                struct index_stats stats;
                size_t count = 0;

                random_vector(seed, metric, vector);
                if (index_search(index, &source, &query, hits, &count, &stats, NULL) < 0)
                        return -1.0;
                found += count_true(metric, rows, vector, live, hits, count);
        }
        return (double) found / (QUERIES * K);
}

static int check(enum index_backend backend, enum index_metric metric,
                 const struct kernel_ops *kernels)
{
        struct index_params params = { .backend = backend, .metric = metric,
                                        .dimensions = DIMENSIONS, .kernels = kernels };
        roaring_bitmap_t *live = roaring_bitmap_from_range(0, SLOTS, 1);
        float *rows = calloc(SLOTS, DIMENSIONS * sizeof(float));
        struct index_segment segment = { rows, 0, SLOTS, DIMENSIONS * sizeof(float) };
        struct index_source source = { &segment, 1, SLOTS };
        struct index *index = NULL;
        double fresh = -1.0, replaced = -1.0;
        unsigned int seed = 42;

        if (!rows || index_open(&params, -1, &index, NULL, NULL) < 0)
                return 1;
        for (uint32_t slot = 0; slot < SLOTS; slot++)
                random_vector(&seed, metric, rows + (size_t) slot * DIMENSIONS);
        if (index_build(index, &source, live, &(struct index_check){ NULL, NULL }, NULL) == 0)
                fresh = measure(index, metric, rows, live, &seed);
        for (uint32_t slot = 0; slot < SLOTS; slot += 2) {
                roaring_bitmap_remove(live, slot);
        }
        for (uint32_t slot = 0; slot < SLOTS; slot += 4) { /* half of those come again */
                random_vector(&seed, metric, rows + (size_t) slot * DIMENSIONS);
                roaring_bitmap_add(live, slot);
        }
        replaced = measure(index, metric, rows, live, &seed);
        (void) printf("%-5s %-5s %-13s %-8s fresh %.4f replaced %.4f floor %.4f\n",
                      index_backend_name(backend), index_engine(index), index_metric_name(metric),
                      kernels->name, fresh, replaced, FLOOR);
        index_free(index);
        roaring_bitmap_free(live);
        free(rows);
        return !(fresh >= FLOOR && replaced >= FLOOR);
}

int main(void)
{
        const struct kernel_ops *kernels;
        int runs, failures = 0;

        for (size_t i = 0; (kernels = kernel_at(i, &runs)); i++)
                for (enum index_backend backend = 0; runs && backend < INDEX_BACKEND_MAX; backend++)
                        for (enum index_metric metric = 0; metric < INDEX_METRIC_MAX; metric++)
                                failures += check(backend, metric, kernels);
        return failures > 0;
}
