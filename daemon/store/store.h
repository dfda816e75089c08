/* SPDX-License-Identifier: Apache-2.0 */
/* The state folder: who may open it, where everything lies, and the registry.
 *
 *     format                       one line, "ragd-state 1": older is read, newer refused
 *     lock                         flock: one daemon per folder
 *     registry.db                  tenants, keys, collections, generations, jobs, idempotency
 *                                  keys, the ledger
 *     releases/                    see release/
 *     tenants/<id>/traces.db       how answers came about
 *     tenants/<id>/<collection>/   docs.db and gNNNN/ (see collection.h)
 *
 * A struct store is shared by all threads: reads use a connection per thread, writes go
 * through the registry's committer. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "index/index.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

#define STORE_FORMAT 1
#define STORE_NAME_MAX 64 /* of tenants and collections: [a-z0-9][a-z0-9_-]* */

/* What an open store may use (from [rag.vector_storage] and the machine). */
struct store_limits {
        /* Collections that nobody uses stay open up to this many, and up to this many descriptors
         * of them all; 0: by the process's limit of descriptors.  Beyond, and where the indexes
         * hold nearly all of their budget, those asked for longest ago are closed. */
        uint32_t max_open_collections, max_files;

        /* What every generation's index is opened with.  Backend, metric, dimensions,
         * quantization, m and ef_construction are left 0: they are the generation's own.  The
         * budget is borrowed until store_close(). */
        struct index_params index;
};

/* Creates the folder and its format where absent.  -EPROTONOSUPPORT: written by a newer ragd;
 * -EWOULDBLOCK: another daemon holds it; -ENOSPC, -EACCES, -ENOTDIR as they come. */
int store_open(const char *path, const struct store_limits *limits, struct store **ret,
               struct error *reterr);
struct store *store_close(struct store *store);

/* Told that a collection may have upkeep to do (generation_maintain()): it was opened, or one of
 * its generations has a new view.  Any thread, with locks of the store held: it may take note,
 * and not call back.  NULL: nobody is told any more; returns when no call is under way. */
typedef void (*store_notice)(void *data, struct tenant_id tenant, struct collection_id collection);
void store_observe(struct store *store, store_notice notice, void *data);

/* What generations of the release in force are like (the spec's language is each collection's
 * own): what collection_serving() looks for from now on.  Copied; any thread.  NULL: none is. */
struct generation_spec;
int store_serve(struct store *store, const struct generation_spec *spec, struct error *reterr);
/* What indexes that are opened from now on are opened with; as store_limits.index. */
void store_set_index(struct store *store, const struct index_params *params);

/* Every collection of every tenant whose data is in its folder, for those that work through all:
 * ids alone, nothing opened.  Heap array. */
struct store_collection {
        struct tenant_id tenant;
        struct collection_id collection;
};
int store_list_collections(struct store *store, struct store_collection **ret, size_t *ret_n,
                           struct error *reterr);
int store_count_collections(struct store *store, uint64_t *ret, struct error *reterr);

/* Of these only the ones that have work, of one tenant or of all, told by the registry alone, where
 * generations of these specs (in each collection's language) are to be followed, at most 31: one is
 * not READY, one of another identity does not rest, one is being built; or it was written, and not
 * everything may be applied.  Jobs are not looked at. */
int store_list_with_work(struct store *store, const struct tenant_id *tenant_or_null,
                         const struct generation_spec *const *specs, size_t n_specs,
                         struct store_collection **ret, size_t *ret_n, struct error *reterr);
/* Those without a generation of this spec that is READY and has applied everything for sure. */
int store_list_without(struct store *store, const struct generation_spec *spec,
                       struct store_collection **ret, size_t *ret_n, struct error *reterr);
/* The generations that rest, those of one identity beside each other. */
struct store_generation {
        struct tenant_id tenant;
        struct collection_id collection;
        uint8_t identity[32];
};
int store_list_resting(struct store *store, struct store_generation **ret, size_t *ret_n,
                       struct error *reterr);

const char *store_path(const struct store *store);
int store_dirfd(const struct store *store);

/* -EINVAL with the rule in words. */
int store_check_name(const char *what, const char *name, struct error *reterr);

/* Tenants (see store/tenants.h).  The default one is made with the folder and named "default". */
struct tenant_id store_default_tenant(const struct store *store);
int store_find_tenant(struct store *store, const char *name, struct tenant_id *ret,
                      struct error *reterr);

/* The name of a tenant.  -ENOENT, also for one that is deleted. */
int store_get_tenant_name(struct store *store, struct tenant_id tenant,
                          char ret[static STORE_NAME_MAX + 1], struct error *reterr);

/* Closes collections that nobody holds and nobody asked for within `idle_usec`, and that have nothing
 * to save: an hour of many tenants leaves no more behind than one of few.  How many. */
size_t store_close_idle(struct store *store, uint64_t idle_usec);

/* No file in the tenant's folder is open any more, and none is opened (-EAGAIN), until
 * store_open_tenant(); a trace that comes meanwhile is dropped.  -EBUSY: a collection was in use
 * longer than `wait_usec`; then all is as before.  Once at a time for each tenant. */
int store_close_tenant(struct store *store, struct tenant_id tenant, uint64_t wait_usec,
                       struct error *reterr);
void store_open_tenant(struct store *store, struct tenant_id tenant);
bool store_is_tenant_closed(struct store *store, struct tenant_id tenant);
/* Whether its data is in its folder and may be opened: -EAGAIN: it is closed, or offloaded;
 * -ENOENT: there is none, or it is deleted. */
int store_check_present(struct store *store, struct tenant_id tenant, struct error *reterr);

/* Bytes free where the state lies, for watermarks and errors. */
int store_free_bytes(const struct store *store, uint64_t *ret_free);
