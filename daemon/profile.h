/* SPDX-License-Identifier: Apache-2.0 */
/* The profile at the roof: read at start, compared on SIGHUP. */
#pragma once
#include <stdint.h>

struct config;

/* Loads and checks; prints every diagnostic to standard error.  -EUCLEAN: there were errors. */
int profile_load(const char *path, struct config **ret);

/* Reads the file again and says, in the log and in the status line, whether it is valid and
 * which keys differ from what runs.  Nothing is changed: the next start takes it. */
void profile_compare(const char *path, const struct config *running);

/* From which duration on a search is worth a line in the log; 0: never. */
uint32_t profile_slow_query_ms(const struct config *config);
