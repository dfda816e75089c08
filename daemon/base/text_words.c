/* SPDX-License-Identifier: Apache-2.0 */
/* Words by UAX #29.  What lies between white space and is plain ASCII is cut by a few rules of
 * the standard written out here, which give what ICU gives (a test compares them); ICU sees
 * the rest, in stretches that begin and end where a word cannot go on.  CJK characters never
 * reach ICU, whose dictionary would cut them into words that a question cuts differently. */
#include "base/text_analyzer.h"

#include <string.h>

#define STRETCH_SOFT 1024 /* bytes after which white space ends what ICU is given */
#define STRETCH_HARD 4096 /* … and anything does */
#define SYMBOLS_MIN 8     /* bytes of a run of other characters that counts as a token */

struct range {
        uint32_t first, last;
};

/* Characters written without spaces, and what modifies one of them.  Ascending. */
static const struct range cjk_ranges[] = {
        { 0x1100, 0x11FF },   { 0x3005, 0x3007 },   { 0x3021, 0x3029 },   { 0x3031, 0x3035 },
        { 0x3038, 0x303C },   { 0x3041, 0x309F },   { 0x30A1, 0x30FA },   { 0x30FC, 0x30FF },
        { 0x3105, 0x312F },   { 0x3131, 0x318E },   { 0x31A0, 0x31BF },   { 0x31F0, 0x31FF },
        { 0x3400, 0x4DBF },   { 0x4E00, 0x9FFF },   { 0xA960, 0xA97C },   { 0xAC00, 0xD7FB },
        { 0xF900, 0xFAFF },   { 0xFF66, 0xFFDC },   { 0x1AFF0, 0x1B16F }, { 0x20000, 0x3FFFD },
};
static const struct range attached_ranges[] = {
        { 0x1160, 0x11FF }, /* vowels and finals of a Hangul syllable written in parts */
        { 0x3099, 0x309A }, /* voicing marks */
        { 0xD7B0, 0xD7FB },   { 0xFE00, 0xFE0F },   { 0xFF9E, 0xFF9F },   { 0xE0100, 0xE01EF },
};

static bool in_ranges(const struct range *ranges, size_t n, uint32_t c)
{
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (c > ranges[middle].last)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < n && c >= ranges[low].first;
}

static bool is_cjk(uint32_t c)
{
        return c >= 0x1100 &&
               in_ranges(cjk_ranges, sizeof cjk_ranges / sizeof cjk_ranges[0], c);
}

/* Bytes of the CJK character at `text` with what belongs to it; 0: another character. */
static size_t cjk_bytes(const char *text, size_t len)
{
        size_t at, step;

        if ((unsigned char) text[0] < 0xE0 || !is_cjk(utf8_character(text, len, &at)))
                return 0;
        while (at < len && at < TEXT_TERM_MAX / 2 - 4 && (unsigned char) text[at] >= 0xE0 &&
               in_ranges(attached_ranges, sizeof attached_ranges / sizeof attached_ranges[0],
                         utf8_character(text + at, len - at, &step)))
                at += step;
        return at;
}

/* ---- ASCII ------------------------------------------------------------------------------ */

enum ascii_class { OTHER, LETTER, DIGIT, UNDERSCORE, MID_NUMBER, MID_BOTH };

/* As CLDR's root locale tailors the standard: '@' is a letter, ':' joins nothing. */
static enum ascii_class ascii_class(char c)
{
        if ((c >= 'a' && c <= 'z') || (c >= '@' && c <= 'Z'))
                return LETTER;
        if (c >= '0' && c <= '9')
                return DIGIT;
        switch (c) {
        case '_':
                return UNDERSCORE;
        case ',':
        case ';':
                return MID_NUMBER;
        case '.':
        case '\'':
                return MID_BOTH;
        default:
                return OTHER;
        }
}

/* The end of the word that begins at `at`; `at` itself where none begins.  Rules WB5 to WB13b:
 * letters, digits and underscores go together, a middle character stays between two letters
 * or two digits as its class allows. */
static size_t ascii_word_end(const char *text, size_t at, size_t end)
{
        bool word = false;
        size_t i = at;

        while (i < end) {
                enum ascii_class this = ascii_class(text[i]), before, behind;

                if (this == LETTER || this == DIGIT || this == UNDERSCORE) {
                        word = word || this != UNDERSCORE;
                        i++;
                        continue;
                }
                if (this == OTHER || i == at || i + 1 >= end)
                        break;
                before = ascii_class(text[i - 1]);
                behind = ascii_class(text[i + 1]);
                if (before != behind || (before == LETTER && this == MID_NUMBER) ||
                    (before != LETTER && before != DIGIT))
                        break;
                i++;
        }
        return word || i - at > 1 ? i : at; /* ICU calls "__" a word, "_" none */
}

/* ---- ICU -------------------------------------------------------------------------------- */

int text_breaker_bind(struct text_breaker *breaker, UBreakIteratorType type, const char *text,
                      size_t len)
{
        UErrorCode status = U_ZERO_ERROR;

        if (breaker->bound == text && breaker->bound_len == len)
                return 0;
        breaker->bound = NULL;
        if (!breaker->breaks) {
                breaker->breaks = ubrk_open(type, "root", NULL, 0, &status);
                breaker->utext = (UText) UTEXT_INITIALIZER;
        }
        if (U_SUCCESS(status))
                (void) utext_openUTF8(&breaker->utext, text, (int64_t) len, &status);
        if (U_SUCCESS(status))
                ubrk_setUText(breaker->breaks, &breaker->utext, &status);
        if (U_FAILURE(status))
                return -ENOMEM;
        breaker->bound = text;
        breaker->bound_len = len;
        return 0;
}

size_t text_breaker_following(struct text_breaker *breaker, size_t at)
{
        int32_t next = ubrk_current(breaker->breaks) == (int32_t) at
                               ? ubrk_next(breaker->breaks)
                               : ubrk_following(breaker->breaks, (int32_t) at);

        if (next == UBRK_DONE || (size_t) next <= at || (size_t) next > breaker->bound_len)
                return breaker->bound_len;
        return (size_t) next;
}

/* ---- Stretches -------------------------------------------------------------------------- */

/* Sets the stretch that begins at `at`, which is neither white space nor CJK. */
static void find_stretch(struct text_words *words)
{
        const char *text = words->text;
        size_t end = words->at, step;

        words->ascii = true;
        for (;;) {
                while (end < words->len && (unsigned char) text[end] < 0x80 &&
                       !text_is_space(text[end]))
                        end++;
                if (end >= words->len || text_is_space(text[end]))
                        break;
                if (is_cjk(utf8_character(text + end, words->len - end, &step)))
                        break;
                words->ascii = false;
                break;
        }
        while (!words->ascii && end < words->len && end - words->at < STRETCH_HARD) {
                if (text_is_space(text[end]) && end - words->at >= STRETCH_SOFT)
                        break;
                if (is_cjk(utf8_character(text + end, words->len - end, &step)))
                        break;
                end += step;
        }
        words->stretch_start = words->at;
        words->stretch_end = end;
}

/* The segment at words->at: where it ends, and whether it is a word. */
static int next_segment(struct text_words *words, size_t *ret_end, bool *ret_word)
{
        const char *text = words->text;
        size_t start = words->stretch_start, at = words->at, end;
        struct text_breaker *breaker = &words->analyzer->words;
        int r;

        if (words->ascii) {
                size_t limit = words->stretch_end - at > TEXT_WORD_MAX + 1
                                       ? at + TEXT_WORD_MAX + 1
                                       : words->stretch_end;

                end = ascii_word_end(text, at, limit);
                *ret_word = end > at;
                *ret_end = *ret_word ? end : at + 1;
                return 0;
        }
        r = text_breaker_bind(breaker, UBRK_WORD, text + start, words->stretch_end - start);
        if (r < 0)
                return r;
        *ret_end = start + text_breaker_following(breaker, at - start);
        *ret_word = ubrk_getRuleStatus(breaker->breaks) >= UBRK_WORD_NONE_LIMIT;
        return 0;
}

/* ---- The iterator ----------------------------------------------------------------------- */

void text_words_begin(struct text_analyzer *analyzer, const char *text, size_t len,
                      struct text_words *ret)
{
        /* The text may lie where another one lay before. */
        analyzer->words.bound = NULL;
        *ret = (struct text_words){ .analyzer = analyzer, .text = text, .len = len };
}

static int give(struct text_words *words, enum text_kind kind, size_t start, size_t end,
                struct text_word *ret)
{
        size_t bytes;

        if (end - start > TEXT_WORD_MAX)
                end = start + utf8_cut(words->text + start, end - start, TEXT_WORD_MAX);
        bytes = end - start;
        *ret = (struct text_word){ .start = start, .end = end, .kind = kind, .tokens = 1 };
        if (kind != TEXT_CJK && bytes >= 16)
                ret->tokens = (uint32_t) (bytes / 8);
        words->at = end;
        return 1;
}

int text_words_next(struct text_words *words, struct text_word *ret)
{
        size_t symbols = words->at; /* where the run of other characters before `at` began */

        for (;;) {
                size_t end, at = words->at;
                bool word;
                int r;

                if (at - symbols >= TEXT_WORD_MAX)
                        return give(words, TEXT_SYMBOLS, symbols, at, ret);
                if (at >= words->stretch_end) {
                        size_t cjk = at < words->len && !text_is_space(words->text[at])
                                             ? cjk_bytes(words->text + at, words->len - at)
                                             : 0;

                        if (at - symbols >= SYMBOLS_MIN &&
                            (cjk || at >= words->len || text_is_space(words->text[at])))
                                return give(words, TEXT_SYMBOLS, symbols, at, ret);
                        if (cjk)
                                return give(words, TEXT_CJK, at, at + cjk, ret);
                        if (at >= words->len)
                                return 0;
                        if (text_is_space(words->text[at])) {
                                symbols = ++words->at;
                                continue;
                        }
                        find_stretch(words);
                }
                if (text_is_space(words->text[at])) { /* inside a stretch of ICU's */
                        if (at - symbols >= SYMBOLS_MIN)
                                return give(words, TEXT_SYMBOLS, symbols, at, ret);
                        symbols = ++words->at;
                        continue;
                }
                r = next_segment(words, &end, &word);
                if (r < 0)
                        return r;
                if (word && at - symbols >= SYMBOLS_MIN)
                        return give(words, TEXT_SYMBOLS, symbols, at, ret);
                if (word)
                        return give(words, TEXT_WORD, at, end, ret);
                words->at = end;
        }
}

int text_count_tokens(struct text_analyzer *analyzer, const char *text, size_t len,
                      size_t *ret_tokens)
{
        struct text_words words;
        struct text_word word;
        size_t tokens = 0;
        int r;

        text_words_begin(analyzer, text, len, &words);
        while ((r = text_words_next(&words, &word)) > 0)
                tokens += word.tokens;
        if (r == 0)
                *ret_tokens = tokens;
        return r;
}
