/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that must not be answered as if they were clear.
 *
 * Two readers of one byte stream that disagree about where a request ends, or whom it is for,
 * are how requests are smuggled past a proxy (RFC 9112 sections 5.1, 6.1, 6.3, 11.2).  The
 * HTTP library below is lenient, so whatever it lets through ambiguous ends here: the request
 * is refused and the connection closed, since the bytes behind it can't be trusted. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct request;

/* True: refused.  The problem is set and the connection will be closed. */
bool reject_head(struct request *request);

/* Fields behind a chunked body: none is taken, whatever it is called. */
void reject_trailer(struct request *request);

/* The head as it lies in the connection's buffer, which the library splits in place by writing
 * NULs over separators.  From the places of the pieces follows what it hides: bare LF, folded
 * lines, fields without a name, NULs inside values or the target.
 *
 *     GET\0/path\0HTTP/1.1\0\0Host\0 x\0\0\0\0
 */
struct raw_head {
        const char *start;  /* the method */
        const char *target; /* where the target began */
        size_t target_len;
        const char *version;
        size_t len; /* of the whole head, with its empty line */
};
/* False: it is not made of the request's headers, one CRLF each, in order, and nothing else. */
bool reject_layout_is_clean(const struct raw_head *raw, const struct request *request);
/* Settles the request as reject_head() does. */
void reject_layout(struct request *request);
