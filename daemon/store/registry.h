/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the store, shared by the files of this folder only: the registry's handles and
 * the rows of tenants, collections and generations.
 *
 * Files that a row names are made before the row and removed after it.  So that a crash leaves
 * no orphan, their path stands in the table `garbage` while there is no row: whatever is found
 * there when the store is opened is removed. */
#pragma once
#include "store/collection.h"
#include "store/committer.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct claim;
struct open_collections;
struct traces;

struct store {
        char *path;
        int dirfd;
        int lock_fd;
        struct store_limits limits;
        pthread_mutex_t settings_lock; /* of limits.index and served; held for moments, last */
        struct generation_spec *served; /* see store_serve(); or NULL */
        atomic_uint_fast64_t served_number; /* changes with it; never 0 */
        struct tenant_id default_tenant;
        struct committer *registry;
        struct db_pool *registry_readers;

        pthread_mutex_t claims_lock;
        struct claim *claims; /* idempotency keys being carried out */

        struct traces *traces;         /* see traces.c */
        struct open_collections *open; /* see collections.c */
        uint64_t save_until_usec;      /* closing saves indexes until then; 0: always */

        pthread_rwlock_t notice_lock;
        store_notice notice;
        void *notice_data;
};

/* ---- served.c --------------------------------------------------------------------------- */

/* The identity that store_serve() asks for in a collection of this language, and served_number as
 * of then; false: no release is in force. */
bool store_get_served(struct store *store, const char *language,
                      uint8_t ret_identity[static GENERATION_IDENTITY_BYTES],
                      uint64_t *ret_number);
struct index_params store_get_index(struct store *store);

/* ---- store.c ---------------------------------------------------------------------------- */

/* See store_observe(). */
void store_tell(struct store *store, struct tenant_id tenant, struct collection_id collection);

struct traces *traces_new(struct store *store);    /* NULL: no memory */
struct traces *traces_free(struct traces *traces); /* writes what waits, ends the thread */

extern const struct db_schema registry_schema;

/* "tenants/<id>/<id>" below the state folder. */
#define COLLECTION_PATH_SIZE (sizeof "tenants//" + 2 * ID_TEXT_SIZE)
const char *collection_path(struct tenant_id tenant, struct collection_id id,
                            char text[static COLLECTION_PATH_SIZE]);

/* Opens or makes registry.db; the default tenant is made with it. */
int registry_open(struct store *store, struct error *reterr);
/* Removes what the table garbage names, or only what tenant_move() put there: the rest may be a
 * collection that is being made or closed.  Writes only where there is something. */
int registry_sweep(struct store *store, bool tenants_only, struct error *reterr);
int registry_add_garbage(struct store *store, const char *path, struct error *reterr);
/* Removes the files, then the row. */
int registry_remove_garbage(struct store *store, const char *path, struct error *reterr);

/* The row appears and `path` stops being garbage, in one transaction.  -EEXIST: the name. */
int registry_add_collection(struct store *store, const struct collection_info *info,
                            const char *path, struct error *reterr);
/* The row and those of its generations go, `path` becomes garbage.  -ENOENT. */
int registry_remove_collection(struct store *store, const struct collection_info *info,
                               const char *path, struct error *reterr);
/* By name, or by id where `name` is NULL. */
int registry_find_collection(struct store *store, struct tenant_id tenant, const char *name,
                             const struct collection_id *id, struct collection_info *ret,
                             struct error *reterr);

struct generation_row {
        uint32_t number;
        enum generation_state state;
};
/* By number, ascending; heap array. */
int registry_list_generations(struct store *store, struct collection_id id,
                              struct generation_row **ret, size_t *ret_n, struct error *reterr);
/* A building generation under a number that was never used before.  -EEXIST: one of this identity
 * is building. */
int registry_add_generation(struct store *store, struct collection_id id,
                            const uint8_t identity[static GENERATION_IDENTITY_BYTES],
                            uint32_t *ret_number, struct error *reterr);
/* -ENOENT: it has no row. */
int registry_set_generation(struct store *store, struct collection_id id, uint32_t number,
                            enum generation_state state, struct error *reterr);
struct generation_garbage {
        uint32_t number;
        const char *path;
};
/* In one transaction: `number` is READY, the rows of the others go, and their paths are remembered
 * for removal. */
int registry_finish_generation(struct store *store, struct collection_id id, uint32_t number,
                               const struct generation_garbage *others, size_t n_others,
                               struct error *reterr);
/* The row goes, and `garbage` (may be NULL) is remembered for removal. */
int registry_remove_generation(struct store *store, struct collection_id id, uint32_t number,
                               const char *garbage, struct error *reterr);
/* The mark of collection_behind.c; setting and taking back are durable. */
int registry_is_behind(struct store *store, struct collection_id id, bool *ret,
                       struct error *reterr);
int registry_set_behind(struct store *store, struct collection_id id, struct error *reterr);
int registry_set_caught_up(struct store *store, const struct collection_id *ids, size_t n,
                           struct error *reterr);
/* The one that collection_serving() would find; 0: there is none. */
int registry_find_serving(struct store *store, struct db *db, const struct collection_info *info,
                          uint32_t *ret_number, struct error *reterr);
