/* SPDX-License-Identifier: Apache-2.0 */
/* A tenant whose folder moves: nothing of it is followed or kept up meanwhile. */
#include "base/cleanup.h"
#include "ingest/followed.h"
#include "ingest/inside.h"

int ingest_close_tenant(struct ingest *ingest, struct tenant_id tenant, struct error *reterr)
{
        struct follower *taken = NULL, *next;
        int r = 0;

        pthread_mutex_lock(&ingest->lock);
        for (struct follower *at = ingest->followers; at; at = next) {
                next = at->next;
                if (!id_equal(at->tenant.id, tenant.id))
                        continue;
                follower_take_out(ingest, at);
                at->next = taken;
                taken = at;
        }
        pthread_mutex_unlock(&ingest->lock);
        for (struct follower *at = taken; at; at = at->next) {
                workers_cancel(ingest->settings.workers, &at->task);
                if (r == 0)
                        r = live_jobs_save(at, reterr);
        }
        followers_free(taken);
        upkeep_stop_tenant(ingest, tenant);
        if (taken)
                ingest_note_change(ingest);
        return r;
}

/* What cannot be done now is done by the next write, or start. */
void ingest_open_tenant(struct ingest *ingest, struct tenant_id tenant)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        const struct generation_spec *specs[INGEST_RELEASES_MAX];
        cleanup_free_ struct store_collection *with_work = NULL;
        size_t n = 0;

        (void) live_jobs_resume(ingest, &tenant, NULL);
        for (size_t i = 0; followed && i < followed->n; i++)
                specs[i] = followed->at[i].release.spec;
        if (followed)
                (void) store_list_with_work(ingest->settings.store, &tenant, specs, followed->n,
                                            &with_work, &n, NULL);
        for (size_t i = 0; i < n; i++)
                follower_post(ingest, tenant, with_work[i].collection);
        pthread_mutex_lock(&ingest->lock);
        for (struct follower *at = ingest->followers; at && !ingest->stopping; at = at->next)
                if (id_equal(at->tenant.id, tenant.id))
                        follower_go_on(at);
        pthread_mutex_unlock(&ingest->lock);
}
