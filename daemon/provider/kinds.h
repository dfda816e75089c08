/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds that embed, each in a file of its own; provider.c lists them.  Inside provider/. */
#pragma once
#include "provider/provider.h"

extern const struct provider_ops hashing_ops, client_ops, mock_ops;
