/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include "base/cleanup.h"
#include "base/enum.h"
#include "config/check.h"
#include "config/schema_rows.h"

#include <float.h>
#include <string.h>

const char *const config_type_names[CONFIG_TYPE_MAX + 1] = {
        [CONFIG_BOOL] = "boolean",
        [CONFIG_U32] = "integer",
        [CONFIG_U64] = "integer",
        [CONFIG_DOUBLE] = "number",
        [CONFIG_STRING] = "string",
        [CONFIG_STRINGS] = "list of strings",
        [CONFIG_NUMBERS] = "list of integers",
        [CONFIG_ENUM] = "word",
};
DEFINE_ENUM_NAMES(config_type, enum config_type)

const char *const config_unit_names[UNIT_MAX + 1] = {
        [UNIT_NONE] = "",
        [UNIT_TEXTS] = "texts",
        [UNIT_TOKENS] = "tokens",
        [UNIT_CHARACTERS] = "characters",
        [UNIT_ENTRIES] = "entries",
        [UNIT_KB] = "KiB",
        [UNIT_MB] = "MiB",
        [UNIT_MSEC] = "ms",
        [UNIT_SECONDS] = "s",
        [UNIT_MINUTES] = "min",
        [UNIT_HOURS] = "h",
        [UNIT_DAYS] = "days",
        [UNIT_PER_MINUTE] = "per minute",
        [UNIT_PER_DAY] = "per day",
        [UNIT_USD] = "USD",
        [UNIT_USD_PER_MTOK] = "USD per million tokens",
        [UNIT_RATIO] = "ratio",
        [UNIT_PERCENT] = "percent",
};
DEFINE_ENUM_NAMES(config_unit, enum config_unit)

const char *const config_impact_names[IMPACT_MAX + 1] = {
        [IMPACT_HOT] = "hot",
        [IMPACT_REBIND] = "rebind",
        [IMPACT_RELOAD_MODEL] = "reload-model",
        [IMPACT_REBUILD_INDEX] = "rebuild-index",
        [IMPACT_REEMBED] = "re-chunk+re-embed",
        [IMPACT_RESTART] = "restart",
};
DEFINE_ENUM_NAMES(config_impact, enum config_impact)

#define SECTION(name) .rows = name##_rows, .count = &name##_row_count

const struct config_section config_sections[] = {
        { "", "What the profile is.", SECTION(top) },
        { "rag", "The master switches.", SECTION(rag), .check = check_rag },
        { "rag.server", "Where and how the HTTP API listens.", SECTION(server),
          .check = check_server },
        { CONFIG_PROVIDER_TEMPLATE,
          "A model behind a name of your choice; other sections refer to it by that name.",
          SECTION(provider), .check = check_providers },
        { "rag.vector_storage", "Where vectors live.", SECTION(vector_storage),
          .check = check_vector_storage },
        { "rag.vector_storage.hnsw", "The graph over the vectors.", SECTION(hnsw),
          .check = check_hnsw },
        { "rag.embedding", "How text becomes vectors.", SECTION(embedding),
          .check = check_embedding },
        { "rag.generation", "How answers are written.", SECTION(generation),
          .check = check_generation },
        { "rag.generation.routing", "Which questions go to which provider.", SECTION(routing),
          .check = check_routing },
        { "rag.retrieval", "How passages are found.", SECTION(retrieval),
          .check = check_retrieval },
        { "rag.chunking", "How documents are cut.", SECTION(chunking), .check = check_chunking },
        { "rag.cache", "What is kept to be answered again.", SECTION(cache) },
        { "rag.resilience", "What happens when a provider fails.", SECTION(resilience),
          .check = check_resilience },
        { "rag.budget", "How much money may be spent.", SECTION(budget), .check = check_budget },
        { "rag.promotion", "What a release must show before it serves, and what takes it back.",
          SECTION(promotion), .check = check_promotion },
        { "rag.canary", "How traffic moves to a new release.", SECTION(canary),
          .check = check_canary },
        { "rag.release", "How long a release is on probation.", SECTION(release) },
        { "rag.backup", "Copies of the state folder.", SECTION(backup), .check = check_backup },
        { "rag.monitoring", "What is measured and who is told.", SECTION(monitoring) },
        { "rag.security", "Limits, records and retention.", SECTION(security),
          .check = check_security },
        { "rag.multi_tenant_settings", "What each tenant may use.", SECTION(multi_tenant_settings) },
        { "rag.performance", "What is timed.", SECTION(performance) },
        { "rag.debug", "What is written down for the developer.", SECTION(debug) },
};
const size_t config_section_count = ELEMENTSOF(config_sections);

const struct config_section *config_section_find(const char *path)
{
        for (size_t i = 0; i < config_section_count; i++)
                if (strcmp(config_sections[i].path, path) == 0)
                        return &config_sections[i];
        return NULL;
}

bool config_row_is_provider(const struct config_row *row)
{
        return row >= provider_rows && row < provider_rows + provider_row_count;
}

const char *config_row_leaf(const struct config_row *row)
{
        const char *dot = strrchr(row->key, '.');

        return dot ? dot + 1 : row->key;
}

const struct config_row *config_row_find(const char *key)
{
        const char *name, *dot;

        if (strncmp(key, CONFIG_PROVIDERS ".", sizeof CONFIG_PROVIDERS) == 0) {
                name = key + sizeof CONFIG_PROVIDERS;
                dot = strchr(name, '.');
                for (size_t i = 0; dot && i < provider_row_count; i++)
                        if (strcmp(config_row_leaf(&provider_rows[i]), dot + 1) == 0)
                                return &provider_rows[i];
                return NULL;
        }
        for (size_t i = 0; i < config_section_count; i++)
                for (size_t j = 0; j < *config_sections[i].count; j++)
                        if (strcmp(config_sections[i].rows[j].key, key) == 0)
                                return &config_sections[i].rows[j];
        return NULL;
}

size_t config_provider_row_count(void)
{
        return provider_row_count;
}

size_t config_fixed_row_count(void)
{
        size_t count = 0;

        for (size_t i = 0; i < config_section_count; i++)
                if (config_sections[i].rows != provider_rows)
                        count += *config_sections[i].count;
        return count;
}

size_t config_row_index(const struct config_row *row)
{
        size_t before = 0;

        if (config_row_is_provider(row))
                return (size_t) (row - provider_rows);
        for (size_t i = 0; i < config_section_count; i++) {
                const struct config_section *section = &config_sections[i];

                if (section->rows == provider_rows)
                        continue;
                if (row >= section->rows && row < section->rows + *section->count)
                        return before + (size_t) (row - section->rows);
                before += *section->count;
        }
        return before;
}

double config_row_min(const struct config_row *row)
{
        if (row->min != 0 || row->max != 0)
                return row->min;
        return row->type == CONFIG_DOUBLE ? -DBL_MAX : 0;
}

double config_row_max(const struct config_row *row)
{
        if (row->min != 0 || row->max != 0)
                return row->max;
        switch (row->type) {
        case CONFIG_DOUBLE:
                return DBL_MAX;
        case CONFIG_U64:
                return (double) INT64_MAX; /* TOML's integers end here */
        default:
                return UINT32_MAX;
        }
}
