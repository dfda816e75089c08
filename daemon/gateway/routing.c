/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/routing.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "config/values.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 24 /* bytes; longer ones are in no list */

enum word_class {
        WORD_JOINS = 1,
        WORD_OPERATES = 2,
        WORD_ASKS = 4,
};

/* Lower case; what is not ASCII stays as it is written. */
static const struct {
        const char *word;
        unsigned classes;
} words[] = {
        { "and", WORD_JOINS },        { "or", WORD_JOINS },
        { "but", WORD_JOINS },        { "because", WORD_JOINS },
        { "although", WORD_JOINS },   { "whereas", WORD_JOINS },
        { "while", WORD_JOINS },      { "if", WORD_JOINS },
        { "unless", WORD_JOINS },     { "then", WORD_JOINS },
        { "given", WORD_JOINS },      { "considering", WORD_JOINS },
        { "und", WORD_JOINS },        { "oder", WORD_JOINS },
        { "aber", WORD_JOINS },       { "weil", WORD_JOINS },
        { "wenn", WORD_JOINS },       { "obwohl", WORD_JOINS },
        { "et", WORD_JOINS },         { "ou", WORD_JOINS },
        { "mais", WORD_JOINS },       { "parce", WORD_JOINS },
        { "y", WORD_JOINS },          { "pero", WORD_JOINS },
        { "porque", WORD_JOINS },     { "si", WORD_JOINS },

        { "compare", WORD_OPERATES },      { "comparison", WORD_OPERATES },
        { "contrast", WORD_OPERATES },     { "difference", WORD_OPERATES },
        { "differences", WORD_OPERATES },  { "differ", WORD_OPERATES },
        { "versus", WORD_OPERATES },       { "vs", WORD_OPERATES },
        { "better", WORD_OPERATES },       { "best", WORD_OPERATES },
        { "advantages", WORD_OPERATES },   { "disadvantages", WORD_OPERATES },
        { "explain", WORD_OPERATES },      { "cause", WORD_OPERATES },
        { "causes", WORD_OPERATES },       { "consequences", WORD_OPERATES },
        { "impact", WORD_OPERATES },       { "relationship", WORD_OPERATES },
        { "analyze", WORD_OPERATES },      { "analyse", WORD_OPERATES },
        { "evaluate", WORD_OPERATES },     { "assess", WORD_OPERATES },
        { "derive", WORD_OPERATES },       { "prove", WORD_OPERATES },
        { "calculate", WORD_OPERATES },    { "design", WORD_OPERATES },
        { "summarize", WORD_OPERATES },    { "summarise", WORD_OPERATES },
        { "step", WORD_OPERATES },         { "steps", WORD_OPERATES },
        { "implications", WORD_OPERATES }, { "tradeoffs", WORD_OPERATES },
        { "vergleiche", WORD_OPERATES },   { "unterschied", WORD_OPERATES },
        { "unterschiede", WORD_OPERATES }, { "erkläre", WORD_OPERATES },
        { "bewerte", WORD_OPERATES },      { "ursachen", WORD_OPERATES },
        { "folgen", WORD_OPERATES },       { "comparer", WORD_OPERATES },
        { "différence", WORD_OPERATES },   { "expliquer", WORD_OPERATES },
        { "explique", WORD_OPERATES },     { "comparar", WORD_OPERATES },
        { "diferencia", WORD_OPERATES },   { "explica", WORD_OPERATES },

        { "why", WORD_ASKS | WORD_OPERATES },      { "how", WORD_ASKS },
        { "what", WORD_ASKS },                     { "which", WORD_ASKS },
        { "who", WORD_ASKS },                      { "when", WORD_ASKS },
        { "where", WORD_ASKS },                    { "warum", WORD_ASKS | WORD_OPERATES },
        { "wie", WORD_ASKS },                      { "was", WORD_ASKS },
        { "welche", WORD_ASKS },                   { "pourquoi", WORD_ASKS | WORD_OPERATES },
        { "comment", WORD_ASKS },                  { "quel", WORD_ASKS },
        { "cómo", WORD_ASKS },                     { "qué", WORD_ASKS },
};

struct signs {
        double words;
        unsigned joins, operates, asks, marks, figures;
};

static void count_word(const char *word, size_t len, struct signs *signs)
{
        signs->words += 1.0;
        if (isdigit((unsigned char) word[0])) {
                signs->figures++;
                return;
        }
        for (size_t i = 0; i < ELEMENTSOF(words); i++) {
                if (strlen(words[i].word) != len || memcmp(words[i].word, word, len) != 0)
                        continue;
                signs->joins += (words[i].classes & WORD_JOINS) != 0;
                signs->operates += (words[i].classes & WORD_OPERATES) != 0;
                signs->asks += (words[i].classes & WORD_ASKS) != 0;
                return;
        }
}

/* Scripts that are written without spaces: kana, Han, Hangul, Thai. */
static bool is_unspaced(uint32_t c)
{
        return (c >= 0x2E80 && c <= 0x9FFF) || (c >= 0xAC00 && c <= 0xD7A3) ||
               (c >= 0x0E00 && c <= 0x0E7F) || (c >= 0x20000 && c <= 0x3FFFF);
}

static bool is_word_character(uint32_t c)
{
        return c >= 0x80 ? c != 0xA0 && c != 0xBF && !(c >= 0x2000 && c <= 0x206F) &&
                                   !(c >= 0x3000 && c <= 0x303F) && !(c >= 0xFF00 && c <= 0xFF20)
                         : isalnum((int) c) != 0 || c == '_';
}

static void count_sign(uint32_t c, struct signs *signs)
{
        switch (c) {
        case '?':
        case 0x061F: /* Arabic */
        case 0xFF1F: /* full width */
                signs->marks++;
                break;
        case ',':
        case ';':
        case ':':
        case '(':
        case 0x2013: /* dashes */
        case 0x2014:
        case 0x3001: /* ideographic comma */
        case 0xFF0C:
        case 0xFF1B:
                signs->joins++;
                break;
        default:
                break;
        }
}

static void read_signs(const char *text, struct signs *signs)
{
        size_t len = strlen(text), word_len = 0, bytes;
        char word[WORD_MAX];

        for (size_t at = 0; at < len; at += bytes) {
                uint32_t c = utf8_character(text + at, len - at, &bytes);

                if (is_unspaced(c) && is_word_character(c)) {
                        signs->words += 0.5;
                } else if (is_word_character(c)) {
                        for (size_t i = 0; i < bytes; i++, word_len++)
                                if (word_len < sizeof word)
                                        word[word_len] = bytes > 1 ? text[at + i]
                                                         : (char) tolower((unsigned char) text[at]);
                        continue;
                } else {
                        count_sign(c, signs);
                }
                if (word_len > 0)
                        count_word(word, word_len < sizeof word ? word_len : sizeof word, signs);
                word_len = 0;
        }
        if (word_len > 0)
                count_word(word, word_len < sizeof word ? word_len : sizeof word, signs);
}

static double part(double count, double most)
{
        return count >= most ? 1.0 : count / most;
}

double routing_complexity(const char *question)
{
        struct signs signs = { 0 };
        unsigned asked;

        read_signs(question, &signs);
        asked = signs.marks > signs.asks ? signs.marks : signs.asks;
        return 0.30 * part(signs.words, 40) + 0.20 * part(signs.joins, 4) +
               0.25 * part(signs.operates, 2) + 0.15 * part(asked > 1 ? asked - 1 : 0, 2) +
               0.10 * part(signs.figures > 1 ? signs.figures - 1 : 0, 3);
}

size_t routing_length(const char *question)
{
        size_t len = strlen(question), characters = 0, bytes;

        for (size_t at = 0; at < len; at += bytes, characters++)
                (void) utf8_character(question + at, len - at, &bytes);
        return characters;
}

void routing_choose(const struct routing_config *routing, const char *question,
                    struct routing_choice *ret)
{
        *ret = (struct routing_choice){
                .complexity = routing_complexity(question),
                .length = routing_length(question),
        };
        ret->complex = ret->complexity >= routing->complexity_threshold ||
                       ret->length > routing->query_length_threshold;
}
