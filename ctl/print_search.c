/* SPDX-License-Identifier: Apache-2.0 */
/* Search results with their scores and the place that fits, and citations of answers. */
#include "base/cleanup.h"
#include "print.h"
#include "screen.h"

#include <stdio.h>
#include <string.h>

#define INDENT 4
#define SNIPPET_LINES 2
#define SNIPPET_BEFORE ((size_t) 60) /* bytes of context ahead of the first term */
#define HIGHLIGHTS_MAX 64

struct span {
        size_t start, end;
};

static size_t read_highlights(struct json_object *result, size_t len, struct span spans[])
{
        struct json_object *array = member(result, "highlights");
        size_t n = member_count(result, "highlights");
        size_t kept = 0, last = 0;

        for (size_t i = 0; i < n && kept < HIGHLIGHTS_MAX; i++) {
                struct json_object *one = json_object_array_get_idx(array, i);
                struct span span = { member_u64(one, "start"), member_u64(one, "end") };

                if (span.start < last || span.end <= span.start || span.end > len)
                        continue;
                last = span.end;
                spans[kept++] = span;
        }
        return kept;
}

/* A passage as a snippet shows it: white space in single spaces, spans moved with the text.
 * Heap; NULL: no memory. */
static char *collapse(const char *text, size_t len, struct span spans[], size_t n_spans)
{
        char *out = calloc(1, len + 1);
        size_t used = 0, next_start = 0, next_end = 0;

        for (size_t i = 0; out && i <= len; i++) {
                bool space = i < len && strchr(" \t\r\n", text[i]);

                while (next_start < n_spans && spans[next_start].start == i)
                        spans[next_start++].start = used;
                while (next_end < next_start && spans[next_end].end == i)
                        spans[next_end++].end = used;
                if (i == len || (space && (used == 0 || out[used - 1] == ' ')))
                        continue;
                out[used++] = space ? ' ' : text[i];
        }
        return out;
}

/* Where the snippet begins: some context ahead of `first`, at a word's start. */
static size_t snippet_start(const char *text, size_t first)
{
        size_t start = first > SNIPPET_BEFORE ? first - SNIPPET_BEFORE : 0;

        while (start > 0 && start < first && text[start - 1] != ' ')
                start++;
        while (start > 0 && ((unsigned char) text[start] & 0xC0U) == 0x80U)
                start--;
        return start;
}

/* The end of a line that begins at `start` and has `columns`, at a word's end if possible. */
static size_t line_end(const char *text, size_t start, size_t len, size_t columns)
{
        size_t end = start + screen_fit(text + start, len - start, columns), cut = end;

        if (end == len)
                return end;
        while (cut > start && text[cut] != ' ')
                cut--;
        return cut > start ? cut : end;
}

static void write_marked(const struct ctl *ctl, const char *text, size_t start, size_t end,
                         const struct span *spans, size_t n_spans)
{
        size_t at = start;

        for (size_t i = 0; i < n_spans && at < end; i++) {
                size_t from = spans[i].start > at ? spans[i].start : at;
                size_t to = spans[i].end < end ? spans[i].end : end;

                if (to <= from)
                        continue;
                screen_write(stdout, text + at, from - at, false);
                (void) fputs(ctl->out.yellow, stdout);
                (void) fputs(ctl->out.bold, stdout);
                screen_write(stdout, text + from, to - from, false);
                (void) fputs(ctl->out.plain, stdout);
                at = to;
        }
        if (at < end)
                screen_write(stdout, text + at, end - at, false);
}

static void print_snippet(const struct ctl *ctl, struct json_object *result)
{
        const char *original = member_text(result, "text", "");
        struct span spans[HIGHLIGHTS_MAX];
        size_t n = read_highlights(result, strlen(original), spans);
        cleanup_free_ char *text = collapse(original, strlen(original), spans, n);
        size_t len = text ? strlen(text) : 0;
        size_t at = text && n > 0 ? snippet_start(text, spans[0].start) : 0;
        size_t columns = ctl->width > INDENT + 20 ? ctl->width - INDENT - 2 : 20;
        bool begins = at == 0;

        for (int line = 0; line < SNIPPET_LINES && at < len; line++) {
                size_t end;

                at += text[at] == ' ';
                end = line_end(text, at, len, columns);
                (void) printf("%*s%s", INDENT, "", line == 0 && !begins ? "…" : "");
                write_marked(ctl, text, at, end, spans, n);
                (void) puts(line + 1 == SNIPPET_LINES && end < len ? "…" : "");
                at = end;
        }
}

static void print_score(struct json_object *scores, const char *name)
{
        struct json_object *score = member(scores, name);

        if (score)
                (void) printf("  %8.4f", json_object_get_double(score));
        else
                (void) printf("  %8s", "-");
}

static void print_explanation(const struct ctl *ctl, struct json_object *result)
{
        struct json_object *explain = member(result, "explain");

        if (explain)
                (void) printf("%*s%s%s%s\n", INDENT, "", ctl->out.dim,
                              json_object_to_json_string_ext(explain, JSON_C_TO_STRING_PLAIN),
                              ctl->out.plain);
}

static void print_result(const struct ctl *ctl, struct json_object *result, size_t rank)
{
        struct json_object *scores = member(result, "scores");
        const char *id = member_text(result, "external_id", "?");
        const char *title = member_text(result, "title", NULL);

        (void) printf("%s%3zu%s", ctl->out.bold, rank, ctl->out.plain);
        print_score(scores, "fused");
        print_score(scores, "bm25");
        print_score(scores, "dense");
        (void) printf("  %s", ctl->out.bold);
        if (title)
                screen_write(stdout, title, strlen(title), false);
        (void) printf("%s%s%s", ctl->out.plain, title ? "  " : "", ctl->out.cyan);
        screen_write(stdout, id, strlen(id), false);
        (void) printf("%s\n", ctl->out.plain);
        print_snippet(ctl, result);
        print_explanation(ctl, result);
}

static void print_degraded(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *degraded = member(reply, "degraded");

        for (size_t i = 0; i < member_count(reply, "degraded"); i++) {
                const char *what = json_object_get_string(json_object_array_get_idx(degraded, i));
                bool extractive = strcmp(what, "generation") == 0;

                (void) printf(" · %s%s%s", ctl->out.yellow,
                              extractive ? "quoted, not generated: no language model" : "without ",
                              extractive ? "" : what);
                (void) printf("%s", ctl->out.plain);
        }
}

void print_results(const struct ctl *ctl, struct json_object *reply)
{
        struct json_object *results = member(reply, "results"), *plan = member(reply, "plan");
        size_t n = member_count(reply, "results");

        if (n > 0)
                (void) printf("%s%3s  %8s  %8s  %8s  DOCUMENT%s\n", ctl->out.bold, "#", "FUSED",
                              "BM25", "DENSE", ctl->out.plain);
        for (size_t i = 0; i < n; i++)
                print_result(ctl, json_object_array_get_idx(results, i), i + 1);
        (void) printf("%s%s%zu result%s, %s%s%s%s, %ju candidates, %.1f ms%s", n > 0 ? "\n" : "",
                      ctl->out.dim, n, n == 1 ? "" : "s", member_text(plan, "mode", "?"),
                      member(plan, "index") ? " by " : "", member_text(plan, "index", ""),
                      json_object_get_boolean(member(plan, "exact")) && !member(plan, "index")
                              ? " exact"
                              : "",
                      (uintmax_t) member_u64(plan, "candidates"), member_double(reply, "took_ms"),
                      ctl->out.plain);
        print_degraded(ctl, reply);
        (void) putchar('\n');
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* The score of the source that a citation comes from. */
static double score_of(struct json_object *answer, const char *chunk_id)
{
        struct json_object *sources = member(answer, "sources");

        for (size_t i = 0; i < member_count(answer, "sources"); i++) {
                struct json_object *source = json_object_array_get_idx(sources, i);

                if (strcmp(member_text(source, "chunk_id", ""), chunk_id) == 0)
                        return member_double(member(source, "scores"), "fused");
        }
        return 0;
}

static void print_citation(const struct ctl *ctl, struct json_object *answer,
                           struct json_object *citation)
{
        const char *title = member_text(citation, "title", NULL);
        const char *where = member_text(citation, "url", NULL);

        if (!where)
                where = member_text(citation, "external_id", "?");
        (void) printf("  %s[%s]%s ", ctl->out.bold, member_text(citation, "n", "?"),
                      ctl->out.plain);
        if (title) {
                screen_write(stdout, title, strlen(title), false);
                (void) fputs("  ", stdout);
        }
        (void) fputs(ctl->out.cyan, stdout);
        screen_write(stdout, where, strlen(where), false);
        (void) printf("%s  %s%.4f%s\n", ctl->out.plain, ctl->out.dim,
                      score_of(answer, member_text(citation, "chunk_id", "")), ctl->out.plain);
}

/* The citations come in the order of the text: a source is listed where it is cited first. */
static bool cited_before(struct json_object *citations, size_t at)
{
        const char *n = member_text(json_object_array_get_idx(citations, at), "n", "");

        for (size_t i = 0; i < at; i++)
                if (strcmp(member_text(json_object_array_get_idx(citations, i), "n", ""), n) == 0)
                        return true;
        return false;
}

/* Who wrote it, what that took, and where to look closer. */
static void print_origin(const struct ctl *ctl, struct json_object *answer)
{
        struct json_object *provider = member(answer, "provider"), *usage = member(answer, "usage");
        const char *model = member_text(provider, "model", "");
        const char *instead_of = member_text(provider, "fallback_from", NULL);
        bool written = member(answer, "finish") != NULL;
        char dollars[SCREEN_NUMBER_SIZE];

        (void) fputs(ctl->out.dim, stdout);
        if (written)
                (void) printf("written by %s%s%s, %ju tokens in, %ju out%s, ",
                              member_text(provider, "name", "?"), *model ? " " : "", model,
                              (uintmax_t) member_u64(usage, "input_tokens"),
                              (uintmax_t) member_u64(usage, "output_tokens"),
                              json_object_get_boolean(member(usage, "cached")) ? ", remembered"
                                                                               : "");
        if (written)
                (void) printf("%s, ", screen_dollars(member_double(usage, "cost_microusd"),
                                                     dollars));
        (void) printf("trace %s%s\n", member_text(answer, "trace_id", "?"), ctl->out.plain);
        if (!instead_of)
                return;
        (void) printf("%s%s did not answer: ", ctl->out.yellow, instead_of);
        screen_write(stdout, member_text(provider, "reason", "?"),
                     strlen(member_text(provider, "reason", "?")), false);
        (void) printf("%s\n", ctl->out.plain);
}

void print_citations(const struct ctl *ctl, struct json_object *answer)
{
        struct json_object *citations = member(answer, "citations");
        size_t n = member_count(answer, "citations"), passages = member_count(answer, "sources");

        if (n > 0)
                (void) putchar('\n');
        for (size_t i = 0; i < n; i++)
                if (!cited_before(citations, i))
                        print_citation(ctl, answer, json_object_array_get_idx(citations, i));
        (void) printf("\n%s%zu passage%s considered, %.1f ms%s",
                      ctl->out.dim, passages, passages == 1 ? "" : "s",
                      member_double(answer, "took_ms"), ctl->out.plain);
        print_degraded(ctl, answer);
        (void) putchar('\n');
        print_origin(ctl, answer);
}
