/* SPDX-License-Identifier: Apache-2.0 */
#include "tenant/lifecycle_inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "tenant/keyring.h"
#include "tenant/tenants.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WAIT_USEC (10 * USEC_PER_SEC) /* for requests that are under way, when a person asks */

/* ---- Turns -------------------------------------------------------------------------------- */

static bool is_taken(const struct lifecycle *lifecycle, struct tenant_id tenant)
{
        for (const struct lifecycle_turn *at = lifecycle->turns; at; at = at->next)
                if (id_equal(at->tenant.id, tenant.id))
                        return true;
        return false;
}

void lifecycle_begin(struct lifecycle *lifecycle, struct lifecycle_turn *turn,
                     struct tenant_id tenant)
{
        (void) pthread_mutex_lock(&lifecycle->lock);
        while (is_taken(lifecycle, tenant))
                (void) pthread_cond_wait(&lifecycle->turned, &lifecycle->lock);
        *turn = (struct lifecycle_turn){ .next = lifecycle->turns, .tenant = tenant };
        lifecycle->turns = turn;
        (void) pthread_mutex_unlock(&lifecycle->lock);
}

void lifecycle_end(struct lifecycle *lifecycle, struct lifecycle_turn *turn)
{
        struct lifecycle_turn **link = &lifecycle->turns;

        (void) pthread_mutex_lock(&lifecycle->lock);
        while (*link != turn)
                link = &(*link)->next;
        *link = turn->next;
        (void) pthread_cond_broadcast(&lifecycle->turned);
        (void) pthread_mutex_unlock(&lifecycle->lock);
}

/* ---- Names -------------------------------------------------------------------------------- */

const char *lifecycle_stamp(uint64_t wall_usec, char text[static LIFECYCLE_STAMP_SIZE])
{
        time_t seconds = (time_t) (wall_usec / USEC_PER_SEC);
        struct tm tm;

        if (!gmtime_r(&seconds, &tm) ||
            strftime(text, LIFECYCLE_STAMP_SIZE, "%Y%m%dT%H%M%SZ", &tm) == 0)
                (void) strcpy(text, "00000000T000000Z");
        return text;
}

const char *lifecycle_folder(struct tenant_id tenant, char text[static LIFECYCLE_PATH_SIZE])
{
        char id[ID_TEXT_SIZE];

        (void) snprintf(text, LIFECYCLE_PATH_SIZE, "tenants/%s", id_format(tenant.id, id));
        return text;
}

int lifecycle_make_folder(struct lifecycle *lifecycle, const char *name, struct error *reterr)
{
        int dirfd = store_dirfd(lifecycle->settings.store), r = 0;

        if (mkdirat(dirfd, name, 0700) == 0)
                r = io_sync_directory(dirfd, ".");
        else if (errno != EEXIST)
                r = -errno;
        return r < 0 ? error_set_errno(reterr, r, "cannot create %s/%s",
                                       store_path(lifecycle->settings.store), name)
                     : 0;
}

bool lifecycle_id_of(const char *name, const char *suffix, struct tenant_id *ret)
{
        size_t len = strlen(name), end = strlen(suffix);
        char id[ID_TEXT_SIZE];

        if (len < end + ID_TEXT_SIZE - 1 || strcmp(name + len - end, suffix) != 0)
                return false;
        (void) snprintf(id, sizeof id, "%.*s", ID_TEXT_SIZE - 1,
                        name + len - end - (ID_TEXT_SIZE - 1));
        return id_parse(id, &ret->id) == 0;
}

int lifecycle_each_file(struct lifecycle *lifecycle, const char *folder,
                        int (*each)(struct lifecycle *lifecycle, const char *name,
                                    struct error *reterr),
                        struct error *reterr)
{
        int fd = openat(store_dirfd(lifecycle->settings.store), folder,
                        O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int r = dir || errno == ENOENT ? 0 : error_set_errno(reterr, -errno, "cannot read %s/%s",
                                                             store_path(lifecycle->settings.store),
                                                             folder);

        if (!dir && fd >= 0)
                (void) close(fd);
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                int one = entry->d_name[0] == '.' ? 0
                                                  : each(lifecycle, entry->d_name,
                                                         r == 0 ? reterr : NULL);

                r = r == 0 ? one : r;
        }
        if (dir)
                (void) closedir(dir);
        return r;
}

void lifecycle_tell(struct lifecycle *lifecycle, const struct tenant_info *info, const char *what,
                    const struct error *error_or_null)
{
        if (lifecycle->settings.news)
                lifecycle->settings.news(lifecycle->settings.data, info->id, info->name, what,
                                         error_or_null);
}

/* ---- Beginning and ending ----------------------------------------------------------------- */

static int copy_settings(struct lifecycle *lifecycle, const struct lifecycle_settings *settings,
                         struct error *reterr)
{
        struct tenant_room *rooms = calloc(settings->n_rooms ? settings->n_rooms : 1,
                                           sizeof *rooms);

        lifecycle->settings = *settings;
        lifecycle->settings.rooms = rooms;
        lifecycle->settings.backup_path =
                settings->backup_path ? strdup(settings->backup_path) : NULL;
        if (!rooms || (settings->backup_path && !lifecycle->settings.backup_path))
                return error_oom(reterr);
        if (settings->n_rooms > 0)
                memcpy(rooms, settings->rooms, settings->n_rooms * sizeof *rooms);
        return 0;
}

int lifecycle_new(const struct lifecycle_settings *settings, struct lifecycle **ret,
                  struct error *reterr)
{
        struct lifecycle *lifecycle = calloc(1, sizeof *lifecycle);
        int r;

        if (!lifecycle)
                return error_oom(reterr);
        (void) pthread_mutex_init(&lifecycle->lock, NULL);
        (void) pthread_mutex_init(&lifecycle->sweep_lock, NULL);
        (void) pthread_cond_init(&lifecycle->turned, NULL);
        r = copy_settings(lifecycle, settings, reterr);
        if (r < 0) {
                (void) lifecycle_free(lifecycle);
                return r;
        }
        lifecycle_listen(lifecycle);
        *ret = lifecycle;
        return 0;
}

struct lifecycle *lifecycle_free(struct lifecycle *lifecycle)
{
        if (!lifecycle)
                return NULL;
        if (lifecycle->settings.tenants)
                tenants_on_wanted(lifecycle->settings.tenants, NULL, NULL);
        (void) pthread_cond_destroy(&lifecycle->turned);
        (void) pthread_mutex_destroy(&lifecycle->sweep_lock);
        (void) pthread_mutex_destroy(&lifecycle->lock);
        free((void *) (uintptr_t) lifecycle->settings.rooms);
        free((void *) (uintptr_t) lifecycle->settings.backup_path);
        free(lifecycle->wanted);
        free(lifecycle);
        return NULL;
}

void lifecycle_configure(struct lifecycle *lifecycle, bool auto_cleanup, uint32_t ttl_hours,
                         uint32_t purge_days)
{
        atomic_store(&lifecycle->auto_cleanup, auto_cleanup);
        atomic_store(&lifecycle->ttl_hours, ttl_hours);
        atomic_store(&lifecycle->purge_days, purge_days);
}

/* ---- What people ask for ------------------------------------------------------------------ */

int lifecycle_create(struct lifecycle *lifecycle, const char *name, struct tenant_info *ret,
                     struct error *reterr)
{
        return tenant_insert(lifecycle->settings.store, name, ret, reterr);
}

static int move_in_place(struct lifecycle *lifecycle, const struct tenant_info *info,
                         enum tenant_state state, struct error *reterr)
{
        int r = tenant_move(lifecycle->settings.store, info->id, state, NULL, NULL, reterr);

        tenants_refresh(lifecycle->settings.tenants, info->id);
        return r;
}

static int suspend(struct lifecycle *lifecycle, const struct tenant_info *info,
                   struct error *reterr)
{
        return info->state == TENANT_OFFLOADED
                       ? lifecycle_bring_back(lifecycle, info, TENANT_SUSPENDED, reterr)
                       : move_in_place(lifecycle, info, TENANT_SUSPENDED, reterr);
}

static int activate(struct lifecycle *lifecycle, const struct tenant_info *info,
                    struct error *reterr)
{
        return info->state == TENANT_OFFLOADED
                       ? lifecycle_bring_back(lifecycle, info, TENANT_ACTIVE, reterr)
                       : move_in_place(lifecycle, info, TENANT_ACTIVE, reterr);
}

static int offload(struct lifecycle *lifecycle, const struct tenant_info *info,
                   struct error *reterr)
{
        return lifecycle_offload_now(lifecycle, info, WAIT_USEC, reterr);
}

/* One who is moved as a person asks: alone, and only where the table of states allows it. */
static int move_to(struct lifecycle *lifecycle, struct tenant_id tenant, enum tenant_state state,
                   int (*move)(struct lifecycle *lifecycle, const struct tenant_info *info,
                               struct error *reterr),
                   struct error *reterr)
{
        struct store *store = lifecycle->settings.store;
        cleanup_(tenant_info_done) struct tenant_info info = { 0 };
        struct lifecycle_turn turn;
        int r;

        if (id_equal(tenant.id, store_default_tenant(store).id))
                return error_set(reterr, -EPERM, "the default tenant is always active");
        lifecycle_begin(lifecycle, &turn, tenant);
        r = tenant_get(store, tenant, &info, reterr);
        if (r == 0 && info.state == TENANT_DELETED)
                r = error_set(reterr, -EPROTO, "the tenant %s is deleted", info.name);
        else if (r == 0 && info.state == state)
                r = error_set(reterr, -EPROTO, "the tenant %s is %s already", info.name,
                              tenant_state_name(state));
        else if (r == 0 && !tenant_state_may_become(info.state, state))
                r = error_set(reterr, -EPROTO, "the tenant %s is %s and cannot become %s",
                              info.name, tenant_state_name(info.state), tenant_state_name(state));
        if (r == 0)
                r = move(lifecycle, &info, reterr);
        lifecycle_end(lifecycle, &turn);
        return r;
}

int lifecycle_suspend(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        return move_to(lifecycle, tenant, TENANT_SUSPENDED, suspend, reterr);
}

int lifecycle_activate(struct lifecycle *lifecycle, struct tenant_id tenant,
                       struct error *reterr)
{
        return move_to(lifecycle, tenant, TENANT_ACTIVE, activate, reterr);
}

int lifecycle_offload(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        return move_to(lifecycle, tenant, TENANT_OFFLOADED, offload, reterr);
}

int lifecycle_delete(struct lifecycle *lifecycle, struct tenant_id tenant, struct error *reterr)
{
        return move_to(lifecycle, tenant, TENANT_DELETED, lifecycle_delete_now, reterr);
}
