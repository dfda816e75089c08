/* SPDX-License-Identifier: Apache-2.0 */
/* Commands about tenants that look, or set limits; how they come, go and rest is in
 * tenant_life.c. */
#include "config.h"

#include "tenant/tenants.h"

#include "base/clock.h"
#include "config/values.h"
#include "control/amounts.h"
#include "control/handlers.h"
#include "control/tenant.h"
#include "release/snapshot.h"
#include "store/keys.h"

#include <stdio.h>
#include <sys/stat.h>

#define LIST_MAX 1000
#define USEC_PER_DAY (UINT64_C(86400) * USEC_PER_SEC)

/* ---- As a reply ----------------------------------------------------------------------------- */

/* Where what it left lies, and until when it is kept there. */
static struct json_object *archive_json(struct call *call, const struct tenant_info *info)
{
        struct store *store = call_services(call)->store;
        struct json_object *object = json_object_new_object();
        cleanup_free_ char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s", store_path(store), info->archive) < 0)
                path = NULL;
        json_add_string(object, "path", path ? path : info->archive);
        if (fstatat(store_dirfd(store), info->archive, &st, 0) == 0)
                json_add_u64(object, "size_bytes", (uint64_t) st.st_size);
        if (info->state == TENANT_DELETED)
                json_add_time(object, "kept_until",
                              info->state_usec +
                                      USEC_PER_DAY * call_release(call)->config->security
                                                             .purge_deleted_after_days);
        return object;
}

struct json_object *tenant_json(struct call *call, const struct tenant_info *info)
{
        struct json_object *object = json_object_new_object();
        char id[ID_TEXT_SIZE];

        json_add_string(object, "id", id_format(info->id.id, id));
        json_add_string(object, "name", info->name);
        json_add_string(object, "state", tenant_state_name(info->state));
        json_add_time(object, "created_at", info->created_usec);
        json_add_time(object, "state_since", info->state_usec);
        if (info->used_usec > 0)
                json_add_time(object, "used_at", info->used_usec);
        if (info->archive)
                json_add(object, "archive", archive_json(call, info));
        return object;
}

/* ---- Looking -------------------------------------------------------------------------------- */

void on_tenant_list(struct call *call)
{
        struct tenant_info *infos = NULL;
        struct json_object *array;
        struct error error = { 0 };
        uint64_t limit;
        size_t n = 0;
        int r;

        if (!read_number(call, "limit", 1, LIST_MAX, LIST_MAX, &limit))
                return;
        r = tenant_list(call_services(call)->store, call_bool(call, "deleted"),
                        call_string(call, "after", NULL), limit, &infos, &n, &error);
        if (r < 0) {
                call_fail(call, r, &error);
                return;
        }
        array = json_object_new_array();
        for (size_t i = 0; i < n; i++)
                json_add(array, NULL, tenant_json(call, &infos[i]));
        (void) tenant_infos_free(infos, n);
        reply_with(call, "tenants", array);
}

/* How many keys there are, by what they are worth. */
static int add_keys(struct store *store, struct tenant_id tenant, struct json_object *object,
                    struct error *reterr)
{
        uint64_t now_usec = clock_wall_usec(), live = 0, expired = 0, revoked = 0;
        struct json_object *counts;
        struct key_info *infos = NULL;
        size_t n = 0;
        int r = key_list(store, tenant, &infos, &n, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (infos[i].revoked_usec > 0)
                        revoked++;
                else if (infos[i].expires_usec > 0 && infos[i].expires_usec <= now_usec)
                        expired++;
                else
                        live++;
        (void) key_infos_free(infos, n);
        counts = json_object_new_object();
        json_add_u64(counts, "live", live);
        json_add_u64(counts, "expired", expired);
        json_add_u64(counts, "revoked", revoked);
        json_add(object, "keys", counts);
        return 0;
}

static int add_limits(const struct control_services *services, const struct tenant_info *info,
                      struct json_object *object, struct error *reterr)
{
        struct json_object *limits = NULL;
        int r;

        if (!services->tenants || info->state == TENANT_DELETED)
                return 0;
        r = tenant_describe_usage(services->tenants, info->id, &limits, reterr);
        if (r == 0)
                json_add(object, "limits", limits);
        return r;
}

void on_tenant_show(struct call *call)
{
        const struct control_services *services = call_services(call);
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        cleanup_json_ struct json_object *object = NULL;
        struct error error = { 0 };
        int r = call_find_tenant(call, call_string(call, "name", ""), call_bool(call, "deleted"),
                                 &info, &error);

        if (r >= 0) {
                object = tenant_json(call, &info);
                r = add_limits(services, &info, object, &error);
        }
        if (r >= 0)
                r = add_keys(services->store, info.id, object, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "tenant", take_ptr(object));
}

/* ---- Limits --------------------------------------------------------------------------------- */

static void reply_limits(struct call *call, struct tenant_id tenant)
{
        struct tenants *tenants = call_services(call)->tenants;
        struct json_object *limits = NULL;
        struct error error = { 0 };
        int r = tenants ? tenant_describe_usage(tenants, tenant, &limits, &error)
                        : error_set(&error, -EOPNOTSUPP, "there are no limits here");

        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_with(call, "limits", limits);
}

void on_tenant_quota_show(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct error error = { 0 };
        int r = call_find_tenant(call, call_string(call, "name", ""), false, &info, &error);

        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_limits(call, info.id);
}

static int take_limit(void *data, const char *word, struct error *reterr)
{
        struct limits_wanted *wanted = data;

        return amount_read_limit(word, &wanted->quota, &wanted->unset, reterr);
}

int read_limits(struct call *call, const char *name, struct limits_wanted *ret,
                struct error *reterr)
{
        *ret = (struct limits_wanted){ 0 };
        return each_word(call, name, take_limit, ret, reterr);
}

int set_limits(struct call *call, struct tenant_id tenant, const struct limits_wanted *wanted,
               struct error *reterr)
{
        const struct control_services *services = call_services(call);
        int r = tenant_set_quota(services->store, tenant, &wanted->quota, wanted->unset, reterr);

        if (r == 0 && services->tenants)
                tenants_refresh(services->tenants, tenant);
        return r;
}

void on_tenant_quota_set(struct call *call)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct limits_wanted wanted;
        struct error error = { 0 };
        int r = read_limits(call, "limits", &wanted, &error);

        if (r >= 0)
                r = call_find_tenant(call, call_string(call, "name", ""), false, &info, &error);
        if (r >= 0)
                r = set_limits(call, info.id, &wanted, &error);
        if (r < 0)
                call_fail(call, r, &error);
        else
                reply_limits(call, info.id);
}
