/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *buf)
{
        free(buf->data);
        *buf = BUF_EMPTY;
}

void buf_clear(struct buf *buf)
{
        buf->len = 0;
        buf->failed = false;
        if (buf->data)
                buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t more)
{
        size_t wanted, capacity;
        char *data;

        if (buf->failed)
                return NULL;
        if (more >= SIZE_MAX / 2 - buf->len) {
                buf->failed = true;
                return NULL;
        }
        wanted = buf->len + more + 1;
        if (wanted > buf->capacity) {
                capacity = buf->capacity + buf->capacity / 2;
                if (capacity < wanted)
                        capacity = wanted;
                if (capacity < 64)
                        capacity = 64;
                data = realloc(buf->data, capacity);
                if (!data) {
                        buf->failed = true;
                        return NULL;
                }
                buf->data = data;
                buf->capacity = capacity;
        }
        return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
        char *room;

        if (len == 0)
                return;
        room = buf_reserve(buf, len);
        if (!room)
                return;
        memcpy(room, bytes, len);
        buf->len += len;
        buf->data[buf->len] = '\0';
}

void buf_append_text(struct buf *buf, const char *text)
{
        buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char c)
{
        buf_append(buf, &c, 1);
}

void buf_append_format(struct buf *buf, const char *format, ...)
{
        va_list arguments, again;
        char *room;
        int len;

        va_start(arguments, format);
        va_copy(again, arguments);
        len = vsnprintf(NULL, 0, format, arguments);
        va_end(arguments);
        room = len < 0 ? NULL : buf_reserve(buf, (size_t) len);
        if (room) {
                (void) vsnprintf(room, (size_t) len + 1, format, again);
                buf->len += (size_t) len;
        } else {
                buf->failed = true;
        }
        va_end(again);
}

void buf_append_json_string(struct buf *buf, const char *text, size_t len)
{
        size_t at = 0;

        buf_append_char(buf, '"');
        while (at < len) {
                unsigned char c = (unsigned char) text[at];
                size_t step = utf8_character_bytes(text + at, len - at);

                if (step == 0) {
                        buf_append_text(buf, "\xEF\xBF\xBD");
                        at++;
                        continue;
                }
                if (c == '"' || c == '\\')
                        buf_append_format(buf, "\\%c", c);
                else if (c == '\n')
                        buf_append_text(buf, "\\n");
                else if (c == '\t')
                        buf_append_text(buf, "\\t");
                else if (c == '\r')
                        buf_append_text(buf, "\\r");
                else if (c < 0x20)
                        buf_append_format(buf, "\\u%04x", c);
                else
                        buf_append(buf, text + at, step);
                at += step;
        }
        buf_append_char(buf, '"');
}

void buf_consume(struct buf *buf, size_t n)
{
        if (n > buf->len)
                n = buf->len;
        if (n == 0)
                return;
        memmove(buf->data, buf->data + n, buf->len - n);
        buf->len -= n;
        buf->data[buf->len] = '\0';
}

char *buf_take(struct buf *buf)
{
        char *data;

        if (!buf_reserve(buf, 0)) {
                buf_done(buf);
                return NULL;
        }
        buf->data[buf->len] = '\0';
        data = buf->data;
        *buf = BUF_EMPTY;
        return data;
}
