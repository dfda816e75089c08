/* SPDX-License-Identifier: Apache-2.0 */
/* From a document's bytes to the plain text that is cut, embedded and quoted.
 *
 *     text/plain, application/json   as it is
 *     text/markdown                  CommonMark through cmark: headings, list items and code
 *                                    keep their lines; emphasis, links and tags become text
 *
 * Text is UTF-8 without NUL; a byte order mark is skipped, other control characters but tab,
 * line feed, form feed and carriage return become spaces. */
#pragma once
#include "base/error.h"

#include <stddef.h>

/* The canonical name of a media type that is read ("text/markdown" for "text/x-markdown;
 * charset=utf-8"), static memory.  NULL: not read, or in another charset than UTF-8. */
const char *extract_mime(const char *mime);
/* "text/plain, text/markdown, application/json", for errors. */
const char *extract_mimes(void);

/* -EILSEQ with the offset of the first byte that is not UTF-8, or is NUL. */
int extract_check(const char *body, size_t len, struct error *reterr);

struct extracted {
        const char *text; /* in `owned`, or in the body */
        size_t len;
        char *owned;
};

/* `mime` is canonical; the body is changed in place.  -EILSEQ, -ENOMEM. */
int extract_text(const char *mime, char *body, size_t len, struct extracted *ret,
                 struct error *reterr);
void extracted_done(struct extracted *extracted);

/* The text of the first heading near the beginning; heap, NULL where there is none. */
char *extract_title(const char *mime, const char *body, size_t len);
