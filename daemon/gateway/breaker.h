/* SPDX-License-Identifier: Apache-2.0 */
/* Circuit breaker of one provider (Nygard, "Release It!", 2007): after `failures` failures in a
 * row it is left alone for a while, then one call tries it again.
 *
 *   closed     every call goes through; holds the failures in a row
 *   open       none does, until reset_usec have passed; holds why
 *   half-open  one call at a time does; its end decides
 *
 * Plain memory, time is an argument; the provider thread owns each. */
#pragma once
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

enum breaker_state {
        BREAKER_CLOSED, /* these numbers are the gauge's, too */
        BREAKER_HALF_OPEN,
        BREAKER_OPEN,
        BREAKER_STATE_MAX,
        BREAKER_STATE_INVALID = -EINVAL,
};
const char *breaker_state_name(enum breaker_state state);

#define BREAKER_REASON_MAX 200

struct breaker {
        uint32_t max_failures;
        uint64_t reset_usec;
        enum breaker_state state;
        uint32_t failures;    /* in a row */
        uint64_t opened_usec; /* when it opened last */
        bool trying;          /* half-open: the one call is under way */
        char reason[BREAKER_REASON_MAX]; /* of the last failure; kept when it closes */
};

void breaker_init(struct breaker *breaker, uint32_t max_failures, uint64_t reset_usec);
/* Other figures from now on; its state stays. */
void breaker_configure(struct breaker *breaker, uint32_t max_failures, uint64_t reset_usec);

/* Moves by the table of allowed moves; another one is a bug of ours. */
void breaker_set_state(struct breaker *breaker, enum breaker_state state, uint64_t now_usec);

/* Whether a call could be begun.  -EAGAIN with the wait: open (0: the trial is under way). */
int breaker_check(const struct breaker *breaker, uint64_t now_usec, uint64_t *reterr_wait_usec);
/* The same, and the call begins: it must end with one of the three below. */
int breaker_begin(struct breaker *breaker, uint64_t now_usec, uint64_t *reterr_wait_usec);

/* How the call ended; each returns whether the state changed between open and closed.
 * It answered, be it with a refusal of the request. */
bool breaker_answered(struct breaker *breaker, uint64_t now_usec);
bool breaker_failed(struct breaker *breaker, const char *reason, uint64_t now_usec);
/* It says nothing about the provider: given up, or refused for the rate. */
void breaker_abandoned(struct breaker *breaker);
