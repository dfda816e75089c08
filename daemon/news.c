/* SPDX-License-Identifier: Apache-2.0 */
#include "news.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "gateway/gateway.h"
#include "metrics/metrics.h"
#include "release/release.h"
#include "store/ledger.h"
#include "tenancy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MICROUSD 1e6
#define NUMBER_SIZE 24

/* ---- Calls --------------------------------------------------------------------------------- */

static void count_call(const struct news *news, const struct gateway_attempt *attempt)
{
        struct metrics *metrics = news->metrics;
        /* The fault classes are the label's values behind "ok". */
        size_t outcome = attempt->fault == FAULT_CLASS_MAX ? 0 : (size_t) attempt->fault + 1;
        size_t provider;

        if (!metrics)
                return;
        provider = metrics_provider(metrics, attempt->provider);
        metrics_add(metrics, METRIC_PROVIDER_CALLS, provider, outcome, 1);
        metrics_observe(metrics, METRIC_PROVIDER_SECONDS, provider, 0, attempt->took_usec);
        if (attempt->first_usec)
                metrics_observe(metrics, METRIC_PROVIDER_FIRST_SECONDS, provider, 0,
                                attempt->first_usec);
        metrics_add(metrics, METRIC_PROVIDER_INPUT_TOKENS, provider, 0, attempt->input_tokens);
        metrics_add(metrics, METRIC_PROVIDER_OUTPUT_TOKENS, provider, 0, attempt->output_tokens);
        metrics_add(metrics, METRIC_PROVIDER_COST, provider, 0, attempt->cost_microusd);
}

static void log_call(const struct gateway_attempt *attempt)
{
        char input[NUMBER_SIZE], output[NUMBER_SIZE], cost[NUMBER_SIZE], took[NUMBER_SIZE];
        const char *outcome = attempt->fault == FAULT_CLASS_MAX
                                      ? "ok"
                                      : fault_class_name(attempt->fault);
        const char *const fields[] = {
                "RAGD_PROVIDER", attempt->provider,
                "RAGD_CALL", call_kind_name(attempt->kind),
                "RAGD_OUTCOME", outcome,
                "RAGD_INPUT_TOKENS", input,
                "RAGD_OUTPUT_TOKENS", output,
                "RAGD_COST_MICROUSD", cost,
                "RAGD_TOOK_MSEC", took,
                "RAGD_REQUEST_ID", attempt->request_id,
                NULL,
        };

        (void) snprintf(input, sizeof input, "%" PRIu64, attempt->input_tokens);
        (void) snprintf(output, sizeof output, "%" PRIu64, attempt->output_tokens);
        (void) snprintf(cost, sizeof cost, "%" PRIu64, attempt->cost_microusd);
        (void) snprintf(took, sizeof took, "%.1f", (double) attempt->took_usec / 1000.0);
        log_write(LOG_LEVEL_INFO, fields,
                  "%s %s: %s%s, %s ms, %s tokens in, %s out%s, $%.6f", attempt->provider,
                  call_kind_name(attempt->kind), outcome,
                  attempt->number > 1 ? " (tried again)" : "", took, input, output,
                  attempt->estimated ? " (estimated)" : "",
                  (double) attempt->cost_microusd / MICROUSD);
}

/* ---- What happens by itself ------------------------------------------------------------------ */

static void tell_budget(const struct gateway_event *event, const char *what)
{
        log_warning("%s budget %s: $%.6g of $%.6g (rag.budget.%s)",
                    event->monthly ? "monthly" : "daily", what,
                    (double) event->spent_microusd / MICROUSD,
                    (double) event->limit_microusd / MICROUSD,
                    event->monthly ? "monthly_usd" : "daily_usd");
}

static void count(const struct news *news, enum metric_id id)
{
        if (news->metrics)
                metrics_add(news->metrics, id, 0, 0, 1);
}

void news_of_gateway(void *data, const struct gateway_event *event)
{
        const struct news *news = data;
        const char *why = event->text ? event->text : "";

        switch (event->news) {
        case GATEWAY_BREAKER_OPENED:
                log_warning("provider %s is left alone for a while: %s", event->provider, why);
                break;
        case GATEWAY_BREAKER_CLOSED:
                log_notice("provider %s answers again", event->provider);
                break;
        case GATEWAY_FELL_BACK:
                count(news, METRIC_GATEWAY_FALLBACKS);
                log_notice("provider %s answers in place of %s: %s", event->provider,
                           event->other ? event->other : "?", why);
                break;
        case GATEWAY_BUDGET_ALERT:
                tell_budget(event, "nearly spent");
                break;
        case GATEWAY_BUDGET_SPENT:
                tell_budget(event, "spent");
                break;
        case GATEWAY_CALL:
                count_call(news, event->attempt);
                log_call(event->attempt);
                break;
        case GATEWAY_LEDGER_FAILED:
                log_error("the books of provider calls cannot be written, trying again: %s", why);
                break;
        default:
                break;
        }
}

/* ---- Releases ------------------------------------------------------------------------------ */

static const struct {
        enum log_level level;
        enum metric_id counter; /* METRIC_MAX: none */
        const char *action;     /* of a line in the audit log; NULL: none */
} kinds[RELEASE_EVENT_KIND_MAX] = {
        [RELEASE_EVENT_STATE] = { LOG_LEVEL_NOTICE, METRIC_MAX, "release.state" },
        [RELEASE_EVENT_REVERTED] = { LOG_LEVEL_ERROR, METRIC_RELEASE_REVERTS, "release.reverted" },
        [RELEASE_EVENT_HELD] = { LOG_LEVEL_WARNING, METRIC_RELEASE_HOLDS, "release.held" },
        [RELEASE_EVENT_DEGRADED] = { LOG_LEVEL_ERROR, METRIC_MAX, "release.degraded" },
        [RELEASE_EVENT_DRAINING] = { LOG_LEVEL_WARNING, METRIC_MAX, NULL },
        [RELEASE_EVENT_DRAINED] = { LOG_LEVEL_NOTICE, METRIC_MAX, NULL },
};

/* What happened is not undone where the log cannot be written; the journal has it in any case. */
static void record(const struct news *news, const struct release_event *event)
{
        cleanup_json_ struct json_object *details = json_object_new_object();
        const char *state = release_state_name(event->state);
        char object[32];
        const struct tenancy_event line = {
                .action = kinds[event->kind].action,
                .object = object,
                .release = event->release,
                .details = details,
        };

        (void) snprintf(object, sizeof object, "releases/%u", event->release);
        if (state)
                json_add_string(details, "state", state);
        if (event->why)
                json_add_string(details, "why", event->why);
        if (line.action && news->tenancy)
                tenancy_record(news->tenancy, &line);
}

void news_of_release(void *data, const struct release_event *event)
{
        const struct news *news = data;
        const char *state = release_state_name(event->state), *why = event->why;
        char number[NUMBER_SIZE];
        const char *const fields[] = { "RAGD_RELEASE", number,
                                       state ? "RAGD_RELEASE_STATE" : NULL, state, NULL };

        (void) snprintf(number, sizeof number, "%u", event->release);
        log_write(kinds[event->kind].level, fields, "release %u: %s%s%s", event->release,
                  state ? state : "", state && why ? ": " : "", why ? why : "");
        if (kinds[event->kind].counter != METRIC_MAX)
                count(news, kinds[event->kind].counter);
        record(news, event);
}

/* ---- Summary ----------------------------------------------------------------------------- */

static void tell_usage(const char *when, const struct ledger_entry *entry)
{
        log_notice("usage %s: %s, %" PRIu64 " requests (%" PRIu64 " failed), %" PRIu64
                   " tokens in, %" PRIu64 " out, $%.6g",
                   when, entry->provider, entry->requests, entry->errors, entry->input_tokens,
                   entry->output_tokens, (double) entry->cost_microusd / MICROUSD);
}

void news_usage(struct store *store)
{
        uint32_t today = ledger_day(clock_wall_usec());
        const struct {
                const char *when;
                uint32_t first;
        } spans[] = { { "today", today }, { "this month", ledger_month_begin(today) } };

        for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
                const struct ledger_query query = { .first_day = spans[i].first,
                                                    .last_day = today,
                                                    .by = LEDGER_BY_PROVIDER };
                struct ledger_entry *entries = NULL;
                struct error error = { 0 };
                size_t n = 0;

                if (ledger_sum(store, &query, &entries, &n, &error) < 0) {
                        log_warning("the usage of providers cannot be told: %s",
                                    error_text(&error));
                        return;
                }
                for (size_t j = 0; j < n; j++)
                        tell_usage(spans[i].when, &entries[j]);
                free(entries);
        }
}
