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

/* One way to search an index of ours. */
struct variant {
        struct adapter ops; /* first: an adapter is cast back to its variant */
        const char *kernels; /* NULL: the best */
        enum index_precision precision;
};

struct ragd {
        const struct variant *variant;
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

static int complain(const struct ragd *self, const struct error *error)
{
        (void) fprintf(stderr, "%s: %s\n", self->variant->ops.name, error_text(error));
        return -1;
}

static const struct kernel_ops *find_kernels(const char *name)
{
        const struct kernel_ops *ops;
        int runs;

        for (size_t i = 0; (ops = kernel_at(i, &runs)); i++)
                if (strcmp(ops->name, name) == 0)
                        return runs ? ops : NULL;
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

static void *ragd_load(const struct adapter *ops, const struct adapter_rows *rows,
                       const struct adapter_params *params)
{
        const struct variant *variant = (const struct variant *) ops;
        const struct index_params wanted = {
                .backend = INDEX_BACKEND_HNSW,
                .metric = INDEX_COSINE,
                .dimensions = rows->dimensions,
                .kernels = variant->kernels ? find_kernels(variant->kernels) : NULL,
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

        if (!self)
                return NULL;
        self->variant = variant;
        if (dirfd < 0 || lend(self, rows) < 0 ||
            index_open(&wanted, dirfd, &self->index, &damage, &error) < 0) {
                (void) complain(self, &error);
                ragd_free(self);
                return NULL;
        }
        if (damage)
                (void) fprintf(stderr, "%s: %s\n", ops->name, damage);
        return self;
}

static void *ragd_build(const struct adapter *ops, const struct adapter_rows *rows,
                        const struct adapter_params *params)
{
        struct ragd *self = ragd_load(ops, rows, params);
        struct error error = { 0 };

        if (self && index_build(self->index, &self->source, self->live, NULL, &error) < 0) {
                (void) complain(self, &error);
                ragd_free(self);
                return NULL;
        }
        return self;
}

/* As the daemon does in the background after opening: verifies, copies into memory. */
static int ragd_settle(void *index)
{
        struct ragd *self = index;
        struct error error = { 0 };
        int r;

        do
                r = index_maintain(self->index, &self->source, self->live, NULL, &error);
        while (r == INDEX_AGAIN);
        return r < 0 ? complain(self, &error) : 0;
}

static int ragd_save(void *index, const struct adapter_params *params)
{
        struct ragd *self = index;
        struct error error = { 0 };

        (void) params;
        return index_save(self->index, &error) < 0 ? complain(self, &error) : 0;
}

static int ragd_search(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids)
{
        const struct ragd *self = index;
        const struct index_query wanted = { .vector = query, .dimensions = self->dimensions,
                                            .k = k, .ef = ef, .live = self->live,
                                            .precision = self->variant->precision };
        struct index_hit hits[ADAPTER_K_MAX];
        struct index_stats stats;
        struct error error = { 0 };
        size_t count = 0;

        if (k > ADAPTER_K_MAX || index_search(self->index, &self->source, &wanted, hits, &count,
                                              &stats, &error) < 0)
                return complain(self, &error);
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

#define VARIANT(text, what, graph)                                                              \
        { .version = ADAPTER_VERSION, .name = (text), .about = (what), .folder = 1,             \
          .graph_of = (graph), .build = ragd_build, .save = ragd_save, .load = ragd_load,       \
          .settle = ragd_settle, .search = ragd_search, .hot_bytes = ragd_hot_bytes,            \
          .note = ragd_note, .free = ragd_free }

const struct adapter *ragd_adapter(size_t i)
{
        static const struct variant variants[] = {
                { VARIANT("ragd", "as it is: its own choice of codes, the best kernels", NULL),
                  NULL, INDEX_PRECISION_AUTO },
                { VARIANT("ragd-avx2", "the same graph with the kernels for AVX2", "ragd"),
                  "avx2", INDEX_PRECISION_AUTO },
                { VARIANT("ragd-8bit", "the same graph walked on 8-bit codes", "ragd"),
                  NULL, INDEX_PRECISION_8BIT },
                { VARIANT("ragd-4bit", "the same graph walked on 4-bit codes", "ragd"),
                  NULL, INDEX_PRECISION_4BIT },
                { VARIANT("ragd-float", "the same graph walked on float vectors", "ragd"),
                  NULL, INDEX_PRECISION_FLOAT },
        };

        for (size_t at = 0; at < ELEMENTSOF(variants); at++)
                if (!variants[at].kernels || find_kernels(variants[at].kernels))
                        if (i-- == 0)
                                return &variants[at].ops;
        return NULL;
}
