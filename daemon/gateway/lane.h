/* SPDX-License-Identifier: Apache-2.0 */
/* One provider as the gateway drives it: its breaker, limits, queue, the calls that run, what was
 * used today.
 *
 * A call passes in three steps: lane_enter() puts it into the queue, or says how long the limits
 * would keep it there; granted() tells that it has its turn; lane_leave() says how it ended.
 * What a minute allows is taken at the turn.  Who waits when the breaker opens is turned away at
 * once.  Everything is the provider thread's; only lane_init() comes before, and lane_done() after
 * that thread. */
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
struct resilience_config;

#define LANE_WAITING_MAX 10000U

enum lane_role {
        LANE_EMBEDS = 1,
        LANE_GENERATES = 2,
        LANE_RERANKS = 4,
};

struct lane_today {
        uint32_t day;
        uint64_t requests, errors, input_tokens, output_tokens, cost_microusd;
};

struct lane {
        const struct provider_config *config;
        struct provider *provider; /* NULL: it could not be opened */
        struct error open_error;   /* why */
        unsigned roles;            /* sum of LANE_… */
        bool charged;              /* its calls cost money */

        struct breaker breaker;
        struct adaptive pace;
        struct batch_size batch;
        struct window requests, tokens; /* of the last minute */
        struct ratelimit bucket;        /* where a burst is set */
        struct day_limit day;
        uint64_t blocked_until_usec; /* the provider asked for silence */
        struct retry_budget retries;

        struct queue queue;
        uint32_t running;
        sd_event_source *timer; /* when the next one has its turn */
        bool pumping;
        struct lane_today today;

        uint64_t (*now_usec)(void); /* monotonic, and wall time */
        uint64_t (*wall_usec)(void);
};

/* A call that waits for its turn. */
struct lane_ticket {
        struct queue_item item; /* first */
        /* Its turn: it runs now, until lane_leave(). */
        void (*granted)(void *data);
        /* Not here: the breaker opened.  It does not wait any more. */
        void (*turned_away)(void *data, const struct error *error);
        void *data;
        uint64_t taken_usec; /* when it had its turn */
};

struct lane_settings {
        const struct provider_config *config;
        const struct resilience_config *resilience;
        uint32_t dimensions; /* of the profile; 0: it does not embed */
        uint32_t batch_size;
};

/* -ENOMEM; a provider that cannot be opened is a lane with an open_error. */
int lane_init(struct lane *lane, const struct lane_settings *settings, struct error *reterr);
/* On the provider thread, whose loop it is. */
int lane_start(struct lane *lane, sd_event *loop, struct error *reterr);
void lane_done(struct lane *lane);
/* What the books know of today: its requests count for the daily limit. */
void lane_restore(struct lane *lane, const struct ledger_entry *today);

/* How long until the limits let `calls` more pass with so many tokens together; UINT64_MAX:
 * never. */
uint64_t lane_wait(struct lane *lane, uint64_t calls, uint64_t tokens);

/* -EHOSTUNREACH, with the reason and the wait: the breaker is open. */
int lane_check_breaker(const struct lane *lane, struct error *reterr);

/* granted() at once where nobody waits and nothing forbids it; false: it has to queue. */
bool lane_enter_at_once(struct lane *lane, struct lane_ticket *ticket);
/* Queues the ticket; granted() or turned_away() may come from within.  -E2BIG: its tokens can
 * never fit; -EAGAIN: the limits alone keep it beyond the deadline, or too many wait: the error
 * says how long; -ENOMEM. */
int lane_enter(struct lane *lane, struct lane_ticket *ticket, struct tenant_id tenant,
               uint64_t user, bool low_priority, uint64_t deadline_usec, struct error *reterr);
/* It does not want its turn any more. */
void lane_withdraw(struct lane *lane, struct lane_ticket *ticket);
/* Past the queue, and counted all the same: a try by an operator. */
void lane_pass(struct lane *lane, struct lane_ticket *ticket);

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
enum lane_change lane_leave(struct lane *lane, struct lane_ticket *ticket,
                            const struct lane_outcome *outcome);
/* Gives turns to those who wait; after lane_leave(), when the caller can bear it. */
void lane_pump(struct lane *lane);

/* Adds to today's figures; a new day begins at zero. */
void lane_count(struct lane *lane, const struct ledger_entry *entry);

/* "1.5 s", "3 min", "2 h": how waits are told. */
#define LANE_WAIT_TEXT_SIZE 32
const char *lane_wait_text(uint64_t wait_usec, char text[static LANE_WAIT_TEXT_SIZE]);
