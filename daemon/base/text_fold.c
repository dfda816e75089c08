/* SPDX-License-Identifier: Apache-2.0 */
/* Folding: what a reader takes for the same word becomes the same bytes. */
#include "base/text_analyzer.h"

#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>

/* A word is cut to this before it is folded: more than TEXT_TERM_MAX never survives. */
#define FOLD_IN 128
/* NFKC makes at most 18 of one (Unicode Standard Annex #15, section 12). */
#define FOLD_OUT (FOLD_IN * 18)

static bool all_ascii(const char *text, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if ((unsigned char) text[i] >= 0x80)
                        return false;
        return true;
}

/* The analyzer's normalizers are ICU's own: never freed, shared by all threads. */
static int open_normalizers(struct text_analyzer *analyzer)
{
        UErrorCode status = U_ZERO_ERROR;

        if (!analyzer->fold) {
                analyzer->decompose = unorm2_getNFDInstance(&status);
                analyzer->compose = unorm2_getNFCInstance(&status);
                analyzer->fold = unorm2_getNFKCCasefoldInstance(&status);
        }
        if (U_FAILURE(status)) {
                analyzer->fold = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* Invalid UTF-8 becomes U+FFFD; characters that do not fit are left out. */
static int32_t to_utf16(const char *text, size_t len, UChar *ret, int32_t room)
{
        UErrorCode status = U_ZERO_ERROR;
        int32_t units = 0;

        (void) u_strFromUTF8WithSub(ret, room, &units, text, (int32_t) len, 0xFFFD, NULL, &status);
        return U_FAILURE(status) ? 0 : units;
}

/* As many characters as fit into TEXT_TERM_MAX bytes. */
static size_t to_utf8(const UChar *text, int32_t units, char *ret)
{
        int32_t at = 0;
        size_t len = 0;

        while (at < units) {
                uint32_t c = text[at++];
                char one[4];
                size_t bytes;

                if (U16_IS_LEAD(c) && at < units && U16_IS_TRAIL(text[at]))
                        c = 0x10000 + ((c - 0xD800) << 10) + (text[at++] - 0xDC00U);
                bytes = utf8_write(c, one);
                if (len + bytes > TEXT_TERM_MAX)
                        break;
                memcpy(ret + len, one, bytes);
                len += bytes;
        }
        return len;
}

int text_fold(struct text_analyzer *analyzer, const char *word, size_t len,
              char ret[static TEXT_TERM_MAX], size_t *ret_len)
{
        UChar in[FOLD_IN], out[FOLD_OUT];
        UErrorCode status = U_ZERO_ERROR;
        int32_t units;
        int r;

        if (all_ascii(word, len)) {
                *ret_len = len < TEXT_TERM_MAX ? len : TEXT_TERM_MAX;
                for (size_t i = 0; i < *ret_len; i++)
                        ret[i] = (char) (word[i] >= 'A' && word[i] <= 'Z' ? word[i] + 32 : word[i]);
                return 0;
        }
        r = open_normalizers(analyzer);
        if (r < 0)
                return r;
        units = to_utf16(word, utf8_cut(word, len, FOLD_IN), in, FOLD_IN);
        units = unorm2_normalize(analyzer->fold, in, units, out, FOLD_OUT, &status);
        if (U_FAILURE(status))
                return -ENOMEM;
        for (int32_t i = 0; i < units; i++)
                if (out[i] == 0x2019 || out[i] == 0x02BC) /* the apostrophes of typography */
                        out[i] = '\'';
        *ret_len = to_utf8(out, units, ret);
        return 0;
}

/* Letters that no decomposition relates to what people type instead. */
static const struct {
        UChar letter;
        char instead[3];
} plain_letters[] = {
        { 0x00E6, "ae" }, { 0x00F0, "d" },  { 0x00F8, "o" }, { 0x00FE, "th" }, { 0x0111, "d" },
        { 0x0127, "h" },  { 0x0131, "i" },  { 0x0142, "l" }, { 0x0153, "oe" }, { 0x0167, "t" },
};

static const char *plain_letter(UChar c)
{
        for (size_t i = 0; i < sizeof plain_letters / sizeof plain_letters[0]; i++)
                if (plain_letters[i].letter == c)
                        return plain_letters[i].instead;
        return NULL;
}

/* Marks are dropped where a reader would still know the word: accents on Latin and Greek, the
 * diaeresis and stress of Cyrillic (but the breve of й makes another letter), vowel points of
 * Hebrew and Arabic, tatweel.  Elsewhere, as in Indic scripts, marks are the vowels. */
static bool dropped_mark(UChar c, UScriptCode script)
{
        if (c >= 0x0300 && c <= 0x036F)
                return script == USCRIPT_LATIN || script == USCRIPT_GREEK ||
                       (script == USCRIPT_CYRILLIC && (c == 0x0308 || c <= 0x0301));
        return (c >= 0x0591 && c <= 0x05C7 && u_charType(c) == U_NON_SPACING_MARK) ||
               (c >= 0x064B && c <= 0x0652) || c == 0x0640 || c == 0x0670;
}

int text_strip(struct text_analyzer *analyzer, char term[static TEXT_TERM_MAX], size_t *len)
{
        UChar a[TEXT_TERM_MAX * 4], b[TEXT_TERM_MAX * 4];
        UErrorCode status = U_ZERO_ERROR;
        UScriptCode script = USCRIPT_COMMON;
        int32_t units, kept = 0;
        int r;

        if (all_ascii(term, *len))
                return 0;
        r = open_normalizers(analyzer);
        if (r < 0)
                return r;
        units = to_utf16(term, *len, a, TEXT_TERM_MAX);
        units = unorm2_normalize(analyzer->decompose, a, units, b, TEXT_TERM_MAX * 4, &status);
        if (U_FAILURE(status))
                return -ENOMEM;
        for (int32_t i = 0; i < units; i++) {
                const char *instead = plain_letter(b[i]);

                if (dropped_mark(b[i], script))
                        continue;
                if (!U16_IS_SURROGATE(b[i]) && u_charType(b[i]) != U_NON_SPACING_MARK)
                        script = uscript_getScript(b[i], &status);
                for (; instead && instead[1]; instead++)
                        a[kept++] = (UChar) instead[0];
                a[kept++] = instead ? (UChar) instead[0] : b[i];
        }
        units = unorm2_normalize(analyzer->compose, a, kept, b, TEXT_TERM_MAX * 4, &status);
        if (U_FAILURE(status))
                return -ENOMEM;
        *len = to_utf8(b, units, term);
        return 0;
}

/* ---- Stop words ------------------------------------------------------------------------- */

/* Function words of English, ascending. */
static const char *const stop_words[] = {
        "a",       "about",  "above",   "after",  "again",  "against", "all",     "also",
        "am",      "an",     "and",     "any",    "are",    "as",      "at",      "be",
        "because", "been",   "before",  "being",  "below",  "between", "both",    "but",
        "by",      "can",    "could",   "did",    "do",     "does",    "doing",   "don't",
        "down",    "during", "each",    "few",    "for",    "from",    "further", "had",
        "has",     "have",   "having",  "he",     "her",    "here",    "hers",    "him",
        "his",     "how",    "i",       "if",     "in",     "into",    "is",      "it",
        "it's",    "its",    "just",    "may",    "me",     "might",   "more",    "most",
        "must",    "my",     "no",      "nor",    "not",    "now",     "of",      "off",
        "on",      "once",   "only",    "or",     "other",  "our",     "out",     "over",
        "own",     "same",   "shall",   "she",    "should", "so",      "some",    "such",
        "than",    "that",   "the",     "their",  "them",   "then",    "there",   "these",
        "they",    "this",   "those",   "through", "to",    "too",     "under",   "until",
        "up",      "upon",   "us",      "very",   "was",    "we",      "were",    "what",
        "when",    "where",  "which",   "while",  "who",    "whom",    "why",     "will",
        "with",    "would",  "you",     "your",
};

static int compare_words(const void *key, const void *entry)
{
        return strcmp(key, *(const char *const *) entry);
}

bool text_is_stop_word(const char *word, size_t len)
{
        char key[16];

        if (len >= sizeof key)
                return false;
        memcpy(key, word, len);
        key[len] = '\0';
        return bsearch(key, stop_words, sizeof stop_words / sizeof stop_words[0],
                       sizeof stop_words[0], compare_words) != NULL;
}
