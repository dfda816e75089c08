/* SPDX-License-Identifier: Apache-2.0 */
/* How often: limits per minute for millions of users, keys and tenants in bounded memory.
 *
 * The generic cell rate algorithm (ITU-T I.371, annex A; "virtual scheduling"): one theoretical
 * arrival time for each who asks.  With q a minute, q pass at once, then one each 60/q s, so that
 * [0, t] sees at most q + floor(t q / 60 s), exactly that many from whoever asks often enough.  One
 * whose time has passed is as one who was never seen, so nothing is lost by forgetting him: that
 * bounds the table.  Where all the places that somebody may take are held by some who are still in
 * debt, the one with the least debt goes, and is counted.
 *
 * Who asks is found by SipHash-128 under a random key: nobody can aim at somebody else's place.
 * Time is an argument (monotonic, from 1).  Any thread. */
#pragma once
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct rates;

/* Memory follows those who are in debt, up to 24 bytes for each of `max_entries` (at least 16). */
int rates_new(size_t max_entries, struct rates **ret, struct error *reterr);
struct rates *rates_free(struct rates *rates);

#define RATE_MAX ((UINT64_C(1) << 48) - 1)
#define RATES_TAKE_MAX 8
struct rate_limit {
        uint64_t per_minute; /* at least 1; above RATE_MAX: as RATE_MAX */
        const void *who;     /* what tells them apart, kind included */
        size_t who_len;
        uint64_t amount;     /* 1, or bytes */
};
struct rate_state {
        uint64_t left;       /* how many would pass now */
        uint64_t reset_usec; /* until all of them would */
        uint64_t wait_usec;  /* until this amount would pass; 0: it passed; UINT64_MAX: never */
};
/* All of them or none: where one refuses nothing is taken from the others.  At most RATES_TAKE_MAX,
 * each of somebody else.  `states`: one for each.  0, or -EAGAIN: states[*ret_refused], the one
 * that is longest in the way, says how long. */
int rates_take(struct rates *rates, const struct rate_limit *limits, size_t n, uint64_t now_usec,
               struct rate_state *states, size_t *ret_refused);

struct rates_figures {
        uint64_t entries; /* places in use, some by those whose debt is paid meanwhile */
        uint64_t max_entries, evictions;
};
void rates_get_figures(struct rates *rates, struct rates_figures *ret);
