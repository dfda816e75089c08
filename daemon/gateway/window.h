/* SPDX-License-Identifier: Apache-2.0 */
/* Sliding window of a minute: never more than `limit` in any 60 seconds, wherever they begin.
 *
 * What was taken at t counts in [t, t + 60 s).  Up to 512 takings are held one by one and waits
 * are exact to the microsecond; beyond that, those within a 512th of the window are held as one
 * that ends with the last of them: then a wait may be up to 118 ms too long, never too short.
 * So memory is bounded.  Time is an argument and never goes back.  The provider thread owns
 * each. */
#pragma once
#include <stdint.h>

#define WINDOW_USEC UINT64_C(60000000)
#define WINDOW_ENTRIES 1024U

struct window_entry {
        uint64_t first_usec, last_usec;
        uint64_t amount;
};

struct window {
        uint64_t limit; /* UINT64_MAX: none, only counted */
        uint64_t used;  /* by the entries */
        uint32_t begin, count;
        struct window_entry *entries; /* a ring; allocated with the first taking */
};

void window_init(struct window *window, uint64_t limit);
void window_done(struct window *window);

/* What was taken within the last minute. */
uint64_t window_used(struct window *window, uint64_t now_usec);

/* How long until `n` more fit, when nobody else takes; where n exceeds the limit, how long at
 * least until that many were given out, part by part. */
uint64_t window_wait(struct window *window, uint64_t n, uint64_t now_usec);

/* Takes `n`, or none.  -EAGAIN with the wait; -E2BIG: more than the limit; -ENOMEM. */
int window_take(struct window *window, uint64_t n, uint64_t now_usec, uint64_t *reterr_wait_usec);

/* Counts what was used beyond any permission.  -ENOMEM. */
int window_add(struct window *window, uint64_t n, uint64_t now_usec);
/* Of what was taken at `taken_usec`, `n` were not used after all. */
void window_return(struct window *window, uint64_t n, uint64_t taken_usec);
