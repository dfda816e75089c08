/* SPDX-License-Identifier: Apache-2.0 */
/* Tenants out of their folders and back.
 *
 * What is durable comes first: an archive that was read back whole, then the one transaction that
 * says where the tenant lies now and what is garbage, then the garbage goes.  A move that failed
 * is undone only where the registry still says what it said before. */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/io.h"
#include "store/tenant_archive.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define WAIT_USEC (10 * USEC_PER_SEC)
#define ERASING ".erasing"

int lifecycle_sweep(struct lifecycle *lifecycle, struct error *reterr)
{
        int r;

        (void) pthread_mutex_lock(&lifecycle->sweep_lock);
        r = tenant_sweep(lifecycle->settings.store, reterr);
        (void) pthread_mutex_unlock(&lifecycle->sweep_lock);
        return r;
}

/* ---- Closed while it moves ---------------------------------------------------------------- */

static void open_rooms(struct lifecycle *lifecycle, struct tenant_id tenant, size_t from)
{
        const struct lifecycle_settings *settings = &lifecycle->settings;

        for (size_t i = from; i < settings->n_rooms; i++)
                if (settings->rooms[i].open)
                        settings->rooms[i].open(settings->rooms[i].data, tenant);
}

/* The entry learns of the new state before anybody can enter by it. */
static void let_in(struct lifecycle *lifecycle, struct tenant_id tenant)
{
        tenants_refresh(lifecycle->settings.tenants, tenant);
        tenants_open(lifecycle->settings.tenants, tenant);
}

void lifecycle_open_rooms(struct lifecycle *lifecycle, struct tenant_id tenant)
{
        open_rooms(lifecycle, tenant, 0);
        let_in(lifecycle, tenant);
}

static void reopen(struct lifecycle *lifecycle, struct tenant_id tenant)
{
        store_open_tenant(lifecycle->settings.store, tenant);
        lifecycle_open_rooms(lifecycle, tenant);
}

int lifecycle_close_rooms(struct lifecycle *lifecycle, struct tenant_id tenant, uint64_t wait_usec,
                          struct error *reterr)
{
        const struct lifecycle_settings *settings = &lifecycle->settings;
        int r = tenants_close(settings->tenants, tenant, wait_usec, reterr);

        if (r < 0)
                return r;
        for (size_t i = settings->n_rooms; r == 0 && i-- > 0;) {
                const struct tenant_room *room = &settings->rooms[i];

                r = room->close ? room->close(room->data, tenant, reterr) : 0;
                if (r < 0) {
                        (void) error_prefix(reterr, r, "%s", room->name);
                        open_rooms(lifecycle, tenant, i);
                        let_in(lifecycle, tenant);
                }
        }
        return r;
}

/* Nobody is in it, nothing of it is open. */
static int close_all(struct lifecycle *lifecycle, struct tenant_id tenant, uint64_t wait_usec,
                     struct error *reterr)
{
        int r = lifecycle_close_rooms(lifecycle, tenant, wait_usec, reterr);

        if (r < 0)
                return r;
        r = store_close_tenant(lifecycle->settings.store, tenant, wait_usec, reterr);
        if (r < 0)
                lifecycle_open_rooms(lifecycle, tenant);
        return r;
}

/* Whether the registry still says so: what did not happen may be undone. */
static bool is_still(struct lifecycle *lifecycle, const struct tenant_info *before)
{
        cleanup_(tenant_info_done) struct tenant_info now = { 0 };

        return tenant_get(lifecycle->settings.store, before->id, &now, NULL) == 0 &&
               now.state == before->state;
}

/* ---- Archives ----------------------------------------------------------------------------- */

static int archive(struct lifecycle *lifecycle, const struct tenant_info *info, const char *path,
                   struct error *reterr)
{
        struct store *store = lifecycle->settings.store;
        struct tenant_archive_info written = { 0 }, found = { 0 };
        int r = tenant_archive_write(store, info->id, path, &written, reterr);

        if (r < 0)
                return r;
        crash_point("tenant.archived");
        r = tenant_archive_verify(store, path, &found, reterr);
        if (r == 0 && (found.files != written.files || found.bytes != written.bytes ||
                       !id_equal(found.tenant.id, info->id.id)))
                r = error_set(reterr, -EBADMSG, "%s is not what was written", path);
        if (r < 0)
                (void) unlinkat(store_dirfd(store), path, 0);
        else
                crash_point("tenant.verified");
        return r;
}

static int remove_file(struct lifecycle *lifecycle, const char *folder, const char *path,
                       struct error *reterr)
{
        int dirfd = store_dirfd(lifecycle->settings.store), r = 0;

        if (unlinkat(dirfd, path, 0) < 0 && errno != ENOENT)
                r = -errno;
        if (r == 0)
                r = io_sync_directory(dirfd, folder);
        return r < 0 && r != -ENOENT ? error_set_errno(reterr, r, "cannot remove %s/%s",
                                                       store_path(lifecycle->settings.store), path)
                                     : 0;
}

int lifecycle_offload_now(struct lifecycle *lifecycle, const struct tenant_info *info,
                          uint64_t wait_usec, struct error *reterr)
{
        struct store *store = lifecycle->settings.store;
        char path[LIFECYCLE_PATH_SIZE], folder[LIFECYCLE_PATH_SIZE], id[ID_TEXT_SIZE];
        int r = lifecycle_make_folder(lifecycle, "offloaded", reterr);

        (void) snprintf(path, sizeof path, "offloaded/%s.tar.gz", id_format(info->id.id, id));
        if (r == 0)
                r = close_all(lifecycle, info->id, wait_usec, reterr);
        if (r < 0)
                return r;
        r = archive(lifecycle, info, path, reterr);
        if (r == 0) {
                r = tenant_move(store, info->id, TENANT_OFFLOADED, path,
                                lifecycle_folder(info->id, folder), reterr);
                if (r < 0 && is_still(lifecycle, info))
                        (void) remove_file(lifecycle, "offloaded", path, NULL);
        }
        if (r < 0) {
                reopen(lifecycle, info->id);
                return r;
        }
        crash_point("offload.moved");
        (void) lifecycle_sweep(lifecycle, NULL); /* where that fails, it stays owed */
        crash_point("offload.swept");
        store_open_tenant(store, info->id);
        let_in(lifecycle, info->id);
        return 0;
}

/* One that was just brought back is not idle. */
static void note_used(struct lifecycle *lifecycle, struct tenant_id tenant)
{
        const struct tenant_day day = { .tenant = tenant, .used_usec = clock_wall_usec() };

        (void) tenant_set_days(lifecycle->settings.store, &day, 1, NULL);
}

int lifecycle_bring_back(struct lifecycle *lifecycle, const struct tenant_info *info,
                         enum tenant_state state, struct error *reterr)
{
        struct store *store = lifecycle->settings.store;
        char folder[LIFECYCLE_PATH_SIZE];
        int r;

        if (!info->archive)
                return error_set(reterr, -EBADMSG, "the tenant %s has no archive", info->name);
        r = lifecycle_sweep(lifecycle, reterr); /* its former folder is gone */
        if (r == 0) {
                r = io_remove_tree(store_dirfd(store), lifecycle_folder(info->id, folder));
                if (r < 0)
                        error_set_errno(reterr, r, "cannot remove %s/%s", store_path(store),
                                        folder);
        }
        if (r == 0)
                r = tenant_archive_restore(store, info->id, info->archive, reterr);
        if (r < 0)
                return r;
        crash_point("wake.restored");
        r = tenant_move(store, info->id, state, NULL, info->archive, reterr);
        if (r < 0) {
                if (is_still(lifecycle, info))
                        (void) io_remove_tree(store_dirfd(store), folder);
                return r;
        }
        crash_point("wake.moved");
        (void) lifecycle_sweep(lifecycle, NULL);
        crash_point("wake.swept");
        note_used(lifecycle, info->id);
        open_rooms(lifecycle, info->id, 0);
        tenants_refresh(lifecycle->settings.tenants, info->id);
        return 0;
}

/* ---- Deleting ----------------------------------------------------------------------------- */

int lifecycle_erase_rooms(struct lifecycle *lifecycle, struct tenant_id tenant, const char *name,
                          struct error *reterr)
{
        const struct lifecycle_settings *settings = &lifecycle->settings;
        int result = 0;

        for (size_t i = settings->n_rooms; i-- > 0;) {
                const struct tenant_room *room = &settings->rooms[i];
                int r = room->erase ? room->erase(room->data, tenant, name,
                                                  result == 0 ? reterr : NULL)
                                    : 0;

                if (r < 0 && result == 0)
                        result = error_prefix(reterr, r, "%s", room->name);
        }
        return result;
}

static void erasing_path(struct tenant_id tenant, char path[static LIFECYCLE_PATH_SIZE])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(path, LIFECYCLE_PATH_SIZE, "deleted/%s" ERASING,
                        id_format(tenant.id, id));
}

/* The file says that rooms may still remember it, until they have erased. */
static int erase(struct lifecycle *lifecycle, struct tenant_id tenant, const char *name,
                 struct error *reterr)
{
        char path[LIFECYCLE_PATH_SIZE];
        int r = lifecycle_erase_rooms(lifecycle, tenant, name, reterr);

        erasing_path(tenant, path);
        return r < 0 ? r : remove_file(lifecycle, "deleted", path, reterr);
}

static int finish_erasure(struct lifecycle *lifecycle, const char *file, struct error *reterr)
{
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        char path[LIFECYCLE_PATH_SIZE];
        struct lifecycle_turn turn;
        struct tenant_id tenant;
        int r;

        if (!lifecycle_id_of(file, ERASING, &tenant))
                return 0;
        lifecycle_begin(lifecycle, &turn, tenant);
        r = tenant_get(lifecycle->settings.store, tenant, &info, reterr);
        erasing_path(tenant, path);
        if (r == 0 && info.state == TENANT_DELETED)
                r = erase(lifecycle, tenant, info.name, reterr);
        else if (r == 0 || r == -ENOENT) /* it was not deleted after all, or is purged by now */
                r = remove_file(lifecycle, "deleted", path, reterr);
        lifecycle_end(lifecycle, &turn);
        return r;
}

int lifecycle_finish_erasures(struct lifecycle *lifecycle, struct error *reterr)
{
        return lifecycle_each_file(lifecycle, "deleted", finish_erasure, reterr);
}

/* Its archive under another name; it was read back when it was made. */
static int link_archive(struct lifecycle *lifecycle, const struct tenant_info *info,
                        const char *path, struct error *reterr)
{
        int dirfd = store_dirfd(lifecycle->settings.store), r = 0;

        if (!info->archive)
                return error_set(reterr, -EBADMSG, "the tenant %s has no archive", info->name);
        if (linkat(dirfd, info->archive, dirfd, path, 0) < 0)
                r = -errno;
        if (r == 0)
                r = io_sync_directory(dirfd, "deleted");
        if (r < 0)
                return error_set_errno(reterr, r, "cannot create %s", path);
        crash_point("delete.linked");
        return 0;
}

static int mark_and_move(struct lifecycle *lifecycle, const struct tenant_info *info,
                         const char *path, struct error *reterr)
{
        struct store *store = lifecycle->settings.store;
        char mark[LIFECYCLE_PATH_SIZE], folder[LIFECYCLE_PATH_SIZE];
        int r;

        erasing_path(info->id, mark);
        r = io_replace_file(store_dirfd(store), mark, "", 0, 0600, reterr);
        if (r < 0)
                return r;
        crash_point("delete.marked");
        r = tenant_move(store, info->id, TENANT_DELETED, path,
                        info->state == TENANT_OFFLOADED ? info->archive
                                                        : lifecycle_folder(info->id, folder),
                        reterr);
        if (r < 0 && is_still(lifecycle, info))
                (void) remove_file(lifecycle, "deleted", mark, NULL);
        return r;
}

int lifecycle_delete_now(struct lifecycle *lifecycle, const struct tenant_info *info,
                         struct error *reterr)
{
        bool in_folder = info->state != TENANT_OFFLOADED;
        char path[LIFECYCLE_PATH_SIZE], stamp[LIFECYCLE_STAMP_SIZE], id[ID_TEXT_SIZE];
        int r = lifecycle_make_folder(lifecycle, "deleted", reterr);

        (void) snprintf(path, sizeof path, "deleted/%s-%s-%s.tar.gz", info->name,
                        lifecycle_stamp(clock_wall_usec(), stamp), id_format(info->id.id, id));
        if (r == 0 && in_folder)
                r = close_all(lifecycle, info->id, WAIT_USEC, reterr);
        if (r < 0)
                return r;
        r = in_folder ? archive(lifecycle, info, path, reterr)
                      : link_archive(lifecycle, info, path, reterr);
        if (r == 0) {
                r = mark_and_move(lifecycle, info, path, reterr);
                if (r < 0 && is_still(lifecycle, info))
                        (void) remove_file(lifecycle, "deleted", path, NULL);
        }
        if (r < 0) {
                if (in_folder)
                        reopen(lifecycle, info->id);
                return r;
        }
        crash_point("delete.moved");
        keyring_forget_tenant(lifecycle->settings.keyring, info->id);
        (void) lifecycle_sweep(lifecycle, NULL);
        crash_point("delete.swept");
        r = erase(lifecycle, info->id, info->name, reterr);
        if (r < 0)
                (void) error_prefix(reterr, r, "the tenant is deleted, but what is remembered of "
                                               "it is erased later");
        else
                crash_point("delete.erased");
        if (in_folder) {
                store_open_tenant(lifecycle->settings.store, info->id);
                let_in(lifecycle, info->id);
        } else {
                tenants_refresh(lifecycle->settings.tenants, info->id);
        }
        return r;
}
