/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting a text into chunks.
 *
 * Sizes are tokens of base/text.h.  Every byte that is not white space lies in at least one
 * chunk, cuts lie on character boundaries, and no chunk exceeds max_chunk_size: nothing is
 * dropped.  A tail below min_chunk_size joins its predecessor where the cap allows; a short
 * text is one chunk; a text of white space alone has none.  Pure but for the analyzer. */
#pragma once
#include "base/error.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

enum chunk_strategy {
        CHUNK_SLIDING_WINDOW, /* words, up to chunk_size; `overlap` tokens are repeated */
        CHUNK_SENTENCE,       /* whole sentences; only one beyond max_chunk_size is split */
        CHUNK_STRATEGY_MAX,
        CHUNK_STRATEGY_INVALID = -EINVAL,
};
const char *chunk_strategy_name(enum chunk_strategy strategy);
enum chunk_strategy chunk_strategy_from_name(const char *name);

struct chunk_rules {
        enum chunk_strategy strategy;
        uint32_t chunk_size, overlap, max_chunk_size, min_chunk_size;
};

/* Puts the document's own wishes, JSON {strategy, max_tokens, overlap}, over `rules`.  An
 * overlap that is not named is at most half of the size.  -EINVAL with the pointer. */
int chunk_rules_override(struct chunk_rules *rules, const char *json, struct error *reterr);

struct chunk_cut {
        uint32_t start, end; /* bytes of the text, without white space around */
        uint32_t tokens;
};

/* *ret is a heap array of *ret_n, NULL where there is nothing.  -EFBIG: 4 GiB or more. */
int chunk_cut_text(struct text_analyzer *analyzer, const struct chunk_rules *rules,
                   const char *text, size_t len, struct chunk_cut **ret, size_t *ret_n,
                   struct error *reterr);
