/* SPDX-License-Identifier: Apache-2.0 */
/* Collections and their generations, as the doors ask for them. */
#include "store/collection.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "ingest/followed.h"
#include "ingest/inside.h"
#include "ingest/quota.h"

#include <stdlib.h>

DEFINE_CLEANUP(struct collection *, collection_unref)
DEFINE_CLEANUP(struct generation *, generation_unref)

/* ---- Making and deleting -------------------------------------------------------------------- */

/* The first generation, empty and ready.  A crash before it is made is mended by the follower. */
static int make_first_generation(struct ingest *ingest, const struct collection_info *info,
                                 struct error *reterr)
{
        cleanup_(followed_unref_cleanup) struct followed *followed = followed_ref(ingest);
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_(generation_unref_cleanup) struct generation *generation = NULL;
        const struct ingest_release *release = followed_serving(followed, reterr);
        struct generation_spec spec;
        int r;

        if (!release)
                return -EAGAIN;
        r = collection_open_by_id(ingest->settings.store, info->tenant, info->id, &collection,
                                  reterr);
        if (r < 0)
                return r;
        spec = ingest_release_spec(release, info);
        r = collection_new_generation(collection, &spec, &generation, reterr);
        return r < 0 ? r : collection_finish_generation(collection, generation_number(generation),
                                                        reterr);
}

int ingest_create_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             const char *language, const char *description,
                             struct collection_info *ret, struct error *reterr)
{
        const struct tenant_amounts one = { .collections = 1 };
        cleanup_(quota_give_back) struct quota_hold hold = { 0 };
        struct text_analyzer *analyzer = NULL;
        struct collection_info info = { 0 };
        int r = ingest_check_space(ingest, reterr);

        if (r == 0 && language) { /* -EINVAL names it */
                r = text_analyzer_new(language, &analyzer, reterr);
                text_analyzer_free(analyzer);
        }
        if (r == 0)
                r = quota_hold(ingest, tenant, &one, &hold, reterr);
        if (r == 0)
                r = collection_create(ingest->settings.store, tenant, name, language, description,
                                      &info, reterr);
        if (r < 0) {
                if (!quota_is_clean(r))
                        quota_settle(&hold, NULL);
                return r;
        }
        r = make_first_generation(ingest, &info, reterr);
        if (r == 0) { /* those of other releases, and whatever came between */
                quota_settle(&hold, &one);
                follower_post(ingest, tenant, info.id);
                collection_info_done(&info);
                return collection_get_info(ingest->settings.store, tenant, name, ret, reterr);
        }
        (void) collection_delete(ingest->settings.store, tenant, name, NULL);
        quota_settle(&hold, NULL);
        collection_info_done(&info);
        return r;
}

/* Takes the follower out of the list, waits for its task and ends its jobs. */
static int stop_following(struct ingest *ingest, struct collection_id collection,
                          struct error *reterr)
{
        struct follower *follower;
        int r;

        pthread_mutex_lock(&ingest->lock);
        follower = follower_find(ingest, collection);
        if (follower)
                follower_take_out(ingest, follower);
        pthread_mutex_unlock(&ingest->lock);
        if (!follower)
                return 0;
        workers_cancel(ingest->settings.workers, &follower->task);
        r = live_jobs_cancel_all(follower, reterr);
        (void) follower_free(follower);
        ingest_note_change(ingest);
        return r;
}

int ingest_delete_collection(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct error *reterr)
{
        cleanup_(quota_give_back) struct quota_hold hold = { 0 };
        struct collection_info info = { 0 };
        int r = collection_get_info(ingest->settings.store, tenant, name, &info, reterr);

        if (r == 0)
                r = stop_following(ingest, info.id, reterr);
        if (r == 0)
                r = quota_hold(ingest, tenant, &(struct tenant_amounts){ 0 }, &hold, reterr);
        if (r == 0) {
                r = collection_delete(ingest->settings.store, tenant, name, reterr);
                quota_settle(&hold, NULL); /* what it held is read anew */
        }
        if (r == 0) /* what it still holds open goes with it */
                upkeep_stop(ingest, info.id);
        collection_info_done(&info);
        return r;
}

/* ---- Rebuilding ----------------------------------------------------------------------------- */

/* The row is all that is written here: the follower makes the generation, also after a crash. */
int ingest_rebuild(struct ingest *ingest, struct tenant_id tenant, const char *name,
                   struct job_id *ret, struct error *reterr)
{
        struct collection_info info = { 0 };
        struct follower *follower;
        bool wanted = false;
        int r = ingest_check_space(ingest, reterr);

        if (r == 0)
                r = collection_get_info(ingest->settings.store, tenant, name, &info, reterr);
        if (r < 0)
                return r;
        pthread_mutex_lock(&ingest->lock);
        follower = follower_find(ingest, info.id);
        for (const struct live_job *job = follower ? follower->jobs : NULL; job; job = job->next)
                wanted |= job->row.type == JOB_REBUILD && !job->canceled;
        pthread_mutex_unlock(&ingest->lock);
        if (wanted)
                r = error_set(reterr, -EEXIST, "a generation of %s is being built already", name);
        if (r == 0)
                r = live_job_begin(ingest, &info, JOB_REBUILD, ret, reterr);
        if (r == 0)
                follower_post_now(ingest, tenant, info.id);
        collection_info_done(&info);
        return r;
}

/* ---- Detail --------------------------------------------------------------------------------- */

static struct json_object *generations_json(const struct generation_info *infos, size_t n)
{
        struct json_object *array = json_object_new_array();

        for (size_t i = 0; array && i < n; i++)
                json_add(array, NULL, ingest_generation_json(&infos[i]));
        return array;
}

static int fill_detail(struct collection *collection, struct json_object *object,
                       struct error *reterr)
{
        cleanup_(generation_unref_cleanup) struct generation *serving =
                collection_serving(collection);
        cleanup_free_ struct generation_info *infos = NULL;
        struct docs_counts counts = { 0 };
        uint64_t chunks = 0;
        size_t n = 0;
        int r = docs_count(collection, &counts, reterr);

        if (r == 0)
                r = collection_generations(collection, &infos, &n, reterr);
        if (r < 0)
                return r;
        for (size_t i = 0; serving && i < n; i++)
                if (infos[i].number == generation_number(serving))
                        chunks = infos[i].chunks_live;
        json_add_u64(object, "documents", counts.documents);
        json_add_u64(object, "documents_pending", counts.pending);
        json_add_u64(object, "documents_failed", counts.failed);
        json_add_u64(object, "bytes", counts.bytes);
        json_add_u64(object, "chunks", chunks);
        json_add_bool(object, "matches_profile", serving);
        json_add_string(object, "damage", collection_get_damage(collection));
        json_add(object, "generations", generations_json(infos, n));
        return 0;
}

int ingest_collection_detail(struct ingest *ingest, struct tenant_id tenant, const char *name,
                             struct json_object **ret, struct error *reterr)
{
        cleanup_(collection_unref_cleanup) struct collection *collection = NULL;
        cleanup_json_ struct json_object *object = NULL;
        struct collection_info info = { 0 };
        int r = collection_get_info(ingest->settings.store, tenant, name, &info, reterr);

        if (r < 0)
                return r;
        object = ingest_collection_json(&info);
        r = object ? collection_open_by_id(ingest->settings.store, tenant, info.id, &collection,
                                           reterr)
                   : error_oom(reterr);
        collection_info_done(&info);
        if (r == 0)
                r = fill_detail(collection, object, reterr);
        if (r == 0)
                *ret = take_ptr(object);
        return r;
}
