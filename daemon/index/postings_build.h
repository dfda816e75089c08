/* SPDX-License-Identifier: Apache-2.0 */
/* Texts become a segment in memory: cut into terms, counted, sorted.
 *
 * One thread; nothing is kept from one call to the next but what the analyzer keeps. */
#pragma once
#include "base/error.h"
#include "base/text.h"
#include "index/postings.h"
#include "index/postings_segment.h"

/* Of [first_slot, end_slot), which holds all texts, ascending by slot.  `language` is the one
 * the analyzer was made with.  -ENOMEM; -EFBIG: too much for one segment. */
int postings_build(struct text_analyzer *analyzer, const char *language, uint32_t first_slot,
                   uint32_t end_slot, const struct postings_text *texts, size_t n,
                   struct postings_segment **ret, struct error *reterr);
