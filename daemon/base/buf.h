/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte string, always NUL-terminated behind its length (which is not counted).
 *
 * Appending to a buffer that ran out of memory does nothing and keeps the failure, so that
 * a writer checks once, at the end, with buf_failed().  Memory belongs to the buffer until
 * buf_take().  One thread at a time. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
        char *data; /* NULL while empty */
        size_t len;
        size_t capacity;
        bool failed;
};

#define BUF_EMPTY ((struct buf){ 0 })

void buf_done(struct buf *buf);  /* frees; the buffer is empty and usable again */
void buf_clear(struct buf *buf); /* length 0, memory kept, failure forgotten */

void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char c);
void buf_append_format(struct buf *buf, const char *format, ...)
        __attribute__((format(printf, 2, 3)));

/* Appends `text` as a JSON string with its quotes.  Invalid UTF-8 becomes U+FFFD. */
void buf_append_json_string(struct buf *buf, const char *text, size_t len);

/* Makes room for `more` bytes behind the length and returns where they go; NULL: no memory.
 * The caller adds what it wrote to `len` and ends it with a NUL (room for it is included). */
char *buf_reserve(struct buf *buf, size_t more);

/* Removes the first `n` bytes. */
void buf_consume(struct buf *buf, size_t n);

static inline bool buf_failed(const struct buf *buf)
{
        return buf->failed;
}

/* "" while empty, never NULL.  Borrowed until the next change. */
static inline const char *buf_text(const struct buf *buf)
{
        return buf->data ? buf->data : "";
}

/* Hands over the memory (heap; free() it) and empties the buffer; NULL when it failed. */
char *buf_take(struct buf *buf);
