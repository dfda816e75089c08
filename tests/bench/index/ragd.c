/* SPDX-License-Identifier: Apache-2.0 */
#include "ragd.h"

#include "base/cleanup.h"
#include "index/index.h"
#include "index/kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES (UINT64_C(64) << 20) /* as long as the store's */
#define SEED 42

struct ragd {
        struct index *index;
        struct index_segment *segments;
        struct index_source source;
        roaring_bitmap_t *live;
        uint32_t dimensions;
};

static void ragd_free(void *index)
{
        struct ragd *self = index;

        if (!self)
                return;
        index_free(self->index);
        if (self->live)
                roaring_bitmap_free(self->live);
        free(self->segments);
        free(self);
}

static void *complain(const char *name, const struct error *error)
{
        (void) fprintf(stderr, "%s: %s\n", name, error_text(error));
        return NULL;
}

/* The rows as the store lends them: segments of at most SEGMENT_BYTES, all slots live. */
static int lend(struct ragd *self, const struct adapter_rows *rows)
{
        uint32_t each = (uint32_t) (SEGMENT_BYTES / rows->stride_bytes);
        size_t count = (rows->count + each - 1) / each;

        self->segments = calloc(count, sizeof *self->segments);
        self->live = roaring_bitmap_from_range(0, rows->count, 1);
        if (!self->segments || !self->live)
                return -ENOMEM;
        for (size_t i = 0; i < count; i++) {
                uint32_t first = (uint32_t) i * each;
                uint32_t left = rows->count - first;

                self->segments[i] = (struct index_segment) {
                        .base = rows->base + first * rows->stride_bytes,
                        .first_slot = first,
                        .count = left < each ? left : each,
                        .stride_bytes = (uint32_t) rows->stride_bytes,
                };
        }
        self->source = (struct index_source) { .segments = self->segments, .segment_count = count,
                                               .committed = rows->count };
        self->dimensions = rows->dimensions;
        return 0;
}

static void *open_in(const char *name, const struct kernel_ops *kernels,
                     const struct adapter_rows *rows, const struct adapter_params *params)
{
        const struct index_params wanted = {
                .backend = INDEX_BACKEND_HNSW,
                .metric = INDEX_COSINE,
                .dimensions = rows->dimensions,
                .kernels = kernels,
                .quantization = INDEX_QUANTIZATION_INT8,
                .m = params->m,
                .ef_construction = params->ef_construction,
                .seed = SEED,
                .threads = params->threads,
        };
        struct error error = { 0 };
        cleanup_free_ char *damage = NULL;
        cleanup_close_ int dirfd = open(params->path, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        struct ragd *self = calloc(1, sizeof *self);

        if (dirfd < 0 || !self || lend(self, rows) < 0 ||
            index_open(&wanted, dirfd, &self->index, &damage, &error) < 0) {
                (void) complain(name, &error);
                ragd_free(self);
                return NULL;
        }
        if (damage)
                (void) fprintf(stderr, "%s: %s\n", name, damage);
        return self;
}

static void *build_with(const char *name, const struct kernel_ops *kernels,
                        const struct adapter_rows *rows, const struct adapter_params *params)
{
        struct ragd *self = open_in(name, kernels, rows, params);
        struct error error = { 0 };

        if (self && index_build(self->index, &self->source, self->live, NULL, &error) < 0) {
                (void) complain(name, &error);
                ragd_free(self);
                return NULL;
        }
        return self;
}

static const struct kernel_ops *avx2(void)
{
        const struct kernel_ops *ops;
        int runs;

        for (size_t i = 0; (ops = kernel_at(i, &runs)); i++)
                if (strcmp(ops->name, "avx2") == 0)
                        return runs ? ops : NULL;
        return NULL;
}

static void *build_best(const struct adapter_rows *rows, const struct adapter_params *params)
{
        return build_with("ragd", kernel_best(), rows, params);
}

static void *load_best(const struct adapter_rows *rows, const struct adapter_params *params)
{
        return open_in("ragd", kernel_best(), rows, params);
}

static void *build_avx2(const struct adapter_rows *rows, const struct adapter_params *params)
{
        return build_with("ragd-avx2", avx2(), rows, params);
}

static void *load_avx2(const struct adapter_rows *rows, const struct adapter_params *params)
{
        return open_in("ragd-avx2", avx2(), rows, params);
}

static int ragd_save(void *index, const struct adapter_params *params)
{
        struct ragd *self = index;
        struct error error = { 0 };

        (void) params;
        if (index_save(self->index, &error) < 0) {
                (void) complain("ragd", &error);
                return -1;
        }
        return 0;
}

static int ragd_search(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids)
{
        const struct ragd *self = index;
        const struct index_query wanted = { .vector = query, .dimensions = self->dimensions,
                                            .k = k, .ef = ef, .live = self->live };
        struct index_hit hits[ADAPTER_K_MAX];
        struct index_stats stats;
        struct error error = { 0 };
        size_t count = 0;

        if (k > ADAPTER_K_MAX || index_search(self->index, &self->source, &wanted, hits, &count,
                                              &stats, &error) < 0) {
                (void) complain("ragd", &error);
                return -1;
        }
        for (size_t i = 0; i < count; i++)
                ret_ids[i] = hits[i].slot;
        return (int) count;
}

static uint64_t ragd_hot_bytes(void *index)
{
        const struct ragd *self = index;
        struct index_status status;

        index_get_status(self->index, &self->source, self->live, &status);
        return status.hot_bytes;
}

static const char *ragd_note(void *index)
{
        const struct ragd *self = index;
        struct index_status status;

        index_get_status(self->index, &self->source, self->live, &status);
        if (!status.serving_graph)
                return "answers by the exact scan: there is no graph";
        return status.unindexed > 0 ? "the graph lacks vectors: they are scanned" : NULL;
}

const struct adapter *ragd_adapter(size_t i)
{
        static const struct adapter rows[] = {
                { ADAPTER_VERSION, "ragd", "int8 codes, this machine's best kernels", 1, build_best,
                  ragd_save, load_best, ragd_search, ragd_hot_bytes, ragd_note, ragd_free },
                { ADAPTER_VERSION, "ragd-avx2", "int8 codes, AVX2 kernels", 1, build_avx2,
                  ragd_save, load_avx2, ragd_search, ragd_hot_bytes, ragd_note, ragd_free },
        };
        size_t count = ELEMENTSOF(rows) - (avx2() ? 0 : 1);

        return i < count ? &rows[i] : NULL;
}
