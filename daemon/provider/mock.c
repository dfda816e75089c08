/* SPDX-License-Identifier: Apache-2.0 */
/* Models for tests and trials; all they give depends on what they are given alone.
 *
 * The vector of a text is pseudo-random and of unit length (FNV-1a seeds SplitMix64: Steele, Lea,
 * Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): the same text is found
 * again; nothing else is near to it.  An answer quotes the first sentence behind the "[1]" of the
 * last message and cites it.  A document's score is the part of the query's words that it holds. */
#include "provider/kinds.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "provider/wire.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOCK_VERSION 1 /* belongs to the fingerprint; rises when any vector changes */

static int mock_open(const struct provider_config *config, uint32_t dimensions,
                     struct provider **ret, struct error *reterr)
{
        struct provider *provider;

        (void) config;
        (void) dimensions;
        provider = calloc(1, sizeof *provider);
        if (!provider)
                return error_oom(reterr);
        *ret = provider;
        return 0;
}

static void mock_free(struct provider *provider)
{
        free(provider);
}

static uint64_t seed_of(const struct embed_text *text)
{
        uint64_t hash = UINT64_C(14695981039346656037);

        for (size_t i = 0; i < text->len; i++)
                hash = (hash ^ (unsigned char) text->text[i]) * UINT64_C(1099511628211);
        return hash;
}

static uint64_t next_random(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31;
}

static void fill(const struct embed_text *text, uint32_t dimensions, float *ret)
{
        uint64_t state = seed_of(text);
        double length = 0.0;

        for (uint32_t i = 0; i < dimensions; i++) {
                /* an odd number of 1/2^24, so never zero */
                ret[i] = (float) ((int64_t) (next_random(&state) >> 40 | 1) - (INT64_C(1) << 23)) /
                         (float) (1 << 23);
                length += (double) ret[i] * (double) ret[i];
        }
        length = sqrt(length);
        for (uint32_t i = 0; i < dimensions; i++)
                ret[i] = (float) ((double) ret[i] / length);
}

static int mock_embed(struct provider *provider, enum embed_purpose purpose,
                      const struct embed_text *texts, size_t n, float *ret_vectors,
                      struct embed_usage *ret_usage, struct error *reterr)
{
        (void) purpose;
        (void) reterr;
        *ret_usage = (struct embed_usage){ .estimated = true };
        for (size_t i = 0; i < n; i++) {
                fill(&texts[i], provider->dimensions, ret_vectors + i * provider->dimensions);
                ret_usage->tokens += texts[i].len / 4 + 1; /* as a rule of thumb for English */
        }
        return 0;
}

/* ---- Chat ------------------------------------------------------------------------------------ */

#define QUOTE_MAX_BYTES 300

/* The first sentence of the first passage, or NULL. */
static const char *first_sentence(const char *text, size_t *ret_len)
{
        const char *passage = strstr(text, "[1]");
        size_t len;

        if (!passage)
                return NULL;
        passage += 3;
        passage += strspn(passage, " :\t\r\n");
        for (len = 0; passage[len] && passage[len] != '\n'; len++)
                if (strchr(".!?", passage[len]) && strchr(" \r\n", passage[len + 1])) {
                        len++;
                        break;
                }
        *ret_len = utf8_cut(passage, len, QUOTE_MAX_BYTES);
        return *ret_len > 0 ? passage : NULL;
}

static int mock_chat(struct provider *provider, const struct chat_request *request,
                     struct call_result *ret, struct error *reterr)
{
        const struct call_request whole = { .kind = CALL_CHAT, .chat = *request };
        const char *text = request->n_messages ? request->messages[request->n_messages - 1].text
                                               : "";
        size_t len = 0, max = (size_t) request->max_tokens * 4;
        const char *quote = first_sentence(text, &len);

        (void) provider;
        if (quote)
                buf_append_format(&ret->text, "The first passage says: %.*s [1]", (int) len, quote);
        else
                buf_append_text(&ret->text, "There is no passage to answer from.");
        if (buf_failed(&ret->text))
                return error_oom(reterr);
        ret->finish = ret->text.len > max ? CHAT_FINISH_LENGTH : CHAT_FINISH_STOP;
        ret->text.len = utf8_cut(ret->text.data, ret->text.len, max);
        ret->text.data[ret->text.len] = '\0';
        ret->input_tokens = wire_estimate_input(&whole);
        ret->output_tokens = ret->text.len / 4 + 1;
        ret->estimated = true;
        return 0;
}

/* ---- Reranking ------------------------------------------------------------------------------- */

#define QUERY_TERMS_MAX 64

/* The different terms of a text, at most `max`; negative: out of memory. */
static ssize_t read_terms(struct text_analyzer *analyzer, const char *text, size_t len,
                          struct text_term *ret, size_t max)
{
        struct text_terms terms;
        size_t n = 0;
        int r;

        text_terms_begin(analyzer, TEXT_FOR_DOCUMENT, text, len, &terms);
        while (n < max && (r = text_terms_next(&terms, &ret[n])) != 0) {
                size_t i = 0;

                if (r < 0)
                        return r;
                while (strcmp(ret[i].text, ret[n].text) != 0)
                        i++;
                n += i == n;
        }
        return (ssize_t) n;
}

static int score(struct text_analyzer *analyzer, const struct text_term *query, size_t n,
                 const struct embed_text *document, float *ret)
{
        bool found[QUERY_TERMS_MAX] = { false };
        struct text_terms terms;
        struct text_term term;
        size_t shared = 0;
        int r;

        text_terms_begin(analyzer, TEXT_FOR_DOCUMENT, document->text, document->len, &terms);
        while ((r = text_terms_next(&terms, &term)) > 0)
                for (size_t i = 0; i < n; i++)
                        found[i] |= strcmp(query[i].text, term.text) == 0;
        for (size_t i = 0; i < n; i++)
                shared += found[i];
        *ret = n > 0 ? (float) shared / (float) n : 0.0F;
        return r;
}

static int better_first(const void *a, const void *b)
{
        const struct rerank_score *one = a, *other = b;

        if (one->score != other->score)
                return one->score > other->score ? -1 : 1;
        return one->index < other->index ? -1 : one->index > other->index;
}

static int mock_rerank(struct provider *provider, const struct rerank_request *request,
                       struct call_result *ret, struct error *reterr)
{
        const struct call_request whole = { .kind = CALL_RERANK, .rerank = *request };
        cleanup_(text_analyzer_free_cleanup) struct text_analyzer *analyzer = NULL;
        cleanup_free_ struct text_term *query = calloc(QUERY_TERMS_MAX, sizeof *query);
        ssize_t n;
        int r = text_analyzer_new("english", &analyzer, reterr);

        (void) provider;
        if (r < 0)
                return r;
        ret->scores = calloc(request->n + 1, sizeof *ret->scores);
        n = query ? read_terms(analyzer, request->query, strlen(request->query), query,
                               QUERY_TERMS_MAX)
                  : -ENOMEM;
        if (!ret->scores || n < 0)
                return error_oom(reterr);
        for (size_t i = 0; i < request->n; i++) {
                ret->scores[i].index = i;
                if (score(analyzer, query, (size_t) n, &request->documents[i],
                          &ret->scores[i].score) < 0)
                        return error_oom(reterr);
        }
        qsort(ret->scores, request->n, sizeof *ret->scores, better_first);
        ret->n_scores = request->top_n;
        ret->input_tokens = wire_estimate_input(&whole);
        ret->estimated = true;
        return 0;
}

const struct provider_ops mock_ops = {
        .kind = "mock",
        .algorithm = MOCK_VERSION,
        .open = mock_open,
        .embed = mock_embed,
        .chat = mock_chat,
        .rerank = mock_rerank,
        .free = mock_free,
};
