/* SPDX-License-Identifier: Apache-2.0 */
/* The small rooms that follow a release: memory and work of indexes, the level of the log, how
 * long traces are kept.  The doors have rows of their own (http/http.h). */
#pragma once
#include "release/release.h"

#include <stdbool.h>
#include <stddef.h>

struct housekeeping;
struct index_budget;
struct store;

/* Borrowed, for as long as the engine runs. */
struct rooms {
        struct store *store;
        struct index_budget *budget;
        struct housekeeping *housekeeping;
        bool map_files; /* private: as the first release wanted it */
};

/* Rows for the engine, lowest floor first; `data` of each is the struct above. */
#define ROOMS_MAX 3
size_t rooms_list(struct rooms *rooms, struct release_room ret[static ROOMS_MAX]);

/* What a release wants of them before the first one runs; housekeeping may be NULL. */
void rooms_apply(struct rooms *rooms, const struct config *config);
