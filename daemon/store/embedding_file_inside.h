/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the embedding cache's disk part share. */
#pragma once
#include "store/db.h"
#include "store/embedding_file.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

struct embedding_file {
        struct embedding_cache_settings settings;
        const char *path;
        atomic_bool damaged; /* a reader or writer came upon it */
        atomic_uint_fast64_t damages, generation;

        pthread_mutex_t write_lock; /* of what follows */
        struct db *db;              /* the writer; NULL: it could not be opened again */
        dev_t device;
        ino_t inode;
        uint64_t space; /* the row of this fingerprint */

        pthread_rwlock_t readers_lock; /* taken after write_lock; shared while reading */
        struct db_pool *readers;
};

/* Under write_lock: the writer, of the file that lies at the path now.  A damaged file was set
 * aside before, one that is gone is made anew. */
int embedding_file_ready(struct embedding_file *file, struct db **ret, struct error *reterr);
/* Notes that the file is damaged where the result says so. */
void embedding_file_judge(struct embedding_file *file, int result);

/* Within a transaction: removes some of what is too old under any fingerprint, and all that is
 * too much of ours. */
int embedding_file_trim(struct embedding_file *file, struct db *db, uint64_t now_usec,
                        uint64_t *ret_entries, struct error *reterr);
