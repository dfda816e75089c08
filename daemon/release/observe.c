/* SPDX-License-Identifier: Apache-2.0 */
#include "release/observe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- Histograms: each doubling in equal parts, from 512 µs to half an hour ------------------- */

#define LEAST_BITS 9U
#define OCTAVES 22U
#define TOOK_BITS 2U  /* four buckets for each doubling */
#define FIRST_BITS 1U /* two */
#define TOOK_BUCKETS (OCTAVES << TOOK_BITS)
#define FIRST_BUCKETS (OCTAVES << FIRST_BITS)

static unsigned bucket_of(uint64_t usec, unsigned bits)
{
        unsigned top, at;

        if (usec < UINT64_C(1) << LEAST_BITS)
                return 0;
        top = 63U - (unsigned) __builtin_clzll(usec);
        if (top >= LEAST_BITS + OCTAVES)
                return (OCTAVES << bits) - 1;
        at = (unsigned) (usec >> (top - bits)) & ((1U << bits) - 1);
        return ((top - LEAST_BITS) << bits) + at;
}

static uint64_t bucket_end(unsigned bucket, unsigned bits)
{
        unsigned top = LEAST_BITS + (bucket >> bits), at = bucket & ((1U << bits) - 1);

        return (UINT64_C(1) << top) + ((uint64_t) (at + 1) << (top - bits)) - 1;
}

static uint64_t percentile(const uint64_t *buckets, unsigned bits, double share)
{
        uint64_t total = 0, sum = 0, rank;
        unsigned n = OCTAVES << bits;

        for (unsigned i = 0; i < n; i++)
                total += buckets[i];
        if (total == 0)
                return 0;
        rank = (uint64_t) (share * (double) total);
        rank += (double) rank < share * (double) total; /* the nearest rank, from 1 */
        for (unsigned i = 0; i < n; i++) {
                sum += buckets[i];
                if (sum >= rank)
                        return bucket_end(i, bits);
        }
        return bucket_end(n - 1, bits);
}

/* ---- Windows --------------------------------------------------------------------------------- */

enum figure {
        FIGURE_REQUESTS,
        FIGURE_ERRORS,
        FIGURE_PROVIDER_FAULTS,
        FIGURE_EMPTY,
        FIGURE_ANSWERS,
        FIGURE_GROUNDED,
        FIGURE_DEGRADED,
        FIGURE_SUM_USEC,
        FIGURE_COST,
        FIGURE_MAX,
};

struct window {
        _Atomic uint64_t number; /* time / length + 1 of what it holds; 0: nothing yet */
        _Atomic uint64_t figures[FIGURE_MAX];
        _Atomic uint32_t took[TOOK_BUCKETS], first[FIRST_BUCKETS];
};

#define RING 66 /* windows of one length */
static const uint64_t lengths[] = {
        USEC_PER_SEC,          10 * USEC_PER_SEC,     60 * USEC_PER_SEC,
        1200 * USEC_PER_SEC,   14400 * USEC_PER_SEC,
};
#define RINGS ELEMENTSOF(lengths)

_Static_assert(sizeof(struct window) * RINGS * RING * RELEASE_ARM_MAX <= 600U << 10U,
               "it stays as small as the header says");

struct arm {
        struct window windows[RINGS][RING];
        _Atomic uint64_t faults_in_a_row;
};

struct observations {
        pthread_mutex_t turning; /* held where a window begins anew, and while sums are read */
        struct arm arms[RELEASE_ARM_MAX];
};

struct observations *observations_new(void)
{
        struct observations *observations = calloc(1, sizeof *observations);

        if (observations)
                (void) pthread_mutex_init(&observations->turning, NULL);
        return observations;
}

void observations_free(struct observations *observations)
{
        if (!observations)
                return;
        (void) pthread_mutex_destroy(&observations->turning);
        free(observations);
}

static void empty(struct window *window)
{
        for (size_t i = 0; i < FIGURE_MAX; i++)
                atomic_store_explicit(&window->figures[i], 0, memory_order_relaxed);
        for (size_t i = 0; i < TOOK_BUCKETS; i++)
                atomic_store_explicit(&window->took[i], 0, memory_order_relaxed);
        for (size_t i = 0; i < FIRST_BUCKETS; i++)
                atomic_store_explicit(&window->first[i], 0, memory_order_relaxed);
}

static void add(struct window *window, enum figure figure, uint64_t n)
{
        if (n)
                (void) atomic_fetch_add_explicit(&window->figures[figure], n,
                                                 memory_order_relaxed);
}

static void count(struct window *window, const struct observation *observation)
{
        bool well = !observation->error && !observation->provider_fault;

        add(window, FIGURE_REQUESTS, 1);
        add(window, FIGURE_ERRORS, observation->error);
        add(window, FIGURE_PROVIDER_FAULTS, observation->provider_fault && !observation->error);
        add(window, FIGURE_EMPTY, well && observation->empty);
        add(window, FIGURE_ANSWERS, well && observation->answer);
        add(window, FIGURE_GROUNDED, well && observation->answer && observation->grounded);
        add(window, FIGURE_DEGRADED, observation->degraded);
        add(window, FIGURE_COST, observation->cost_microusd);
        if (observation->provider_fault && !observation->error)
                return;
        add(window, FIGURE_SUM_USEC, observation->took_usec);
        (void) atomic_fetch_add_explicit(
                &window->took[bucket_of(observation->took_usec, TOOK_BITS)], 1,
                memory_order_relaxed);
        (void) atomic_fetch_add_explicit(
                &window->first[bucket_of(observation->first_usec, FIRST_BITS)], 1,
                memory_order_relaxed);
}

/* In the window of this moment, emptied where it held an older one; not where it holds a newer. */
static void count_in(struct observations *observations, struct arm *arm, size_t ring,
                     const struct observation *observation, uint64_t now_usec)
{
        uint64_t number = now_usec / lengths[ring] + 1, held;
        struct window *window = &arm->windows[ring][number % RING];

        held = atomic_load_explicit(&window->number, memory_order_acquire);
        if (held < number) {
                (void) pthread_mutex_lock(&observations->turning);
                held = atomic_load_explicit(&window->number, memory_order_relaxed);
                if (held < number) {
                        empty(window);
                        atomic_store_explicit(&window->number, number, memory_order_release);
                        held = number;
                }
                (void) pthread_mutex_unlock(&observations->turning);
        }
        if (held == number)
                count(window, observation);
}

void observe(struct observations *observations, const struct observation *observation,
             uint64_t now_usec)
{
        struct arm *arm;

        if ((unsigned) observation->arm >= RELEASE_ARM_MAX)
                return;
        arm = &observations->arms[observation->arm];
        if (observation->provider_fault && !observation->error)
                (void) atomic_fetch_add_explicit(&arm->faults_in_a_row, 1, memory_order_relaxed);
        else if (atomic_load_explicit(&arm->faults_in_a_row, memory_order_relaxed) > 0)
                atomic_store_explicit(&arm->faults_in_a_row, 0, memory_order_relaxed);
        for (size_t i = 0; i < RINGS; i++)
                count_in(observations, arm, i, observation, now_usec);
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct sums {
        uint64_t figures[FIGURE_MAX], took[TOOK_BUCKETS], first[FIRST_BUCKETS];
};

static void sum_up(const struct window *window, struct sums *sums)
{
        for (size_t i = 0; i < FIGURE_MAX; i++)
                sums->figures[i] += atomic_load_explicit(&window->figures[i],
                                                         memory_order_relaxed);
        for (size_t i = 0; i < TOOK_BUCKETS; i++)
                sums->took[i] += atomic_load_explicit(&window->took[i], memory_order_relaxed);
        for (size_t i = 0; i < FIRST_BUCKETS; i++)
                sums->first[i] += atomic_load_explicit(&window->first[i], memory_order_relaxed);
}

/* Windows that begin at or after `from` and before `until`. */
static void sum_up_ring(const struct arm *arm, size_t ring, uint64_t from, uint64_t until,
                        struct sums *sums)
{
        for (size_t i = 0; i < RING; i++) {
                const struct window *window = &arm->windows[ring][i];
                uint64_t number = atomic_load_explicit(&window->number, memory_order_acquire);
                uint64_t begin = (number - 1) * lengths[ring];

                if (number > 0 && begin >= from && begin < until)
                        sum_up(window, sums);
        }
}

/* Where the first window of this ring begins that counts: at or after `usec`, but for seconds. */
static uint64_t first_begin(size_t ring, uint64_t usec)
{
        uint64_t rest = usec % lengths[ring];

        return rest == 0 || ring == 0 ? usec - rest : usec - rest + lengths[ring];
}

static uint64_t at_most(uint64_t n, uint64_t limit)
{
        return n < limit ? n : limit;
}

/* Additions go on meanwhile, one figure after the other: parts are not told larger than wholes. */
static void tell(const struct sums *sums, struct observed *ret)
{
        uint64_t requests = sums->figures[FIGURE_REQUESTS];

        ret->requests = requests;
        ret->errors = at_most(sums->figures[FIGURE_ERRORS], requests);
        ret->provider_faults =
                at_most(sums->figures[FIGURE_PROVIDER_FAULTS], requests - ret->errors);
        ret->empty = at_most(sums->figures[FIGURE_EMPTY],
                             requests - ret->errors - ret->provider_faults);
        ret->answers = at_most(sums->figures[FIGURE_ANSWERS], requests);
        ret->grounded = at_most(sums->figures[FIGURE_GROUNDED], ret->answers);
        ret->degraded = at_most(sums->figures[FIGURE_DEGRADED], requests);
        ret->sum_usec = sums->figures[FIGURE_SUM_USEC];
        ret->cost_microusd = sums->figures[FIGURE_COST];
        ret->p50_usec = percentile(sums->took, TOOK_BITS, 0.50);
        ret->p95_usec = percentile(sums->took, TOOK_BITS, 0.95);
        ret->p99_usec = percentile(sums->took, TOOK_BITS, 0.99);
        ret->first_p95_usec = percentile(sums->first, FIRST_BITS, 0.95);
}

void observations_read(struct observations *observations, enum release_arm arm,
                       uint64_t since_usec, struct observed *ret)
{
        struct arm *of = &observations->arms[arm];
        uint64_t until = UINT64_MAX;
        struct sums sums = { 0 };

        memset(ret, 0, sizeof *ret);
        (void) pthread_mutex_lock(&observations->turning);
        for (size_t i = RINGS; i-- > 0;) { /* whole windows, the coarsest first */
                uint64_t from = first_begin(i, since_usec);

                sum_up_ring(of, i, from, until, &sums);
                until = at_most(until, from);
        }
        (void) pthread_mutex_unlock(&observations->turning);
        tell(&sums, ret);
        ret->provider_faults_in_a_row =
                atomic_load_explicit(&of->faults_in_a_row, memory_order_relaxed);
}

uint64_t observed_samples(const struct observed *observed)
{
        return observed->requests - observed->provider_faults;
}

static void add_rate(struct json_object *object, const char *name, uint64_t n, uint64_t of)
{
        if (of > 0)
                json_add_double(object, name, (double) n / (double) of);
        else
                json_add(object, name, NULL);
}

static void add_usec(struct json_object *object, const char *name, uint64_t usec, uint64_t of)
{
        if (of > 0)
                json_add_u64(object, name, usec);
        else
                json_add(object, name, NULL);
}

struct json_object *observed_json(const struct observed *observed)
{
        struct json_object *object = json_object_new_object();
        uint64_t samples = observed_samples(observed), well = samples - observed->errors;

        json_add_u64(object, "requests", observed->requests);
        json_add_u64(object, "errors", observed->errors);
        add_rate(object, "error_rate", observed->errors, samples);
        json_add_u64(object, "provider_faults", observed->provider_faults);
        json_add_u64(object, "empty", observed->empty);
        add_rate(object, "empty_rate", observed->empty, well);
        json_add_u64(object, "answers", observed->answers);
        json_add_u64(object, "grounded", observed->grounded);
        json_add_u64(object, "degraded", observed->degraded);
        add_usec(object, "avg_usec", samples ? observed->sum_usec / samples : 0, samples);
        add_usec(object, "p50_usec", observed->p50_usec, samples);
        add_usec(object, "p95_usec", observed->p95_usec, samples);
        add_usec(object, "p99_usec", observed->p99_usec, samples);
        add_usec(object, "first_p95_usec", observed->first_p95_usec, samples);
        json_add_u64(object, "cost_microusd", observed->cost_microusd);
        return object;
}
