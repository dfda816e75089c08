/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as text: words, terms and sentences ascend, stay inside and within their limits. */
#include "base/text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
        if (!holds)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct text_analyzer *analyzer;
        const char *text = (const char *) data;
        struct text_sentences sentences;
        size_t before = 0, start, end, valid = utf8_valid_prefix(text, size);
        struct text_words words;
        struct text_word word;

        if (!analyzer)
                must(text_analyzer_new("english", &analyzer, NULL) == 0);
        must(valid <= size && (valid == size || utf8_character_bytes(text + valid, size - valid) == 0));

        text_words_begin(analyzer, text, size, &words);
        while (text_words_next(&words, &word) > 0) {
                must(word.start >= before && word.end > word.start && word.end <= size);
                must(word.end - word.start <= TEXT_WORD_MAX && word.tokens > 0);
                before = word.end;
        }
        for (int use = TEXT_FOR_DOCUMENT; use <= TEXT_FOR_QUERY; use++) {
                struct text_terms terms;
                struct text_term term;

                before = 0;
                text_terms_begin(analyzer, (enum text_terms_for) use, text, size, &terms);
                while (text_terms_next(&terms, &term) > 0) {
                        must(term.start >= before && term.end > term.start && term.end <= size);
                        must(term.len > 0 && term.len <= TEXT_TERM_MAX);
                        must(utf8_valid_prefix(term.text, term.len) == term.len);
                        before = term.start;
                }
        }
        before = 0;
        text_sentences_begin(analyzer, text, size, &sentences);
        while (text_sentences_next(&sentences, &start, &end) > 0) {
                must(start >= before && end > start && end <= size);
                before = end;
        }
        return 0;
}
