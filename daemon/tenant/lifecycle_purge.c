/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a tenant that was deleted.
 *
 * receipts/<id>.pending holds the receipt as far as it is known, and is durable before anything
 * goes; whoever finds it goes on from there.  Each step can be done twice. */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "base/json.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define PENDING ".pending"
#define RECEIPT_BYTES_MAX (16U << 20U)

static void pending_path(struct tenant_id tenant, char path[static LIFECYCLE_PATH_SIZE])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(path, LIFECYCLE_PATH_SIZE, "receipts/%s" PENDING,
                        id_format(tenant.id, id));
}

static int write_pending(struct lifecycle *lifecycle, struct tenant_id tenant,
                         struct json_object *receipt, struct error *reterr)
{
        char path[LIFECYCLE_PATH_SIZE];
        const char *text;
        size_t len;
        int r = lifecycle_make_folder(lifecycle, "receipts", reterr);

        if (r < 0)
                return r;
        pending_path(tenant, path);
        text = json_text(receipt, &len);
        return text ? io_replace_file(store_dirfd(lifecycle->settings.store), path, text, len,
                                      0600, reterr)
                    : error_oom(reterr);
}

static int remove_archive(struct lifecycle *lifecycle, struct json_object *receipt,
                          struct error *reterr)
{
        int dirfd = store_dirfd(lifecycle->settings.store), r = 0;
        struct json_object *removed = NULL, *first;
        const char *path = NULL;

        if (json_get_array(receipt, "removed", &removed, NULL) > 0 &&
            (first = json_object_array_get_idx(removed, 0)))
                (void) json_get_string(first, "path", &path, NULL);
        if (!path)
                return 0;
        if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0)
                r = io_sync_directory(dirfd, "deleted");
        return r < 0 ? error_set_errno(reterr, r, "cannot remove %s/%s",
                                       store_path(lifecycle->settings.store), path)
                     : 0;
}

static int end_pending(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        int dirfd = store_dirfd(lifecycle->settings.store), r = 0;
        char path[LIFECYCLE_PATH_SIZE];

        pending_path(tenant, path);
        if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0)
                r = io_sync_directory(dirfd, "receipts");
        return r < 0 ? error_set_errno(reterr, r, "cannot remove %s/%s",
                                       store_path(lifecycle->settings.store), path)
                     : 0;
}

/* From the pending receipt on. */
static int go_on(struct lifecycle *lifecycle, struct tenant_id tenant, const char *name,
                 struct json_object *receipt, struct error *reterr)
{
        uint64_t rows = 0;
        int r = remove_archive(lifecycle, receipt, reterr);

        if (r < 0)
                return r;
        crash_point("purge.archive");
        r = lifecycle_erase_rooms(lifecycle, tenant, name, reterr);
        if (r < 0)
                return r;
        crash_point("purge.rooms");
        r = tenant_erase(lifecycle->settings.store, tenant, &rows, reterr);
        if (r < 0 && r != -ENOENT) /* gone already, before a crash */
                return r;
        keyring_forget_tenant(lifecycle->settings.keyring, tenant);
        tenants_refresh(lifecycle->settings.tenants, tenant);
        crash_point("purge.rows");
        receipt_add(receipt, "rows of registry.db, which was written anew", NULL,
                    rows > 0 ? "rows" : NULL, rows);
        receipt_add_rooms(receipt);
        r = receipt_end(lifecycle, receipt, tenant, clock_wall_usec(), reterr);
        if (r < 0)
                return r;
        crash_point("purge.receipt");
        return end_pending(lifecycle, tenant, reterr);
}

/* -ENOENT: none is pending. */
static int read_pending(struct lifecycle *lifecycle, struct tenant_id tenant,
                        struct json_object **ret, const char **ret_name, struct error *reterr)
{
        cleanup_json_ struct json_object *receipt = NULL;
        char path[LIFECYCLE_PATH_SIZE];
        cleanup_free_ char *text = NULL;
        struct json_object *object = NULL;
        size_t len;
        int r;

        pending_path(tenant, path);
        r = io_read_file(store_dirfd(lifecycle->settings.store), path, RECEIPT_BYTES_MAX, &text,
                         &len, reterr);
        if (r < 0)
                return r;
        r = json_parse(text, len, &receipt, reterr);
        if (r == 0 && (json_get_object(receipt, "tenant", &object, NULL) <= 0 ||
                       json_get_string(object, "name", ret_name, NULL) <= 0))
                r = error_set(reterr, -EBADMSG, "it has no tenant");
        if (r < 0)
                return error_prefix(reterr, r, "%s", path);
        *ret = take_ptr(receipt);
        return 0;
}

int lifecycle_purge_deleted(struct lifecycle *lifecycle, const struct tenant_info *info,
                            struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *receipt = NULL;
        const char *name = info->name;
        int r = read_pending(lifecycle, info->id, &receipt, &name, reterr);

        if (r == -ENOENT) {
                r = receipt_begin(lifecycle, info, &receipt, reterr);
                if (r == 0)
                        r = write_pending(lifecycle, info->id, receipt, reterr);
        }
        if (r < 0)
                return r;
        crash_point("purge.noted");
        r = go_on(lifecycle, info->id, name, receipt, reterr);
        if (r == 0)
                *ret = take_ptr(receipt);
        return r;
}

static int finish_purge(struct lifecycle *lifecycle, const char *file, struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        cleanup_json_ struct json_object *receipt = NULL;
        struct lifecycle_turn turn;
        const char *name = "";
        struct tenant_id tenant;
        int r;

        if (!lifecycle_id_of(file, PENDING, &tenant))
                return 0;
        lifecycle_begin(lifecycle, &turn, tenant);
        r = read_pending(lifecycle, tenant, &receipt, &name, reterr);
        if (r == 0)
                r = tenant_get(lifecycle->settings.store, tenant, &info, NULL);
        if (r == 0 && info.state != TENANT_DELETED) /* of a registry that was put back */
                r = end_pending(lifecycle, tenant, reterr);
        else if (r == 0 || r == -ENOENT)
                r = go_on(lifecycle, tenant, name, receipt, reterr);
        lifecycle_end(lifecycle, &turn);
        return r;
}

int lifecycle_finish_purges(struct lifecycle *lifecycle, struct error *reterr)
{
        return lifecycle_each_file(lifecycle, "receipts", finish_purge, reterr);
}

int lifecycle_purge(struct lifecycle *lifecycle, struct tenant_id tenant, struct json_object **ret,
                    struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct lifecycle_turn turn;
        int r;

        lifecycle_begin(lifecycle, &turn, tenant);
        r = tenant_get(lifecycle->settings.store, tenant, &info, reterr);
        if (r == 0 && info.state == TENANT_DELETED)
                r = lifecycle_purge_deleted(lifecycle, &info, ret, reterr);
        else if (r == 0 && info.state == TENANT_OFFLOADED)
                r = error_set(reterr, -EPROTO, "the tenant %s is offloaded: resume it before it is "
                                               "purged", info.name);
        else if (r == 0)
                r = lifecycle_purge_live(lifecycle, &info, ret, reterr);
        lifecycle_end(lifecycle, &turn);
        return r;
}
