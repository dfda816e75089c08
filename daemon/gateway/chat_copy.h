/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a chat in one piece of memory of its own. */
#pragma once
#include "provider/provider.h"

/* free() it; NULL: no memory. */
struct chat_request *chat_request_copy(const struct chat_request *request);
