/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/tune.h"

#include "answer/inside.h"
#include "base/cleanup.h"
#include "index/vector.h"
#include "store/collection.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NEIGHBOURS 32     /* of a vector, among which its query lies */
#define NEIGHBOURS_EF 200 /* to find them */
#define DISTANCE 2.0F     /* from the vector, in distances to them */
#define EF_MAX REQUEST_EF_SEARCH_MAX
#define SEED UINT64_C(0x9E3779B97F4A7C15)

struct tune {
        const struct tune_request *request;
        struct tune_report *report;
        struct pin pin;
        uint32_t dimensions, depth; /* one hit more than k, for the vector itself */
        float *queries;             /* samples * dimensions, prepared */
        uint32_t *slots;            /* that they came from */
        struct index_hit *truth;    /* samples * k */
        uint32_t *n_truth;
        struct index_hit *hits; /* depth */
        double *times;          /* samples */
};

static void tune_done(struct tune *tune)
{
        pin_done(&tune->pin);
        free(tune->queries);
        free(tune->slots);
        free(tune->truth);
        free(tune->n_truth);
        free(tune->hits);
        free(tune->times);
}

static int compare_times(const void *a, const void *b)
{
        const double left = *(const double *) a, right = *(const double *) b;

        return (left > right) - (left < right);
}

static double now_usec(void)
{
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return (double) now.tv_sec * 1e6 + (double) now.tv_nsec / 1e3;
}

static void tell(const struct tune *tune, const char *what, size_t done)
{
        if (tune->request->progress)
                tune->request->progress(tune->request->data, what, done, tune->report->samples);
}

/* ---- Queries -------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"). */
static uint64_t draw(uint64_t *state)
{
        uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);

        z = (z ^ z >> 30U) * UINT64_C(0xBF58476D1CE4E5B9);
        z = (z ^ z >> 27U) * UINT64_C(0x94D049BB133111EB);
        return z ^ z >> 31U;
}

/* Nearly normal, with mean 0 and variance 1: the sum of four uniform ones. */
static float draw_normal(uint64_t *state)
{
        uint64_t bits = draw(state);
        float sum = 0;

        for (unsigned i = 0; i < 4; i++)
                sum += (float) (bits >> 16U * i & 0xFFFF) / 65535.0F - 0.5F;
        return sum * 1.7320508F;
}

/* A new vector from an old one: moved along the ways to its neighbours, and beyond them.  It lies
 * among the vectors as another of their kind would, while a vector of the graph, or one close to
 * it, is found too easily: the links around it were made for it.  (A smoothed bootstrap with the
 * local covariance: Silverman 1986, "Density estimation", section 6.4.) */
static int move(struct tune *tune, uint32_t slot, const float *vector, float *query,
                uint64_t *state, struct error *reterr)
{
        const struct generation_view *view = tune->pin.view;
        const struct index_query around = {
                .vector = vector,
                .dimensions = tune->dimensions,
                .k = NEIGHBOURS + 1,
                .ef = NEIGHBOURS_EF,
                .live = view->live,
                .check = tune->request->check,
        };
        struct index_hit hits[NEIGHBOURS + 1];
        struct index_stats stats;
        size_t n = 0;
        int r = index_search(view->index, &view->source, &around, hits, &n, &stats, reterr);

        if (r < 0)
                return r;
        memcpy(query, vector, tune->dimensions * sizeof *query);
        for (size_t i = 0; i < n; i++) {
                const float *other = hits[i].slot == slot ? NULL : view_vector(view, hits[i].slot);
                float weight = DISTANCE / sqrtf(NEIGHBOURS) * draw_normal(state);

                for (uint32_t j = 0; other && j < tune->dimensions; j++)
                        query[j] += weight * (other[j] - vector[j]);
        }
        return 0;
}

/* From slots at even distances among the live ones. */
static int choose_queries(struct tune *tune, struct error *reterr)
{
        const struct generation_view *view = tune->pin.view;
        enum index_metric metric = index_get_params(view->index)->metric;
        uint64_t state = SEED;

        for (uint32_t i = 0; i < tune->report->samples; i++) {
                uint64_t rank = i * tune->report->vectors / tune->report->samples;
                float *query = tune->queries + (size_t) i * tune->dimensions;
                const float *vector;
                int r;

                if (!roaring_bitmap_select(view->live, (uint32_t) rank, &tune->slots[i]))
                        return error_set(reterr, -EIO, "slot %ju of the view is missing",
                                         (uintmax_t) rank);
                vector = view_vector(view, tune->slots[i]);
                if (!vector)
                        return error_set(reterr, -EIO, "slot %u has no vector", tune->slots[i]);
                r = move(tune, tune->slots[i], vector, query, &state, reterr);
                if (r < 0)
                        return r;
                vector_prepare(metric, query, tune->dimensions);
        }
        return 0;
}

static int prepare(struct tune *tune, struct error *reterr)
{
        const struct tune_request *request = tune->request;
        struct tune_report *report = tune->report;
        const struct generation_view *view = tune->pin.view;
        const char *name = collection_get(tune->pin.collection)->name;
        struct index_status status;
        size_t n;

        if (!view || !view->live || roaring_bitmap_get_cardinality(view->live) < 2)
                return error_set(reterr, -ENODATA,
                                 "collection \"%s\" holds no two vectors: nothing to measure", name);
        index_get_status(view->index, &view->source, view->live, &status);
        if (!status.serving_graph)
                return error_set(reterr, -EOPNOTSUPP,
                                 "no graph serves collection \"%s\" (engine %s): every search is "
                                 "exact, whatever ef_search",
                                 name, status.engine);
        report->vectors = roaring_bitmap_get_cardinality(view->live);
        report->unindexed = status.unindexed;
        report->samples = request->samples < report->vectors ? request->samples
                                                             : (uint32_t) report->vectors;
        tune->dimensions = generation_dimensions(tune->pin.generation);
        tune->depth = request->k + 1;
        n = report->samples;
        tune->queries = malloc(n * tune->dimensions * sizeof *tune->queries);
        tune->slots = malloc(n * sizeof *tune->slots);
        tune->truth = malloc(n * request->k * sizeof *tune->truth);
        tune->n_truth = calloc(n, sizeof *tune->n_truth);
        tune->hits = malloc(tune->depth * sizeof *tune->hits);
        tune->times = malloc(n * sizeof *tune->times);
        if (!tune->queries || !tune->slots || !tune->truth || !tune->n_truth || !tune->hits ||
            !tune->times)
                return error_oom(reterr);
        return choose_queries(tune, reterr);
}

/* ---- Measuring ------------------------------------------------------------------------------ */

/* Asks one query; its hits without the vector that it came from, at most k. */
static int ask(struct tune *tune, size_t at, uint32_t ef, size_t *ret_n, struct error *reterr)
{
        const struct generation_view *view = tune->pin.view;
        const struct index_query query = {
                .vector = tune->queries + at * tune->dimensions,
                .dimensions = tune->dimensions,
                .k = tune->depth,
                .ef = ef > tune->depth ? ef : tune->depth,
                .exact = ef == 0,
                .live = view->live,
                .check = tune->request->check,
        };
        double begin = now_usec();
        struct index_stats stats;
        size_t n = 0, kept = 0;
        int r = index_search(view->index, &view->source, &query, tune->hits, &n, &stats, reterr);

        tune->times[at] = now_usec() - begin;
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (tune->hits[i].slot != tune->slots[at])
                        tune->hits[kept++] = tune->hits[i];
        *ret_n = kept < tune->request->k ? kept : tune->request->k;
        return 0;
}

static void sum_up_times(struct tune *tune, struct tune_rung *rung)
{
        size_t n = tune->report->samples;

        qsort(tune->times, n, sizeof *tune->times, compare_times);
        rung->p50_usec = tune->times[(n - 1) / 2];
        rung->p99_usec = tune->times[(n - 1) * 99 / 100];
}

static int still_wanted(const struct tune *tune, struct error *reterr)
{
        const struct index_check *check = &tune->request->check;
        int r = check->check ? check->check(check->userdata) : 0;

        return r < 0 ? error_set(reterr, r, "the measurement was stopped") : 0;
}

static int find_truth(struct tune *tune, struct error *reterr)
{
        for (size_t i = 0; i < tune->report->samples; i++) {
                size_t n = 0;
                int r = still_wanted(tune, reterr);

                if (r >= 0)
                        r = ask(tune, i, 0, &n, reterr);
                if (r < 0)
                        return r;
                memcpy(tune->truth + i * tune->request->k, tune->hits, n * sizeof *tune->hits);
                tune->n_truth[i] = (uint32_t) n;
                tell(tune, "exact", i + 1);
        }
        tune->report->exact.recall = 1;
        sum_up_times(tune, &tune->report->exact);
        return 0;
}

static int measure(struct tune *tune, uint32_t ef, struct tune_rung *ret, struct error *reterr)
{
        uint64_t found = 0, expected = 0;
        char what[32];
        int r = still_wanted(tune, reterr);

        for (size_t i = 0; r >= 0 && i < tune->report->samples; i++) {
                size_t n = 0;

                r = ask(tune, i, ef, &n, reterr);
                found += recall_count(tune->hits, n, tune->truth + i * tune->request->k,
                                      tune->n_truth[i]);
                expected += tune->n_truth[i];
        }
        if (r < 0)
                return r;
        *ret = (struct tune_rung){ .ef_search = ef,
                                   .recall = expected ? (double) found / (double) expected : 1 };
        sum_up_times(tune, ret);
        (void) snprintf(what, sizeof what, "ef_search %u", ef);
        tell(tune, what, tune->report->samples);
        return 0;
}

/* ---- The ladder ----------------------------------------------------------------------------- */

/* Measures `ef` unless it was, and keeps the rungs in order. */
static int climb(struct tune *tune, uint32_t ef, double *ret_recall, struct error *reterr)
{
        struct tune_report *report = tune->report;
        struct tune_rung rung;
        size_t at = 0;
        int r;

        while (at < report->n_rungs && report->rungs[at].ef_search < ef)
                at++;
        if (at < report->n_rungs && report->rungs[at].ef_search == ef) {
                *ret_recall = report->rungs[at].recall;
                return 0;
        }
        if (report->n_rungs == TUNE_RUNGS_MAX)
                return error_set(reterr, -EIO, "the ladder of ef_search has too many rungs");
        r = measure(tune, ef, &rung, reterr);
        if (r < 0)
                return r;
        memmove(&report->rungs[at + 1], &report->rungs[at],
                (report->n_rungs - at) * sizeof report->rungs[0]);
        report->rungs[at] = rung;
        report->n_rungs++;
        *ret_recall = rung.recall;
        return 0;
}

/* By halves more each time, until the recall is there. */
static int climb_up(struct tune *tune, uint32_t *ret_below, uint32_t *ret_reached,
                    struct error *reterr)
{
        uint32_t below = 0;

        for (uint32_t ef = tune->depth;; ef = ef + ef / 2 < EF_MAX ? ef + (ef + 1) / 2 : EF_MAX) {
                double recall = 0;
                int r = climb(tune, ef, &recall, reterr);

                if (r < 0)
                        return r;
                *ret_below = below;
                *ret_reached = recall >= tune->request->recall ? ef : 0;
                if (*ret_reached || ef >= EF_MAX)
                        return 0;
                below = ef;
        }
}

static int find_smallest(struct tune *tune, uint32_t below, uint32_t reached, struct error *reterr)
{
        while (below > 0 && reached - below > 1 + reached / 20) {
                uint32_t middle = below + (reached - below) / 2;
                double recall = 0;
                int r = climb(tune, middle, &recall, reterr);

                if (r < 0)
                        return r;
                if (recall >= tune->request->recall)
                        reached = middle;
                else
                        below = middle;
        }
        tune->report->proposed = reached;
        return 0;
}

static int run(struct tune *tune, uint32_t present, struct error *reterr)
{
        uint32_t below = 0, reached = 0;
        struct tune_rung warm;
        double recall;
        int r = find_truth(tune, reterr);

        if (r >= 0) /* what it reads for the first time would count as its time */
                r = measure(tune, tune->depth, &warm, reterr);
        if (r >= 0)
                r = climb_up(tune, &below, &reached, reterr);
        if (r >= 0 && reached)
                r = find_smallest(tune, below, reached, reterr);
        if (r >= 0)
                r = climb(tune, present, &recall, reterr);
        return r < 0 ? r : 0;
}

int tune_run(struct answer *answer, struct tenant_id tenant, const struct tune_request *request,
             struct tune_report *ret, struct error *reterr)
{
        struct tune_report report = { .present = answer->settings.ef_search };
        cleanup_(tune_done) struct tune tune = { .request = request, .report = &report };
        int r = pin_open(answer, tenant, request->collection, &tune.pin, reterr);

        if (r >= 0)
                r = prepare(&tune, reterr);
        /* A search keeps as many candidates as it needs, whatever the profile says. */
        if (report.present < tune.depth)
                report.present = tune.depth;
        if (r >= 0)
                r = run(&tune, report.present, reterr);
        if (r < 0)
                return r;
        *ret = report;
        return 0;
}
