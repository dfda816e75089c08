/* SPDX-License-Identifier: Apache-2.0 */
/* Closing what idles, and all that is open of one tenant, so that its folder can be moved. */
#include "store/collections.h"

#include "base/clock.h"
#include "store/collection_inside.h"
#include "store/registry.h"
#include "store/tenants.h"
#include "store/traces.h"

#include <stdlib.h>
#include <time.h>

#define LOOK_NSEC (5L * 1000 * 1000)

/* ---- What idles ------------------------------------------------------------------------------- */

/* Under the lock. */
static struct collection *find_idle(const struct open_collections *open, uint64_t before_usec)
{
        for (struct collection *at = open->oldest; at && at->asked_usec <= before_usec;
             at = at->newer)
                if (!at->opening && atomic_load(&at->refs) == 0 && collection_is_at_rest(at))
                        return at;
        return NULL;
}

size_t store_close_idle(struct store *store, uint64_t idle_usec)
{
        struct open_collections *open = store->open;
        uint64_t now_usec = clock_monotonic_usec();
        struct collection *at;
        size_t n = 0;

        if (now_usec < idle_usec)
                return 0;
        (void) pthread_mutex_lock(&open->lock);
        while ((at = find_idle(open, now_usec - idle_usec))) {
                collection_close_entry(open, at);
                n++;
        }
        (void) pthread_mutex_unlock(&open->lock);
        return n;
}

/* ---- A tenant that moves ----------------------------------------------------------------------- */

/* One that is closed; few at a time, each while it moves. */
struct closed_tenant {
        struct closed_tenant *next;
        struct tenant_id tenant;
};

bool open_collections_is_closed(const struct open_collections *open, struct tenant_id tenant)
{
        for (const struct closed_tenant *at = open->closed; at; at = at->next)
                if (id_equal(at->tenant.id, tenant.id))
                        return true;
        return false;
}

bool store_is_tenant_closed(struct store *store, struct tenant_id tenant)
{
        bool closed;

        (void) pthread_mutex_lock(&store->open->lock);
        closed = open_collections_is_closed(store->open, tenant);
        (void) pthread_mutex_unlock(&store->open->lock);
        return closed;
}

/* Under the lock.  One that can be closed now, else one that must be waited for; NULL: none. */
static struct collection *find_one(const struct open_collections *open, struct tenant_id tenant)
{
        struct collection *found = NULL;

        for (struct collection *at = open->oldest; at; at = at->newer) {
                if (!id_equal(at->info.tenant.id, tenant.id))
                        continue;
                if (!at->opening && atomic_load(&at->refs) == 0)
                        return at;
                found = at;
        }
        return found;
}

/* 1: all are closed. */
static int close_free_ones(struct open_collections *open, struct tenant_id tenant)
{
        struct collection *at;

        (void) pthread_mutex_lock(&open->lock);
        while ((at = find_one(open, tenant)) && !at->opening && atomic_load(&at->refs) == 0)
                collection_close_entry(open, at);
        (void) pthread_mutex_unlock(&open->lock);
        return !at;
}

int store_close_tenant(struct store *store, struct tenant_id tenant, uint64_t wait_usec,
                       struct error *reterr)
{
        static const struct timespec look = { .tv_nsec = LOOK_NSEC };
        struct closed_tenant *closed = calloc(1, sizeof *closed);
        uint64_t until = clock_monotonic_usec() + wait_usec;

        if (!closed)
                return error_oom(reterr);
        closed->tenant = tenant;
        (void) traces_flush(store, NULL); /* what waits is written as long as it may be */
        (void) pthread_mutex_lock(&store->open->lock);
        closed->next = store->open->closed;
        store->open->closed = closed;
        (void) pthread_mutex_unlock(&store->open->lock);
        (void) traces_flush(store, NULL); /* whoever was at its file has ended */
        while (!close_free_ones(store->open, tenant)) {
                if (clock_monotonic_usec() >= until) {
                        store_open_tenant(store, tenant);
                        return error_set(reterr, -EBUSY, "a collection of the tenant is in use");
                }
                (void) nanosleep(&look, NULL);
        }
        return 0;
}

void store_open_tenant(struct store *store, struct tenant_id tenant)
{
        struct closed_tenant *found = NULL;

        (void) pthread_mutex_lock(&store->open->lock);
        for (struct closed_tenant **at = &store->open->closed; *at; at = &(*at)->next) {
                if (!id_equal((*at)->tenant.id, tenant.id))
                        continue;
                found = *at;
                *at = found->next;
                break;
        }
        (void) pthread_mutex_unlock(&store->open->lock);
        free(found);
}

int store_check_present(struct store *store, struct tenant_id tenant, struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        int r = store_is_tenant_closed(store, tenant) ? -EAGAIN : 0;

        if (r == 0)
                r = tenant_get(store, tenant, &info, reterr);
        if (r == -EAGAIN)
                return error_set(reterr, r, "the tenant is being moved");
        if (r == 0 && info.state != TENANT_ACTIVE && info.state != TENANT_SUSPENDED)
                return error_set(reterr, info.state == TENANT_DELETED ? -ENOENT : -EAGAIN,
                                 "the tenant %s is %s", info.name, tenant_state_name(info.state));
        return r;
}
