/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/framing.h"

#include <string.h>

static int keep(struct buf *buf, const char *bytes, size_t len, struct error *reterr)
{
        if (buf->len + len > FRAMING_EVENT_MAX)
                return error_set(reterr, -EBADMSG, "a line of the stream is larger than 1 MiB");
        buf_append(buf, bytes, len);
        return buf_failed(buf) ? error_oom(reterr) : 0;
}

static int end_event(struct framing *framing, framing_function each, void *data)
{
        int r = 0;

        if (framing->has_data)
                r = each(data, buf_text(&framing->data), framing->data.len);
        framing->has_data = false;
        buf_clear(&framing->data);
        return r;
}

/* A field's name ends at the first colon; one space behind that is not part of the value. */
static int take_field(struct framing *framing, const char *line, size_t len, struct error *reterr)
{
        int r = 0;

        if (len < 4 || memcmp(line, "data", 4) != 0 || (len > 4 && line[4] != ':'))
                return 0;
        line += len > 4 ? 5 : 4;
        len -= len > 4 ? 5 : 4;
        if (len > 0 && *line == ' ') {
                line++;
                len--;
        }
        if (framing->has_data)
                r = keep(&framing->data, "\n", 1, reterr);
        framing->has_data = true;
        return r < 0 ? r : keep(&framing->data, line, len, reterr);
}

static int end_line(struct framing *framing, framing_function each, void *data,
                    struct error *reterr)
{
        const char *line = buf_text(&framing->line);
        size_t len = framing->line.len;
        int r;

        if (framing->kind == FRAMING_NDJSON)
                r = len > strspn(line, " \t") ? each(data, line, len) : 0;
        else if (len == 0)
                r = end_event(framing, each, data);
        else
                r = take_field(framing, line, len, reterr);
        buf_clear(&framing->line);
        return r;
}

int framing_feed(struct framing *framing, const char *bytes, size_t len, framing_function each,
                 void *data, struct error *reterr)
{
        const char *end = bytes + len;
        int r = 0;

        while (r == 0 && bytes < end) {
                const char *stop = bytes;

                if (framing->after_cr && *bytes == '\n')
                        bytes++;
                framing->after_cr = false;
                for (stop = bytes; stop < end && *stop != '\n' && *stop != '\r';)
                        stop++;
                r = keep(&framing->line, bytes, (size_t) (stop - bytes), reterr);
                if (r == 0 && stop < end) {
                        framing->after_cr = *stop == '\r';
                        r = end_line(framing, each, data, reterr);
                        stop++;
                }
                bytes = stop;
        }
        return r;
}

int framing_end(struct framing *framing, framing_function each, void *data, struct error *reterr)
{
        int r = framing->line.len > 0 ? end_line(framing, each, data, reterr) : 0;

        return r < 0 ? r : end_event(framing, each, data);
}

void framing_done(struct framing *framing)
{
        buf_done(&framing->line);
        buf_done(&framing->data);
}
