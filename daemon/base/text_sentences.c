/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences by UAX #29, paragraph by paragraph.  To the standard each line break ends a
 * sentence; text that is wrapped at a width means a space by it. */
#include "base/text_analyzer.h"

#include <stdlib.h>
#include <string.h>

#define PARAGRAPH_MAX 32768 /* a longer one is cut, at white space where there is some */

void text_sentences_begin(struct text_analyzer *analyzer, const char *text, size_t len,
                          struct text_sentences *ret)
{
        analyzer->sentences.bound = NULL;
        *ret = (struct text_sentences){ .analyzer = analyzer, .text = text, .len = len };
}

/* The end of the paragraph that begins at `start`: a blank line, the limit or the text's end. */
static size_t paragraph_end(const char *text, size_t start, size_t len)
{
        size_t space = 0, end;

        for (end = start; end < len && end - start < PARAGRAPH_MAX; end++) {
                size_t blank = end + 1;

                if (text_is_space(text[end]))
                        space = end;
                if (text[end] != '\n')
                        continue;
                while (blank < len && text_is_space(text[blank]) && text[blank] != '\n')
                        blank++;
                if (blank < len && text[blank] == '\n')
                        return end;
        }
        if (end >= len)
                return len;
        return space > start ? space : start + utf8_cut(text + start, len - start, PARAGRAPH_MAX);
}

/* Copies the paragraph with its line breaks as spaces and gives it to ICU. */
static int bind_paragraph(struct text_sentences *sentences)
{
        struct text_analyzer *analyzer = sentences->analyzer;
        size_t start = sentences->paragraph_start, len = sentences->paragraph_end - start;

        if (analyzer->sentences.bound && analyzer->sentences_of == sentences->text + start)
                return 0;
        if (!analyzer->paragraph)
                analyzer->paragraph = malloc(PARAGRAPH_MAX);
        if (!analyzer->paragraph)
                return -ENOMEM;
        for (size_t i = 0; i < len; i++) {
                char c = sentences->text[start + i];

                analyzer->paragraph[i] = text_is_space(c) ? ' ' : c;
        }
        analyzer->sentences.bound = NULL;
        analyzer->sentences_of = sentences->text + start;
        return text_breaker_bind(&analyzer->sentences, UBRK_SENTENCE, analyzer->paragraph, len);
}

int text_sentences_next(struct text_sentences *sentences, size_t *ret_start, size_t *ret_end)
{
        const char *text = sentences->text;

        for (;;) {
                size_t start, end;
                int r;

                while (sentences->at < sentences->len && text_is_space(text[sentences->at]))
                        sentences->at++;
                if (sentences->at >= sentences->len)
                        return 0;
                if (sentences->at >= sentences->paragraph_end) {
                        sentences->paragraph_start = sentences->at;
                        sentences->paragraph_end =
                                paragraph_end(text, sentences->at, sentences->len);
                }
                r = bind_paragraph(sentences);
                if (r < 0)
                        return r;
                start = sentences->at;
                end = sentences->paragraph_start +
                      text_breaker_following(&sentences->analyzer->sentences,
                                             start - sentences->paragraph_start);
                sentences->at = end;
                while (end > start && text_is_space(text[end - 1]))
                        end--;
                if (end == start)
                        continue;
                *ret_start = start;
                *ret_end = end;
                return 1;
        }
}
