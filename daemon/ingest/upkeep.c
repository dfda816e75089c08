/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps the indexes of open collections up to date: linking, mending, checkpoints.
 *
 * A task per collection, on a thread of their own, so that a long step does not hold up what is
 * written; collections take turns.  The store says when there may be something to do; a collection
 * that is not open is left alone.  What is due later, and what failed, waits for the timer of the
 * pauses: no worker sleeps, and a full disk costs checkpoints, not searches.
 *
 * The lists, of which there are several so that each is short, are under `upkeep_lock`, which is
 * held for a few instructions and under which nothing else is locked but the workers' own. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "ingest/inside.h"

#include <stdlib.h>

#define NICE 19 /* as the other workers */
#define LATER_FIRST_USEC (20 * USEC_PER_MSEC) /* something may be due soon, or in a minute */
#define LATER_LONGEST_USEC (5 * USEC_PER_SEC)
#define PAUSE_FIRST_USEC USEC_PER_SEC
#define PAUSE_LONGEST_USEC (60 * USEC_PER_SEC)

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

struct upkeep {
        struct upkeep *next;
        struct ingest *ingest;
        struct worker_task task;
        struct tenant_id tenant;
        struct collection_id collection;
        atomic_bool leaving; /* its collection is being deleted */
        uint64_t due_usec;   /* monotonic, under upkeep_lock; 0: nothing waits for the timer */
        /* the task's own */
        uint64_t later_usec; /* how long the last wait was; 0: there was work to do since */
        uint64_t pause_usec; /* how long the last pause was; 0: all goes well */
        uint64_t until_usec; /* monotonic; when it is over, whatever is written meanwhile */
};

/* ---- One collection ------------------------------------------------------------------------- */

static int is_over(void *userdata)
{
        const struct upkeep *upkeep = userdata;

        return upkeep->ingest->stopping || upkeep->leaving ? -ECANCELED : 0;
}

static void report_damage(struct ingest *ingest, const struct collection *collection, uint32_t n,
                          const char *damage)
{
        if (n == 0)
                return;
        atomic_fetch_add(&ingest->damages, n);
        log_warning("collection %s: %s", collection_get(collection)->name,
                    damage ? damage : "a damaged file was set aside");
}

/* Takes the generation.  The greater of its step and `before`: AGAIN goes before LATER. */
static int maintain(struct upkeep *upkeep, const struct collection *collection,
                    struct generation *takes_generation, int before, struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *generation = takes_generation;
        const struct index_check check = { is_over, upkeep };
        cleanup_free_ char *damage = NULL;
        enum index_step step = INDEX_REST;
        uint32_t damages;
        int r;

        if (before < 0 || !generation)
                return before;
        r = generation_maintain(generation, &check, &step, reterr);
        damages = generation_take_damage(generation, &damage);
        report_damage(upkeep->ingest, collection, damages, damage);
        if (r < 0)
                return r;
        return before == INDEX_AGAIN || step == INDEX_REST ? before : (int) step;
}

/* enum index_step, or negative. */
static int maintain_collection(struct upkeep *upkeep, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection =
                collection_find_open(upkeep->ingest->settings.store, upkeep->collection);
        struct generation *all[COLLECTION_GENERATIONS_MAX];
        const char *damage;
        int r = INDEX_REST;
        size_t n;

        if (!collection)
                return r;
        damage = collection_take_damage(collection);
        report_damage(upkeep->ingest, collection, damage != NULL, damage);
        if (damage) /* a generation is gone, and is made anew */
                follower_post(upkeep->ingest, collection_get(collection)->tenant,
                              upkeep->collection);
        n = collection_list_generations(collection, all);
        for (size_t i = n; i-- > 0;) /* the newest first */
                r = maintain(upkeep, collection, all[i], r, reterr);
        return r;
}

static void wait_for(struct upkeep *upkeep, uint64_t usec)
{
        struct ingest *ingest = upkeep->ingest;

        pthread_mutex_lock(&ingest->upkeep_lock);
        upkeep->due_usec = clock_monotonic_usec() + usec;
        pthread_mutex_unlock(&ingest->upkeep_lock);
        ingest_start_timer(ingest);
}

/* Twice as long as the time before. */
static uint64_t longer(uint64_t before_usec, uint64_t first_usec, uint64_t longest_usec)
{
        if (before_usec == 0)
                return first_usec;
        return before_usec < longest_usec / 2 ? before_usec * 2 : longest_usec;
}

static void pause_upkeep(struct upkeep *upkeep, const struct error *why)
{
        if (upkeep->pause_usec == 0) {
                atomic_fetch_add(&upkeep->ingest->upkeep_failures, 1);
                log_warning("upkeep of an index waits, searches go on: %s", error_text(why));
        }
        upkeep->pause_usec = longer(upkeep->pause_usec, PAUSE_FIRST_USEC, PAUSE_LONGEST_USEC);
        upkeep->until_usec = clock_monotonic_usec() + upkeep->pause_usec;
        wait_for(upkeep, upkeep->pause_usec);
}

static enum worker_verdict upkeep_run(struct worker_task *task)
{
        struct upkeep *upkeep = task->data;
        struct error error = { 0 };
        int r;

        if (is_over(upkeep) < 0 ||
            (upkeep->pause_usec > 0 && clock_monotonic_usec() < upkeep->until_usec))
                return WORKER_DONE;
        r = maintain_collection(upkeep, &error);
        if (r < 0) {
                if (is_over(upkeep) == 0)
                        pause_upkeep(upkeep, &error);
                return WORKER_DONE;
        }
        if (upkeep->pause_usec > 0 && r != INDEX_LATER) { /* what failed is tried again later */
                log_notice("upkeep of an index goes on");
                upkeep->pause_usec = 0;
        }
        upkeep->later_usec = r != INDEX_LATER ? 0
                                              : longer(upkeep->later_usec, LATER_FIRST_USEC,
                                                       LATER_LONGEST_USEC);
        if (r == INDEX_LATER)
                wait_for(upkeep, upkeep->later_usec);
        return r == INDEX_AGAIN ? WORKER_AGAIN : WORKER_DONE;
}

/* ---- The lists ------------------------------------------------------------------------------ */

static struct upkeep **list_of(struct ingest *ingest, struct collection_id collection)
{
        return &ingest->upkeeps[collection.id.bytes[0] % ELEMENTSOF(ingest->upkeeps)];
}

static struct upkeep *find_or_add(struct ingest *ingest, struct tenant_id tenant,
                                  struct collection_id collection)
{
        struct upkeep **list = list_of(ingest, collection), *upkeep = *list;

        while (upkeep && !id_equal(upkeep->collection.id, collection.id))
                upkeep = upkeep->next;
        if (upkeep || ingest->stopping)
                return upkeep;
        upkeep = calloc(1, sizeof *upkeep);
        if (!upkeep) /* the next view tries again; until then what is new is scanned */
                return NULL;
        *upkeep = (struct upkeep){ .next = *list,
                                   .ingest = ingest,
                                   .task = { .run = upkeep_run, .data = upkeep },
                                   .tenant = tenant,
                                   .collection = collection };
        *list = upkeep;
        return upkeep;
}

int upkeep_start(struct ingest *ingest, struct error *reterr)
{
        int r = workers_new("index", 1, NICE, &ingest->keepers, reterr);

        if (r == 0)
                store_observe(ingest->settings.store, upkeep_post, ingest);
        return r;
}

void upkeep_post(void *data, struct tenant_id tenant, struct collection_id collection)
{
        struct ingest *ingest = data;
        struct upkeep *upkeep;

        pthread_mutex_lock(&ingest->upkeep_lock);
        upkeep = find_or_add(ingest, tenant, collection);
        if (upkeep)
                workers_post(ingest->keepers, &upkeep->task);
        pthread_mutex_unlock(&ingest->upkeep_lock);
}

uint64_t upkeep_post_due(struct ingest *ingest, uint64_t now_usec)
{
        uint64_t next = 0;

        pthread_mutex_lock(&ingest->upkeep_lock);
        for (size_t i = 0; i < ELEMENTSOF(ingest->upkeeps); i++) {
                for (struct upkeep *at = ingest->upkeeps[i]; at; at = at->next) {
                        if (at->due_usec == 0)
                                continue;
                        if (at->due_usec <= now_usec) {
                                at->due_usec = 0;
                                workers_post(ingest->keepers, &at->task);
                        } else if (next == 0 || at->due_usec < next) {
                                next = at->due_usec;
                        }
                }
        }
        pthread_mutex_unlock(&ingest->upkeep_lock);
        return next;
}

static void free_all(struct upkeep *list)
{
        for (struct upkeep *at = list; at; at = at->next)
                atomic_store(&at->leaving, true);
        while (list) {
                struct upkeep *upkeep = list;

                list = upkeep->next;
                workers_cancel(upkeep->ingest->keepers, &upkeep->task);
                free(upkeep);
        }
}

/* Those of this tenant, or this collection; each may be NULL. */
static void stop(struct ingest *ingest, const struct tenant_id *tenant,
                 const struct collection_id *collection)
{
        struct upkeep *taken = NULL;

        pthread_mutex_lock(&ingest->upkeep_lock);
        for (size_t i = 0; i < ELEMENTSOF(ingest->upkeeps); i++) {
                struct upkeep **link = &ingest->upkeeps[i];

                while (*link) {
                        struct upkeep *at = *link;

                        if ((tenant && !id_equal(at->tenant.id, tenant->id)) ||
                            (collection && !id_equal(at->collection.id, collection->id))) {
                                link = &at->next;
                                continue;
                        }
                        *link = at->next;
                        at->next = taken;
                        taken = at;
                }
        }
        pthread_mutex_unlock(&ingest->upkeep_lock);
        free_all(taken);
}

void upkeep_stop(struct ingest *ingest, struct collection_id collection)
{
        stop(ingest, NULL, &collection);
}

void upkeep_stop_tenant(struct ingest *ingest, struct tenant_id tenant)
{
        stop(ingest, &tenant, NULL);
}

void upkeep_stop_all(struct ingest *ingest)
{
        store_observe(ingest->settings.store, NULL, NULL);
        stop(ingest, NULL, NULL);
        ingest->keepers = workers_free(ingest->keepers);
}
