/* SPDX-License-Identifier: Apache-2.0 */
/* A collection: its row in the registry, its docs.db, and its generations.
 *
 * Collections are opened on demand and kept under a least-recently-used budget; metadata
 * operations (list, get info by name) never open data.  A reference keeps it open. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "store/generation.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;
struct collection;

struct collection_info {
        struct collection_id id;
        struct tenant_id tenant;
        char name[65];
        char language[32];
        char *description; /* heap or NULL */
        uint64_t created_usec;
        uint32_t serving_generation; /* 0: none yet */
};
void collection_info_done(struct collection_info *info);

/* -EEXIST: the name is taken.  `language`: a Snowball name, NULL = english. */
int collection_create(struct store *store, struct tenant_id tenant, const char *name,
                      const char *language, const char *description, struct collection_info *ret,
                      struct error *reterr);
/* Removes row and files; open references go on seeing the old content until released.  -ENOENT. */
int collection_delete(struct store *store, struct tenant_id tenant, const char *name,
                      struct error *reterr);
int collection_get_info(struct store *store, struct tenant_id tenant, const char *name,
                        struct collection_info *ret, struct error *reterr); /* -ENOENT */
/* By name, ascending, after `after` (NULL: from the start). */
int collection_list(struct store *store, struct tenant_id tenant, const char *after, size_t limit,
                    struct collection_info **ret, size_t *ret_n, struct error *reterr);
struct collection_info *collection_infos_free(struct collection_info *infos, size_t n);

/* Opens (or finds open) and takes a reference.  -ENOENT; -EBADMSG: docs.db, the truth, is
 * damaged: this collection alone cannot be opened.  A damaged generation is set aside as
 * gNNNN.damaged and the collection opens without it; see collection_get_damage(). */
int collection_open(struct store *store, struct tenant_id tenant, const char *name,
                    struct collection **ret, struct error *reterr);
int collection_open_by_id(struct store *store, struct tenant_id tenant, struct collection_id id,
                          struct collection **ret, struct error *reterr);
/* A reference where it is open already; else NULL. */
struct collection *collection_find_open(struct store *store, struct collection_id id);
/* References to those that are open, the one that was asked for last first; at most `room`. */
size_t collection_list_open(struct store *store, struct collection **ret, size_t room);
struct collection *collection_unref(struct collection *collection);

const struct collection_info *collection_get(const struct collection *collection);

/* What was found damaged and set aside when it was opened, in words for the log; NULL: nothing.
 * Where it had the identity of the release in force, collection_serving() is NULL until a new one
 * is made. */
const char *collection_get_damage(const struct collection *collection);
/* The same to the first who asks, NULL to the others. */
const char *collection_take_damage(struct collection *collection);

/* The generation of this identity: READY before BUILDING before RESTING, the newest of these;
 * NULL: there is none.  Counted. */
struct generation *
collection_find_generation(struct collection *collection,
                           const uint8_t identity[static GENERATION_IDENTITY_BYTES]);
/* The one that the release in force asks for (store_serve()), as above; NULL: there is none, or
 * no release is in force.  Counted. */
struct generation *collection_serving(struct collection *collection);
struct generation *generation_unref(struct generation *generation);

/* Makes gNNNN with this spec, BUILDING, to be followed from the log's start.  -EEXIST: one of this
 * identity is being built already (one that is READY may stand beside it: it is built anew). */
int collection_new_generation(struct collection *collection, const struct generation_spec *spec,
                              struct generation **ret, struct error *reterr);
/* BUILDING becomes READY; others of its identity are removed.  Durable, one transaction.
 * -ENOENT: there is no such one that is BUILDING; -EALREADY: it is READY. */
int collection_finish_generation(struct collection *collection, uint32_t number,
                                 struct error *reterr);
/* It is not followed any more; views that are pinned stay good.  Durable.  -EALREADY. */
int collection_rest_generation(struct collection *collection, uint32_t number,
                               struct error *reterr);
/* RESTING becomes BUILDING: its index is opened, and it is followed from its applied_seq on. */
int collection_wake_generation(struct collection *collection, uint32_t number,
                               struct error *reterr);
/* All of them, each counted; `ret` has room for COLLECTION_GENERATIONS_MAX. */
#define COLLECTION_GENERATIONS_MAX 16 /* retained at a time */
size_t collection_list_generations(struct collection *collection,
                                   struct generation *ret[static COLLECTION_GENERATIONS_MAX]);
int collection_generations(struct collection *collection, struct generation_info **ret,
                           size_t *ret_n, struct error *reterr); /* heap array; free() */
/* Removes a generation's files; pinned views stay good.  -EBUSY: the release in force asks for
 * its identity and no other has it. */
int collection_remove_generation(struct collection *collection, uint32_t number,
                                 struct error *reterr);

/* docs_delete() and every retained generation, before it returns.  -ENOENT. */
int collection_forget_document(struct collection *collection, const char *external_id,
                               struct error *reterr);
/* The same, and what went. */
struct docs_delta;
int collection_forget_counted(struct collection *collection, const char *external_id,
                              struct docs_delta *ret_delta, struct error *reterr);
