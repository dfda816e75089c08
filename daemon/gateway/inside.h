/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the gateway, shared by the files of this folder only: what is one release's.  What
 * it shares with others is in commons.h.
 *
 * `settings`, `lanes` (the array and who is in it) and the lists of roles never change after
 * gateway_new(); the state of a lane, `calls` and `random` belong to the provider thread; `door`
 * guards what lets callers in. */
#pragma once
#include "gateway/commons.h"
#include "gateway/gateway.h"
#include "gateway/lane.h"
#include "gateway/retry.h"
#include "store/store.h"

#include <pthread.h>

struct gateway_call;
struct embedding_cache;
struct latch;
struct responses;
struct thread;

struct lanes { /* borrowed, in the order of preference */
        struct lane **items;
        size_t count;
};

struct gateway {
        struct gateway_settings settings;
        const struct resilience_config *resilience;
        struct commons *commons; /* counted */
        struct thread *thread;   /* theirs */
        struct gateway *older;   /* of those that share them; the commons' */
        struct lane *lanes;
        size_t n_lanes;
        struct lanes embedders, generators;
        struct lane *reranker; /* or NULL */
        struct embedding_cache *cache; /* theirs, counted; or NULL */
        struct responses *responses;   /* or NULL */

        struct gateway_call *calls; /* all that were begun and are not freed */
        bool ending;                /* new calls are cancelled at once */
        struct latch *emptied;      /* opened when there is no call any more; or NULL */
        uint64_t random;

        pthread_mutex_t door;
        pthread_cond_t empty;
        unsigned visitors;
        bool closing;
};

/* Whoever works with the gateway from another thread passes in and out: -ECANCELED: it closes. */
int gateway_enter(struct gateway *gateway, struct error *reterr);
void gateway_leave(struct gateway *gateway);

struct lane *gateway_find_lane(const struct gateway *gateway, const char *name);

/* On the provider thread. */
void gateway_tell(struct gateway *gateway, const struct gateway_event *event);
void gateway_tell_budget(struct gateway *gateway, unsigned news, struct tenant_id tenant);
uint64_t gateway_random(struct gateway *gateway);

/* Deadline of a call whose terms name none. */
#define GATEWAY_PATIENCE_USEC UINT64_C(600000000)
uint64_t gateway_deadline(const struct gateway_terms *terms, uint64_t now_usec);
/* What a tenant is called in the embedding cache, which stages share: its name, since ids are each
 * stage's own; where tenants share what is remembered, all have one name. */
#define GATEWAY_TENANT_NAME_SIZE (STORE_NAME_MAX + 1)
void gateway_name_tenant(struct gateway *gateway, struct tenant_id tenant,
                         char ret[static GATEWAY_TENANT_NAME_SIZE]);
/* What a text is embedded for, in the embedding cache. */
const char *gateway_purpose_name(enum embed_purpose purpose);
/* Tells a tenant's users apart. */
uint64_t gateway_user(const struct gateway_terms *terms);
