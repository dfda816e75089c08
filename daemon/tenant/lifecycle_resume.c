/* SPDX-License-Identifier: Apache-2.0 */
/* After a crash: the registry says where each tenant lies, so whatever lies elsewhere is left over.
 * A file of a tenant that the registry does not know is left alone: the registry may have been put
 * back from a backup, and then it is all there is of him. */
#include "tenant/lifecycle_inside.h"

#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_left_over(struct lifecycle *lifecycle, const char *path, struct error *reterr)
{
        int r = io_remove_tree(store_dirfd(lifecycle->settings.store), path);

        return r < 0 ? error_set_errno(reterr, r, "cannot remove %s/%s",
                                       store_path(lifecycle->settings.store), path)
                     : 0;
}

static bool is_there(const struct lifecycle *lifecycle, const char *path)
{
        struct stat st;

        return fstatat(store_dirfd(lifecycle->settings.store), path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* An archive, and what else is there of its tenant. */
static int check_archive(struct lifecycle *lifecycle, const char *path, struct tenant_id tenant,
                         struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        char folder[LIFECYCLE_PATH_SIZE];
        int r = tenant_get(lifecycle->settings.store, tenant, &info, reterr);

        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        (void) lifecycle_folder(tenant, folder);
        if (info.state == TENANT_ACTIVE || info.state == TENANT_SUSPENDED)
                return remove_left_over(lifecycle, path, reterr);
        if (info.archive && strcmp(info.archive, path) != 0 && is_there(lifecycle, info.archive))
                return remove_left_over(lifecycle, path, reterr);
        return is_there(lifecycle, folder) ? remove_left_over(lifecycle, folder, reterr) : 0;
}

static bool ends_with(const char *text, const char *end)
{
        size_t len = strlen(text), end_len = strlen(end);

        return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* The row is read only where there is more of a tenant than its archive: many may be offloaded. */
static int check_offloaded(struct lifecycle *lifecycle, const char *name, struct error *reterr)
{
        char path[LIFECYCLE_PATH_SIZE], folder[LIFECYCLE_PATH_SIZE], staging[LIFECYCLE_PATH_SIZE];
        char id[ID_TEXT_SIZE];
        struct tenant_id tenant;
        int r = 0;

        (void) snprintf(path, sizeof path, "offloaded/%.200s", name);
        if (ends_with(name, ".tar.gz.partial"))
                return remove_left_over(lifecycle, path, reterr);
        if (!lifecycle_id_of(name, ".tar.gz", &tenant))
                return 0;
        (void) snprintf(staging, sizeof staging, "incoming/tenant-%s", id_format(tenant.id, id));
        if (is_there(lifecycle, staging))
                r = remove_left_over(lifecycle, staging, reterr);
        if (r == 0 && is_there(lifecycle, lifecycle_folder(tenant, folder)))
                r = check_archive(lifecycle, path, tenant, reterr);
        return r;
}

static int check_deleted(struct lifecycle *lifecycle, const char *name, struct error *reterr)
{
        char path[LIFECYCLE_PATH_SIZE];
        struct tenant_id tenant;

        (void) snprintf(path, sizeof path, "deleted/%.200s", name);
        if (ends_with(name, ".tar.gz.partial"))
                return remove_left_over(lifecycle, path, reterr);
        return lifecycle_id_of(name, ".tar.gz", &tenant)
                       ? check_archive(lifecycle, path, tenant, reterr)
                       : 0;
}

int lifecycle_resume(struct lifecycle *lifecycle, struct error *reterr)
{
        int r = lifecycle_sweep(lifecycle, reterr);

        if (r == 0)
                r = lifecycle_each_file(lifecycle, "offloaded", check_offloaded, reterr);
        if (r == 0)
                r = lifecycle_each_file(lifecycle, "deleted", check_deleted, reterr);
        if (r < 0)
                return r;
        (void) lifecycle_finish_erasures(lifecycle, NULL);
        (void) lifecycle_finish_purges(lifecycle, NULL);
        return 0;
}
