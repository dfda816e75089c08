/* SPDX-License-Identifier: Apache-2.0 */
/* What the control door asks of the audit log and of tenants, noted; one tenant, "acme", in the
 * state that a test gives it. */
#pragma once
#include "audit/audit.h"
#include "store/tenants.h"

#include <stdatomic.h>

#define CONTROL_FAKES_ROOM 8

struct control_fakes {
        /* The lines, as "outcome action object tenant code listener request_id details". */
        char lines[CONTROL_FAKES_ROOM][1024];
        _Atomic size_t n_lines;
        size_t fail_at; /* the line from which on none can be written; from 1, 0: all can */
        uint32_t release; /* of the line written last */

        enum tenant_state state;
        bool absent;
        _Atomic int entered, left;
        int activated, looked_up;
        int code_of_enter;
};
extern struct control_fakes control_fakes;
void control_fakes_reset(void);

/* Stand-ins for objects that are never looked into. */
struct audit *control_fakes_audit(void *data);
struct tenants *control_fakes_tenants(void);
struct lifecycle *control_fakes_lifecycle(void);
