/* SPDX-License-Identifier: Apache-2.0 */
#include "http/limits.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

bool limits_format(const struct tenant_verdict *verdict, char policies[static LIMITS_TEXT_SIZE],
                   char states[static LIMITS_TEXT_SIZE])
{
        size_t policies_len = 0, states_len = 0;

        for (int i = 0; i < TENANT_POLICY_MAX; i++) {
                const char *name = tenant_policy_name((enum tenant_policy) i);
                uint64_t seconds;

                if (!verdict->policies[i].held)
                        continue;
                seconds = verdict->policies[i].reset_usec / USEC_PER_SEC +
                          (verdict->policies[i].reset_usec % USEC_PER_SEC > 0);
                policies_len += (size_t) snprintf(
                        policies + policies_len, LIMITS_TEXT_SIZE - policies_len,
                        "%s\"%s\";q=%" PRIu64 ";w=%" PRIu32, policies_len ? ", " : "", name,
                        verdict->policies[i].quota, verdict->policies[i].window_sec);
                states_len += (size_t) snprintf(
                        states + states_len, LIMITS_TEXT_SIZE - states_len,
                        "%s\"%s\";r=%" PRIu64 ";t=%" PRIu64, states_len ? ", " : "", name,
                        verdict->policies[i].left, seconds);
        }
        return policies_len > 0;
}
