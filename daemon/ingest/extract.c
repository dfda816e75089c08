/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "ingest/extract.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "ingest/markdown.h"

#include <string.h>
#include <strings.h>

#define TITLE_SEARCH_BYTES 65536 /* a heading behind these is no title */

static const struct format {
        const char *mime, *canonical;
        int (*extract)(const char *body, size_t len, struct buf *ret); /* NULL: as it is */
} formats[] = {
        { "text/plain", "text/plain", NULL },
        { "text/markdown", "text/markdown", markdown_text },
        { "text/x-markdown", "text/markdown", markdown_text },
        { "application/json", "application/json", NULL },
};

static bool charset_is_utf8(const char *parameters)
{
        const char *charset = strcasestr(parameters, "charset=");
        size_t len;

        if (!charset)
                return true;
        charset += strlen("charset=");
        if (*charset == '"')
                charset++;
        len = strcspn(charset, "\"; \t");
        return (len == 5 && strncasecmp(charset, "utf-8", 5) == 0) ||
               (len == 4 && strncasecmp(charset, "utf8", 4) == 0) ||
               (len == 8 && strncasecmp(charset, "us-ascii", 8) == 0);
}

const char *extract_mime(const char *mime)
{
        size_t len = strcspn(mime, "; \t");

        for (size_t i = 0; i < ELEMENTSOF(formats); i++)
                if (strlen(formats[i].mime) == len && strncasecmp(mime, formats[i].mime, len) == 0)
                        return charset_is_utf8(mime + len) ? formats[i].canonical : NULL;
        return NULL;
}

const char *extract_mimes(void)
{
        return "text/plain, text/markdown, application/json";
}

int extract_check(const char *body, size_t len, struct error *reterr)
{
        size_t valid = utf8_valid_prefix(body, len);
        const char *nul = len > 0 ? memchr(body, '\0', len) : NULL;

        if (nul && (size_t) (nul - body) < valid)
                return error_set(reterr, -EILSEQ, "byte %zu is NUL: this is not a text",
                                 (size_t) (nul - body));
        if (valid < len)
                return error_set(reterr, -EILSEQ, "not valid UTF-8 at byte %zu", valid);
        return 0;
}

static void clean(char *text, size_t len)
{
        for (size_t i = 0; i < len; i++) {
                unsigned char c = (unsigned char) text[i];

                if ((c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r') || c == 0x7F)
                        text[i] = ' ';
        }
}

int extract_text(const char *mime, char *body, size_t len, struct extracted *ret,
                 struct error *reterr)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        size_t mark = len >= 3 && memcmp(body, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
        const struct format *format = formats;
        int r = extract_check(body, len, reterr);

        if (r < 0)
                return r;
        while (format < formats + ELEMENTSOF(formats) && strcmp(format->mime, mime) != 0)
                format++;
        if (format == formats + ELEMENTSOF(formats))
                return error_set(reterr, -EMEDIUMTYPE, "%s is not read; these are: %s", mime,
                                 extract_mimes());
        clean(body, len);
        if (!format->extract) {
                *ret = (struct extracted){ body + mark, len - mark, NULL };
                return 0;
        }
        r = format->extract(body + mark, len - mark, &text);
        if (r < 0 || buf_failed(&text))
                return error_oom(reterr);
        clean(text.data ? text.data : body, text.len); /* numeric character references */
        *ret = (struct extracted){ .text = "", .len = text.len };
        if (text.len > 0)
                ret->text = ret->owned = buf_take(&text);
        return 0;
}

void extracted_done(struct extracted *extracted)
{
        free(extracted->owned);
        *extracted = (struct extracted){ 0 };
}

char *extract_title(const char *mime, const char *body, size_t len)
{
        size_t near = utf8_cut(body, len, TITLE_SEARCH_BYTES);

        return strcmp(mime, "text/markdown") == 0 ? markdown_title(body, near) : NULL;
}
