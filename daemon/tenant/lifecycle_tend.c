/* SPDX-License-Identifier: Apache-2.0 */
/* What happens by itself: tenants that are wanted come back, idle ones go, deleted ones are purged
 * when their time is over.
 *
 * One that could not be brought back is not tried again before a wait that doubles from ten
 * seconds to an hour, however often it is asked for. */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "tenant/tenants.h"

#include <string.h>

#define HOUR_USEC (3600 * USEC_PER_SEC)
#define PAUSE_FIRST_USEC (10 * USEC_PER_SEC)
#define PAUSE_LONGEST_USEC HOUR_USEC
#define IDLE_WAIT_USEC USEC_PER_SEC /* for work that is under way in one that is idle */
#define PAGE 64

/* ---- Wanted ------------------------------------------------------------------------------- */

/* Under the lock; NULL: no memory. */
static struct lifecycle_wanted *find_or_add(struct lifecycle *lifecycle, struct tenant_id tenant)
{
        for (size_t i = 0; i < lifecycle->n_wanted; i++)
                if (id_equal(lifecycle->wanted[i].tenant.id, tenant.id))
                        return &lifecycle->wanted[i];
        if (lifecycle->n_wanted == lifecycle->room) {
                size_t room = lifecycle->room ? 2 * lifecycle->room : 16;
                struct lifecycle_wanted *more =
                        reallocarray(lifecycle->wanted, room, sizeof *more);

                if (!more)
                        return NULL;
                lifecycle->wanted = more;
                lifecycle->room = room;
        }
        lifecycle->wanted[lifecycle->n_wanted] = (struct lifecycle_wanted){ .tenant = tenant };
        return &lifecycle->wanted[lifecycle->n_wanted++];
}

/* Whoever waits asks again, so one that was not noted is noted then. */
static void on_wanted(void *data, struct tenant_id tenant)
{
        struct lifecycle *lifecycle = data;
        struct lifecycle_wanted *wanted;
        bool news = false;

        (void) pthread_mutex_lock(&lifecycle->lock);
        wanted = find_or_add(lifecycle, tenant);
        if (wanted && !wanted->wanted && wanted->until_usec <= clock_monotonic_usec())
                news = wanted->wanted = true;
        (void) pthread_mutex_unlock(&lifecycle->lock);
        if (news && lifecycle->settings.wanted)
                lifecycle->settings.wanted(lifecycle->settings.data);
}

void lifecycle_listen(struct lifecycle *lifecycle)
{
        tenants_on_wanted(lifecycle->settings.tenants, on_wanted, lifecycle);
}

static bool take_wanted(struct lifecycle *lifecycle, struct tenant_id *ret)
{
        bool found = false;

        (void) pthread_mutex_lock(&lifecycle->lock);
        for (size_t i = 0; !found && i < lifecycle->n_wanted; i++) {
                found = lifecycle->wanted[i].wanted;
                lifecycle->wanted[i].wanted = false;
                *ret = lifecycle->wanted[i].tenant;
        }
        (void) pthread_mutex_unlock(&lifecycle->lock);
        return found;
}

/* It is back and forgotten, or waits. */
static void note_outcome(struct lifecycle *lifecycle, struct tenant_id tenant, bool failed)
{
        (void) pthread_mutex_lock(&lifecycle->lock);
        for (size_t i = 0; i < lifecycle->n_wanted; i++) {
                struct lifecycle_wanted *at = &lifecycle->wanted[i];

                if (!id_equal(at->tenant.id, tenant.id))
                        continue;
                if (!failed) {
                        *at = lifecycle->wanted[--lifecycle->n_wanted];
                        break;
                }
                at->wanted = false;
                at->pause_usec = at->pause_usec == 0 ? PAUSE_FIRST_USEC : 2 * at->pause_usec;
                if (at->pause_usec > PAUSE_LONGEST_USEC)
                        at->pause_usec = PAUSE_LONGEST_USEC;
                at->until_usec = clock_monotonic_usec() + at->pause_usec;
                break;
        }
        (void) pthread_mutex_unlock(&lifecycle->lock);
}

static int wake_one(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct lifecycle_turn turn;
        struct error why = { 0 };
        int r;

        lifecycle_begin(lifecycle, &turn, tenant);
        r = tenant_get(lifecycle->settings.store, tenant, &info, &why);
        if (r == -ENOENT) /* purged meanwhile */
                r = 0;
        else if (r == 0 && info.state == TENANT_OFFLOADED) {
                r = lifecycle_bring_back(lifecycle, &info, TENANT_ACTIVE, &why);
                lifecycle_tell(lifecycle, &info, "woken", r < 0 ? &why : NULL);
        }
        lifecycle_end(lifecycle, &turn);
        note_outcome(lifecycle, tenant, r < 0);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

int lifecycle_wake(struct lifecycle *lifecycle, struct error *reterr)
{
        struct tenant_id tenant;
        int result = 0;

        while (take_wanted(lifecycle, &tenant)) {
                int r = wake_one(lifecycle, tenant, result == 0 ? reterr : NULL);

                if (result == 0)
                        result = r;
        }
        return result;
}

/* ---- Idle ones ---------------------------------------------------------------------------- */

/* 1: it is offloaded. */
static int offload_one(struct lifecycle *lifecycle, struct tenant_id tenant, uint64_t before_usec,
                       struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct lifecycle_turn turn;
        struct error why = { 0 };
        bool idle = false;
        int r;

        lifecycle_begin(lifecycle, &turn, tenant);
        r = tenant_get(lifecycle->settings.store, tenant, &info, &why);
        if (r == 0)
                idle = info.state == TENANT_ACTIVE && info.used_usec < before_usec &&
                       info.state_usec < before_usec;
        if (idle) {
                r = lifecycle_offload_now(lifecycle, &info, IDLE_WAIT_USEC, &why);
                if (r != -EBUSY) /* it is not idle, then */
                        lifecycle_tell(lifecycle, &info, "offloaded", r < 0 ? &why : NULL);
        }
        lifecycle_end(lifecycle, &turn);
        if (r == -EBUSY || r == -ENOENT)
                return 0;
        if (r < 0 && reterr)
                *reterr = why;
        return r < 0 ? r : idle;
}

/* Rows are written first, for they say who is idle.  Those that fail stay in the list: it is over
 * when a page of it brought nothing. */
static int offload_idle(struct lifecycle *lifecycle, uint64_t before_usec, struct error *reterr)
{
        int result = tenants_flush(lifecycle->settings.tenants, reterr), progress = 1;

        while (result == 0 && progress > 0) {
                struct tenant_info *infos = NULL;
                size_t n = 0;

                progress = 0;
                result = tenant_list_idle(lifecycle->settings.store, before_usec, PAGE, &infos, &n,
                                          reterr);
                for (size_t i = 0; i < n; i++) {
                        int r = offload_one(lifecycle, infos[i].id, before_usec,
                                            result == 0 ? reterr : NULL);

                        if (r > 0)
                                progress++;
                        else if (r < 0 && result == 0)
                                result = r;
                }
                (void) tenant_infos_free(infos, n);
        }
        return result;
}

/* ---- Deleted ones ------------------------------------------------------------------------- */

static int purge_one(struct lifecycle *lifecycle, const struct tenant_info *info,
                     struct error *reterr)
{
        cleanup_json_ struct json_object *receipt = NULL;
        struct error why = { 0 };
        int r = lifecycle_purge(lifecycle, info->id, &receipt, &why);

        if (r == -ENOENT) /* somebody did it meanwhile */
                return 0;
        lifecycle_tell(lifecycle, info, "purged", r < 0 ? &why : NULL);
        if (r < 0 && reterr)
                *reterr = why;
        return r;
}

static int purge_old(struct lifecycle *lifecycle, uint64_t before_usec, struct error *reterr)
{
        char after[STORE_NAME_MAX + 1 + ID_TEXT_SIZE] = "", id[ID_TEXT_SIZE];
        int result = 0;

        for (;;) {
                struct tenant_info *infos = NULL;
                struct error why = { 0 };
                size_t n = 0;
                int r = tenant_list(lifecycle->settings.store, true, after, PAGE, &infos, &n,
                                    &why);

                for (size_t i = 0; i < n; i++) {
                        if (infos[i].state_usec < before_usec) {
                                int one = purge_one(lifecycle, &infos[i],
                                                    result == 0 ? reterr : NULL);

                                result = result == 0 ? one : result;
                        }
                        (void) snprintf(after, sizeof after, "%s.%s", infos[i].name,
                                        id_format(infos[i].id.id, id));
                }
                (void) tenant_infos_free(infos, n);
                if (r < 0 && result == 0) {
                        result = r;
                        if (reterr)
                                *reterr = why;
                }
                if (r < 0 || n == 0)
                        return result;
        }
}

int lifecycle_tend(struct lifecycle *lifecycle, uint64_t now_wall_usec, struct error *reterr)
{
        uint64_t ttl = atomic_load(&lifecycle->ttl_hours) * HOUR_USEC;
        uint64_t kept = atomic_load(&lifecycle->purge_days) * 24 * HOUR_USEC;
        struct error why = { 0 };
        int result = lifecycle_finish_erasures(lifecycle, reterr), r = 0;

        if (result == 0)
                result = lifecycle_finish_purges(lifecycle, reterr);
        if (atomic_load(&lifecycle->auto_cleanup) && ttl > 0 && now_wall_usec > ttl)
                r = offload_idle(lifecycle, now_wall_usec - ttl, &why);
        if (r == 0 && kept > 0 && now_wall_usec > kept)
                r = purge_old(lifecycle, now_wall_usec - kept, &why);
        if (result < 0 || r >= 0)
                return result;
        if (reterr)
                *reterr = why;
        return r;
}
