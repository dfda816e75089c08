/* SPDX-License-Identifier: Apache-2.0 */
/* Limits and times as people write them on a command line.  Pure. */
#pragma once
#include "base/error.h"
#include "store/tenants.h"

#include <stdint.h>

/* "documents=10k", "bytes=1.5GiB", "usd_per_day=2.50", "vectors=none", "tokens_per_day=default":
 * k, M, G and T are powers of 1000, Ki, Mi, Gi and Ti of 1024, a B behind them is allowed.  Sets
 * the limit in `quota`, or its bit in `unset`, where it is the profile's again; money becomes
 * microdollars.  -EINVAL: says what is wrong; also for a limit that is there already. */
int amount_read_limit(const char *text, struct tenant_quota *quota, uint32_t *unset,
                      struct error *reterr);

/* "2026-12-01" (its end), "2026-12-01T08:00Z", "2026-12-01T08:00:30Z"; wall microseconds. */
int amount_read_date(const char *text, uint64_t *ret_usec, struct error *reterr);
/* The same, or a time from now on: "90d", "12h", "30m", "2w". */
int amount_read_end(const char *text, uint64_t now_usec, uint64_t *ret_usec, struct error *reterr);
