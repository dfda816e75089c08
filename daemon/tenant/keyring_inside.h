/* SPDX-License-Identifier: Apache-2.0 */
/* The keyring's table, shared by the files of this folder only.
 *
 * Entries are constant once they are in the table, and counted: the table, whoever checks, the
 * list of those that were used, and every principal that was given out hold one each.  A shard
 * keeps its entries in the order of use, ids that are nobody's apart: however many of these are
 * asked for, they push no key out. */
#pragma once
#include "tenant/key.h"
#include "tenant/keyring.h"

#include <pthread.h>
#include <stdatomic.h>

#define KEYRING_SHARDS 16

struct held {
        struct principal principal; /* first: what is given out points here */
        atomic_uint refs;
        bool known;                   /* there is a row; else the hash is nobody's */
        uint8_t hash[KEY_HASH_BYTES];
        uint64_t expires_usec, revoked_usec; /* wall, or 0 */
        char **collections;                  /* what the principal's point to */

        _Atomic uint64_t used_usec; /* wall */
        atomic_bool noted;          /* is in its shard's list of those that were used */
        struct held *next_used;

        /* Under the shard's lock. */
        struct held *next; /* of its bucket */
        struct held *newer, *older;
};

struct held_list {
        struct held *newest, *oldest;
        uint32_t n, max;
};

struct keyring_shard {
        pthread_mutex_t lock;
        struct held **buckets;
        uint32_t n_buckets; /* a power of two */
        struct held_list known, unknown;
        uint64_t changes; /* rises when a row was changed: what was read before is not kept */
        struct held *used; /* linked by next_used; one reference each */
        uint32_t n_used;
};

struct keyring {
        struct store *store;
        enum stage stage;
        uint8_t pepper[KEY_PEPPER_BYTES];
        uint8_t hash_key[16]; /* nobody can choose ids that share a bucket */
        struct keyring_shard shards[KEYRING_SHARDS];
};

/* ---- keyring_table.c -------------------------------------------------------------------- */

int keyring_table_init(struct keyring *keyring, uint32_t max_entries, struct error *reterr);
void keyring_table_done(struct keyring *keyring);
/* A reference to the entry of this id, read from the registry where it is not in the table; there
 * is one for every id.  What the registry says otherwise than -ENOENT is passed on. */
int keyring_find(struct keyring *keyring, struct key_id id, struct held **ret,
                 struct error *reterr);
struct held *held_unref(struct held *held);
void keyring_forget(struct keyring *keyring, struct key_id id);
void keyring_note_used(struct keyring *keyring, struct held *held, uint64_t now_wall_usec);
