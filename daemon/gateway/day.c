/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/day.h"

#include "base/clock.h"

#include <errno.h>

#define DAY_USEC (86400 * USEC_PER_SEC)

void day_limit_init(struct day_limit *limit, uint64_t max, uint32_t day, uint64_t used)
{
        *limit = (struct day_limit){ .limit = max, .used = used, .day = day };
}

static void roll(struct day_limit *limit, uint64_t wall_usec)
{
        uint32_t today = (uint32_t) (wall_usec / DAY_USEC);

        if (today > limit->day) {
                limit->day = today;
                limit->used = 0;
        }
}

uint64_t day_limit_wait(struct day_limit *limit, uint64_t n, uint64_t wall_usec)
{
        roll(limit, wall_usec);
        if (limit->limit == UINT64_MAX)
                return 0;
        if (n > limit->limit)
                return UINT64_MAX;
        if (limit->used <= limit->limit - n)
                return 0;
        return (limit->day + UINT64_C(1)) * DAY_USEC - wall_usec;
}

int day_limit_take(struct day_limit *limit, uint64_t n, uint64_t wall_usec,
                   uint64_t *reterr_wait_usec)
{
        uint64_t wait = day_limit_wait(limit, n, wall_usec);

        if (n > limit->limit)
                return -E2BIG;
        if (wait > 0) {
                *reterr_wait_usec = wait;
                return -EAGAIN;
        }
        limit->used += n;
        return 0;
}
