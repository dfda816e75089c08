/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/call_inside.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/values.h"
#include "gateway/latch.h"
#include "gateway/price.h"
#include "tenant/tenants.h"

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

void gateway_call_set_state(struct gateway_call *call, enum call_state state)
{
        assert(moves[call->state] & MOVE(state));
        call->state = state;
}

/* ---- Its end --------------------------------------------------------------------------------- */

static void complete(void *data)
{
        struct gateway_call *call = data;
        struct call_end end = {
                .result = call->answered ? &call->result : NULL,
                .error = call->answered ? NULL : &call->error,
                .fault = call->fault,
                .lane = call->attempt.number > 0 ? call->candidates[call->at].lane : NULL,
                .attempt = call->attempt,
                .split = call->split,
        };

        if (call->at > 0) {
                end.fallback_from = call->candidates[0].lane->config->name;
                end.reason = call->candidates[0].reason;
        }
        gateway_call_set_state(call, CALL_STATE_DONE);
        call->events.done(call->data, &end);
}

void gateway_call_release(struct gateway_call *call)
{
        unsigned news = budget_settle(&call->gateway->commons->budget, call->reserved, 0,
                                      ledger_day(clock_wall_usec()));

        call->reserved = 0;
        gateway_tell_budget(call->gateway, news, call->settings.tenant);
        if (call->reserved_tokens > 0 || call->reserved_microusd > 0)
                tenant_settle_calls(call->gateway->settings.tenants, call->settings.tenant,
                                    call->reserved_tokens, call->reserved_microusd, 0, 0);
        call->reserved_tokens = call->reserved_microusd = 0;
}

static void finish(struct gateway_call *call)
{
        gateway_call_release(call);
        if (call->timer)
                (void) sd_event_source_set_enabled(call->timer, SD_EVENT_OFF);
        gateway_call_set_state(call, CALL_STATE_SETTLING);
        if (call->careful && call->gateway->commons->books)
                books_settle(call->gateway->commons->books, &call->wait);
        else
                complete(call);
}

void gateway_call_answer(struct gateway_call *call)
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
static int common_code(const struct gateway_call *call)
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

static void describe_reasons(struct gateway_call *call, int code)
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
        if (code == -EDQUOT && call->spent != TENANT_LIMIT_MAX)
                error_set_origin(&call->error, NULL, tenant_limits[call->spent].name, 0, 0);
}

/* Every candidate was passed over. */
void gateway_call_fail_all(struct gateway_call *call)
{
        int code = common_code(call);

        if (call->settings.request->kind == CALL_CHAT && !is_refusal_of_ours(code))
                code = -EHOSTUNREACH;
        call->at = call->settings.n_lanes - 1;
        describe_reasons(call, code);
        finish(call);
}

void gateway_call_note(struct gateway_call *call, int code, const char *reason)
{
        struct candidate *candidate = &call->candidates[call->at];

        candidate->code = code;
        (void) snprintf(candidate->reason, sizeof candidate->reason, "%s", reason);
}

void gateway_call_give_up(struct gateway_call *call, int code, const char *reason)
{
        gateway_call_note(call, code, reason);
        describe_reasons(call, code);
        finish(call);
}

/* ---- Construction ---------------------------------------------------------------------------- */

static uint64_t tokens_of_turn(const struct call_settings *settings)
{
        return settings->request->kind == CALL_PROBE
                       ? 0
                       : settings->input_tokens + settings->output_tokens;
}

int gateway_call_new(struct gateway *gateway, const struct call_settings *settings,
                     const struct call_events *events, void *data, struct gateway_call **ret,
                     struct error *reterr)
{
        struct gateway_call *call = calloc(1, sizeof *call);

        if (!call)
                return error_oom(reterr);
        call->gateway = gateway;
        call->settings = *settings;
        call->settings.lanes = NULL;
        call->events = *events;
        call->data = data;
        call->fault = FAULT_CLASS_MAX;
        call->spent = TENANT_LIMIT_MAX;
        call->ticket = (struct lane_ticket){ .item.tokens = tokens_of_turn(settings),
                                             .granted = gateway_call_granted,
                                             .turned_away = gateway_call_turned_away,
                                             .data = call };
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

void gateway_call_begin(struct gateway_call *call)
{
        struct gateway *gateway = call->gateway;

        call->next = gateway->calls;
        call->link = &gateway->calls;
        if (call->next)
                call->next->link = &call->next;
        gateway->calls = call;
        if (gateway->ending)
                gateway_call_cancel(call, "the gateway ends");
        else
                gateway_call_seek(call);
}

void gateway_call_cancel(struct gateway_call *call, const char *why)
{
        struct lane_state *left = NULL;

        if (call->state == CALL_STATE_SETTLING || call->state == CALL_STATE_DONE)
                return;
        if (call->state == CALL_STATE_WAITING) {
                left = call->candidates[call->at].lane->state;
                lane_state_withdraw(left, &call->ticket);
        }
        if (call->state == CALL_STATE_CALLING)
                gateway_call_abandon_attempt(call);
        (void) error_set(&call->error, -ECANCELED, "%s", why);
        finish(call);
        if (left) /* who stood behind it may be smaller */
                lane_state_pump(left);
}

static struct gateway_call *first_of(const struct gateway *gateway, unsigned states)
{
        struct gateway_call *call = gateway->calls;

        while (call && !(states & MOVE(call->state)))
                call = call->next;
        return call;
}

/* The end of one may end others: the list is looked at anew each time.  Those that have sent
 * nothing go first, so that they do not get the turns of those that have. */
void gateway_call_cancel_all(struct gateway *gateway, const char *why)
{
        const unsigned unsent = MOVE(CALL_STATE_NEW) | MOVE(CALL_STATE_WAITING) |
                                MOVE(CALL_STATE_BACKOFF);
        struct gateway_call *call;

        while ((call = first_of(gateway, unsent)) ||
               (call = first_of(gateway, MOVE(CALL_STATE_CALLING))))
                gateway_call_cancel(call, why);
}

struct gateway_call *gateway_call_free(struct gateway_call *call)
{
        if (!call)
                return NULL;
        if (call->link) {
                *call->link = call->next;
                if (call->next)
                        call->next->link = call->link;
                if (!call->gateway->calls && call->gateway->emptied)
                        latch_open(take_ptr(call->gateway->emptied));
        }
        (void) sd_event_source_disable_unref(call->timer);
        call_result_done(&call->result);
        free(call->candidates);
        free(call);
        return NULL;
}
