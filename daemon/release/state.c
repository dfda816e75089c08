/* SPDX-License-Identifier: Apache-2.0 */
#include "release/state.h"

#include "base/enum.h"

static const char *const release_state_names[RELEASE_STATE_MAX] = {
        [RELEASE_PLANNED] = "planned",
        [RELEASE_BUILDING] = "building",
        [RELEASE_READY] = "ready",
        [RELEASE_CANARY] = "canary",
        [RELEASE_PROVISIONAL] = "provisional",
        [RELEASE_STABLE] = "stable",
        [RELEASE_SUPERSEDED] = "superseded",
        [RELEASE_REJECTED] = "rejected",
        [RELEASE_ABORTED] = "aborted",
        [RELEASE_REVERTED] = "reverted",
        [RELEASE_PRUNED] = "pruned",
};
DEFINE_ENUM_NAMES(release_state, enum release_state)

#define TO(state) (1U << (unsigned) RELEASE_##state)

/* What each state may become.  A release whose generations are all there is READY at once; one
 * without canary, window and bake goes the short ways from READY; a crash reverts from any state
 * in which the journal may already name the release. */
static const unsigned moves[RELEASE_STATE_MAX] = {
        [RELEASE_PLANNED] = TO(BUILDING) | TO(READY) | TO(REJECTED) | TO(ABORTED) | TO(REVERTED),
        [RELEASE_BUILDING] = TO(READY) | TO(REJECTED) | TO(ABORTED) | TO(REVERTED),
        [RELEASE_READY] = TO(CANARY) | TO(PROVISIONAL) | TO(STABLE) | TO(ABORTED) | TO(REVERTED),
        [RELEASE_CANARY] = TO(PROVISIONAL) | TO(STABLE) | TO(ABORTED) | TO(REVERTED),
        [RELEASE_PROVISIONAL] = TO(STABLE) | TO(REVERTED),
        [RELEASE_STABLE] = TO(SUPERSEDED) | TO(REVERTED),
        [RELEASE_SUPERSEDED] = TO(STABLE) | TO(REVERTED) | TO(PRUNED),
        [RELEASE_REJECTED] = TO(PRUNED),
        [RELEASE_ABORTED] = TO(PRUNED),
        [RELEASE_REVERTED] = TO(PRUNED),
};

static bool is_state(enum release_state state)
{
        return (int) state >= 0 && state < RELEASE_STATE_MAX;
}

bool release_state_may_become(enum release_state from, enum release_state to)
{
        if (!is_state(from) || !is_state(to))
                return false;
        return from == to || (moves[from] & (1U << (unsigned) to)) != 0;
}

bool release_state_is_target(enum release_state state)
{
        return state == RELEASE_STABLE || state == RELEASE_SUPERSEDED;
}
