/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of one segment, in either direction. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memrchr */
#endif
#include "audit/line.h"
#include "audit/segment.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_BYTES 65536

struct segment_reader {
        int fd;
        uint64_t at;    /* of the file: where the next line begins */
        uint64_t start; /* of the file: the window's first byte */
        size_t have;    /* bytes in the window */
        char window[WINDOW_BYTES];
};

int segment_reader_new(int takes_fd, struct segment_reader **ret, struct error *reterr)
{
        struct segment_reader *reader = malloc(sizeof *reader);

        if (!reader) {
                (void) close(takes_fd);
                return error_oom(reterr);
        }
        reader->fd = takes_fd;
        reader->at = reader->start = 0;
        reader->have = 0;
        *ret = reader;
        return 0;
}

struct segment_reader *segment_reader_free(struct segment_reader *reader)
{
        if (reader) {
                (void) close(reader->fd);
                free(reader);
        }
        return NULL;
}

void segment_reader_seek(struct segment_reader *reader, uint64_t offset)
{
        reader->at = offset;
}

int segment_reader_seek_end(struct segment_reader *reader, struct error *reterr)
{
        struct stat st;

        if (fstat(reader->fd, &st) < 0)
                return error_set_errno(reterr, -errno, "cannot read the audit log");
        reader->at = (uint64_t) st.st_size;
        return 0;
}

uint64_t segment_reader_tell(const struct segment_reader *reader)
{
        return reader->at;
}

/* Fills the window with what lies from `start` on. */
static int load(struct segment_reader *reader, uint64_t start, size_t want, struct error *reterr)
{
        reader->start = start;
        reader->have = 0;
        while (reader->have < want) {
                ssize_t n = pread(reader->fd, reader->window + reader->have, want - reader->have,
                                  (off_t) (start + reader->have));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return error_set_errno(reterr, -errno, "cannot read the audit log");
                if (n == 0)
                        break;
                reader->have += (size_t) n;
        }
        return 0;
}

static const char *newline_from(const struct segment_reader *reader, size_t at)
{
        return memchr(reader->window + at, '\n', reader->have - at);
}

/* Over the rest of a line that is too long, which began at `begin`. */
static int skip_long(struct segment_reader *reader, uint64_t begin, struct segment_line *ret,
                     struct error *reterr)
{
        *ret = (struct segment_line){ .text = "", .offset = begin };
        for (;;) {
                const char *end = newline_from(reader, 0);
                int r;

                if (end) {
                        reader->at = reader->start + (uint64_t) (end - reader->window) + 1;
                        ret->whole = true;
                        return 1;
                }
                reader->at = reader->start + reader->have;
                if (reader->have == 0)
                        return 1;
                r = load(reader, reader->at, WINDOW_BYTES, reterr);
                if (r < 0)
                        return r;
        }
}

int segment_reader_next(struct segment_reader *reader, struct segment_line *ret,
                        struct error *reterr)
{
        uint64_t begin = reader->at;
        const char *end = NULL;
        size_t at = 0;

        if (begin >= reader->start && begin - reader->start <= reader->have) {
                at = (size_t) (begin - reader->start);
                end = newline_from(reader, at);
        }
        if (!end) {
                int r = load(reader, begin, WINDOW_BYTES, reterr);

                if (r < 0)
                        return r;
                at = 0;
                end = newline_from(reader, 0);
        }
        if (reader->have == at)
                return 0;
        if (!end && reader->have - at >= LINE_BYTES_MAX)
                return skip_long(reader, begin, ret, reterr);
        *ret = (struct segment_line){
                .text = reader->window + at,
                .len = end ? (size_t) (end - reader->window) - at : reader->have - at,
                .offset = begin,
                .whole = end != NULL,
        };
        reader->at = begin + ret->len + (end ? 1 : 0);
        if (ret->len >= LINE_BYTES_MAX) {
                ret->text = "";
                ret->len = 0;
        }
        return 1;
}

/* The newline before `end`, or NULL. */
static const char *newline_before(const struct segment_reader *reader, size_t end)
{
        return end > 0 ? memrchr(reader->window, '\n', end) : NULL;
}

int segment_reader_previous(struct segment_reader *reader, struct segment_line *ret,
                            struct error *reterr)
{
        uint64_t end = reader->at;
        const char *before = NULL;
        size_t len, at;

        if (end == 0)
                return 0;
        if (end > reader->start && end - reader->start <= reader->have)
                before = newline_before(reader, (size_t) (end - reader->start) - 1);
        if (!before && (reader->start > 0 || end - reader->start > reader->have)) {
                uint64_t start = end > WINDOW_BYTES ? end - WINDOW_BYTES : 0;
                int r = load(reader, start, (size_t) (end - start), reterr);

                if (r < 0)
                        return r;
                if (reader->have != end - start) /* it was cut meanwhile */
                        return 0;
                before = newline_before(reader, (size_t) (end - start) - 1);
        }
        at = before ? (size_t) (before - reader->window) + 1 : 0;
        len = (size_t) (end - reader->start) - at;
        *ret = (struct segment_line){ .text = reader->window + at, .offset = reader->start + at };
        ret->whole = len > 0 && ret->text[len - 1] == '\n';
        ret->len = ret->whole ? len - 1 : len;
        reader->at = ret->offset;
        if (ret->len >= LINE_BYTES_MAX) {
                ret->text = "";
                ret->len = 0;
        }
        return 1;
}
