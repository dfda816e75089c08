/* SPDX-License-Identifier: Apache-2.0 */
/* Taking from the hot memory that all indexes of a process share (index.h: struct index_budget).
 *
 * An engine takes before it allocates and gives back when it has freed; the sum of what all
 * hold never exceeds the limit.  Two atomic words' worth of work: no lock, any thread. */
#pragma once
#include "index/index.h"

/* All of `bytes`, or nothing and -EDQUOT: an answer, not a fault.  NULL: there is no limit. */
int index_budget_take(struct index_budget *budget, uint64_t bytes);
/* What was taken, in any parts. */
void index_budget_give(struct index_budget *budget, uint64_t bytes);
