/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/price.h"
#include "gateway/thread.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_ROOM 200 /* of an error's message, for all reasons together */

static const char *const names[CALL_STATE_MAX] = {
        [CALL_STATE_NEW] = "new",           [CALL_STATE_WAITING] = "waiting",
        [CALL_STATE_CALLING] = "calling",   [CALL_STATE_BACKOFF] = "backoff",
        [CALL_STATE_SETTLING] = "settling", [CALL_STATE_DONE] = "done",
};

#define MOVE(state) (1U << (state))
static const unsigned moves[CALL_STATE_MAX] = {
        [CALL_STATE_NEW] = MOVE(CALL_STATE_WAITING) | MOVE(CALL_STATE_CALLING) |
                           MOVE(CALL_STATE_SETTLING),
        [CALL_STATE_WAITING] = MOVE(CALL_STATE_WAITING) | MOVE(CALL_STATE_CALLING) |
                               MOVE(CALL_STATE_SETTLING),
        [CALL_STATE_CALLING] = MOVE(CALL_STATE_WAITING) | MOVE(CALL_STATE_BACKOFF) |
                               MOVE(CALL_STATE_SETTLING),
        [CALL_STATE_BACKOFF] = MOVE(CALL_STATE_WAITING) | MOVE(CALL_STATE_SETTLING),
        [CALL_STATE_SETTLING] = MOVE(CALL_STATE_DONE),
};

const char *call_state_name(enum call_state state)
{
        return (unsigned) state < CALL_STATE_MAX ? names[state] : NULL;
}

void call_set_state(struct call *call, enum call_state state)
{
        assert(moves[call->state] & MOVE(state));
        call->state = state;
}

/* ---- Its end --------------------------------------------------------------------------------- */

static void complete(void *data)
{
        struct call *call = data;
        struct call_end end = {
                .result = call->answered ? &call->result : NULL,
                .error = call->answered ? NULL : &call->error,
                .fault = call->fault,
                .lane = call->attempt.number > 0 ? call->candidates[call->at].lane : NULL,
                .attempt = call->attempt,
        };

        if (call->at > 0) {
                end.fallback_from = call->candidates[0].lane->config->name;
                end.reason = call->candidates[0].reason;
        }
        call_set_state(call, CALL_STATE_DONE);
        call->events.done(call->data, &end);
}

void call_release(struct call *call)
{
        unsigned news = budget_settle(&call->gateway->budget, call->reserved, 0,
                                      ledger_day(clock_wall_usec()));

        call->reserved = 0;
        gateway_tell_budget(call->gateway, news, call->settings.tenant);
}

static void finish(struct call *call)
{
        call_release(call);
        if (call->timer)
                (void) sd_event_source_set_enabled(call->timer, SD_EVENT_OFF);
        call_set_state(call, CALL_STATE_SETTLING);
        if (call->careful && call->gateway->books)
                books_settle(call->gateway->books, &call->wait);
        else
                complete(call);
}

void call_answer(struct call *call)
{
        const struct gateway_event event = {
                .news = GATEWAY_FELL_BACK,
                .provider = call->candidates[call->at].lane->config->name,
                .other = call->candidates[0].lane->config->name,
                .text = call->candidates[0].reason,
                .tenant = call->settings.tenant,
        };

        if (call->at > 0)
                gateway_tell(call->gateway, &event);
        call->answered = true;
        finish(call);
}

/* One code for all where they agree; else nobody could be reached. */
static int common_code(const struct call *call)
{
        int code = 0;

        for (size_t i = 0; i < call->settings.n_lanes; i++) {
                int own = call->candidates[i].code;

                if (own == 0)
                        continue;
                if (code != 0 && code != own)
                        return -EHOSTUNREACH;
                code = own;
        }
        return code != 0 ? code : -EHOSTUNREACH;
}

static bool is_refusal_of_ours(int code)
{
        return code == -EAGAIN || code == -EDQUOT || code == -E2BIG || code == -ETIMEDOUT ||
               code == -ECANCELED;
}

static void describe_reasons(struct call *call, int code)
{
        cleanup_(buf_done) struct buf text = BUF_EMPTY;
        size_t n = 0;

        for (size_t i = 0; i < call->settings.n_lanes; i++)
                n += call->candidates[i].code != 0;
        for (size_t i = 0; i < call->settings.n_lanes; i++) {
                const struct candidate *candidate = &call->candidates[i];

                if (candidate->code != 0)
                        buf_append_format(&text, "%s%s: %.*s", text.len > 0 ? "; " : "",
                                          candidate->lane->config->name,
                                          n == 1 ? CALL_REASON_MAX : (int) (MESSAGE_ROOM / n),
                                          candidate->reason);
        }
        if (n == 1)
                (void) error_set(&call->error, code, "provider %s", buf_text(&text));
        else
                (void) error_set(&call->error, code, "no provider could answer: %s",
                                 buf_text(&text));
}

/* Every candidate was passed over. */
static void fail_all(struct call *call)
{
        int code = common_code(call);

        if (call->settings.request->kind == CALL_CHAT && !is_refusal_of_ours(code))
                code = -EHOSTUNREACH;
        call->at = call->settings.n_lanes - 1;
        describe_reasons(call, code);
        finish(call);
}

static void note(struct call *call, int code, const char *reason)
{
        struct candidate *candidate = &call->candidates[call->at];

        candidate->code = code;
        (void) snprintf(candidate->reason, sizeof candidate->reason, "%s", reason);
}

void call_give_up(struct call *call, int code, const char *reason)
{
        note(call, code, reason);
        describe_reasons(call, code);
        finish(call);
}

/* ---- Candidates ------------------------------------------------------------------------------ */

static void arm(struct call *call, uint64_t at_usec)
{
        (void) sd_event_source_set_time(call->timer, at_usec);
        (void) sd_event_source_set_enabled(call->timer, SD_EVENT_ONESHOT);
}

static int refuse_breaker(const struct lane *lane, uint64_t wait, struct error *reterr)
{
        char text[LANE_WAIT_TEXT_SIZE];

        if (wait == 0)
                return error_set(reterr, -EHOSTUNREACH, "breaker half-open, one call tries it (%s)",
                                 lane->breaker.reason);
        return error_set(reterr, -EHOSTUNREACH, "breaker open for %s more (%s)",
                         lane_wait_text(wait, text), lane->breaker.reason);
}

static int check_context(const struct call *call, const struct lane *lane, struct error *reterr)
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

static int reserve(struct call *call, const struct lane *lane, struct error *reterr)
{
        struct gateway *gateway = call->gateway;
        uint64_t most = price_of(lane->config, call->settings.input_tokens,
                                 call->settings.output_tokens);
        bool month = false;
        unsigned news;
        int r;

        if (call->settings.request->kind == CALL_PROBE)
                return 0;
        r = budget_reserve(&gateway->budget, most, ledger_day(clock_wall_usec()), &month, &news);
        gateway_tell_budget(gateway, news, call->settings.tenant);
        if (r < 0)
                return error_set(reterr, r, "the budget of the %s is spent: %s_usd is %.2f, %.2f "
                                 "are spent", month ? "month" : "day", month ? "monthly" : "daily",
                                 (double) (month ? gateway->budget.month.limit
                                                 : gateway->budget.day.limit) / 1e6,
                                 (double) (month ? gateway->budget.month.spent
                                                 : gateway->budget.day.spent) / 1e6);
        call->reserved = most;
        return 0;
}

/* Refuses, or goes into the queue; then the call may have gone on, even to its end. */
static int approach(struct call *call, struct error *reterr)
{
        struct lane *lane = call->candidates[call->at].lane;
        uint64_t wait, now = clock_monotonic_usec();
        int r;

        if (!lane->provider)
                return error_set(reterr, lane->open_error.code, "%s", lane->open_error.message);
        r = check_context(call, lane, reterr);
        if (r < 0)
                return r;
        if (!call->settings.direct && breaker_check(&lane->breaker, now, &wait) < 0)
                return refuse_breaker(lane, wait, reterr);
        if (call->number == 0) { /* a retry has reserved already */
                r = reserve(call, lane, reterr);
                if (r < 0)
                        return r;
                call->waiting_since_usec = now;
        }
        if (call->settings.direct) {
                lane_pass(lane, &call->ticket);
                call_attempt(call);
                return 0;
        }
        call_set_state(call, CALL_STATE_WAITING);
        arm(call, call->settings.deadline_usec);
        return lane_enter(lane, &call->ticket, call->settings.tenant, call->settings.user,
                          call->settings.low_priority, call->settings.deadline_usec, reterr);
}

/* Whether a spent budget ends the search instead of sending it to those without a price. */
static bool stops_search(const struct call *call, int code)
{
        const struct budget_config *budget = call->gateway->settings.budget;

        return code == -EDQUOT && call->settings.request->kind != CALL_EMBED && budget &&
               budget->on_exceeded != BUDGET_ACTION_FALLBACK;
}

static void seek(struct call *call)
{
        while (call->at < call->settings.n_lanes) {
                struct error error = { 0 };
                int r = approach(call, &error);

                if (r == 0)
                        return; /* it may be gone already */
                call_release(call);
                if (stops_search(call, r)) {
                        call_give_up(call, r, error.message);
                        return;
                }
                note(call, r, error.message);
                call->at++;
                call->number = 0;
        }
        fail_all(call);
}

void call_pass_over(struct call *call, int code, const char *reason)
{
        note(call, code, reason);
        call_release(call);
        if (clock_monotonic_usec() >= call->settings.deadline_usec) {
                call_give_up(call, code, reason);
                return;
        }
        call->at++;
        call->number = 0;
        seek(call);
}

void call_back_off(struct call *call, uint64_t wait_usec)
{
        call->waiting_since_usec = clock_monotonic_usec();
        call_set_state(call, CALL_STATE_BACKOFF);
        arm(call, call->waiting_since_usec + wait_usec);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *data)
{
        struct call *call = data;

        (void) source;
        (void) usec;
        if (call->state == CALL_STATE_BACKOFF) {
                seek(call);
        } else if (call->state == CALL_STATE_WAITING) {
                lane_withdraw(call->candidates[call->at].lane, &call->ticket);
                call_give_up(call, -ETIMEDOUT, "its turn did not come before the deadline");
        }
        return 0;
}

static void on_granted(void *data)
{
        struct call *call = data;
        struct lane *lane = call->candidates[call->at].lane;
        const struct lane_outcome unsent = { .unsent = true };
        struct error error = { 0 };
        uint64_t wait;

        (void) sd_event_source_set_enabled(call->timer, SD_EVENT_OFF);
        if (breaker_begin(&lane->breaker, clock_monotonic_usec(), &wait) < 0) {
                int r = refuse_breaker(lane, wait, &error);

                (void) lane_leave(lane, &call->ticket, &unsent);
                call_pass_over(call, r, error.message);
                return;
        }
        call_attempt(call);
}

/* ---- Construction ---------------------------------------------------------------------------- */

static uint64_t tokens_of_turn(const struct call_settings *settings)
{
        return settings->request->kind == CALL_PROBE
                       ? 0
                       : settings->input_tokens + settings->output_tokens;
}

int call_new(struct gateway *gateway, const struct call_settings *settings,
             const struct call_events *events, void *data, struct call **ret,
             struct error *reterr)
{
        struct call *call = calloc(1, sizeof *call);

        if (!call)
                return error_oom(reterr);
        call->gateway = gateway;
        call->settings = *settings;
        call->settings.lanes = NULL;
        call->events = *events;
        call->data = data;
        call->fault = FAULT_CLASS_MAX;
        call->ticket = (struct lane_ticket){ .item.tokens = tokens_of_turn(settings),
                                             .granted = on_granted, .data = call };
        call->wait = (struct books_wait){ .settled = complete, .data = call };
        call->candidates = calloc(settings->n_lanes, sizeof *call->candidates);
        if (!call->candidates) {
                free(call);
                return error_oom(reterr);
        }
        for (size_t i = 0; i < settings->n_lanes; i++)
                call->candidates[i].lane = settings->lanes[i];
        *ret = call;
        return 0;
}

void call_begin(struct call *call)
{
        struct gateway *gateway = call->gateway;
        int r = sd_event_add_time(thread_loop(gateway->thread), &call->timer, CLOCK_MONOTONIC,
                                  UINT64_MAX, 1, on_timer, call);

        call->next = gateway->calls;
        call->link = &gateway->calls;
        if (call->next)
                call->next->link = &call->next;
        gateway->calls = call;
        if (r >= 0)
                r = sd_event_source_set_enabled(call->timer, SD_EVENT_OFF);
        if (r < 0)
                call_give_up(call, r, "no timer could be made");
        else if (gateway->ending)
                call_cancel(call, "the gateway ends");
        else
                seek(call);
}

void call_cancel(struct call *call, const char *why)
{
        if (call->state == CALL_STATE_SETTLING || call->state == CALL_STATE_DONE)
                return;
        if (call->state == CALL_STATE_WAITING)
                lane_withdraw(call->candidates[call->at].lane, &call->ticket);
        if (call->state == CALL_STATE_CALLING)
                call_abandon_attempt(call);
        (void) error_set(&call->error, -ECANCELED, "%s", why);
        finish(call);
}

static struct call *first_running(const struct gateway *gateway)
{
        struct call *call = gateway->calls;

        while (call && (call->state == CALL_STATE_SETTLING || call->state == CALL_STATE_DONE))
                call = call->next;
        return call;
}

/* The end of one may end others: the list is looked at anew each time. */
void call_cancel_all(struct gateway *gateway, const char *why)
{
        struct call *call;

        while ((call = first_running(gateway)))
                call_cancel(call, why);
}

struct call *call_free(struct call *call)
{
        if (!call)
                return NULL;
        if (call->link) {
                *call->link = call->next;
                if (call->next)
                        call->next->link = call->link;
        }
        (void) sd_event_source_disable_unref(call->timer);
        call_result_done(&call->result);
        free(call->candidates);
        free(call);
        return NULL;
}
