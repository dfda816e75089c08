/* SPDX-License-Identifier: Apache-2.0 */
#include "release/record_files.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

DEFINE_CLEANUP(DIR *, closedir)

const char *record_path(uint32_t number, const char *file, char path[static RECORD_PATH_SIZE])
{
        (void) snprintf(path, RECORD_PATH_SIZE, "releases/%06u%s%s", number, file ? "/" : "",
                        file ? file : "");
        return path;
}

/* Only the one spelling that "%06u" gives; 0: it is no such name. */
static uint32_t number_of(const char *name, const char *suffix)
{
        size_t digits = strspn(name, "0123456789");
        uint64_t number = 0;

        if (digits < 6 || digits > 10 || (digits > 6 && name[0] == '0') ||
            strcmp(name + digits, suffix) != 0)
                return 0;
        for (size_t i = 0; i < digits; i++)
                number = number * 10 + (uint64_t) (name[i] - '0');
        return number <= UINT32_MAX ? (uint32_t) number : 0;
}

static int ascending(const void *a, const void *b)
{
        uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

        return x < y ? -1 : x > y;
}

int record_numbers(int dirfd, const char *folder, const char *suffix, uint32_t **ret, size_t *ret_n,
                   struct error *reterr)
{
        cleanup_close_ int fd = openat(dirfd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cleanup_(closedir_cleanup) DIR *dir = NULL;
        cleanup_free_ uint32_t *numbers = NULL;
        size_t n = 0, room = 0;

        if (fd < 0 && errno == ENOENT) {
                *ret = NULL;
                *ret_n = 0;
                return 0;
        }
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return error_set_errno(reterr, -errno, "cannot list %s", folder);
        (void) take_fd(fd);
        for (;;) {
                struct dirent *entry;
                uint32_t number;

                errno = 0;
                entry = readdir(dir);
                if (!entry && errno != 0)
                        return error_set_errno(reterr, -errno, "cannot list %s", folder);
                if (!entry)
                        break;
                number = number_of(entry->d_name, suffix);
                if (number == 0)
                        continue;
                if (n == room) {
                        uint32_t *more = reallocarray(numbers, room ? 2 * room : 32, sizeof *more);

                        if (!more)
                                return error_oom(reterr);
                        numbers = more;
                        room = room ? 2 * room : 32;
                }
                numbers[n++] = number;
        }
        if (n > 0)
                qsort(numbers, n, sizeof *numbers, ascending);
        *ret = take_ptr(numbers);
        *ret_n = n;
        return 0;
}

/* What lies there, against what the disk itself says. */
static bool is_of_content(int r)
{
        return r == -EBADMSG || r == -EINVAL || r == -ERANGE || r == -EISDIR || r == -EFBIG;
}

int record_damaged(const char *path, int r, struct error *reterr)
{
        if (!is_of_content(r))
                return error_prefix(reterr, r, "%s", path);
        (void) error_prefix(reterr, -EBADMSG, "%s is damaged", path);
        if (reterr)
                reterr->code = -EBADMSG;
        return -EBADMSG;
}

int record_read_json(int dirfd, const char *path, struct json_object **ret, struct error *reterr)
{
        cleanup_json_ struct json_object *object = NULL;
        cleanup_free_ char *text = NULL;
        size_t len;
        int r = io_read_file(dirfd, path, RECORD_FILE_BYTES_MAX, &text, &len, reterr);

        if (r < 0 && !is_of_content(r))
                return r;
        if (r == 0)
                r = json_parse(text, len, &object, reterr);
        if (r == 0 && !json_object_is_type(object, json_type_object))
                r = error_set(reterr, -EBADMSG, "it holds no object");
        if (r < 0)
                return record_damaged(path, r, reterr);
        *ret = take_ptr(object);
        return 0;
}

int record_write_json(int dirfd, const char *path, struct json_object *object, struct error *reterr)
{
        size_t len = 0;
        const char *text = object ? json_text(object, &len) : NULL;

        return text ? io_replace_file(dirfd, path, text, len, 0600, reterr) : error_oom(reterr);
}

int record_get_text(struct json_object *object, const char *path, const char *key, char *ret,
                    size_t size, struct error *reterr)
{
        const char *text = NULL;
        int r = json_get_string(object, key, &text, reterr);

        if (r == 0)
                r = error_set(reterr, -EINVAL, "\"%s\" is missing", key);
        if (r > 0 && strlen(text) >= size)
                r = error_set(reterr, -EINVAL, "\"%s\" is longer than %zu bytes", key, size - 1);
        if (r < 0)
                return record_damaged(path, r, reterr);
        memcpy(ret, text, strlen(text) + 1);
        return 0;
}

int record_get_time(struct json_object *object, const char *path, const char *key, uint64_t *ret,
                    struct error *reterr)
{
        char again[CLOCK_TEXT_SIZE];
        const char *text = NULL;
        unsigned msec = 0;
        struct tm tm = { 0 };
        time_t seconds = -1;
        int r = json_get_string(object, key, &text, reterr), used = 0;

        if (r == 0)
                *ret = 0;
        if (r <= 0)
                return r < 0 ? record_damaged(path, r, reterr) : 0;
        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3uZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &msec, &used) == 7 &&
            text[used] == '\0' && tm.tm_year >= 1970) {
                tm.tm_year -= 1900;
                tm.tm_mon -= 1;
                seconds = timegm(&tm);
        }
        if (seconds >= 0)
                *ret = (uint64_t) seconds * USEC_PER_SEC + msec * USEC_PER_MSEC;
        if (seconds < 0 || strcmp(clock_format(*ret, again), text) != 0)
                return record_damaged(path, error_set(reterr, -EINVAL, "\"%s\" is no time", key),
                                      reterr);
        return 0;
}

int record_get_hex(struct json_object *object, const char *path, const char *key, uint8_t *ret,
                   size_t len, struct error *reterr)
{
        const char *text = NULL;
        size_t got = 0;
        int r = json_get_string(object, key, &text, reterr);

        if (r >= 0 && (r == 0 || strlen(text) != 2 * len ||
                       strspn(text, "0123456789abcdef") != 2 * len ||
                       sodium_hex2bin(ret, len, text, 2 * len, NULL, &got, NULL) < 0 || got != len))
                r = error_set(reterr, -EINVAL, "\"%s\" is not %zu bytes in hexadecimal", key, len);
        return r < 0 ? record_damaged(path, r, reterr) : 0;
}
