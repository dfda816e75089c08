/* SPDX-License-Identifier: Apache-2.0 */
/* ragd's figures beside what they must and should be. */
#include "base/cleanup.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The contestants by name and what a goal is about. */
struct field {
        const struct contestant *contestants;
        const struct speeds *speeds;
        size_t count;
        const struct set *set;
        double disturbed; /* while it was measured */
};

static int find(const struct field *field, const char *name)
{
        for (size_t i = 0; i < field->count; i++)
                if (strcmp(field->contestants[i].ops->name, name) == 0)
                        return (int) i;
        return -1;
}

/* The first of several names with commas that takes part. */
static int find_first(const struct field *field, const char *names)
{
        for (const char *at = names; at && *at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
                char name[32];
                int found;

                (void) snprintf(name, sizeof name, "%.*s", (int) strcspn(at, ","), at);
                found = find(field, name);
                if (found >= 0)
                        return found;
        }
        return -1;
}

/* Each takes who is measured, against whom (-1: nobody), and gives NAN where it is not known. */
typedef double measure_fn(const struct field *field, int who, int against, double recall);

static double rate_ratio(const struct field *field, int who, int against, double recall)
{
        struct at_recall x = measure_at(&field->speeds[who], recall);
        struct at_recall y = measure_at(&field->speeds[against], recall);

        return x.reached && y.reached ? x.per_second / y.per_second : NAN;
}

static double p99_ratio(const struct field *field, int who, int against, double recall)
{
        struct at_recall x = measure_at(&field->speeds[who], recall);
        struct at_recall y = measure_at(&field->speeds[against], recall);

        return x.reached && y.reached ? x.p99_usec / y.p99_usec : NAN;
}

/* The most that is lost at any ef that both were asked with. */
static double recall_lost(const struct field *field, int who, int against, double recall)
{
        const struct speeds *x = &field->speeds[who];
        double most = NAN;

        (void) recall;
        for (size_t i = 0; i < x->count; i++) {
                double other = measure_recall(&field->speeds[against], x->points[i].ef);

                if (other >= 0)
                        most = fmax(most, other - x->points[i].recall);
        }
        return most;
}

/* NAN: a library that maps its files and does not say what it keeps hot. */
static double hot_of(const struct field *field, int i)
{
        const struct contestant *c = &field->contestants[i];

        if (c->ops->hot_bytes)
                return c->hot_bytes ? (double) c->hot_bytes / field->set->rows.count : NAN;
        return (double) c->anonymous_bytes / field->set->rows.count;
}

static double memory_ratio(const struct field *field, int who, int against, double recall)
{
        (void) recall;
        return hot_of(field, who) / hot_of(field, against);
}

static double memory(const struct field *field, int who, int against, double recall)
{
        (void) against;
        (void) recall;
        return hot_of(field, who);
}

/* Then processor time says more than the clock. */
static bool was_disturbed(const struct field *field, int who, int against, unsigned threads)
{
        return field->contestants[who].builds[threads - 1].disturbed > LOAD_OF_OTHERS_MAX ||
               field->contestants[against].builds[threads - 1].disturbed > LOAD_OF_OTHERS_MAX;
}

static double seconds_ratio(const struct field *field, int who, int against, unsigned threads)
{
        const struct build *x = &field->contestants[who].builds[threads - 1];
        const struct build *y = &field->contestants[against].builds[threads - 1];

        if (x->seconds <= 0 || y->seconds <= 0)
                return NAN;
        return was_disturbed(field, who, against, threads) ? x->cpu_seconds / y->cpu_seconds
                                                           : x->seconds / y->seconds;
}

static double build_one(const struct field *field, int who, int against, double recall)
{
        (void) recall;
        return seconds_ratio(field, who, against, 1);
}

static double build_two(const struct field *field, int who, int against, double recall)
{
        (void) recall;
        return seconds_ratio(field, who, against, 2);
}

static double build_scaling(const struct field *field, int who, int against, double recall)
{
        const struct build *builds = field->contestants[who].builds;

        (void) against;
        (void) recall;
        return builds[0].seconds > 0 && builds[1].seconds > 0
                       ? builds[0].seconds / builds[1].seconds : NAN;
}

static double query_scaling(const struct field *field, int who, int against, double recall)
{
        (void) against;
        (void) recall;
        return field->speeds[who].threads_scaling > 0 ? field->speeds[who].threads_scaling : NAN;
}

static double open_msec(const struct field *field, int who, int against, double recall)
{
        (void) against;
        (void) recall;
        return field->contestants[who].open_usec >= 0 ? field->contestants[who].open_usec / 1000 : NAN;
}

static double first_msec(const struct field *field, int who, int against, double recall)
{
        (void) against;
        (void) recall;
        return field->contestants[who].first_query_usec >= 0
                       ? field->contestants[who].first_query_usec / 1000 : NAN;
}

#define HNSWLIB "hnswlib,hnswlib-new"

/* `must` and `aim`: at least for a speed, at most for all else; a set's or width's own row
 * stands in place of the general one of the same text. */
struct goal {
        const char *text;
        const char *who, *against; /* names in order of preference; NULL: against nobody */
        measure_fn *measure;
        double recall;
        double must, aim;
        bool less;
        uint32_t dimensions; /* only of this width; 0: of every other */
        const char *set;     /* only on this set; NULL: on every other */
};

static const struct goal goals[] = {
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, 0.95, 3.0, 3.7, false, 0, NULL },
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, 0.99, 3.0, 3.7, false, 0, NULL },
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, 0.95, 3.0, 5.0, false, 0, "h" },
        { "queries/s to hnswlib", "ragd", HNSWLIB, rate_ratio, 0.99, 3.0, 5.0, false, 0, "h" },
        { "the same, AVX2 kernels", "ragd-avx2", HNSWLIB, rate_ratio, 0.95, 2.4, 2.8, false, 0, NULL },
        { "the same, AVX2 kernels", "ragd-avx2", HNSWLIB, rate_ratio, 0.99, 2.4, 2.8, false, 0, NULL },
        { "queries/s to usearch f32", "ragd", "usearch", rate_ratio, 0.95, 4.0, 5.0, false, 0, NULL },
        { "queries/s to usearch f32", "ragd", "usearch", rate_ratio, 0.99, 4.0, 5.0, false, 0, NULL },
        { "queries/s to faiss SQ8+refine", "ragd", "faiss", rate_ratio, 0.95, 2.0, 3.0, false, 0, NULL },
        { "queries/s to faiss SQ8+refine", "ragd", "faiss", rate_ratio, 0.99, 2.0, 3.0, false, 0, NULL },
        { "p99 to hnswlib's", "ragd", HNSWLIB, p99_ratio, 0.95, 0.5, 0.35, true, 0, NULL },
        { "p99 to hnswlib's", "ragd", HNSWLIB, p99_ratio, 0.99, 0.5, 0.35, true, 0, NULL },
        { "recall lost to floats, same graph", "ragd", "ragd-float", recall_lost, 0, 0.002, 0.001, true, 0, NULL },
        { "hot memory to hnswlib's", "ragd", HNSWLIB, memory_ratio, 0, 0.35, 0.35, true, 0, NULL },
        { "hot memory to hnswlib's", "ragd", HNSWLIB, memory_ratio, 0, 0.40, 0.40, true, 128, NULL },
        { "hot bytes per vector", "ragd", NULL, memory, 0, INFINITY, 550, true, 384, NULL },
        { "hot bytes per vector", "ragd", NULL, memory, 0, INFINITY, 930, true, 768, NULL },
        { "build time to hnswlib's, 1 thread", "ragd", HNSWLIB, build_one, 0, 1 / 2.0, 1 / 3.0, true, 128, NULL },
        { "build time to hnswlib's, 1 thread", "ragd", HNSWLIB, build_one, 0, 1 / 2.2, 1 / 3.0, true, 384, NULL },
        { "build time to hnswlib's, 1 thread", "ragd", HNSWLIB, build_one, 0, 1 / 3.0, 1 / 3.0, true, 768, NULL },
        { "build time to hnswlib's, 2 threads", "ragd", HNSWLIB, build_two, 0, 1 / 2.0, 1 / 3.0, true, 128, NULL },
        { "build time to hnswlib's, 2 threads", "ragd", HNSWLIB, build_two, 0, 1 / 2.2, 1 / 3.0, true, 384, NULL },
        { "build time to hnswlib's, 2 threads", "ragd", HNSWLIB, build_two, 0, 1 / 3.0, 1 / 3.0, true, 768, NULL },
        { "two threads to one, build", "ragd", NULL, build_scaling, 0, 1.8, 1.9, false, 0, NULL },
        { "two threads to one, queries", "ragd", NULL, query_scaling, 0, 1.8, 1.9, false, 0, NULL },
        { "open, ms", "ragd", NULL, open_msec, 0, 5, 1, true, 0, NULL },
        { "first query after it, ms", "ragd", NULL, first_msec, 0, 2, 1, true, 0, NULL },
};

static bool applies(const struct goal *goal, const struct set *set)
{
        if (goal->dimensions && goal->dimensions != set->rows.dimensions)
                return false;
        if (goal->set && strcmp(goal->set, set->name) != 0)
                return false;
        for (size_t i = 0; i < ELEMENTSOF(goals); i++) {
                const struct goal *own = &goals[i];
                bool closer = (own->dimensions == set->rows.dimensions && !goal->dimensions) ||
                              (own->set && strcmp(own->set, set->name) == 0 && !goal->set);

                if (closer && strcmp(own->text, goal->text) == 0 && fabs(own->recall - goal->recall) < 1e-9)
                        return false;
        }
        return true;
}

static const char *verdict(const struct goal *goal, double value)
{
        if (goal->less ? value <= goal->aim : value >= goal->aim)
                return "AIM";
        return (goal->less ? value <= goal->must : value >= goal->must) ? "pass" : "MISS";
}

static const char *caution(const struct field *field, const struct goal *goal, int who, int against)
{
        const struct build *builds = field->contestants[who].builds;

        if ((goal->measure == build_one && was_disturbed(field, who, against, 1)) ||
            (goal->measure == build_two && was_disturbed(field, who, against, 2)))
                return " (by processor time: others used the machine)";
        if (goal->measure == build_scaling && (builds[0].disturbed > LOAD_OF_OTHERS_MAX ||
                                               builds[1].disturbed > LOAD_OF_OTHERS_MAX))
                return " (others used the machine)";
        if ((goal->measure == p99_ratio || goal->measure == query_scaling) &&
            field->disturbed > LOAD_OF_OTHERS_MAX)
                return " (others used the machine)";
        return "";
}

void report_goals(const struct contestant *contestants, const struct speeds *speeds, size_t count,
                  const struct set *set, double disturbed)
{
        const struct field field = { contestants, speeds, count, set, disturbed };
        unsigned met = 0, known = 0;

        (void) printf("\n%-40s %6s %9s %9s %9s\n", "ragd", "recall", "measured", "must", "aim");
        for (size_t i = 0; i < ELEMENTSOF(goals); i++) {
                const struct goal *goal = &goals[i];
                int who = find(&field, goal->who);
                int against = goal->against ? find_first(&field, goal->against) : -1;
                double value = NAN;

                if (!applies(goal, set))
                        continue;
                if (who >= 0 && (against >= 0 || !goal->against))
                        value = goal->measure(&field, who, against, goal->recall);
                (void) printf("%-40s", goal->text);
                if (goal->recall > 0)
                        (void) printf(" %6.2f", goal->recall);
                else
                        (void) printf(" %6s", "");
                if (isnan(value)) {
                        (void) printf(" %9s", "-");
                } else {
                        (void) printf(goal->measure == recall_lost ? " %9.4f" : " %9.3f", value);
                        known++;
                        met += strcmp(verdict(goal, value), "MISS") != 0;
                }
                if (isinf(goal->must))
                        (void) printf(" %9s", "");
                else
                        (void) printf(" %7s%.3g", goal->less ? "<= " : ">= ", goal->must);
                (void) printf(" %5s%.3g  %s%s\n", goal->less ? "<= " : ">= ", goal->aim,
                              isnan(value) ? "not measured" : verdict(goal, value),
                              isnan(value) ? "" : caution(&field, goal, who, against));
        }
        (void) printf("set %s: %u of %u measured goals are met; others used %.0f%% of the machine "
                      "meanwhile%s\n", set->name, met, known, disturbed * 100,
                      disturbed > LOAD_OF_OTHERS_MAX ? ": repeat it at rest" : "");
}
