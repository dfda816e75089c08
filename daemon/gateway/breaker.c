/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/breaker.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>

static const char *const names[BREAKER_STATE_MAX] = {
        [BREAKER_CLOSED] = "closed",
        [BREAKER_HALF_OPEN] = "half-open",
        [BREAKER_OPEN] = "open",
};

static const bool moves[BREAKER_STATE_MAX][BREAKER_STATE_MAX] = {
        [BREAKER_CLOSED] = { [BREAKER_OPEN] = true },
        [BREAKER_OPEN] = { [BREAKER_HALF_OPEN] = true,
                           [BREAKER_CLOSED] = true }, /* by a call that was begun before */
        [BREAKER_HALF_OPEN] = { [BREAKER_OPEN] = true, [BREAKER_CLOSED] = true },
};

const char *breaker_state_name(enum breaker_state state)
{
        return (unsigned) state < BREAKER_STATE_MAX ? names[state] : NULL;
}

void breaker_init(struct breaker *breaker, uint32_t max_failures, uint64_t reset_usec)
{
        *breaker = (struct breaker){ .max_failures = max_failures, .reset_usec = reset_usec };
}

void breaker_configure(struct breaker *breaker, uint32_t max_failures, uint64_t reset_usec)
{
        breaker->max_failures = max_failures;
        breaker->reset_usec = reset_usec;
}

void breaker_set_state(struct breaker *breaker, enum breaker_state state, uint64_t now_usec)
{
        assert(moves[breaker->state][state]);
        breaker->state = state;
        breaker->trying = false;
        if (state == BREAKER_OPEN)
                breaker->opened_usec = now_usec;
        if (state == BREAKER_CLOSED)
                breaker->failures = 0;
}

int breaker_check(const struct breaker *breaker, uint64_t now_usec, uint64_t *reterr_wait_usec)
{
        uint64_t until = breaker->opened_usec + breaker->reset_usec;

        if (breaker->state == BREAKER_OPEN && now_usec < until) {
                *reterr_wait_usec = until - now_usec;
                return -EAGAIN;
        }
        if (breaker->state == BREAKER_HALF_OPEN && breaker->trying) {
                *reterr_wait_usec = 0;
                return -EAGAIN;
        }
        return 0;
}

int breaker_begin(struct breaker *breaker, uint64_t now_usec, uint64_t *reterr_wait_usec)
{
        int r = breaker_check(breaker, now_usec, reterr_wait_usec);

        if (r < 0)
                return r;
        if (breaker->state == BREAKER_OPEN)
                breaker_set_state(breaker, BREAKER_HALF_OPEN, now_usec);
        if (breaker->state == BREAKER_HALF_OPEN)
                breaker->trying = true;
        return 0;
}

bool breaker_answered(struct breaker *breaker, uint64_t now_usec)
{
        bool was_closed = breaker->state == BREAKER_CLOSED;

        breaker->failures = 0;
        if (!was_closed)
                breaker_set_state(breaker, BREAKER_CLOSED, now_usec);
        return !was_closed;
}

bool breaker_failed(struct breaker *breaker, const char *reason, uint64_t now_usec)
{
        enum breaker_state before = breaker->state;

        if (breaker->failures < UINT32_MAX)
                breaker->failures++;
        (void) snprintf(breaker->reason, sizeof breaker->reason, "%s", reason);
        /* Calls that were begun before it opened fail later; they do not prolong its rest. */
        if (before == BREAKER_HALF_OPEN ||
            (before == BREAKER_CLOSED && breaker->failures >= breaker->max_failures))
                breaker_set_state(breaker, BREAKER_OPEN, now_usec);
        return before == BREAKER_CLOSED && breaker->state == BREAKER_OPEN;
}

void breaker_abandoned(struct breaker *breaker)
{
        breaker->trying = false;
}
