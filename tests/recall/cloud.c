/* SPDX-License-Identifier: Apache-2.0 */
#include "cloud.h"

#include <math.h>
#include <stdlib.h>

#define NOISE 0.9

struct cloud {
        struct cloud_shape shape;
        double *share;   /* [clusters]: of the clusters up to this one */
        double *centres; /* [clusters][latent] */
        double *axes;    /* [latent]: how far they reach */
        double *basis;   /* [latent][dimensions] */
        double *mean;    /* [dimensions] */
};

uint64_t random_next(uint64_t *state)
{
        uint64_t x = *state += UINT64_C(0x9E3779B97F4A7C15);

        x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
        return x ^ (x >> 31);
}

uint32_t random_below(uint64_t *state, uint32_t end)
{
        return (uint32_t) (((random_next(state) >> 32) * end) >> 32);
}

double random_unit(uint64_t *state)
{
        return (double) ((random_next(state) >> 11) + 1) * 0x1p-53;
}

/* Of the normal distribution (Box and Muller, 1958). */
static double random_normal(uint64_t *state)
{
        double length = sqrt(-2.0 * log(random_unit(state)));

        return length * cos(2.0 * 3.14159265358979323846 * random_unit(state));
}

void cloud_free(struct cloud *cloud)
{
        if (!cloud)
                return;
        free(cloud->share);
        free(cloud->centres);
        free(cloud->axes);
        free(cloud->basis);
        free(cloud->mean);
        free(cloud);
}

static void place_clusters(struct cloud *cloud, uint64_t *random)
{
        const struct cloud_shape *shape = &cloud->shape;
        double sum = 0.0;

        for (uint32_t i = 0; i < shape->latent; i++)
                cloud->axes[i] = pow(i + 1, -0.25);
        for (uint32_t c = 0; c < shape->clusters; c++) {
                cloud->share[c] = sum += pow(c + 1, -0.7);
                for (uint32_t i = 0; i < shape->latent; i++)
                        cloud->centres[(size_t) c * shape->latent + i] =
                                random_normal(random) * cloud->axes[i];
        }
        for (uint32_t c = 0; c < shape->clusters; c++)
                cloud->share[c] /= sum;
}

struct cloud *cloud_new(const struct cloud_shape *shape, uint64_t seed)
{
        cleanup_(cloud_free_cleanup) struct cloud *cloud = calloc(1, sizeof *cloud);
        size_t latent = shape->latent, dimensions = shape->dimensions;
        double root = sqrt((double) dimensions);

        if (!cloud)
                return NULL;
        cloud->shape = *shape;
        cloud->share = calloc(shape->clusters, sizeof(double));
        cloud->centres = calloc(shape->clusters * latent, sizeof(double));
        cloud->axes = calloc(latent, sizeof(double));
        cloud->basis = calloc(latent * dimensions, sizeof(double));
        cloud->mean = calloc(dimensions, sizeof(double));
        if (!cloud->share || !cloud->centres || !cloud->axes || !cloud->basis || !cloud->mean)
                return NULL;
        place_clusters(cloud, &seed);
        for (size_t i = 0; i < latent * dimensions; i++) /* nearly orthogonal, of length 1 */
                cloud->basis[i] = random_normal(&seed) / root;
        for (size_t i = 0; i < dimensions; i++)
                cloud->mean[i] = random_normal(&seed) / root;
        return take_ptr(cloud);
}

uint32_t cloud_draw(const struct cloud *cloud, enum index_metric metric, uint64_t *random,
                    float *ret)
{
        const struct cloud_shape *shape = &cloud->shape;
        double root = sqrt((double) shape->dimensions), of = random_unit(random), length;
        double x[VECTOR_DIMENSIONS_MAX];
        uint32_t cluster = 0;

        while (cluster + 1 < shape->clusters && cloud->share[cluster] < of)
                cluster++;
        for (uint32_t j = 0; j < shape->dimensions; j++)
                x[j] = cloud->mean[j] + random_normal(random) * NOISE / root;
        for (uint32_t i = 0; i < shape->latent; i++) {
                const double *centre = cloud->centres + (size_t) cluster * shape->latent;
                const double *basis = cloud->basis + (size_t) i * shape->dimensions;
                double z = centre[i] + shape->spread * random_normal(random) * cloud->axes[i];

                for (uint32_t j = 0; j < shape->dimensions; j++)
                        x[j] += z * basis[j];
        }
        for (uint32_t j = 0; j < shape->dimensions; j++)
                ret[j] = (float) x[j];
        vector_prepare(INDEX_COSINE, ret, shape->dimensions);
        length = metric == INDEX_INNER_PRODUCT ? 1.0 + (random_unit(random) - 0.5) * 2.0 / 3.0 : 1.0;
        for (uint32_t j = 0; j < shape->dimensions; j++)
                ret[j] = (float) (length * (double) ret[j]);
        return cluster;
}
