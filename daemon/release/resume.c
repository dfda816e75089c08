/* SPDX-License-Identifier: Apache-2.0 */
/* What the start of the engine makes of the run before it.  boot_decide() has chosen what serves;
 * here the operation that was under way is gone on with or ended, and states are put right. */
#include "release/inside.h"

#include "base/clock.h"
#include "config/load.h"
#include "release/vectors.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- States ------------------------------------------------------------------------------- */

/* What a release that nobody works on any more becomes. */
static enum release_state settled(enum release_state state, bool serves)
{
        switch (state) {
        case RELEASE_PLANNED:
        case RELEASE_BUILDING:
        case RELEASE_READY:
        case RELEASE_CANARY:
                return serves ? RELEASE_STABLE : RELEASE_ABORTED;
        case RELEASE_PROVISIONAL:
                return serves ? RELEASE_STABLE : RELEASE_REVERTED;
        case RELEASE_STABLE:
                return serves ? RELEASE_STABLE : RELEASE_SUPERSEDED;
        case RELEASE_SUPERSEDED:
                return serves ? RELEASE_STABLE : RELEASE_SUPERSEDED;
        default:
                return state;
        }
}

static int settle(struct releases *releases, const struct release_info *info, bool serves,
                  struct error *reterr)
{
        enum release_state state = settled(info->state, serves);
        int r;

        if (state == info->state)
                return 0;
        if (!release_state_may_become(info->state, state) &&
            release_state_may_become(info->state, RELEASE_READY)) {
                r = release_set_state(releases->state_dirfd, info->number, RELEASE_READY, NULL,
                                      reterr);
                if (r < 0)
                        return r;
        }
        return release_set_state(releases->state_dirfd, info->number, state,
                                 serves ? NULL : "a restart of the daemon ended it", reterr);
}

static int settle_all(struct releases *releases, const struct operation *operation_or_null,
                      struct error *reterr)
{
        struct release_info *infos = NULL;
        uint32_t working = operation_or_null ? operation_or_null->record.release : 0;
        uint32_t base = operation_or_null ? operation_or_null->record.base : 0;
        size_t n = 0, damaged;
        int r = release_list(releases->state_dirfd, &infos, &n, &damaged, reterr);

        vectors_sweep(releases, working);
        for (size_t i = 0; r == 0 && i < n; i++)
                if (infos[i].number != working && infos[i].number != base)
                        r = settle(releases, &infos[i],
                                   infos[i].number == releases->serving->release, reterr);
        release_infos_free(infos, n);
        return r;
}

/* ---- The operation ------------------------------------------------------------------------ */

/* What the operation is told with; where a record is gone by now, it is told without. */
static void describe(struct releases *releases, struct operation *operation)
{
        cleanup_(config_free_cleanup) struct config *base = NULL, *candidate = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;

        if (recorded_config(releases, operation->record.release, &candidate, NULL) < 0)
                return;
        (void) pending_restart_json(releases->serving->config, candidate,
                                    &operation->pending_restart, NULL);
        if (recorded_config(releases, operation->record.base, &base, NULL) == 0 &&
            config_diff(base, candidate, &diff) == 0)
                operation->impact = impact_json(&diff);
}

/* It serves, confirmed: the base is followed again, and the bake goes on. */
static int go_on_serving(struct releases *releases, struct operation *operation,
                         struct error *reterr)
{
        struct error error = { 0 };
        int r = 0;

        operation->switched = true;
        operation->base_was_active = true; /* its record says what the profile said then */
        operation->served_usec = clock_monotonic_usec();
        operation->candidate = releases_serving(releases);
        if (operation->record.kind != OPERATION_DEPLOY)
                return 0;
        if (operation->record.phase != PHASE_BAKE) {
                operation->record.phase = PHASE_BAKE;
                operation->record.phase_usec = clock_wall_usec();
                r = ops_save(releases->state_dirfd, &operation->record, reterr);
        }
        if (r == 0 && operation->state != RELEASE_PROVISIONAL &&
            operation->state != RELEASE_STABLE)
                r = operation_set_state(releases, operation, RELEASE_PROVISIONAL, NULL, reterr);
        if (r < 0)
                return r;
        r = snapshot_open(releases, operation->record.base, &operation->base, &error);
        if (r < 0) { /* it runs all the same; there is only nothing to go back to */
                releases_degrade(releases, &error, "the release before cannot be brought back");
                return 0;
        }
        return follow(releases, operation->candidate, operation->base, reterr);
}

/* 1: the engine's thread goes on with it; 0: it is over. */
static int judge(struct releases *releases, struct operation *operation, struct error *reterr)
{
        bool serves = operation->record.release == releases->serving->release;
        bool rollback = operation->record.kind == OPERATION_ROLLBACK;
        int r;

        if (operation->state == RELEASE_REJECTED || operation->state == RELEASE_ABORTED ||
            operation->state == RELEASE_REVERTED || operation->state == RELEASE_PRUNED)
                return 0;
        if (serves && operation->record.kind != OPERATION_RELOAD) {
                r = go_on_serving(releases, operation, reterr);
                return r < 0 ? r : 1;
        }
        if (serves) /* a reload whose journal is gone succeeded */
                return 0;
        if (rollback || (operation->record.kind == OPERATION_DEPLOY &&
                         operation->record.phase < PHASE_SWITCH))
                return 1;
        r = operation_set_state(releases, operation, RELEASE_REVERTED,
                                "the daemon was restarted before it was confirmed", reterr);
        return r < 0 ? r : 0;
}

static int load(struct releases *releases, struct operation *operation, struct error *reterr)
{
        struct release_info info = { 0 };
        int r = release_read(releases->state_dirfd, operation->record.release, &info, reterr);

        if (r < 0)
                return r;
        operation->state = info.state;
        release_info_done(&info);
        (void) snprintf(operation->id, sizeof operation->id, "o-%u", operation->record.number);
        (void) snprintf(operation->what, sizeof operation->what, "%s",
                        operation_phase_name(operation->record.phase));
        operation->exit = -1;
        operation->resumed = true;
        operation->evidence = json_object_new_array();
        return operation->evidence ? 0 : error_oom(reterr);
}

static int resume(struct releases *releases, struct operation *takes_operation,
                  struct error *reterr)
{
        struct operation *operation = takes_operation;
        bool serves = operation->record.release == releases->serving->release;
        int go_on, r = load(releases, operation, reterr);

        releases->operation = operation; /* from now on the engine's */
        if (r < 0) { /* its release is damaged or gone: nothing can be gone on with */
                operation->state = RELEASE_ABORTED;
                operation_finish(releases, operation, RELEASE_FAILED, error_text(reterr));
                return settle_all(releases, NULL, reterr);
        }
        describe(releases, operation);
        go_on = judge(releases, operation, reterr);
        if (go_on < 0)
                return go_on;
        r = settle_all(releases, go_on > 0 ? operation : NULL, reterr);
        if (r < 0 || go_on > 0)
                return r;
        operation->switched = serves;
        if (serves)
                operation->state = RELEASE_STABLE;
        operation_finish(releases, operation, serves ? RELEASE_OK : RELEASE_FAILED,
                         serves ? NULL : "the daemon was restarted; the release before it serves");
        return 0;
}

int operation_resume(struct releases *releases, struct error *reterr)
{
        struct operation *operation = calloc(1, sizeof *operation);
        int r;

        if (!operation)
                return error_oom(reterr);
        r = ops_newest(releases->state_dirfd, &operation->record, reterr);
        if (r == -ENOENT || (r == 0 && operation->record.phase == PHASE_DONE)) {
                operation_free(operation);
                return settle_all(releases, NULL, reterr);
        }
        if (r < 0) {
                operation_free(operation);
                return r;
        }
        return resume(releases, operation, reterr);
}
