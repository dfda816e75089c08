/* SPDX-License-Identifier: Apache-2.0 */
/* A data set of vectors.py, as the bench uses it. */
#pragma once
#include "adapter.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct mapping {
        char *base;
        size_t bytes;
};

struct set {
        char name[16];
        struct adapter_rows rows; /* in a mapped file, each as long as a record of the store */
        struct adapter_rows queries;
        const int32_t *truth; /* truth_stride numbers per query, the best first */
        size_t truth_stride;
        struct mapping mappings[3];
        char *query_memory;
};

/* Maps NAME.query.fvecs and NAME.truth.ivecs of `folder`, and the rows of NAME.base.fvecs from
 * NAME.rows, which is written first where it does not exist.  -ENOENT: no such set; -EBADMSG: a
 * file is not what vectors.py writes. */
int set_open(const char *folder, const char *name, struct set *ret, struct error *reterr);
void set_done(struct set *set);

static inline const float *set_query(const struct set *set, uint32_t i)
{
        return (const float *) (const void *) (set->queries.base + i * set->queries.stride_bytes);
}

/* How many of the ids are among the query's k true ones. */
uint32_t set_count_true(const struct set *set, uint32_t query, const uint32_t *ids, uint32_t count,
                        uint32_t k);
