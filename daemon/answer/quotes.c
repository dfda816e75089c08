/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "answer/quotes.h"

#include "base/cleanup.h"

#include <math.h>
#include <string.h>

#define PASSAGES_MAX 12
#define SENTENCES_MAX 256
#define SENTENCE_BYTES_MIN 8
#define SENTENCE_BYTES_MAX 600
#define QUOTES_BYTES_MAX 1000 /* of all together, beyond the first */
#define SECOND_GAIN 0.5       /* what a term is worth when it was covered already */
#define LENGTH_POWER 0.25
#define LENGTH_FLOOR 8.0      /* tokens; a shorter sentence gains nothing by it */
#define GAIN_FLOOR 0.3        /* of the first sentence's gain: below it nothing is added */
#define COVERAGE_FLOOR 0.2    /* of the question's weight: below it there is no answer */

struct sentence {
        size_t passage;
        size_t order; /* among all sentences */
        char *text;   /* heap, cleaned */
        size_t len;
        uint32_t tokens;
        uint64_t terms; /* bit i: the question's term i */
        double worth;   /* by rank, shape and length */
        bool chosen;
};

struct choosing {
        struct text_analyzer *analyzer;
        const struct query_terms *terms;
        struct sentence *sentences;
        size_t n;
        double weight[QUERY_TERMS_MAX];
        double weight_of_all;
};

void quotes_done(struct quotes *quotes)
{
        for (size_t i = 0; i < quotes->n; i++)
                free(quotes->items[i].text);
        memset(quotes, 0, sizeof *quotes);
}

/* ---- Sentences ----------------------------------------------------------------------------- */

static bool ends_with(const struct sentence *sentence, const char *end)
{
        size_t len = strlen(end);

        return sentence->len >= len &&
               memcmp(sentence->text + sentence->len - len, end, len) == 0;
}

/* A whole sentence is worth more than a scrap of one, a statement more than a question. */
static double shape_of(const struct sentence *sentence)
{
        static const char *const full[] = { ".", "!", ".\"", ".)", "\xE3\x80\x82",
                                            "\xEF\xBC\x81", ".\xE2\x80\x9D" };
        double worth = 0.6;

        for (size_t i = 0; i < ELEMENTSOF(full); i++)
                if (ends_with(sentence, full[i]))
                        worth = 1;
        if (ends_with(sentence, "?") || ends_with(sentence, "\xEF\xBC\x9F"))
                worth = 0.4;
        if (sentence->text[0] >= 'a' && sentence->text[0] <= 'z' && sentence->order == 0)
                worth *= 0.7; /* a passage that begins in the middle of it */
        return worth;
}

static int find_terms(struct choosing *choosing, struct sentence *sentence)
{
        struct text_terms iterator;
        struct text_term term;
        int r;

        text_terms_begin(choosing->analyzer, TEXT_FOR_DOCUMENT, sentence->text, sentence->len,
                         &iterator);
        while ((r = text_terms_next(&iterator, &term)) > 0) {
                size_t i = query_terms_find(choosing->terms, &term);

                if (i < QUERY_TERMS_MAX)
                        sentence->terms |= UINT64_C(1) << i;
        }
        return r;
}

static bool is_known(const struct choosing *choosing, const struct sentence *sentence)
{
        for (size_t i = 0; i < choosing->n; i++)
                if (choosing->sentences[i].len == sentence->len &&
                    memcmp(choosing->sentences[i].text, sentence->text, sentence->len) == 0)
                        return true;
        return false;
}

/* Keeps the sentence if it is one that can be quoted. */
static int add_sentence(struct choosing *choosing, size_t passage, size_t order, const char *raw,
                        size_t raw_len)
{
        struct sentence sentence = { .passage = passage, .order = order };
        size_t tokens = 0;
        int r;

        if (raw_len > 4 * SENTENCE_BYTES_MAX)
                return 0;
        sentence.text = malloc(raw_len + 1);
        if (!sentence.text)
                return -ENOMEM;
        sentence.len = prose_clean(raw, raw_len, sentence.text);
        r = text_count_tokens(choosing->analyzer, sentence.text, sentence.len, &tokens);
        sentence.tokens = (uint32_t) tokens;
        if (r >= 0 && sentence.len >= SENTENCE_BYTES_MIN && sentence.len <= SENTENCE_BYTES_MAX &&
            tokens >= 3 && !is_known(choosing, &sentence)) {
                r = find_terms(choosing, &sentence);
                sentence.worth = shape_of(&sentence) / sqrt(1 + 0.3 * (double) passage) /
                                 pow(fmax((double) tokens, LENGTH_FLOOR), LENGTH_POWER);
                if (r >= 0) {
                        choosing->sentences[choosing->n++] = sentence;
                        return 0;
                }
        }
        free(sentence.text);
        return r;
}

static int read_passage(struct choosing *choosing, size_t number, const struct passage *passage)
{
        cleanup_free_ char *prose = prose_copy(passage->text, passage->len);
        struct text_sentences iterator;
        size_t start, end, order = 0;
        int r;

        if (!prose)
                return -ENOMEM;
        text_sentences_begin(choosing->analyzer, prose, passage->len, &iterator);
        while ((r = text_sentences_next(&iterator, &start, &end)) > 0 &&
               choosing->n < SENTENCES_MAX) {
                r = add_sentence(choosing, number, order++, prose + start, end - start);
                if (r < 0)
                        break;
        }
        return r < 0 ? r : 0;
}

/* Rare terms tell more; one that no sentence has is like one that a single sentence has. */
static void weigh_terms(struct choosing *choosing)
{
        for (size_t t = 0; t < choosing->terms->n; t++) {
                double frequency = 0;

                for (size_t i = 0; i < choosing->n; i++)
                        frequency += (double) (choosing->sentences[i].terms >> t & 1);
                choosing->weight[t] =
                        log(1 + ((double) choosing->n + 1) / fmax(frequency, 1));
                choosing->weight_of_all += choosing->weight[t];
        }
}

/* ---- The choice ------------------------------------------------------------------------------ */

static double gain_of(const struct choosing *choosing, const struct sentence *sentence,
                      const uint32_t *covered)
{
        double gain = 0;

        for (size_t t = 0; t < choosing->terms->n; t++)
                if (sentence->terms >> t & 1)
                        gain += covered[t] == 0   ? choosing->weight[t]
                                : covered[t] == 1 ? choosing->weight[t] * SECOND_GAIN
                                                  : 0;
        return gain * sentence->worth;
}

static double coverage(const struct choosing *choosing, const uint32_t *covered)
{
        double sum = 0;

        for (size_t t = 0; t < choosing->terms->n; t++)
                if (covered[t] > 0)
                        sum += choosing->weight[t];
        return choosing->weight_of_all > 0 ? sum / choosing->weight_of_all : 0;
}

/* Chunks overlap: a sentence may stand again, cut off, at the edge of a neighbour. */
static bool repeats(const struct sentence *sentence, struct sentence *const *picked, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (memmem(picked[i]->text, picked[i]->len, sentence->text, sentence->len) ||
                    memmem(sentence->text, sentence->len, picked[i]->text, picked[i]->len))
                        return true;
        return false;
}

/* Marks what is chosen, in `picked` by falling merit. */
static size_t pick(struct choosing *choosing, uint32_t max_tokens, size_t max,
                   struct sentence *picked[static QUOTES_MAX])
{
        uint32_t covered[QUERY_TERMS_MAX] = { 0 }, tokens = 0;
        size_t n = 0, bytes = 0;
        double first = 0;

        while (n < max) {
                struct sentence *best = NULL;
                double best_gain = 0;

                for (size_t i = 0; i < choosing->n; i++) {
                        struct sentence *sentence = &choosing->sentences[i];
                        double gain;

                        if (sentence->chosen || tokens + sentence->tokens > max_tokens ||
                            (n > 0 && bytes + sentence->len > QUOTES_BYTES_MAX))
                                continue;
                        gain = gain_of(choosing, sentence, covered);
                        if (gain > best_gain && !repeats(sentence, picked, n)) {
                                best_gain = gain;
                                best = sentence;
                        }
                }
                if (!best || best_gain < GAIN_FLOOR * first)
                        break;
                if (n == 0)
                        first = best_gain;
                best->chosen = true;
                picked[n++] = best;
                tokens += best->tokens;
                bytes += best->len;
                for (size_t t = 0; t < choosing->terms->n; t++)
                        covered[t] += best->terms >> t & 1;
        }
        return coverage(choosing, covered) < COVERAGE_FLOOR ? 0 : n;
}

/* What the two best passages begin with. */
static size_t pick_first(struct choosing *choosing, uint32_t max_tokens, size_t max,
                         struct sentence *picked[static QUOTES_MAX])
{
        uint32_t tokens = 0;
        size_t n = 0;

        for (size_t i = 0; i < choosing->n && n < 2 && n < max; i++) {
                struct sentence *sentence = &choosing->sentences[i];

                if ((n > 0 && picked[0]->passage == sentence->passage) ||
                    tokens + sentence->tokens > max_tokens || shape_of(sentence) < 1)
                        continue;
                tokens += sentence->tokens;
                picked[n++] = sentence;
        }
        return n;
}

/* ---- Quotes ---------------------------------------------------------------------------------- */

static int append(struct quote *quote, const struct sentence *sentence)
{
        char *text = realloc(quote->text, quote->len + sentence->len + 2);

        if (!text)
                return -ENOMEM;
        quote->text = text;
        if (quote->len > 0)
                text[quote->len++] = ' ';
        memcpy(text + quote->len, sentence->text, sentence->len + 1);
        quote->len += sentence->len;
        quote->tokens += sentence->tokens;
        return 0;
}

/* Passage by passage, each in its own order; neighbours become one quote. */
static int put_together(struct sentence *const *picked, size_t n, struct quotes *quotes)
{
        bool done[QUOTES_MAX] = { false };

        for (size_t left = n; left > 0;) {
                size_t passage, last = SIZE_MAX, first = 0;

                while (done[first])
                        first++;
                passage = picked[first]->passage;
                for (;;) {
                        size_t next = n;
                        struct quote *quote;

                        for (size_t i = 0; i < n; i++)
                                if (!done[i] && picked[i]->passage == passage &&
                                    (next == n || picked[i]->order < picked[next]->order))
                                        next = i;
                        if (next == n)
                                break;
                        if (last == SIZE_MAX || picked[next]->order != last + 1)
                                quotes->items[quotes->n++].passage = passage;
                        quote = &quotes->items[quotes->n - 1];
                        if (append(quote, picked[next]) < 0)
                                return -ENOMEM;
                        last = picked[next]->order;
                        done[next] = true;
                        left--;
                }
        }
        return 0;
}

int quotes_choose(struct text_analyzer *analyzer, const struct query_terms *terms,
                  const struct passage *passages, size_t n, const struct quotes_rule *rule,
                  struct quotes *ret, struct error *reterr)
{
        struct choosing choosing = { .analyzer = analyzer, .terms = terms };
        struct sentence *picked[QUOTES_MAX] = { NULL };
        size_t n_picked = 0, max = QUOTES_MAX;
        int r = 0;

        if (rule->max_sentences > 0 && rule->max_sentences < max)
                max = rule->max_sentences;
        memset(ret, 0, sizeof *ret);
        choosing.sentences = calloc(SENTENCES_MAX, sizeof *choosing.sentences);
        if (!choosing.sentences)
                return error_oom(reterr);
        for (size_t i = 0; r >= 0 && i < n && i < PASSAGES_MAX; i++)
                r = read_passage(&choosing, i, &passages[i]);
        if (r >= 0) {
                weigh_terms(&choosing);
                n_picked = pick(&choosing, rule->max_tokens, max, picked);
                if (n_picked == 0 && rule->trust_rank)
                        n_picked = pick_first(&choosing, rule->max_tokens, max, picked);
                r = put_together(picked, n_picked, ret);
        }
        for (size_t i = 0; i < choosing.n; i++)
                free(choosing.sentences[i].text);
        free(choosing.sentences);
        if (r < 0) {
                quotes_done(ret);
                return error_oom(reterr);
        }
        return 0;
}
