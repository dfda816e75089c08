/* SPDX-License-Identifier: Apache-2.0 */
/* The files postings.NNNN of a generation's folder.  Each is one segment; a file is never
 * changed.  A new one is written beside the others, made durable, and only then are those
 * removed that it replaces: where both are found after a crash, the higher number holds. */
#include "index/postings_inside.h"

#include "base/buf.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 40

static const char *file_name(uint32_t number, const char *end, char name[static NAME_SIZE])
{
        (void) snprintf(name, NAME_SIZE, "postings.%04u%s", number, end);
        return name;
}

/* The number of a file and what follows it in its name; NULL: it is none of ours. */
static const char *parse_name(const char *name, uint32_t *ret_number)
{
        static const char prefix[] = "postings.";
        unsigned long number;
        char *end;

        if (strncmp(name, prefix, sizeof prefix - 1) != 0)
                return NULL;
        name += sizeof prefix - 1;
        if (*name < '0' || *name > '9')
                return NULL;
        number = strtoul(name, &end, 10);
        if (end - name < 4 || end - name > 9 || number == 0)
                return NULL;
        *ret_number = (uint32_t) number;
        return end;
}

/* ---- One file --------------------------------------------------------------------------- */

static int map_file(struct postings *postings, uint32_t number, int fd,
                    struct postings_segment **ret, struct error *reterr)
{
        struct stat st;
        void *base;
        int r;

        if (fstat(fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot read it");
        if (!S_ISREG(st.st_mode) || (size_t) st.st_size < sizeof(struct postings_header))
                return error_set(reterr, -EBADMSG, "it is too short");
        base = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (base == MAP_FAILED)
                return error_set_errno(reterr, -errno, "cannot map it");
        r = postings_segment_new(base, (size_t) st.st_size, (size_t) st.st_size, postings->language,
                                 ret, reterr);
        if (r < 0)
                (void) munmap(base, (size_t) st.st_size);
        else
                (*ret)->number = number;
        return r;
}

int postings_file_create(struct postings *postings, uint32_t number, struct error *reterr)
{
        char name[NAME_SIZE];
        int fd = openat(postings->dirfd, file_name(number, ".tmp", name),
                        O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

        return fd < 0 ? error_set_errno(reterr, -errno, "cannot create %s", name) : fd;
}

int postings_file_commit(struct postings *postings, uint32_t number, int fd,
                         struct postings_segment **ret, struct error *reterr)
{
        char temporary[NAME_SIZE], name[NAME_SIZE];
        struct postings_segment *segment = NULL;
        int r = map_file(postings, number, fd, &segment, reterr);

        (void) file_name(number, "", name);
        if (r < 0)
                return error_prefix(reterr, r, "%s", name);
        if (fsync(fd) < 0 || renameat(postings->dirfd, file_name(number, ".tmp", temporary),
                                      postings->dirfd, name) < 0)
                r = -errno;
        if (r == 0) {
                r = io_sync_directory(postings->dirfd, ".");
                if (r < 0)
                        postings_file_remove(postings, number);
        }
        if (r < 0) {
                (void) postings_segment_unref(segment);
                return error_set_errno(reterr, r, "cannot write %s", name);
        }
        segment->verified = true;
        *ret = segment;
        return 0;
}

void postings_file_discard(struct postings *postings, uint32_t number)
{
        char name[NAME_SIZE];

        (void) unlinkat(postings->dirfd, file_name(number, ".tmp", name), 0);
}

/* One that stays is removed by the next opening, or serves again what it always held. */
void postings_file_remove(struct postings *postings, uint32_t number)
{
        char name[NAME_SIZE];

        (void) unlinkat(postings->dirfd, file_name(number, "", name), 0);
}

void postings_file_set_aside(struct postings *postings, uint32_t number)
{
        char name[NAME_SIZE], aside[NAME_SIZE];

        (void) renameat(postings->dirfd, file_name(number, "", name), postings->dirfd,
                        file_name(number, ".damaged", aside));
        (void) io_sync_directory(postings->dirfd, ".");
}

/* ---- All files -------------------------------------------------------------------------- */

struct numbers {
        uint32_t *numbers;
        size_t n, room;
};

static int take_number(struct numbers *numbers, uint32_t number)
{
        if (numbers->n == numbers->room) {
                size_t room = numbers->room ? numbers->room * 2 : 16;
                uint32_t *grown = reallocarray(numbers->numbers, room, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                numbers->numbers = grown;
                numbers->room = room;
        }
        numbers->numbers[numbers->n++] = number;
        return 0;
}

static int descending(const void *left, const void *right)
{
        uint32_t a = *(const uint32_t *) left, b = *(const uint32_t *) right;

        return (a < b) - (a > b);
}

/* Newest first.  What a crash left unfinished is removed. */
static int list_files(struct postings *postings, struct numbers *ret, struct error *reterr)
{
        int fd = openat(postings->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (!dir) {
                r = error_set_errno(reterr, -errno, "cannot read the postings' folder");
                if (fd >= 0)
                        (void) close(fd);
                return r;
        }
        for (struct dirent *entry; r == 0 && (entry = readdir(dir));) {
                uint32_t number;
                const char *end = parse_name(entry->d_name, &number);

                if (!end)
                        continue;
                if (number >= postings->next_number)
                        postings->next_number = number + 1;
                if (strcmp(end, ".tmp") == 0)
                        postings_file_discard(postings, number);
                else if (*end == '\0')
                        r = take_number(ret, number);
        }
        (void) closedir(dir);
        if (r == 0 && ret->n > 0)
                qsort(ret->numbers, ret->n, sizeof *ret->numbers, descending);
        return r < 0 ? error_oom(reterr) : 0;
}

/* NULL and 0: it was set aside, or left alone, and `damage` says why. */
static int open_file(struct postings *postings, uint32_t number, struct buf *damage,
                     struct postings_segment **ret, struct error *reterr)
{
        struct error why = { 0 };
        char name[NAME_SIZE];
        cleanup_close_ int fd = openat(postings->dirfd, file_name(number, "", name),
                                       O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        int r;

        *ret = NULL;
        if (fd < 0 && errno != ELOOP)
                return error_set_errno(reterr, -errno, "cannot open %s", name);
        r = fd < 0 ? error_set(&why, -EBADMSG, "it is a link")
                   : map_file(postings, number, fd, ret, &why);
        if (r == 0)
                return 0;
        if (r != -EBADMSG && r != -EINVAL && r != -EPROTONOSUPPORT)
                return error_set(reterr, r, "%s: %s", name, error_text(&why));
        if (r != -EPROTONOSUPPORT)
                postings_file_set_aside(postings, number);
        buf_append_format(damage, "%s%s was %s: %s", damage->len ? "; " : "", name,
                          r == -EPROTONOSUPPORT ? "left alone" : "set aside", error_text(&why));
        return 0;
}

static bool overlap(const struct postings_segment *a, const struct postings_segment *b)
{
        return a->header.first_slot < b->header.end_slot &&
               b->header.first_slot < a->header.end_slot;
}

/* Puts the segment in its place; not where a newer one holds the same slots. */
static bool insert(struct postings_segment **segments, size_t n, struct postings_segment *segment)
{
        size_t at = n;

        if (segment->header.first_slot == segment->header.end_slot)
                return false;
        for (size_t i = 0; i < n; i++)
                if (overlap(segments[i], segment))
                        return false;
        while (at > 0 && segments[at - 1]->header.first_slot > segment->header.first_slot)
                at--;
        memmove(segments + at + 1, segments + at, (n - at) * sizeof(struct postings_segment *));
        segments[at] = segment;
        return true;
}

int postings_files_open(struct postings *postings, struct postings_segment ***ret, size_t *ret_n,
                        char **ret_damage, struct error *reterr)
{
        struct numbers numbers = { 0 };
        cleanup_free_ struct postings_segment **segments = NULL;
        struct buf damage = BUF_EMPTY;
        size_t n = 0;
        int r = list_files(postings, &numbers, reterr);

        if (r == 0) {
                segments = calloc(numbers.n + 1, sizeof(struct postings_segment *));
                if (!segments)
                        r = error_oom(reterr);
        }
        for (size_t i = 0; r == 0 && i < numbers.n; i++) {
                struct postings_segment *segment;

                r = open_file(postings, numbers.numbers[i], &damage, &segment, reterr);
                if (r < 0 || !segment)
                        continue;
                if (insert(segments, n, segment)) {
                        n++;
                } else {
                        (void) postings_segment_unref(segment);
                        postings_file_remove(postings, numbers.numbers[i]);
                }
        }
        free(numbers.numbers);
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        (void) postings_segment_unref(segments[i]);
                buf_done(&damage);
                return r;
        }
        *ret = take_ptr(segments);
        *ret_n = n;
        *ret_damage = damage.len > 0 ? buf_take(&damage) : NULL;
        return 0;
}
