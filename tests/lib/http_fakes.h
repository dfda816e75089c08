/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins for store, ingest and answer beneath the HTTP door, so that its unit tests and its
 * fuzzer see requests and replies and nothing else.  Names decide what happens:
 *
 *   collection "docs" exists, "damaged" can't be opened, "stale" has another fingerprint
 *   document "d000" … "d024" exist; "same" is unchanged when put, "full" finds no room
 *   a question "forever" streams until its client is gone, "flood" does it as fast as it can,
 *   "broken" fails, "never" has no answer, "later" has one after a while; each is answered on a
 *   thread of its own
 *   the query "slow" takes a while, "late" all the time that it may                         */
#pragma once
#include "http/http.h"

#include <stdatomic.h>
#include <stdint.h>

struct fakes {
        _Atomic uint32_t puts;
        _Atomic uint64_t batch_bytes, batch_largest_feed;
        _Atomic uint32_t batches_open, streams_ended, job_reads, answers_open;
        _Atomic bool not_ready, waits;
};
extern struct fakes fakes;

/* Services over the fakes; metrics are the caller's. */
struct http_services fakes_services(struct metrics *metrics);
