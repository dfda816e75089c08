/* SPDX-License-Identifier: Apache-2.0 */
/* A call's way along its candidates: who may be asked, the turn, the next one. */
#include "gateway/call_inside.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/price.h"
#include "gateway/thread.h"
#include "tenant/tenants.h"

#include <inttypes.h>

/* Most calls never wait: the timer is made for those that do. */
static int arm(struct gateway_call *call, uint64_t at_usec, struct error *reterr)
{
        int r;

        if (!call->timer)
                r = sd_event_add_time(thread_loop(call->gateway->thread), &call->timer,
                                      CLOCK_MONOTONIC, at_usec, 1, gateway_call_on_timer, call);
        else
                r = sd_event_source_set_time(call->timer, at_usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(call->timer, SD_EVENT_ONESHOT);
        return r < 0 ? error_set_errno(reterr, r, "timer of a call") : 0;
}

static int check_context(const struct gateway_call *call, const struct lane *lane,
                         struct error *reterr)
{
        uint64_t context = lane->config->context_tokens;

        if (call->settings.request->kind != CALL_CHAT || context == 0 ||
            call->settings.input_tokens + call->settings.output_tokens <= context)
                return 0;
        return error_set(reterr, -E2BIG,
                         "a prompt of about %" PRIu64 " tokens and an answer of up to %" PRIu64
                         " do not fit its context of %" PRIu64, call->settings.input_tokens,
                         call->settings.output_tokens, context);
}

/* Tokens are spent whoever is asked; money may be spent with one, and not with one that is free. */
static int reserve_of_tenant(struct gateway_call *call, uint64_t microusd, struct error *reterr)
{
        struct tenants *tenants = call->gateway->settings.tenants;
        uint64_t tokens = call->settings.input_tokens + call->settings.output_tokens;
        int r;

        if (!tenants)
                return 0;
        r = tenant_reserve_calls(tenants, call->settings.tenant, tokens, 0, reterr);
        if (r == -EDQUOT)
                call->spent = TENANT_TOKENS_PER_DAY;
        if (r < 0)
                return r;
        call->reserved_tokens = tokens;
        r = tenant_reserve_calls(tenants, call->settings.tenant, 0, microusd, reterr);
        if (r == 0)
                call->reserved_microusd = microusd;
        else if (r == -EDQUOT)
                call->spent = TENANT_MICROUSD_PER_DAY;
        return r; /* whoever seeks gives back what was reserved */
}

static int reserve(struct gateway_call *call, const struct lane *lane, struct error *reterr)
{
        struct gateway *gateway = call->gateway;
        struct budget *budget = &gateway->commons->budget;
        uint64_t most = price_of(lane->config, call->settings.input_tokens,
                                 call->settings.output_tokens);
        bool month = false;
        unsigned news;
        int r;

        if (call->settings.request->kind == CALL_PROBE)
                return 0;
        r = reserve_of_tenant(call, most, reterr);
        if (r < 0)
                return r;
        r = budget_reserve(budget, most, ledger_day(clock_wall_usec()), &month, &news);
        gateway_tell_budget(gateway, news, call->settings.tenant);
        if (r < 0)
                return error_set(reterr, r, "the budget of the %s is spent: %s_usd is %.6g, %.6g "
                                 "are spent", month ? "month" : "day", month ? "monthly" : "daily",
                                 (double) (month ? budget->month.limit : budget->day.limit) / 1e6,
                                 (double) (month ? budget->month.spent : budget->day.spent) / 1e6);
        call->reserved = most;
        return 0;
}

/* Refuses, or goes into the queue; then the call may have gone on, even to its end. */
static int approach(struct gateway_call *call, struct error *reterr)
{
        struct lane *lane = call->candidates[call->at].lane;
        uint64_t now = clock_monotonic_usec();
        int r;

        if (!lane->provider)
                return error_set(reterr, lane->open_error.code, "%s", lane->open_error.message);
        r = check_context(call, lane, reterr);
        if (r < 0)
                return r;
        if (!call->settings.direct) {
                r = lane_state_check_breaker(lane->state, reterr);
                if (r < 0)
                        return r;
        }
        if (call->number == 0) { /* a retry has reserved already */
                r = reserve(call, lane, reterr);
                if (r < 0)
                        return r;
                call->waiting_since_usec = now;
        }
        if (call->settings.direct) {
                lane_state_pass(lane->state, &call->ticket);
                gateway_call_attempt(call);
                return 0;
        }
        gateway_call_set_state(call, CALL_STATE_WAITING);
        if (lane_state_enter_at_once(lane->state, &call->ticket))
                return 0;
        r = arm(call, call->settings.deadline_usec, reterr);
        if (r < 0)
                return r;
        return lane_state_enter(lane->state, &call->ticket, call->settings.tenant,
                                call->settings.user, call->settings.low_priority,
                                call->settings.deadline_usec, reterr);
}

/* Whether a spent budget ends the search instead of sending it to those without a price. */
static bool stops_search(const struct gateway_call *call, int code)
{
        const struct budget_config *budget = call->gateway->settings.budget;

        if (code == -EDQUOT && call->spent == TENANT_TOKENS_PER_DAY)
                return true;
        return code == -EDQUOT && call->settings.request->kind != CALL_EMBED && budget &&
               budget->on_exceeded != BUDGET_ACTION_FALLBACK;
}

void gateway_call_seek(struct gateway_call *call)
{
        while (call->at < call->settings.n_lanes) {
                struct error error = { 0 };
                int r = approach(call, &error);

                if (r == 0)
                        return; /* it may be gone already */
                gateway_call_release(call);
                if (stops_search(call, r)) {
                        gateway_call_give_up(call, r, error.message);
                        return;
                }
                gateway_call_note(call, r, error.message);
                call->at++;
                call->number = 0;
        }
        gateway_call_fail_all(call);
}

void gateway_call_pass_over(struct gateway_call *call, int code, const char *reason)
{
        gateway_call_note(call, code, reason);
        gateway_call_release(call);
        if (clock_monotonic_usec() >= call->settings.deadline_usec) {
                gateway_call_give_up(call, code, reason);
                return;
        }
        call->at++;
        call->number = 0;
        gateway_call_seek(call);
}

void gateway_call_back_off(struct gateway_call *call, uint64_t wait_usec)
{
        struct error error = { 0 };

        call->waiting_since_usec = clock_monotonic_usec();
        gateway_call_set_state(call, CALL_STATE_BACKOFF);
        if (arm(call, call->waiting_since_usec + wait_usec, &error) < 0)
                gateway_call_give_up(call, error.code, error.message);
}

/* Meanwhile batches became smaller: the same one would be refused again. */
static bool must_split(const struct gateway_call *call)
{
        const struct lane *lane = call->candidates[call->at].lane;

        return call->settings.whole && call->fault == FAULT_RATE_LIMIT &&
               lane->state->limits.adaptive &&
               lane->state->batch.current < call->settings.request->embed.n;
}

int gateway_call_on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        struct gateway_call *call = data;

        (void) source;
        (void) usec;
        if (call->state == CALL_STATE_BACKOFF) {
                call->split = must_split(call);
                if (call->split)
                        gateway_call_give_up(call, -EAGAIN, "its rate is refused");
                else
                        gateway_call_seek(call);
        } else if (call->state == CALL_STATE_WAITING) {
                struct lane_state *state = call->candidates[call->at].lane->state;

                lane_state_withdraw(state, &call->ticket);
                gateway_call_give_up(call, -ETIMEDOUT, "its turn did not come before the deadline");
                lane_state_pump(state);
        }
        return 0;
}

void gateway_call_granted(void *data)
{
        struct gateway_call *call = data;

        if (call->timer)
                (void) sd_event_source_set_enabled(call->timer, SD_EVENT_OFF);
        gateway_call_attempt(call);
}

void gateway_call_turned_away(void *data, const struct error *error)
{
        gateway_call_pass_over(data, error->code, error->message);
}
