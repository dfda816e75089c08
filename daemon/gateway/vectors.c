/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/vectors.h"

#include <math.h>

void vectors_mark_missing(float *vectors, size_t n_floats)
{
        for (size_t i = 0; i < n_floats; i++)
                vectors[i] = NAN;
}

int vector_admit(float *vector, size_t dimensions, bool normalize, int code, struct error *reterr)
{
        double length = 0.0; /* squared; no float can make it overflow */

        for (size_t i = 0; i < dimensions; i++) {
                if (!isfinite(vector[i]))
                        return error_set(reterr, code, "component %zu of the vector is %s", i,
                                         isnan(vector[i]) ? "not a number" : "infinite");
                length += (double) vector[i] * (double) vector[i];
        }
        if (length == 0.0)
                return error_set(reterr, code, "all %zu components of the vector are zero",
                                 dimensions);
        length = sqrt(length);
        /* What has unit length already stays the same to the last bit. */
        if (!normalize || fabs(length - 1.0) < 1e-6)
                return 0;
        for (size_t i = 0; i < dimensions; i++)
                vector[i] = (float) ((double) vector[i] / length);
        return 0;
}
