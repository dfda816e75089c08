/* SPDX-License-Identifier: Apache-2.0 */
/* Who becomes a neighbour: Algorithm 4 from the paper, the heuristic that keeps a candidate only
 * if it is nearer to the base than to every neighbour already kept, so that links go into all
 * directions. */
#pragma once
#include "index/walker.h"

/* Of `n` candidates in a layer, with their likeness to the base (key + bias of the base) as key, sorted
 * by it: keeps at most `most` at the beginning and returns how many.  `judge` is a walk whose
 * asking side is overwritten. */
size_t select_neighbours(struct walk *judge, uint32_t layer, struct candidate *candidates, size_t n,
                         size_t most);

/* The same where the first `kept`, in whatever order, stay: only the others need keys. */
size_t select_more(struct walk *judge, uint32_t layer, struct candidate *candidates, size_t kept,
                   size_t n, size_t most);

/* Sorts by falling key, ties by id, and drops the second of equal ids; returns how many are left.
 * The same candidates in any order come out the same. */
size_t select_sort(struct candidate *candidates, size_t n);
