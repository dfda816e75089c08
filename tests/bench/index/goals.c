/* SPDX-License-Identifier: Apache-2.0 */
/* ragd's figures beside what they must and should be. */
#include "base/cleanup.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Whom a goal is about, and whom they are compared with (NULL: nobody). */
struct pair {
        const struct contestant *who, *other;
        const struct speeds *speeds, *other_speeds;
        const struct set *set;
        double recall;
};

/* Each gives NAN where it is not known. */
typedef double measure_fn(const struct pair *pair);

static double rate_ratio(const struct pair *pair)
{
        struct at_recall x = measure_at(pair->speeds, pair->recall);
        struct at_recall y = measure_at(pair->other_speeds, pair->recall);

        if (!y.reached)
                return NAN;
        return x.reached ? x.per_second / y.per_second : 0.0;
}

static double p99_ratio(const struct pair *pair)
{
        struct at_recall x = measure_at(pair->speeds, pair->recall);
        struct at_recall y = measure_at(pair->other_speeds, pair->recall);

        if (!y.reached)
                return NAN;
        return x.reached ? x.p99_usec / y.p99_usec : (double) INFINITY;
}

/* The most that is lost at any ef that both were asked with. */
static double recall_lost(const struct pair *pair)
{
        double most = NAN;

        for (size_t i = 0; i < pair->speeds->count; i++) {
                double other = measure_recall(pair->other_speeds, pair->speeds->points[i].ef);

                if (other >= 0)
                        most = fmax(most, other - pair->speeds->points[i].recall);
        }
        return most;
}

/* A library that maps its files must say itself what it keeps hot. */
static double hot_bytes(const struct contestant *c, const struct set *set)
{
        uint64_t bytes = c->ops->hot_bytes ? c->hot_bytes : c->anonymous_bytes;

        return bytes > 0 ? (double) bytes / set->rows.count : NAN;
}

static double memory_ratio(const struct pair *pair)
{
        return hot_bytes(pair->who, pair->set) / hot_bytes(pair->other, pair->set);
}

static double memory(const struct pair *pair)
{
        return hot_bytes(pair->who, pair->set);
}

static bool disturbed_build(const struct contestant *c, unsigned threads)
{
        return c->builds[threads - 1].disturbed > LOAD_OF_OTHERS_MAX;
}

/* Of processor time where others used the machine: then it says more than the clock. */
static double seconds_ratio(const struct pair *pair, unsigned threads)
{
        const struct build *x = &pair->who->builds[threads - 1];
        const struct build *y = &pair->other->builds[threads - 1];

        if (x->seconds <= 0 || y->seconds <= 0)
                return NAN;
        return disturbed_build(pair->who, threads) || disturbed_build(pair->other, threads)
                       ? x->cpu_seconds / y->cpu_seconds : x->seconds / y->seconds;
}

static double build_one(const struct pair *pair)
{
        return seconds_ratio(pair, 1);
}

static double build_two(const struct pair *pair)
{
        return seconds_ratio(pair, 2);
}

static double build_scaling(const struct pair *pair)
{
        const struct build *builds = pair->who->builds;

        return builds[0].seconds > 0 && builds[1].seconds > 0
                       ? builds[0].seconds / builds[1].seconds : NAN;
}

static double query_scaling(const struct pair *pair)
{
        return pair->speeds->threads_scaling > 0 ? pair->speeds->threads_scaling : NAN;
}

static double open_msec(const struct pair *pair)
{
        return pair->who->open_usec >= 0 ? pair->who->open_usec / 1000 : NAN;
}

static double first_msec(const struct pair *pair)
{
        return pair->who->first_query_usec >= 0 ? pair->who->first_query_usec / 1000 : NAN;
}

/* ---- The goals ---------------------------------------------------------------------------- */

enum sense { AT_LEAST, AT_MOST };

/* A row of a set or width stands in place of the general row of the same text. */
struct goal {
        const char *text;
        const char *who, *other;
        measure_fn *measure;
        enum sense sense;
        double must, aim;
        uint32_t dimensions; /* only of this width; 0: of every other */
        const char *set;     /* only on this set; NULL: on every other */
};

#define HNSWLIB "hnswlib"
#define MEMORY "hot memory to hnswlib's"
#define BUILD_1 "build time to hnswlib's, 1 thread"
#define BUILD_2 "build time to hnswlib's, 2 threads"

static const struct goal goals[] = {
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, AT_LEAST, 3.0, 3.7, 0, NULL },
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, AT_LEAST, 3.0, 5.0, 0, "h" },
        { "the same, AVX2 kernels", "ragd-avx2", HNSWLIB, rate_ratio, AT_LEAST, 2.4, 2.8, 0, NULL },
        { "queries/s to usearch f32", "ragd", "usearch", rate_ratio, AT_LEAST, 4.0, 5.0, 0, NULL },
        { "queries/s to faiss SQ8, refined", "ragd", "faiss", rate_ratio, AT_LEAST,
          2.0, 3.0, 0, NULL },
        { "p99 to hnswlib's", "ragd", HNSWLIB, p99_ratio, AT_MOST, 0.5, 0.35, 0, NULL },
        { "recall lost to floats, same graph", "ragd", "ragd-float", recall_lost, AT_MOST,
          0.002, 0.001, 0, NULL },
        { MEMORY, "ragd", HNSWLIB, memory_ratio, AT_MOST, 0.35, 0.35, 0, NULL },
        { MEMORY, "ragd", HNSWLIB, memory_ratio, AT_MOST, 0.40, 0.40, 128, NULL },
        { "hot bytes per vector", "ragd", NULL, memory, AT_MOST, INFINITY, 550, 384, NULL },
        { "hot bytes per vector", "ragd", NULL, memory, AT_MOST, INFINITY, 930, 768, NULL },
        { BUILD_1, "ragd", HNSWLIB, build_one, AT_MOST, 1 / 2.0, 1 / 3.0, 128, NULL },
        { BUILD_1, "ragd", HNSWLIB, build_one, AT_MOST, 1 / 2.2, 1 / 3.0, 384, NULL },
        { BUILD_1, "ragd", HNSWLIB, build_one, AT_MOST, 1 / 3.0, 1 / 3.0, 768, NULL },
        { BUILD_2, "ragd", HNSWLIB, build_two, AT_MOST, 1 / 2.0, 1 / 3.0, 128, NULL },
        { BUILD_2, "ragd", HNSWLIB, build_two, AT_MOST, 1 / 2.2, 1 / 3.0, 384, NULL },
        { BUILD_2, "ragd", HNSWLIB, build_two, AT_MOST, 1 / 3.0, 1 / 3.0, 768, NULL },
        { "two threads to one, build", "ragd", NULL, build_scaling, AT_LEAST, 1.8, 1.9, 0, NULL },
        { "two threads to one, queries", "ragd", NULL, query_scaling, AT_LEAST, 1.8, 1.9, 0, NULL },
        { "open, ms", "ragd", NULL, open_msec, AT_MOST, 5, 1, 0, NULL },
        { "first query after it, ms", "ragd", NULL, first_msec, AT_MOST, 2, 1, 0, NULL },
};

static bool belongs(const struct goal *goal, const struct set *set)
{
        return (!goal->dimensions || goal->dimensions == set->rows.dimensions) &&
               (!goal->set || strcmp(goal->set, set->name) == 0);
}

static bool applies(const struct goal *goal, const struct set *set)
{
        if (!belongs(goal, set))
                return false;
        if (goal->dimensions || goal->set)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(goals); i++)
                if ((goals[i].dimensions || goals[i].set) && belongs(&goals[i], set) &&
                    strcmp(goals[i].text, goal->text) == 0)
                        return false;
        return true;
}

#define ROUNDING 1e-9

static bool good(const struct goal *goal, double value, double limit)
{
        return goal->sense == AT_LEAST ? value >= limit - ROUNDING : value <= limit + ROUNDING;
}

static const char *verdict(const struct goal *goal, double value)
{
        if (isnan(value))
                return "not measured";
        if (good(goal, value, goal->aim))
                return "AIM";
        return good(goal, value, goal->must) ? "pass" : "MISS";
}

/* What a reader must know of a figure that was taken beside other work. */
static const char *caution(const struct goal *goal, const struct pair *pair, double disturbed)
{
        unsigned threads = goal->measure == build_one ? 1 : goal->measure == build_two ? 2 : 0;

        if (threads > 0)
                return disturbed_build(pair->who, threads) || disturbed_build(pair->other, threads)
                               ? " (by processor time: others used the machine)" : "";
        if (goal->measure == build_scaling)
                return disturbed_build(pair->who, 1) || disturbed_build(pair->who, 2)
                               ? " (others used the machine)" : "";
        if (goal->measure == p99_ratio || goal->measure == query_scaling)
                return disturbed > LOAD_OF_OTHERS_MAX ? " (others used the machine)" : "";
        return "";
}

/* ---- Printing ----------------------------------------------------------------------------- */

static const struct contestant *find(const struct contestant *contestants, size_t count,
                                     const char *name)
{
        for (size_t i = 0; name && i < count; i++)
                if (strcmp(contestants[i].ops->name, name) == 0)
                        return &contestants[i];
        return NULL;
}

static void print_limit(enum sense sense, double limit)
{
        char text[16] = "";

        if (!isinf(limit))
                (void) snprintf(text, sizeof text, "%s %.3g", sense == AT_LEAST ? ">=" : "<=",
                                limit);
        (void) printf(" %9s", text);
}

/* One line; its value. */
static double print_goal(const struct goal *goal, const struct pair *pair, double disturbed)
{
        bool known = pair->who && (pair->other || !goal->other);
        double value = known ? goal->measure(pair) : NAN;
        char recall[8] = "", measured[16] = "-";

        if (pair->recall > 0)
                (void) snprintf(recall, sizeof recall, "%.2f", pair->recall);
        if (!isnan(value))
                (void) snprintf(measured, sizeof measured, value < 0.1 ? "%.4f" : "%.3f", value);
        (void) printf("%-34s %6s %9s", goal->text, recall, measured);
        print_limit(goal->sense, goal->must);
        print_limit(goal->sense, goal->aim);
        (void) printf("  %s%s\n", verdict(goal, value),
                      isnan(value) ? "" : caution(goal, pair, disturbed));
        return value;
}

void report_goals(const struct contestant *contestants, const struct speeds *speeds, size_t count,
                  const struct set *set, double disturbed)
{
        unsigned met = 0, known = 0;

        (void) printf("\n%-34s %6s %9s %9s %9s\n", "ragd", "recall", "measured", "must", "aim");
        for (size_t i = 0; i < ELEMENTSOF(goals); i++) {
                const struct goal *goal = &goals[i];
                bool by_recall = goal->measure == rate_ratio || goal->measure == p99_ratio;
                struct pair pair = { .who = find(contestants, count, goal->who),
                                     .other = find(contestants, count, goal->other), .set = set };

                if (!applies(goal, set))
                        continue;
                pair.speeds = pair.who ? &speeds[pair.who - contestants] : NULL;
                pair.other_speeds = pair.other ? &speeds[pair.other - contestants] : NULL;
                for (size_t t = 0; t < (by_recall ? TARGETS : 1); t++) {
                        double value;

                        pair.recall = by_recall ? measure_targets[t] : 0;
                        value = print_goal(goal, &pair, disturbed);
                        known += isnan(value) ? 0 : 1;
                        met += !isnan(value) && good(goal, value, goal->must) ? 1 : 0;
                }
        }
        (void) printf("set %s: %u of %u measured goals are met; others used %.0f%% of the machine "
                      "meanwhile%s\n", set->name, met, known, disturbed * 100,
                      disturbed > LOAD_OF_OTHERS_MAX ? ": repeat it at rest" : "");
}
