/* SPDX-License-Identifier: Apache-2.0 */
/* What of a release changes after it was written: its state, its evidence, what is left of it. */
#include "release/record.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "release/record_files.h"

#include <string.h>

#define BEFORE_MAX 64 /* former states that are kept, the oldest and the newest of them */

static int read_state_file(int state_dirfd, uint32_t number, struct json_object **ret,
                           struct error *reterr)
{
        char path[RECORD_PATH_SIZE];

        return record_read_json(state_dirfd, record_path(number, "state.json", path), ret, reterr);
}

int record_read_state(int state_dirfd, struct release_info *info, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        char path[RECORD_PATH_SIZE], name[32];
        const char *why = NULL;
        int r = read_state_file(state_dirfd, info->number, &object, reterr);

        (void) record_path(info->number, "state.json", path);
        if (r == -ENOENT && !*info->via) {
                info->state = RELEASE_SUPERSEDED;
                info->was_stable = true;
                info->state_usec = info->created_usec;
                return 0;
        }
        if (r == -ENOENT)
                return error_set(reterr, -EBADMSG, "%s is missing", path);
        if (r == 0)
                r = record_get_text(object, path, "state", name, sizeof name, reterr);
        if (r < 0)
                return r;
        info->state = release_state_from_name(name);
        if ((int) info->state < 0)
                return record_damaged(path, error_set(reterr, -EINVAL, "there is no state \"%s\"",
                                                      name), reterr);
        r = record_get_time(object, path, "since", &info->state_usec, reterr);
        if (r < 0)
                return r;
        r = json_get_bool(object, "was_stable", &info->was_stable, reterr);
        if (r >= 0)
                r = json_get_string(object, "why", &why, reterr);
        if (r < 0)
                return record_damaged(path, r, reterr);
        info->why = why ? strdup(why) : NULL;
        return why && !info->why ? error_oom(reterr) : 0;
}

static struct json_object *state_json(enum release_state state, const char *why, uint64_t since)
{
        struct json_object *row = json_object_new_object();

        json_add_string(row, "state", release_state_name(state));
        json_add_time(row, "since", since);
        json_add_string(row, "why", why);
        return row;
}

/* The states before, and the one that ends now; NULL: no memory.  A new reference. */
static struct json_object *add_former(struct json_object *file, const struct release_info *info)
{
        struct json_object *before = NULL, *row;

        if (file)
                (void) json_get_array(file, "before", &before, NULL);
        before = before ? json_object_get(before) : json_object_new_array();
        row = before ? state_json(info->state, info->why, info->state_usec) : NULL;
        if (!row || json_object_array_add(before, row) < 0) {
                json_object_put(row);
                json_object_put(before);
                return NULL;
        }
        if (json_object_array_length(before) > BEFORE_MAX)
                (void) json_object_array_del_idx(before, BEFORE_MAX / 2, 1);
        return before;
}

static int write_state(int state_dirfd, const struct release_info *info, enum release_state state,
                       const char *why, struct error *reterr)
{
        cleanup_json_ struct json_object *former = NULL, *object = NULL;
        struct json_object *before;
        char path[RECORD_PATH_SIZE];
        int r = read_state_file(state_dirfd, info->number, &former, reterr);

        if (r < 0 && r != -ENOENT)
                return r;
        object = state_json(state, why, clock_wall_usec());
        before = add_former(former, info);
        if (!object || !before) {
                json_object_put(before);
                return error_oom(reterr);
        }
        json_add_bool(object, "was_stable", info->was_stable || state == RELEASE_STABLE);
        json_add(object, "before", before);
        r = record_write_json(state_dirfd, record_path(info->number, "state.json", path), object,
                              reterr);
        if (r == 0)
                crash_point("release.state");
        return r;
}

int release_set_state(int state_dirfd, uint32_t number, enum release_state state, const char *why,
                      struct error *reterr)
{
        cleanup_(release_info_done) struct release_info info = { 0 };
        int r = release_read(state_dirfd, number, &info, reterr);

        if (r < 0)
                return r;
        if (info.state == state && (!why || (info.why && strcmp(why, info.why) == 0)))
                return 0;
        if (!release_state_may_become(info.state, state))
                return error_set(reterr, -EPROTO, "release %u is %s: it cannot become %s", number,
                                 release_state_name(info.state), release_state_name(state));
        return write_state(state_dirfd, &info, state, why, reterr);
}

/* ---- Evidence --------------------------------------------------------------------------- */

int release_add_evidence(int state_dirfd, uint32_t number, const char *name,
                         struct json_object *takes_value, struct error *reterr)
{
        cleanup_json_ struct json_object *value = takes_value, *evidence = NULL;
        cleanup_(release_info_done) struct release_info info = { 0 };
        char path[RECORD_PATH_SIZE];
        int r = release_read(state_dirfd, number, &info, reterr);

        if (r == 0)
                r = record_read_json(state_dirfd, record_path(number, "evidence.json", path),
                                     &evidence, reterr);
        if (r == -ENOENT && info.number == number) {
                evidence = json_object_new_object();
                r = evidence ? 0 : error_oom(reterr);
        }
        if (r < 0)
                return r;
        if (json_object_object_add(evidence, name, take_ptr(value)) < 0)
                return error_oom(reterr);
        r = record_write_json(state_dirfd, path, evidence, reterr);
        if (r == 0)
                crash_point("release.evidence");
        return r;
}

/* ---- Showing ---------------------------------------------------------------------------- */

/* A file that may be absent: null then. */
static int add_file(int state_dirfd, uint32_t number, const char *file, const char *key,
                    struct json_object *object, struct error *reterr)
{
        struct json_object *content = NULL;
        char path[RECORD_PATH_SIZE];
        int r = record_read_json(state_dirfd, record_path(number, file, path), &content, reterr);

        if (r < 0 && r != -ENOENT)
                return r;
        json_add(object, key, content);
        return 0;
}

/* All that it was, and what it is. */
static int add_states(int state_dirfd, const struct release_info *info, struct json_object *object,
                      struct error *reterr)
{
        cleanup_json_ struct json_object *file = NULL;
        struct json_object *before = NULL, *states = json_object_new_array();
        int r = read_state_file(state_dirfd, info->number, &file, reterr);

        json_add(object, "states", states);
        if (r < 0 && r != -ENOENT)
                return r;
        if (file)
                (void) json_get_array(file, "before", &before, NULL);
        for (size_t i = 0; before && i < json_object_array_length(before); i++)
                json_add(states, NULL, json_object_get(json_object_array_get_idx(before, i)));
        json_add(states, NULL, state_json(info->state, info->why, info->state_usec));
        return 0;
}

int release_describe(int state_dirfd, uint32_t number, struct json_object **ret,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL, *manifest = NULL;
        cleanup_(release_info_done) struct release_info info = { 0 };
        char path[RECORD_PATH_SIZE];
        int r = release_read(state_dirfd, number, &info, reterr);

        if (r == 0)
                r = record_read_manifest(state_dirfd, record_path(number, NULL, path), &manifest,
                                         reterr);
        if (r < 0)
                return r;
        object = release_info_json(&info);
        if (!object)
                return error_oom(reterr);
        json_add(object, "files", json_object_get(json_object_object_get(manifest, "files")));
        json_add(object, "inputs", json_object_get(json_object_object_get(manifest, "inputs")));
        r = add_file(state_dirfd, number, "plan.json", "plan", object, reterr);
        if (r == 0)
                r = add_file(state_dirfd, number, "evidence.json", "evidence", object, reterr);
        if (r == 0)
                r = add_states(state_dirfd, &info, object, reterr);
        if (r == 0)
                *ret = take_ptr(object);
        return r;
}

/* ---- Pruning ---------------------------------------------------------------------------- */

int release_prune(int state_dirfd, uint32_t number, struct error *reterr)
{
        static const char *const goes[] = { "source", "effective.toml", "plan.json" };
        cleanup_(release_info_done) struct release_info info = { 0 };
        char path[RECORD_PATH_SIZE];
        int r = release_read(state_dirfd, number, &info, reterr);

        if (r == 0 && !release_state_may_become(info.state, RELEASE_PRUNED))
                r = error_set(reterr, -EBUSY, "release %u is %s: it is kept", number,
                              release_state_name(info.state));
        if (r == 0 && info.state != RELEASE_PRUNED)
                r = write_state(state_dirfd, &info, RELEASE_PRUNED, NULL, reterr);
        for (size_t i = 0; r == 0 && i < ELEMENTSOF(goes); i++) {
                r = io_remove_tree(state_dirfd, record_path(number, goes[i], path));
                if (r < 0)
                        (void) error_set_errno(reterr, r, "cannot remove %s", path);
                else
                        crash_point("release.pruned");
        }
        if (r < 0)
                return r;
        r = io_sync_directory(state_dirfd, record_path(number, NULL, path));
        return r < 0 ? error_set_errno(reterr, r, "cannot make the removal durable in %s", path) : 0;
}
