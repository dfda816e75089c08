/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks, read only at the edges: below them time is an argument, so tests are exact.
 * Monotonic time measures waits and deadlines, wall time labels what people read. */
#pragma once
#include <stdint.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define CLOCK_TEXT_SIZE 32

uint64_t clock_monotonic_usec(void);
uint64_t clock_wall_usec(void); /* since 1970-01-01T00:00:00Z */

/* RFC 3339 with milliseconds, UTC: "2026-01-31T12:00:00.250Z".  Returns `text`. */
const char *clock_format(uint64_t wall_usec, char text[static CLOCK_TEXT_SIZE]);
