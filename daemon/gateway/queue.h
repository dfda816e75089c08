/* SPDX-License-Identifier: Apache-2.0 */
/* Who is next: calls that wait for one provider, served fairly.
 *
 * Tenants take turns, within a tenant its users do, and a user's calls keep their order: whoever
 * asks for much waits behind himself, not others behind him (round robin: Nagle, "On Packet
 * Switches with Infinite Storage", RFC 970).  Calls of low priority come after all others, in the
 * same way among themselves.
 *
 * Items lie in their owners' memory.  No clock, no lock; the provider thread owns each. */
#pragma once
#include "base/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_tenant;
struct queue_user;

struct queue_item {
        uint64_t tokens; /* what it will take from the limit of tokens */
        /* private */
        struct queue_user *user; /* NULL: it does not wait */
        struct queue_item *next, *before;
};

struct queue_class {
        struct queue_tenant *turn; /* a ring: whose turn it is; NULL: nobody waits */
        size_t count;
        uint64_t tokens;
};

struct queue {
        struct queue_class classes[2]; /* the second one is of low priority */
};

/* `user`: any number that tells a tenant's users apart.  -ENOMEM. */
int queue_push(struct queue *queue, struct queue_item *item, struct tenant_id tenant,
               uint64_t user, bool low_priority);
/* Takes it out where it waits. */
void queue_remove(struct queue *queue, struct queue_item *item);
/* The next one, still in the queue; NULL: nobody waits. */
struct queue_item *queue_first(const struct queue *queue);
/* Takes it out, and its tenant and user go to the end of their rows. */
void queue_serve(struct queue *queue, struct queue_item *item);

size_t queue_count(const struct queue *queue);

/* How many calls, with how many tokens, are served before `item` at least, if nobody comes. */
void queue_ahead(const struct queue *queue, const struct queue_item *item, uint64_t *ret_calls,
                 uint64_t *ret_tokens);
