/* SPDX-License-Identifier: Apache-2.0 */
/* The figures that every process has, read from /proc when they are asked for; they serve as
 * sources of metrics_set_source() and take no data.  NaN: /proc does not say. */
#pragma once

struct metrics;

/* Sets the sources of the process_* metrics. */
void metrics_watch_process(struct metrics *metrics);
