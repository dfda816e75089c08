/* SPDX-License-Identifier: Apache-2.0 */
/* From words to terms: split, fold, stem, strip; CJK characters in pairs. */
#include "base/text_analyzer.h"

#include <stdlib.h>
#include <string.h>

int text_analyzer_new(const char *language, struct text_analyzer **ret, struct error *reterr)
{
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer =
                calloc(1, sizeof *analyzer);

        if (!analyzer)
                return error_oom(reterr);
        if (language && strcmp(language, "none") != 0) {
                analyzer->stemmer = sb_stemmer_new(language, NULL);
                if (!analyzer->stemmer)
                        return error_set(reterr, -EINVAL, "no stemmer for language \"%s\"",
                                         language);
                analyzer->english = strcmp(language, "english") == 0 ||
                                    strcmp(language, "en") == 0 || strcmp(language, "eng") == 0;
        }
        *ret = take_ptr(analyzer);
        return 0;
}

void text_analyzer_free(struct text_analyzer *analyzer)
{
        if (!analyzer)
                return;
        if (analyzer->stemmer)
                sb_stemmer_delete(analyzer->stemmer);
        for (int i = 0; i < 2; i++) {
                struct text_breaker *breaker = i ? &analyzer->sentences : &analyzer->words;

                if (breaker->breaks) {
                        ubrk_close(breaker->breaks);
                        (void) utext_close(&breaker->utext);
                }
        }
        free(analyzer->paragraph);
        free(analyzer);
}

/* ---- One word --------------------------------------------------------------------------- */

static char at_or_nul(const char *text, size_t at, size_t end)
{
        return at < end ? text[at] : '\0';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* Whether the character at `at` of the word [start, end) separates two parts of it. */
static bool splits(const char *text, size_t start, size_t at, size_t end)
{
        char c = text[at];

        if (c == '_' || c == '@')
                return true;
        if (c != '.')
                return false;
        if (at == start || at + 1 == end)
                return true;
        if (is_digit(text[at - 1]) && is_digit(text[at + 1]))
                return false;
        /* "U.S" and "e.g" are one: a part of one letter is not worth finding. */
        return !((at == start + 1 || text[at - 2] == '.') &&
                 (at + 2 == end || at_or_nul(text, at + 2, end) == '.'));
}

/* The part of `word` from *at on; false when none is left. */
static bool next_part(const char *text, const struct text_word *word, size_t *at, size_t *ret_end)
{
        size_t start = *at, end;

        while (start < word->end && splits(text, word->start, start, word->end))
                start++;
        end = start;
        while (end < word->end && !splits(text, word->start, end, word->end))
                end++;
        *at = start;
        *ret_end = end;
        return start < end;
}

/* Fills text and len; 0 where nothing is left of the part (only ignorable characters). */
static int make_term(struct text_analyzer *analyzer, const char *part, size_t len, bool stem,
                     struct text_term *term)
{
        const sb_symbol *stemmed;
        size_t size = 0;
        int r = text_fold(analyzer, part, len, term->text, &size);

        if (r < 0 || size == 0)
                return r;
        if (stem) {
                term->stop = analyzer->english && text_is_stop_word(term->text, size);
                if (analyzer->stemmer && !memchr(part, '.', len)) { /* "U.S" is no plural */
                        stemmed = sb_stemmer_stem(analyzer->stemmer,
                                                  (const sb_symbol *) term->text, (int) size);
                        if (!stemmed)
                                return -ENOMEM;
                        if (sb_stemmer_length(analyzer->stemmer) > 0) {
                                size = (size_t) sb_stemmer_length(analyzer->stemmer);
                                size = utf8_cut((const char *) stemmed, size, TEXT_TERM_MAX);
                                memcpy(term->text, stemmed, size);
                        }
                }
                r = text_strip(analyzer, term->text, &size);
                if (r < 0)
                        return r;
        }
        term->text[size] = '\0';
        term->len = (uint32_t) size;
        return size > 0;
}

/* ---- The iterator ----------------------------------------------------------------------- */

void text_terms_begin(struct text_analyzer *analyzer, enum text_terms_for use, const char *text,
                      size_t len, struct text_terms *ret)
{
        memset(ret, 0, sizeof *ret);
        text_words_begin(analyzer, text, len, &ret->words);
        ret->use = use;
}

/* Moves on to the next word, which may have been looked at already. */
static int advance(struct text_terms *terms)
{
        const struct text_word before = terms->word;
        bool had_word = terms->have_word;
        int r = 1;

        if (terms->have_next)
                terms->word = terms->next;
        else
                r = text_words_next(&terms->words, &terms->word);
        terms->have_next = false;
        terms->have_word = r > 0;
        if (r <= 0)
                return r;
        terms->part = terms->word.start;
        terms->run_begins = !had_word || before.kind != TEXT_CJK ||
                            terms->word.kind != TEXT_CJK || before.end != terms->word.start;
        return 1;
}

/* The term that begins with the CJK character terms->word; 0: it begins none. */
static int cjk_term(struct text_terms *terms, struct text_term *ret)
{
        const struct text_word *word = &terms->word;
        size_t end = word->end;
        bool pair;
        int r = text_words_next(&terms->words, &terms->next);

        if (r < 0)
                return r;
        terms->have_next = r > 0;
        pair = terms->have_next && terms->next.kind == TEXT_CJK && terms->next.start == word->end;
        if (pair)
                end = terms->next.end;
        else if (terms->use == TEXT_FOR_QUERY && !terms->run_begins)
                return 0;
        *ret = (struct text_term){ .start = word->start, .end = end, .cjk = true,
                                   .prefix = !pair && terms->use == TEXT_FOR_QUERY };
        return make_term(terms->words.analyzer, terms->words.text + word->start,
                         end - word->start, false, ret);
}

int text_terms_next(struct text_terms *terms, struct text_term *ret)
{
        const char *text = terms->words.text;
        int r;

        for (;;) {
                size_t end;

                if (terms->have_word && terms->word.kind == TEXT_WORD) {
                        size_t start;

                        if (next_part(text, &terms->word, &terms->part, &end)) {
                                start = terms->part;
                                terms->part = end;
                                *ret = (struct text_term){ .start = start, .end = end };
                                r = make_term(terms->words.analyzer, text + start, end - start,
                                              true, ret);
                                if (r != 0)
                                        return r;
                                continue;
                        }
                }
                r = advance(terms);
                if (r <= 0)
                        return r;
                if (terms->word.kind == TEXT_CJK) {
                        r = cjk_term(terms, ret);
                        if (r != 0)
                                return r;
                }
        }
}
