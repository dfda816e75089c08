/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings: answers of a provider appended to a file that the kind `recorded` plays. */
#pragma once
#include "provider/provider.h"

struct gateway;
struct lane;

/* On the provider thread: writes the answer down where this lane is being recorded. */
void record_answer(struct gateway *gateway, struct lane *lane, const struct call_request *request,
                   const struct call_result *result);
void record_close(struct gateway *gateway);
