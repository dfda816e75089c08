/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/control_fakes.h"

#include "base/json.h"
#include "tenant/lifecycle.h"
#include "tenant/tenants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct control_fakes control_fakes;

struct audit {
        int nothing;
};
struct tenants {
        int nothing;
};
struct lifecycle {
        int nothing;
};
struct tenant_entry {
        int nothing;
};
static struct audit the_audit;
static struct tenants the_tenants;
static struct lifecycle the_lifecycle;
static struct tenant_entry the_entry;

void control_fakes_reset(void)
{
        memset(&control_fakes, 0, sizeof control_fakes);
}

struct audit *control_fakes_audit(void *data)
{
        (void) data;
        return &the_audit;
}

struct tenants *control_fakes_tenants(void)
{
        return &the_tenants;
}

struct lifecycle *control_fakes_lifecycle(void)
{
        return &the_lifecycle;
}

/* ---- The audit log -------------------------------------------------------------------------- */

int audit_write(struct audit *audit, const struct audit_event *event, struct error *reterr)
{
        static const char *const outcomes[] = { "ok", "begun", "denied", "failed" };
        size_t at = control_fakes.n_lines;

        (void) audit;
        if (control_fakes.fail_at > 0 && at + 1 >= control_fakes.fail_at)
                return error_set(reterr, -ENOSPC, "no space left for a line");
        control_fakes.release = event->release;
        (void) snprintf(control_fakes.lines[at % CONTROL_FAKES_ROOM],
                        sizeof control_fakes.lines[0], "%s %s %s %s %s %s %s %s",
                        outcomes[event->outcome], event->action,
                        event->object ? event->object : "-", event->tenant ? event->tenant : "-",
                        event->code ? event->code : "-", event->listener,
                        event->request_id ? event->request_id : "-",
                        event->details ? json_text(event->details, NULL) : "-");
        control_fakes.n_lines++;
        return 0;
}

/* ---- Tenants -------------------------------------------------------------------------------- */

static int look_up(struct tenant_info *ret, struct error *reterr)
{
        control_fakes.looked_up++;
        if (control_fakes.absent)
                return error_set(reterr, -ENOENT, "no row");
        *ret = (struct tenant_info){ .state = control_fakes.state };
        memset(ret->id.id.bytes, 0xac, sizeof ret->id.id.bytes);
        (void) strcpy(ret->name, "acme");
        return 0;
}

int tenant_get_by_name(struct store *store, const char *name, bool deleted,
                       struct tenant_info *ret, struct error *reterr)
{
        (void) store;
        (void) deleted;
        if (strcmp(name, "acme") != 0)
                return error_set(reterr, -ENOENT, "no row");
        return look_up(ret, reterr);
}

int tenant_get(struct store *store, struct tenant_id tenant, struct tenant_info *ret,
               struct error *reterr)
{
        (void) store;
        (void) tenant;
        return look_up(ret, reterr);
}

void tenant_info_done(struct tenant_info *info)
{
        free(info->archive);
}

int tenant_enter_quietly(struct tenants *tenants, struct tenant_id tenant,
                         struct tenant_entry **ret, struct error *reterr)
{
        (void) tenants;
        (void) tenant;
        if (control_fakes.code_of_enter < 0)
                return error_set(reterr, control_fakes.code_of_enter, "it cannot be entered");
        control_fakes.entered++;
        *ret = &the_entry;
        return 0;
}

struct tenant_entry *tenant_leave(struct tenant_entry *entry)
{
        if (entry)
                control_fakes.left++;
        return NULL;
}

int lifecycle_activate(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        (void) lifecycle;
        (void) tenant;
        (void) reterr;
        control_fakes.activated++;
        control_fakes.state = TENANT_ACTIVE;
        return 0;
}
