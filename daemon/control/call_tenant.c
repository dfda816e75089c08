/* SPDX-License-Identifier: Apache-2.0 */
/* Whose data a call works on.  One place turns the name that a client gave into the id that
 * everything below works with, and lets no call near a tenant's data that must not be there. */
#include "tenant/lifecycle.h"

#include "config/values.h"
#include "control/call_inside.h"
#include "control/connection.h"
#include "release/snapshot.h"
#include "store/store.h"
#include "store/tenants.h"
#include "tenant/tenants.h"

#include <string.h>
#include <time.h>

#define TRIES 50 /* while it is being moved, a tenth of a second apart */
#define DEFAULT_TENANT "default"

int call_find_tenant(struct call *call, const char *name, bool deleted, struct tenant_info *ret,
                     struct error *reterr)
{
        int r = tenant_get_by_name(call_services(call)->store, name, deleted, ret, reterr);

        if (r == -ENOENT)
                return error_set(reterr, r, "there is no %stenant %.*s",
                                 deleted ? "deleted " : "", STORE_NAME_MAX, name);
        return r;
}

/* Its id and its state; the default one needs no look. */
static int look_up(struct call *call, const char *name, struct tenant_info *ret,
                   struct error *reterr)
{
        const struct control_services *services = call->control->services;

        if (call->tenant_known && id_equal(call->tenant.id, services->tenant.id)) {
                ret->id = services->tenant;
                return 0;
        }
        if (call->tenant_known)
                return tenant_get(services->store, call->tenant, ret, reterr);
        if (!name || strcmp(name, DEFAULT_TENANT) == 0) {
                ret->id = services->tenant;
                return 0;
        }
        if (!call_release(call)->config->multi_tenant)
                return error_set(reterr, -EPERM,
                                 "rag.multi_tenant is false: there is the tenant default alone");
        return call_find_tenant(call, name, false, ret, reterr);
}

static int refuse_suspended(struct call *call, const struct tenant_info *info,
                            struct error *reterr)
{
        if (call->command->effect == COMMAND_READ)
                return 0;
        return error_set(reterr, -EPERM,
                         "the tenant %s is suspended; ragctl tenant resume %s lets it go on",
                         info->name, info->name);
}

/* 1: it was brought back, look again. */
static int admit(struct call *call, const struct tenant_info *info, struct error *reterr)
{
        const struct control_services *services = call->control->services;
        int r;

        switch (info->state) {
        case TENANT_SUSPENDED:
                return refuse_suspended(call, info, reterr);
        case TENANT_OFFLOADED:
                if (!services->lifecycle)
                        return error_set(reterr, -EAGAIN, "the tenant %s is offloaded", info->name);
                r = lifecycle_activate(services->lifecycle, info->id, reterr);
                /* -EPROTO: somebody else has done so, or has deleted it. */
                return r < 0 && r != -EPROTO ? r : 1;
        case TENANT_DELETED:
                return error_set(reterr, -ENOENT, "there is no tenant %s", info->name);
        default:
                break;
        }
        if (!services->tenants)
                return 0;
        r = tenant_enter_quietly(services->tenants, info->id, &call->entry, reterr);
        return r == -EAGAIN ? 1 : r;
}

int call_tenant(struct call *call, struct tenant_id *ret, struct error *reterr)
{
        static const struct timespec pause = { .tv_nsec = 100L * 1000 * 1000 };
        const char *name = call_string(call, "tenant", NULL);
        struct error error = { 0 };
        int r = 1;

        for (int i = 0; !call->entry && r == 1 && i < TRIES; i++) {
                cleanup_(tenant_info_done) struct tenant_info info = { 0 };

                if (i > 1)
                        (void) nanosleep(&pause, NULL);
                r = look_up(call, name, &info, &error);
                if (r == 0) {
                        call->tenant = info.id;
                        call->tenant_known = true;
                        r = admit(call, &info, &error);
                }
        }
        if (r == 1 && !call->entry)
                r = error_set(&error, -EAGAIN, "the tenant %.*s comes and goes: try again",
                              STORE_NAME_MAX, name ? name : DEFAULT_TENANT);
        if (r < 0) {
                error_set_origin(&error, NULL, "tenant", 0, 0);
                if (reterr)
                        *reterr = error;
                return r;
        }
        *ret = call->tenant;
        return 0;
}

void call_leave_tenant(struct call *call)
{
        if (call->entry)
                call->entry = tenant_leave(call->entry);
}
