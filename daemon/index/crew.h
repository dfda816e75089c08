/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that share the items of a loop: the calling one and helpers that wait between two
 * loops.  Helpers inherit the caller's priority and take no signals. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct crew;

/* Called for each item once, by thread 0 (the caller) to threads - 1; items are handed out in
 * order, one at a time. */
typedef void (*crew_function)(void *userdata, uint32_t thread, size_t item);

/* At most `threads` run, this one among them; fewer where no more can be started. */
int crew_new(uint32_t threads, struct crew **ret, struct error *reterr);
void crew_free(struct crew *crew);
DEFINE_CLEANUP(struct crew *, crew_free)

uint32_t crew_threads(const struct crew *crew);

/* Returns when all items are done; what any thread wrote is seen by all afterwards. */
void crew_run(struct crew *crew, size_t items, crew_function function, void *userdata);
