/* SPDX-License-Identifier: Apache-2.0 */
/* Looking: what there was, what differs, and whether all say the same. */
#include "release/inside.h"

#include "base/clock.h"
#include "config/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int recorded_config(struct releases *releases, uint32_t number, struct config **ret,
                    struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        int r;

        if (number == 0) {
                struct snapshot *serving = releases_serving(releases);

                number = serving->release;
                snapshot_unref(serving);
        }
        r = release_load_config(releases->state_dirfd, number, ret, &diagnostics, reterr);
        return r < 0 ? error_prefix(reterr, r, "release %u", number) : 0;
}

/* ---- History ------------------------------------------------------------------------------ */

int releases_history(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = json_object_new_object();
        struct json_object *rows = json_object_new_array();
        struct release_info *infos = NULL;
        size_t n = 0, damaged = 0;
        int r = release_list(releases->state_dirfd, &infos, &n, &damaged, reterr);

        json_add(object, "releases", rows);
        json_add_u64(object, "damaged", damaged);
        for (size_t i = n; r == 0 && i-- > 0;) { /* newest first */
                struct json_object *row = release_info_json(&infos[i]);

                if (row)
                        json_add(rows, NULL, row);
                else
                        r = error_oom(reterr);
        }
        release_infos_free(infos, n);
        if (r < 0 || !object || !rows)
                return r < 0 ? r : error_oom(reterr);
        *ret = take_ptr(object);
        return 0;
}

int releases_show(struct releases *releases, uint32_t number, struct json_object **ret,
                  struct error *reterr)
{
        if (number == 0) {
                struct snapshot *serving = releases_serving(releases);

                number = serving->release;
                snapshot_unref(serving);
        }
        return release_describe(releases->state_dirfd, number, ret, reterr);
}

int releases_diff(struct releases *releases, uint32_t from, uint32_t to, struct json_object **ret,
                  struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *a = NULL, *b = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        struct json_object *object;
        int r = recorded_config(releases, from, &a, reterr);

        if (r == 0)
                r = recorded_config(releases, to, &b, reterr);
        if (r == 0 && config_diff(a, b, &diff) < 0)
                r = error_oom(reterr);
        if (r < 0)
                return r;
        object = json_object_new_object();
        if (!object)
                return error_oom(reterr);
        json_add_u64(object, "from", from ? from : serving->release);
        json_add_u64(object, "to", to ? to : serving->release);
        json_add(object, "changes", config_diff_json(&diff));
        json_add(object, "impact", impact_json(&diff));
        *ret = object;
        return 0;
}

int releases_drift(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(plan_free_cleanup) struct plan *plan = NULL;
        cleanup_(config_free_cleanup) struct config *recorded = NULL;
        cleanup_(config_diff_done) struct config_diff diff = CONFIG_DIFF_EMPTY;
        struct json_object *object;
        int loaded = plan_load(releases, NULL, &diagnostics, &plan, reterr), r = 0;

        if (loaded == -ENOMEM)
                return loaded;
        if (loaded == 0)
                r = recorded_config(releases, 0, &recorded, reterr);
        if (r == 0 && loaded == 0 && config_diff(recorded, plan->config, &diff) < 0)
                r = error_oom(reterr);
        if (r < 0)
                return r;
        object = json_object_new_object();
        if (!object)
                return error_oom(reterr);
        json_add_string(object, "profile", releases->settings.profile);
        json_add_bool(object, "drift", loaded < 0 || diff.count > 0);
        json_add(object, "changes", config_diff_json(&diff));
        json_add(object, "diagnostics", config_diagnostics_json(&diagnostics));
        *ret = object;
        return 0;
}

/* ---- Status ------------------------------------------------------------------------------- */

/* Disk against memory: what a start would run is what serves, and the journal stands exactly while
 * a window is open.  Between two steps of an operation they may differ: then nothing is said. */
static void compare(struct releases *releases, uint32_t serving, enum release_state *ret_state,
                    char ret_degraded[static 256])
{
        struct release_info info = { 0 };
        struct pending pending = { 0 };
        uint32_t active = 0;
        bool busy, window;

        (void) pthread_mutex_lock(&releases->lock);
        busy = releases->reserved || (releases->operation && !releases->operation->finished);
        window = releases->operation && releases->operation->pending[0];
        memcpy(ret_degraded, releases->degraded, sizeof releases->degraded);
        (void) pthread_mutex_unlock(&releases->lock);

        *ret_state = RELEASE_STATE_INVALID;
        if (release_read(releases->state_dirfd, serving, &info, NULL) == 0)
                *ret_state = info.state;
        release_info_done(&info);
        if (ret_degraded[0] || (busy && !window))
                return;
        if ((int) *ret_state < 0)
                (void) snprintf(ret_degraded, 256, "the record of release %u cannot be read",
                                serving);
        else if (active_read(releases->state_dirfd, &active, NULL) == 0 && active != serving)
                (void) snprintf(ret_degraded, 256, "`active` names release %u, and %u serves",
                                active, serving);
        else if (!busy && pending_read(releases->state_dirfd, &pending, NULL) != -ENOENT)
                (void) snprintf(ret_degraded, 256, "a journal stands, and no window is open");
}

static struct json_object *followed_json(struct releases *releases)
{
        struct json_object *rows = json_object_new_array();
        uint32_t followed[ELEMENTSOF(releases->followed)];

        (void) pthread_mutex_lock(&releases->lock);
        memcpy(followed, releases->followed, sizeof followed);
        (void) pthread_mutex_unlock(&releases->lock);
        for (size_t i = 0; i < ELEMENTSOF(followed); i++)
                if (followed[i])
                        json_add(rows, NULL, json_object_new_int64(followed[i]));
        return rows;
}

/* {operation, base, pending} as they belong together. */
static void add_operation(struct releases *releases, struct json_object *object)
{
        struct json_object *operation = NULL, *confirm = NULL;
        uint32_t base = 0;

        (void) pthread_mutex_lock(&releases->lock);
        if (releases->operation && !releases->operation->finished) {
                base = releases->operation->record.base;
                operation = operation_json(releases, releases->operation);
        }
        (void) pthread_mutex_unlock(&releases->lock);
        if (operation && json_object_object_get_ex(operation, "confirm", &confirm))
                (void) json_object_get(confirm);
        json_add(object, "base", base ? json_object_new_int64(base) : NULL);
        json_add(object, "operation", operation);
        json_add(object, "pending", confirm);
}

int releases_status(struct releases *releases, struct json_object **ret, struct error *reterr)
{
        cleanup_(config_free_cleanup) struct config *recorded = NULL;
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        cleanup_json_ struct json_object *drift = NULL;
        struct json_object *object = json_object_new_object(), *pending = NULL;
        enum release_state state;
        char degraded[256];
        bool drifts = false;

        if (!object)
                return error_oom(reterr);
        compare(releases, serving->release, &state, degraded);
        if (recorded_config(releases, serving->release, &recorded, NULL) == 0)
                (void) pending_restart_json(serving->config, recorded, &pending, NULL);
        if (releases_drift(releases, &drift, NULL) == 0)
                (void) json_get_bool(drift, "drift", &drifts, NULL);
        json_add_u64(object, "serving", serving->release);
        json_add_string(object, "state", release_state_name(state));
        add_operation(releases, object);
        json_add(object, "pending_restart", pending ? pending : json_object_new_array());
        json_add_bool(object, "drift", drifts);
        json_add(object, "followed", followed_json(releases));
        json_add(object, "draining", drain_json(releases));
        json_add_string(object, "degraded", degraded[0] ? degraded : NULL);
        *ret = object;
        return 0;
}

/* ---- Gates and room, when asked for ------------------------------------------------------- */

int releases_gate(struct releases *releases, uint32_t candidate_or_0,
                  int (*progress)(void *data, const char *what, size_t done, size_t total),
                  void *data, struct json_object **ret, struct error *reterr)
{
        cleanup_(snapshot_unref_cleanup) struct snapshot *serving = releases_serving(releases);
        cleanup_(snapshot_unref_cleanup) struct snapshot *candidate = NULL;
        bool other = candidate_or_0 && candidate_or_0 != serving->release;
        enum gate_verdict verdict;
        int r = 0;

        if (other)
                r = snapshot_open(releases, candidate_or_0, &candidate, reterr);
        else
                candidate = snapshot_ref(serving);
        if (r < 0)
                return r;
        const struct gate_settings settings = {
                .store = releases->settings.store,
                .promotion = &candidate->config->promotion,
                .base = other ? serving : NULL,
                .candidate = candidate,
                .progress = progress,
                .data = data,
        };
        return gate_run(&settings, ret, &verdict, reterr);
}

int releases_gc(struct releases *releases, bool dry_run, struct json_object **ret,
                struct error *reterr)
{
        static const struct release_request nobody = { 0 };
        cleanup_json_ struct json_object *object = json_object_new_object();
        struct json_object *removed = json_object_new_array();
        struct ingest_sweep swept = { 0 };
        uint32_t unused;
        int r = 0;

        json_add(object, "removed", removed);
        if (!object || !removed)
                return error_oom(reterr);
        if (!dry_run)
                r = operation_reserve(releases, &nobody, &unused, reterr);
        if (r < 0)
                return r;
        r = sweep_run(releases, dry_run, removed, &swept, reterr);
        if (!dry_run)
                operation_give_up(releases);
        if (r < 0)
                return r;
        json_add_u64(object, "generations", swept.generations);
        json_add_u64(object, "bytes", swept.bytes);
        *ret = take_ptr(object);
        return 0;
}
