/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_scan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 2048U
#define CHECK_EVERY 16384 /* postings decoded between two calls of the caller's check */
#define NOT_DECODED UINT32_MAX

/* Where a term stands in its list. */
struct cursor {
        struct postings_segment *segment;
        struct postings_list list;
        const struct postings_block *blocks;
        double weight, drift; /* what bounds are multiplied with */
        double most;          /* that it can add to a score in the window */
        uint32_t block;       /* the first that is not below the window, or the last looked at */
        uint32_t decoded;     /* which block `documents` holds */
        uint32_t n, at;
        struct postings_frequencies frequencies;
        uint32_t documents[POSTINGS_BLOCK];
};

struct postings_scan {
        const struct postings_scan_query *query;
        double norm, norm_per_term; /* k1 * (1 - b), k1 * b / average */
        double rounding; /* adding it and taking it off again leaves a multiple of `unit` */
        double unit;
        const struct postings_segment *segment; /* at hand */
        struct best *best;
        double enough; /* a sum below is not among the best */
        uint64_t candidates;
        uint32_t since_check;

        size_t n;                                    /* cursors in the window */
        struct cursor *order[BM25_QUERY_TERMS_MAX];  /* by rising `most` */
        double rest[BM25_QUERY_TERMS_MAX + 1];       /* what the first i can add together */
        double sums[WINDOW];
        uint64_t touched[WINDOW / 64];
        struct cursor cursors[];
};

struct postings_scan *postings_scan_new(const struct postings_scan_query *query)
{
        struct postings_scan *scan = calloc(1, sizeof *scan + query->n * sizeof(struct cursor));
        double all = 0.0;
        int exponent;

        if (scan) {
                for (size_t i = 0; i < query->n; i++)
                        all += query->weights[i];
                (void) frexp(all, &exponent); /* no sum is as large as 2^exponent */
                scan->rounding = ldexp(1.5, exponent);
                scan->unit = ldexp(1.0, exponent - DBL_MANT_DIG + 1);
                scan->query = query;
                scan->norm = BM25_K1 * (1.0 - BM25_B);
                scan->norm_per_term = BM25_K1 * BM25_B / query->average;
        }
        return scan;
}

void postings_scan_free(struct postings_scan *scan)
{
        free(scan);
}

uint64_t postings_scan_candidates(const struct postings_scan *scan)
{
        return scan->candidates;
}

/* ---- Cursors ---------------------------------------------------------------------------- */

static int decode(struct postings_scan *scan, struct cursor *cursor, uint32_t block,
                  struct error *reterr)
{
        const struct index_check *check = &scan->query->query->check;
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
        scan->since_check += cursor->n;
        if (scan->since_check >= CHECK_EVERY && check->check) {
                int r = check->check(check->userdata);

                if (r < 0)
                        return error_set(reterr, r, "the search was ended early");
                scan->since_check = 0;
        }
        return 0;
}

/* The first of the decoded documents, from where it stood, that is not below. */
static uint32_t seek(const struct cursor *cursor, uint32_t document)
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

/* The most that the term can add in [begin, end), what is rounded on the way included; 0: it has
 * nothing there. */
static double most_in(const struct postings_scan *scan, struct cursor *cursor, uint32_t begin,
                      uint32_t end)
{
        double least = HUGE_VAL;

        while (cursor->block < cursor->list.n_blocks && cursor->blocks[cursor->block].last < begin)
                cursor->block++;
        for (uint32_t i = cursor->block; i < cursor->list.n_blocks; i++) {
                if (i > cursor->block && cursor->blocks[i - 1].last + 1 >= end)
                        break;
                if (cursor->blocks[i].bound < least)
                        least = cursor->blocks[i].bound;
        }
        if (least == HUGE_VAL)
                return 0.0;
        return cursor->weight / (1.0 + least * cursor->drift) * (1.0 + 1e-9) + scan->unit;
}

/* ---- A window --------------------------------------------------------------------------- */

/* Which terms have something in the window, those that can add least first. */
static void order_cursors(struct postings_scan *scan, uint32_t begin, uint32_t end)
{
        scan->n = 0;
        for (size_t i = 0; i < scan->query->n; i++) {
                struct cursor *cursor = &scan->cursors[i];
                size_t at = scan->n;

                if (!cursor->segment)
                        continue;
                cursor->most = most_in(scan, cursor, begin, end);
                if (!(cursor->most > 0.0))
                        continue;
                for (; at > 0 && scan->order[at - 1]->most > cursor->most; at--)
                        scan->order[at] = scan->order[at - 1];
                scan->order[at] = cursor;
                scan->n++;
        }
        for (size_t i = 0; i < scan->n; i++)
                scan->rest[i + 1] = scan->rest[i] + scan->order[i]->most;
}

static inline double share(const struct postings_scan *scan, double weight, uint32_t frequency,
                           uint32_t length)
{
        double damping = scan->norm + scan->norm_per_term * (double) (length - 1);
        double value = weight * frequency / (frequency + damping);

        return value + scan->rounding - scan->rounding;
}

static double share_at(const struct postings_scan *scan, const struct cursor *cursor, uint32_t at)
{
        return share(scan, cursor->weight, postings_frequency(&cursor->frequencies, at),
                     postings_segment_length(scan->segment->lengths,
                                             scan->segment->header.length_bytes,
                                             cursor->documents[at]));
}

/* Adds the shares of all postings in [begin, end). */
static int add_cursor(struct postings_scan *scan, struct cursor *cursor, uint32_t begin,
                      uint32_t end, struct error *reterr)
{
        for (uint32_t block = cursor->block; block < cursor->list.n_blocks; block++) {
                uint32_t stop;
                int r;

                if (block > cursor->block && cursor->blocks[block - 1].last + 1 >= end)
                        break;
                r = decode(scan, cursor, block, reterr);
                if (r < 0)
                        return r;
                cursor->at = seek(cursor, begin);
                stop = seek(cursor, end);
                for (uint32_t i = cursor->at; i < stop; i++) {
                        uint32_t at = cursor->documents[i] - begin;

                        scan->sums[at] += share_at(scan, cursor, i);
                        scan->touched[at / 64] |= UINT64_C(1) << at % 64;
                }
                cursor->at = stop;
        }
        return 0;
}

/* Adds the term's share of one document, if it holds the term. */
static int add_document(struct postings_scan *scan, struct cursor *cursor, uint32_t document,
                        double *sum, struct error *reterr)
{
        int r;

        while (cursor->block < cursor->list.n_blocks &&
               cursor->blocks[cursor->block].last < document)
                cursor->block++;
        if (cursor->block == cursor->list.n_blocks)
                return 0;
        r = decode(scan, cursor, cursor->block, reterr);
        if (r < 0)
                return r;
        cursor->at = seek(cursor, document);
        if (cursor->at < cursor->n && cursor->documents[cursor->at] == document)
                *sum += share_at(scan, cursor, cursor->at);
        return 0;
}

static bool allowed(const struct bm25_query *query, uint32_t slot)
{
        return (!query->live || roaring_bitmap_contains(query->live, slot)) &&
               (!query->filter || roaring_bitmap_contains(query->filter, slot));
}

/* Looks for the document in the terms that are not essential while it may be good enough. */
static int finish_document(struct postings_scan *scan, uint32_t document, double sum, size_t n,
                           struct error *reterr)
{
        uint32_t slot = scan->segment->header.first_slot + document;

        if (!allowed(scan->query->query, slot))
                return 0;
        scan->candidates++;
        while (n > 0) {
                int r = add_document(scan, scan->order[--n], document, &sum, reterr);

                if (r < 0)
                        return r;
                if (sum + scan->rest[n] < scan->enough)
                        return 0;
        }
        best_offer(scan->best, (struct index_hit){ slot, (float) sum });
        if (scan->best->count == scan->best->room) {
                float worst = scan->best->hits[0].score;

                /* What is not above half way to the next float is rounded to the worst, and
                 * loses: its slot is higher. */
                scan->enough = ((double) worst + (double) nextafterf(worst, HUGE_VALF)) / 2.0;
        }
        return 0;
}

static int scan_window(struct postings_scan *scan, uint32_t begin, uint32_t end,
                       struct error *reterr)
{
        size_t optional = 0;
        int r = 0;

        order_cursors(scan, begin, end);
        while (optional < scan->n && scan->rest[optional + 1] < scan->enough)
                optional++;
        if (optional == scan->n)
                return 0;
        for (size_t i = optional; r == 0 && i < scan->n; i++)
                r = add_cursor(scan, scan->order[i], begin, end, reterr);
        for (uint32_t i = 0; i < WINDOW / 64; i++) {
                uint64_t bits = scan->touched[i];

                scan->touched[i] = 0;
                for (; bits; bits &= bits - 1) {
                        uint32_t at = i * 64 + (uint32_t) __builtin_ctzll(bits);
                        double sum = scan->sums[at];

                        scan->sums[at] = 0.0;
                        if (r == 0 && sum + scan->rest[optional] >= scan->enough)
                                r = finish_document(scan, begin + at, sum, optional, reterr);
                }
        }
        return r;
}

/* ---- The segment ------------------------------------------------------------------------ */

int postings_scan_segment(struct postings_scan *scan, const struct postings_segment *segment,
                          const struct postings_scan_list *lists, struct best *best,
                          struct error *reterr)
{
        uint32_t first = segment->header.first_slot, end = segment->header.end_slot;
        double ratio = (double) segment->header.average / scan->query->average;

        if (end > scan->query->query->committed)
                end = scan->query->query->committed;
        if (end <= first)
                return 0;
        scan->segment = segment;
        scan->best = best;
        for (size_t i = 0; i < scan->query->n; i++) {
                struct cursor *cursor = &scan->cursors[i];

                cursor->segment = lists[i].list.documents > 0 ? lists[i].segment : NULL;
                if (!cursor->segment)
                        continue;
                cursor->list = lists[i].list;
                cursor->blocks = cursor->segment->blocks + cursor->list.block;
                cursor->weight = scan->query->weights[i];
                cursor->drift = ratio < 1.0 ? ratio : 1.0;
                cursor->block = 0;
                cursor->decoded = NOT_DECODED;
        }
        for (uint32_t begin = 0; begin < end - first; begin += WINDOW) {
                uint32_t stop = end - first - begin < WINDOW ? end - first : begin + WINDOW;
                int r = scan_window(scan, begin, stop, reterr);

                if (r < 0)
                        return r;
                if (UINT32_MAX - begin < WINDOW)
                        break;
        }
        return 0;
}
