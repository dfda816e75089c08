/* SPDX-License-Identifier: Apache-2.0 */
/* Each step leaves files from which the same decision follows again: a start that is killed in
 * between changes nothing of the outcome.  The journal goes last. */
#include "release/boot.h"

#include "base/cleanup.h"
#include "base/crash.h"
#include "base/io.h"
#include "release/journal.h"
#include "release/record.h"
#include "release/record_files.h"

#include <stdio.h>
#include <string.h>

/* What a start does not stop for: a state that cannot be told is set right by the next one. */
static int set_state(int state_dirfd, uint32_t number, enum release_state state, const char *why,
                     struct error *reterr)
{
        int r = release_set_state(state_dirfd, number, state, why, reterr);

        switch (r) {
        case -EPROTO:
        case -EBADMSG:
        case -ENOENT:
        case -ENOSPC:
        case -EDQUOT:
        case -EROFS:
                return 0;
        default:
                return r;
        }
}

/* ---- What crashes left ------------------------------------------------------------------- */

static void remove_leftovers(int state_dirfd)
{
        cleanup_free_ uint32_t *numbers = NULL;
        char path[RECORD_PATH_SIZE];
        size_t n = 0;

        if (record_numbers(state_dirfd, "releases", ".partial", &numbers, &n, NULL) == 0)
                for (size_t i = 0; i < n; i++) {
                        (void) snprintf(path, sizeof path, "releases/%06u.partial", numbers[i]);
                        (void) io_remove_tree(state_dirfd, path);
                }
        (void) io_remove_tree(state_dirfd, "incoming");
        crash_point("boot.cleaned");
}

/* ---- The journal ------------------------------------------------------------------------ */

static const char *number_text(uint32_t number, char text[static 24])
{
        if (number > 0)
                (void) snprintf(text, 24, "release %u", number);
        else
                (void) strcpy(text, "an unknown release");
        return text;
}

static int refuse(int state_dirfd, const struct pending *pending, struct error *reterr)
{
        char base[24], candidate[24], now[24];
        uint32_t active = 0;

        (void) active_read(state_dirfd, &active, NULL);
        return error_set(reterr, -EBADMSG,
                         "pending.json is unreadable: %s ran and %s was to follow, active names %s; "
                         "make active a link to the one that is to run, remove pending.json, and "
                         "start again",
                         number_text(pending->base, base), number_text(pending->candidate, candidate),
                         number_text(active, now));
}

/* Whether the pointer is where it was before the switch. */
static bool is_at_base(int state_dirfd, const struct pending *pending)
{
        uint32_t active = 0;
        int r = active_read(state_dirfd, &active, NULL);

        return pending->base_was_active ? r == 0 && active == pending->base : r == -ENOENT;
}

static int give_up_candidate(int state_dirfd, const struct pending *pending, const char *why,
                             struct error *reterr)
{
        struct release_info info = { 0 };
        bool done = release_read(state_dirfd, pending->candidate, &info, NULL) == 0 &&
                    info.state == RELEASE_REVERTED;

        release_info_done(&info);
        return done ? 0 : set_state(state_dirfd, pending->candidate, RELEASE_REVERTED, why, reterr);
}

static int settle_journal(int state_dirfd, struct boot *boot, struct error *reterr)
{
        struct pending pending = { 0 };
        bool at_base;
        int r = pending_read(state_dirfd, &pending, reterr);

        if (r == -ENOENT)
                return 0;
        if (r == -EBADMSG)
                return refuse(state_dirfd, &pending, reterr);
        if (r < 0)
                return r;

        at_base = is_at_base(state_dirfd, &pending);
        if (!at_base) {
                r = pending.base_was_active ? active_write(state_dirfd, pending.base, reterr)
                                            : active_remove(state_dirfd, reterr);
                if (r < 0)
                        return r;
                crash_point("boot.reverted");
        }
        r = give_up_candidate(state_dirfd, &pending,
                              at_base ? "crash: the switch had not been made"
                                      : "crash: it was not confirmed",
                              reterr);
        if (r == 0)
                r = pending_remove(state_dirfd, reterr);
        if (r < 0)
                return r;
        boot->reverted = pending.candidate;
        (void) snprintf(boot->why, sizeof boot->why,
                        "release %u was %s when the daemon ended: release %u runs again",
                        pending.candidate, at_base ? "being prepared" : "not confirmed",
                        pending.base);
        return 0;
}

/* ---- What `active` names ---------------------------------------------------------------- */

/* 1: it can run, 0: not, and `why` says why not. */
static int look_at(int state_dirfd, uint32_t number, char why[static ERROR_MESSAGE_MAX],
                   struct error *reterr)
{
        struct release_info info = { 0 };
        struct error error = { 0 };
        bool over;
        int r = release_verify(state_dirfd, number, &error);

        if (r == 0)
                r = release_read(state_dirfd, number, &info, &error);
        if (r < 0 && r != -EBADMSG && r != -ENOENT) {
                if (reterr)
                        *reterr = error;
                return r;
        }
        if (r < 0) {
                (void) snprintf(why, ERROR_MESSAGE_MAX, "%s", error_text(&error));
                return 0;
        }
        over = info.state == RELEASE_REJECTED || info.state == RELEASE_ABORTED ||
               info.state == RELEASE_REVERTED;
        if (over)
                (void) snprintf(why, ERROR_MESSAGE_MAX, "it is %s%s%s",
                                release_state_name(info.state), info.why ? ": " : "",
                                info.why ? info.why : "");
        release_info_done(&info);
        return !over;
}

/* The newest other one that was stable and is whole; 0: there is none. */
static int find_other(int state_dirfd, uint32_t number, uint32_t *ret, struct error *reterr)
{
        struct release_info *infos = NULL;
        size_t n = 0, damaged = 0;
        uint32_t other = 0;
        int r = release_list(state_dirfd, &infos, &n, &damaged, reterr);

        if (r < 0)
                return r;
        for (size_t i = n; i-- > 0 && other == 0;)
                if (infos[i].number != number && release_state_is_target(infos[i].state) &&
                    release_verify(state_dirfd, infos[i].number, NULL) == 0)
                        other = infos[i].number;
        (void) release_infos_free(infos, n);
        *ret = other;
        return 0;
}

/* Makes another one active in place of `number`. */
static int give_up(int state_dirfd, uint32_t number, uint32_t other, const char *why,
                   struct boot *boot, struct error *reterr)
{
        int r = set_state(state_dirfd, number, RELEASE_REVERTED, why, reterr);

        if (r == 0)
                r = active_write(state_dirfd, other, reterr);
        if (r < 0)
                return r;
        crash_point("boot.given_up");
        boot->given_up = number;
        boot->release = other;
        (void) snprintf(boot->why, sizeof boot->why, "release %u is given up (%.128s): release %u "
                                                     "runs in its place", number, why, other);
        return 0;
}

static int choose(int state_dirfd, struct boot *boot, struct error *reterr)
{
        char why[ERROR_MESSAGE_MAX] = "";
        uint32_t active = 0, other = 0;
        bool runs;
        int r = active_read(state_dirfd, &active, reterr);

        if (r == -ENOENT)
                return 0;
        if (r < 0 && r != -EBADMSG)
                return r;
        if (r == -EBADMSG)
                return error_prefix(reterr, r, "make active a link to the release that is to run");
        r = look_at(state_dirfd, active, why, reterr);
        if (r < 0)
                return r;
        runs = r > 0;
        boot->release = active;
        if (runs && boot_tries_read(state_dirfd) > 0)
                return 0;
        if (runs)
                (void) snprintf(why, sizeof why, "it did not start %d times", BOOT_TRIES);
        r = find_other(state_dirfd, active, &other, reterr);
        if (r < 0)
                return r;
        if (other > 0)
                return give_up(state_dirfd, active, other, why, boot, reterr);
        if (!runs)
                return error_set(reterr, -EBADMSG,
                                 "release %u cannot run (%.128s), and no other was stable: remove "
                                 "active to start with the profile on disk", active, why);
        (void) snprintf(boot->why, sizeof boot->why,
                        "release %u did not start %d times, and no other was stable", active,
                        BOOT_TRIES);
        return 0;
}

/* ---- States ------------------------------------------------------------------------------ */

/* The state of what runs: the switch was complete, or it is the one that runs again. */
static int settle_active(int state_dirfd, struct release_info *info, struct error *reterr)
{
        int r = 0;

        if (info->state == RELEASE_SUPERSEDED) {
                info->state = RELEASE_STABLE;
                return set_state(state_dirfd, info->number, RELEASE_STABLE, NULL, reterr);
        }
        if (info->state == RELEASE_PLANNED || info->state == RELEASE_BUILDING) {
                r = set_state(state_dirfd, info->number, RELEASE_READY, NULL, reterr);
                info->state = RELEASE_READY;
        }
        if (r == 0 && (info->state == RELEASE_READY || info->state == RELEASE_CANARY)) {
                r = set_state(state_dirfd, info->number, RELEASE_PROVISIONAL, NULL, reterr);
                info->state = RELEASE_PROVISIONAL;
        }
        return r;
}

static int settle_other(int state_dirfd, const struct release_info *info, bool stable_runs,
                        struct error *reterr)
{
        if (info->state == RELEASE_PROVISIONAL)
                return set_state(state_dirfd, info->number, RELEASE_REVERTED,
                                 "crash: another release runs", reterr);
        if (info->state == RELEASE_STABLE && stable_runs)
                return set_state(state_dirfd, info->number, RELEASE_SUPERSEDED, NULL, reterr);
        return 0;
}

static int settle_states(int state_dirfd, uint32_t running, struct error *reterr)
{
        struct release_info *infos = NULL;
        bool stable_runs = false;
        size_t n = 0, damaged = 0;
        int r = release_list(state_dirfd, &infos, &n, &damaged, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; r == 0 && i < n; i++)
                if (infos[i].number == running) {
                        r = settle_active(state_dirfd, &infos[i], reterr);
                        stable_runs = infos[i].state == RELEASE_STABLE;
                }
        for (size_t i = 0; r == 0 && i < n; i++)
                if (infos[i].number != running)
                        r = settle_other(state_dirfd, &infos[i], stable_runs, reterr);
        (void) release_infos_free(infos, n);
        return r;
}

/* ---- The start --------------------------------------------------------------------------- */

/* A full disk is no reason not to start. */
static int count_down(int state_dirfd, struct error *reterr)
{
        uint32_t tries = boot_tries_read(state_dirfd);
        int r = tries > 0 ? boot_tries_write(state_dirfd, tries - 1, reterr) : 0;

        return r == -ENOSPC || r == -EDQUOT || r == -EROFS ? 0 : r;
}

int boot_decide(int state_dirfd, struct boot *ret, struct error *reterr)
{
        struct boot boot = { 0 };
        int r;

        remove_leftovers(state_dirfd);
        r = settle_journal(state_dirfd, &boot, reterr);
        if (r == 0)
                r = choose(state_dirfd, &boot, reterr);
        if (r == 0)
                r = settle_states(state_dirfd, boot.release, reterr);
        if (r == 0 && boot.release > 0)
                r = count_down(state_dirfd, reterr);
        if (r < 0)
                return r;
        *ret = boot;
        return 0;
}

int boot_succeeded(int state_dirfd, struct error *reterr)
{
        uint32_t active = 0;
        int r = active_read(state_dirfd, &active, reterr);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        return boot_tries_read(state_dirfd) == BOOT_TRIES
                       ? 0
                       : boot_tries_write(state_dirfd, BOOT_TRIES, reterr);
}
