/* SPDX-License-Identifier: Apache-2.0 */
#include "index/vector.h"

#include "base/enum.h"

#include <math.h>
#include <stdbool.h>

static const char *const index_metric_names[INDEX_METRIC_MAX] = {
        [INDEX_COSINE] = "cosine",
        [INDEX_EUCLIDEAN] = "euclidean",
        [INDEX_INNER_PRODUCT] = "innerproduct",
};
DEFINE_ENUM_NAMES(index_metric, enum index_metric)

int vector_check(enum index_metric metric, const float *vector, uint32_t dimensions,
                 uint32_t wanted_dimensions, struct error *reterr)
{
        bool zero = true;

        if (dimensions != wanted_dimensions)
                return error_set(reterr, -EINVAL,
                                 "the vector has %u dimensions where %u are wanted", dimensions,
                                 wanted_dimensions);
        for (uint32_t i = 0; i < dimensions; i++) {
                float value = vector[i];

                if (isnan(value) || isinf(value))
                        return error_set(reterr, -EINVAL, "component %u of the vector is %s", i,
                                         isnan(value) ? "not a number" : "infinite");
                if (fabsf(value) > VECTOR_COMPONENT_MAX)
                        return error_set(reterr, -EINVAL,
                                         "component %u of the vector is beyond %g: %g", i,
                                         (double) VECTOR_COMPONENT_MAX, (double) value);
                zero = zero && value == 0.0F;
        }
        if (zero && metric == INDEX_COSINE)
                return error_set(reterr, -EINVAL,
                                 "the vector is all zero, which has no direction: the cosine is "
                                 "not defined");
        return 0;
}

void vector_prepare(enum index_metric metric, float *vector, uint32_t dimensions)
{
        double sum = 0.0, scale;

        if (metric != INDEX_COSINE)
                return;
        for (uint32_t i = 0; i < dimensions; i++)
                sum += (double) vector[i] * (double) vector[i];
        if (sum <= 0.0)
                return;
        scale = 1.0 / sqrt(sum);
        for (uint32_t i = 0; i < dimensions; i++)
                vector[i] = (float) ((double) vector[i] * scale);
}
