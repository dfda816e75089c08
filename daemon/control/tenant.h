/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about tenants share. */
#pragma once
#include "control/call.h"
#include "store/tenants.h"

#include <stdint.h>

struct limits_wanted {
        struct tenant_quota quota;
        uint32_t unset; /* bits of those that become the profile's again */
};
/* Of a parameter that is a list of limits; absent: none. */
int read_limits(struct call *call, const char *name, struct limits_wanted *ret,
                struct error *reterr);
int set_limits(struct call *call, struct tenant_id tenant, const struct limits_wanted *wanted,
               struct error *reterr);

/* A tenant as replies have it, without what only one that is shown has. */
struct json_object *tenant_json(struct call *call, const struct tenant_info *info);
