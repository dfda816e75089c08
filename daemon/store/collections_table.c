/* SPDX-License-Identifier: Apache-2.0 */
/* How open collections are found: two hash tables whose chains run through the entries, and a list
 * from the one that was asked for longest ago to the newest.
 *
 * Ids are random, so any of their bits will do; names are hashed with the tenant's id before them
 * by FNV-1a (RFC 9923). */
#include "store/collections.h"

#include "base/clock.h"
#include "store/collection_inside.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_FIRST 64

static size_t chain_of_id(const struct open_collections *open, struct collection_id id)
{
        uint64_t bits;

        memcpy(&bits, id.id.bytes, sizeof bits);
        return (size_t) bits & (open->n_chains - 1);
}

static size_t chain_of_name(const struct open_collections *open, struct tenant_id tenant,
                            const char *name)
{
        uint64_t hash = UINT64_C(0xCBF29CE484222325);

        for (size_t i = 0; i < ID_BYTES; i++)
                hash = (hash ^ tenant.id.bytes[i]) * UINT64_C(0x100000001B3);
        for (; *name; name++)
                hash = (hash ^ (uint8_t) *name) * UINT64_C(0x100000001B3);
        return (size_t) (hash ^ (hash >> 32)) & (open->n_chains - 1);
}

struct open_collections *open_collections_alloc(void)
{
        struct open_collections *open = calloc(1, sizeof *open);

        if (!open)
                return NULL;
        open->n_chains = CHAINS_FIRST;
        open->by_id = calloc(CHAINS_FIRST, sizeof *open->by_id);
        open->by_name = calloc(CHAINS_FIRST, sizeof *open->by_name);
        (void) pthread_mutex_init(&open->lock, NULL);
        (void) pthread_cond_init(&open->settled, NULL);
        if (open->by_id && open->by_name)
                return open;
        open_collections_release(open);
        return NULL;
}

void open_collections_release(struct open_collections *open)
{
        if (!open)
                return;
        (void) pthread_cond_destroy(&open->settled);
        (void) pthread_mutex_destroy(&open->lock);
        free(open->by_id);
        free(open->by_name);
        free(open);
}

/* ---- Chains ----------------------------------------------------------------------------- */

static void chain_id(struct open_collections *open, struct collection *collection)
{
        struct collection **head = &open->by_id[chain_of_id(open, collection->id)];

        collection->next_by_id = *head;
        *head = collection;
}

static void chain_name(struct open_collections *open, struct collection *collection)
{
        struct collection **head = &open->by_name[chain_of_name(open, collection->info.tenant,
                                                                collection->info.name)];

        collection->next_by_name = *head;
        *head = collection;
        collection->named = true;
}

/* Without memory the chains grow longer instead. */
static void grow(struct open_collections *open)
{
        size_t n = open->n_chains * 2;
        struct collection **by_id = calloc(n, sizeof *by_id);
        struct collection **by_name = by_id ? calloc(n, sizeof *by_name) : NULL;

        if (!by_name) {
                free(by_id);
                return;
        }
        free(open->by_id);
        free(open->by_name);
        open->by_id = by_id;
        open->by_name = by_name;
        open->n_chains = n;
        for (struct collection *at = open->oldest; at; at = at->newer) {
                chain_id(open, at);
                if (at->named)
                        chain_name(open, at);
        }
}

/* ---- The list --------------------------------------------------------------------------- */

static void unlink_entry(struct open_collections *open, struct collection *collection)
{
        if (collection->older)
                collection->older->newer = collection->newer;
        else
                open->oldest = collection->newer;
        if (collection->newer)
                collection->newer->older = collection->older;
        else
                open->newest = collection->older;
}

static void link_newest(struct open_collections *open, struct collection *collection)
{
        collection->asked_usec = clock_monotonic_usec();
        collection->older = open->newest;
        collection->newer = NULL;
        if (open->newest)
                open->newest->newer = collection;
        else
                open->oldest = collection;
        open->newest = collection;
}

void open_collections_touch(struct open_collections *open, struct collection *collection)
{
        unlink_entry(open, collection);
        link_newest(open, collection);
}

/* ---- Entries ---------------------------------------------------------------------------- */

void open_collections_add(struct open_collections *open, struct collection *collection)
{
        if (open->n >= open->n_chains)
                grow(open);
        link_newest(open, collection);
        chain_id(open, collection);
        open->n++;
}

void open_collections_name(struct open_collections *open, struct collection *collection)
{
        chain_name(open, collection);
}

void open_collections_remove(struct open_collections *open, struct collection *collection)
{
        struct collection **link = &open->by_id[chain_of_id(open, collection->id)];

        while (*link != collection)
                link = &(*link)->next_by_id;
        *link = collection->next_by_id;
        if (collection->named) {
                link = &open->by_name[chain_of_name(open, collection->info.tenant,
                                                    collection->info.name)];
                while (*link != collection)
                        link = &(*link)->next_by_name;
                *link = collection->next_by_name;
                collection->named = false;
        }
        unlink_entry(open, collection);
        open->n--;
        open->files -= collection->files;
        collection->files = 0;
}

struct collection *open_collections_find(const struct open_collections *open,
                                         struct collection_id id)
{
        struct collection *at = open->by_id[chain_of_id(open, id)];

        while (at && !id_equal(at->id.id, id.id))
                at = at->next_by_id;
        return at;
}

struct collection *open_collections_find_named(const struct open_collections *open,
                                               struct tenant_id tenant, const char *name)
{
        struct collection *at = open->by_name[chain_of_name(open, tenant, name)];

        while (at && (at->opening || at->doomed || !id_equal(at->info.tenant.id, tenant.id) ||
                      strcmp(at->info.name, name) != 0))
                at = at->next_by_name;
        return at;
}
