/* SPDX-License-Identifier: Apache-2.0 */
/* What an attempt used and cost: for the books, the budget, today's figures and whoever watches. */
#include "gateway/call_inside.h"

#include "base/clock.h"
#include "config/values.h"
#include "gateway/price.h"
#include "tenant/tenants.h"

#include <stdio.h>

/* A failure that gave nothing costs nothing; what was streamed, or given up half-way, was read
 * and written by the model, and nobody else will count it. */
static void count_usage(const struct gateway_call *call, const struct call_result *result,
                        const struct fault *fault, struct gateway_attempt *attempt)
{
        if (result) {
                attempt->input_tokens = result->input_tokens;
                attempt->output_tokens = result->output_tokens;
                attempt->estimated = result->estimated;
        } else if (fault && (fault->input_tokens > 0 || fault->output_tokens > 0)) {
                attempt->input_tokens = fault->input_tokens;
                attempt->output_tokens = fault->output_tokens;
                attempt->estimated = fault->estimated;
        } else if (call->stopped || call->text_bytes > 0) {
                attempt->input_tokens = call->settings.input_tokens;
                attempt->output_tokens = price_estimate_tokens(call->text_bytes);
                attempt->estimated = true;
        }
}

/* Before it is in the books, from which the tenant's day is read the first time. */
static void settle_with_tenant(struct gateway_call *call, const struct gateway_attempt *attempt)
{
        struct tenants *tenants = call->gateway->settings.tenants;

        if (!tenants)
                return;
        tenant_settle_calls(tenants, call->settings.tenant, 0, 0,
                            attempt->input_tokens + attempt->output_tokens,
                            attempt->cost_microusd);
        call->careful |= tenant_has_call_limits(tenants, call->settings.tenant);
}

static void write_entry(struct gateway_call *call, const struct gateway_attempt *attempt,
                        uint32_t sends, bool error)
{
        struct gateway *gateway = call->gateway;
        struct lane *lane = call->candidates[call->at].lane;
        struct ledger_entry entry = {
                .day = ledger_day(clock_wall_usec()),
                .tenant = call->settings.tenant,
                .requests = sends > 0 ? sends : 1,
                .errors = error,
                .input_tokens = attempt->input_tokens,
                .output_tokens = attempt->output_tokens,
                .estimated_tokens = attempt->estimated
                                            ? attempt->input_tokens + attempt->output_tokens : 0,
                .cost_microusd = attempt->cost_microusd,
        };
        unsigned news;

        (void) snprintf(entry.provider, sizeof entry.provider, "%s", lane->config->name);
        (void) snprintf(entry.kind, sizeof entry.kind, "%s", call_kind_name(attempt->kind));
        lane_state_count(lane->state, &entry);
        news = budget_settle(&gateway->commons->budget, 0, attempt->cost_microusd, entry.day);
        gateway_tell_budget(gateway, news, call->settings.tenant);
        settle_with_tenant(call, attempt);
        if (!gateway->commons->books)
                return;
        if (books_add(gateway->commons->books, &entry) < 0) {
                const struct gateway_event lost = { .news = GATEWAY_LEDGER_FAILED,
                                                    .provider = lane->config->name,
                                                    .text = "out of memory: a call is not booked" };

                gateway_tell(gateway, &lost);
        }
        call->careful |= lane->charged || lane->state->limits.requests_per_day > 0;
}

void gateway_call_book(struct gateway_call *call, const struct call_result *result,
                       const struct fault *fault, uint64_t now_usec)
{
        const struct lane *lane = call->candidates[call->at].lane;
        struct gateway_attempt attempt = {
                .provider = lane->config->name,
                .kind = call->settings.request->kind,
                .fault = fault ? fault->class : FAULT_CLASS_MAX,
                .status = fault ? fault->status : 0,
                .number = call->number,
                .begin_usec = call->sent_usec - call->settings.begin_usec,
                .waited_usec = call->sent_usec - call->waiting_since_usec,
                .took_usec = now_usec - call->sent_usec,
                .first_usec = call->first_usec > 0 ? call->first_usec - call->sent_usec : 0,
        };
        const struct gateway_event event = { .news = GATEWAY_CALL,
                                             .provider = lane->config->name,
                                             .tenant = call->settings.tenant,
                                             .attempt = &call->attempt };

        count_usage(call, result, fault, &attempt);
        (void) snprintf(attempt.model, sizeof attempt.model, "%.*s", (int) sizeof attempt.model - 1,
                        result && result->model[0] ? result->model
                        : lane->config->model      ? lane->config->model
                                                   : "");
        (void) snprintf(attempt.request_id, sizeof attempt.request_id, "%.*s",
                        (int) sizeof attempt.request_id - 1,
                        result ? result->request_id : fault ? fault->request_id : "");
        if (attempt.kind != CALL_PROBE) {
                attempt.cost_microusd = price_of(lane->config, attempt.input_tokens,
                                                 attempt.output_tokens);
                write_entry(call, &attempt, result ? result->sends : fault ? fault->sends : 0,
                            fault && !call->stopped);
        }
        call->attempt = attempt;
        if (attempt.kind == CALL_PROBE)
                return;
        gateway_tell(call->gateway, &event);
        if (call->settings.attempt)
                call->settings.attempt(call->settings.attempt_data, &call->attempt);
}
