/* SPDX-License-Identifier: Apache-2.0 */
#include "index/postings_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW 4096U
#define CHECK_EVERY 16384 /* postings between two calls of the caller's check */
#define WINDOW_COST 512   /* of a window, in postings */
#define GROUP 16U         /* sums that are compared together */
#define SPARSE 8          /* a filter of at most one in so many slots is */
#define LOOK_COST 16      /* of looking for a document in a list, in postings that are added */

/* Two lanes: SSE2, NEON, or whatever the machine has. */
typedef double pair __attribute__((vector_size(16)));
typedef int64_t flags __attribute__((vector_size(16)));

struct postings_scan {
        const struct postings_scan_query *query;
        struct postings_scoring scoring;
        const struct postings_segment *segment; /* at hand */
        struct best *best;
        double enough; /* a sum below is not among the best */
        uint64_t candidates;
        uint64_t next_check; /* when so many postings were decoded */

        size_t n;                                            /* cursors in the window */
        struct postings_cursor *order[BM25_QUERY_TERMS_MAX]; /* by rising `most` */
        double rest[BM25_QUERY_TERMS_MAX + 1];               /* what the first i can add together */
        double sums[WINDOW];
        uint16_t found[WINDOW + 1]; /* documents that may be good enough */

        bool sparse; /* the filter is: it is read along with the windows */
        bool more;   /* `filter` stands on its next slot */
        roaring_uint32_iterator_t filter;
        uint64_t allowed[WINDOW / 64]; /* of the window, by it */
        struct postings_cursor cursors[];
};

struct postings_scan *postings_scan_new(const struct postings_scan_query *query)
{
        struct postings_scan *scan = calloc(1, sizeof *scan +
                                                       query->n * sizeof(struct postings_cursor));

        if (scan) {
                scan->query = query;
                postings_scoring_init(&scan->scoring, query->weights, query->n, query->average);
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

/* A window is little work: it is enough to ask between two. */
static int check(struct postings_scan *scan, struct error *reterr)
{
        const struct index_check *asked = &scan->query->query->check;
        int r;

        scan->scoring.decoded += WINDOW_COST;
        if (scan->scoring.decoded < scan->next_check || !asked->check)
                return 0;
        scan->next_check = scan->scoring.decoded + CHECK_EVERY;
        r = asked->check(asked->userdata);
        return r < 0 ? error_set(reterr, r, "the search was ended early") : 0;
}

/* ---- A window --------------------------------------------------------------------------- */

/* Which terms have something in the window, those that can add least first. */
static void order_cursors(struct postings_scan *scan, uint32_t begin, uint32_t end)
{
        scan->n = 0;
        for (size_t i = 0; i < scan->query->n; i++) {
                struct postings_cursor *cursor = &scan->cursors[i];
                size_t at = scan->n;

                if (!cursor->segment)
                        continue;
                postings_cursor_enter(cursor, &scan->scoring, begin, end);
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
                int r = postings_cursor_look(scan->order[--n], &scan->scoring, begin + at, &sum,
                                             reterr);

                if (r < 0)
                        return r;
                if (sum + scan->rest[n] < scan->enough)
                        return 0;
        }
        if (sum < scan->scoring.unit) /* none of the words */
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

        return least > scan->scoring.unit ? least : scan->scoring.unit;
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
                struct postings_cursor *cursor = scan->order[n - 1];
                int r;

                if (n <= optional) {
                        uint32_t limit = cursor->postings / LOOK_COST;

                        *ret_found = find_candidates(scan, least_sum(scan, n), limit);
                        *ret_n = n;
                        if (*ret_found <= limit)
                                return 0;
                }
                r = postings_cursor_add(cursor, &scan->scoring, begin, end, scan->sums, reterr);
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
        int r = check(scan, reterr);

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
        double average = (double) segment->header.average / scan->query->average;
        int r = 0;

        if (end > scan->query->query->committed)
                end = scan->query->query->committed;
        if (end <= first)
                return 0;
        scan->segment = segment;
        scan->best = best;
        begin_filter(scan, first, end);
        scan->scoring.lengths = segment->lengths;
        scan->scoring.length_bytes = segment->header.length_bytes;
        for (size_t i = 0; i < scan->query->n; i++) {
                scan->cursors[i].segment = NULL;
                if (lists[i].list.documents > 0)
                        postings_cursor_begin(&scan->cursors[i], lists[i].segment, &lists[i].list,
                                              scan->query->weights[i], average);
        }
        for (uint64_t begin = 0; r == 0 && begin < end - first; begin += WINDOW) {
                uint64_t stop = begin + WINDOW < end - first ? begin + WINDOW : end - first;

                r = scan_window(scan, (uint32_t) begin, (uint32_t) stop, reterr);
        }
        return r;
}
