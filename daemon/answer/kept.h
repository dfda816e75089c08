/* SPDX-License-Identifier: Apache-2.0 */
/* Documents' heads and texts of chunks that results showed, kept in memory for the next ones.
 *
 * What is kept never changes: a version of a document and a slot of a generation are the same
 * for ever, and neither number is given out twice.  So nothing is invalidated: what was deleted
 * is not asked for any more, since its slots are not live, and leaves when its place is needed.
 * Second chance (CLOCK, Corbato 1968) decides what leaves.
 *
 * Items are counted references, so that a response may hold what has left already.  Any thread;
 * a look-up holds the lock of one of a few shards for some instructions. */
#pragma once
#include "store/collection.h"
#include "store/docs.h"

#include <stdatomic.h>

struct kept;

struct kept_key {
        struct collection_id collection;
        uint32_t generation; /* 0: a document */
        uint32_t number;     /* of the version, or the slot */
};

struct kept_item {
        union {
                struct document document;
                struct chunk chunk;
        };
        /* private */
        struct kept_key key;
        atomic_uint refs;
        size_t bytes;
        bool used; /* since the hand passed by */
        struct kept_item *in_bucket, *behind;
};

/* `max_bytes` 0: *ret is NULL, which the functions below take for one that keeps nothing. */
int kept_new(size_t max_bytes, struct kept **ret, struct error *reterr);
struct kept *kept_free(struct kept *kept);

struct kept_item *kept_ref(struct kept_item *item);
/* A reference, or NULL. */
struct kept_item *kept_get(struct kept *kept, const struct kept_key *key);
/* Takes the content of a document or chunk, by the key, which is zeroed, and keeps it where that
 * is worth it.  Returns a reference; NULL: out of memory, nothing was taken. */
struct kept_item *kept_put_document(struct kept *kept, const struct kept_key *key,
                                    struct document *takes_document);
struct kept_item *kept_put_chunk(struct kept *kept, const struct kept_key *key,
                                 struct chunk *takes_chunk);
struct kept_item *kept_unref(struct kept_item *item);

/* All of it goes; references stay good. */
void kept_clear(struct kept *kept);

struct kept_figures {
        uint64_t hits, misses, bytes;
};
void kept_get_figures(struct kept *kept, struct kept_figures *ret);
