/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RTLD_NEXT, off64_t */
#endif
#include "tests/lib/faultfs.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_uint calls, failing_call, failures;
static atomic_int failure;
static atomic_bool stays, shorts;
static char root_path[PATH_MAX], shadow_path[PATH_MAX];

void faultfs_fail(unsigned nth, int error, bool sticky)
{
        atomic_store(&failing_call, 0);
        atomic_store(&calls, 0);
        atomic_store(&failure, error);
        atomic_store(&stays, sticky);
        atomic_store(&failing_call, nth);
}

void faultfs_short(bool on)
{
        atomic_store(&shorts, on);
}

unsigned faultfs_failures(void)
{
        return atomic_load(&failures);
}

void faultfs_shadow(const char *root, const char *shadow)
{
        (void) snprintf(root_path, sizeof root_path, "%s", root);
        (void) snprintf(shadow_path, sizeof shadow_path, "%s", shadow);
}

/* The next definition of a symbol, which is the C library's or a sanitizer's. */
#define NEXT(function) ((__typeof__(&function)) (uintptr_t) dlsym(RTLD_NEXT, #function))

static bool fails(int fd)
{
        unsigned nth = atomic_load(&failing_call), call;
        struct stat st;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return false;
        call = atomic_fetch_add(&calls, 1) + 1;
        if (nth == 0 || call < nth || (call > nth && !atomic_load(&stays)))
                return false;
        (void) atomic_fetch_add(&failures, 1);
        errno = atomic_load(&failure);
        return true;
}

/* The bytes that a write which fails writes all the same; the next one fails then. */
static size_t written_first(size_t len)
{
        if (!atomic_load(&shorts) || len < 2)
                return 0;
        atomic_store(&failing_call, atomic_load(&calls) + 1);
        return len / 2;
}

/* ---- The shadow ------------------------------------------------------------------------- */

/* The shadow of an absolute path; false: it is not below the root. */
static bool shadow_of(const char *path, char ret[static PATH_MAX])
{
        size_t len = strlen(root_path);

        return len > 0 && strncmp(path, root_path, len) == 0 && path[len] == '/' &&
               snprintf(ret, PATH_MAX, "%s%s", shadow_path, path + len) < PATH_MAX;
}

static bool path_of(int fd, const char *name, char ret[static PATH_MAX])
{
        char link[64];
        size_t used = 0;

        ret[0] = '\0';
        if (!name || name[0] != '/') {
                ssize_t n;

                (void) snprintf(link, sizeof link, fd == AT_FDCWD ? "/proc/self/cwd"
                                                                  : "/proc/self/fd/%d", fd);
                n = readlink(link, ret, PATH_MAX - 1);
                if (n <= 0)
                        return false;
                used = (size_t) n;
                ret[used] = '\0';
        }
        return !name || snprintf(ret + used, PATH_MAX - used, "%s%s", used ? "/" : "", name) <
                                (int) (PATH_MAX - used);
}

static void make_parents(char *path)
{
        for (char *at = path + 1; (at = strchr(at, '/')); at++) {
                *at = '\0';
                (void) mkdir(path, 0700);
                *at = '/';
        }
}

/* As one step, so that a kill in between leaves the former content. */
static void copy_to_shadow(int fd)
{
        char path[PATH_MAX], shadow[PATH_MAX], temporary[PATH_MAX + 8];
        struct stat st;
        off_t at = 0;
        int to;

        if (!shadow_path[0] || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
            !path_of(fd, NULL, path) || !shadow_of(path, shadow))
                return;
        make_parents(shadow);
        (void) snprintf(temporary, sizeof temporary, "%s.copy", shadow);
        to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        (void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && to >= 0 && at < st.st_size && sendfile(to, fd, &at, 1 << 20) > 0)
                ;
        if (fd >= 0)
                (void) close(fd);
        if (to >= 0) {
                (void) close(to);
                (void) NEXT(rename)(temporary, shadow);
        }
}

static void remove_in_shadow(int dirfd, const char *name)
{
        char path[PATH_MAX], shadow[PATH_MAX];

        if (path_of(dirfd, name, path) && shadow_of(path, shadow))
                (void) remove(shadow);
}

static void rename_in_shadow(int from_dir, const char *from, int to_dir, const char *to)
{
        char path[PATH_MAX], shadow_from[PATH_MAX], shadow_to[PATH_MAX];

        if (path_of(from_dir, from, path) && shadow_of(path, shadow_from) &&
            path_of(to_dir, to, path) && shadow_of(path, shadow_to))
                (void) NEXT(rename)(shadow_from, shadow_to);
}

/* ---- What stands before the C library --------------------------------------------------- */

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

ssize_t write(int fd, const void *data, size_t len)
{
        if (fails(fd)) {
                len = written_first(len);
                return len > 0 ? NEXT(write)(fd, data, len) : -1;
        }
        return NEXT(write)(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
        if (fails(fd)) {
                len = written_first(len);
                return len > 0 ? NEXT(pwrite)(fd, data, len, at) : -1;
        }
        return NEXT(pwrite)(fd, data, len, at);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
        if (fails(fd)) {
                len = written_first(len);
                return len > 0 ? NEXT(pwrite64)(fd, data, len, at) : -1;
        }
        return NEXT(pwrite64)(fd, data, len, at);
}

int ftruncate(int fd, off_t len)
{
        return fails(fd) ? -1 : NEXT(ftruncate)(fd, len);
}

int ftruncate64(int fd, off64_t len)
{
        return fails(fd) ? -1 : NEXT(ftruncate64)(fd, len);
}

/* What the kernel holds survives the death of a process, and a power cut is the shadow's: the
 * machine's own disk would only make the tests wait. */
static int sync_file(int fd)
{
        if (fails(fd) || fcntl(fd, F_GETFD) < 0)
                return -1;
        copy_to_shadow(fd);
        return 0;
}

int fsync(int fd)
{
        return sync_file(fd);
}

int fdatasync(int fd)
{
        return sync_file(fd);
}

int rename(const char *from, const char *to)
{
        int r = NEXT(rename)(from, to);

        if (r == 0)
                rename_in_shadow(AT_FDCWD, from, AT_FDCWD, to);
        return r;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
        int r = NEXT(renameat)(from_dir, from, to_dir, to);

        if (r == 0)
                rename_in_shadow(from_dir, from, to_dir, to);
        return r;
}

int unlink(const char *path)
{
        int r = NEXT(unlink)(path);

        if (r == 0)
                remove_in_shadow(AT_FDCWD, path);
        return r;
}

int unlinkat(int dirfd, const char *path, int flags)
{
        int r = NEXT(unlinkat)(dirfd, path, flags);

        if (r == 0)
                remove_in_shadow(dirfd, path);
        return r;
}
