/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/highlight.h"

#include <stdlib.h>
#include <string.h>

int query_terms_read(struct text_analyzer *analyzer, const char *text, size_t len,
                     struct query_terms *ret, struct error *reterr)
{
        struct text_terms iterator;
        struct text_term term;
        size_t content = 0, kept = 0;
        int r = 0;

        ret->n = 0;
        text_terms_begin(analyzer, TEXT_FOR_QUERY, text, len, &iterator);
        while (ret->n < QUERY_TERMS_MAX && (r = text_terms_next(&iterator, &term)) > 0) {
                size_t i = 0;

                while (i < ret->n && (ret->items[i].prefix != term.prefix ||
                                      strcmp(ret->items[i].text, term.text) != 0))
                        i++;
                if (i < ret->n)
                        continue;
                ret->items[ret->n++] = term;
                content += !term.stop;
        }
        if (r < 0)
                return error_oom(reterr);
        for (size_t i = 0; i < ret->n; i++)
                if (content == 0 || !ret->items[i].stop)
                        ret->items[kept++] = ret->items[i];
        ret->n = kept;
        return 0;
}

size_t query_terms_find(const struct query_terms *terms, const struct text_term *term)
{
        for (size_t i = 0; i < terms->n; i++) {
                const struct text_term *wanted = &terms->items[i];

                if (wanted->prefix ? term->len >= wanted->len : term->len == wanted->len)
                        if (memcmp(wanted->text, term->text, wanted->len) == 0)
                                return i;
        }
        return QUERY_TERMS_MAX;
}

/* A prefix stands for the one character it begins with. */
static size_t end_of(const struct text_term *wanted, const struct text_term *term,
                     const char *text)
{
        size_t bytes;

        if (!wanted->prefix)
                return term->end;
        (void) utf8_character(text + term->start, term->end - term->start, &bytes);
        return term->start + bytes;
}

static int add_span(struct span **spans, size_t *n, size_t *room, size_t start, size_t end)
{
        struct span *last = *n > 0 ? &(*spans)[*n - 1] : NULL;

        if (last && start <= last->end) {
                if (end > last->end)
                        last->end = (uint32_t) end;
                return 0;
        }
        if (*n == *room) {
                size_t more = *room ? 2 * *room : 8;
                struct span *grown = realloc(*spans, more * sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                *spans = grown;
                *room = more;
        }
        (*spans)[(*n)++] = (struct span){ (uint32_t) start, (uint32_t) end };
        return 0;
}

int highlight(struct text_analyzer *analyzer, const struct query_terms *terms, const char *text,
              size_t len, struct span **ret, size_t *ret_n, struct error *reterr)
{
        struct span *spans = NULL;
        size_t n = 0, room = 0, at;
        struct text_terms iterator;
        struct text_term term;
        int r;

        text_terms_begin(analyzer, TEXT_FOR_DOCUMENT, text, len, &iterator);
        while ((r = text_terms_next(&iterator, &term)) > 0) {
                at = query_terms_find(terms, &term);
                if (at == QUERY_TERMS_MAX)
                        continue;
                r = add_span(&spans, &n, &room, term.start, end_of(&terms->items[at], &term, text));
                if (r < 0)
                        break;
        }
        if (r < 0) {
                free(spans);
                return error_oom(reterr);
        }
        *ret = spans;
        *ret_n = n;
        return 0;
}
