/* SPDX-License-Identifier: Apache-2.0 */
#include "measure.h"

#include "base/cleanup.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PASS_SECONDS 0.1 /* a pass goes on over the queries until then, at least once over all */
#define SAMPLES_MAX 65536
#define WARM_QUERIES 50 /* not timed, ahead of each pass: another contestant used the caches */

const double measure_targets[TARGETS] = { 0.95, 0.99 };

static int compare_floats(const void *a, const void *b)
{
        float x = *(const float *) a, y = *(const float *) b;

        return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
        for (size_t i = 1; i < n; i++)
                for (size_t j = i; j > 0 && values[j] < values[j - 1]; j--) {
                        double swapped = values[j];

                        values[j] = values[j - 1];
                        values[j - 1] = swapped;
                }
        return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* ---- Recall: which points are worth timing ------------------------------------------------ */

static int recall_at(const struct contestant *c, const struct set *set, uint32_t k, uint32_t ef,
                     double *ret, struct error *reterr)
{
        uint64_t found = 0;

        for (uint32_t i = 0; i < set->queries.count; i++) {
                uint32_t ids[ADAPTER_K_MAX];
                int n = c->ops->search(c->index, set_query(set, i), k, ef, ids);

                if (n < 0)
                        return error_set(reterr, -EIO, "%s does not search", c->ops->name);
                found += set_count_true(set, i, ids, (uint32_t) n, k);
        }
        *ret = (double) found / ((double) set->queries.count * k);
        return 0;
}

/* The ladder up to the last target; timed are the two points around each target. */
static int climb(const struct contestant *c, const struct set *set, const struct plan *plan,
                 struct speeds *ret, struct error *reterr)
{
        double last = measure_targets[TARGETS - 1];

        memset(ret, 0, sizeof *ret);
        for (size_t i = 0; plan->efs[i] && ret->count < POINTS_MAX; i++) {
                struct point *point = &ret->points[ret->count];
                int r = recall_at(c, set, plan->k, plan->efs[i], &point->recall, reterr);

                if (r < 0)
                        return r;
                point->ef = plan->efs[i];
                point->timed = plan->given_efs;
                ret->count++;
                if (point->recall >= last && !plan->given_efs)
                        break;
        }
        for (size_t t = 0; t < TARGETS; t++)
                for (size_t i = 0; i < ret->count; i++)
                        if (ret->points[i].recall >= measure_targets[t] || i + 1 == ret->count) {
                                ret->points[i].timed = true;
                                ret->points[i > 0 ? i - 1 : 0].timed = true;
                                break;
                        }
        return 0;
}

/* ---- Speed -------------------------------------------------------------------------------- */

static void warm(const struct contestant *c, const struct set *set, uint32_t k, uint32_t ef)
{
        uint32_t ids[ADAPTER_K_MAX];

        for (uint32_t i = 0; i < WARM_QUERIES; i++) {
                uint32_t query = set->queries.count - 1 - i % set->queries.count;

                (void) c->ops->search(c->index, set_query(set, query), k, ef, ids);
        }
}

/* Of this thread's processor time: what other processes take meanwhile does not count. */
static double thread_seconds(void)
{
        struct timespec ts;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
        return (double) ts.tv_sec + (double) ts.tv_nsec * 1e-9;
}

static void time_point(const struct contestant *c, const struct set *set, uint32_t k,
                       struct point *point, uint32_t round, float *samples)
{
        double begin, last, cpu;
        size_t n = 0;

        warm(c, set, k, point->ef);
        cpu = thread_seconds();
        begin = last = now_seconds();
        do {
                for (uint32_t i = 0; i < set->queries.count && n < SAMPLES_MAX; i++) {
                        uint32_t ids[ADAPTER_K_MAX];
                        double now;

                        (void) c->ops->search(c->index, set_query(set, i), k, point->ef, ids);
                        now = now_seconds();
                        samples[n++] = (float) ((now - last) * 1e6);
                        last = now;
                }
        } while (last - begin < PASS_SECONDS && n < SAMPLES_MAX);
        cpu = thread_seconds() - cpu;
        qsort(samples, n, sizeof samples[0], compare_floats);
        point->per_second[round] = (double) n / cpu;
        point->p50_usec[round] = (double) samples[n / 2];
        point->p99_usec[round] = (double) samples[n * 99 / 100];
}

/* One searching thread of several that start together. */
struct searcher {
        const struct contestant *contestant;
        const struct set *set;
        pthread_barrier_t *start;
        uint32_t k, ef, first;
        double per_second;
};

static void *search_on(void *userdata)
{
        struct searcher *self = userdata;
        const struct contestant *c = self->contestant;
        uint32_t ids[ADAPTER_K_MAX], i = self->first;
        double begin, now;
        size_t n = 0;

        warm(c, self->set, self->k, self->ef);
        (void) pthread_barrier_wait(self->start);
        begin = now_seconds();
        do {
                (void) c->ops->search(c->index, set_query(self->set, i), self->k, self->ef, ids);
                i = (i + 1) % self->set->queries.count;
                n++;
                now = now_seconds();
        } while (now - begin < PASS_SECONDS * 2);
        self->per_second = (double) n / (now - begin);
        return NULL;
}

/* Queries/s of so many threads together; 0: a thread could not be had. */
static double run_threads(const struct contestant *c, const struct set *set, uint32_t k,
                          uint32_t ef, unsigned count)
{
        struct searcher searchers[BUILDS_MAX];
        pthread_t threads[BUILDS_MAX];
        pthread_barrier_t start;
        double sum = 0;

        if (pthread_barrier_init(&start, NULL, count) != 0)
                return 0;
        for (unsigned i = 0; i < count; i++) {
                searchers[i] = (struct searcher) { c, set, &start, k, ef,
                                                   i * set->queries.count / count, 0 };
                if (pthread_create(&threads[i], NULL, search_on, &searchers[i]) != 0)
                        abort(); /* the others wait at the barrier for ever */
        }
        for (unsigned i = 0; i < count; i++) {
                (void) pthread_join(threads[i], NULL);
                sum += searchers[i].per_second;
        }
        (void) pthread_barrier_destroy(&start);
        return sum;
}

/* At the first point that reaches the first target. */
static void measure_threads(const struct contestant *c, const struct set *set,
                            const struct plan *plan, struct speeds *speeds, double *ratios,
                            uint32_t round)
{
        double one, two;

        for (size_t i = speeds->count; i-- > 0;)
                if (speeds->points[i].recall >= measure_targets[0] || i + 1 == speeds->count)
                        speeds->threads_ef = speeds->points[i].ef;
        one = run_threads(c, set, plan->k, speeds->threads_ef, 1);
        two = run_threads(c, set, plan->k, speeds->threads_ef, 2);
        ratios[round] = one > 0 ? two / one : 0;
}

static void take_medians(struct speeds *speeds, uint32_t rounds)
{
        for (size_t i = 0; i < speeds->count; i++) {
                struct point *point = &speeds->points[i];

                if (!point->timed)
                        continue;
                point->per_second[0] = median(point->per_second, rounds);
                point->p50_usec[0] = median(point->p50_usec, rounds);
                point->p99_usec[0] = median(point->p99_usec, rounds);
        }
}

int measure(const struct contestant *contestants, size_t count, const struct set *set,
            const struct plan *plan, struct speeds *ret, struct error *reterr)
{
        cleanup_free_ float *samples = calloc(SAMPLES_MAX, sizeof *samples);
        double ratios[CONTESTANTS_MAX][ROUNDS_MAX];

        if (!samples)
                return error_oom(reterr);
        for (size_t c = 0; c < count; c++) {
                int r = climb(&contestants[c], set, plan, &ret[c], reterr);

                if (r < 0)
                        return r;
        }
        for (uint32_t round = 0; round < plan->rounds; round++) {
                (void) printf("set %s: round %u of %u\n", set->name, round + 1, plan->rounds);
                (void) fflush(stdout);
                /* Who comes first changes from round to round. */
                for (size_t p = 0; p < POINTS_MAX; p++)
                        for (size_t turn = 0; turn < count; turn++) {
                                size_t c = (turn + round) % count;

                                if (p < ret[c].count && ret[c].points[p].timed)
                                        time_point(&contestants[c], set, plan->k, &ret[c].points[p],
                                                   round, samples);
                        }
                for (size_t c = 0; plan->threads && c < count; c++)
                        measure_threads(&contestants[c], set, plan, &ret[c], ratios[c], round);
        }
        for (size_t c = 0; c < count; c++) {
                take_medians(&ret[c], plan->rounds);
                ret[c].threads_scaling = plan->threads ? median(ratios[c], plan->rounds) : 0;
        }
        return 0;
}

/* ---- Reading the result ------------------------------------------------------------------- */

static double between(double share, double low, double high)
{
        return exp(log(low) + share * (log(high) - log(low)));
}

struct at_recall measure_at(const struct speeds *speeds, double recall)
{
        const struct point *low = NULL, *high = NULL;
        double share = 0;

        for (size_t i = 0; i < speeds->count && !high; i++) {
                const struct point *point = &speeds->points[i];

                if (point->timed && point->recall >= recall)
                        high = point;
                else if (point->timed)
                        low = point;
        }
        if (!high)
                return (struct at_recall) { 0 };
        if (low)
                share = (recall - low->recall) / (high->recall - low->recall);
        else
                low = high;
        return (struct at_recall) {
                .reached = true,
                .beyond = low == high,
                .per_second = between(share, low->per_second[0], high->per_second[0]),
                .p50_usec = between(share, low->p50_usec[0], high->p50_usec[0]),
                .p99_usec = between(share, low->p99_usec[0], high->p99_usec[0]),
        };
}

double measure_recall(const struct speeds *speeds, uint32_t ef)
{
        for (size_t i = 0; i < speeds->count; i++)
                if (speeds->points[i].ef == ef)
                        return speeds->points[i].recall;
        return -1;
}
