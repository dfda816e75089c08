/* SPDX-License-Identifier: Apache-2.0 */
#include "audit/segment.h"

#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_DIGITS 6
#define COPY_BYTES 65536

const char *segment_name(uint32_t number, char ret[static SEGMENT_NAME_SIZE])
{
        (void) snprintf(ret, SEGMENT_NAME_SIZE, "%06" PRIu32 ".jsonl",
                        number % (SEGMENT_NUMBER_MAX + 1));
        return ret;
}

/* 0: it is no segment's. */
static uint32_t number_of(const char *name)
{
        char made[SEGMENT_NAME_SIZE];
        uint32_t number;

        if (strspn(name, "0123456789") != NAME_DIGITS)
                return 0;
        number = (uint32_t) strtoul(name, NULL, 10);
        return strcmp(segment_name(number, made), name) == 0 ? number : 0;
}

static int compare_numbers(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return (x > y) - (x < y);
}

DEFINE_CLEANUP(DIR *, closedir)

int segment_list(int dirfd, uint32_t **ret, size_t *ret_n, struct error *reterr)
{
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(closedir_cleanup) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0, room = 0;

        if (!dir) {
                int code = -errno;

                if (fd >= 0)
                        (void) close(fd);
                return error_set_errno(reterr, code, "cannot list the audit log");
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
                uint32_t number = number_of(entry->d_name);

                if (number == 0)
                        continue;
                if (n == room) {
                        uint32_t *more = reallocarray(numbers, room ? 2 * room : 64,
                                                      sizeof *numbers);

                        if (!more)
                                return error_oom(reterr);
                        numbers = more;
                        room = room ? 2 * room : 64;
                }
                numbers[n++] = number;
        }
        if (n > 1)
                qsort(numbers, n, sizeof *numbers, compare_numbers);
        *ret = take_ptr(numbers);
        *ret_n = n;
        return 0;
}

int segment_open(int dirfd, uint32_t number, struct error *reterr)
{
        char name[SEGMENT_NAME_SIZE];
        int fd = openat(dirfd, segment_name(number, name),
                        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
        struct stat st;

        if (fd < 0)
                return error_set_errno(reterr, -errno, "cannot read the audit log's segment %s",
                                       name);
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                (void) close(fd);
                return error_set(reterr, -EINVAL, "the audit log's %s is no regular file", name);
        }
        return fd;
}

/* ---- Written anew --------------------------------------------------------------------------- */

static int copy_bytes(int from, int to, uint64_t bytes)
{
        cleanup_free_ char *window = malloc(COPY_BYTES);
        uint64_t at = 0;

        if (!window)
                return -ENOMEM;
        while (at < bytes) {
                size_t want = bytes - at < COPY_BYTES ? (size_t) (bytes - at) : COPY_BYTES;
                ssize_t n = pread(from, window, want, (off_t) at);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                r = io_write_all(to, window, (size_t) n);
                if (r < 0)
                        return r;
                at += (uint64_t) n;
        }
        return 0;
}

int segment_rewrite(int dirfd, uint32_t number, uint64_t bytes, struct error *reterr)
{
        char name[SEGMENT_NAME_SIZE], temporary[SEGMENT_NAME_SIZE + 8];
        cleanup_close_ int from = segment_open(dirfd, number, reterr), to = -1;
        int r;

        if (from < 0)
                return from;
        (void) snprintf(temporary, sizeof temporary, "%s.tmp", segment_name(number, name));
        to = openat(dirfd, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (to < 0)
                return error_set_errno(reterr, -errno, "cannot create %s", temporary);
        r = copy_bytes(from, to, bytes);
        if (r == 0 && fsync(to) < 0)
                r = -errno;
        if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dirfd, temporary, 0);
        else
                r = io_sync_directory(dirfd, ".");
        if (r < 0)
                return error_set_errno(reterr, r, "cannot write the audit log's segment %s anew",
                                       name);
        return take_fd(to);
}
