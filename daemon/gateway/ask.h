/* SPDX-License-Identifier: Apache-2.0 */
/* One call whose end a thread waits for. */
#pragma once
#include "gateway/call.h"

struct ask_end {
        struct call_result result; /* taken; call_result_done() */
        struct gateway_attempt attempt;
        const struct lane *lane; /* who answered */
};

/* Runs the call on the provider thread and waits.  `check` as in call_events, with `data`. */
int ask_and_wait(struct gateway *gateway, const struct call_settings *settings,
                 int (*check)(void *data, const struct lane *lane, struct call_result *result,
                              struct error *reterr),
                 void *data, struct ask_end *ret, struct error *reterr);
