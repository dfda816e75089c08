/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a text analyzer, shared by the text_*.c files and nobody else. */
#pragma once
#include "base/text.h"

#include <libstemmer.h>
#include <unicode/ubrk.h>
#include <unicode/unorm2.h>
#include <unicode/utext.h>

/* A break iterator and the text it was last given.  Iterators over texts may take turns on
 * one analyzer: each binds its own stretch again when it finds another one here. */
struct text_breaker {
        UBreakIterator *breaks; /* opened on first use */
        UText utext;
        const char *bound; /* NULL: nothing that may be relied on */
        size_t bound_len;
};

struct text_analyzer {
        struct sb_stemmer *stemmer; /* NULL: language "none" */
        bool english;               /* stop words are known */
        struct text_breaker words, sentences;
        const UNormalizer2 *fold, *compose, *decompose; /* ICU's own; NULL until needed */
        char *paragraph; /* the one `sentences` is bound to, line breaks made spaces */
        const char *sentences_of; /* … and where it was copied from */
};

/* Makes `breaker` stand on text[0..len); 0, -ENOMEM. */
int text_breaker_bind(struct text_breaker *breaker, UBreakIteratorType type, const char *text,
                      size_t len);

/* The first boundary behind `at`, at most `len` of the bound text. */
size_t text_breaker_following(struct text_breaker *breaker, size_t at);

/* Writes the folded form of a word: at most TEXT_TERM_MAX bytes, 0 when nothing is left. */
int text_fold(struct text_analyzer *analyzer, const char *word, size_t len,
              char ret[static TEXT_TERM_MAX], size_t *ret_len);

/* Takes diacritics off a folded or stemmed word, in place. */
int text_strip(struct text_analyzer *analyzer, char term[static TEXT_TERM_MAX], size_t *len);

/* Whether the folded English word tells documents apart as little as "the". */
bool text_is_stop_word(const char *word, size_t len);

static inline bool text_is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}
