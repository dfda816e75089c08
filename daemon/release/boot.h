/* SPDX-License-Identifier: Apache-2.0 */
/* What a start runs, from the files alone; the table of crashes is here.
 *
 *     pending.json unreadable          refused; both releases are named
 *     pending.json, pointer old        journal removed, the base runs; candidate REVERTED
 *     pending.json, pointer new        pointer back to the base, journal removed; candidate
 *                                      REVERTED (crash)
 *     no pending.json, active          it runs; boot_tries is counted down and synced before it is
 *                                      loaded; at zero the newest other target runs in its place
 *     no active                        the profile on disk
 *     releases/NNNNNN.partial          removed
 *
 * Afterwards pointer, journal and states agree. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct boot {
        uint32_t release;  /* 0: the profile on disk decides */
        uint32_t reverted; /* 0: nothing; else this candidate was given up, see `why` */
        uint32_t given_up; /* 0: nothing; else this active release did not start BOOT_TRIES times */
        char why[256];     /* for the log; empty: an ordinary start */
};

/* Before the release is loaded.  -EBADMSG: the journal is unreadable, or `active` names a release
 * that is damaged and there is no other: the message says which files, and what to do. */
int boot_decide(int state_dirfd, struct boot *ret, struct error *reterr);
/* The daemon is up: boot_tries is full again. */
int boot_succeeded(int state_dirfd, struct error *reterr);
