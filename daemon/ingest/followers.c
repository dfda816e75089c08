/* SPDX-License-Identifier: Apache-2.0 */
/* The followers that there are: found by their collection's id in constant time.
 *
 * A collection has one while there is work for it.  One that has nothing to do and nothing to tell
 * (all is applied, all generations are ready, nothing failed) is forgotten, with the counts of what
 * it did: a process that has seen many collections holds few of them.  All of this is under
 * ingest->lock. */
#include "base/cleanup.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

#include <stdlib.h>
#include <string.h>

#define CHAINS_FIRST 64
#define FOLLOWERS_FEW 256 /* so many are not worth looking through */

/* ---- The table ------------------------------------------------------------------------------ */

static struct follower **chain_of(struct ingest *ingest, struct collection_id collection)
{
        uint64_t bits; /* ids are random */

        memcpy(&bits, collection.id.bytes, sizeof bits);
        return &ingest->chains[(size_t) bits & (ingest->n_chains - 1)];
}

static void chain(struct ingest *ingest, struct follower *follower)
{
        struct follower **head = chain_of(ingest, follower->collection);

        follower->next_in_chain = *head;
        *head = follower;
}

/* Without memory the chains grow longer instead; false: there are none at all. */
static bool grow(struct ingest *ingest)
{
        size_t n = ingest->n_chains ? ingest->n_chains * 2 : CHAINS_FIRST;
        struct follower **chains = calloc(n, sizeof(struct follower *));

        if (!chains)
                return ingest->chains != NULL;
        free(ingest->chains);
        ingest->chains = chains;
        ingest->n_chains = n;
        for (struct follower *at = ingest->followers; at; at = at->next)
                chain(ingest, at);
        return true;
}

struct follower *follower_find(struct ingest *ingest, struct collection_id collection)
{
        struct follower *at = ingest->chains ? *chain_of(ingest, collection) : NULL;

        while (at && !id_equal(at->collection.id, collection.id))
                at = at->next_in_chain;
        return at;
}

struct follower *follower_get(struct ingest *ingest, struct tenant_id tenant,
                              struct collection_id collection)
{
        struct follower *follower = follower_find(ingest, collection);

        if (follower)
                return follower;
        if (ingest->n_followers >= ingest->n_chains && !grow(ingest))
                return NULL;
        follower = calloc(1, sizeof *follower);
        if (!follower)
                return NULL;
        *follower = (struct follower){ .next = ingest->followers,
                                       .ingest = ingest,
                                       .task = { .run = follower_run, .data = follower },
                                       .tenant = tenant,
                                       .collection = collection };
        if (ingest->followers)
                ingest->followers->previous = follower;
        ingest->followers = follower;
        ingest->n_followers++;
        chain(ingest, follower);
        return follower;
}

void follower_take_out(struct ingest *ingest, struct follower *follower)
{
        struct follower **link = chain_of(ingest, follower->collection);

        while (*link != follower)
                link = &(*link)->next_in_chain;
        *link = follower->next_in_chain;
        if (follower->previous)
                follower->previous->next = follower->next;
        else
                ingest->followers = follower->next;
        if (follower->next)
                follower->next->previous = follower->previous;
        follower->next = follower->previous = NULL;
        ingest->n_followers--;
}

/* ---- Forgetting ----------------------------------------------------------------------------- */

static bool has_settled(const struct follower *follower)
{
        if (follower->jobs || follower->wait.pause_usec > 0 ||
            !workers_is_idle(follower->ingest->settings.workers, &follower->task))
                return false;
        if (follower->gone)
                return true;
        if (follower->behind || follower->anew.wait.pause_usec > 0 || !follower->serving)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(follower->paces); i++) {
                const struct pace *pace = &follower->paces[i];

                if (pace->used && (!pace->report.known || !pace->report.ready || pace->hopeless ||
                                   pace->report.failed > 0 || pace->wait.pause_usec > 0))
                        return false;
        }
        return true;
}

struct follower *followers_forget(struct ingest *ingest)
{
        struct follower *forgotten = NULL, *next;

        for (struct follower *at = ingest->followers; at; at = next) {
                next = at->next;
                if (!has_settled(at))
                        continue;
                follower_take_out(ingest, at);
                at->next = forgotten;
                forgotten = at;
        }
        ingest->many = ingest->n_followers < FOLLOWERS_FEW ? FOLLOWERS_FEW
                                                           : 2 * ingest->n_followers;
        return forgotten;
}

struct follower *followers_trim(struct ingest *ingest)
{
        return ingest->exchanging || ingest->n_followers <= ingest->many ? NULL
                                                                         : followers_forget(ingest);
}

struct follower *follower_free(struct follower *follower)
{
        if (!follower)
                return NULL;
        workers_cancel(follower->ingest->settings.workers, &follower->task);
        follower_forget_scratch(follower);
        live_jobs_free(follower->jobs);
        free(follower);
        return NULL;
}

void followers_free(struct follower *list)
{
        while (list) {
                struct follower *follower = list;

                list = follower->next;
                (void) follower_free(follower);
        }
}
