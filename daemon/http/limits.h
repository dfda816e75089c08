/* SPDX-License-Identifier: Apache-2.0 */
/* The fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10): every policy
 * that a request was counted against.
 *
 *     RateLimit-Policy: "tenant";q=100;w=60, "user";q=100;w=60
 *     RateLimit: "tenant";r=42;t=17, "user";r=99;t=1                                          */
#pragma once
#include "tenant/tenants.h"

#include <stdbool.h>
#include <stddef.h>

#define LIMITS_TEXT_SIZE 512

/* False: none was held, there are no such fields.  `t` is rounded up to whole seconds. */
bool limits_format(const struct tenant_verdict *verdict, char policies[static LIMITS_TEXT_SIZE],
                   char states[static LIMITS_TEXT_SIZE]);
