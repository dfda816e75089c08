/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings: answers of a provider appended to a file that the kind `recorded` plays. */
#pragma once
#include "provider/provider.h"

struct lane;

/* On the provider thread: writes the answer down where the provider is being recorded, by this
 * release or another. */
void record_answer(const struct lane *lane, const struct call_request *request,
                   const struct call_result *result);
