/* SPDX-License-Identifier: Apache-2.0 */
/* Commands by which tenants come, rest and go. */
#include "tenant/lifecycle.h"

#include "config/values.h"
#include "control/handlers.h"
#include "control/tenant.h"
#include "release/snapshot.h"

#include <string.h>

/* What a tenant's state forbids is the caller's mistake. */
static void fail(struct call *call, int code, const struct error *error)
{
        if (code == -EPROTO)
                call_fail_as(call, "Invalid", error, NULL);
        else
                call_fail(call, code, error);
}

static struct lifecycle *lifecycle_of(struct call *call, struct error *reterr)
{
        struct lifecycle *lifecycle = call_services(call)->lifecycle;

        if (!lifecycle)
                (void) error_set(reterr, -EOPNOTSUPP, "tenants cannot be changed here");
        return lifecycle;
}

/* As it is now; of one that is deleted too. */
static void reply_tenant(struct call *call, struct tenant_id tenant)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct error error = { 0 };
        int r = tenant_get(call_services(call)->store, tenant, &info, &error);

        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "tenant", tenant_json(call, &info));
}

/* ---- Coming --------------------------------------------------------------------------------- */

static int create(struct call *call, struct tenant_info *ret, struct error *reterr)
{
        struct lifecycle *lifecycle = lifecycle_of(call, reterr);
        struct limits_wanted wanted;
        int r;

        if (!lifecycle)
                return -EOPNOTSUPP;
        if (!call_release(call)->config->multi_tenant)
                return error_set(reterr, -EPERM,
                                 "rag.multi_tenant is false: everything belongs to the tenant"
                                 " default; set it to true and deploy, to have more");
        r = read_limits(call, "quota", &wanted, reterr);
        if (r >= 0)
                r = lifecycle_create(lifecycle, call_string(call, "name", ""), ret, reterr);
        if (r < 0 || (wanted.quota.set | wanted.unset) == 0)
                return r;
        r = set_limits(call, ret->id, &wanted, reterr);
        return r < 0 ? error_prefix(reterr, r, "%s is there, but without limits of its own",
                                    ret->name)
                     : 0;
}

void on_tenant_create(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct error error = { 0 };
        int r = create(call, &info, &error);

        if (r < 0)
                fail(call, r, &error);
        else
                reply_tenant(call, info.id);
}

/* ---- Resting -------------------------------------------------------------------------------- */

typedef int (*move_function)(struct lifecycle *lifecycle, struct tenant_id tenant,
                             struct error *reterr);

static void move(struct call *call, move_function function)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct error error = { 0 };
        struct lifecycle *lifecycle = lifecycle_of(call, &error);
        int r = lifecycle ? call_find_tenant(call, call_string(call, "name", ""), false, &info,
                                             &error)
                          : -EOPNOTSUPP;

        if (r >= 0)
                r = function(lifecycle, info.id, &error);
        if (r < 0)
                fail(call, r, &error);
        else
                reply_tenant(call, info.id);
}

void on_tenant_suspend(struct call *call)
{
        move(call, lifecycle_suspend);
}

void on_tenant_resume(struct call *call)
{
        move(call, lifecycle_activate);
}

void on_tenant_offload(struct call *call)
{
        move(call, lifecycle_offload);
}

/* ---- Going ---------------------------------------------------------------------------------- */

/* False: the call has failed. */
static bool is_confirmed(struct call *call, const char *parameter, const char *doing)
{
        const char *name = call_string(call, "name", "");
        struct error error = { 0 };

        if (strcmp(name, call_string(call, parameter, "")) == 0)
                return true;
        (void) error_set(&error, -EINVAL, "%s the tenant %.*s wants its name once more", doing,
                         STORE_NAME_MAX, name);
        error_set_origin(&error, NULL, parameter, 0, 0);
        call_fail(call, error.code, &error);
        return false;
}

void on_tenant_delete(struct call *call)
{
        if (is_confirmed(call, "yes_delete", "deleting"))
                move(call, lifecycle_delete);
}

/* The one that is there, or else the one that was: unless that is asked for. */
static int find_purged(struct call *call, struct tenant_info *ret, struct error *reterr)
{
        const char *name = call_string(call, "name", "");
        int r = call_bool(call, "deleted") ? -ENOENT
                                           : call_find_tenant(call, name, false, ret, NULL);

        if (r != -ENOENT)
                return r < 0 ? error_set_errno(reterr, r, "look for the tenant %.*s",
                                               STORE_NAME_MAX, name)
                             : 0;
        r = call_find_tenant(call, name, true, ret, reterr);
        if (r == -ENOENT && !call_bool(call, "deleted"))
                return error_set(reterr, r, "there is no tenant %.*s, and none of that name was"
                                            " deleted", STORE_NAME_MAX, name);
        return r;
}

void on_tenant_purge(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct json_object *receipt = NULL;
        struct error error = { 0 };
        struct lifecycle *lifecycle = lifecycle_of(call, &error);
        int r = -EOPNOTSUPP;

        if (!is_confirmed(call, "yes_purge", "purging"))
                return;
        if (lifecycle)
                r = find_purged(call, &info, &error);
        if (r >= 0)
                r = lifecycle_purge(lifecycle, info.id, &receipt, &error);
        if (r < 0)
                fail(call, r, &error);
        else
                reply_with(call, "receipt", receipt);
}
