/* SPDX-License-Identifier: Apache-2.0 */
/* Which vectors are let through: finite, not zero, of the declared width.  Pure functions. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Marks memory that a provider has to overwrite, so that a vector it forgot is noticed. */
void vectors_mark_missing(float *vectors, size_t n_floats);

/* Checks one vector and, where asked, scales it to unit length.  `code` with the first fault:
 * a component that is NaN or infinite (also one never written), or all of them zero. */
int vector_admit(float *vector, size_t dimensions, bool normalize, int code, struct error *reterr);
