/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a deploy, in the order of their phases.  All on the engine's thread. */
#pragma once
#include "release/inside.h"

/* How a step ended: the operation goes on; it has ended; it is left to the next start. */
enum step {
        STEP_ON,
        STEP_ENDED,
        STEP_LEAVE,
};

enum step step_gate(struct releases *releases, struct operation *operation);
enum step step_canary(struct releases *releases, struct operation *operation);
enum step step_confirm(struct releases *releases, struct operation *operation);
enum step step_bake(struct releases *releases, struct operation *operation);

/* The end of a candidate that never served all: it is not followed any more.  STEP_ENDED. */
enum step step_give_up(struct releases *releases, struct operation *operation,
                       enum release_state state, const char *why);
enum step step_cancelled(struct releases *releases, struct operation *operation);
enum step step_failed(struct releases *releases, struct operation *operation,
                      const struct error *error);

/* What success is told as: RELEASE_OK, or RELEASE_RESTART_PENDING. */
int step_exit(const struct operation *operation);
