/* SPDX-License-Identifier: Apache-2.0 */
/* The figures that every process can tell of itself: read from /proc when they are asked for.
 * NaN: /proc does not say. */
#pragma once

struct metrics;

/* Sets them as sources; metrics_new() does. */
void metrics_watch_process(struct metrics *metrics);
