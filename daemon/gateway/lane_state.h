/* SPDX-License-Identifier: Apache-2.0 */
/* How one provider is doing, whoever calls it: its breaker, limits, queue, the calls that run,
 * what was used today.
 *
 * It belongs to the machine: releases that call the same provider with the same key for the same
 * model share one, and what was learned and used outlives each of them.  The limits in force are
 * those of the newest.
 *
 * A call passes in three steps: lane_state_enter() puts it into the queue, or says how long the
 * limits would keep it there; granted() tells that it has its turn; lane_state_leave() says how it
 * ended.  What a minute allows is taken at the turn.  Who waits when the breaker opens is turned
 * away at once.  Everything is the provider thread's. */
#pragma once
#include "base/error.h"
#include "gateway/adaptive.h"
#include "gateway/breaker.h"
#include "gateway/day.h"
#include "gateway/queue.h"
#include "gateway/ratelimit.h"
#include "gateway/retry.h"
#include "gateway/window.h"
#include "provider/provider.h"

#include <systemd/sd-event.h>

struct ledger_entry;

#define LANE_WAITING_MAX 10000U

/* What a profile says; 0: no limit. */
struct lane_limits {
        uint32_t requests_per_minute, burst, requests_per_day, tokens_per_minute;
        uint32_t max_concurrent;
        bool adaptive;
        uint32_t batch_size; /* texts in one call at most; never 0 */
        uint32_t breaker_failures;
        uint64_t breaker_reset_usec;
        double retry_budget_ratio;
};

struct lane_today {
        uint32_t day;
        uint64_t requests, errors, input_tokens, output_tokens, cost_microusd;
};

struct lane_state {
        char *identity; /* whose limits these are */
        char *name;     /* of the table whose limits are in force */
        unsigned refs;  /* lanes; 0: it rests */
        uint64_t rests_since_usec;
        struct lane_state *next;

        struct lane_limits limits; /* in force */
        struct breaker breaker;
        struct adaptive pace;
        struct batch_size batch;
        struct window requests, tokens; /* of the last minute */
        struct ratelimit bucket;        /* where a burst is set */
        struct day_limit day;
        uint64_t tokens_learned, day_learned; /* what the provider names; UINT64_MAX: it did not */
        uint64_t blocked_until_usec;          /* the provider asked for silence */
        struct retry_budget retries;

        struct queue queue;
        uint32_t running;
        sd_event_source *timer; /* when the next one has its turn */
        bool pumping;
        struct lane_today today;
        int recording; /* descriptor; -1: it is not recorded */
};

/* A call that waits for its turn. */
struct lane_ticket {
        struct queue_item item; /* first */
        /* Its turn: it runs now, until lane_state_leave(). */
        void (*granted)(void *data);
        /* Not here: the breaker opened, or it is too large for a limit that sank.  It does not
         * wait any more. */
        void (*turned_away)(void *data, const struct error *error);
        void *data;
        uint64_t taken_usec; /* when it had its turn */
};

/* With no lane yet.  -ENOMEM. */
int lane_state_new(const char *identity, const struct lane_limits *limits, sd_event *loop,
                   struct lane_state **ret, struct error *reterr);
/* Also behind the end of the loop's thread. */
struct lane_state *lane_state_free(struct lane_state *state);
/* From now on these limits hold; what was used and learned stays.  `name` is copied. */
void lane_state_limit(struct lane_state *state, const char *name,
                      const struct lane_limits *limits);
/* What the books know of today: its requests count for the daily limit. */
void lane_state_restore(struct lane_state *state, const struct ledger_entry *today);
/* Adds to today's figures; a new day begins at zero. */
void lane_state_count(struct lane_state *state, const struct ledger_entry *entry);

/* How long until the limits let `calls` more pass with so many tokens together; UINT64_MAX:
 * never. */
uint64_t lane_state_wait(struct lane_state *state, uint64_t calls, uint64_t tokens);

/* -EHOSTUNREACH, with the reason and the wait: the breaker is open. */
int lane_state_check_breaker(const struct lane_state *state, struct error *reterr);

/* granted() at once where nobody waits and nothing forbids it; false: it has to queue. */
bool lane_state_enter_at_once(struct lane_state *state, struct lane_ticket *ticket);
/* Queues the ticket; granted() or turned_away() may come from within.  -E2BIG: its tokens can
 * never fit; -EAGAIN: the limits alone keep it beyond the deadline, or too many wait: the error
 * says how long; -ENOMEM. */
int lane_state_enter(struct lane_state *state, struct lane_ticket *ticket, struct tenant_id tenant,
                     uint64_t user, bool low_priority, uint64_t deadline_usec,
                     struct error *reterr);
/* It does not want its turn any more; lane_state_pump() when the caller can bear it. */
void lane_state_withdraw(struct lane_state *state, struct lane_ticket *ticket);
/* Past the queue, and counted all the same: a try by an operator. */
void lane_state_pass(struct lane_state *state, struct lane_ticket *ticket);

/* How a call that had its turn ended. */
struct lane_outcome {
        const struct fault *fault; /* NULL: it was answered, or given up where `abandoned` */
        const char *reason;        /* with a fault: what the breaker remembers */
        const struct call_limits *limits; /* what the provider said; or NULL */
        bool abandoned;
        bool unsent; /* nothing was sent after all: what was taken is given back */
        uint64_t used_tokens; /* in place of the estimate; 0: unknown */
        uint64_t took_usec;
        uint32_t batch;       /* texts; 0: it did not embed */
};

enum lane_change {
        LANE_SAME,
        LANE_OPENED, /* its breaker did */
        LANE_CLOSED,
};
enum lane_change lane_state_leave(struct lane_state *state, struct lane_ticket *ticket,
                                  const struct lane_outcome *outcome);
/* Gives turns to those who wait; after lane_state_leave(), when the caller can bear it. */
void lane_state_pump(struct lane_state *state);

/* "1.5 s", "3 min", "2 h": how waits are told. */
#define LANE_WAIT_TEXT_SIZE 32
const char *lane_wait_text(uint64_t wait_usec, char text[static LANE_WAIT_TEXT_SIZE]);
