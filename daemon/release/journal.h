/* SPDX-License-Identifier: Apache-2.0 */
/* The few small files that decide what runs.
 *
 *     active         symbolic link to releases/000042: what the daemon runs at start
 *     boot_tries     how often a start may still try `active` before it goes back
 *     pending.json   the confirm journal: written and synced before the first side effect of a
 *                    switch; as long as it is there, a start goes back to its base
 *
 * Every change is one rename (or unlink) followed by an fsync of the state folder. */
#pragma once
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* -ENOENT: no release was ever made active; -EBADMSG: it is no link to a release. */
int active_read(int state_dirfd, uint32_t *ret_number, struct error *reterr);
/* Also sets boot_tries to BOOT_TRIES. */
int active_write(int state_dirfd, uint32_t number, struct error *reterr);
int active_remove(int state_dirfd, struct error *reterr); /* absent is success */

#define BOOT_TRIES 3
/* Missing or unreadable: BOOT_TRIES. */
uint32_t boot_tries_read(int state_dirfd);
int boot_tries_write(int state_dirfd, uint32_t tries, struct error *reterr);

#define PENDING_ID_SIZE 16

struct pending {
        char id[PENDING_ID_SIZE]; /* what `confirm` names: "c7" */
        uint32_t base;            /* what a start goes back to */
        bool base_was_active;     /* else there was no `active` before */
        uint32_t candidate;
        uint64_t deadline_usec;   /* wall; only for people: a restart reverts in any case */
};
int pending_write(int state_dirfd, const struct pending *pending, struct error *reterr);
/* -ENOENT; -EBADMSG: unreadable: `ret` holds what could be read of base and candidate (0: not). */
int pending_read(int state_dirfd, struct pending *ret, struct error *reterr);
/* Absent is success.  Confirmed, or disarmed: durable when it returns 0. */
int pending_remove(int state_dirfd, struct error *reterr);
