/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of an open collection, shared by the files of this folder only. */
#pragma once
#include "index/attributes.h"
#include "store/collection.h"
#include "store/committer.h"

#include <pthread.h>
#include <roaring/roaring.h>
#include <stdatomic.h>

struct collection {
        struct store *store;
        struct collection_id id;     /* what the table of open ones is searched by */
        struct collection_info info; /* as it was when opened */
        char *path;                  /* absolute */
        int dirfd;
        char *damage; /* what was set aside when it was opened, or NULL */
        atomic_bool damage_taken;

        struct committer *docs;
        struct db_pool *docs_readers;
        _Atomic uint64_t last_seq; /* of the newest change that is committed */

        /* What filters are evaluated against, built on first use: every version up to
         * attributes_seq. */
        pthread_rwlock_t attributes_lock;
        struct attribute_index *attributes;
        roaring_bitmap_t *versions;
        uint64_t attributes_seq;

        /* Every retained generation; each entry is one reference.  The lock guards the list, not
         * the generations, and is never held while waiting for a generation's own lock. */
        pthread_mutex_t generations_lock;
        struct generation *generations[COLLECTION_GENERATIONS_MAX];
        size_t n_generations;
        uint8_t served[GENERATION_IDENTITY_BYTES]; /* what store_serve() asks for, */
        uint64_t served_number;                    /* as of then; 0: not looked at yet */
        bool is_served;                            /* a release is in force */

        pthread_mutex_t change_lock; /* held while a generation is made, removed, or changes its
                                        state; the registry is written under it */

        pthread_mutex_t behind_lock; /* held while the registry's mark is set */
        atomic_bool behind;          /* the mark is set: see collection_behind.c */

        /* Of collections.c, under its lock. */
        atomic_uint refs;
        bool opening, doomed, named;
        uint64_t asked_usec; /* monotonic; when it was asked for last */
        uint32_t files;     /* descriptors, */
        uint64_t hot_bytes; /* and memory of its indexes, as of when nobody held it last */
        struct collection *next_by_id, *next_by_name, *older, *newer;
};

struct collection *collection_ref(struct collection *collection);

/* ---- collection.c ----------------------------------------------------------------------- */

/* Opens what lies in the folder of a collection whose info is filled in; collections.c calls
 * both, outside its lock. */
int collection_open_content(struct collection *collection, struct error *reterr);
void collection_close_content(struct collection *collection);

#define GENERATION_PATH_SIZE (sizeof "tenants///" + 2 * ID_TEXT_SIZE + 16)
/* "tenants/<id>/<id>/gNNNN" below the state folder. */
const char *collection_generation_path(const struct collection *collection, uint32_t number,
                                       char text[static GENERATION_PATH_SIZE]);

/* While nobody holds it: descriptors, and the hot memory of its indexes. */
void collection_measure(struct collection *collection, uint32_t *ret_files,
                        uint64_t *ret_hot_bytes);

/* ---- collection_behind.c ---------------------------------------------------------------- */

/* Before the log grows; durable when it returns.  Costs nothing but the first time. */
int collection_begin_change(struct collection *collection, struct error *reterr);
/* Reads the mark while the collection is opened. */
int collection_read_behind(struct collection *collection, struct error *reterr);
/* While nobody holds it: the mark is set, and is not needed any more. */
bool collection_has_caught_up(struct collection *collection);

/* ---- collection.c, again ---------------------------------------------------------------- */

/* docs_tidy() up to what every retained generation has applied and no pinned view is behind. */
int collection_tidy(struct collection *collection, bool *ret_more, struct error *reterr);

/* Removes the row and the folder of a generation that is not in the list. */
int collection_discard_generation(struct collection *collection, uint32_t number,
                                  struct error *reterr);
/* Removes the folder of a generation that has no row any more. */
int collection_sweep_generation(struct collection *collection, uint32_t number,
                                struct error *reterr);

/* ---- docs_*.c --------------------------------------------------------------------------- */

extern const struct db_schema docs_schema;

/* Opens docs.db (made where `create`); the rest of the collection may still be empty. */
int docs_open(struct collection *collection, bool create, struct error *reterr);
void docs_close(struct collection *collection);

/* Reads the document row under which docver is current: 1 if it is, 0 if it was superseded or
 * deleted. */
int docs_is_current(struct db *db, uint32_t doc_no, uint32_t docver, struct error *reterr);

/* The documents deleted by changes after `after_seq`, ascending; heap array. */
int docs_deletes(struct collection *collection, uint64_t after_seq, uint32_t **ret_doc_nos,
                 size_t *ret_n, struct error *reterr);

/* Removes rows of versions that were superseded at or before `up_to_seq`; bounded work. */
int docs_tidy(struct collection *collection, uint64_t up_to_seq, bool *ret_more,
              struct error *reterr);
