/* SPDX-License-Identifier: Apache-2.0 */
#include "store/collections.h"
#include "store/registry.h"

#include "base/clock.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define FORMAT_WORD "ragd-state "
#define SAVE_USEC (10 * USEC_PER_SEC) /* a stop begins no saving of an index after it */

/* Held until the descriptor is closed, also by a kill.  The pid is for people only. */
static int take_lock(struct store *store, struct error *reterr)
{
        char pid[24] = "";
        ssize_t n;

        store->lock_fd = openat(store->dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                                0600);
        if (store->lock_fd < 0)
                return error_set_errno(reterr, -errno, "cannot open %s/lock", store->path);
        if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
                if (errno != EWOULDBLOCK)
                        return error_set_errno(reterr, -errno, "cannot lock %s/lock", store->path);
                n = pread(store->lock_fd, pid, sizeof pid - 1, 0);
                pid[n > 0 ? (size_t) n : 0] = '\0';
                pid[strcspn(pid, "\n")] = '\0';
                return error_set(reterr, -EWOULDBLOCK,
                                 "another ragd%s%s holds the state folder %s",
                                 pid[0] ? ", pid " : "", pid, store->path);
        }
        n = snprintf(pid, sizeof pid, "%ld\n", (long) getpid());
        if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, (size_t) n, 0) != n)
                return error_set_errno(reterr, -errno, "cannot write %s/lock", store->path);
        return 0;
}

/* 1: there is a format that we read, 0: there is none yet. */
static int read_format(struct store *store, struct error *reterr)
{
        cleanup_free_ char *text = NULL;
        struct error why;
        unsigned long version;
        char *end;
        size_t len;
        int r = io_read_file(store->dirfd, "format", 64, &text, &len, &why);

        if (r == -ENOENT)
                return 0;
        if (r < 0 && r != -EFBIG)
                return error_set(reterr, r, "%s: %s", store->path, error_text(&why));
        if (r == -EFBIG || strncmp(text, FORMAT_WORD, strlen(FORMAT_WORD)) != 0 ||
            (version = strtoul(text + strlen(FORMAT_WORD), &end, 10)) == 0 ||
            strcmp(end, "\n") != 0)
                return error_set(reterr, -EBADMSG, "%s/format is damaged: expected \"%s%d\"",
                                 store->path, FORMAT_WORD, STORE_FORMAT);
        if (version > STORE_FORMAT)
                return error_set(reterr, -EPROTONOSUPPORT,
                                 "%s/format has version %lu, this ragd knows versions up to %d: "
                                 "run the ragd that wrote it, or a newer one",
                                 store->path, version, STORE_FORMAT);
        return 1;
}

static int write_format(struct store *store, struct error *reterr)
{
        char text[32];
        int n = snprintf(text, sizeof text, "%s%d\n", FORMAT_WORD, STORE_FORMAT);

        return io_replace_file(store->dirfd, "format", text, (size_t) n, 0600, reterr);
}

static int open_folder(struct store *store, struct error *reterr)
{
        struct stat st;
        int r;

        if (stat(store->path, &st) < 0) {
                if (errno != ENOENT)
                        return error_set_errno(reterr, -errno, "cannot open the state folder %s",
                                               store->path);
                r = io_make_directories(store->path, 0700, reterr);
                if (r < 0)
                        return r;
        }
        store->dirfd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (store->dirfd < 0)
                return error_set_errno(reterr, -errno, "cannot open the state folder %s",
                                       store->path);
        return 0;
}

/* The format is written last: a folder that has it has everything. */
static int open_content(struct store *store, struct error *reterr)
{
        int formatted = read_format(store, reterr);
        int r;

        if (formatted < 0)
                return formatted;
        if (formatted && faccessat(store->dirfd, "registry.db", F_OK, 0) < 0)
                return error_set_errno(reterr, -errno, "cannot open %s/registry.db", store->path);
        if (mkdirat(store->dirfd, "tenants", 0700) < 0 && errno != EEXIST)
                return error_set_errno(reterr, -errno, "cannot create %s/tenants", store->path);
        r = registry_open(store, reterr);
        if (r == 0 && !formatted) {
                r = write_format(store, reterr);
                if (r == 0) /* the folder's own entry; its parent may be closed to us */
                        (void) io_sync_directory(store->dirfd, "..");
        }
        return r == 0 ? registry_sweep(store, false, reterr) : r;
}

int store_open(const char *path, const struct store_limits *limits, struct store **ret,
               struct error *reterr)
{
        struct store *store = calloc(1, sizeof *store);
        int r;

        if (!store)
                return error_oom(reterr);
        store->dirfd = store->lock_fd = -1;
        store->limits = *limits;
        (void) pthread_mutex_init(&store->claims_lock, NULL);
        (void) pthread_mutex_init(&store->settings_lock, NULL);
        atomic_init(&store->served_number, 1);
        (void) pthread_rwlock_init(&store->notice_lock, NULL);
        store->path = strdup(path);
        store->open = open_collections_new(limits);
        store->traces = traces_new(store);
        r = store->path && store->open && store->traces ? open_folder(store, reterr)
                                                        : error_oom(reterr);
        if (r == 0)
                r = take_lock(store, reterr);
        if (r == 0)
                r = open_content(store, reterr);
        if (r < 0) {
                (void) store_close(store);
                return r;
        }
        *ret = store;
        return 0;
}

struct store *store_close(struct store *store)
{
        if (!store)
                return NULL;
        store->save_until_usec = clock_monotonic_usec() + SAVE_USEC;
        (void) traces_free(store->traces);
        open_collections_free(store->open);
        (void) db_pool_free(store->registry_readers);
        (void) committer_free(store->registry);
        claims_free(store->claims);
        (void) pthread_mutex_destroy(&store->claims_lock);
        (void) pthread_mutex_destroy(&store->settings_lock);
        free(store->served);
        (void) pthread_rwlock_destroy(&store->notice_lock);
        if (store->lock_fd >= 0)
                (void) close(store->lock_fd);
        if (store->dirfd >= 0)
                (void) close(store->dirfd);
        free(store->path);
        free(store);
        return NULL;
}

void store_observe(struct store *store, store_notice notice, void *data)
{
        (void) pthread_rwlock_wrlock(&store->notice_lock);
        store->notice = notice;
        store->notice_data = data;
        (void) pthread_rwlock_unlock(&store->notice_lock);
}

void store_tell(struct store *store, struct tenant_id tenant, struct collection_id collection)
{
        (void) pthread_rwlock_rdlock(&store->notice_lock);
        if (store->notice)
                store->notice(store->notice_data, tenant, collection);
        (void) pthread_rwlock_unlock(&store->notice_lock);
}

const char *store_path(const struct store *store)
{
        return store->path;
}

int store_dirfd(const struct store *store)
{
        return store->dirfd;
}

struct tenant_id store_default_tenant(const struct store *store)
{
        return store->default_tenant;
}

int store_check_name(const char *what, const char *name, struct error *reterr)
{
        static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
        size_t len = strlen(name);

        if (len == 0 || len > STORE_NAME_MAX || strspn(name, alphabet) != len ||
            name[0] == '_' || name[0] == '-')
                return error_set(reterr, -EINVAL,
                                 "a %s is named with 1 to %d of a-z, 0-9, _ and -, "
                                 "beginning with a letter or digit", what, STORE_NAME_MAX);
        return 0;
}

int store_free_bytes(const struct store *store, uint64_t *ret_free)
{
        struct statvfs st;

        if (fstatvfs(store->dirfd, &st) < 0)
                return -errno;
        *ret_free = (uint64_t) st.f_bavail * (uint64_t) st.f_frsize;
        return 0;
}
