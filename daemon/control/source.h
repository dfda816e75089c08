/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters that commands about releases share: a profile as the client sent it, who asks and
 * why; and their failures. */
#pragma once
#include "control/call.h"
#include "release/release.h"

/* Texts are borrowed from the call's parameters. */
struct source {
        struct release_profile profile;
        struct release_source extends;
};
/* NULL: none was sent, the daemon's own file is meant. */
const struct release_profile *source_read(struct call *call, struct source *source);

/* request_id, reason, and the caller; texts are borrowed from the call's parameters. */
void read_request(struct call *call, struct release_request *ret);

/* InvalidConfig, with what is wrong with the profile. */
void fail_invalid(struct call *call, const struct config_diagnostics *diagnostics,
                  const struct error *error);
