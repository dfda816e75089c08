/* SPDX-License-Identifier: Apache-2.0 */
/* Several segments become one, term by term, a bounded piece at a time; what is no longer kept
 * is left out.
 *
 * One thread; the inputs are referenced until the end. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"
#include "index/postings_segment.h"

struct postings_keep;
struct postings_merge;

/* Of n segments that follow each other, into the segment of [first_slot, end_slot), which covers
 * theirs.  `keep` (NULL: all) is read now and not later.  `fd` is where it is written, borrowed;
 * -1: memory.  `language` is borrowed.  -ENOMEM. */
int postings_merge_new(struct postings_segment *const *inputs, size_t n, uint32_t first_slot,
                       uint32_t end_slot, const struct postings_keep *keep, int fd,
                       const char *language, struct postings_merge **ret, struct error *reterr);
void postings_merge_free(struct postings_merge *merge);
DEFINE_CLEANUP(struct postings_merge *, postings_merge_free)

/* Merges about so many postings more.  1: there are more; 0: that was all; -EBADMSG: an input is
 * damaged; -ENOMEM, -EFBIG, what the disk says.  Nothing but freeing it comes after a failure. */
int postings_merge_step(struct postings_merge *merge, uint64_t postings, struct error *reterr);

/* As postings_writer_end(). */
int postings_merge_end(struct postings_merge *merge, uint8_t **ret_base, size_t *ret_bytes,
                       struct error *reterr);

/* All of it at once, in memory. */
int postings_merge_in_memory(struct postings_segment *const *inputs, size_t n, const char *language,
                             struct postings_segment **ret, struct error *reterr);
