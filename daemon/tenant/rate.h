/* SPDX-License-Identifier: Apache-2.0 */
/* How often: limits per minute for millions of users, keys and tenants in bounded memory.
 *
 * The generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling"): one theoretical
 * arrival time for each who asks.  With q a minute, q pass at once, then one each 60/q s, so that
 * [0, t] sees at most q + floor(t q / 60 s), exactly that many from whoever asks often enough.  One
 * whose time has passed is as one who was never seen, so nothing is lost by forgetting him: that
 * bounds the table.  Where all places are taken by some who are still in debt, the one with the
 * least debt goes, and is counted.
 *
 * Who asks is found by SipHash-128 under a random key: nobody can aim at somebody else's place.
 * Time is an argument (monotonic).  Any thread. */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct rates;

int rates_new(size_t max_entries, struct rates **ret, struct error *reterr);
struct rates *rates_free(struct rates *rates);

struct rate_limit {
        uint64_t per_minute; /* at least 1 */
        const void *who;     /* what tells them apart, kind included */
        size_t who_len;
        uint64_t amount;     /* 1, or bytes */
};
struct rate_state {
        uint64_t left;       /* how many would pass now */
        uint64_t reset_usec; /* until all of them would */
        uint64_t wait_usec;  /* until this amount would pass; 0: it passed; UINT64_MAX: never */
};
/* All of them or none: where one refuses nothing is taken from the others.  `states`: one for each.
 * 0, or -EAGAIN: states[*ret_refused] says how long. */
int rates_take(struct rates *rates, const struct rate_limit *limits, size_t n, uint64_t now_usec,
               struct rate_state *states, size_t *ret_refused);

struct rates_figures {
        uint64_t entries, max_entries, evictions;
};
void rates_get_figures(struct rates *rates, struct rates_figures *ret);
