/* SPDX-License-Identifier: Apache-2.0 */
/* Its life, its limits, and what the end of a call teaches.  Turns are in lane_turns.c. */
#include "gateway/lane_state.h"

#include "base/clock.h"
#include "store/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_MAX_USEC (24 * 3600 * USEC_PER_SEC) /* of what a provider may ask for */

static uint64_t limit_or_none(uint32_t limit)
{
        return limit > 0 ? limit : UINT64_MAX;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
        return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b)
{
        return a > b ? a : b;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        (void) source;
        (void) usec;
        lane_state_pump(data);
        return 0;
}

static void init(struct lane_state *state, const struct lane_limits *limits)
{
        const struct ratelimit_policy bucket = { limits->requests_per_minute,
                                                 limits->burst > 0 ? limits->burst : 1 };

        breaker_init(&state->breaker, limits->breaker_failures, limits->breaker_reset_usec);
        retry_budget_init(&state->retries, limits->retry_budget_ratio);
        adaptive_init(&state->pace, limits->requests_per_minute);
        batch_size_init(&state->batch, limits->batch_size);
        window_init(&state->requests, limit_or_none(limits->requests_per_minute));
        window_init(&state->tokens, limit_or_none(limits->tokens_per_minute));
        ratelimit_init(&state->bucket, &bucket, clock_monotonic_usec());
        state->today.day = ledger_day(clock_wall_usec());
        day_limit_init(&state->day, limit_or_none(limits->requests_per_day), state->today.day, 0);
        state->tokens_learned = state->day_learned = UINT64_MAX;
        state->limits = *limits;
        state->recording = -1;
}

int lane_state_new(const char *identity, const struct lane_limits *limits, sd_event *loop,
                   struct lane_state **ret, struct error *reterr)
{
        struct lane_state *state = calloc(1, sizeof *state);
        int r;

        if (!state)
                return error_oom(reterr);
        init(state, limits);
        state->identity = strdup(identity);
        r = state->identity ? sd_event_add_time(loop, &state->timer, CLOCK_MONOTONIC, UINT64_MAX,
                                                1, on_timer, state)
                            : -ENOMEM;
        if (r >= 0)
                r = sd_event_source_set_enabled(state->timer, SD_EVENT_OFF);
        if (r < 0) {
                (void) lane_state_free(state);
                return error_set_errno(reterr, r, "timer of a provider");
        }
        *ret = state;
        return 0;
}

struct lane_state *lane_state_free(struct lane_state *state)
{
        if (!state)
                return NULL;
        (void) sd_event_source_disable_unref(state->timer);
        if (state->recording >= 0)
                (void) close(state->recording);
        window_done(&state->requests);
        window_done(&state->tokens);
        free(state->identity);
        free(state->name);
        free(state);
        return NULL;
}

void lane_state_restore(struct lane_state *state, const struct ledger_entry *today)
{
        lane_state_count(state, today);
        day_limit_init(&state->day, state->day.limit, state->day.day, state->today.requests);
}

void lane_state_count(struct lane_state *state, const struct ledger_entry *entry)
{
        if (entry->day > state->today.day)
                state->today = (struct lane_today){ .day = entry->day };
        state->today.requests += entry->requests;
        state->today.errors += entry->errors;
        state->today.input_tokens += entry->input_tokens;
        state->today.output_tokens += entry->output_tokens;
        state->today.cost_microusd += entry->cost_microusd;
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void set_pace(struct lane_state *state)
{
        state->requests.limit = limit_or_none(state->pace.current);
        ratelimit_set_rate(&state->bucket, state->pace.current, clock_monotonic_usec());
}

/* What the provider names counts where it is below what the profile says. */
static void set_learned(struct lane_state *state)
{
        const struct lane_limits *limits = &state->limits;

        state->tokens.limit = limit_or_none(limits->tokens_per_minute);
        state->day.limit = limit_or_none(limits->requests_per_day);
        if (limits->adaptive) {
                state->tokens.limit = lower(state->tokens.limit, state->tokens_learned);
                state->day.limit = lower(state->day.limit, state->day_learned);
        }
}

void lane_state_limit(struct lane_state *state, const char *name, const struct lane_limits *limits)
{
        char *copy = state->name && strcmp(state->name, name) == 0 ? NULL : strdup(name);

        if (copy) { /* without memory it keeps the name that it had: one is as good as the other */
                free(state->name);
                state->name = copy;
        }
        state->limits = *limits;
        breaker_configure(&state->breaker, limits->breaker_failures, limits->breaker_reset_usec);
        retry_budget_configure(&state->retries, limits->retry_budget_ratio);
        if (limits->adaptive)
                adaptive_configure(&state->pace, limits->requests_per_minute);
        else
                adaptive_init(&state->pace, limits->requests_per_minute);
        batch_size_configure(&state->batch, limits->batch_size);
        ratelimit_set_burst(&state->bucket, limits->burst > 0 ? limits->burst : 1,
                            clock_monotonic_usec());
        set_pace(state);
        set_learned(state);
}

/* ---- What a call's end teaches --------------------------------------------------------------- */

static void block(struct lane_state *state, uint64_t usec)
{
        uint64_t until = clock_monotonic_usec() + (usec < BLOCK_MAX_USEC ? usec : BLOCK_MAX_USEC);

        state->blocked_until_usec = later(state->blocked_until_usec, until);
}

/* What the heads of answers say: limits below the configured ones count, and a window that is
 * used up means silence until it begins anew. */
static void learn(struct lane_state *state, const struct call_limits *limits)
{
        if (limits->requests != UINT64_MAX && limits->requests > 0) {
                if (limits->requests_per_day)
                        state->day_learned = limits->requests;
                else if (adaptive_learn(&state->pace, limits->requests))
                        set_pace(state);
        }
        if (limits->tokens != UINT64_MAX && limits->tokens > 0)
                state->tokens_learned = limits->tokens;
        set_learned(state);
        if (limits->requests_left == 0 && limits->requests_reset_usec != UINT64_MAX)
                block(state, limits->requests_reset_usec);
        if (limits->tokens_left == 0 && limits->tokens_reset_usec != UINT64_MAX)
                block(state, limits->tokens_reset_usec);
}

static void adapt(struct lane_state *state, const struct lane_outcome *outcome)
{
        bool changed = false;

        if (outcome->limits)
                learn(state, outcome->limits);
        if (!outcome->fault) {
                changed = adaptive_success(&state->pace);
                if (outcome->batch > 0)
                        batch_size_success(&state->batch, outcome->took_usec);
        } else if (outcome->fault->class == FAULT_RATE_LIMIT) {
                changed = adaptive_refused(&state->pace);
        }
        if (changed)
                set_pace(state);
}

static void settle_tokens(struct lane_state *state, const struct lane_ticket *ticket, uint64_t used)
{
        if (used > ticket->item.tokens)
                (void) window_add(&state->tokens, used - ticket->item.tokens,
                                  clock_monotonic_usec());
        else if (used > 0)
                window_return(&state->tokens, ticket->item.tokens - used, ticket->taken_usec);
}

static void give_back(struct lane_state *state, const struct lane_ticket *ticket)
{
        window_return(&state->requests, 1, ticket->taken_usec);
        window_return(&state->tokens, ticket->item.tokens, ticket->taken_usec);
        if (state->day.used > 0)
                state->day.used--;
}

static enum lane_change judge(struct lane_state *state, const struct lane_outcome *outcome)
{
        const struct fault *fault = outcome->fault;
        uint64_t now = clock_monotonic_usec();

        if (outcome->abandoned ||
            (fault && (fault->class == FAULT_RATE_LIMIT || fault->class == FAULT_LOCAL))) {
                breaker_abandoned(&state->breaker);
                return LANE_SAME;
        }
        if (fault && fault_class_traits(fault->class)->breaks)
                return breaker_failed(&state->breaker, outcome->reason, now) ? LANE_OPENED
                                                                             : LANE_SAME;
        return breaker_answered(&state->breaker, now) ? LANE_CLOSED : LANE_SAME;
}

enum lane_change lane_state_leave(struct lane_state *state, struct lane_ticket *ticket,
                                  const struct lane_outcome *outcome)
{
        const struct fault *fault = outcome->fault;

        state->running--;
        if (outcome->unsent) {
                give_back(state, ticket);
                return LANE_SAME;
        }
        settle_tokens(state, ticket, outcome->used_tokens);
        if (fault && fault->wait_usec > 0)
                block(state, fault->wait_usec);
        if (fault && outcome->batch > 0 &&
            (fault->class == FAULT_RATE_LIMIT || fault->class == FAULT_TOO_LARGE))
                batch_size_refused(&state->batch, outcome->batch);
        if (state->limits.adaptive && !outcome->abandoned)
                adapt(state, outcome);
        return judge(state, outcome);
}
