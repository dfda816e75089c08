/* SPDX-License-Identifier: Apache-2.0 */
/* Text as people mean it: UTF-8, Unicode words and sentences (UAX #29), tokens for sizes, and
 * the terms under which words are found: folded, stemmed, CJK in bigrams.
 *
 * One rule for BM25, the hashing embedder, the chunker and the highlighter.  The rule is part
 * of a generation's identity: whoever changes what a function below returns for some text
 * raises TEXT_RULE_VERSION.
 *
 * The utf8_ functions are pure.  The others work on a struct text_analyzer, which owns the ICU
 * and stemmer objects and some scratch memory: one thread at a time, one analyzer per thread.
 * Nothing of ICU is opened before the first text that is not plain ASCII.  Text is borrowed
 * while an iterator runs over it; it may hold any bytes, invalid UTF-8 is no word. */
#pragma once
#include "base/cleanup.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_RULE_VERSION 1
#define TEXT_TERM_MAX 64  /* bytes of a term; a longer one is cut on a character boundary */
#define TEXT_WORD_MAX 256 /* bytes of a word; a longer run is given in pieces */

/* Bytes of the valid character at `text`: 1 to 4; 0 when there is none (len 0, a stray or
 * missing continuation, overlong, a surrogate, beyond U+10FFFF).  RFC 3629. */
size_t utf8_character_bytes(const char *text, size_t len);

/* Bytes of the longest valid beginning; `len` when all of it is valid. */
size_t utf8_valid_prefix(const char *text, size_t len);

/* The character at `text` (len > 0) and its bytes; U+FFFD and 1 where it is invalid. */
uint32_t utf8_character(const char *text, size_t len, size_t *ret_bytes);

/* Writes the character and returns its bytes; what is no character becomes U+FFFD. */
size_t utf8_write(uint32_t c, char ret[static 4]);

/* The largest character boundary that is not beyond `max`: where to cut a text that is too
 * long.  `len` when it already fits. */
size_t utf8_cut(const char *text, size_t len, size_t max);

struct text_analyzer;

/* `language` chooses the stemmer by its Snowball name or ISO 639 code ("english", "de"); "none"
 * or NULL stems nothing.  Stop words are known for English.  -EINVAL: unknown language;
 * -ENOMEM. */
int text_analyzer_new(const char *language, struct text_analyzer **ret, struct error *reterr);
void text_analyzer_free(struct text_analyzer *analyzer);
DEFINE_CLEANUP(struct text_analyzer *, text_analyzer_free)

/* ---- Words ------------------------------------------------------------------------------ */

enum text_kind {
        TEXT_WORD,    /* a UAX #29 word: letters, digits and what joins them ("3.5", "don't") */
        TEXT_CJK,     /* one Han, Hiragana, Katakana, Bopomofo or Hangul character */
        TEXT_SYMBOLS, /* a run without letters, at least 8 bytes of it without white space */
};

struct text_word {
        size_t start, end; /* bytes */
        uint32_t tokens;
        enum text_kind kind;
};

/* In the caller's memory; nothing to free. */
struct text_words {
        struct text_analyzer *analyzer;
        const char *text;
        size_t len;
        size_t at;          /* where the next word is looked for */
        size_t stretch_start, stretch_end; /* what is being cut into words */
        bool ascii;                        /* all of it is */
};

void text_words_begin(struct text_analyzer *analyzer, const char *text, size_t len,
                      struct text_words *ret);

/* 1: *ret is the next word; 0: the text is at its end; -ENOMEM. */
int text_words_next(struct text_words *words, struct text_word *ret);

/* Tokens, as chunk sizes and estimates count them: a word is one, of 16 bytes or more one for
 * each full 8; a CJK character is one; a run of other visible characters one for each full 8
 * bytes.  -ENOMEM. */
int text_count_tokens(struct text_analyzer *analyzer, const char *text, size_t len,
                      size_t *ret_tokens);

/* ---- Terms ------------------------------------------------------------------------------ */

/* What words are found by.  A word is split where '.', '_' or '@' joins parts that are worth
 * finding on their own ("ragd.toml" is "ragd" and "toml"; "3.5" and "U.S" stay), folded
 * (NFKC_Casefold), stemmed, and freed of diacritics ("Über" and "uber" meet).
 *
 * Runs of CJK characters become overlapping bigrams, and in a document the last character
 * stands alone as well: so each character of a run begins exactly one term.  A question's
 * run gives its bigrams only; one of a single character gives that character with `prefix`
 * set, to be matched as a prefix of terms. */
enum text_terms_for {
        TEXT_FOR_DOCUMENT,
        TEXT_FOR_QUERY,
};

struct text_term {
        char text[TEXT_TERM_MAX + 1]; /* NUL-terminated */
        uint32_t len;
        size_t start, end; /* bytes of the source that the term stands for */
        bool cjk;
        bool prefix;
        bool stop; /* too common to tell documents apart ("the"); still indexed */
};

struct text_terms {
        struct text_words words;
        enum text_terms_for use;
        struct text_word word;   /* being split into parts, from `part` on */
        struct text_word next;   /* the CJK character behind `word` */
        size_t part;
        bool have_word, have_next, run_begins;
};

void text_terms_begin(struct text_analyzer *analyzer, enum text_terms_for use, const char *text,
                      size_t len, struct text_terms *ret);

/* 1: *ret is the next term; 0: no more; -ENOMEM. */
int text_terms_next(struct text_terms *terms, struct text_term *ret);

/* ---- Sentences -------------------------------------------------------------------------- */

/* UAX #29 sentences; a single line break is a space, a blank line ends a paragraph and with it
 * the sentence. */
struct text_sentences {
        struct text_analyzer *analyzer;
        const char *text;
        size_t len;
        size_t at;
        size_t paragraph_start, paragraph_end;
};

void text_sentences_begin(struct text_analyzer *analyzer, const char *text, size_t len,
                          struct text_sentences *ret);

/* 1: the next sentence, without white space around it; 0: no more; -ENOMEM. */
int text_sentences_next(struct text_sentences *sentences, size_t *ret_start, size_t *ret_end);
