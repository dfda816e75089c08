/* SPDX-License-Identifier: Apache-2.0 */
/* What of a passage is prose, line by line.  Works on Markdown and on formatted text alike. */
#include "answer/quotes.h"

#include <stdlib.h>
#include <string.h>

#define HEADING_MAX 48    /* bytes of an upper-case line that is taken for a heading */
#define SHORT_LINE_MAX 60 /* a line this short, with an indented one below, stands alone */

struct line {
        size_t start, end; /* without the line break */
        size_t indent;     /* bytes of white space in front */
};

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_alnum(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (unsigned char) c >= 0x80;
}

static bool ends_sentence(char c)
{
        return c == '.' || c == '!' || c == '?' || c == ':' || c == ';';
}

static struct line line_at(const char *text, size_t start, size_t len)
{
        const char *stop = memchr(text + start, '\n', len - start);
        struct line line = { .start = start, .end = stop ? (size_t) (stop - text) : len };

        while (line.start + line.indent < line.end && is_space(text[line.start + line.indent]))
                line.indent++;
        return line;
}

static bool is_fence(const char *body, size_t len)
{
        return len >= 3 && (memcmp(body, "```", 3) == 0 || memcmp(body, "~~~", 3) == 0);
}

/* "# Title", and section names in capitals as manual pages have them. */
static bool is_heading(const char *body, size_t len)
{
        size_t letters = 0;

        if (body[0] == '#')
                return true;
        if (len > HEADING_MAX || ends_sentence(body[len - 1]))
                return false;
        for (size_t i = 0; i < len; i++) {
                if ((body[i] >= 'a' && body[i] <= 'z') || (unsigned char) body[i] >= 0x80)
                        return false;
                letters += body[i] >= 'A' && body[i] <= 'Z';
        }
        return letters >= 2;
}

/* A table's row or ruler, or columns set with wide gaps: "RAGD(8)     Manual     RAGD(8)". */
static bool is_table(const char *body, size_t len)
{
        size_t words = 0, gaps = 0, run = 0;

        if (body[0] == '|')
                return true;
        for (size_t i = 0; i < len; i++) {
                words += is_alnum(body[i]);
                run = is_space(body[i]) ? run + 1 : 0;
                gaps += run == 3;
        }
        return words == 0 || gaps >= 2;
}

/* Bytes of "- ", "* ", "+ ", "12. ", "12) ", "> " in front. */
static size_t list_mark(const char *body, size_t len)
{
        size_t n = 0;

        if (len >= 2 && strchr("-*+>", body[0]) && is_space(body[1]))
                return 1;
        if (len >= 4 && memcmp(body, "\xE2\x80\xA2", 3) == 0) /* • */
                return 3;
        while (n < len && n < 3 && body[n] >= '0' && body[n] <= '9')
                n++;
        return n > 0 && n + 1 < len && (body[n] == '.' || body[n] == ')') && is_space(body[n + 1])
                       ? n + 1
                       : 0;
}

char *prose_copy(const char *text, size_t len)
{
        char *copy = malloc(len + 1);
        struct line line, before = { 0 };
        bool fenced = false;

        if (!copy)
                return NULL;
        memcpy(copy, text, len);
        copy[len] = '\0';
        for (size_t at = 0; at < len; at = line.end + 1) {
                char *body;
                size_t body_len, mark;
                bool fence;

                line = line_at(copy, at, len);
                body = copy + line.start + line.indent;
                body_len = line.end - line.start - line.indent;
                while (body_len > 0 && is_space(body[body_len - 1]))
                        body_len--;
                fence = is_fence(body, body_len);
                if (body_len == 0 || fence || fenced || is_heading(body, body_len) ||
                    is_table(body, body_len)) {
                        memset(copy + line.start, '\n', line.end - line.start);
                        fenced ^= fence;
                        before = (struct line){ 0 };
                        continue;
                }
                mark = list_mark(body, body_len);
                if (mark > 0) {
                        memset(copy + line.start, ' ', line.indent + mark);
                        copy[line.start] = '\n';
                } else if (line.indent > before.indent + 1 && before.end > before.start &&
                           before.end - before.start < SHORT_LINE_MAX &&
                           !ends_sentence(copy[before.end - 1])) {
                        copy[line.start] = '\n'; /* what follows a tag, not its rest */
                }
                before = line;
                if (mark > 0) /* an item goes on where its text began */
                        before.indent += mark + 1;
        }
        return copy;
}

/* "[text](target)" at `at`: where its text ends and where all of it does. */
static bool is_link(const char *text, size_t at, size_t len, size_t *ret_text_end, size_t *ret_end)
{
        size_t end = at + 1;

        if (text[at] != '[')
                return false;
        while (end < len && text[end] != ']' && text[end] != '[')
                end++;
        if (end + 1 >= len || text[end] != ']' || text[end + 1] != '(')
                return false;
        *ret_text_end = end;
        while (end < len && text[end] != ')' && !is_space(text[end]))
                end++;
        *ret_end = end + 1;
        return end < len && text[end] == ')';
}

size_t prose_clean(const char *sentence, size_t len, char *out)
{
        size_t n = 0, text_end = 0, link_end = 0;

        for (size_t i = 0; i < len; i++) {
                char c = sentence[i];

                if (link_end > 0 && i == text_end) {
                        i = link_end - 1;
                        link_end = 0;
                        continue;
                }
                if (link_end == 0 && is_link(sentence, i, len, &text_end, &link_end))
                        continue;
                if ((c == '*' || c == '_') && i + 1 < len && sentence[i + 1] == c) {
                        i++;
                        continue;
                }
                if (is_space(c)) {
                        if (n > 0 && out[n - 1] != ' ')
                                out[n++] = ' ';
                        continue;
                }
                out[n++] = c;
        }
        while (n > 0 && out[n - 1] == ' ')
                n--;
        out[n] = '\0';
        return n;
}
