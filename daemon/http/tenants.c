/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants: made, shown, limited, suspended, deleted.  Operators see all, admins their own. */
#include "http/tenants.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "config/values.h"
#include "http/caller.h"
#include "http/routes.h"
#include "release/snapshot.h"
#include "tenant/lifecycle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define QUOTA_MAX 9007199254740992.0 /* whole numbers that JSON carries exactly */

void tenants_refuse(struct request *request, const struct error *error)
{
        if (error->code == -EPROTO)
                problem_set(request, PROBLEM_CONFLICT, "%s", error_text(error));
        else
                problem_set_error(request, error, PROBLEM_FROM_SERVICE);
}

int tenants_find(struct request *request, struct tenant_info *ret)
{
        struct store *store = request->door->services.store;
        const char *name = request->parameters[0];
        struct error error = { 0 };
        int r = caller_is_operator(request)
                        ? tenant_get_by_name(store, name, false, ret, &error)
                        : tenant_get(store, request->tenant, ret, &error);

        if (r >= 0 && strcmp(ret->name, name) == 0)
                return 0;
        if (r >= 0) {
                tenant_info_done(ret);
                *ret = (struct tenant_info){ 0 };
        }
        if (r < 0 && r != -ENOENT && r != -EINVAL) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return r;
        }
        problem_set(request, PROBLEM_NOT_FOUND, "no such tenant");
        return -ENOENT;
}

static struct json_object *describe(const struct tenant_info *info)
{
        struct json_object *json = json_object_new_object();
        char id[ID_TEXT_SIZE];

        json_add_string(json, "id", id_format(info->id.id, id));
        json_add_string(json, "name", info->name);
        json_add_string(json, "state", tenant_state_name(info->state));
        json_add_time(json, "created_at", info->created_usec);
        json_add_time(json, "state_since", info->state_usec);
        json_add_time(json, "used_at", info->used_usec);
        return json;
}

/* With its limits and what it has used of them. */
static void reply_tenant(struct request *request, int status, struct tenant_id tenant)
{
        const struct http_services *services = &request->door->services;
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct json_object *json, *limits = NULL;
        struct error error = { 0 };
        int r = tenant_get(services->store, tenant, &info, &error);

        if (r >= 0)
                r = tenant_describe_usage(services->tenants, tenant, &limits, &error);
        if (r < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        json = describe(&info);
        if (json)
                json_add(json, "limits", limits);
        else
                json_object_put(limits);
        request_reply_json(request, status, json);
}

/* ---- Looking --------------------------------------------------------------------------------- */

void tenants_list_page(struct request *request)
{
        struct tenant_info *infos = NULL;
        struct json_object *array;
        char after[STORE_NAME_MAX + 1];
        struct error error = { 0 };
        size_t limit, n = 0;

        if (request_page(request, &limit, after, sizeof after) < 0)
                return;
        if (tenant_list(request->door->services.store, false, after[0] ? after : NULL, limit + 1,
                        &infos, &n, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; array && i < n && i < limit; i++)
                json_add(array, NULL, describe(&infos[i]));
        request_reply_page(request, "tenants", array, n > limit ? infos[limit - 1].name : NULL);
        (void) tenant_infos_free(infos, n);
}

void tenants_get_one(struct request *request)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };

        if (tenants_find(request, &info) == 0)
                reply_tenant(request, 200, info.id);
}

/* ---- Coming and going ------------------------------------------------------------------------ */

void tenants_create(struct request *request)
{
        static const char *const members[] = { "name", NULL };
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        cleanup_json_ struct json_object *json = NULL;
        const char *name = NULL;
        struct error error = { 0 };

        if (request_json(request, &json) < 0)
                return;
        if (json_refuse_unknown(json, members, &error) < 0 ||
            json_get_string(json, "name", &name, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (!name) {
                (void) error_set(&error, -EINVAL, "\"name\" is missing");
                error_set_origin(&error, NULL, "name", 0, 0);
                problem_set_error(request, &error, PROBLEM_FROM_BODY);
                return;
        }
        if (!request_config(request)->multi_tenant) {
                problem_set(request, PROBLEM_CONFLICT,
                            "there is one tenant only: rag.multi_tenant is false");
                return;
        }
        if (lifecycle_create(request->door->services.lifecycle, name, &info, &error) < 0) {
                tenants_refuse(request, &error);
                return;
        }
        request_set_location(request, "/api/v1/tenants/%s", info.name);
        reply_tenant(request, 201, info.id);
}

static void move(struct request *request,
                 int (*change)(struct lifecycle *lifecycle, struct tenant_id tenant,
                               struct error *reterr))
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct error error = { 0 };

        if (tenants_find(request, &info) < 0)
                return;
        if (change(request->door->services.lifecycle, info.id, &error) < 0)
                tenants_refuse(request, &error);
        else
                reply_tenant(request, 200, info.id);
}

void tenants_suspend(struct request *request)
{
        move(request, lifecycle_suspend);
}

void tenants_resume(struct request *request)
{
        move(request, lifecycle_activate);
}

void tenants_delete(struct request *request)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        char confirm[STORE_NAME_MAX + 1];
        struct error error = { 0 };
        int r = request_query(request, "confirm", confirm, sizeof confirm);

        if (r < 0 || tenants_find(request, &info) < 0)
                return;
        if (r == 0 || strcmp(confirm, info.name) != 0) {
                problem_set(request, PROBLEM_BAD_REQUEST,
                            "to delete all that the tenant has, repeat its name: ?confirm=%s",
                            info.name);
                return;
        }
        if (lifecycle_delete(request->door->services.lifecycle, info.id, &error) < 0)
                tenants_refuse(request, &error);
        else
                request_reply_empty(request, 204);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static int refuse_limit(const char *name, const char *why, struct error *reterr)
{
        (void) error_set(reterr, -EINVAL, "\"%.64s\" %s", name, why);
        error_set_origin(reterr, NULL, name, 0, 0);
        return -EINVAL;
}

/* A whole number (money: dollars), "unlimited", or null for the profile's. */
static int read_limit(const char *name, struct json_object *value, struct tenant_quota *quota,
                      uint32_t *unset, struct error *reterr)
{
        enum tenant_limit limit = tenant_limit_from_name(name);
        bool money = limit == TENANT_MICROUSD_PER_DAY;
        double number;

        if (limit < 0)
                return refuse_limit(name, "is no limit", reterr);
        if (!value) {
                *unset |= 1U << limit;
                return 0;
        }
        quota->set |= 1U << limit;
        quota->limit[limit] = TENANT_UNLIMITED;
        if (json_object_is_type(value, json_type_string) &&
            strcmp(json_object_get_string(value), "unlimited") == 0)
                return 0;
        if (!json_object_is_type(value, json_type_int) &&
            !(money && json_object_is_type(value, json_type_double)))
                return refuse_limit(name, money ? "must be a number, \"unlimited\" or null"
                                                : "must be a whole number, \"unlimited\" or null",
                                    reterr);
        number = json_object_get_double(value) * (money ? 1e6 : 1);
        if (!(number >= 0 && number <= QUOTA_MAX))
                return refuse_limit(name, "is below 0 or too large", reterr);
        quota->limit[limit] = money ? (uint64_t) llround(number)
                                    : (uint64_t) json_object_get_int64(value);
        return 0;
}

void tenants_put_quota(struct request *request)
{
        const struct http_services *services = &request->door->services;
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        cleanup_json_ struct json_object *json = NULL;
        struct tenant_quota quota = { 0 };
        struct error error = { 0 };
        uint32_t unset = 0;

        if (request_json(request, &json) < 0)
                return;
        json_object_object_foreach(json, name, value)
        {
                if (read_limit(name, value, &quota, &unset, &error) < 0) {
                        problem_set_error(request, &error, PROBLEM_FROM_BODY);
                        return;
                }
        }
        if (tenants_find(request, &info) < 0)
                return;
        if (tenant_set_quota(services->store, info.id, &quota, unset, &error) < 0) {
                problem_set_error(request, &error, PROBLEM_FROM_SERVICE);
                return;
        }
        tenants_refresh(services->tenants, info.id);
        reply_tenant(request, 200, info.id);
}
