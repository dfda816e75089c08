/* SPDX-License-Identifier: Apache-2.0 */
/* From one release to another.  Whatever may fail comes before the pointer is stored, so that
 * nothing has to be switched back: prepare, journal, `active`, followers; then commit. */
#include "release/inside.h"

#include "base/clock.h"
#include "base/crash.h"
#include "config/load.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Snapshots, and who is followed ------------------------------------------------------- */

int snapshot_open(struct releases *releases, uint32_t number, struct snapshot **ret,
                  struct error *reterr)
{
        cleanup_diagnostics_ struct config_diagnostics diagnostics = CONFIG_DIAGNOSTICS_EMPTY;
        cleanup_(config_free_cleanup) struct config *config = NULL;
        struct snapshot *serving, *snapshot = NULL;
        int r = release_verify(releases->state_dirfd, number, reterr);

        if (r == 0)
                r = release_load_config(releases->state_dirfd, number, &config, &diagnostics,
                                        reterr);
        if (r < 0)
                return r;
        serving = releases_serving(releases);
        r = overlay_config(config, serving->config, overlay_restart);
        if (r < 0)
                r = error_oom(reterr);
        else
                r = snapshot_new(releases->settings.snapshot, take_ptr(config), number, serving,
                                 &snapshot, reterr);
        snapshot_unref(serving);
        if (r == 0)
                r = releases_know(releases, snapshot, reterr);
        if (r < 0)
                snapshot_unref(snapshot);
        else
                *ret = snapshot;
        return r < 0 ? error_prefix(reterr, r, "release %u cannot be opened", number) : 0;
}

static void ref_owner(void *owner)
{
        (void) snapshot_ref(owner);
}

static void unref_owner(void *owner)
{
        snapshot_unref(owner);
}

static struct ingest_release followed_release(struct snapshot *snapshot, bool serves)
{
        return (struct ingest_release){
                .spec = &snapshot->spec,
                .gateway = snapshot->gateway,
                .batch_size = snapshot->config->embedding.batch_size,
                .serves = serves,
                .owner = snapshot,
                .ref = ref_owner,
                .unref = unref_owner,
        };
}

int follow(struct releases *releases, struct snapshot *serves, struct snapshot *other_or_null,
           struct error *reterr)
{
        struct ingest_release list[2] = { followed_release(serves, true) };
        size_t n = 1;
        int r;

        if (other_or_null)
                list[n++] = followed_release(other_or_null, false);
        r = ingest_follow(releases->settings.ingest, list, n, reterr);
        if (r < 0)
                return r;
        (void) pthread_mutex_lock(&releases->lock);
        releases->followed[0] = serves->release;
        releases->followed[1] = other_or_null ? other_or_null->release : 0;
        (void) pthread_mutex_unlock(&releases->lock);
        return 0;
}

/* ---- Rooms -------------------------------------------------------------------------------- */

static void rooms_done(struct change_rooms *rooms)
{
        free(rooms->prepared);
        free(rooms->refused);
        *rooms = (struct change_rooms){ 0 };
}

static void abort_rooms(struct releases *releases, struct change_rooms *rooms, size_t n)
{
        while (n-- > 0)
                if (!rooms->refused[n] && releases->rooms[n].abort)
                        releases->rooms[n].abort(releases->rooms[n].data, rooms->prepared[n]);
        rooms_done(rooms);
}

static int prepare_rooms(struct releases *releases, const struct snapshot *now,
                         const struct change *change, struct change_rooms *ret,
                         struct error *reterr)
{
        struct change_rooms rooms = {
                .prepared = calloc(releases->n_rooms + 1, sizeof *rooms.prepared),
                .refused = calloc(releases->n_rooms + 1, sizeof *rooms.refused),
        };

        if (!rooms.prepared || !rooms.refused) {
                rooms_done(&rooms);
                return error_oom(reterr);
        }
        for (size_t i = 0; i < releases->n_rooms; i++) {
                const struct release_room *room = &releases->rooms[i];
                struct error error = { 0 };
                int r = room->prepare(room->data, now, change->next, &rooms.prepared[i], &error);

                if (r == 0)
                        continue;
                if (change->forced) {
                        rooms.refused[i] = true;
                        releases_degrade(releases, &error, room->name);
                        continue;
                }
                abort_rooms(releases, &rooms, i);
                return error_set(reterr, r, "%s cannot take over release %u: %.180s", room->name,
                                 change->next->release, error_text(&error));
        }
        *ret = rooms;
        return 0;
}

static void commit_rooms(struct releases *releases, const struct change *change,
                         const struct change_rooms *rooms)
{
        for (size_t i = 0; i < releases->n_rooms; i++)
                if (!rooms->refused[i])
                        releases->rooms[i].commit(releases->rooms[i].data, rooms->prepared[i],
                                                  change->next);
}

void change_retire(struct releases *releases, struct change_rooms *rooms)
{
        for (size_t i = rooms->prepared ? releases->n_rooms : 0; i-- > 0;)
                if (!rooms->refused[i] && releases->rooms[i].retire)
                        releases->rooms[i].retire(releases->rooms[i].data, rooms->prepared[i]);
        rooms_done(rooms);
}

/* ---- Disk --------------------------------------------------------------------------------- */

static int write_active(struct releases *releases, const struct change *change,
                        struct error *reterr)
{
        return change->remove_active
                       ? active_remove(releases->state_dirfd, reterr)
                       : active_write(releases->state_dirfd, change->next->release, reterr);
}

/* As it was before this change; what cannot be restored is told. */
static void restore_active(struct releases *releases, uint32_t serving)
{
        struct error error = { 0 };
        int r = releases->active ? active_write(releases->state_dirfd, serving, &error)
                                 : active_remove(releases->state_dirfd, &error);

        if (r < 0)
                releases_degrade(releases, &error, "`active` cannot be put back");
}

static void disarm(struct releases *releases, const struct change *change)
{
        struct error error = { 0 };

        if (change->pending && pending_remove(releases->state_dirfd, &error) < 0)
                releases_degrade(releases, &error, "the journal cannot be removed");
}

static int durable(struct releases *releases, struct snapshot *now, const struct change *change,
                   struct error *reterr)
{
        struct error error = { 0 };
        int r = 0;

        if (change->pending) {
                r = pending_write(releases->state_dirfd, change->pending, &error);
                crash_point("switch.journal");
        }
        if (r == 0) {
                r = write_active(releases, change, &error);
                crash_point("switch.active");
                if (r < 0 && !change->forced)
                        restore_active(releases, now->release);
        }
        if (r == 0 || change->forced) {
                if (r < 0)
                        releases_degrade(releases, &error, "`active` cannot be written");
                r = follow(releases, change->next, change->other, &error);
                if (r < 0 && !change->forced)
                        restore_active(releases, now->release);
                else if (r < 0)
                        releases_degrade(releases, &error, "followers cannot be changed");
        }
        if (change->forced)
                return 0;
        if (r < 0) {
                disarm(releases, change);
                *reterr = error;
        }
        return r;
}

/* Since *since, which is now then. */
static uint64_t lap(uint64_t *since)
{
        uint64_t now = clock_monotonic_usec(), took = now - *since;

        *since = now;
        return took;
}

int change_run(struct releases *releases, const struct change *change, struct change_rooms *ret,
               struct error *reterr)
{
        struct snapshot *now = releases_serving(releases);
        struct change_rooms rooms = { 0 };
        struct change_times times = { 0 };
        uint64_t begun = clock_monotonic_usec();
        int r = prepare_rooms(releases, now, change, &rooms, reterr);

        times.prepare_usec = lap(&begun);
        if (r == 0) {
                crash_point("switch.prepared");
                r = durable(releases, now, change, reterr);
                if (r < 0)
                        abort_rooms(releases, &rooms, releases->n_rooms);
        }
        if (r == 0) {
                times.durable_usec = lap(&begun);
                commit_rooms(releases, change, &rooms);
                releases_serve(releases, snapshot_ref(change->next));
                times.commit_usec = lap(&begun);
                (void) pthread_mutex_lock(&releases->lock);
                releases->times = times;
                releases->active = !change->remove_active;
                if (!change->forced) /* now all of them agree again */
                        releases->degraded[0] = '\0';
                (void) pthread_mutex_unlock(&releases->lock);
                crash_point("switch.committed");
                *ret = rooms;
        }
        snapshot_unref(now);
        return r;
}

/* ---- Back --------------------------------------------------------------------------------- */

void revert_run(struct releases *releases, struct operation *operation, const char *why,
                bool by_itself)
{
        const struct change change = {
                .next = operation->base,
                .remove_active = !operation->base_was_active,
                .forced = true,
        };
        struct change_rooms rooms = { 0 };
        struct error error = { 0 };
        bool degraded;
        int r;

        assert(operation->base);
        crash_point("revert.begun");
        operation_progress(releases, operation, "reverting", 0, 0);
        r = change_run(releases, &change, &rooms, &error);
        if (r < 0)
                releases_degrade(releases, &error, "the release before cannot be brought back");
        crash_point("revert.active");
        if (r == 0 && pending_remove(releases->state_dirfd, &error) < 0)
                releases_degrade(releases, &error, "the journal cannot be removed");
        crash_point("revert.journal");
        (void) pthread_mutex_lock(&releases->lock);
        operation->switched = r < 0;
        operation->pending[0] = '\0';
        degraded = releases->degraded[0];
        (void) pthread_mutex_unlock(&releases->lock);
        if (r == 0 &&
            operation_set_state(releases, operation, RELEASE_REVERTED, why, &error) < 0) {
                releases_degrade(releases, &error, "the state cannot be written");
                degraded = true;
        }
        if (by_itself) {
                operation_add_incident(releases, operation, why);
                releases_tell(releases, RELEASE_EVENT_REVERTED, operation->record.release,
                              operation->record.base, RELEASE_REVERTED, why);
        }
        operation_finish(releases, operation, degraded || r < 0 ? RELEASE_DEGRADED
                                                                 : RELEASE_FAILED,
                         why);
        change_retire(releases, &rooms);
}
