/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that follow what the provider shows: how many requests a minute it takes, and how many
 * texts go into one request.
 *
 * Pace: after more than 10 successes in a row it rises by a tenth, up to the configured limit or
 * what the provider itself names; after more than 2 refusals for the rate it is halved, not below
 * 5 a minute.  Where no limit is known there is no pace either.
 *
 * Batches: halved when the rate was refused or the batch was too large; doubled while calls are
 * slow (fewer, larger requests), raised by a quarter after 10 successes in a row.
 *
 * Plain memory, no clock; the provider thread owns each. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define ADAPTIVE_FLOOR 5U          /* requests a minute */
#define ADAPTIVE_SLOW_USEC 2000000U /* a call that takes longer gets larger batches */

struct adaptive {
        uint32_t configured; /* requests a minute; 0: no limit */
        uint32_t learned;    /* what the provider names; 0: it did not */
        uint32_t current;    /* 0: no limit */
        uint32_t successes, refusals;
};

void adaptive_init(struct adaptive *adaptive, uint32_t configured);
/* Another limit from now on: whoever was not slowed down goes at the new one, others go on from
 * where they are. */
void adaptive_configure(struct adaptive *adaptive, uint32_t configured);
/* Each returns whether `current` changed. */
bool adaptive_success(struct adaptive *adaptive);
bool adaptive_refused(struct adaptive *adaptive);
bool adaptive_learn(struct adaptive *adaptive, uint64_t requests_per_minute);

struct batch_size {
        uint32_t max, current;
        uint32_t successes;
};

void batch_size_init(struct batch_size *size, uint32_t max);
void batch_size_configure(struct batch_size *size, uint32_t max); /* in the same way */
void batch_size_success(struct batch_size *size, uint64_t took_usec);
/* A batch of n texts was refused, for its size or for the rate. */
void batch_size_refused(struct batch_size *size, uint32_t n);
