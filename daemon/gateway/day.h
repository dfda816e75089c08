/* SPDX-License-Identifier: Apache-2.0 */
/* Daily window: at most `limit` in a day of UTC.  Its count survives a restart: whoever makes it
 * says what the books know of today.  Wall time is an argument; a clock that is set back does not
 * give a second day.  The provider thread owns each. */
#pragma once
#include <stdint.h>

struct day_limit {
        uint64_t limit; /* UINT64_MAX: none, only counted */
        uint64_t used;
        uint32_t day; /* since 1970-01-01 */
};

void day_limit_init(struct day_limit *limit, uint64_t max, uint32_t day, uint64_t used);

/* How long until `n` more fit; UINT64_MAX: never. */
uint64_t day_limit_wait(struct day_limit *limit, uint64_t n, uint64_t wall_usec);

/* Takes `n`, or none.  -EAGAIN with the wait until midnight; -E2BIG: more than a day's. */
int day_limit_take(struct day_limit *limit, uint64_t n, uint64_t wall_usec,
                   uint64_t *reterr_wait_usec);
