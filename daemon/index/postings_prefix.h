/* SPDX-License-Identifier: Apache-2.0 */
/* A beginning of terms as one term: its documents are those of all terms that begin so, its
 * frequency in each is theirs together. */
#pragma once
#include "base/error.h"
#include "index/postings_scan.h"

#define POSTINGS_PREFIX_TERMS 4096 /* of a segment that are put together, the first ones */

/* Left alone where no term begins so.  Else its segment is made for this list alone, borrows
 * `segment`, and is the caller's to free.  -EBADMSG, -ENOMEM, or what the check returned. */
int postings_prefix_list(struct postings_segment *segment, const char *prefix, size_t len,
                         const struct index_check *check, struct postings_scan_list *ret,
                         struct error *reterr);
void postings_prefix_free(struct postings_segment *segment); /* NULL is fine */
