/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_cursor.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define NOT_DECODED UINT32_MAX

/* Two lanes: SSE2, NEON, or whatever the machine has. */
typedef double pair __attribute__((vector_size(16)));

void postings_scoring_init(struct postings_scoring *scoring, const double *weights, size_t n,
                           double average)
{
        double all = 0.0;
        int exponent;

        for (size_t i = 0; i < n; i++)
                all += weights[i];
        (void) frexp(all, &exponent); /* no sum is as large as 2^exponent */
        *scoring = (struct postings_scoring){
                .norm = BM25_K1 * (1.0 - BM25_B),
                .norm_per_term = BM25_K1 * BM25_B / average,
                .rounding = ldexp(1.5, exponent),
                .unit = ldexp(1.0, exponent - DBL_MANT_DIG + 1),
        };
}

void postings_cursor_begin(struct postings_cursor *cursor, struct postings_segment *segment,
                           const struct postings_list *list, double weight, double average)
{
        cursor->segment = segment;
        cursor->list = *list;
        cursor->blocks = segment->blocks + list->block;
        cursor->weight = weight;
        cursor->drift = average < 1.0 ? average : 1.0;
        cursor->block = 0;
        cursor->decoded = NOT_DECODED;
}

void postings_cursor_enter(struct postings_cursor *cursor, const struct postings_scoring *scoring,
                           uint32_t begin, uint32_t end)
{
        double least = HUGE_VAL;
        uint32_t i;

        while (cursor->block < cursor->list.n_blocks && cursor->blocks[cursor->block].last < begin)
                cursor->block++;
        for (i = cursor->block; i < cursor->list.n_blocks; i++) {
                if (i > cursor->block && cursor->blocks[i - 1].last + 1 >= end)
                        break;
                if (cursor->blocks[i].bound < least)
                        least = cursor->blocks[i].bound;
        }
        cursor->postings = (i - cursor->block) * POSTINGS_BLOCK;
        cursor->most = 0.0;
        if (i > cursor->block)
                cursor->most = cursor->weight / (1.0 + least * cursor->drift) * (1.0 + 1e-9) +
                               scoring->unit;
}

static int decode(struct postings_cursor *cursor, struct postings_scoring *scoring, uint32_t block,
                  struct error *reterr)
{
        int n;

        if (cursor->decoded == block)
                return 0;
        n = postings_segment_decode(cursor->segment, &cursor->list, block, cursor->documents,
                                    &cursor->frequencies, reterr);
        if (n < 0)
                return n;
        cursor->decoded = block;
        cursor->n = (uint32_t) n;
        cursor->at = 0;
        cursor->worked_out = false;
        scoring->decoded += cursor->n;
        return 0;
}

/* The first of the decoded documents, from where it stood, that is not below. */
static uint32_t seek(const struct postings_cursor *cursor, uint32_t document)
{
        uint32_t low = cursor->at, high = cursor->n;

        while (low < high) {
                uint32_t middle = (low + high) / 2;

                if (cursor->documents[middle] < document)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* ---- Shares ----------------------------------------------------------------------------- */

/* What two postings add to scores, rounded.  One way for all, so that equals stay equal. */
static inline pair share(const struct postings_scoring *scoring, double weight, pair frequency,
                         pair length)
{
        const pair norm = { scoring->norm, scoring->norm }, weights = { weight, weight };
        const pair norm_per_term = { scoring->norm_per_term, scoring->norm_per_term };
        const pair rounding = { scoring->rounding, scoring->rounding };
        pair value = weights * frequency / (frequency + (norm + norm_per_term * length));

        return value + rounding - rounding;
}

/* Of an absent document the length is nonsense, and so is the share: only a damaged segment has
 * such. */
static double share_of(const struct postings_cursor *cursor,
                       const struct postings_scoring *scoring, uint32_t at)
{
        uint32_t length = postings_segment_length(scoring->lengths, scoring->length_bytes,
                                                  cursor->documents[at]);
        double frequency = postings_frequency(&cursor->frequencies, at);

        return share(scoring, cursor->weight, (pair){ frequency, frequency },
                     (pair){ length - 1.0, length - 1.0 })[0];
}

/* The shares of a whole block, two at a time where frequencies have one byte and lengths two. */
static void work_out(struct postings_cursor *cursor, const struct postings_scoring *scoring)
{
        const uint16_t *lengths = scoring->lengths;
        const uint8_t *frequencies = cursor->frequencies.bytes;
        bool narrow = cursor->frequencies.shift == 0 && scoring->length_bytes == 2;
        uint32_t i = 0;

        cursor->worked_out = true;
        for (; narrow && i + 2 <= cursor->n; i += 2) {
                pair length = { lengths[cursor->documents[i]] - 1.0,
                                lengths[cursor->documents[i + 1]] - 1.0 };
                pair frequency = { frequencies[i], frequencies[i + 1] };
                pair value = share(scoring, cursor->weight, frequency, length);

                memcpy(cursor->shares + i, &value, sizeof value);
        }
        for (; i < cursor->n; i++)
                cursor->shares[i] = share_of(cursor, scoring, i);
}

int postings_cursor_add(struct postings_cursor *cursor, struct postings_scoring *scoring,
                        uint32_t begin, uint32_t end, double *sums, struct error *reterr)
{
        for (uint32_t block = cursor->block; block < cursor->list.n_blocks; block++) {
                uint32_t stop;
                int r;

                if (block > cursor->block && cursor->blocks[block - 1].last + 1 >= end)
                        break;
                r = decode(cursor, scoring, block, reterr);
                if (r < 0)
                        return r;
                if (!cursor->worked_out)
                        work_out(cursor, scoring);
                cursor->at = seek(cursor, begin);
                stop = cursor->blocks[block].last < end ? cursor->n : seek(cursor, end);
                for (uint32_t i = cursor->at; i < stop; i++)
                        sums[cursor->documents[i] - begin] += cursor->shares[i];
                cursor->at = stop;
        }
        return 0;
}

int postings_cursor_look(struct postings_cursor *cursor, struct postings_scoring *scoring,
                         uint32_t document, double *sum, struct error *reterr)
{
        int r;

        while (cursor->block < cursor->list.n_blocks &&
               cursor->blocks[cursor->block].last < document)
                cursor->block++;
        if (cursor->block == cursor->list.n_blocks)
                return 0;
        r = decode(cursor, scoring, cursor->block, reterr);
        if (r < 0)
                return r;
        cursor->at = seek(cursor, document);
        if (cursor->at < cursor->n && cursor->documents[cursor->at] == document)
                *sum += share_of(cursor, scoring, cursor->at);
        return 0;
}
