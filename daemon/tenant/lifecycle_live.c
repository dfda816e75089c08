/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of documents that a tenant deleted, out of the files of one that goes on.  Its door is
 * shut meanwhile, as when it moves: nothing is written to what is rewritten. */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/json.h"
#include "store/collection.h"
#include "store/collection_purge.h"

#define WAIT_USEC (10 * USEC_PER_SEC)
#define PAGE 256

static int purge_collection(struct lifecycle *lifecycle, const struct collection_info *info,
                            struct json_object *receipt, struct error *reterr)
{
        char what[STORE_NAME_MAX + 64], path[LIFECYCLE_PATH_SIZE], id[ID_TEXT_SIZE];
        struct collection_purged purged = { 0 };
        struct error why = { 0 };
        int r = collection_purge(lifecycle->settings.store, info->tenant, info->id, WAIT_USEC,
                                 &purged, &why);

        if (r == -ENOENT) /* deleted meanwhile, and its files with it */
                return 0;
        if (r < 0) {
                if (reterr)
                        *reterr = why;
                return error_prefix(reterr, r, "collection %s", info->name);
        }
        (void) snprintf(what, sizeof what, "deleted documents of the collection %s", info->name);
        (void) lifecycle_folder(info->tenant, path);
        (void) snprintf(path + sizeof "tenants/" - 1 + ID_TEXT_SIZE - 1,
                        sizeof path - sizeof "tenants/" - ID_TEXT_SIZE, "/%s",
                        id_format(info->id.id, id));
        receipt_add(receipt, what, path, "bytes", purged.bytes);
        return 0;
}

static int purge_collections(struct lifecycle *lifecycle, struct tenant_id tenant,
                             struct json_object *receipt, struct error *reterr)
{
        char after[STORE_NAME_MAX + 1] = "";

        for (;;) {
                struct collection_info *infos = NULL;
                size_t n = 0;
                int r = collection_list(lifecycle->settings.store, tenant, after, PAGE, &infos, &n,
                                        reterr);

                for (size_t i = 0; r == 0 && i < n; i++) {
                        r = purge_collection(lifecycle, &infos[i], receipt, reterr);
                        (void) snprintf(after, sizeof after, "%s", infos[i].name);
                }
                (void) collection_infos_free(infos, n);
                if (r < 0 || n == 0)
                        return r;
        }
}

int lifecycle_purge_live(struct lifecycle *lifecycle, const struct tenant_info *info,
                         struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *receipt = NULL;
        int r = lifecycle_make_folder(lifecycle, "receipts", reterr);

        if (r == 0)
                r = receipt_begin(lifecycle, info, &receipt, reterr);
        if (r == 0)
                r = lifecycle_close_rooms(lifecycle, info->id, WAIT_USEC, reterr);
        if (r < 0)
                return r;
        r = purge_collections(lifecycle, info->id, receipt, reterr);
        if (r == 0)
                r = lifecycle_erase_rooms(lifecycle, info->id, info->name, reterr);
        lifecycle_open_rooms(lifecycle, info->id);
        if (r < 0)
                return r;
        receipt_add_rooms(receipt);
        r = receipt_end(lifecycle, receipt, info->id, clock_wall_usec(), reterr);
        if (r == 0)
                *ret = take_ptr(receipt);
        return r;
}
