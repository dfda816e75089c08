/* SPDX-License-Identifier: Apache-2.0 */
/* One library behind one row of functions, so that all are measured by the same code.
 *
 * ragd's row is linked in (ragd.c).  A peer's is a module of its own, built by peers.sh only for
 * this and loaded at run time: it exports bench_adapter().  Rows and queries are unit vectors
 * and belong to the bench; nearest means the largest inner product.  What fails says why on
 * stderr.  C and C++. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ADAPTER_VERSION 3
#define ADAPTER_SYMBOL "bench_adapter"
#define ADAPTER_K_MAX 100

/* Row i lies at base + i * stride_bytes, aligned to 4 bytes. */
struct adapter_rows {
        const char *base;
        size_t stride_bytes;
        uint32_t count, dimensions;
};

struct adapter_params {
        uint32_t m, ef_construction;
        uint32_t threads; /* that build side by side */
        const char *path; /* the index's own file, or folder: see `folder` */
};

struct adapter {
        uint32_t version;  /* ADAPTER_VERSION */
        const char *name;  /* "hnswlib" */
        const char *about; /* version and flavour, one line */
        int folder;        /* not 0: `path` is a folder that exists, else a file */
        const char *graph_of; /* the adapter whose saved index is opened, too; or NULL: its own */

        void *(*build)(const struct adapter *self, const struct adapter_rows *rows,
                       const struct adapter_params *params);
        int (*save)(void *index, const struct adapter_params *params);
        void *(*load)(const struct adapter *self, const struct adapter_rows *rows,
                      const struct adapter_params *params);
        /* Ends what an opened index goes on doing beside its first searches; 0 or -1.  Or NULL. */
        int (*settle)(void *index);
        /* Numbers of the k nearest rows (at most ADAPTER_K_MAX) into ret_ids, the nearest first;
         * how many, or -1.  Several threads may search at once, all with the same ef. */
        int (*search)(void *index, const float *query, uint32_t k, uint32_t ef, uint32_t *ret_ids);
        /* What the library itself says it holds in memory; NULL or 0: it says nothing. */
        uint64_t (*hot_bytes)(void *index);
        /* A word about the open index that a reader of its figures must know; or NULL. */
        const char *(*note)(void *index);
        void (*free)(void *index);
};

__attribute__((visibility("default"))) const struct adapter *bench_adapter(void);

#ifdef __cplusplus
}
#endif
