/* SPDX-License-Identifier: Apache-2.0 */
/* What the bench prints: the machine, a table per set, and ragd's figures beside the goals. */
#pragma once
#include "measure.h"

void report_machine(const struct plan *plan);
void report_set(const struct contestant *contestants, const struct speeds *speeds, size_t count,
                const struct set *set, const struct plan *plan);
/* `disturbed`: the share of the machine that others used while this set was measured. */
void report_goals(const struct contestant *contestants, const struct speeds *speeds, size_t count,
                  const struct set *set, double disturbed);
