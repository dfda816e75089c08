/* SPDX-License-Identifier: Apache-2.0 */
/* What follows success: STABLE, and what is too old goes. */
#include "release/inside.h"

#include "base/crash.h"
#include "config/load.h"
#include "config/providers.h"

#include <stdlib.h>
#include <string.h>

struct kept {
        struct config **configs; /* one for each identity that is kept */
        struct generation_spec *specs;
        size_t n;
};

static void kept_done(struct kept *kept)
{
        for (size_t i = 0; i < kept->n; i++)
                (void) config_free(kept->configs[i]);
        free(kept->configs);
        free(kept->specs);
}

static bool is_kept(void *data, const uint8_t *identity, const char *language)
{
        const struct kept *kept = data;

        for (size_t i = 0; i < kept->n; i++) {
                struct generation_spec spec = kept->specs[i];
                uint8_t wanted[GENERATION_IDENTITY_BYTES];

                spec.language = language;
                generation_identity(&spec, wanted);
                if (memcmp(wanted, identity, sizeof wanted) == 0)
                        return true;
        }
        return false;
}

/* The identity in words again.  A release that cannot be read keeps nothing: it cannot run. */
static int keep(struct releases *releases, struct kept *kept, uint32_t number,
                struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *config = NULL;
        uint8_t identity[GENERATION_IDENTITY_BYTES];
        int r = recorded_config(releases, number, &config, reterr);

        if (r == 0)
                r = release_wants(config, &kept->specs[kept->n], identity, NULL, reterr);
        if (r == 0)
                kept->configs[kept->n++] = take_ptr(config);
        return r == -ENOMEM ? r : 0;
}

static bool seen_before(const struct release_info *infos, const bool *stays, size_t at)
{
        for (size_t i = 0; i < at; i++)
                if (stays[i] && memcmp(infos[i].identity, infos[at].identity,
                                       sizeof infos[at].identity) == 0)
                        return true;
        return false;
}

static int sweep_generations(struct releases *releases, const struct release_info *infos,
                             const bool *stays, size_t n, bool dry_run, struct ingest_sweep *ret,
                             struct error *reterr)
{
        struct kept kept = { .configs = calloc(n + 1, sizeof(struct config *)),
                             .specs = calloc(n + 1, sizeof *kept.specs) };
        int r = kept.configs && kept.specs ? 0 : error_oom(reterr);

        for (size_t i = 0; r == 0 && i < n; i++)
                if (stays[i] && !seen_before(infos, stays, i))
                        r = keep(releases, &kept, infos[i].number, reterr);
        if (r == 0)
                r = ingest_sweep_generations(releases->settings.ingest, is_kept, &kept, dry_run,
                                             ret, reterr);
        kept_done(&kept);
        return r;
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
                choose(releases, infos, n, serving->release,
                       serving->config->release.keep_releases, folders, generations);
                r = sweep_generations(releases, infos, generations, n, dry_run, ret, reterr);
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
