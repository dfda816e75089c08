/* SPDX-License-Identifier: Apache-2.0 */
/* What a release may be, and what it may become.
 *
 *     DRAFT → VALIDATED → PLANNED → BUILDING → READY → CANARY → PROVISIONAL → STABLE → SUPERSEDED
 *                                                                                     → PRUNED
 *     REJECTED (before READY)   ABORTED (canary, or cancelled before it served all)
 *     REVERTED (it served: timeout, breach, cancel, crash, rollback)
 *
 * Only what is on disk has a state here: a release is written when it is PLANNED. */
#pragma once
#include <errno.h>
#include <stdbool.h>

enum release_state {
        RELEASE_PLANNED,     /* its folder is whole; nothing was built */
        RELEASE_BUILDING,    /* its generations are built beside those that serve */
        RELEASE_READY,       /* built, and the gates passed; no traffic yet */
        RELEASE_CANARY,      /* a share of the traffic */
        RELEASE_PROVISIONAL, /* all traffic; the confirm window or the bake is open */
        RELEASE_STABLE,      /* all traffic; may be rolled back to */
        RELEASE_SUPERSEDED,  /* was STABLE, another one serves; may be rolled back to */
        RELEASE_REJECTED,
        RELEASE_ABORTED,
        RELEASE_REVERTED,
        RELEASE_PRUNED, /* its folder is gone but for its state and meta */
        RELEASE_STATE_MAX,
        RELEASE_STATE_INVALID = -EINVAL,
};
const char *release_state_name(enum release_state state); /* "stable" */
enum release_state release_state_from_name(const char *name);

/* One table of allowed moves; a state may always be set again to itself. */
bool release_state_may_become(enum release_state from, enum release_state to);
/* STABLE or SUPERSEDED. */
bool release_state_is_target(enum release_state state);
