/* SPDX-License-Identifier: Apache-2.0 */
/* A question: its terms, how rare each is in all segments, and then segment by segment. */
#include "index/postings_inside.h"

#include "index/postings_prefix.h"
#include "index/postings_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct search {
        const struct postings_view *view;
        const struct bm25_query *query;
        struct text_term *terms;
        size_t n;
        struct postings_scan_list *lists; /* segment by segment, n each */
};

static void search_done(struct search *search)
{
        for (size_t i = 0; search->lists && i < search->view->n * search->n; i++)
                if (search->terms[i % search->n].prefix)
                        postings_prefix_free(search->lists[i].segment);
        free(search->lists);
        free(search->terms);
}

/* ---- Terms ------------------------------------------------------------------------------ */

/* Collects the distinct terms, without the stop words or with them. */
static int read_terms(struct search *search, struct text_analyzer *analyzer, bool stop_words)
{
        struct text_terms iterator;
        struct text_term term;
        int r = 0;

        text_terms_begin(analyzer, TEXT_FOR_QUERY, search->query->text, search->query->len,
                         &iterator);
        while (search->n < BM25_QUERY_TERMS_MAX && (r = text_terms_next(&iterator, &term)) > 0) {
                size_t i = 0;

                if (term.stop && !stop_words)
                        continue;
                while (i < search->n && (search->terms[i].prefix != term.prefix ||
                                         strcmp(search->terms[i].text, term.text) != 0))
                        i++;
                if (i == search->n)
                        search->terms[search->n++] = term;
        }
        return r < 0 ? r : 0;
}

static int find_terms(struct search *search, struct error *reterr)
{
        struct text_analyzer *analyzer;
        int r = postings_take_analyzer(search->view->postings, &analyzer, reterr);

        if (r < 0)
                return r;
        search->terms = calloc(BM25_QUERY_TERMS_MAX, sizeof *search->terms);
        r = search->terms ? read_terms(search, analyzer, false) : -ENOMEM;
        if (r == 0 && search->n == 0)
                r = read_terms(search, analyzer, true);
        postings_return_analyzer(search->view->postings, analyzer);
        return r < 0 ? error_oom(reterr) : 0;
}

/* ---- Lists ------------------------------------------------------------------------------ */

static int find_list(const struct search *search, struct postings_segment *segment,
                     const struct text_term *term, struct postings_scan_list *ret,
                     struct error *reterr)
{
        const char *name;
        uint32_t at;
        size_t len;
        int r;

        if (term->prefix)
                return postings_prefix_list(segment, term->text, term->len, &search->query->check,
                                            ret, reterr);
        r = postings_segment_find(segment, term->text, term->len, &at, reterr);
        if (r < 0 || at == segment->header.terms)
                return r;
        r = postings_segment_name(segment, at, &name, &len, reterr);
        if (r < 0 || postings_segment_compare_names(name, len, term->text, term->len) != 0)
                return r;
        ret->segment = segment;
        return postings_segment_list(segment, at, &ret->list, reterr);
}

static int find_lists(struct search *search, struct error *reterr)
{
        search->lists = calloc(search->view->n * search->n + 1, sizeof *search->lists);
        if (!search->lists)
                return error_oom(reterr);
        for (size_t i = 0; i < search->view->n; i++)
                for (size_t j = 0; j < search->n; j++) {
                        int r = find_list(search, search->view->segments[i], &search->terms[j],
                                          &search->lists[i * search->n + j], reterr);

                        if (r < 0)
                                return r;
                }
        return 0;
}

static double weight_of(const struct search *search, size_t term)
{
        double documents = (double) search->view->documents, holding = 0.0;

        for (size_t i = 0; i < search->view->n; i++)
                holding += search->lists[i * search->n + term].list.documents;
        /* More than there are: only a damaged segment says so. */
        if (holding > documents)
                holding = documents;
        return log1p((documents - holding + 0.5) / (holding + 0.5)) * (BM25_K1 + 1.0);
}

/* ---- The search ------------------------------------------------------------------------- */

static int run(struct search *search, struct best *best, struct index_stats *stats,
               struct error *reterr)
{
        cleanup_(postings_scan_free_cleanup) struct postings_scan *scan = NULL;
        const struct postings_view *view = search->view;
        double weights[BM25_QUERY_TERMS_MAX];
        struct postings_scan_query query = { search->query, search->n, weights, 1.0 };
        int r = find_lists(search, reterr);

        if (r < 0)
                return r;
        for (size_t i = 0; i < search->n; i++)
                weights[i] = weight_of(search, i);
        if (view->length_sum > 0)
                query.average = (double) view->length_sum / (double) view->documents;
        scan = postings_scan_new(&query);
        if (!scan)
                return error_oom(reterr);
        for (size_t i = 0; r == 0 && i < view->n; i++)
                r = postings_scan_segment(scan, view->segments[i], search->lists + i * search->n,
                                          best, reterr);
        stats->candidates = postings_scan_candidates(scan);
        return r;
}

int postings_search(const struct postings_view *view, const struct bm25_query *query,
                    struct index_hit *ret_hits, size_t *ret_count, struct index_stats *ret_stats,
                    struct error *reterr)
{
        cleanup_(search_done) struct search search = { .view = view, .query = query };
        struct index_stats stats = { .exhausted = true, .exact = true };
        struct best best = { .hits = ret_hits, .room = query->k };
        int r;

        if (query->k < 1 || query->k > INDEX_K_MAX)
                return error_set(reterr, -EINVAL, "k is %u: 1 to %d can be asked for", query->k,
                                 INDEX_K_MAX);
        r = find_terms(&search, reterr);
        if (r == 0 && search.n > 0)
                r = run(&search, &best, &stats, reterr);
        if (r < 0)
                return r;
        best_sort(&best);
        *ret_count = best.count;
        *ret_stats = stats;
        return 0;
}
