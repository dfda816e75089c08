/* SPDX-License-Identifier: Apache-2.0 */
/* The terms of a question, and where they stand in a text.  By the rule of base/text.h, so that
 * what is marked is what BM25 found. */
#pragma once
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

#define QUERY_TERMS_MAX 64 /* distinct ones */

/* Caller's memory.  Stop words are left out, unless there is nothing else. */
struct query_terms {
        struct text_term items[QUERY_TERMS_MAX];
        size_t n;
};

int query_terms_read(struct text_analyzer *analyzer, const char *text, size_t len,
                     struct query_terms *ret, struct error *reterr);

/* Which of the terms a document's term is; QUERY_TERMS_MAX where it is none. */
size_t query_terms_find(const struct query_terms *terms, const struct text_term *term);

struct span {
        uint32_t start, end; /* bytes */
};

/* The places of the terms in the text, ascending, those that touch or overlap as one; heap. */
int highlight(struct text_analyzer *analyzer, const struct query_terms *terms, const char *text,
              size_t len, struct span **ret, size_t *ret_n, struct error *reterr);
