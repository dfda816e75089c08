/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors that look like sentence embeddings, drawn without a file: unit vectors along
 * z P + b + e.  z comes from one of many Gaussian clusters whose sizes fall like Zipf's and whose
 * axes shrink as the principal components of embeddings do; P spreads the few latent dimensions
 * over the many; b is a mean that all share; e is noise.
 *
 * The same seeds give the same vectors on every machine, but for the last bits of logarithms. */
#pragma once
#include "base/cleanup.h"
#include "index/vector.h"

#include <stddef.h>
#include <stdint.h>

struct cloud_shape {
        uint32_t dimensions, latent, clusters;
        double spread; /* of a cluster, against 1 between them; from 1 up they overlap */
};

struct cloud;

/* Numbers that look random (splitmix64); the state is the caller's. */
uint64_t random_next(uint64_t *state);
/* Below `end`, which is not 0. */
uint32_t random_below(uint64_t *state, uint32_t end);
double random_unit(uint64_t *state); /* in (0, 1] */

struct cloud *cloud_new(const struct cloud_shape *shape, uint64_t seed); /* NULL: no memory */
void cloud_free(struct cloud *cloud);
DEFINE_CLEANUP(struct cloud *, cloud_free)

/* One vector in prepared form.  Under the inner product lengths differ by a third.  Returns the
 * number of its cluster. */
uint32_t cloud_draw(const struct cloud *cloud, enum index_metric metric, uint64_t *random,
                    float *ret);
