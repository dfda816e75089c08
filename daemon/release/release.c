/* SPDX-License-Identifier: Apache-2.0 */
/* The engine itself: what serves, the thread, and what is buried. */
#include "release/inside.h"

#include "base/clock.h"
#include "gateway/gateway.h"
#include "store/store.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- What requests are answered by -------------------------------------------------------- */

struct snapshot *releases_serving(struct releases *releases)
{
        struct snapshot *snapshot;

        (void) pthread_mutex_lock(&releases->pin_lock);
        snapshot = snapshot_ref(releases->serving);
        (void) pthread_mutex_unlock(&releases->pin_lock);
        return snapshot;
}

struct release_pin releases_pin(struct releases *releases, const struct arm_key *key)
{
        struct release_pin pin = { .arm = RELEASE_ARM_REST };

        (void) pthread_mutex_lock(&releases->pin_lock);
        if (key && releases->canary)
                pin.arm = canary_arm(releases->canary->release, releases->percent, key);
        if (pin.arm != RELEASE_ARM_REST)
                pin.shadow_step = atomic_load(&releases->shadow_step);
        if (pin.shadow_step > 0 && pin.arm == RELEASE_ARM_CANARY) {
                pin.shadow = snapshot_ref(releases->canary);
                pin.arm = RELEASE_ARM_REST; /* of the base, which answers */
        }
        pin.snapshot = snapshot_ref(pin.arm == RELEASE_ARM_CANARY ? releases->canary
                                                                  : releases->serving);
        (void) pthread_mutex_unlock(&releases->pin_lock);
        return pin;
}

void releases_serve(struct releases *releases, struct snapshot *takes_next)
{
        struct snapshot *former;

        (void) pthread_mutex_lock(&releases->pin_lock);
        former = releases->serving;
        releases->serving = takes_next;
        former->left_usec = clock_monotonic_usec();
        takes_next->left_usec = 0;
        (void) pthread_mutex_unlock(&releases->pin_lock);
        snapshot_unref(former);
        releases_changed(releases);
}

void releases_set_canary(struct releases *releases, struct snapshot *candidate, uint32_t percent)
{
        struct snapshot *next = candidate ? snapshot_ref(candidate) : NULL;
        struct snapshot *former;

        (void) pthread_mutex_lock(&releases->pin_lock);
        former = releases->canary;
        if (former && former != next && former != releases->serving)
                former->left_usec = clock_monotonic_usec();
        if (next)
                next->left_usec = 0;
        releases->canary = next;
        releases->percent = percent;
        releases->shadow = (struct canary_shadow){ 0 };
        releases->steps++;
        atomic_store(&releases->shadow_step,
                     next && next->config->canary.shadow ? releases->steps : 0);
        (void) pthread_mutex_unlock(&releases->pin_lock);
        snapshot_unref(former);
}

bool releases_shadow_goes_on(const struct releases *releases, uint64_t step)
{
        return atomic_load(&releases->shadow_step) == step;
}

void releases_count_shadow(struct releases *releases, uint64_t step,
                           const struct canary_shadow *more)
{
        struct canary_shadow *shadow = &releases->shadow;

        (void) pthread_mutex_lock(&releases->pin_lock);
        if (atomic_load(&releases->shadow_step) == step) {
                shadow->replayed += more->replayed;
                shadow->refused += more->refused;
                shadow->dropped += more->dropped;
                shadow->expected += more->expected;
                shadow->found += more->found;
        }
        (void) pthread_mutex_unlock(&releases->pin_lock);
}

struct canary_shadow releases_get_shadow(struct releases *releases)
{
        struct canary_shadow shadow;

        (void) pthread_mutex_lock(&releases->pin_lock);
        shadow = releases->shadow;
        (void) pthread_mutex_unlock(&releases->pin_lock);
        return shadow;
}

/* ---- What is told ------------------------------------------------------------------------- */

void releases_changed(struct releases *releases)
{
        (void) atomic_fetch_add(&releases->change, 1);
}

uint64_t releases_change(struct releases *releases)
{
        return atomic_load(&releases->change);
}

void releases_tell(struct releases *releases, enum release_event_kind kind, uint32_t release,
                   uint32_t base, enum release_state state, const char *why)
{
        const struct release_event event = {
                .kind = kind, .release = release, .base = base, .state = state, .why = why,
        };

        if (releases->settings.news)
                releases->settings.news(releases->settings.data, &event);
}

void releases_degrade(struct releases *releases, const struct error *error, const char *what)
{
        char text[sizeof releases->degraded];
        uint32_t serving;

        (void) snprintf(text, sizeof text, "%s: %.180s", what, error_text(error));
        (void) pthread_mutex_lock(&releases->lock);
        if (!releases->degraded[0])
                memcpy(releases->degraded, text, sizeof text);
        (void) pthread_mutex_unlock(&releases->lock);
        (void) pthread_mutex_lock(&releases->pin_lock);
        serving = releases->serving->release;
        (void) pthread_mutex_unlock(&releases->pin_lock);
        releases_changed(releases);
        releases_tell(releases, RELEASE_EVENT_DEGRADED, serving, 0, RELEASE_STATE_INVALID, text);
}

/* ---- Snapshots that nobody holds any more ------------------------------------------------- */

void releases_bury(struct releases *releases, struct snapshot *snapshot)
{
        (void) pthread_mutex_lock(&releases->lock);
        snapshot->next = releases->buried;
        releases->buried = snapshot;
        (void) pthread_cond_broadcast(&releases->wake);
        (void) pthread_mutex_unlock(&releases->lock);
}

int releases_know(struct releases *releases, struct snapshot *snapshot, struct error *reterr)
{
        struct snapshot **alive;

        (void) pthread_mutex_lock(&releases->lock);
        alive = reallocarray(releases->alive, releases->n_alive + 1,
                             sizeof(struct snapshot *));
        if (alive) {
                releases->alive = alive;
                alive[releases->n_alive++] = snapshot;
        }
        (void) pthread_mutex_unlock(&releases->lock);
        return alive ? 0 : error_oom(reterr);
}

/* Under `lock`. */
static void forget(struct releases *releases, const struct snapshot *snapshot)
{
        for (size_t i = 0; i < releases->n_alive; i++)
                if (releases->alive[i] == snapshot) {
                        releases->alive[i] = releases->alive[--releases->n_alive];
                        return;
                }
}

void releases_free_buried(struct releases *releases)
{
        struct snapshot *buried;

        (void) pthread_mutex_lock(&releases->lock);
        buried = take_ptr(releases->buried);
        for (const struct snapshot *each = buried; each; each = each->next)
                forget(releases, each);
        (void) pthread_mutex_unlock(&releases->lock);
        while (buried) {
                struct snapshot *next = buried->next;

                drain_end(releases, buried);
                snapshot_free(buried);
                buried = next;
        }
}

/* ---- The thread --------------------------------------------------------------------------- */

/* Under `lock`. */
static bool has_work(const struct releases *releases)
{
        return releases->stopping || releases->buried ||
               (releases->operation && !releases->operation->finished);
}

/* Under `lock`, which is given up meanwhile: until there is work, or the next look is due. */
static void wait_for_work(struct releases *releases)
{
        bool drains;

        (void) pthread_mutex_unlock(&releases->lock);
        drains = drain_look(releases);
        (void) pthread_mutex_lock(&releases->lock);
        if (has_work(releases))
                return;
        if (drains) {
                uint64_t until = clock_monotonic_usec() + LOOK_USEC;
                const struct timespec when = {
                        .tv_sec = (time_t) (until / USEC_PER_SEC),
                        .tv_nsec = (long) (until % USEC_PER_SEC) * 1000,
                };

                (void) pthread_cond_timedwait(&releases->wake, &releases->lock, &when);
        } else {
                (void) pthread_cond_wait(&releases->wake, &releases->lock);
        }
}

static void *run(void *data)
{
        struct releases *releases = data;

        (void) pthread_mutex_lock(&releases->lock);
        while (!releases->stopping) {
                struct operation *operation = releases->operation;

                if (operation && !operation->finished) {
                        (void) pthread_mutex_unlock(&releases->lock);
                        operation_run(releases, operation);
                        (void) pthread_mutex_lock(&releases->lock);
                } else if (releases->buried) {
                        (void) pthread_mutex_unlock(&releases->lock);
                        releases_free_buried(releases);
                        (void) pthread_mutex_lock(&releases->lock);
                } else {
                        wait_for_work(releases);
                }
        }
        (void) pthread_mutex_unlock(&releases->lock);
        return NULL;
}

static int init_locks(struct releases *releases)
{
        pthread_condattr_t attributes;
        int r = pthread_condattr_init(&attributes);

        if (r == 0)
                r = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (r == 0)
                r = pthread_cond_init(&releases->wake, &attributes);
        (void) pthread_condattr_destroy(&attributes);
        if (r == 0)
                r = pthread_mutex_init(&releases->lock, NULL);
        if (r == 0)
                r = pthread_mutex_init(&releases->pin_lock, NULL);
        if (r == 0)
                r = pthread_mutex_init(&releases->override_lock, NULL);
        return -r;
}

int releases_new(const struct releases_settings *settings, struct snapshot *takes_running,
                 struct releases **ret, struct error *reterr)
{
        struct releases *releases = calloc(1, sizeof *releases);
        uint32_t active = 0;
        int r;

        if (!releases || init_locks(releases) < 0) {
                free(releases);
                snapshot_unref(takes_running);
                return error_oom(reterr);
        }
        releases->settings = *settings;
        releases->state_dirfd = store_dirfd(settings->store);
        releases->serving = takes_running;
        releases->active = active_read(releases->state_dirfd, &active, NULL) == 0;
        randombytes_buf(releases->plan_key, sizeof releases->plan_key);
        r = releases_know(releases, takes_running, reterr);
        if (r == 0)
                r = follow(releases, takes_running, NULL, reterr);
        if (r < 0) {
                *ret = releases; /* where what is buried goes */
                *ret = releases_free(releases);
                return r;
        }
        *ret = releases;
        return 0;
}

int releases_start(struct releases *releases, const struct release_room *rooms, size_t n_rooms,
                   struct error *reterr)
{
        int r;

        releases->rooms = rooms;
        releases->n_rooms = n_rooms;
        r = operation_resume(releases, reterr);
        if (r < 0)
                return r;
        r = -pthread_create(&releases->thread, NULL, run, releases);
        if (r < 0)
                return error_set_errno(reterr, r, "cannot start the release engine");
        (void) pthread_mutex_lock(&releases->lock);
        releases->started = true;
        (void) pthread_mutex_unlock(&releases->lock);
        return 0;
}

void releases_stop(struct releases *releases)
{
        bool started;

        if (!releases)
                return;
        (void) pthread_mutex_lock(&releases->lock);
        started = releases->started;
        releases->started = false;
        releases->stopping = true;
        (void) pthread_cond_broadcast(&releases->wake);
        (void) pthread_mutex_unlock(&releases->lock);
        if (started)
                (void) pthread_join(releases->thread, NULL);
        releases_set_canary(releases, NULL, 0);
}

void releases_close(struct releases *releases)
{
        if (!releases)
                return;
        /* None of them is freed meanwhile: that is the engine's thread's, which has ended. */
        for (size_t i = 0; i < releases->n_alive; i++)
                gateway_close(releases->alive[i]->gateway);
}

struct releases *releases_free(struct releases *releases)
{
        if (!releases)
                return NULL;
        releases_stop(releases);
        operation_free(releases->operation);
        snapshot_unref(take_ptr(releases->serving));
        releases_free_buried(releases);
        while (releases->plans) {
                struct plan *plan = releases->plans;

                releases->plans = plan->next;
                plan_free(plan);
        }
        (void) pthread_mutex_destroy(&releases->override_lock);
        (void) pthread_mutex_destroy(&releases->pin_lock);
        (void) pthread_mutex_destroy(&releases->lock);
        (void) pthread_cond_destroy(&releases->wake);
        free(releases->alive);
        free(releases);
        return NULL;
}

/* ---- One line ----------------------------------------------------------------------------- */

/* ", deploy of 43: building 61%"; empty where nothing goes on.  Under `lock`. */
static void write_goes_on(const struct operation *operation, char *ret, size_t size)
{
        const struct operation_record *record = &operation->record;
        char share[16] = "";

        if (operation->total > 0 && !operation->held)
                (void) snprintf(share, sizeof share, " %u%%",
                                (unsigned) (operation->done * 100 / operation->total));
        (void) snprintf(ret, size, ", %s of %u%s: %s%s", operation_kind_name(record->kind),
                        record->release, operation->held ? " is held" : "",
                        operation->held ? operation->why : operation->what, share);
}

void releases_line(struct releases *releases, char *ret, size_t size)
{
        struct snapshot *serving = releases_serving(releases);
        const char *stage = stage_name(serving->config->stage);
        const struct operation *operation;
        char goes_on[320] = "";

        (void) pthread_mutex_lock(&releases->lock);
        operation = releases->operation;
        if (operation && !operation->finished)
                write_goes_on(operation, goes_on, sizeof goes_on);
        if (releases->degraded[0])
                (void) snprintf(ret, size, "release %u %s, DEGRADED: %s", serving->release, stage,
                                releases->degraded);
        else
                (void) snprintf(ret, size, "release %u %s%s", serving->release, stage, goes_on);
        (void) pthread_mutex_unlock(&releases->lock);
        snapshot_unref(serving);
}
