/* SPDX-License-Identifier: Apache-2.0 */
/* What follows success: STABLE, and what is too old goes. */
#include "release/inside.h"

#include "base/crash.h"

#include <stdlib.h>
#include <string.h>

/* Releases, and which of them may still be wanted. */
struct kept {
        const struct release_info *infos;
        const bool *stays;
        size_t n;
};

/* By what is recorded of them, so that one that cannot be opened just now, as its key is away,
 * keeps its generations all the same. */
static bool is_kept(void *data, const uint8_t *identity)
{
        const struct kept *kept = data;

        for (size_t i = 0; i < kept->n; i++)
                if (kept->stays[i] && memcmp(kept->infos[i].identity, identity,
                                             sizeof kept->infos[i].identity) == 0)
                        return true;
        return false;
}

/* The newest targets stay, whatever is younger than the oldest of them, what serves, and what an
 * operation works with. */
static void choose(struct releases *releases, const struct release_info *infos, size_t n,
                   uint32_t serving, uint32_t keep_releases, bool *ret_folder, bool *ret_generation)
{
        uint32_t targets = 0;

        for (size_t i = n; i-- > 0;) {
                const struct release_info *info = &infos[i];
                bool target = release_state_is_target(info->state), used;

                (void) pthread_mutex_lock(&releases->lock);
                used = info->number == serving ||
                       (releases->operation && !releases->operation->finished &&
                        (info->number == releases->operation->record.release ||
                         info->number == releases->operation->record.base));
                (void) pthread_mutex_unlock(&releases->lock);
                ret_folder[i] = used || targets < keep_releases;
                ret_generation[i] = used || (target && targets < keep_releases);
                targets += target;
        }
}

int sweep_run(struct releases *releases, bool dry_run, struct json_object *ret_removed,
              struct ingest_sweep *ret, struct error *reterr)
{
        cleanup_free_ bool *folders = NULL, *generations = NULL;
        struct snapshot *serving = releases_serving(releases);
        struct release_info *infos = NULL;
        size_t n = 0, damaged;
        int r = release_list(releases->state_dirfd, &infos, &n, &damaged, reterr);

        if (r == 0) {
                folders = calloc(n + 1, sizeof *folders);
                generations = calloc(n + 1, sizeof *generations);
                if (!folders || !generations)
                        r = error_oom(reterr);
        }
        if (r == 0) {
                struct kept kept = { infos, generations, n };

                choose(releases, infos, n, serving->release,
                       serving->config->release.keep_releases, folders, generations);
                r = ingest_sweep_generations(releases->settings.ingest, is_kept, &kept, dry_run,
                                             ret, reterr);
        }
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (folders[i] || infos[i].state == RELEASE_PRUNED)
                        continue;
                if (!dry_run)
                        r = release_prune(releases->state_dirfd, infos[i].number, reterr);
                if (r == 0)
                        json_add(ret_removed, NULL,
                                 json_object_new_int64((int64_t) infos[i].number));
        }
        release_infos_free(infos, n);
        snapshot_unref(serving);
        return r;
}

/* STABLE alone is success; what cannot be swept now is swept after the next change, or by gc. */
static void sweep(struct releases *releases)
{
        cleanup_json_ struct json_object *removed = json_object_new_array();
        struct ingest_sweep swept = { 0 };

        (void) sweep_run(releases, false, removed, &swept, NULL);
}

int conclude_run(struct releases *releases, struct operation *operation, struct error *reterr)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        struct release_info info = { 0 };
        uint32_t base = operation->record.base;
        int r = operation_set_state(releases, operation, RELEASE_STABLE, NULL, reterr);

        if (r < 0)
                return r;
        crash_point("bake.stable");
        if (base && base != operation->record.release &&
            release_read(releases->state_dirfd, base, &info, NULL) == 0 &&
            info.state == RELEASE_STABLE) {
                r = release_set_state(releases->state_dirfd, base, RELEASE_SUPERSEDED, NULL,
                                      reterr);
                if (r == 0)
                        releases_tell(releases, RELEASE_EVENT_STATE, base, 0, RELEASE_SUPERSEDED,
                                      NULL);
        }
        release_info_done(&info);
        if (r == 0)
                r = follow(releases, serving, NULL, reterr);
        if (r == 0)
                sweep(releases);
        plan_drop_stale(releases);
        return r;
}
