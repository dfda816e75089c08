/* SPDX-License-Identifier: Apache-2.0 */
/* What gateways of several releases share, since it belongs to the machine: the provider thread,
 * the books and the money spent, how each provider is doing, the embedding caches.
 *
 * It lives as long as the last of its gateways.  Where releases differ, the newest gateway's
 * figures hold; when that one ends, those of the newest that is left.  How a provider is doing
 * outlives the release that called it, so that none that calls it again finds a fresh minute. */
#pragma once
#include "base/error.h"
#include "base/id.h"
#include "gateway/budget.h"
#include "gateway/lane_state.h"

#include <pthread.h>

struct books;
struct caches;
struct gateway;
struct gateway_settings;
struct store;
struct thread;

struct commons {
        struct thread *thread;
        struct store *store;   /* borrowed; or NULL */
        struct books *books;   /* or NULL */
        struct caches *caches;

        pthread_mutex_t lock; /* of who comes and goes; never taken by the provider thread */
        unsigned refs;        /* gateways; guarded by `lock` */
        /* The newest first.  Written by the provider thread while `lock` is held: either is
         * enough to read it. */
        struct gateway *newest;

        /* The provider thread's. */
        struct budget budget;
        struct lane_state *states;
};

/* That of settings->beside, or new with all that the books know.  -EINVAL: another store. */
int commons_get(const struct gateway_settings *settings, struct commons **ret,
                struct error *reterr);
/* Gives each lane of the gateway its state: from now on it is the newest.  Not the provider
 * thread. */
int commons_join(struct gateway *gateway, struct error *reterr);
/* The gateway, of which no call runs any more, is one of them no longer; the last one ends the
 * thread and the books.  Not the provider thread. */
void commons_leave(struct gateway *gateway);

/* In all gateways.  Not the provider thread. */
void commons_forget_answers(struct commons *commons, struct tenant_id tenant);
