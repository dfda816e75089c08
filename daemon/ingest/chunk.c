/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/chunk.h"

#include "base/cleanup.h"
#include "base/enum.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define GAP_BYTES 64       /* what is no word counts one token for each so many bytes */
#define BYTES_PER_TOKEN 8  /* of a word that is itself too long: text_count_tokens() */

static const char *const chunk_strategy_names[CHUNK_STRATEGY_MAX] = {
        [CHUNK_SLIDING_WINDOW] = "sliding_window",
        [CHUNK_SENTENCE] = "sentence",
};
DEFINE_ENUM_NAMES(chunk_strategy, enum chunk_strategy)

/* ---- Rules ---------------------------------------------------------------------------------- */

int chunk_rules_override(struct chunk_rules *rules, const char *json, struct error *reterr)
{
        static const char *const known[] = { "strategy", "max_tokens", "overlap", NULL };
        cleanup_json_ struct json_object *object = NULL;
        const char *strategy = NULL;
        uint64_t size = rules->chunk_size, overlap;
        int r = json_parse(json, strlen(json), &object, reterr);

        if (r == 0 && !json_object_is_type(object, json_type_object))
                return error_set(reterr, -EINVAL, "\"chunking\" must be an object");
        if (r == 0)
                r = json_refuse_unknown(object, known, reterr);
        if (r == 0)
                r = json_get_string(object, "strategy", &strategy, reterr);
        if (r >= 0)
                r = json_get_u64(object, "max_tokens", 1, rules->max_chunk_size, &size, reterr);
        if (r < 0)
                return r;
        overlap = rules->overlap < size / 2 ? rules->overlap : size / 2;
        r = json_get_u64(object, "overlap", 0, size - 1, &overlap, reterr);
        if (r < 0)
                return r;
        if (strategy) {
                enum chunk_strategy named = chunk_strategy_from_name(strategy);

                if (named < 0) {
                        (void) error_set(reterr, -EINVAL, "\"strategy\" must be %s or %s",
                                         chunk_strategy_names[0], chunk_strategy_names[1]);
                        error_set_origin(reterr, NULL, "chunking/strategy", 0, 0);
                        return -EINVAL;
                }
                rules->strategy = named;
        }
        rules->chunk_size = (uint32_t) size;
        rules->overlap = (uint32_t) overlap;
        return 0;
}

/* ---- Units: what is not cut any further ----------------------------------------------------- */

/* A unit reaches to the start of the next one. */
struct unit {
        uint32_t start, tokens;
};

struct units {
        const char *text;
        struct unit *at;
        size_t n, size;
};

static void units_done(struct units *units)
{
        free(units->at);
}

static bool is_space(char c)
{
        return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_blank(const char *text, size_t start, size_t end)
{
        while (start < end && is_space(text[start]))
                start++;
        return start == end;
}

static int push(struct units *units, size_t start, uint64_t tokens)
{
        if (units->n == units->size) {
                size_t size = units->size ? units->size * 2 : 256;
                struct unit *grown = reallocarray(units->at, size, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                units->at = grown;
                units->size = size;
        }
        units->at[units->n++] = (struct unit){ (uint32_t) start, (uint32_t) tokens };
        return 0;
}

/* Bytes between words: a short gap goes with the word before it, a long one becomes units. */
static int push_gap(struct units *units, size_t *at, size_t end)
{
        while (end - *at > GAP_BYTES) {
                size_t piece = utf8_cut(units->text + *at, end - *at, GAP_BYTES);

                if (!is_blank(units->text, *at, *at + piece) && push(units, *at, 1) < 0)
                        return -ENOMEM;
                *at += piece;
        }
        return 0;
}

static int push_word(struct units *units, size_t start, size_t end, uint32_t tokens, uint32_t cap)
{
        while (tokens > cap) {
                size_t most = (size_t) cap * BYTES_PER_TOKEN;
                size_t piece = utf8_cut(units->text + start, end - start, most < 4 ? 4 : most);

                if (piece >= end - start)
                        break;
                if (push(units, start, cap) < 0)
                        return -ENOMEM;
                start += piece;
                tokens -= cap;
        }
        return push(units, start, tokens < cap ? tokens : cap);
}

static int push_words(struct units *units, struct text_analyzer *analyzer, size_t from, size_t to,
                      uint32_t cap)
{
        struct text_words words;
        struct text_word word;
        size_t at = from, before = units->n;
        int r;

        text_words_begin(analyzer, units->text + from, to - from, &words);
        while ((r = text_words_next(&words, &word)) > 0) {
                if (push_gap(units, &at, from + word.start) < 0)
                        return -ENOMEM;
                if (push_word(units, units->n == before ? at : from + word.start, from + word.end,
                              word.tokens, cap) < 0)
                        return -ENOMEM;
                at = from + word.end;
        }
        if (r == 0)
                r = push_gap(units, &at, to);
        if (r == 0 && units->n == before && !is_blank(units->text, at, to))
                r = push(units, at, 1);
        return r;
}

static int push_sentences(struct units *units, struct text_analyzer *analyzer, size_t len,
                          const struct chunk_rules *rules, uint32_t cap)
{
        struct text_sentences sentences;
        size_t start, end, tokens, covered = 0;
        int r;

        text_sentences_begin(analyzer, units->text, len, &sentences);
        while ((r = text_sentences_next(&sentences, &start, &end)) > 0) {
                start = covered; /* with whatever stood before it */
                covered = end;
                r = text_count_tokens(analyzer, units->text + start, end - start, &tokens);
                if (r == 0 && tokens <= rules->max_chunk_size &&
                    end - start <= ((size_t) tokens + 1) * GAP_BYTES * 4)
                        r = push(units, start, tokens ? tokens : 1); /* "…" takes room as well */
                else if (r == 0)
                        r = push_words(units, analyzer, start, end, cap);
                if (r < 0)
                        return r;
        }
        if (r == 0 && !is_blank(units->text, covered, len))
                r = push_words(units, analyzer, covered, len, cap);
        return r;
}

/* ---- Windows over units --------------------------------------------------------------------- */

struct windows {
        struct chunk_cut *cuts; /* start and end count units until trim() */
        size_t n, size;
};

static void windows_done(struct windows *windows)
{
        free(windows->cuts);
}

static int emit(struct windows *windows, size_t from, size_t to, uint64_t tokens)
{
        if (windows->n == windows->size) {
                size_t size = windows->size ? windows->size * 2 : 8;
                struct chunk_cut *grown = reallocarray(windows->cuts, size, sizeof *grown);

                if (!grown)
                        return -ENOMEM;
                windows->cuts = grown;
                windows->size = size;
        }
        windows->cuts[windows->n++] =
                (struct chunk_cut){ (uint32_t) from, (uint32_t) to, (uint32_t) tokens };
        return 0;
}

/* Where the window behind one that ends at `to` begins: `overlap` tokens before, but so that
 * the next unit fits. */
static size_t step_back(const struct units *units, size_t from, size_t to, uint32_t size,
                        uint32_t overlap)
{
        size_t next = to;
        uint64_t back = 0;

        while (overlap > 0 && next > from + 1 && back + units->at[next - 1].tokens <= overlap)
                back += units->at[--next].tokens;
        while (next < to && back + units->at[to].tokens > size)
                back -= units->at[next++].tokens;
        return next;
}

static int slide(const struct units *units, uint32_t size, uint32_t overlap,
                 struct windows *windows)
{
        size_t from = 0;

        while (from < units->n) {
                uint64_t tokens = 0;
                size_t to = from;

                while (to < units->n && (to == from || tokens + units->at[to].tokens <= size))
                        tokens += units->at[to++].tokens;
                if (emit(windows, from, to, tokens) < 0)
                        return -ENOMEM;
                if (to == units->n)
                        break;
                from = step_back(units, from, to, size, overlap);
        }
        return 0;
}

/* A tail that is too small joins its predecessor, where the cap allows it. */
static void join_tail(const struct units *units, const struct chunk_rules *rules,
                      struct windows *windows)
{
        struct chunk_cut *last, *before;
        uint64_t tokens;

        if (windows->n < 2)
                return;
        last = &windows->cuts[windows->n - 1];
        before = last - 1;
        if (last->tokens >= rules->min_chunk_size)
                return;
        tokens = before->tokens;
        for (size_t i = before->end; i < last->end; i++)
                tokens += units->at[i].tokens;
        if (tokens > rules->max_chunk_size)
                return;
        before->end = last->end;
        before->tokens = (uint32_t) tokens;
        windows->n--;
}

/* From units to bytes, without the white space around. */
static void trim(const struct units *units, size_t len, struct windows *windows)
{
        size_t kept = 0;

        for (size_t i = 0; i < windows->n; i++) {
                struct chunk_cut cut = windows->cuts[i];
                size_t start = units->at[cut.start].start;
                size_t end = cut.end < units->n ? units->at[cut.end].start : len;

                while (start < end && is_space(units->text[start]))
                        start++;
                while (end > start && is_space(units->text[end - 1]))
                        end--;
                if (start < end)
                        windows->cuts[kept++] = (struct chunk_cut){ (uint32_t) start,
                                                                    (uint32_t) end, cut.tokens };
        }
        windows->n = kept;
}

int chunk_cut_text(struct text_analyzer *analyzer, const struct chunk_rules *rules,
                   const char *text, size_t len, struct chunk_cut **ret, size_t *ret_n,
                   struct error *reterr)
{
        cleanup_(units_done) struct units units = { .text = text };
        cleanup_(windows_done) struct windows windows = { 0 };
        uint32_t size = rules->chunk_size < rules->max_chunk_size ? rules->chunk_size
                                                                  : rules->max_chunk_size;
        int r;

        if (len >= UINT32_MAX)
                return error_set(reterr, -EFBIG, "the text is larger than 4 GiB");
        if (rules->strategy == CHUNK_SENTENCE)
                r = push_sentences(&units, analyzer, len, rules, size);
        else
                r = push_words(&units, analyzer, 0, len, size);
        if (r == 0)
                r = slide(&units, size, rules->overlap, &windows);
        if (r < 0)
                return error_oom(reterr);
        join_tail(&units, rules, &windows);
        trim(&units, len, &windows);
        *ret_n = windows.n;
        *ret = windows.n > 0 ? take_ptr(windows.cuts) : NULL;
        return 0;
}
