/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include "config/providers.h"
#include "config/schema_rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const struct config_origin *origin_of(const struct config *config, const char *key)
{
        const struct config_row *row = config_row_find(key);
        const struct provider_config *provider = NULL;
        const char *name, *dot;
        char text[CHECK_KEY_SIZE];

        if (!row)
                return NULL;
        if (config_row_is_provider(row)) {
                name = key + sizeof CONFIG_PROVIDERS;
                dot = strchr(name, '.');
                (void) snprintf(text, sizeof text, "%.*s", (int) (dot - name), name);
                provider = config_provider(config, text);
                if (!provider)
                        return NULL;
        }
        return config_value_of(config, row, provider).origin;
}

/* Where a provider's table begins, for what its table lacks. */
static const struct config_origin *table_of(const struct config *config, const char *key)
{
        for (size_t i = 0; i < config->provider_count; i++) {
                const char *name = config->providers[i].name;
                size_t len = strlen(name);

                if (strncmp(key, CONFIG_PROVIDERS ".", sizeof CONFIG_PROVIDERS) == 0 &&
                    strncmp(key + sizeof CONFIG_PROVIDERS, name, len) == 0 &&
                    key[sizeof CONFIG_PROVIDERS + len] == '.')
                        return &config->origins->tables[i];
        }
        return NULL;
}

bool config_check_report(struct config_check *check, enum config_severity severity,
                         const char *code, const char *const keys[], const char *format, ...)
{
        const struct config_origin *place = NULL, *origin;
        va_list arguments;

        assert(keys[0]);
        for (size_t i = 0; keys[i]; i++) {
                origin = origin_of(check->config, keys[i]);
                if (origin && origin->invalid)
                        return false;
                if (!place && origin && origin->line)
                        place = origin;
        }
        if (!place) {
                place = table_of(check->config, keys[0]);
                if (place && !place->line)
                        place = NULL;
        }
        va_start(arguments, format);
        config_diagnostics_add_list(check->diagnostics, severity, code,
                                    place ? place->file : check->config->origins->files[0],
                                    place ? place->line : 1, place ? place->column : 1, keys[0],
                                    format, arguments);
        va_end(arguments);
        return true;
}

bool config_check_written(const struct config_check *check, const char *key)
{
        const struct config_origin *origin = origin_of(check->config, key);

        return origin && origin->line;
}

const char *check_provider_key(const struct provider_config *provider, const char *leaf,
                               char text[static CHECK_KEY_SIZE])
{
        (void) snprintf(text, CHECK_KEY_SIZE, CONFIG_PROVIDERS ".%s.%s", provider->name, leaf);
        return text;
}

void config_check(const struct config *config, uint64_t machine_memory_bytes,
                  struct config_diagnostics *diagnostics)
{
        struct config_check check = { .config = config,
                                      .diagnostics = diagnostics,
                                      .machine_memory_bytes = machine_memory_bytes };

        for (size_t i = 0; i < config_section_count; i++)
                if (config_sections[i].check)
                        config_sections[i].check(&check);
}

/* ---- Rules that are one comparison ------------------------------------------------------- */

void check_resilience(struct config_check *check)
{
        const struct resilience_config *resilience = &check->config->resilience;

        if (resilience->backoff_initial_ms > resilience->backoff_max_ms)
                check_error(check, "E_BACKOFF",
                            KEYS("rag.resilience.backoff_initial_ms",
                                 "rag.resilience.backoff_max_ms"),
                            "%u ms is more than backoff_max_ms, %u", resilience->backoff_initial_ms,
                            resilience->backoff_max_ms);
}

void check_budget(struct config_check *check)
{
        const struct budget_config *budget = &check->config->budget;

        if (budget->daily_usd > budget->monthly_usd &&
            check_warning(check, "W_BUDGET",
                          KEYS("rag.budget.daily_usd", "rag.budget.monthly_usd"),
                          "%.15g USD a day can never be spent: the month has %.15g",
                          budget->daily_usd, budget->monthly_usd))
                check_hint(check, "raise monthly_usd or lower daily_usd");
}

static void check_band(struct config_check *check, const char *gate_key, double gate,
                       const char *rollback_key, double rollback)
{
        if (gate > rollback &&
            check_error(check, "E_BAND", KEYS(gate_key, rollback_key),
                        "%.15g would be promoted and taken back at once: %s is %.15g", gate,
                        strrchr(rollback_key, '.') + 1, rollback))
                check_hint(check, "a gate may not lie above its rollback limit");
}

void check_promotion(struct config_check *check)
{
        const struct promotion_config *promotion = &check->config->promotion;

        check_band(check, "rag.promotion.max_error_rate", promotion->max_error_rate,
                   "rag.promotion.rollback_error_rate", promotion->rollback_error_rate);
        check_band(check, "rag.promotion.max_avg_latency_seconds",
                   promotion->max_avg_latency_seconds,
                   "rag.promotion.rollback_avg_latency_seconds",
                   promotion->rollback_avg_latency_seconds);
        check_band(check, "rag.promotion.max_monthly_usd", promotion->max_monthly_usd,
                   "rag.promotion.rollback_monthly_usd", promotion->rollback_monthly_usd);
}

void check_canary(struct config_check *check)
{
        const struct config_numbers *steps = &check->config->canary.steps;

        for (size_t i = 1; i < steps->count; i++) {
                if (steps->items[i] > steps->items[i - 1])
                        continue;
                check_error(check, "E_STEPS", KEYS("rag.canary.steps"),
                            "%u after %u: each step must send more traffic than the one before",
                            steps->items[i], steps->items[i - 1]);
                return;
        }
}
