/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_scan.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 2048U
#define CHECK_EVERY 16384 /* postings between two calls of the caller's check */
#define WINDOW_COST 256   /* of a window, in postings */
#define NOT_DECODED UINT32_MAX
#define GROUP 16U    /* sums that are compared together */
#define SPARSE 8     /* a filter of at most one in so many slots is */
#define LOOK_COST 12 /* of looking for one document in a list, against adding one posting */

/* Two lanes: SSE2, NEON, or whatever the machine has. */
typedef double pair __attribute__((vector_size(16)));
typedef int64_t flags __attribute__((vector_size(16)));

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
        uint32_t postings; /* in the blocks of the window, about */
        bool worked_out;   /* `shares` are those of `documents` */
        struct postings_frequencies frequencies;
        uint32_t documents[POSTINGS_BLOCK];
        double shares[POSTINGS_BLOCK];
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
        uint16_t found[WINDOW + 1]; /* documents that may be good enough */

        bool sparse; /* the filter is: it is read along with the windows */
        bool more;   /* `filter` stands on its next slot */
        roaring_uint32_iterator_t filter;
        uint64_t allowed[WINDOW / 64]; /* of the window, by it */
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

/* Asks after so many postings, or windows that had none. */
static int check_on(struct postings_scan *scan, uint32_t more, struct error *reterr)
{
        const struct index_check *check = &scan->query->query->check;
        int r;

        scan->since_check += more;
        if (scan->since_check < CHECK_EVERY || !check->check)
                return 0;
        scan->since_check = 0;
        r = check->check(check->userdata);
        return r < 0 ? error_set(reterr, r, "the search was ended early") : 0;
}

static int decode(struct postings_scan *scan, struct cursor *cursor, uint32_t block,
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
        return check_on(scan, cursor->n, reterr);
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

/* What two postings add to scores, rounded.  One way for all, so that equals stay equal. */
static inline pair share(const struct postings_scan *scan, const struct cursor *cursor,
                         pair frequency, pair length)
{
        const pair norm = { scan->norm, scan->norm }, weight = { cursor->weight, cursor->weight };
        const pair norm_per_term = { scan->norm_per_term, scan->norm_per_term };
        const pair rounding = { scan->rounding, scan->rounding };
        pair value = weight * frequency / (frequency + (norm + norm_per_term * length));

        return value + rounding - rounding;
}

/* Of an absent document the length is nonsense, and so is the share: only a damaged segment has
 * such. */
static double share_of(const struct postings_scan *scan, const struct cursor *cursor, uint32_t at)
{
        uint32_t length = postings_segment_length(scan->segment->lengths,
                                                  scan->segment->header.length_bytes,
                                                  cursor->documents[at]);
        double frequency = postings_frequency(&cursor->frequencies, at);

        return share(scan, cursor, (pair){ frequency, frequency },
                     (pair){ length - 1.0, length - 1.0 })[0];
}

/* The shares of a whole block, two at a time where frequencies have one byte and lengths two. */
static void work_out(const struct postings_scan *scan, struct cursor *cursor)
{
        const uint16_t *lengths = scan->segment->lengths;
        const uint8_t *frequencies = cursor->frequencies.bytes;
        bool narrow = cursor->frequencies.shift == 0 && scan->segment->header.length_bytes == 2;
        uint32_t i = 0;

        cursor->worked_out = true;
        for (; narrow && i + 2 <= cursor->n; i += 2) {
                pair length = { lengths[cursor->documents[i]] - 1.0,
                                lengths[cursor->documents[i + 1]] - 1.0 };
                pair frequency = { frequencies[i], frequencies[i + 1] };
                pair value = share(scan, cursor, frequency, length);

                memcpy(cursor->shares + i, &value, sizeof value);
        }
        for (; i < cursor->n; i++)
                cursor->shares[i] = share_of(scan, cursor, i);
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
                if (!cursor->worked_out)
                        work_out(scan, cursor);
                cursor->at = seek(cursor, begin);
                stop = cursor->blocks[block].last < end ? cursor->n : seek(cursor, end);
                for (uint32_t i = cursor->at; i < stop; i++)
                        scan->sums[cursor->documents[i] - begin] += cursor->shares[i];
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
                *sum += share_of(scan, cursor, cursor->at);
        return 0;
}

static bool allowed(const struct postings_scan *scan, uint32_t at, uint32_t slot)
{
        const struct bm25_query *query = scan->query->query;

        if (query->live && !roaring_bitmap_contains(query->live, slot))
                return false;
        if (scan->sparse)
                return scan->allowed[at / 64] >> at % 64 & 1;
        return !query->filter || roaring_bitmap_contains(query->filter, slot);
}

/* Looks for the document, at `at` of the window, in the first n terms while it may be good
 * enough. */
static int finish_document(struct postings_scan *scan, uint32_t begin, uint32_t at, double sum,
                           size_t n, struct error *reterr)
{
        uint32_t slot = scan->segment->header.first_slot + begin + at;

        if (sum + scan->rest[n] < scan->enough || !allowed(scan, at, slot))
                return 0;
        scan->candidates++;
        while (n > 0) {
                int r = add_document(scan, scan->order[--n], begin + at, &sum, reterr);

                if (r < 0)
                        return r;
                if (sum + scan->rest[n] < scan->enough)
                        return 0;
        }
        if (sum < scan->unit) /* none of the words */
                return 0;
        best_offer(scan->best, (struct index_hit){ slot, (float) sum });
        if (scan->best->count == scan->best->room) {
                float worst = scan->best->hits[0].score;

                /* What is not above half way to the next float is rounded to the worst, and
                 * loses: its slot is higher. */
                scan->enough = ((double) worst + (double) nextafterf(worst, HUGE_VALF)) / 2.0;
        }
        return 0;
}

/* The sum that a document needs before the first n terms add theirs; above 0. */
static double least_sum(const struct postings_scan *scan, size_t n)
{
        double least = scan->enough - scan->rest[n];

        return least > scan->unit ? least : scan->unit;
}

/* The documents whose sums are not below, as many as there are up to somewhat more than
 * `limit`. */
static uint32_t find_candidates(struct postings_scan *scan, double least, uint32_t limit)
{
        const pair bound = { least, least };
        uint32_t n = 0;

        for (uint32_t i = 0; i < WINDOW && n <= limit; i += GROUP) {
                flags any = { 0 };

                for (uint32_t j = 0; j < GROUP; j += 2) {
                        pair sums;

                        memcpy(&sums, scan->sums + i + j, sizeof sums);
                        any |= (flags) (sums >= bound);
                }
                if (!(any[0] | any[1]))
                        continue;
                for (uint32_t j = i; j < i + GROUP; j++) {
                        scan->found[n] = (uint16_t) j;
                        n += scan->sums[j] >= least;
                }
        }
        return n;
}

/* Adds up the terms that are essential, and those in which looking for each document that may
 * still be good enough would cost more.  *ret_n terms are left, for *ret_found documents. */
static int add_cursors(struct postings_scan *scan, uint32_t begin, uint32_t end, size_t *ret_n,
                       uint32_t *ret_found, struct error *reterr)
{
        size_t n = scan->n, optional = 0;

        while (optional < n && scan->rest[optional + 1] < scan->enough)
                optional++;
        *ret_n = *ret_found = 0;
        if (optional == n)
                return 0;
        for (; n > 0; n--) {
                struct cursor *cursor = scan->order[n - 1];
                int r;

                if (n <= optional) {
                        uint32_t limit = cursor->postings / LOOK_COST;

                        *ret_found = find_candidates(scan, least_sum(scan, n), limit);
                        *ret_n = n;
                        if (*ret_found <= limit)
                                return 0;
                }
                r = add_cursor(scan, cursor, begin, end, reterr);
                if (r < 0)
                        return r;
        }
        *ret_n = 0;
        *ret_found = find_candidates(scan, least_sum(scan, 0), WINDOW);
        return 0;
}

/* Whether the filter's documents of the window are few enough to look for each in all lists;
 * they are then what was found. */
static bool look_for_allowed(struct postings_scan *scan, uint32_t begin, uint32_t end,
                             uint32_t *ret_found)
{
        uint32_t first = scan->segment->header.first_slot, n = 0;
        uint64_t postings = 0;

        memset(scan->allowed, 0, sizeof scan->allowed);
        while (scan->more && scan->filter.current_value - first < end) {
                uint32_t at = scan->filter.current_value - first - begin;

                scan->allowed[at / 64] |= UINT64_C(1) << at % 64;
                scan->found[n++] = (uint16_t) at;
                scan->more = roaring_advance_uint32_iterator(&scan->filter);
        }
        for (size_t i = 0; i < scan->n; i++)
                postings += scan->order[i]->postings;
        *ret_found = n;
        return (uint64_t) n * scan->n * LOOK_COST <= postings;
}

static int scan_window(struct postings_scan *scan, uint32_t begin, uint32_t end,
                       struct error *reterr)
{
        bool added = false;
        uint32_t found;
        size_t n;
        int r = check_on(scan, WINDOW_COST, reterr);

        if (r < 0)
                return r;
        order_cursors(scan, begin, end);
        n = scan->n;
        if (!scan->sparse || !look_for_allowed(scan, begin, end, &found)) {
                r = add_cursors(scan, begin, end, &n, &found, reterr);
                added = true;
        }
        for (uint32_t i = 0; r == 0 && i < found; i++)
                r = finish_document(scan, begin, scan->found[i], scan->sums[scan->found[i]], n,
                                    reterr);
        if (added)
                memset(scan->sums, 0, sizeof scan->sums);
        return r;
}

/* ---- The segment ------------------------------------------------------------------------ */

static void begin_filter(struct postings_scan *scan, uint32_t first, uint32_t end)
{
        const roaring_bitmap_t *filter = scan->query->query->filter;

        scan->sparse = filter && roaring_bitmap_range_cardinality(filter, first, end) <=
                                         (end - first) / SPARSE;
        if (!scan->sparse)
                return;
        roaring_init_iterator(filter, &scan->filter);
        scan->more = roaring_move_uint32_iterator_equalorlarger(&scan->filter, first);
}

int postings_scan_segment(struct postings_scan *scan, const struct postings_segment *segment,
                          const struct postings_scan_list *lists, struct best *best,
                          struct error *reterr)
{
        uint32_t first = segment->header.first_slot, end = segment->header.end_slot;
        double ratio = (double) segment->header.average / scan->query->average;
        int r;

        if (end > scan->query->query->committed)
                end = scan->query->query->committed;
        if (end <= first)
                return 0;
        scan->segment = segment;
        scan->best = best;
        begin_filter(scan, first, end);
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
        r = check_on(scan, CHECK_EVERY, reterr);
        for (uint64_t begin = 0; r == 0 && begin < end - first; begin += WINDOW) {
                uint64_t stop = begin + WINDOW < end - first ? begin + WINDOW : end - first;

                r = scan_window(scan, (uint32_t) begin, (uint32_t) stop, reterr);
        }
        return r;
}
