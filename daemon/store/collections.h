/* SPDX-License-Identifier: Apache-2.0 */
/* The collections that are open, each once, and which of them may be closed. */
#pragma once
#include "store/collection.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct claim;
struct store_limits;

/* Found by id and by name in constant time, and listed by when they were asked for last.  All of
 * it is under the lock. */
struct open_collections {
        pthread_mutex_t lock;
        pthread_cond_t settled; /* an entry is not `opening` any more, or is gone */
        struct collection **by_id, **by_name; /* heads of chains */
        size_t n_chains;                      /* a power of two */
        struct collection *oldest, *newest;
        uint32_t n, max;
        uint64_t files, max_files; /* descriptors of those that are open, as counted last */
        struct closed_tenant *closed; /* see collections_close.c */
};

/* Limits that are 0 are chosen; see store_limits.  NULL: no memory. */
struct open_collections *open_collections_new(const struct store_limits *limits);
void open_collections_free(struct open_collections *open); /* closes all; NULL is accepted */

/* ---- collections_table.c: all under the lock -------------------------------------------- */

/* Memory for the table; NULL: none. */
struct open_collections *open_collections_alloc(void);
void open_collections_release(struct open_collections *open); /* of an empty table; NULL */
/* It is the newest, and found by its id. */
void open_collections_add(struct open_collections *open, struct collection *collection);
/* From now on it is found by its tenant and name as well, which are read. */
void open_collections_name(struct open_collections *open, struct collection *collection);
void open_collections_remove(struct open_collections *open, struct collection *collection);
/* It is the newest. */
void open_collections_touch(struct open_collections *open, struct collection *collection);
struct collection *open_collections_find(const struct open_collections *open,
                                         struct collection_id id);
/* One that can be used: neither opening nor doomed. */
struct collection *open_collections_find_named(const struct open_collections *open,
                                               struct tenant_id tenant, const char *name);

/* ---- collections.c ---------------------------------------------------------------------- */

/* An entry that is in no table; it is closed when it is freed. */
struct collection *collection_new(struct store *store, struct tenant_id tenant,
                                  struct collection_id id);
void collection_free(struct collection *collection);
/* Under the lock, which is given up meanwhile: closes an entry that nobody holds. */
void collection_close_entry(struct open_collections *open, struct collection *collection);
/* Nobody holds it, so its generations stand still: whether they have nothing to save. */
bool collection_is_at_rest(const struct collection *collection);
/* Its row is gone: who asks for it from now on does not find it, and whoever holds it last removes
 * its files (`path`). */
int collection_doom(struct store *store, struct collection_id id, const char *path,
                    struct error *reterr);

/* ---- collections_close.c ---------------------------------------------------------------- */

/* Under the lock: see store_close_tenant(). */
bool open_collections_is_closed(const struct open_collections *open, struct tenant_id tenant);

/* Forgets every idempotency key that is being carried out. */
void claims_free(struct claim *claims);
