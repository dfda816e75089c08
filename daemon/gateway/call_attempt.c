/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a call at one lane: the exchange, and what its end means. */
#include "gateway/call_inside.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/record.h"
#include "gateway/thread.h"

#include <stdio.h>
#include <string.h>

static struct lane *lane_of(const struct gateway_call *call)
{
        return call->candidates[call->at].lane;
}

/* Whose turn it is next is looked up after the call went on, when it may be gone. */
static void leave(struct gateway_call *call, const struct lane_outcome *outcome)
{
        struct lane *lane = lane_of(call);
        enum lane_change change = lane_state_leave(lane->state, &call->ticket, outcome);
        const struct gateway_event event = {
                .news = change == LANE_OPENED ? GATEWAY_BREAKER_OPENED : GATEWAY_BREAKER_CLOSED,
                .provider = lane->config->name,
                .text = lane->state->breaker.reason,
                .tenant = call->settings.tenant,
        };

        if (change != LANE_SAME)
                gateway_tell(call->gateway, &event);
}

static uint32_t batch_of(const struct gateway_call *call)
{
        return call->settings.request->kind == CALL_EMBED
                       ? (uint32_t) call->settings.request->embed.n : 0;
}

static const char *skip_prefix(const char *text, const char *name)
{
        size_t len = strlen(name);

        if (strncmp(text, "provider ", 9) == 0 && strncmp(text + 9, name, len) == 0 &&
            strncmp(text + 9 + len, ": ", 2) == 0)
                return text + 9 + len + 2;
        return text;
}

/* What happened, and what to do about it where the provider's words do not say. */
static void describe_fault(const struct gateway_call *call, const struct fault *fault,
                           const struct error *error, char *ret, size_t size)
{
        const char *text = skip_prefix(error_text(error), lane_of(call)->config->name);
        const char *remedy = fault_class_traits(fault->class)->remedy;
        const char *begin = call->told ? "the answer broke off: " : "";

        if (remedy && !strstr(text, remedy))
                (void) snprintf(ret, size, "%s%s: %s", begin, text, remedy);
        else
                (void) snprintf(ret, size, "%s%s", begin, text);
}

static enum retry_verdict want_retry(struct gateway_call *call, const struct fault *fault,
                                     uint64_t *ret_wait_usec)
{
        const struct resilience_config *resilience = call->gateway->resilience;
        struct lane *lane = lane_of(call);
        const struct retry_policy policy = {
                .max_retries = lane->config->has_max_retries ? lane->config->max_retries
                                                             : call->settings.max_retries,
                .base_usec = resilience->backoff_initial_ms * USEC_PER_MSEC,
                .cap_usec = resilience->backoff_max_ms * USEC_PER_MSEC,
        };

        if (call->settings.direct)
                return RETRY_NEVER;
        return retry_decide(&policy, &lane->state->retries, fault, call->number,
                            clock_monotonic_usec(), call->settings.deadline_usec,
                            gateway_random(call->gateway), ret_wait_usec);
}

static void go_on_after(struct gateway_call *call, const struct fault *fault, const char *reason)
{
        const struct fault_traits *traits = fault_class_traits(fault->class);
        uint64_t wait;

        call->split = call->settings.whole && fault->class == FAULT_TOO_LARGE;
        if (call->stopped)
                gateway_call_give_up(call, -ECANCELED, "whoever asked is gone");
        else if (call->told || !traits->another || call->split)
                gateway_call_give_up(call, traits->code, reason);
        else if (want_retry(call, fault, &wait) == RETRY_YES)
                gateway_call_back_off(call, wait);
        else
                gateway_call_pass_over(call, traits->code, reason);
}

static void end_failed(struct gateway_call *call, const struct fault *fault,
                       const struct error *error)
{
        char reason[CALL_REASON_MAX];
        struct lane_outcome outcome = {
                .fault = fault,
                .reason = reason,
                .limits = &fault->limits,
                .abandoned = call->stopped,
                .batch = batch_of(call),
        };

        call->fault = fault->class;
        describe_fault(call, fault, error, reason, sizeof reason);
        gateway_call_book(call, NULL, fault, clock_monotonic_usec());
        outcome.took_usec = call->attempt.took_usec;
        leave(call, &outcome);
        go_on_after(call, fault, reason);
}

static void end_answered(struct gateway_call *call, const struct call_result *takes_result)
{
        struct lane_outcome outcome = { .batch = batch_of(call) };

        call->fault = FAULT_CLASS_MAX;
        call->result = *takes_result;
        gateway_call_book(call, &call->result, NULL, clock_monotonic_usec());
        outcome.limits = &call->result.limits;
        outcome.used_tokens = call->result.input_tokens + call->result.output_tokens;
        outcome.took_usec = call->attempt.took_usec;
        leave(call, &outcome);
        if (call->settings.direct && call->settings.request->kind != CALL_PROBE)
                lane_of(call)->state->blocked_until_usec = 0; /* found to answer */
        record_answer(lane_of(call), call->settings.request, &call->result);
        gateway_call_answer(call);
}

static int on_text(void *data, const char *text, size_t len)
{
        struct gateway_call *call = data;
        int r;

        if (call->first_usec == 0)
                call->first_usec = clock_monotonic_usec();
        call->text_bytes += len;
        if (!call->events.text)
                return 0;
        call->told = true;
        r = call->events.text(call->data, text, len);
        call->stopped |= r < 0;
        return r;
}

/* The exchange owns what it tells: that is taken or copied, and then it goes. */
static void on_done(void *data, struct call_result *result, const struct fault *fault,
                    const struct error *error)
{
        struct gateway_call *call = data;
        struct lane *lane = lane_of(call);
        struct fault why = { .class = FAULT_GARBAGE };
        struct call_result taken = { 0 };
        struct error words = { 0 };

        if (!result) {
                why = *fault;
                words = *error;
        } else if (call->events.check &&
                   call->events.check(call->data, lane, result, &words) < 0) {
                why.limits = result->limits;
                memcpy(why.request_id, result->request_id, sizeof why.request_id);
                result = NULL;
        } else {
                taken = *result;
                memset(result, 0, sizeof *result);
        }
        call->exchange = provider_call_free(call->exchange);
        if (result)
                end_answered(call, &taken);
        else
                end_failed(call, &why, &words);
        lane_state_pump(lane->state);
}

static const struct provider_call_events provider_events = { .text = on_text, .done = on_done };

static struct provider_call_limits limits_of(const struct gateway_call *call, uint64_t now_usec)
{
        const struct provider_config *config = lane_of(call)->config;
        uint64_t timeout = (config->timeout_seconds > 0 ? config->timeout_seconds
                                                        : call->settings.timeout_seconds) *
                           USEC_PER_SEC;
        uint64_t left = call->settings.deadline_usec > now_usec
                                ? call->settings.deadline_usec - now_usec : 1;

        if (timeout == 0 || timeout > left)
                timeout = left;
        return (struct provider_call_limits){ .total_usec = timeout, .idle_usec = timeout };
}

void gateway_call_attempt(struct gateway_call *call)
{
        struct lane *lane = lane_of(call);
        uint64_t now = clock_monotonic_usec();
        const struct provider_call_limits limits = limits_of(call, now);
        const struct lane_outcome unsent = { .unsent = true };
        struct error error = { 0 };
        int r;

        gateway_call_set_state(call, CALL_STATE_CALLING);
        call->number++;
        if (call->number == 1)
                retry_budget_attempt(&lane->state->retries);
        call->sent_usec = now;
        call->first_usec = 0;
        call->text_bytes = 0;
        r = provider_call(lane->provider, thread_fetcher(call->gateway->thread),
                          call->settings.request, &limits, &provider_events, call,
                          &call->exchange, &error);
        if (r == 0)
                return;
        (void) lane_state_leave(lane->state, &call->ticket, &unsent);
        breaker_abandoned(&lane->state->breaker);
        gateway_call_pass_over(call, r, skip_prefix(error_text(&error), lane->config->name));
}

void gateway_call_abandon_attempt(struct gateway_call *call)
{
        const struct fault fault = { .class = FAULT_LOCAL };
        struct lane_outcome outcome = { .abandoned = true };
        struct lane *lane = lane_of(call);

        call->exchange = provider_call_free(call->exchange);
        call->stopped = true;
        gateway_call_book(call, NULL, &fault, clock_monotonic_usec());
        leave(call, &outcome);
        lane_state_pump(lane->state);
}
