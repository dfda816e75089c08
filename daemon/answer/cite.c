/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "answer/cite.h"

#include <string.h>

#define MARKER_MAX 64   /* bytes of a marker; a longer bracket is text */
#define NUMBERS_MAX 16  /* in one marker */
#define SPACES_MAX 32   /* held back before a marker */
#define CLAIM_MAX 2000  /* bytes that are searched for the sentence before a marker */
#define QUOTE_MAX 300   /* bytes of a quote where the source has no sentence */

/* What the byte before tells of the next one. */
enum code_state {
        CODE_NONE,
        CODE_INLINE, /* to the next backtick or the line's end */
        CODE_FENCE,  /* to the next three */
};

struct marker {
        uint32_t numbers[NUMBERS_MAX];
        size_t n;
        bool dropped; /* one of its numbers names no source */
};

struct cite {
        struct text_analyzer *analyzer;
        const struct passage *sources;
        size_t n_sources;
        struct cite_events events;

        struct buf answer;  /* what was told, or is to be told now */
        size_t told;        /* of it */
        char held[SPACES_MAX + MARKER_MAX + 1];
        size_t n_spaces, n_held; /* n_held: with the spaces */
        enum code_state code;
        unsigned backticks; /* the run that is being read */

        struct citation *citations;
        size_t n_citations, room;
        size_t claim_start, claim_end; /* of the marker before */
        bool invalid;                  /* a marker was dropped, or a number of one */
};

int cite_new(struct text_analyzer *analyzer, const struct passage *sources, size_t n,
             const struct cite_events *events, struct cite **ret, struct error *reterr)
{
        struct cite *cite = calloc(1, sizeof *cite);

        if (!cite)
                return error_oom(reterr);
        cite->analyzer = analyzer;
        cite->sources = sources;
        cite->n_sources = n;
        cite->events = *events;
        *ret = cite;
        return 0;
}

struct cite *cite_free(struct cite *cite)
{
        if (!cite)
                return NULL;
        for (size_t i = 0; i < cite->n_citations; i++)
                free(cite->citations[i].quote);
        free(cite->citations);
        buf_done(&cite->answer);
        free(cite);
        return NULL;
}

const char *cite_text(const struct cite *cite, size_t *ret_len)
{
        *ret_len = cite->answer.len;
        return buf_text(&cite->answer);
}

const struct citation *cite_citations(const struct cite *cite, size_t *ret_n)
{
        *ret_n = cite->n_citations;
        return cite->citations;
}

bool cite_is_grounded(const struct cite *cite)
{
        return cite->n_citations > 0 && !cite->invalid;
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static bool is_space(char c)
{
        return is_blank(c) || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
        return c >= '0' && c <= '9';
}

/* ---- Markers --------------------------------------------------------------------------------- */

/* Whether `text` may still become a marker, is one (1), or never will be (-EINVAL). */
static int read_marker(const char *text, size_t len, struct marker *ret)
{
        bool number = false, comma = true; /* a number may follow */
        uint64_t value = 0;

        ret->n = 0;
        for (size_t i = 1; i < len; i++) {
                char c = text[i];

                if (is_digit(c) && (number || comma)) {
                        value = number ? value * 10 + (uint64_t) (c - '0') : (uint64_t) (c - '0');
                        if (value > UINT32_MAX)
                                return -EINVAL;
                        number = true;
                        comma = false;
                        continue;
                }
                if (number) {
                        if (ret->n == NUMBERS_MAX)
                                return -EINVAL;
                        ret->numbers[ret->n++] = (uint32_t) value;
                        number = false;
                }
                if (c == ',' && !comma)
                        comma = true;
                else if (c == ']')
                        return !comma && i + 1 == len ? 1 : -EINVAL;
                else if (!is_blank(c))
                        return -EINVAL;
        }
        return len > MARKER_MAX - 1 ? -EINVAL : 0;
}

/* Leaves the numbers that name a source, each once. */
static void validate(const struct cite *cite, struct marker *marker)
{
        size_t kept = 0;

        for (size_t i = 0; i < marker->n; i++) {
                bool again = false;

                for (size_t j = 0; j < kept; j++)
                        again |= marker->numbers[j] == marker->numbers[i];
                if (marker->numbers[i] < 1 || marker->numbers[i] > cite->n_sources)
                        marker->dropped = true;
                else if (!again)
                        marker->numbers[kept++] = marker->numbers[i];
        }
        marker->n = kept;
}

/* ---- The sentence before a marker ------------------------------------------------------------ */

/* Behind markers and white space at `at`. */
static size_t skip_markers(const char *text, size_t at, size_t end)
{
        for (;;) {
                size_t stop = at;

                while (at < end && is_space(text[at]))
                        at++;
                if (at == end || text[at] != '[')
                        return at;
                for (stop = at + 1; stop < end && (is_digit(text[stop]) || text[stop] == ',' ||
                                                   is_blank(text[stop]));)
                        stop++;
                if (stop == end || text[stop] != ']')
                        return at;
                at = stop + 1;
        }
}

/* Where the line begins that the marker speaks of: its own, or the one above where it stands
 * alone. */
static size_t line_start(const char *text, size_t end)
{
        size_t from = end > CLAIM_MAX ? end - CLAIM_MAX : 0, start = end;

        while (from > 0 && from < end && ((unsigned char) text[from] & 0xC0U) == 0x80)
                from++;
        for (;;) {
                while (start > from && text[start - 1] != '\n')
                        start--;
                if (start == from || skip_markers(text, start, end) < end)
                        return start;
                start--;
        }
}

static bool has_word(const char *text, size_t start, size_t end)
{
        for (size_t i = start; i < end; i++)
                if (((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'z') || is_digit(text[i]) ||
                    (unsigned char) text[i] >= 0x80)
                        return true;
        return false;
}

/* `end`: where the text before the marker ends. */
static int find_claim(struct cite *cite, size_t end)
{
        const char *text = buf_text(&cite->answer);
        struct text_sentences sentences;
        size_t from, start, stop;
        int r;

        while (end > 0 && is_space(text[end - 1]))
                end--;
        /* Right behind another marker: both speak of the same sentence. */
        if (cite->claim_end > 0 &&
            !has_word(text, skip_markers(text, cite->claim_end, end), end))
                return 0;
        from = line_start(text, end);
        cite->claim_start = skip_markers(text, from, end);
        cite->claim_end = end;
        text_sentences_begin(cite->analyzer, text + from, end - from, &sentences);
        while ((r = text_sentences_next(&sentences, &start, &stop)) > 0) {
                size_t begin = skip_markers(text, from + start, from + stop);

                if (has_word(text, begin, from + stop)) {
                        cite->claim_start = begin;
                        cite->claim_end = from + stop;
                }
        }
        return r;
}

/* ---- The sentence of the source -------------------------------------------------------------- */

static char *copy_start(const struct passage *source)
{
        size_t len = utf8_cut(source->text, source->len, QUOTE_MAX);
        char *copy = malloc(len + 1);

        if (copy) {
                memcpy(copy, source->text, len);
                copy[len] = '\0';
        }
        return copy;
}

/* NULL: no memory. */
static char *find_quote(struct cite *cite, const struct passage *source)
{
        const struct quotes_rule rule = { .max_tokens = UINT32_MAX, .max_sentences = 1,
                                          .trust_rank = true };
        const char *claim = buf_text(&cite->answer) + cite->claim_start;
        size_t len = cite->claim_end - cite->claim_start;
        struct query_terms terms = { .n = 0 };
        struct quotes quotes = { .n = 0 };
        char *quote;

        if (query_terms_read(cite->analyzer, claim, len, &terms, NULL) < 0 ||
            quotes_choose(cite->analyzer, &terms, source, 1, &rule, &quotes, NULL) < 0)
                return NULL;
        if (quotes.n == 0)
                return copy_start(source);
        quote = take_ptr(quotes.items[0].text);
        quotes_done(&quotes);
        return quote;
}

/* ---- Telling --------------------------------------------------------------------------------- */

static int tell_text(struct cite *cite)
{
        const char *text = buf_text(&cite->answer);
        size_t from = cite->told;

        if (buf_failed(&cite->answer))
                return -ENOMEM;
        if (from == cite->answer.len)
                return 0;
        cite->told = cite->answer.len;
        return cite->events.text(cite->events.data, text + from, cite->told - from);
}

static int add_citation(struct cite *cite, uint32_t number)
{
        struct citation *citation;

        if (cite->n_citations == cite->room) {
                size_t room = cite->room ? 2 * cite->room : 8;
                struct citation *more = reallocarray(cite->citations, room, sizeof *more);

                if (!more)
                        return -ENOMEM;
                cite->citations = more;
                cite->room = room;
        }
        citation = &cite->citations[cite->n_citations];
        *citation = (struct citation){ .number = number,
                                       .quote = find_quote(cite, &cite->sources[number - 1]),
                                       .start = cite->claim_start,
                                       .end = cite->claim_end };
        if (!citation->quote)
                return -ENOMEM;
        cite->n_citations++;
        return cite->events.citation(cite->events.data, citation);
}

/* The held marker is whole. */
static int settle_marker(struct cite *cite, struct marker *marker)
{
        size_t end = cite->answer.len, n_spaces = cite->n_spaces, n_held = cite->n_held;
        int r;

        cite->n_held = cite->n_spaces = 0;
        validate(cite, marker);
        cite->invalid |= marker->dropped;
        if (marker->n == 0)
                return 0;
        buf_append(&cite->answer, cite->held, n_spaces);
        if (!marker->dropped) {
                buf_append(&cite->answer, cite->held + n_spaces, n_held - n_spaces);
        } else {
                for (size_t i = 0; i < marker->n; i++)
                        buf_append_format(&cite->answer, "%s%u", i ? ", " : "[",
                                          marker->numbers[i]);
                buf_append_char(&cite->answer, ']');
        }
        r = tell_text(cite);
        if (r >= 0)
                r = find_claim(cite, end);
        for (size_t i = 0; r >= 0 && i < marker->n; i++)
                r = add_citation(cite, marker->numbers[i]);
        return r;
}

/* ---- Byte by byte ---------------------------------------------------------------------------- */

static void release(struct cite *cite)
{
        buf_append(&cite->answer, cite->held, cite->n_held);
        cite->n_held = cite->n_spaces = 0;
}

static void follow_code(struct cite *cite, char c)
{
        if (c == '`') {
                cite->backticks++;
                return;
        }
        if (cite->backticks >= 3)
                cite->code = cite->code == CODE_FENCE ? CODE_NONE : CODE_FENCE;
        else if (cite->backticks > 0 && cite->code != CODE_FENCE)
                cite->code = cite->code == CODE_INLINE ? CODE_NONE : CODE_INLINE;
        cite->backticks = 0;
        if (c == '\n' && cite->code == CODE_INLINE)
                cite->code = CODE_NONE;
}

/* A byte while nothing, or only spaces, are held. */
static void take_plain(struct cite *cite, char c)
{
        follow_code(cite, c);
        if (cite->answer.len == 0 && is_space(c)) {
                return; /* an answer begins with its first word */
        } else if (cite->code == CODE_NONE && cite->backticks == 0 && c == '[') {
                cite->held[cite->n_held++] = c;
        } else if (is_blank(c)) {
                if (cite->n_held == SPACES_MAX)
                        release(cite);
                cite->held[cite->n_held++] = c;
                cite->n_spaces = cite->n_held;
        } else {
                release(cite);
                buf_append_char(&cite->answer, c);
        }
}

static int take(struct cite *cite, char c)
{
        struct marker marker = { .n = 0 };
        int r;

        if (cite->n_held == cite->n_spaces) {
                take_plain(cite, c);
                return 0;
        }
        cite->held[cite->n_held++] = c;
        r = read_marker(cite->held + cite->n_spaces, cite->n_held - cite->n_spaces, &marker);
        if (r > 0)
                return settle_marker(cite, &marker);
        if (r < 0) { /* it was text; the last byte may begin another one */
                cite->n_held--;
                release(cite);
                take_plain(cite, c);
        }
        return 0;
}

int cite_feed(struct cite *cite, const char *text, size_t len, struct error *reterr)
{
        int r = 0;

        for (size_t i = 0; r >= 0 && i < len; i++)
                r = take(cite, text[i]);
        if (r >= 0)
                r = tell_text(cite);
        return r < 0 ? error_set_errno(reterr, r, "the answer cannot be told") : 0;
}

int cite_end(struct cite *cite, struct error *reterr)
{
        int r;

        release(cite);
        r = tell_text(cite);
        return r < 0 ? error_set_errno(reterr, r, "the answer cannot be told") : 0;
}
