/* SPDX-License-Identifier: Apache-2.0 */
/* CommonMark to plain text, through cmark.  Pure functions; the text is UTF-8. */
#pragma once
#include <stddef.h>

struct buf;

/* Appends the text of all blocks: a blank line between them, "- " or "1. " before list items,
 * code as it stands, of HTML only what stands between the tags.  -ENOMEM. */
int markdown_text(const char *body, size_t len, struct buf *ret);

/* The first heading's text on one line; heap; NULL: there is none. */
char *markdown_title(const char *body, size_t len);
