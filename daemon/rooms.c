/* SPDX-License-Identifier: Apache-2.0 */
#include "rooms.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "config/values.h"
#include "housekeeping.h"
#include "release/spec.h"
#include "store/store.h"

#include <string.h>

/* ---- Indexes ----------------------------------------------------------------------------------- */

/* Those that are open keep what they were opened with until they are opened again; the limit of
 * memory holds at once.  Whether files are mapped (enable_mmap) waits for a restart. */
static void set_indexes(struct rooms *rooms, const struct config *config)
{
        struct index_params params;

        release_index(config, rooms->budget, &params);
        params.map_files = rooms->map_files;
        index_budget_set(rooms->budget, release_index_bytes(config));
        store_set_index(rooms->store, &params);
}

static int prepare_nothing(void *data, const struct snapshot *now, const struct snapshot *next,
                           void **ret_prepared, struct error *reterr)
{
        (void) data;
        (void) now;
        (void) next;
        (void) reterr;
        *ret_prepared = NULL;
        return 0;
}

static void commit_indexes(void *data, void *prepared, const struct snapshot *next)
{
        (void) prepared;
        set_indexes(data, next->config);
}

/* ---- The log ----------------------------------------------------------------------------------- */

static void set_log(const struct config *config)
{
        log_set_level(config->debug.enable_debug_logging ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
}

/* What a person has set meanwhile stays, unless the key itself changes. */
static int prepare_log(void *data, const struct snapshot *now, const struct snapshot *next,
                       void **ret_prepared, struct error *reterr)
{
        bool changes = now->config->debug.enable_debug_logging !=
                       next->config->debug.enable_debug_logging;

        (void) reterr;
        *ret_prepared = changes ? data : NULL;
        return 0;
}

static void commit_log(void *data, void *prepared, const struct snapshot *next)
{
        (void) data;
        if (prepared)
                set_log(next->config);
}

/* ---- Housekeeping ------------------------------------------------------------------------------ */

static void commit_housekeeping(void *data, void *prepared, const struct snapshot *next)
{
        struct rooms *rooms = data;

        (void) prepared;
        housekeeping_keep_traces(rooms->housekeeping, next->config->security.trace_retention_days);
}

/* ---- All --------------------------------------------------------------------------------------- */

size_t rooms_list(struct rooms *rooms, struct release_room ret[static ROOMS_MAX])
{
        const struct release_room rows[ROOMS_MAX] = {
                { .name = "indexes", .prepare = prepare_nothing, .commit = commit_indexes },
                { .name = "log", .prepare = prepare_log, .commit = commit_log },
                { .name = "housekeeping", .prepare = prepare_nothing,
                  .commit = commit_housekeeping },
        };

        memcpy(ret, rows, sizeof rows);
        for (size_t i = 0; i < ROOMS_MAX; i++)
                ret[i].data = rooms;
        return ROOMS_MAX;
}

void rooms_apply(struct rooms *rooms, const struct config *config)
{
        rooms->map_files = config->vector_storage.hnsw.enable_mmap;
        set_indexes(rooms, config);
        if (config->debug.enable_debug_logging)
                set_log(config);
}
