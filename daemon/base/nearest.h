/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean …": the known name nearest to a misspelt one. */
#pragma once
#include <stddef.h>

/* Damerau-Levenshtein distance (optimal string alignment) with '-' and '_' taken as equal;
 * names over 63 bytes are cut. */
size_t nearest_distance(const char *a, const char *b);

/* The candidate at the smallest distance, if that is at most a third of the name's length
 * (at least 1); NULL when none is near.  `known` ends in NULL; the result is borrowed from it. */
const char *nearest_name(const char *name, const char *const known[]);
