/* SPDX-License-Identifier: Apache-2.0 */
/* Making and deleting collections. */
#include "store/collections.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/collection_inside.h"
#include "store/docs.h"
#include "store/registry.h"

#include <stdio.h>
#include <string.h>

/* Folder and docs.db, while their path is garbage. */
static int create_files(struct store *store, const struct collection_info *info,
                        const char *folder, struct error *reterr)
{
        struct collection *scratch = collection_new(store, info->tenant, info->id);
        char tenant[COLLECTION_PATH_SIZE], path[COLLECTION_PATH_SIZE + 4096];
        int r;

        if (!scratch)
                return error_oom(reterr);
        (void) snprintf(tenant, sizeof tenant, "%s", folder);
        *strrchr(tenant, '/') = '\0';
        (void) snprintf(path, sizeof path, "%s/%s", store->path, folder);
        scratch->path = strdup(path);
        r = scratch->path ? io_make_directories(path, 0700, reterr) : error_oom(reterr);
        if (r == 0)
                r = docs_open(scratch, true, reterr); /* makes the folder's own entries durable */
        if (r == 0) {
                r = io_sync_directory(store->dirfd, tenant);
                if (r == 0)
                        r = io_sync_directory(store->dirfd, "tenants");
                if (r < 0)
                        error_set_errno(reterr, r, "cannot write %s", path);
        }
        collection_free(scratch);
        return r;
}

int collection_create(struct store *store, struct tenant_id tenant, const char *name,
                      const char *language, const char *description, struct collection_info *ret,
                      struct error *reterr)
{
        struct collection_info info = { .tenant = tenant, .created_usec = clock_wall_usec() };
        char path[COLLECTION_PATH_SIZE];
        int r = store_check_name("collection", name, reterr);

        if (r < 0)
                return r;
        if (collection_get_info(store, tenant, name, &info, NULL) == 0) {
                collection_info_done(&info);
                return error_set(reterr, -EEXIST, "there is already a collection %s", name);
        }
        info.id.id = id_random();
        (void) snprintf(info.name, sizeof info.name, "%s", name);
        (void) snprintf(info.language, sizeof info.language, "%s", language ? language : "english");
        info.description = description ? strdup(description) : NULL;
        if (description && !info.description)
                return error_oom(reterr);
        (void) collection_path(tenant, info.id, path);
        r = registry_add_garbage(store, path, reterr);
        if (r == 0)
                r = create_files(store, &info, path, reterr);
        if (r == 0)
                r = registry_add_collection(store, &info, path, reterr);
        if (r < 0) {
                (void) registry_remove_garbage(store, path, NULL);
                collection_info_done(&info);
                return r;
        }
        *ret = info;
        return 0;
}

int collection_delete(struct store *store, struct tenant_id tenant, const char *name,
                      struct error *reterr)
{
        struct collection_info info = { 0 };
        char path[COLLECTION_PATH_SIZE];
        int r = collection_get_info(store, tenant, name, &info, reterr);

        if (r == 0)
                r = registry_remove_collection(store, &info,
                                               collection_path(tenant, info.id, path), reterr);
        collection_info_done(&info);
        return r < 0 ? r : collection_doom(store, info.id, path, reterr);
}
