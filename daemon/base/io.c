/* SPDX-License-Identifier: Apache-2.0 */
#include "base/io.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int io_read_file(int dirfd, const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
                 struct error *reterr)
{
        cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        cleanup_free_ char *data = NULL;
        struct stat st;
        size_t len = 0;

        if (fd < 0 || fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot read %s", path);
        if (S_ISDIR(st.st_mode))
                return error_set(reterr, -EISDIR, "%s is a directory, not a file", path);
        if (!S_ISREG(st.st_mode))
                return error_set(reterr, -EINVAL, "%s is not a regular file", path);
        if (st.st_size < 0 || (uintmax_t) st.st_size > max_bytes)
                return error_set(reterr, -EFBIG, "%s is larger than %zu bytes", path, max_bytes);

        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return error_oom(reterr);
        while (len < (size_t) st.st_size) {
                ssize_t n = read(fd, data + len, (size_t) st.st_size - len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(reterr, -errno, "cannot read %s", path);
                if (n == 0)
                        break;
                len += (size_t) n;
        }
        data[len] = '\0';
        *ret_data = take_ptr(data);
        *ret_len = len;
        return 0;
}

int io_write_all(int fd, const void *data, size_t len)
{
        const char *at = data;

        while (len > 0) {
                ssize_t n = write(fd, at, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                at += n;
                len -= (size_t) n;
        }
        return 0;
}

int io_sync_directory(int dirfd, const char *path)
{
        cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

static int sync_parent(int dirfd, const char *path)
{
        char parent[PATH_MAX];
        const char *slash = strrchr(path, '/');

        if (!slash)
                return io_sync_directory(dirfd, ".");
        if (slash == path)
                return io_sync_directory(dirfd, "/");
        (void) snprintf(parent, sizeof parent, "%.*s", (int) (slash - path), path);
        return io_sync_directory(dirfd, parent);
}

int io_replace_file(int dirfd, const char *path, const void *data, size_t len, mode_t mode,
                    struct error *reterr)
{
        char temporary[PATH_MAX];
        cleanup_close_ int fd = -1;
        int r;

        if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int) sizeof temporary)
                return error_set(reterr, -ENAMETOOLONG, "the path of %s is too long", path);
        fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", temporary);
        r = io_write_all(fd, data, len);
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (r == 0 && renameat(dirfd, temporary, dirfd, path) < 0)
                r = -errno;
        if (r == 0)
                r = sync_parent(dirfd, path);
        if (r < 0) {
                (void) unlinkat(dirfd, temporary, 0);
                return error_set_errno(reterr, r, "cannot write %s", path);
        }
        return 0;
}

int io_make_directories(const char *path, mode_t mode, struct error *reterr)
{
        char part[PATH_MAX];
        size_t len = strlen(path);

        if (len == 0 || len >= sizeof part)
                return error_set(reterr, -ENAMETOOLONG, "the path of the folder is empty or too long");
        memcpy(part, path, len + 1);
        for (char *at = part + 1;; at++) {
                char held = *at;

                if (held != '/' && held != '\0')
                        continue;
                *at = '\0';
                if (mkdir(part, mode) < 0 && errno != EEXIST)
                        return error_set_errno(reterr, -errno, "cannot create the folder %s", part);
                if (held == '\0')
                        return 0;
                *at = '/';
        }
}

int io_remove_tree(int dirfd, const char *path)
{
        int fd, r = 0;
        DIR *dir;

        if (unlinkat(dirfd, path, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = io_remove_tree(fd, entry->d_name);
        (void) closedir(dir);
        if (r == 0 && unlinkat(dirfd, path, AT_REMOVEDIR) < 0)
                r = -errno;
        return r;
}
