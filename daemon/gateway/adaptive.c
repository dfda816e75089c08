/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/adaptive.h"

#define SUCCESSES 10
#define REFUSALS 2
#define NO_LIMIT 100000000U /* a pace that grew beyond it is none */

/* The highest pace: 0 is none. */
static uint32_t ceiling_of(const struct adaptive *adaptive)
{
        if (adaptive->learned == 0)
                return adaptive->configured;
        if (adaptive->configured == 0 || adaptive->learned < adaptive->configured)
                return adaptive->learned;
        return adaptive->configured;
}

static bool set(struct adaptive *adaptive, uint64_t pace)
{
        uint32_t ceiling = ceiling_of(adaptive), before = adaptive->current;

        if (pace > NO_LIMIT)
                pace = 0;
        if (ceiling > 0 && (pace == 0 || pace > ceiling))
                pace = ceiling;
        adaptive->current = (uint32_t) pace;
        return adaptive->current != before;
}

void adaptive_init(struct adaptive *adaptive, uint32_t configured)
{
        *adaptive = (struct adaptive){ .configured = configured, .current = configured };
}

void adaptive_configure(struct adaptive *adaptive, uint32_t configured)
{
        bool at_ceiling = adaptive->current == ceiling_of(adaptive);

        adaptive->configured = configured;
        (void) set(adaptive, at_ceiling ? ceiling_of(adaptive) : adaptive->current);
}

bool adaptive_success(struct adaptive *adaptive)
{
        uint64_t tenth = (adaptive->current + 9) / 10;

        if (++adaptive->successes <= SUCCESSES)
                return false;
        adaptive->successes = 0;
        adaptive->refusals = 0;
        return adaptive->current > 0 && set(adaptive, adaptive->current + tenth);
}

bool adaptive_refused(struct adaptive *adaptive)
{
        uint32_t half = adaptive->current / 2;

        adaptive->successes = 0;
        if (++adaptive->refusals <= REFUSALS)
                return false;
        adaptive->refusals = 0;
        /* without a limit there is no pace to halve: backoff and the provider's hints do */
        if (adaptive->current <= ADAPTIVE_FLOOR)
                return false;
        return set(adaptive, half > ADAPTIVE_FLOOR ? half : ADAPTIVE_FLOOR);
}

bool adaptive_learn(struct adaptive *adaptive, uint64_t requests_per_minute)
{
        uint32_t learned = requests_per_minute < NO_LIMIT ? (uint32_t) requests_per_minute : 0;
        bool at_ceiling = adaptive->current == ceiling_of(adaptive);

        if (learned == 0 || learned == adaptive->learned)
                return false;
        adaptive->learned = learned;
        /* whoever was slowed down by refusals goes on from there */
        return set(adaptive, at_ceiling ? ceiling_of(adaptive) : adaptive->current);
}

void batch_size_init(struct batch_size *size, uint32_t max)
{
        *size = (struct batch_size){ .max = max, .current = max };
}

void batch_size_configure(struct batch_size *size, uint32_t max)
{
        bool at_max = size->current == size->max;

        size->max = max;
        if (at_max || size->current > max)
                size->current = max;
}

static void grow(struct batch_size *size, uint64_t to)
{
        size->current = to < size->max ? (uint32_t) to : size->max;
        size->successes = 0;
}

void batch_size_success(struct batch_size *size, uint64_t took_usec)
{
        size->successes++;
        if (took_usec > ADAPTIVE_SLOW_USEC)
                grow(size, (uint64_t) size->current * 2);
        else if (size->successes >= SUCCESSES)
                grow(size, size->current + ((uint64_t) size->current + 3) / 4);
}

void batch_size_refused(struct batch_size *size, uint32_t n)
{
        uint32_t half = n > 1 ? n / 2 : 1;

        if (half < size->current) /* of several that were under way the first one counts */
                size->current = half;
        size->successes = 0;
}
