/* SPDX-License-Identifier: Apache-2.0 */
/* Releases that do not serve any more, and are held all the same: requests that have not come to
 * their last byte.  What the engine and ingest hold themselves (the base until STABLE) is no such
 * thing and is not counted. */
#include "release/inside.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

/* On the engine's thread, under both locks. */
static unsigned own_references(const struct releases *releases, const struct snapshot *snapshot)
{
        const struct operation *operation = releases->operation;
        const struct snapshot *const own[] = {
                releases->serving,
                releases->canary,
                operation ? operation->base : NULL,
                operation ? operation->candidate : NULL,
        };
        unsigned n = 0;

        for (size_t i = 0; i < ELEMENTSOF(own); i++)
                n += own[i] == snapshot;
        for (size_t i = 0; i < ELEMENTSOF(releases->followed); i++)
                n += releases->followed[i] == snapshot->release;
        return n;
}

/* Under both locks: what is to be told of it now; RELEASE_EVENT_KIND_MAX: nothing. */
static enum release_event_kind judge(struct releases *releases, struct snapshot *snapshot,
                                     uint64_t now_usec)
{
        unsigned refs = atomic_load(&snapshot->refs), own = own_references(releases, snapshot);
        bool left = snapshot->left_usec > 0;

        snapshot->held = left && refs > own ? refs - own : 0;
        if (snapshot->drain == DRAIN_OVER && !left) /* it has traffic again */
                snapshot->drain = DRAIN_QUIET;
        if (snapshot->drain == DRAIN_QUIET && snapshot->held > 0 &&
            now_usec - snapshot->left_usec >= DRAIN_USEC) {
                snapshot->drain = DRAIN_TOLD;
                return RELEASE_EVENT_DRAINING;
        }
        if (snapshot->drain == DRAIN_TOLD && snapshot->held == 0) {
                snapshot->drain = DRAIN_OVER;
                return RELEASE_EVENT_DRAINED;
        }
        return RELEASE_EVENT_KIND_MAX;
}

static void tell(struct releases *releases, enum release_event_kind kind, uint32_t release,
                 unsigned held, uint64_t since_usec)
{
        char why[128];

        if (kind == RELEASE_EVENT_DRAINING)
                (void) snprintf(why, sizeof why,
                                "%u reference%s hold%s it %" PRIu64 " s after it served last", held,
                                held == 1 ? "" : "s", held == 1 ? "s" : "",
                                since_usec / USEC_PER_SEC);
        else
                (void) snprintf(why, sizeof why, "nobody holds it any more, %" PRIu64 " s after it "
                                                 "served last", since_usec / USEC_PER_SEC);
        releases_changed(releases);
        releases_tell(releases, kind, release, 0, RELEASE_STATE_INVALID, why);
}

bool drain_look(struct releases *releases)
{
        uint64_t now_usec = clock_monotonic_usec();
        enum release_event_kind kind;
        bool drains;

        do { /* one at a time: nothing is told under a lock */
                uint64_t since_usec = 0;
                uint32_t release = 0;
                unsigned held = 0;

                kind = RELEASE_EVENT_KIND_MAX;
                drains = false;
                (void) pthread_mutex_lock(&releases->lock);
                (void) pthread_mutex_lock(&releases->pin_lock);
                for (size_t i = 0; i < releases->n_alive && kind == RELEASE_EVENT_KIND_MAX; i++) {
                        struct snapshot *snapshot = releases->alive[i];

                        kind = judge(releases, snapshot, now_usec);
                        drains |= snapshot->left_usec > 0;
                        release = snapshot->release;
                        held = snapshot->held;
                        since_usec = snapshot->left_usec ? now_usec - snapshot->left_usec : 0;
                }
                (void) pthread_mutex_unlock(&releases->pin_lock);
                (void) pthread_mutex_unlock(&releases->lock);
                if (kind != RELEASE_EVENT_KIND_MAX)
                        tell(releases, kind, release, held, since_usec);
        } while (kind != RELEASE_EVENT_KIND_MAX);
        return drains;
}

void drain_end(struct releases *releases, const struct snapshot *snapshot)
{
        uint64_t now_usec = clock_monotonic_usec();

        if (snapshot->drain == DRAIN_TOLD)
                tell(releases, RELEASE_EVENT_DRAINED, snapshot->release, 0,
                     snapshot->left_usec ? now_usec - snapshot->left_usec : 0);
}

struct json_object *drain_json(struct releases *releases)
{
        struct json_object *rows = json_object_new_array();
        uint64_t now_usec = clock_monotonic_usec();

        (void) pthread_mutex_lock(&releases->lock);
        (void) pthread_mutex_lock(&releases->pin_lock);
        for (size_t i = 0; i < releases->n_alive; i++) {
                const struct snapshot *snapshot = releases->alive[i];
                struct json_object *row;

                if (snapshot->left_usec == 0 || snapshot->held == 0)
                        continue;
                row = json_object_new_object();
                json_add_u64(row, "release", snapshot->release);
                json_add_u64(row, "references", snapshot->held);
                json_add_u64(row, "seconds", now_usec > snapshot->left_usec
                                                     ? (now_usec - snapshot->left_usec) /
                                                               USEC_PER_SEC
                                                     : 0);
                json_add(rows, NULL, row);
        }
        (void) pthread_mutex_unlock(&releases->pin_lock);
        (void) pthread_mutex_unlock(&releases->lock);
        return rows;
}
