/* SPDX-License-Identifier: Apache-2.0 */
/* One line on a terminal's standard error that tells how far something has come. */
#pragma once
#include "ctl.h"

#include <stdint.h>

struct progress {
        const struct ctl *ctl;
        uint64_t begun_usec, drawn_usec;
        bool drawn;
};

void progress_begin(struct progress *progress, const struct ctl *ctl);
/* Redraws at most ten times a second; `total` 0: unknown.  Nothing where there is no terminal. */
void progress_show(struct progress *progress, const char *what, uint64_t done, uint64_t total,
                   const char *detail);
/* Takes the line away. */
void progress_end(struct progress *progress);
double progress_seconds(const struct progress *progress);
