/* SPDX-License-Identifier: Apache-2.0 */
/* The sentences of some passages that best answer a question, without a model.
 *
 * Chosen greedily for a monotone submodular objective, after Lin and Bilmes, "A Class of
 * Submodular Functions for Document Summarization" (ACL 2011): each term of the question counts
 * by its inverse frequency among the sentences, the first sentence that has it in full, a second
 * one by half; gains are divided by a power of the sentence's length and weighed by the
 * passage's rank and by how much the sentence looks like one.
 *
 * Headings, tables, code blocks and rules are no sentences; list marks, emphasis and link
 * targets are dropped.  Pure functions on an analyzer; one thread. */
#pragma once
#include "answer/highlight.h"

#include <stdbool.h>

#define QUOTES_MAX 4

/* In order of their rank. */
struct passage {
        const char *text;
        size_t len;
};

struct quote {
        size_t passage;
        char *text; /* heap: one sentence, or neighbours, white space made single spaces */
        size_t len;
        uint32_t tokens;
};

struct quotes {
        struct quote items[QUOTES_MAX]; /* passage by passage, in the order of their merit */
        size_t n;
};

struct quotes_rule {
        uint32_t max_tokens; /* of all quotes together */
        uint32_t max_sentences; /* 0: QUOTES_MAX */
        bool trust_rank; /* where no sentence has a term: quote what the first passages begin with,
                            since their rank knows more than words */
};

/* Finding nothing is no error: n is 0. */
int quotes_choose(struct text_analyzer *analyzer, const struct query_terms *terms,
                  const struct passage *passages, size_t n, const struct quotes_rule *rule,
                  struct quotes *ret, struct error *reterr);
void quotes_done(struct quotes *quotes);

/* prose.c: a copy of the passage, byte for byte as long, in which everything that is no prose
 * has become line breaks and every block begins behind a blank line.  Heap; NULL: no memory. */
char *prose_copy(const char *text, size_t len);
/* Appends the sentence to `out` (room for len + 1 bytes) without emphasis and link targets,
 * white space made single spaces; returns its length. */
size_t prose_clean(const char *sentence, size_t len, char *out);
