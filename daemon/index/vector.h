/* SPDX-License-Identifier: Apache-2.0 */
/* What a vector must be before it is stored or asked for, and how alike two are.
 *
 * Pure functions; any thread. */
#pragma once
#include "base/error.h"

#include <stdint.h>

#define VECTOR_DIMENSIONS_MAX 4096
#define VECTOR_COMPONENT_MAX 1e15F /* keeps squared distances of 4096 dimensions finite */

/* The configuration's metric, as this floor names it. */
enum index_metric {
        INDEX_COSINE,
        INDEX_EUCLIDEAN,
        INDEX_INNER_PRODUCT,
        INDEX_METRIC_MAX,
        INDEX_METRIC_INVALID = -EINVAL,
};

/* The configuration's words: cosine, euclidean, innerproduct. */
const char *index_metric_name(enum index_metric metric);
enum index_metric index_metric_from_name(const char *name);

/* -EINVAL: another width than wanted, a component that is NaN, infinite or beyond
 * VECTOR_COMPONENT_MAX (the error names its place), or all zero under cosine, which has no
 * direction. */
int vector_check(enum index_metric metric, const float *vector, uint32_t dimensions,
                 uint32_t wanted_dimensions, struct error *reterr);

/* Brings a checked vector into the form in which it is stored and compared: unit length under
 * cosine, unchanged otherwise.  Rows and queries alike go through it. */
void vector_prepare(enum index_metric metric, float *vector, uint32_t dimensions);
